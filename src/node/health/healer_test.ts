import assert from "node:assert/strict";
import { PsoError } from "../../errors.ts";
import type { NodePlugin } from "../node_plugin.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { NQN, NVME_PORTALS } from "../../../tests/support/fake_nvme.ts";
import { PORTALS } from "../../../tests/support/fake_iscsi.ts";
import { serialOf, SIZE_BYTES } from "../../../tests/support/fake_scsi.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { failureOf, mountCapability } from "../../../tests/support/test_node.ts";

/** A host with both sessions and these volumes staged. */
function withVolumes(
  numbers: number[],
  work: (fake: FakeHost, node: NodePlugin) => Promise<void>,
): Promise<void> {
  return withTestClock(() =>
    FakeHost.use(async (fake) => {
      for (const [index, portal] of PORTALS.entries()) fake.iscsi.addSession(index + 1, portal);
      for (const number of numbers) await fake.stagedVolume(number);
      await work(fake, fake.plugin());
    })
  );
}

async function round({ healer }: NodePlugin): Promise<void> {
  await healer.round();
  await healer.idle();
}

async function reasons(node: NodePlugin, volumeId: string): Promise<string[]> {
  return (await node.health({ volumeId, volumePath: "" })).map(({ status, reason }) =>
    `${status} ${reason}`
  );
}

Deno.test("a round over healthy volumes starts no process, and finds every path up", () =>
  withVolumes([1, 2], async (fake, node) => {
    await round(node);
    assert.deepEqual(fake.commands, []);
    assert.deepEqual(node.healer.paths(), { up: 4, down: 0, missing: 0 });
    assert.deepEqual(await reasons(node, "v1"), []);
    assert.deepEqual(node.storageHealth(), []);
  }));

Deno.test("a lost session is logged in again once for all its volumes, and each gets its path back", () =>
  withVolumes([1, 2], async (fake, node) => {
    const events: string[] = [];
    node.healer.onHeal = ({ what, outcome }) => events.push(`${what} ${outcome}`);
    fake.iscsi.removeSession(2);
    assert.deepEqual(await reasons(node, "v1"), ["degraded PathsMissing"]);
    await round(node);
    assert.deepEqual(node.storageHealth().map(({ status, reason }) => `${status} ${reason}`), [
      "degraded PathsMissing",
    ]);
    assert.deepEqual(fake.commands.filter((line) => line.includes("--login")).length, 1);
    await round(node);
    await round(node);
    assert.deepEqual(node.healer.paths(), { up: 4, down: 0, missing: 0 });
    assert.deepEqual(await reasons(node, "v2"), []);
    assert.deepEqual(events, ["login ok", "repair ok", "repair ok"]);
    assert.equal(fake.said("volume is not healthy").length, 2);
    assert.equal(fake.said("volume is healthy again").length, 2);
  }));

Deno.test("a portal that is dead is tried after 15 s, 30 s … up to every 5 minutes, and is told once", () =>
  withVolumes([1], async (fake, node) => {
    fake.iscsi.removeSession(2);
    fake.iscsi.deadPortals.add(PORTALS[1] ?? "");
    const triedAt: number[] = [];
    for (; fake.nowMs < 1_500_000; fake.nowMs += 5_000) {
      const before = fake.commands.filter((line) => line.includes("--login")).length;
      await round(node);
      if (fake.commands.filter((line) => line.includes("--login")).length > before) {
        triedAt.push(fake.nowMs / 1000);
      }
    }
    assert.deepEqual(triedAt, [0, 15, 45, 105, 225, 465, 765, 1065, 1365]);
    assert.equal(fake.said("not healed").length, 1);
    assert.equal(fake.said("volume is not healthy").length, 1);
  }));

Deno.test("without any path a volume is inaccessible, and its array unreachable", () =>
  withVolumes([1], async (fake, node) => {
    for (const portal of PORTALS) fake.iscsi.deadPortals.add(portal);
    for (const session of [1, 2]) fake.iscsi.removeSession(session);
    await round(node);
    assert.deepEqual(await reasons(node, "v1"), ["inaccessible NoPath"]);
    assert.deepEqual(node.storageHealth().map(({ status, reason }) => `${status} ${reason}`), [
      "unreachable ArrayUnreachable",
    ]);
    assert.deepEqual(node.healer.reasons(), new Map([["NoPath", 1]]));
  }));

