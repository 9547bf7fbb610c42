import assert from "node:assert/strict";
import type { TestClient } from "../../fixture_test.ts";
import { withVolume } from "../fixture_test.ts";

const OF_POD = "Protection groups of pods are not supported by this array.";

/** Group `pg` with the volumes `v1` and `v2`. */
async function makeGroup(array: TestClient): Promise<void> {
  await array.ok("POST /protection-groups?names=pg");
  await array.ok("POST /volumes?names=v2&add_to_protection_group_names=PG", {});
  await array.ok("POST /protection-groups/volumes?group_names=pg&member_names=v1");
}

async function names(array: TestClient, query: string): Promise<string[]> {
  const { items } = await array.ok(`GET /${query}`);
  return items.map(({ name }: { name: string }) => name);
}

withVolume("a snapshot of a protection group holds all of its volumes", async ({ array }) => {
  await makeGroup(array);
  await array.ok("POST /volumes?names=v3", {});
  const [group] = (await array.ok("GET /protection-groups?names=pg")).items;
  assert.equal(group.volume_count, 2);
  const [made] = (await array.ok("POST /protection-group-snapshots?source_names=pg", {
    suffix: "daily",
  })).items;
  assert.deepEqual([made.name, made.source.name, made.destroyed], ["pg.daily", "pg", false]);
  await array.ok("POST /protection-group-snapshots?source_names=pg");
  assert.deepEqual(await names(array, "protection-group-snapshots?source_names=pg"), [
    "pg.1",
    "pg.daily",
  ]);
  const parts = ["pg.1.v1", "pg.1.v2", "pg.daily.v1", "pg.daily.v2"];
  assert.deepEqual(await names(array, "volume-snapshots"), parts);
  const [part] = (await array.ok("GET /volume-snapshots?names=PG.daily.V2")).items;
  assert.deepEqual([part.source.name, part.created], ["v2", made.created]);
  await array.ok("POST /volumes?names=copy", { source: { name: "pg.daily.v1" } });
  await array.ok("PATCH /volumes?names=v1", { name: "w1" });
  assert.deepEqual(await names(array, "volume-snapshots?source_names=w1"), [
    "pg.1.w1",
    "pg.daily.w1",
  ]);
});

withVolume("a snapshot of a protection group comes and goes whole", async ({ array }) => {
  await makeGroup(array);
  await array.ok("POST /protection-group-snapshots?source_names=pg", { suffix: "a" });
  for (const body of [{ destroyed: true }, { name: "b" }]) {
    assert.equal(
      await array.refused("PATCH /volume-snapshots?names=pg.a.v1", body),
      "400 Volume snapshot is part of a protection group snapshot. (pg.a.v1)",
    );
  }
  await array.ok("PATCH /protection-group-snapshots?names=pg.a", { destroyed: true });
  assert.deepEqual(await names(array, "volume-snapshots?destroyed=false"), []);
  await array.ok("PATCH /protection-group-snapshots?names=pg.a", { destroyed: false });
  await array.ok("PATCH /protection-group-snapshots?names=pg.a", { name: "b" });
  assert.deepEqual(await names(array, "volume-snapshots?destroyed=false"), ["pg.b.v1", "pg.b.v2"]);
  await array.ok("PATCH /protection-groups?names=pg", { destroyed: true });
  assert.deepEqual(await names(array, "volume-snapshots?destroyed=false"), []);
  await array.ok("PATCH /protection-groups?names=pg", { destroyed: false });
  assert.deepEqual(await names(array, "protection-group-snapshots?destroyed=false"), ["pg.b"]);
  await array.ok("PATCH /protection-groups?names=pg", { destroyed: true });
  await array.ok("DELETE /protection-groups?names=pg");
  for (const path of ["protection-groups", "protection-group-snapshots", "volume-snapshots"]) {
    assert.deepEqual(await names(array, path), [], path);
  }
});

