import assert from "node:assert/strict";
import type { TestClient } from "../../fixture_test.ts";
import { MiB, withVolume } from "../fixture_test.ts";

/** Names of the volumes that a query finds, in the order of the list. */
async function names(array: TestClient, query = ""): Promise<string> {
  const { items } = await array.ok(`GET /volumes?${query}`);
  return items.map(({ name }: { name: string }) => name).join();
}

withVolume("volumes are made, shown and found in their pod", async ({ array }) => {
  const [pod] = (await array.ok("POST /pods?names=p1", {})).items;
  assert.deepEqual([pod.name, pod.array_count, pod.arrays[0].status], ["p1", 1, "online"]);
  const [made] = (await array.ok("POST /volumes?names=P1::v1", { provisioned: MiB })).items;
  assert.deepEqual([made.name, made.pod], ["p1::v1", { name: "p1", id: pod.id }]);
  assert.equal(await names(array, "filter=pod.name='p1'"), "p1::v1");
  assert.equal(await names(array, "filter=name='*::v*'"), "p1::v1");
  assert.equal(await names(array), "p1::v1,v1");
  await array.ok("POST /volume-snapshots?source_names=p1::v1", { suffix: "s" });
  const [snapshot] = (await array.ok("GET /volume-snapshots?names=p1::v1.s")).items;
  assert.deepEqual([snapshot.name, snapshot.pod.name], ["p1::v1.s", "p1"]);
  await array.ok("PUT /volumes/tags/batch?resource_names=p1::v1", [{ key: "k", value: "v" }]);
  const [tag] = (await array.ok("GET /volumes/tags?resource_names=p1::v1")).items;
  assert.equal(tag.resource.name, "p1::v1");
  await array.ok("POST /volumes?names=p1::copy", { source: { name: "v1" } });
  await array.ok("POST /volumes?names=out", { source: { name: "p1::v1.s" } });
  await array.ok("POST /hosts?names=h1", { iqns: ["iqn.2024-01.a:1"] });
  await array.ok("POST /connections?host_names=h1&volume_names=p1::v1");
  const [connection] = (await array.ok("GET /connections?volume_names=p1::v1")).items;
  assert.equal(connection.volume.name, "p1::v1");
});

withVolume("what cannot be in a pod is refused", async ({ array }) => {
  await array.ok("POST /pods?names=p1", {});
  for (
    const [call, body, error] of [
      ["POST /volumes?names=none::v", {}, "400 Pod does not exist. (none)"],
      ["POST /volumes?names=p1::none/v", {}, "400 Volume group does not exist. (p1::none)"],
      ["POST /pods?names=P1", {}, "400 Pod already exists. (P1)"],
      ["POST /pods?names=p2,P2", {}, "400 Duplicate names are not allowed. (P2)"],
      [
        "PATCH /volumes?names=v1",
        { name: "p1::v1" },
        "400 A rename cannot move a volume into " +
        "another pod or volume group. (p1::v1)",
      ],
      ["PATCH /volumes?names=v1", { pod: { name: "none" } }, "400 Pod does not exist. (none)"],
      ["PATCH /pods?names=none", { destroyed: true }, "400 Pod does not exist. (none)"],
      [
        "DELETE /pods?names=p1",
        undefined,
        "400 Pod cannot be eradicated: it has not been " +
        "destroyed. (p1)",
      ],
      [
        "POST /pods?names=p2",
        { quota_limit: 1000 },
        "400 Invalid value for quota_limit: 1000 is " +
        "no multiple of 512 within 1048576 and 4503599627370496. (quota_limit)",
      ],
      ["PATCH /container-default-protections?names=p1", {
        default_protections: [{ name: "pg", type: "protection_group" }],
      }, "400 Protection group does not exist. (pg)"],
    ] as const
  ) assert.equal(await array.refused(call, body), error, call);
  assert.match(await array.refused("POST /pods?names=p::q", {}), /^400 Pod name must be between/);
  assert.match(await array.refused("POST /volumes?names=p1::1", {}), /^400 Volume name must be/);
});

withVolume("a volume moves into a pod and out of it, and keeps what it is", async ({ array }) => {
  await array.ok("POST /pods?names=p1", {});
  await array.ok("POST /volumes?names=p1::taken", {});
  const [before] = (await array.ok("GET /volumes?names=v1")).items;
  await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "s" });
  const [moved] = (await array.ok("PATCH /volumes?names=v1", { pod: { name: "p1" } })).items;
  assert.deepEqual([moved.name, moved.id, moved.serial], ["p1::v1", before.id, before.serial]);
  assert.equal(await array.refused("GET /volumes?names=v1"), "400 Volume does not exist. (v1)");
  await array.ok("GET /volume-snapshots?names=p1::v1.s");
  await array.ok("PATCH /volumes?names=p1::v1", { name: "p1::v2" });
  await array.ok("POST /volumes?names=taken", {});
  assert.equal(
    await array.refused("PATCH /volumes?names=p1::taken", { pod: { name: "" } }),
    "400 Volume already exists. (taken)",
  );
  await array.ok("PATCH /volumes?names=p1::v2", { pod: { name: "" } });
  assert.equal(await names(array), "p1::taken,taken,v2");
  await array.ok("PATCH /pods?names=p1", { name: "p9" });
  assert.equal(await names(array), "p9::taken,taken,v2");
});