for (
  const { name, harm, found } of [
    {
      name: "a path that is out of its map",
      harm: (fake: FakeHost) => fake.scsi.leave("sda", "dm-1"),
      found: ["degraded PathsMissing"],
    },
    {
      name: "a path that the kernel took off line",
      harm: (fake: FakeHost) => fake.write("/sys/class/block/sda/device/state", "offline"),
      found: ["degraded PathsMissing"],
    },
    {
      name: "a path of another volume in the map",
      harm: (fake: FakeHost) =>
        fake.scsi.join(fake.scsi.addDisk({ session: 1, lun: 9, volume: 9 }), "dm-1"),
      found: ["degraded MixedPaths"],
    },
  ]
) {
  Deno.test(`${name} is said and put right`, () =>
    withVolumes([1], async (fake, node) => {
      harm(fake);
      assert.deepEqual(await reasons(node, "v1"), found);
      await round(node);
      assert.deepEqual(await reasons(node, "v1"), []);
      assert.deepEqual(fake.scsi.pathsOf("dm-1"), ["sda", "sdb"]);
    }));
}

Deno.test("what is wrong and cannot be healed from here is only said", () =>
  withVolumes([1, 2], async (fake, node) => {
    fake.write("/sys/class/iscsi_session/session1/state", "FAILED");
    fake.unmount("/stage/2");
    fake.mount("/stage/2", { number: "254:2", options: "ro" });
    await round(node);
    assert.deepEqual(fake.commands, []);
    assert.deepEqual(await reasons(node, "v1"), ["degraded PathsMissing"]);
    assert.deepEqual(await reasons(node, "v2"), [
      "degraded FileSystemReadOnly",
      "degraded PathsMissing",
    ]);
    assert.deepEqual(node.healer.paths(), { up: 2, down: 2, missing: 0 });
  }));

Deno.test("a volume whose unstage has not ended says so, and not that its mount was lost", () =>
  FakeHost.use(async (fake) => {
    await fake.stagedVolume(1, { unstaging: true });
    fake.unmount("/stage/1");
    assert.deepEqual(await reasons(fake.plugin(), "v1"), ["inaccessible UnstageUnfinished"]);
  }));

Deno.test("nothing is healed for a volume that nothing mounts, nor while the mounts cannot be read, which is told once", () =>
  withVolumes([1], async (fake, node) => {
    fake.unmount("/stage/1");
    fake.iscsi.removeSession(2);
    await round(node);
    assert.deepEqual(await reasons(node, "v1"), ["inaccessible NotMounted"]);
    fake.remove("/proc/1/mountinfo");
    const told = "storage of this node cannot be looked at: nothing is healed";
    for (const _time of ["once", "twice"]) {
      await round(node);
      assert.equal(fake.said(told).length, 1);
    }
    assert.deepEqual(fake.commands, []);
    assert.equal(fake.said("storage of this node is looked at again").length, 0);
    fake.mount("/stage/1", { number: "254:1" });
    for (const _time of ["once", "twice"]) await round(node);
    assert.equal(fake.said("storage of this node is looked at again").length, 1);
  }));

Deno.test("a volume of which an unstage failed goes in the second round that finds it unused; one that is mounted or has no unstage stays", () =>
  withVolumes([1, 2, 3], async (fake, node) => {
    for (const number of [1, 2]) await fake.stagedVolume(number + 3, { unstaging: true });
    fake.unmount("/stage/3");
    fake.unmount("/stage/4");
    await round(node);
    assert.equal((await fake.records.list()).length, 5, "once is no proof");
    assert.equal(node.healer.leftovers().volume, 2);
    await round(node);
    await round(node);
    const left = (await fake.records.list()).map(({ volumeId }) => volumeId).sort();
    assert.deepEqual(left, ["v1", "v2", "v3", "v5"]);
    assert.equal(node.healer.leftovers().volume, 1);
    assert.deepEqual(await reasons(node, "v5"), []);
  }));

Deno.test("an idle session of ours ends in the second round that finds it so; a foreign one stays", () =>
  FakeHost.use(async (fake) => {
    const node = fake.plugin();
    fake.iscsi.addSession(1, PORTALS[0] ?? "");
    fake.iscsi.addSession(2, PORTALS[1] ?? "", { iface: "default" });
    await round(node);
    assert.equal(fake.commands.length, 0);
    assert.equal(node.healer.leftovers().session, 1);
    await round(node);
    await round(node);
    assert.equal(fake.commands.filter((line) => line.includes("--logout")).length, 1);
    assert.deepEqual(node.healer.leftovers(), { volume: 0, session: 0, device: 0 });
    assert.deepEqual(fake.iscsi.sessions, ["session2"]);
  }));

