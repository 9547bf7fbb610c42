import assert from "node:assert/strict";
import { withFleet } from "../fixture_test.ts";
import { MiB, withVolume } from "./fixture_test.ts";

const DAY_SECONDS = 86_400;

Deno.test("GET /arrays says that the array is simulated, and its capacity in physical bytes", async () => {
  await withFleet({ capacityBytes: 2 ** 40 }, async ({ array }) => {
    const [item] = (await array.ok("GET /arrays")).items;
    assert.match(item.banner, /pso simulated array/i);
    assert.deepEqual([item.name, item.os, item.capacity, item.space.total_physical], [
      "fa-1",
      "Purity//FA",
      2 ** 40,
      0,
    ]);
    assert.match(item.id, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    assert.equal((await array.ok("GET /arrays/space")).items[0].capacity, 2 ** 40);
  });
});

withVolume(
  "POST /volumes makes a volume with serial, ids and empty references as arrays have them",
  async ({ array }) => {
    const [volume] = (await array.ok("GET /volumes?names=v1")).items;
    const [{ id }] = (await array.ok("GET /arrays")).items;
    assert.equal(volume.serial.slice(0, 16), id.replaceAll("-", "").slice(0, 16).toUpperCase());
    assert.match(volume.serial, /^[0-9A-F]{24}$/);
    assert.deepEqual(volume.pod, { name: null, id: null });
    assert.deepEqual(volume.source, { name: null, id: null });
    assert.deepEqual(volume.qos, { bandwidth_limit: null, iops_limit: null });
    assert.deepEqual([
      volume.provisioned,
      volume.destroyed,
      volume.time_remaining,
      volume.space.virtual,
    ], [8 * MiB, false, null, 0]);
    const [second] = (await array.ok("POST /volumes?names=v2")).items;
    assert.equal(second.provisioned, MiB);
    assert.notEqual(second.serial, volume.serial);
  },
);

withVolume(
  "destroyed volume keeps its name, stays in lists and can be recovered",
  async ({ array, control }) => {
    const [destroyed] = (await array.ok("PATCH /volumes?names=v1", { destroyed: true })).items;
    assert.deepEqual([
      destroyed.destroyed,
      destroyed.time_remaining <= DAY_SECONDS * 1000,
      destroyed.time_remaining > 86_000_000,
    ], [
      true,
      true,
      true,
    ]);
    assert.equal((await array.ok("GET /volumes")).items.length, 1);
    assert.equal((await array.ok("GET /volumes?destroyed=false")).items.length, 0);
    assert.equal(
      await array.refused("GET /volumes?names=v1&destroyed=false"),
      "400 Volume has been destroyed. (v1)",
    );
    assert.equal(
      await array.refused("POST /volumes?names=v1", {}),
      "400 Volume already exists (destroyed, pending eradication). (v1)",
    );
    assert.equal(
      await array.refused("PATCH /volumes?names=v1", { destroyed: true }),
      "400 Volume has been deleted. (v1)",
    );
    assert.match(
      await array.refused("PATCH /volumes?names=v1", { provisioned: 16 * MiB }),
      /^400 Volume has been destroyed\./,
    );
    assert.match(
      await array.refused("POST /volume-snapshots?source_names=v1", { suffix: "s" }),
      /^400 Volume has been destroyed\./,
    );
    await control("POST /clock", { advance: 3600 });
    await array.login();
    assert.ok(
      (await array.ok("GET /volumes?names=v1")).items[0].time_remaining <=
        (DAY_SECONDS - 3600) * 1000,
    );
    await array.ok("PATCH /volumes?names=v1", { destroyed: false });
    assert.equal(
      (await array.ok("GET /volumes?names=v1&destroyed=false")).items[0].time_remaining,
      null,
    );
  },
);

withVolume(
  "destroyed volume is gone after its eradication delay, and at once when eradicated",
  async ({ array, control }) => {
    await array.ok("POST /volumes?names=v2", {});
    await array.ok("PATCH /volumes?names=v1,v2", { destroyed: true });
    assert.equal(await array.ok("DELETE /volumes?names=v2"), undefined);
    assert.equal(await array.refused("GET /volumes?names=v2"), "400 Volume does not exist. (v2)");
    await control("POST /clock", { advance: DAY_SECONDS - 60 });
    await array.login();
    assert.equal((await array.ok("GET /volumes?names=v1")).items.length, 1);
    await control("POST /clock", { advance: 61 });
    assert.equal(await array.refused("GET /volumes?names=v1"), "400 Volume does not exist. (v1)");
    await array.ok("POST /volumes?names=v1", {});
  },
);

withVolume("PATCH /volumes grows, truncates, renames, and keeps the serial", async ({ array }) => {
  const [before] = (await array.ok("GET /volumes?names=v1")).items;
  assert.equal(
    (await array.ok("PATCH /volumes?names=v1", { provisioned: 16 * MiB })).items[0].provisioned,
    16 * MiB,
  );
  assert.equal(
    (await array.ok("PATCH /volumes?names=v1", { provisioned: 16 * MiB })).items[0].provisioned,
    16 * MiB,
  );
  assert.equal(
    (await array.ok("PATCH /volumes?names=v1&truncate=true", { provisioned: 4 * MiB })).items[0]
      .provisioned,
    4 * MiB,
  );
  const [renamed] = (await array.ok("PATCH /volumes?names=v1", { name: "v9" })).items;
  assert.deepEqual([renamed.name, renamed.serial, renamed.id], ["v9", before.serial, before.id]);
  assert.equal(await array.refused("GET /volumes?names=v1"), "400 Volume does not exist. (v1)");
  await array.ok("POST /volumes?names=v2", {});
  assert.equal(
    await array.refused("PATCH /volumes?names=v9", { name: "v2" }),
    "400 Volume already exists. (v2)",
  );
  const nothing = await array.ok("PATCH /volumes?names=v9", { nonsense: 1 });
  assert.equal(nothing.errors[0].message, "No attribute specified.");
});

withVolume("QoS limits are set, kept and unset by an empty string", async ({ array }) => {
  const set = async (qos: unknown) =>
    (await array.ok("PATCH /volumes?names=v1", { qos })).items[0].qos;
  assert.deepEqual(await set({ iops_limit: 100, bandwidth_limit: 1_048_576 }), {
    iops_limit: 100,
    bandwidth_limit: 1_048_576,
  });
  assert.deepEqual(await set({ iops_limit: "" }), { iops_limit: null, bandwidth_limit: 1_048_576 });
});

withVolume(
  "snapshot life: suffix, number, rename by suffix, destroyed with its volume and back",
  async ({ array }) => {
    const [snapshot] =
      (await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "snap-1" })).items;
    assert.deepEqual([snapshot.name, snapshot.suffix, snapshot.source.name, snapshot.provisioned], [
      "v1.snap-1",
      "snap-1",
      "v1",
      8 * MiB,
    ]);
    assert.equal(
      await array.refused("POST /volume-snapshots?source_names=v1", { suffix: "snap-1" }),
      "400 Snapshot already exists. (v1.snap-1)",
    );
    assert.equal((await array.ok("POST /volume-snapshots?source_names=v1")).items[0].name, "v1.1");
    assert.equal((await array.ok("POST /volume-snapshots?source_names=v1")).items[0].name, "v1.2");
    assert.equal(
      (await array.ok("PATCH /volume-snapshots?names=v1.1", { name: "one" })).items[0].name,
      "v1.one",
    );
    await array.ok("PATCH /volume-snapshots?names=v1.2", { destroyed: true });
    await array.ok("PATCH /volumes?names=v1", { destroyed: true });
    assert.equal((await array.ok("GET /volume-snapshots?destroyed=false")).items.length, 0);
    await array.ok("PATCH /volumes?names=v1", { destroyed: false });
    // v1.2 was destroyed for itself and stays so.
    const live = (await array.ok("GET /volume-snapshots?destroyed=false&source_names=v1")).items;
    assert.deepEqual(live.map(({ name }: { name: string }) => name), ["v1.one", "v1.snap-1"]);
    await array.ok("PATCH /volumes?names=v1", { name: "v2" });
    assert.equal((await array.ok("GET /volume-snapshots?names=v2.one")).items.length, 1);
    assert.match(
      await array.refused("POST /volumes?names=c", { source: { name: "v2.2" } }),
      /^400 Volume snapshot has been destroyed\./,
    );
    await array.ok("DELETE /volume-snapshots?names=v2.2");
    assert.equal(
      await array.refused("DELETE /volume-snapshots?names=v2.one"),
      "400 Volume snapshot cannot be eradicated: it has not been destroyed. (v2.one)",
    );
  },
);

