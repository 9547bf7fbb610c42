/** Devices that go, stay or hide at the wrong moment, over a sysfs of files. */
import assert from "node:assert/strict";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { wwidOf } from "../../../tests/support/fake_scsi.ts";
import { BLOCK_CAPABILITY, failureOf } from "../../../tests/support/test_node.ts";

const VOLUME = { volumeId: "v7", stagingPath: "/stage/7" };

/** Volume 7 on one path without a map; gives its disk. */
async function singlePath(fake: FakeHost): Promise<string> {
  fake.iscsi.addSession(1, "192.0.2.1:3260");
  const disk = fake.scsi.addDisk({ session: 1, lun: 7, volume: 7 });
  await fake.records.write({ ...VOLUME, attachment: attachment(7), device: disk, published: [] });
  return disk;
}

Deno.test("unstage takes the mount of a device away that the kernel has removed below it", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    const number = fake.read(`/sys/class/block/${disk}/dev`);
    fake.mount(VOLUME.stagingPath, { number, source: `/dev/${disk}` });
    fake.iscsi.removeSession(1);
    fake.remove(`/sys/dev/block/${number}`);
    await fake.plugin({ flasharray: { multipath: false } }).unstage(VOLUME);
    assert.deepEqual(fake.commands.filter((line) => line.startsWith("umount")).length, 1);
    assert.equal(await fake.records.find("v7"), undefined);
  }));

Deno.test("unstage leaves a device whose file system is still open somewhere, though nothing shows as mounted", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    fake.write(`/sys/fs/xfs/${disk}/stats/stats`, "");
    const node = fake.plugin({ flasharray: { multipath: false } });
    const { code, message } = await failureOf(withTestClock(() => node.unstage(VOLUME)));
    assert.equal(code, "in_use");
    assert.match(message, /the xfs on sda is unmounted here, but the kernel still has it open/);
    assert.deepEqual(fake.scsi.devices.length, 1);
    fake.remove(`/sys/fs/xfs/${disk}`);
    await node.unstage(VOLUME);
    assert.deepEqual(fake.scsi.devices, []);
  }));

Deno.test("unstage leaves a disk without a map that a process has open", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    fake.reads.open.set(disk, "postgres");
    const node = fake.plugin({ flasharray: { multipath: false } });
    const { code, message } = await failureOf(withTestClock(() => node.unstage(VOLUME)));
    assert.equal(code, "in_use");
    assert.match(message, /device sda is still open in process 4711 \(postgres\): end it/);
    assert.deepEqual(fake.scsi.devices.length, 1);
    fake.reads.open.clear();
    await node.unstage(VOLUME);
    assert.deepEqual(fake.scsi.devices, []);
  }));

Deno.test("unstage leaves a disk without a map while nobody can tell who has it open", () =>
  FakeHost.use(async (fake) => {
    await singlePath(fake);
    const node = fake.plugin({ flasharray: { multipath: false } });
    for (
      const answer of [
        { code: 1, stderr: "stat: not found" },
        { hangs: true } as const,
        { stdout: "works 1:3\n" },
        { stdout: "whole\n" },
        { stdout: "works 1:3\nfailed\nwhole\n" },
      ]
    ) {
      fake.onTool.set("sh", () => answer);
      const { code, message } = await failureOf(withTestClock(() => node.unstage(VOLUME)));
      assert.equal(code, "in_use");
      assert.match(
        message,
        /it is not known whether a process has device sda open: .*\/proc\/\*\/fd/,
      );
    }
    assert.deepEqual(fake.scsi.devices.length, 1);
    fake.onTool.delete("sh");
    await node.unstage(VOLUME);
    assert.deepEqual(fake.scsi.devices, []);
  }));

Deno.test("unstage leaves a disk without a map that a loop device stands on", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    fake.write("/sys/block/loop5/loop/backing_file", `/dev/${disk}`);
    const node = fake.plugin({ flasharray: { multipath: false } });
    const { code, message } = await failureOf(withTestClock(() => node.unstage(VOLUME)));
    assert.equal(code, "in_use");
    assert.match(message, /device sda is still open in loop device loop5 .*losetup --detach/);
    fake.remove("/sys/block/loop5");
    await node.unstage(VOLUME);
    assert.deepEqual(fake.scsi.devices, []);
  }));