Deno.test("a map without a record is counted, and neither it nor its session is touched", () =>
  withVolumes([1], async (fake, node) => {
    fake.unmount("/stage/1");
    await fake.records.remove("v1");
    for (let turn = 0; turn < 4; turn++) await round(node);
    assert.deepEqual(node.healer.leftovers(), { volume: 0, session: 0, device: 1 });
    assert.deepEqual(fake.commands, []);
  }));

Deno.test("a volume that a call works with is left alone until the call has ended", () =>
  withVolumes([1], async (fake) => {
    fake.scsi.leave("sda", "dm-1");
    const { promise, resolve } = Promise.withResolvers<void>();
    const busy = fake.plugin({
      host: {
        ...fake.host,
        run: async (tool, args, options) => {
          if (tool === "umount") await promise.then(() => fake.unmount("/stage/1"));
          return await fake.host.run(tool, args, options);
        },
      },
    });
    const unstage = busy.unstage({ volumeId: "v1", stagingPath: "/stage/1" });
    while (busy.locksHeld === 0) await Promise.resolve();
    await round(busy);
    assert.deepEqual(fake.commands, []);
    resolve();
    await unstage;
    assert.deepEqual(await fake.records.list(), []);
  }));

Deno.test("a shared volume that has grown on its array gets its new size here in the next round, another volume waits for its expand", () =>
  withVolumes([1], async (fake, node) => {
    await fake.stagedVolume(2, { shared: true });
    fake.scsi.sizes.set(2, 2 * SIZE_BYTES);
    await round(node);
    assert.equal(fake.read("/sys/class/block/dm-2/size"), String(2 * SIZE_BYTES / 512));
    assert.equal(fake.said("shared volume has a new size").length, 1);
    assert.deepEqual(fake.commands.filter((line) => line.includes("rescan")).length, 2);
  }));

Deno.test("an NVMe path that is gone is connected again, noted as ours; one that the kernel brings back by itself is left to it", () =>
  FakeHost.use(async (fake) => {
    fake.nvme.publish(1);
    const first = { transport: "tcp", nqn: NQN, traddr: "192.0.2.1", trsvcid: "4420" } as const;
    const controller = fake.nvme.addController(first);
    const facts = { serial: serialOf(1), sizeBytes: SIZE_BYTES, everWritten: true };
    const attachment = { protocol: "nvme-tcp", nqn: NQN, portals: NVME_PORTALS, ...facts } as const;
    const [device] = fake.nvme.namespaces;
    const record = { volumeId: "v1", stagingPath: "/stage/1", attachment, device, published: [] };
    await fake.records.write(record);
    fake.mountDevice(device ?? "", "/stage/1");
    fake.nvme.setState(controller, "connecting");
    const node = fake.plugin();
    assert.deepEqual(await reasons(node, "v1"), ["inaccessible NoPath"]);
    await round(node);
    assert.deepEqual(await reasons(node, "v1"), ["degraded PathsMissing"]);
    assert.deepEqual(fake.ran("nvme").map((line) => line.split(" --")[0]), [
      `nvme connect -t tcp -n ${NQN} -a 192.0.2.2 -s 4420`,
    ]);
    fake.nvme.setState(controller, "live");
    await round(node);
    assert.deepEqual(await reasons(node, "v1"), []);
    const notes = () => JSON.parse(fake.read("/state/nvme-connections.json")).routes;
    assert.deepEqual(notes().map(({ traddr }: { traddr: string }) => traddr), ["192.0.2.2"]);
    fake.nvme.unpublish(1);
    assert.deepEqual(await reasons(node, "v1"), ["inaccessible DeviceMissing"]);
    // somebody disconnects it, and whoever connects it next is not us
    fake.nvme.removeController("nvme1");
    await fake.records.write({ ...record, unstaging: true });
    fake.unmount("/stage/1");
    await round(node);
    assert.deepEqual(notes(), []);
  }));