withVolume(
  "clone takes the source's size, says where it comes from, and copies only copyable tags",
  async ({ array }) => {
    await array.ok("PUT /volumes/tags/batch?resource_names=v1", [{ key: "a", value: "1" }, {
      key: "b",
      value: "2",
      copyable: false,
    }]);
    const [clone] =
      (await array.ok("POST /volumes?names=c1", { source: { name: "v1" }, provisioned: 64 * MiB }))
        .items;
    assert.deepEqual([clone.provisioned, clone.source.name], [8 * MiB, "v1"]);
    const tags = (await array.ok("GET /volumes/tags?resource_names=c1")).items;
    assert.deepEqual(
      tags.map((
        { key, value, namespace, resource }: Record<string, { name: string }>,
      ) => [key, value, namespace, resource?.name]),
      [
        ["a", "1", "default", "c1"],
      ],
    );
  },
);

withVolume(
  "tags are upserted by key and namespace, filtered, and deleted by key",
  async ({ array }) => {
    const put = (tags: unknown) => array.ok("PUT /volumes/tags/batch?resource_names=v1", tags);
    await put([{ key: "a", value: "1" }, { key: "b", value: "2" }]);
    await put([{ key: "a", value: "3" }, { key: "a", value: "4", namespace: "other" }]);
    const get = async (query: string) =>
      (await array.ok(`GET /volumes/tags?${query}`)).items.map((
        { namespace, key, value }: Record<string, string>,
      ) => `${namespace}/${key}=${value}`);
    assert.deepEqual(await get("resource_names=v1"), ["default/a=3", "default/b=2", "other/a=4"]);
    assert.deepEqual(await get("namespaces=other"), ["other/a=4"]);
    assert.deepEqual(await get("filter=key='a' AND value='3'"), ["default/a=3"]);
    await array.ok("DELETE /volumes/tags?resource_names=v1&keys=a");
    assert.deepEqual(await get("resource_names=v1"), ["default/b=2", "other/a=4"]);
    assert.equal(
      await array.refused("DELETE /volumes/tags?resource_names=v1&keys=zz"),
      "400 Tag does not exist. (zz)",
    );
    assert.match(
      await array.refused("PUT /volumes/tags/batch?resource_names=v1", [{
        key: "k".repeat(65),
        value: "",
      }]),
      /^400 Invalid tag key/,
    );
  },
);

