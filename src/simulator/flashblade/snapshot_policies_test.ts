import assert from "node:assert/strict";
import { bladeTest, sized } from "./fixture_test.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

bladeTest("a snapshot policy with its rules and its file systems", async ({ array }) => {
  const hourly = { every: HOUR, keep_for: DAY };
  const [made] =
    (await array.ok("POST /policies?names=p1", { enabled: true, rules: [hourly] })).items;
  assert.deepEqual([made.policy_type, made.enabled, made.rules], [
    ...["snapshot", true],
    [{ at: null, every: HOUR, keep_for: DAY, time_zone: null }],
  ]);
  assert.equal(
    await array.refused("POST /policies?names=P1", {}),
    "400 Policy already exists. (P1)",
  );
  for (
    const rule of [
      { every: 1000, keep_for: DAY },
      { every: DAY, keep_for: HOUR },
      { every: HOUR, keep_for: DAY, at: 0 },
    ]
  ) {
    assert.match(await array.refused("POST /policies?names=p2", { rules: [rule] }), /^400 /);
  }
  const nightly = { at: 2 * HOUR, every: DAY, keep_for: 7 * DAY, time_zone: "UTC" };
  const change = { add_rules: [nightly], remove_rules: [hourly] };
  const [changed] = (await array.ok("PATCH /policies?names=p1", change)).items;
  assert.deepEqual(changed.rules, [nightly]);
  assert.match(
    await array.refused("PATCH /policies?names=p1", { remove_rules: [hourly] }),
    /^400 /,
  );

  await array.ok("POST /file-systems?names=fs1", sized(16 * 1024 * 1024));
  await array.ok("POST /policies/file-systems?policy_names=p1&member_names=fs1");
  assert.match(
    await array.refused("POST /file-systems/policies?policy_names=p1&member_names=fs1"),
    /^400 File system already has the policy/,
  );
  const [member] = (await array.ok("GET /policies/file-systems?policy_names=p1")).items;
  assert.deepEqual([member.member.name, member.policy.name], ["fs1", "p1"]);
  assert.deepEqual(
    (await array.ok("GET /file-systems/policies?member_names=fs1")).items.length,
    1,
  );
  await array.ok("PATCH /file-systems?names=fs1", {
    destroyed: true,
    nfs: { v3_enabled: false, v4_1_enabled: false },
  });
  await array.ok("DELETE /file-systems?names=fs1");
  assert.deepEqual((await array.ok("GET /policies/file-systems")).items, []);
  await array.ok("DELETE /policies?names=p1");
  assert.equal(await array.refused("GET /policies?names=p1"), "400 Policy does not exist. (p1)");
});