withVolume("a pod's quota counts whole sizes of live volumes", async ({ array }) => {
  await array.ok("POST /pods?names=p1", { quota_limit: 8 * MiB });
  await array.ok("POST /volumes?names=p1::a", { provisioned: 5 * MiB });
  const over = "400 Pod quota limit exceeded. (p1)";
  assert.equal(await array.refused("POST /volumes?names=p1::b", { provisioned: 4 * MiB }), over);
  assert.equal(await array.refused("PATCH /volumes?names=p1::a", { provisioned: 9 * MiB }), over);
  assert.equal(await array.refused("PATCH /volumes?names=v1", { pod: { name: "p1" } }), over);
  const copy = { source: { name: "v1" } };
  assert.equal(await array.refused("POST /volumes?names=p1::c", copy), over);
  await array.ok("PATCH /volumes?names=p1::a", { destroyed: true });
  await array.ok("POST /volumes?names=p1::b", { provisioned: 4 * MiB });
  assert.equal(await array.refused("PATCH /volumes?names=p1::a", { destroyed: false }), over);
  assert.equal(
    await array.refused("PATCH /pods?names=p1", { quota_limit: 2 * MiB }),
    "400 Pod quota limit is less than the current usage. (p1)",
  );
  await array.ok("PATCH /pods?names=p1", { quota_limit: 2 * MiB, ignore_usage: true });
  // What takes nothing of the quota goes on.
  await array.ok("PATCH /volumes?names=p1::b", { name: "p1::bb" });
  await array.ok("PATCH /pods?names=p1", { quota_limit: "" });
  await array.ok("PATCH /volumes?names=p1::a", { destroyed: false });
});

withVolume(
  "a pod is destroyed, comes back and ends with what is in it",
  async ({ array, control }) => {
    await array.ok("POST /pods?names=p1", {});
    await array.ok("POST /volumes?names=p1::a,p1::old", {});
    await array.ok("PATCH /volumes?names=p1::old", { destroyed: true });
    await control("POST /clock", { advance: 1 });
    const destroy = { destroyed: true };
    assert.equal(
      await array.refused("PATCH /pods?names=p1", destroy),
      "400 Pod is not empty. (p1)",
    );
    await array.ok("PATCH /pods?names=p1&destroy_contents=true", destroy);
    assert.equal(await names(array, "destroyed=true"), "p1::a,p1::old");
    assert.equal(
      await array.refused("POST /volumes?names=p1::b", {}),
      "400 Pod has been destroyed. (p1)",
    );
    assert.equal(
      await array.refused("PATCH /volumes?names=p1::a", { destroyed: false }),
      "400 Pod has been destroyed. (p1)",
    );
    assert.equal(
      await array.refused("POST /pods?names=p1", {}),
      "400 Pod of that name is destroyed and pending eradication. (p1)",
    );
    await array.ok("PATCH /pods?names=p1", { destroyed: false });
    assert.equal(await names(array, "destroyed=true"), "p1::old");
    await array.ok("PATCH /pods?names=p1&destroy_contents=true", destroy);
    assert.equal(
      await array.refused("DELETE /pods?names=p1"),
      "400 Cannot eradicate pod: it is not empty. (p1)",
    );
    await array.ok("DELETE /pods?names=p1&eradicate_contents=true");
    assert.equal(await names(array), "v1");
    await array.ok("POST /pods?names=p1", {});
  },
);

withVolume(
  "default protection of the array is joined by new volumes, unless they say no",
  async ({ array }) => {
    await array.ok("POST /protection-groups?names=pg", {});
    await array.ok("POST /pods?names=p1", {});
    const defaults = { default_protections: [{ name: "pg", type: "protection_group" }] };
    const path = "/container-default-protections";
    const [row] = (await array.ok(`PATCH ${path}?names=`, defaults)).items;
    assert.deepEqual([row.name, row.default_protections[0].name], [null, "pg"]);
    await array.ok("POST /volumes?names=a", {});
    await array.ok("POST /volumes?names=b&with_default_protection=false", {});
    await array.ok("POST /volumes?names=p1::c", {});
    await array.ok("POST /volumes?names=v1&overwrite=true", { source: { name: "b" } });
    const members = async () =>
      (await array.ok("GET /protection-groups/volumes?group_names=pg")).items.map(
        ({ member }: { member: { name: string } }) => member.name,
      );
    assert.deepEqual(await members(), ["a"]);
    await array.ok(`PATCH ${path}?names=`, { default_protections: [] });
    await array.ok("POST /volumes?names=d", {});
    assert.deepEqual(await members(), ["a"]);
  },
);
