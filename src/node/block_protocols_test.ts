/**
 * What every protocol promises for block volumes (protocol.ts), asked of each of them. A rule that
 * cannot be asked of a protocol says why, as data. File systems: file_protocols_test.ts.
 */
import assert from "node:assert/strict";
import { PROTOCOL_FACTS, PROTOCOLS } from "../protocols.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { SIZE_BYTES } from "../../tests/support/fake_scsi.ts";
import { BEDS, BLOCK_BEDS, type BlockProtocol, PLANE } from "../../tests/support/protocol_beds.ts";
import { ProtocolNode } from "../../tests/support/protocol_node.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { failureOf } from "../../tests/support/test_node.ts";

interface Rule {
  name: string;
  /** Protocols of which it cannot be asked, with the reason. */
  gaps?: Partial<Record<BlockProtocol, string>>;
  check: (node: ProtocolNode) => Promise<void>;
}

const FOUND_BY_IDENTITY = "a namespace is found by its identity, wherever it is";
const NAMESPACE_STAYS =
  "a namespace goes with its connection on the array; a host can only end its own to the array";
const ONE_IMAGE = "the image behind the array's link is the volume, and no other array has it";
const NO_HOLDERS = "nobody but nodes of the simulator uses its loop devices";
const NO_SESSION = "it makes no session that could end";

const nvmeGaps = (reason: string) => ({
  "nvme-tcp": reason,
  "nvme-roce": reason,
  "nvme-fc": reason,
});

const ATTACH_RULES: Rule[] = [
  {
    name: "attach() gives the device of this very volume in its size, and notes its name",
    check: async (node) => {
      for (const volume of [7, 8]) node.bed.publish(volume);
      const [seven, eight] = [await node.attach(7), await node.attach(8)];
      assert.equal(seven.sizeBytes, SIZE_BYTES);
      assert.notEqual(seven.name, eight.name);
      assert.equal(node.record(7).device, seven.name);
      assert.equal(await node.isDeviceOf(7, seven.name), true);
      assert.equal(await node.isDeviceOf(7, eight.name), false);
      assert.equal(await node.isDeviceOf(7, "sdzz"), false);
    },
  },
  {
    name: "attach() twice is one attachment",
    check: async (node) => {
      node.bed.publish(7);
      const { name } = await node.attach(7);
      const before = node.has();
      assert.equal((await node.attach(7)).name, name);
      assert.deepEqual(node.has(), before);
    },
  },
  {
    name: "attach() that was cut off, at whichever tool, is made whole by the next one",
    check: async (node) => {
      node.bed.publish(7);
      const { name } = await node.attach(7);
      for (let tools = node.fake.commands.length; tools > 0; tools--) {
        await onFreshHost(node.protocol, async (fresh) => {
          fresh.bed.publish(7);
          const caller = new AbortController();
          fresh.fake.afterTool = (count) => count === tools && caller.abort();
          await fresh.attach(7, { signal: caller.signal }).catch(() => {});
          fresh.restart();
          assert.equal((await fresh.attach(7)).name, name);
          assert.deepEqual(fresh.has(), node.has(), `cut off after tool ${tools}`);
        });
      }
    },
  },
  {
    name: "attach() for a caller who is gone already makes nothing",
    check: async (node) => {
      node.bed.publish(7);
      const { code } = await failureOf(node.attach(7, { signal: AbortSignal.abort() }));
      assert.ok(code === "timeout" || code === "unavailable", code);
      assert.deepEqual(node.has(), []);
    },
  },
  {
    name: "attach() of a volume that is not published fails, with no device",
    check: async (node) => {
      node.bed.publish(8);
      await node.attach(8);
      const before = node.bed.devices();
      const { code } = await failureOf(node.attach(7));
      // A SCSI host and an NVMe host see nothing: the array may just not be there yet.
      assert.equal(code, node.protocol === "local" ? "not_found" : "unavailable");
      assert.deepEqual(node.bed.devices(), before);
      assert.equal(node.record(7).device, undefined);
    },
  },
  {
    name: "attach() refuses another volume at the place of the one that is wanted",
    gaps: { ...nvmeGaps(FOUND_BY_IDENTITY), local: ONE_IMAGE },
    check: async (node) => {
      node.fake.scsi.luns.set(7, 8);
      const { code, message } = await failureOf(node.attach(7));
      assert.equal(code, "unavailable");
      assert.match(message, /is volume 3624a93700*8, and the array was to show 3624a93700*7 there/);
      assert.equal(node.record(7).device, undefined);
    },
  },
  {
    name: "attach() refuses a volume that another array shows under its serial number",
    gaps: { local: ONE_IMAGE },
    check: async (node) => {
      node.bed.publish(7);
      node.bed.showByOtherArray?.(7);
      const before = node.bed.devices();
      const { code, message } = await failureOf(node.attach(7));
      assert.equal(code, "in_use");
      assert.match(message, /two arrays must not show one serial number to a node/);
      assert.deepEqual(node.bed.devices(), before);
      assert.equal(node.record(7).device, undefined);
    },
  },
  {
    name: "attach() refuses a volume that somebody else mounts on this host, and touches nothing",
    check: async (node) => {
      const name = await node.attachedBySomebody(7);
      node.fake.mountDevice(name, "/srv/theirs");
      const before = node.has();
      const { code, message } = await failureOf(node.attach(7));
      assert.equal(code, "in_use");
      assert.match(message, /mounted at \/srv\/theirs/);
      assert.deepEqual(node.has(), before);
      assert.equal(node.record(7).device, undefined);
    },
  },
  {
    name:
      "attach() goes on beside another mount when it is the volume's own or the volume is shared",
    check: async (node) => {
      node.bed.publish(7);
      const { name } = await node.attach(7);
      node.fake.mountDevice(name, "/stage/7");
      assert.equal((await node.attach(7)).name, name);
      if (node.protocol === "local") return; // each node of a shared image has a device of its own
      node.records.clear();
      assert.equal((await node.attach(7, { shared: true })).name, name);
    },
  },
  {
    name: "attach() refuses a volume on which another device stands, even a shared one",
    gaps: { local: NO_HOLDERS },
    check: async (node) => {
      const name = await node.attachedBySomebody(7);
      node.fake.write(`/sys/class/block/${name}/holders/dm-90`, "");
      const before = node.has();
      for (const shared of [false, true]) {
        const { code, message } = await failureOf(node.attach(7, { shared }));
        assert.equal(code, "in_use");
        assert.match(message, /dm-90/);
      }
      assert.deepEqual(node.has(), before);
      assert.equal(node.record(7).device, undefined);
    },
  },
  {
    name: "attach() refuses a device that is smaller than the array said",
    check: async (node) => {
      node.bed.publish(7);
      const { code, message } = await failureOf(node.attach(7, { sizeBytes: SIZE_BYTES + 512 }));
      assert.equal(code, "unavailable");
      assert.match(message, new RegExp(`${SIZE_BYTES}.*${SIZE_BYTES + 512}`));
      assert.equal(node.record(7).device, undefined);
    },
  },
  {
    name: "attach() takes a device that is larger than the array said, in its full size",
    check: async (node) => {
      node.bed.publish(7, 2 * SIZE_BYTES);
      assert.equal((await node.attach(7)).sizeBytes, 2 * SIZE_BYTES);
    },
  },
];

