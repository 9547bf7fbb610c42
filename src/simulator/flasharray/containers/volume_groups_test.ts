import assert from "node:assert/strict";
import { MiB, withVolume } from "../fixture_test.ts";

withVolume("volumes are made in a volume group, and it counts them", async ({ array }) => {
  const qos = { iops_limit: 1000, bandwidth_limit: 4 * MiB };
  const [group] = (await array.ok("POST /volume-groups?names=vg1", { qos })).items;
  assert.deepEqual([group.name, group.qos, group.volume_count], ["vg1", qos, 0]);
  const [made] = (await array.ok("POST /volumes?names=VG1/v1", { provisioned: MiB })).items;
  assert.deepEqual([made.name, made.volume_group.name, made.pod.name], ["vg1/v1", "vg1", null]);
  assert.deepEqual(made.qos, { iops_limit: null, bandwidth_limit: null });
  await array.ok("PATCH /volume-groups?names=vg1", { qos: { iops_limit: "" } });
  const [shown] = (await array.ok("GET /volume-groups?names=vg1")).items;
  assert.deepEqual([shown.qos.iops_limit, shown.volume_count], [null, 1]);
  const rows = (await array.ok("GET /volume-groups/volumes?group_names=vg1")).items;
  assert.deepEqual(
    rows.map((row: { member: { name: string } }) => row.member.name),
    ["vg1/v1"],
  );
});

withVolume("a volume group may be in a pod, and goes where its pod goes", async ({ array }) => {
  await array.ok("POST /pods?names=p1", {});
  await array.ok("POST /volume-groups?names=p1::vg1,vg2", {});
  const [made] = (await array.ok("POST /volumes?names=p1::vg1/v1", {})).items;
  assert.deepEqual([made.volume_group.name, made.pod.name], ["p1::vg1", "p1"]);
  await array.ok("PATCH /pods?names=p1", { name: "p2" });
  await array.ok("GET /volumes?names=p2::vg1/v1");
  await array.ok("GET /volume-groups?names=p2::vg1");
  assert.equal(
    await array.refused("PATCH /volumes?names=p2::vg1/v1", { volume_group: { name: "vg2" } }),
    "400 A volume can be moved into a volume group of its own pod only. (p2::vg1/v1)",
  );
  await array.ok("PATCH /volumes?names=p2::vg1/v1", { volume_group: { name: "" } });
  await array.ok("PATCH /volumes?names=p2::v1", { pod: { name: "" } }).then(
    () => assert.fail("v1 was there already"),
    (error) => assert.equal(error.message, "400 Volume already exists. (v1)"),
  );
  await array.ok("PATCH /pods?names=p2&destroy_contents=true", { destroyed: true });
  const [gone] = (await array.ok("GET /volume-groups?names=p2::vg1")).items;
  assert.equal(gone.destroyed, true);
});

withVolume("what a volume group cannot be or hold is refused", async ({ array }) => {
  await array.ok("POST /volume-groups?names=vg1", {});
  for (
    const [call, body, error] of [
      ["POST /volume-groups?names=VG1", {}, "400 Volume group already exists. (VG1)"],
      ["POST /volume-groups?names=none::vg", {}, "400 Pod does not exist. (none)"],
      ["POST /volumes?names=none/v", {}, "400 Volume group does not exist. (none)"],
      [
        "PATCH /volume-groups?names=vg1",
        { name: "p::vg" },
        "400 A rename cannot move anything " +
        "into another pod. (p::vg)",
      ],
      [
        "POST /volume-groups?names=vg2",
        { qos: { iops_limit: 1 } },
        "400 Invalid value for " +
        "iops_limit: 1 is not within 100 and 100000000. (iops_limit)",
      ],
      [
        "PATCH /volume-groups?names=vg1",
        { destroyed: false },
        "400 Volume group has not been " +
        "destroyed. (vg1)",
      ],
    ] as const
  ) assert.equal(await array.refused(call, body), error, call);
  assert.match(
    await array.refused("POST /volume-groups?names=a/b", {}),
    /^400 Volume group does not exist. \(a\)/,
  );
  assert.match(
    await array.refused("POST /volume-groups?names=vg1/b", {}),
    /^400 Volume group name must be/,
  );
});

withVolume("an empty volume group ends alone, and after its delay by itself", async (bench) => {
  const { array, control } = bench;
  await array.ok("POST /volume-groups?names=vg1,vg2", {});
  await array.ok("POST /volumes?names=vg2/v", {});
  await array.ok("PATCH /volume-groups?names=vg1", { destroyed: true });
  await array.ok("DELETE /volume-groups?names=vg1");
  await array.ok("PATCH /volume-groups?names=vg2&destroy_contents=true", { destroyed: true });
  await control("POST /clock", { advance: 86_401 });
  await array.login();
  assert.deepEqual((await array.ok("GET /volume-groups")).items, []);
  assert.equal((await array.ok("GET /volumes")).items.length, 1);
});