for (const stale of [true, false]) {
  Deno.test(`an NFS volume whose server ${stale ? "calls it stale" : "does not answer"} is inaccessible, and its server is asked by one process a round`, () =>
    FakeHost.use(async (fake) => {
      const node = fake.plugin();
      for (const number of [1, 2, 3]) {
        const stagingPath = `/stage/${number}`;
        const attachment = {
          protocol: "nfs",
          address: "192.0.2.7",
          path: `/fs-${number}`,
        } as const;
        await fake.records.write({
          volumeId: `v${number}`,
          stagingPath,
          attachment,
          published: [],
        });
        fake.mount(stagingPath, {
          number: `0:${number}`,
          type: "nfs4",
          source: `192.0.2.7:/fs-${number}`,
        });
      }
      const said = stale
        ? new PsoError("unavailable", "stat: Stale file handle")
        : new PsoError("timeout", "stat did not end");
      for (const number of stale ? [1] : [1, 2, 3]) fake.statFails.set(`/stage/${number}`, said);
      for (let turn = 0; turn < 3; turn++) await round(node);
      assert.equal(fake.commands.length, 3);
      const reason = stale ? "inaccessible StaleFileHandle" : "inaccessible ServerNotAnswering";
      assert.deepEqual(await reasons(node, "v1"), [reason]);
      assert.deepEqual(await reasons(node, "v2"), stale ? [] : [reason]);
      assert.deepEqual(
        node.storageHealth().map(({ status }) => status),
        stale ? [] : ["unreachable"],
      );
      fake.statFails.clear();
      for (let turn = 0; turn < 3; turn++) await round(node);
      assert.deepEqual(await reasons(node, "v1"), []);
    }));
}

Deno.test("publish mounts a stale NFS volume anew when no pod has it, and refuses while one has", () =>
  FakeHost.use(async (fake) => {
    const node = fake.plugin();
    const source = "192.0.2.7:/fs";
    const stale = () =>
      fake.statFails.set("/stage/1", new PsoError("unavailable", "stat: Stale file handle"));
    fake.onTool.set("mount", (args) => {
      if (args.includes(source)) fake.statFails.clear();
    });
    const capability = mountCapability("nfs", "multi-node-multi-writer");
    const volume = { volumeId: "v1", stagingPath: "/stage/1", capability };
    await node.stage({
      ...volume,
      attachment: { protocol: "nfs", address: "192.0.2.7", path: "/fs" },
      volumeContext: {},
    });
    stale();
    await node.publish({ ...volume, targetPath: "/pod/1", readOnly: false });
    assert.equal(fake.commands.filter((line) => line.startsWith("mount -t nfs")).length, 2);
    stale();
    const { code, message } = await failureOf(
      node.publish({ ...volume, targetPath: "/pod/2", readOnly: false }),
    );
    assert.equal(code, "in_use");
    assert.match(
      message,
      /^volume v1 cannot be used on this node \(it is stale: .*\), and \/pod\/1 still shows it: end the pods that use it/,
    );
    assert.equal(fake.commands.filter((line) => line.startsWith("umount")).length, 1);
  }));

Deno.test("stage of a stale NFS volume mounts it anew without a look at its root, which fails or hangs", () =>
  FakeHost.use(async (fake) => {
    const node = fake.plugin();
    const source = "192.0.2.7:/fs";
    // stat(2) of a stale root fails: a folder can neither be made nor found
    fake.write("/stage/1", "");
    fake.mount("/stage/1", { number: "0:7", type: "nfs4", source });
    fake.statFails.set("/stage/1", new PsoError("unavailable", "stat: Stale file handle"));
    const capability = mountCapability("nfs", "multi-node-multi-writer");
    const nfs = { protocol: "nfs", address: "192.0.2.7", path: "/fs" } as const;
    await node.stage({
      volumeId: "v1",
      stagingPath: "/stage/1",
      capability,
      attachment: nfs,
      volumeContext: {},
    });
    assert.deepEqual(
      fake.commands.filter((line) => /^u?mount/.test(line)).map((line) => line.split(" ")[0]),
      ["umount", "mount"],
    );
  }));

Deno.test("a volume whose stage failed is inaccessible with the reason, and unknown to a node that never heard of it", () =>
  withVolumes([], async (fake, node) => {
    const volume = { volumeId: "v8", volumePath: "" };
    const request = {
      ...volume,
      stagingPath: "/stage/8",
      attachment: attachment(8),
      volumeContext: {},
      capability: mountCapability(),
    };
    assert.equal((await failureOf(node.health(volume))).code, "not_found");
    await failureOf(node.stage(request));
    const [condition] = await node.health(volume);
    assert.equal(condition?.reason, "StageFailed");
    assert.match(condition?.message ?? "", /shows no LUN 8/);
    await node.unstage({ volumeId: "v8", stagingPath: "/stage/8" });
    assert.equal((await failureOf(node.health(volume))).code, "not_found");
    assert.deepEqual(fake.said("not healed"), []);
  }));