withVolume(
  "hosts: an initiator belongs to one host, add and remove change the list, iqns replaces it",
  async ({ array }) => {
    await array.ok("POST /hosts?names=h1", { iqns: ["iqn.2024-01.a:1"] });
    assert.equal(await array.refused("POST /hosts?names=H1", {}), "400 Host already exists. (H1)");
    assert.equal(
      await array.refused("POST /hosts?names=h2", { iqns: ["IQN.2024-01.a:1"] }),
      "400 The specified initiator is already in use by host h1. (iqn.2024-01.a:1)",
    );
    const patch = async (body: unknown) =>
      (await array.ok("PATCH /hosts?names=h1", body)).items[0].iqns;
    assert.deepEqual(await patch({ add_iqns: ["iqn.2024-01.a:2", "iqn.2024-01.a:1"] }), [
      "iqn.2024-01.a:2",
      "iqn.2024-01.a:1",
    ]);
    assert.deepEqual(await patch({ remove_iqns: ["iqn.2024-01.a:1"] }), ["iqn.2024-01.a:2"]);
    assert.deepEqual(await patch({ iqns: ["iqn.2024-01.a:9"] }), ["iqn.2024-01.a:9"]);
    const found = (await array.ok("GET /hosts?filter=iqns='IQN.2024-01.a:9' and is_local")).items;
    assert.deepEqual(found.map(({ name }: { name: string }) => name), ["h1"]);
    await array.ok("POST /hosts?names=h3", {
      wwns: ["21:00:f4:c7:aa:00:27:06"],
      chap: { host_user: "u", host_password: "0123456789ab" },
    });
    const [fc] = (await array.ok("GET /hosts?names=h3")).items;
    assert.deepEqual([fc.wwns, fc.chap.host_password, fc.chap.target_user], [
      ["2100F4C7AA002706"],
      "****",
      null,
    ]);
  },
);