const DEVICE_RULES: Rule[] = [
  {
    name: "grow() gives the device the size that its volume has now",
    check: async (node) => {
      node.bed.publish(7);
      const { name } = await node.attach(7);
      node.fake.nvme.hears = false;
      node.bed.publish(7, 2 * SIZE_BYTES);
      await node.connection.grow(node.context, name);
      assert.equal(node.fake.read(`/sys/class/block/${name}/size`), String(2 * SIZE_BYTES / 512));
    },
  },
  {
    name: "devicesOf() finds the device whose name a crash kept from being noted, and no other",
    check: async (node) => {
      node.bed.publish(8);
      await node.attach(8);
      assert.deepEqual(await node.devicesOf(7), []);
      node.bed.publish(7);
      const { name } = await node.attach(7);
      assert.deepEqual(await node.devicesOf(7), [name]);
      node.record(7).device = undefined;
      assert.deepEqual(await node.devicesOf(7), [name]);
    },
  },
  {
    name: "owns() knows the devices of this driver, and nothing else",
    check: async (node) => {
      node.bed.publish(7);
      const { name } = await node.attach(7);
      const owns = (device: string) => node.connection.owns(node.context, device);
      assert.equal(await owns(name), true);
      assert.equal(await owns(node.bed.addForeignDevice()), false);
      for (const other of ["sdzz", "dm-77", "nvme7n7", "loop77", "vda"]) {
        assert.equal(await owns(other), false, other);
      }
    },
  },
  {
    name: "detach() takes the device away and leaves the others; again it is success",
    gaps: nvmeGaps(NAMESPACE_STAYS),
    check: async (node) => {
      for (const volume of [7, 8]) node.bed.publish(volume);
      await node.attach(8);
      const before = node.bed.devices();
      const { name } = await node.attach(7);
      for (const time of ["once", "twice"]) {
        await node.connection.detach(node.context, name);
        assert.deepEqual(node.bed.devices(), before, time);
      }
    },
  },
  {
    name: "detach() refuses a device on which another one stands",
    gaps: { local: NO_HOLDERS },
    check: async (node) => {
      const name = await node.attachedBySomebody(7);
      const lvm = { name: "dm-90", uuid: "LVM-a1b2", alias: "vg-data" };
      node.fake.scsi.addHolder(name, lvm);
      const before = node.has();
      const { code, message } = await failureOf(node.connection.detach(node.context, name));
      assert.equal(code, "in_use");
      assert.match(message, /dm-90|vg-data/);
      assert.deepEqual(node.has(), before);
    },
  },
  {
    name: "detach() refuses a device whose file system is still open somewhere",
    gaps: { local: "the kernel lets go of a loop device at its last close, which losetup awaits" },
    check: async (node) => {
      const name = await node.attachedBySomebody(7);
      const before = node.has();
      for (const type of ["xfs", "ext4"]) {
        node.fake.write(`/sys/fs/${type}/${name}/stats`, "");
        const { code } = await failureOf(node.connection.detach(node.context, name));
        assert.equal(code, "in_use");
        node.fake.remove(`/sys/fs/${type}/${name}`);
      }
      assert.deepEqual(node.has(), before);
    },
  },
  {
    name: "detach() leaves a device that is no volume of this driver",
    check: async (node) => {
      const foreign = node.bed.addForeignDevice();
      const before = node.bed.devices();
      const { code, message } = await failureOf(node.connection.detach(node.context, foreign));
      assert.equal(code, "in_use");
      assert.match(message, /is not taken away: .* if nothing needs it$/);
      assert.deepEqual(node.bed.devices(), before);
    },
  },
];

