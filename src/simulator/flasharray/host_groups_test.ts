import assert from "node:assert/strict";
import type { TestClient } from "../fixture_test.ts";
import { withVolume } from "./fixture_test.ts";

interface Row {
  host: { name: string | null };
  host_group: { name: string | null };
  lun: number;
}

async function rows(array: TestClient, query: string): Promise<unknown[]> {
  const { items } = await array.ok(`GET /connections?${query}`);
  return items.map(({ host, host_group: group, lun }: Row) => [host.name, group.name, lun]);
}

/** Two hosts in group `g`. */
async function makeGroup(array: TestClient): Promise<void> {
  await array.ok("POST /hosts?names=h1", { iqns: ["iqn.2024-01.a:1"] });
  await array.ok("POST /hosts?names=h2", { wwns: ["2100F4C7AA002706"] });
  await array.ok("POST /host-groups?names=g", {});
  await array.ok("POST /host-groups/hosts?group_names=g&member_names=h1,h2");
}

withVolume("a host group connects all of its hosts, from LUN 254 down", async ({ array, root }) => {
  await makeGroup(array);
  await array.ok("POST /volumes?names=v2,v3", {});
  await array.ok("POST /connections?host_names=h1&volume_names=v3");
  await array.ok("POST /connections?host_group_names=g&volume_names=v1");
  await array.ok("POST /connections?host_group_names=G&volume_names=v2");
  assert.deepEqual(await rows(array, "volume_names=v1"), [["h1", "g", 254], ["h2", "g", 254]]);
  assert.deepEqual(await rows(array, "host_group_names=g&volume_names=v2"), [
    ["h1", "g", 253],
    ["h2", "g", 253],
  ]);
  assert.deepEqual((await rows(array, "host_names=h1")).length, 3);
  assert.equal(Deno.lstatSync(`${root}/hosts/h2/254`).isSymlink, true);
  const [group] = (await array.ok("GET /host-groups")).items;
  assert.deepEqual([group.connection_count, group.host_count], [2, 2]);
  const [host] = (await array.ok("GET /hosts?names=h2")).items;
  assert.deepEqual([host.host_group.name, host.connection_count], ["g", 2]);
  const [volume] = (await array.ok("GET /volumes?names=v1")).items;
  assert.equal(volume.connection_count, 2);
});

withVolume(
  "a connection by a group ends for the group only, and hosts go without it",
  async (bench) => {
    const { array, root } = bench;
    await makeGroup(array);
    await array.ok("POST /connections?host_group_names=g&volume_names=v1");
    assert.equal(
      await array.refused("DELETE /connections?host_names=h1&volume_names=v1"),
      "400 Connection does not exist. (v1)",
    );
    assert.equal(
      await array.refused("POST /connections?host_names=h1&volume_names=v1"),
      "400 Connection already exists. (v1)",
    );
    await array.ok("DELETE /host-groups/hosts?group_names=g&member_names=h1");
    assert.deepEqual(await rows(array, "volume_names=v1"), [["h2", "g", 254]]);
    assert.deepEqual([...Deno.readDirSync(`${root}/hosts`)].map(({ name }) => name), ["h2"]);
    await array.ok("DELETE /hosts/host-groups?group_names=g&member_names=h2");
    // The group keeps what it is connected to without a host, and the volume cannot be destroyed.
    assert.deepEqual(await rows(array, "volume_names=v1"), [[null, "g", 254]]);
    assert.equal(
      await array.refused("PATCH /volumes?names=v1", { destroyed: true }),
      "400 Volume cannot be destroyed due to existing connections. (v1)",
    );
    await array.ok("PATCH /hosts?names=h1", { host_group: { name: "g" } });
    assert.deepEqual(await rows(array, "volume_names=v1"), [["h1", "g", 254]]);
    await array.ok("DELETE /connections?host_group_names=g&volume_names=v1");
    assert.deepEqual(await rows(array, "volume_names=v1"), []);
  },
);

withVolume(
  "a renamed group keeps its hosts and connections, a renamed host its group",
  async ({ array }) => {
    await makeGroup(array);
    await array.ok("POST /connections?host_group_names=g&volume_names=v1");
    await array.ok("PATCH /host-groups?names=g", { name: "G2" });
    await array.ok("PATCH /hosts?names=h1", { name: "h9" });
    assert.deepEqual(
      await rows(array, "host_group_names=g2"),
      [
        ["h9", "G2", 254],
        ["h2", "G2", 254],
      ].sort(),
    );
  },
);

withVolume("what a host group refuses", async ({ array }) => {
  await makeGroup(array);
  await array.ok("POST /hosts?names=nvme", { nqns: ["nqn.2014-08.org.nvmexpress:uuid:1"] });
  await array.ok("POST /host-groups?names=g2", {});
  await array.ok("POST /connections?host_group_names=g&volume_names=v1");
  const refused: [string, unknown, string][] = [
    ["POST /host-groups?names=G", {}, "400 Host group already exists. (G)"],
    ["GET /host-groups?names=no", undefined, "400 Host group does not exist. (no)"],
    [
      "POST /connections?host_group_names=no&volume_names=v1",
      {},
      "400 Host group does not exist. (no)",
    ],
    [
      "POST /host-groups/hosts?group_names=g2&member_names=h1",
      undefined,
      "400 Host is already a member of another host group. (h1)",
    ],
    [
      "POST /host-groups/hosts?group_names=g&member_names=nvme",
      undefined,
      "400 NVME connected hgroups and hosts cannot be connected to volumes already connected to " +
      "Non-NVME connected hosts.",
    ],
    [
      "DELETE /host-groups?names=g",
      undefined,
      "400 Host group cannot be deleted due to existing connections. (g)",
    ],
    [
      "POST /connections?host_group_names=g&host_names=h1&volume_names=v1",
      {},
      "400 host_names and host_group_names cannot be used together.",
    ],
  ];
  for (const [call, body, error] of refused) {
    assert.equal(await array.refused(call, body), error, call);
  }
});