withVolume("hosts: IQNs and WWNs may stand together in one host", async ({ array }) => {
  const initiators = { iqns: ["iqn.2024-01.a:1"], wwns: ["2100F4C7AA002706"] };
  const [host] = (await array.ok("POST /hosts?names=h1", initiators)).items;
  assert.deepEqual({ iqns: host.iqns, wwns: host.wwns }, initiators);
});

withVolume(
  "connections: lowest free LUN, once only, and neither host nor volume goes while connected",
  async ({ array }) => {
    await array.ok("POST /volumes?names=v2,v3", {});
    await array.ok("POST /hosts?names=h1,h2", {});
    const connect = async (query: string, body?: unknown) =>
      (await array.ok(`POST /connections?${query}`, body)).items.map(({ lun }: { lun: number }) =>
        lun
      );
    assert.deepEqual(await connect("host_names=h1&volume_names=v1"), [1]);
    assert.deepEqual(await connect("host_names=h1&volume_names=v2", { lun: 7 }), [7]);
    assert.deepEqual(await connect("host_names=h1&volume_names=v3"), [2]);
    assert.deepEqual(await connect("host_names=h2&volume_names=v1,v2"), [1, 2]);
    assert.equal(
      await array.refused("POST /connections?host_names=h1&volume_names=v1"),
      "400 Connection already exists. (v1)",
    );
    assert.equal(
      await array.refused("POST /connections?host_names=h2&volume_names=v3", { lun: 2 }),
      "400 LUN is already in use. (h2)",
    );
    assert.equal(
      await array.refused("PATCH /volumes?names=v1", { destroyed: true }),
      "400 Volume cannot be destroyed due to existing connections. (v1)",
    );
    assert.equal(
      await array.refused("DELETE /hosts?names=h2"),
      "400 Host cannot be deleted due to existing connections. (h2)",
    );
    const rows = (await array.ok("GET /connections?volume_names=v1")).items;
    assert.deepEqual(
      rows.map(({ host, lun }: { host: { name: string }; lun: number }) => [host.name, lun]),
      [["h1", 1], ["h2", 1]],
    );
    assert.equal((await array.ok("GET /volumes?names=v1")).items[0].connection_count, 2);
    await array.ok("DELETE /connections?host_names=h1&volume_names=v1");
    assert.equal(
      await array.refused("DELETE /connections?host_names=h1&volume_names=v1"),
      "400 Connection does not exist. (v1)",
    );
    await array.ok("POST /volumes?names=v4", {});
    assert.deepEqual(await connect("host_names=h1&volume_names=v4"), [1]);
    assert.deepEqual((await array.ok("GET /connections?host_names=h1&volume_names=v1")).items, []);
  },
);