const NO_SESSIONS = { fc: NO_SESSION, local: NO_SESSION };

const TIDY_RULES: Rule[] = [
  {
    name: "tidy() ends the sessions of ours that no volume needs, and none of others",
    gaps: NO_SESSIONS,
    check: async (node) => {
      node.bed.addForeignSession?.();
      const theirs = node.bed.sessions();
      await node.attachedBySomebody(7);
      await node.letGo(7);
      await node.tidy();
      assert.deepEqual(node.bed.sessions(), theirs);
    },
  },
  {
    name: "tidy() keeps the sessions of a volume that stays, also while its device is not there",
    gaps: NO_SESSIONS,
    check: async (node) => {
      const device = await node.attachedBySomebody(7);
      await node.letGo(7);
      const before = node.bed.sessions();
      await node.tidy({ ...node.record(7), device });
      assert.deepEqual(node.bed.sessions(), before);
    },
  },
  {
    name: "tidy() keeps the sessions that carry a device, whoever uses it",
    gaps: NO_SESSIONS,
    check: async (node) => {
      const name = await node.attachedBySomebody(7);
      node.fake.mountDevice(name, "/srv/theirs");
      const before = node.bed.sessions();
      await node.tidy();
      assert.deepEqual(node.bed.sessions(), before);
      node.fake.unmount("/srv/theirs");
      node.fake.write(`/sys/class/block/${name}/holders/dm-90`, "");
      await node.tidy();
      assert.deepEqual(node.bed.sessions(), before);
    },
  },
  {
    name: "tidy() keeps the sessions that an attach is about to use",
    gaps: NO_SESSIONS,
    check: async (node) => {
      await node.attachedBySomebody(7);
      await node.letGo(7);
      const before = node.bed.sessions();
      await node.context.targets.using(node.bed.targets, () => node.tidy());
      assert.deepEqual(node.bed.sessions(), before);
    },
  },
];

function onFreshHost(
  protocol: BlockProtocol,
  work: (node: ProtocolNode) => Promise<void>,
): Promise<void> {
  return FakeHost.use((fake) => {
    fake.folder(PLANE);
    return work(new ProtocolNode(protocol, fake));
  });
}

for (const protocol of Object.keys(BLOCK_BEDS) as BlockProtocol[]) {
  for (const { name, gaps, check } of [...ATTACH_RULES, ...DEVICE_RULES, ...TIDY_RULES]) {
    if (gaps?.[protocol] !== undefined) continue;
    Deno.test(`${protocol}: ${name}`, () => withTestClock(() => onFreshHost(protocol, check)));
  }
}

Deno.test("every protocol has a bed in this suite, for each kind of volume that it serves", () => {
  for (const kind of ["block", "file"] as const) {
    const serving = PROTOCOLS.filter((protocol) =>
      (PROTOCOL_FACTS[protocol].kinds as readonly string[]).includes(kind)
    );
    assert.deepEqual(BEDS[kind].toSorted(), serving.toSorted(), kind);
  }
});