const PARTITION_USES: {
  use: string;
  said: RegExp;
  begin: (fake: FakeHost, part: string) => void;
}[] = [
  {
    use: "mounted",
    said: /partition sda1 of sda is still mounted at \/mnt\/by-hand: unmount it/,
    begin: (fake, part) => fake.mountDevice(part, "/mnt/by-hand"),
  },
  {
    use: "below a guest's LVM",
    said: /partition sda1 of sda is in use by logical volume root of volume group guest-vg/,
    begin: (fake, part) =>
      fake.scsi.addHolder(part, { name: "dm-9", uuid: "LVM-a1b2", alias: "guest--vg-root" }),
  },
  {
    use: "a file system of another mount namespace",
    said: /the ext4 on sda1 is unmounted here, but the kernel still has it open/,
    begin: (fake, part) => fake.write(`/sys/fs/ext4/${part}/session_write_kbytes`, "0"),
  },
  {
    use: "open",
    said: /device sda is still open in process 4711 \(postgres\)/,
    begin: (fake, part) => fake.reads.open.set(part, "postgres"),
  },
];
for (const { use, said, begin } of PARTITION_USES) {
  Deno.test(`unstage leaves a disk without a map whose partition is ${use}`, () =>
    FakeHost.use(async (fake) => {
      const disk = await singlePath(fake);
      const part = fake.partition(disk, 1);
      begin(fake, part);
      const node = fake.plugin({ flasharray: { multipath: false } });
      const { code, message } = await failureOf(withTestClock(() => node.unstage(VOLUME)));
      assert.equal(code, "in_use");
      assert.match(message, said);
      assert.equal(fake.scsi.devices.length, 1);
    }));
}

Deno.test("unstage takes a disk away whose partitions nobody uses", () =>
  FakeHost.use(async (fake) => {
    fake.partition(await singlePath(fake), 1);
    await fake.plugin({ flasharray: { multipath: false } }).unstage(VOLUME);
    assert.deepEqual(fake.scsi.devices, []);
  }));

Deno.test("a stage that failed and could not be undone is finished by the healer when it can be", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    fake.scsi.luns.set(7, 7);
    fake.write(`/sys/fs/xfs/${disk}/stats/stats`, ""); // the device cannot be taken away
    const node = fake.plugin({ flasharray: { multipath: false } });
    const request = {
      ...VOLUME,
      attachment: attachment(7),
      volumeContext: {},
      capability: BLOCK_CAPABILITY,
    };
    fake.onTool.set("mount", () => ({ code: 32, stderr: "mount: cannot allocate memory\n" }));
    await failureOf(node.stage(request));
    assert.equal((await fake.records.find("v7"))?.unstaging, true);
    fake.remove(`/sys/fs/xfs/${disk}`);
    for (let round = 0; round < 3; round++) {
      await node.healer.round();
      await node.healer.idle();
    }
    assert.equal(await fake.records.find("v7"), undefined);
    assert.deepEqual(fake.scsi.devices, []);
  }));

Deno.test("partitions that kpartx made over our own map are no other user of the volume; what stands on them is", () =>
  FakeHost.use(async (fake) => {
    for (const session of [1, 2]) fake.iscsi.addSession(session, `192.0.2.${session}:3260`);
    fake.scsi.luns.set(7, 7);
    fake.scsi.addMap("dm-7", 7);
    for (const session of [1, 2]) {
      fake.scsi.join(fake.scsi.addDisk({ session, lun: 7, volume: 7 }), "dm-7");
    }
    const alias = `${wwidOf(7)}-part1`;
    fake.scsi.addHolder("dm-7", { name: "dm-70", uuid: `part1-mpath-${wwidOf(7)}`, alias });
    fake.write("/sys/class/block/dm-70/holders/dm-71", "");
    const request = {
      ...VOLUME,
      attachment: attachment(7),
      volumeContext: {},
      capability: BLOCK_CAPABILITY,
    };
    const node = fake.plugin();
    assert.match(
      (await failureOf(node.stage(request))).message,
      /is in use by .*\(dm-70\): stop whatever/,
    );
    fake.remove("/sys/class/block/dm-70/holders/dm-71");
    await node.stage(request);
    assert.equal(await fake.records.find("v7").then((record) => record?.device), "dm-7");
  }));

Deno.test("unstage takes a SCSI device of the volume away that has no disk, and no other volume's", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    fake.scsi.addDisk({ session: 1, lun: 8, volume: 8 });
    for (const lun of [7, 8]) fake.remove(`/sys/class/scsi_device/1:0:0:${lun}/device/block`);
    fake.remove(`/sys/class/block/${disk}`);
    await fake.plugin({ flasharray: { multipath: false } }).unstage(VOLUME);
    assert.deepEqual(fake.scsi.devices, ["1:0:0:8"], "another volume's stays");
    assert.equal(await fake.records.find("v7"), undefined);
  }));