withVolume("volumes join and leave a protection group from both ends", async ({ array }) => {
  await makeGroup(array);
  const members = async (path: string) =>
    (await array.ok(`GET /${path}`)).items.map((
      { group, member }: { group: { name: string }; member: { name: string } },
    ) => [group.name, member.name]);
  assert.deepEqual(await members("protection-groups/volumes"), [["pg", "v1"], ["pg", "v2"]]);
  await array.ok("DELETE /volumes/protection-groups?group_names=pg&member_names=v1");
  assert.deepEqual(await members("volumes/protection-groups?member_names=v1"), []);
  await array.ok("PATCH /volumes?names=v2", { destroyed: true });
  await array.ok("POST /protection-group-snapshots?source_names=pg", { suffix: "a" });
  assert.deepEqual(await names(array, "volume-snapshots"), []);
  await array.ok("DELETE /volumes?names=v2");
  assert.deepEqual(await members("protection-groups/volumes?group_names=pg"), []);
});

withVolume("what a protection group refuses", async ({ array }) => {
  await makeGroup(array);
  await array.ok("POST /pods?names=p1", {});
  await array.ok("POST /volumes?names=p1::v3", {});
  await array.ok("POST /protection-groups?names=old");
  await array.ok("PATCH /protection-groups?names=old", { destroyed: true });
  await array.ok("POST /protection-group-snapshots?source_names=pg", { suffix: "a" });
  const refused: [call: string, body: unknown, error: string][] = [
    ["POST /protection-groups?names=PG", {}, "400 Protection group already exists. (PG)"],
    [
      "POST /protection-groups?names=old",
      {},
      "400 Protection group name is held by one that is pending eradication. (old)",
    ],
    ["GET /protection-groups?names=no", undefined, "400 Protection group does not exist. (no)"],
    [
      "POST /protection-groups/volumes?group_names=pg&member_names=v1",
      undefined,
      "400 Volume already belongs to this protection group. (v1)",
    ],
    [
      "POST /protection-groups/volumes?group_names=old&member_names=v1",
      undefined,
      "400 Protection group has been destroyed. (old)",
    ],
    [
      "POST /protection-group-snapshots?source_names=pg",
      { suffix: "a" },
      "400 Protection group snapshot already exists. (pg.a)",
    ],
    [
      "POST /protection-group-snapshots?source_names=pg&replicate_now=true",
      { suffix: "b" },
      "400 Parameter replicate_now is not supported by this array. (pg)",
    ],
    [
      "DELETE /protection-groups?names=pg",
      undefined,
      "400 Protection group cannot be eradicated: it has not been destroyed. (pg)",
    ],
    [
      "PATCH /protection-groups?names=pg",
      { retention_lock: "ratcheted" },
      "400 Parameter retention_lock is not supported by this array. (pg)",
    ],
    [
      "POST /volumes?names=v9&add_to_protection_group_names=no",
      {},
      "400 Protection group does not exist. (no)",
    ],
    ["POST /protection-groups?names=p1::pg", {}, `400 ${OF_POD} (p1::pg)`],
    [
      "POST /volumes?names=p1::v9&add_to_protection_group_names=pg",
      {},
      `400 ${OF_POD} (p1::v9)`,
    ],
    [
      "POST /protection-groups/volumes?group_names=pg&member_names=p1::v3",
      undefined,
      `400 ${OF_POD} (p1::v3)`,
    ],
    [
      "PATCH /volumes?names=v1",
      { pod: { name: "p1" } },
      "400 Volume belongs to a protection group outside of the pod. (v1)",
    ],
    [
      "PATCH /container-default-protections?names=p1",
      { default_protections: [{ name: "pg", type: "protection_group" }] },
      "400 Default protection is not supported by this array. (pg)",
    ],
  ];
  for (const [call, body, error] of refused) {
    assert.equal(await array.refused(call, body), error, call);
  }
});