withVolume(
  "connections: a volume is connected by NVMe or by SCSI, never by both; iSCSI and FC go together",
  async ({ array }) => {
    const nqns = ["nqn.2014-08.org.nvmexpress:uuid:1"];
    await array.ok("POST /volumes?names=v2", {});
    await array.ok("POST /hosts?names=nvme", { nqns });
    await array.ok("POST /hosts?names=iscsi", { iqns: ["iqn.2024-01.a:1"] });
    await array.ok("POST /hosts?names=fc", { wwns: ["2100F4C7AA002706"] });
    await array.ok("POST /hosts?names=blank", {});
    const mixed = (one: string, other: string) =>
      `400 ${one} connected hgroups and hosts cannot be connected to volumes already connected ` +
      `to ${other} connected hosts.`;
    await array.ok("POST /connections?host_names=nvme&volume_names=v1");
    assert.equal(
      await array.refused("POST /connections?host_names=iscsi&volume_names=v1"),
      mixed("Non-NVME", "NVME"),
    );
    await array.ok("POST /connections?host_names=blank&volume_names=v1");
    await array.ok("POST /connections?host_names=iscsi,fc&volume_names=v2");
    assert.equal(
      await array.refused("POST /connections?host_names=nvme&volume_names=v2"),
      mixed("NVME", "Non-NVME"),
    );
    const { body } = await array.send("POST /connections?host_names=nvme&volume_names=v2");
    assert.deepEqual(body.errors[0], {
      message: mixed("NVME", "Non-NVME").slice("400 ".length),
      location_context: { resource_type: "remote-arrays", name: "fa-1", id: null },
    });
  },
);

withVolume("an NVMe host sees nsid from REST 2.27 and lun before", async ({ array }) => {
  await array.ok("POST /hosts?names=h1", { nqns: ["nqn.2014-08.org.nvmexpress:uuid:1"] });
  await array.ok("POST /connections?host_names=h1&volume_names=v1");
  const [old] = (await array.ok("GET /connections")).items;
  assert.deepEqual([old.lun, "nsid" in old], [1, false]);
  array.version = "2.27";
  const [now] = (await array.ok("GET /connections")).items;
  assert.deepEqual([now.lun, now.nsid], [null, 1]);
});

Deno.test("ports, controllers and interfaces name the same targets in their own case", async () => {
  await withFleet({}, async ({ array }) => {
    const ports = (await array.ok("GET /ports?filter=name='ct0.*'")).items;
    assert.deepEqual(ports.map(({ name }: { name: string }) => name), [
      "CT0.ETH4",
      "CT0.ETH5",
      "CT0.ETH6",
      "CT0.FC0",
    ]);
    assert.match(ports[0].iqn, /^iqn\.2010-06\.com\.purestorage:flasharray\.[0-9a-f]{16}$/);
    assert.equal(ports[2].nqn.split(".").at(-1), ports[0].iqn.split(".").at(-1));
    assert.match(ports[3].wwn, /^([0-9A-F]{2}:){7}[0-9A-F]{2}$/);
    const nvme = (await array.ok("GET /network-interfaces?filter=services='nvme-tcp'")).items;
    assert.deepEqual(nvme.map(({ name }: { name: string }) => name), ["ct0.eth6", "ct1.eth6"]);
    assert.equal(`${nvme[0].eth.address}:4420`, ports[2].portal);
    assert.equal(
      (await array.ok("GET /controllers?filter=status='ready' and mode='primary'")).items[0].name,
      "CT0",
    );
    assert.equal(
      await array.refused("GET /ports?names=CT9.ETH0"),
      "400 Port does not exist. (CT9.ETH0)",
    );
  });
});
