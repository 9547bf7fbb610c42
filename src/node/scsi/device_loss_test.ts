/** Devices that go, stay or hide at the wrong moment, over a sysfs of files. */
import assert from "node:assert/strict";
import { attachment, FakeHost, wwidOf } from "../../../tests/support/fake_host.ts";
import { BLOCK_CAPABILITY, failureOf } from "../../../tests/support/test_node.ts";

const VOLUME = { volumeId: "v7", stagingPath: "/stage/7" };

/** Volume 7 on one path without a map; gives its disk. */
async function singlePath(fake: FakeHost): Promise<string> {
  fake.addSession(1, "192.0.2.1:3260");
  const disk = fake.addDisk({ session: 1, lun: 7, volume: 7 });
  await fake.records.write({ ...VOLUME, attachment: attachment(7), device: disk, published: [] });
  fake.onTool.set("umount", (args) => fake.unmount(args.at(-1) ?? ""));
  return disk;
}

Deno.test("unstage takes the mount of a device away that the kernel has removed below it", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    const number = Deno.readTextFileSync(`${fake.root}/sys/class/block/${disk}/dev`).trim();
    fake.mount(VOLUME.stagingPath, { number, source: `/dev/${disk}` });
    fake.removeSession(1);
    fake.remove(`/sys/dev/block/${number}`);
    await fake.plugin({ multipath: false }).unstage(VOLUME);
    assert.deepEqual(fake.commands.filter((line) => line.startsWith("umount")).length, 1);
    assert.equal(await fake.records.find("v7"), undefined);
  }));

Deno.test("unstage leaves a device whose file system is still open somewhere, though nothing shows as mounted", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    fake.write(`/sys/fs/xfs/${disk}/stats/stats`, "");
    const node = fake.plugin({ multipath: false });
    const { code, message } = await failureOf(node.unstage(VOLUME));
    assert.equal(code, "in_use");
    assert.match(message, /the xfs on sda is unmounted here and still open/);
    assert.deepEqual([...Deno.readDirSync(`${fake.root}/sys/class/scsi_device`)].length, 1);
    fake.remove(`/sys/fs/xfs/${disk}`);
    await node.unstage(VOLUME);
    assert.deepEqual([...Deno.readDirSync(`${fake.root}/sys/class/scsi_device`)], []);
  }));

Deno.test("a stage that failed and could not be undone is finished by the healer when it can be", () =>
  FakeHost.use(async (fake) => {
    const disk = await singlePath(fake);
    fake.luns.set(7, 7);
    fake.write(`/sys/fs/xfs/${disk}/stats/stats`, ""); // the device cannot be taken away
    const node = fake.plugin({ multipath: false });
    const request = {
      ...VOLUME,
      attachment: attachment(7),
      volumeContext: {},
      capability: BLOCK_CAPABILITY,
    };
    await failureOf(node.stage(request)); // no device node can be bound in a folder of files
    assert.equal((await fake.records.find("v7"))?.unstaging, true);
    fake.remove(`/sys/fs/xfs/${disk}`);
    for (let round = 0; round < 3; round++) {
      await node.healer.round();
      await node.healer.idle();
    }
    assert.equal(await fake.records.find("v7"), undefined);
    assert.deepEqual([...Deno.readDirSync(`${fake.root}/sys/class/scsi_device`)], []);
  }));

Deno.test("partitions that kpartx made over our own map are no other user of the volume; what stands on them is", () =>
  FakeHost.use(async (fake) => {
    for (const session of [1, 2]) fake.addSession(session, `192.0.2.${session}:3260`);
    fake.luns.set(7, 7);
    fake.addMap("dm-7", 7);
    for (const session of [1, 2]) fake.join(fake.addDisk({ session, lun: 7, volume: 7 }), "dm-7");
    fake.write("/sys/class/block/dm-7/holders/dm-70", "");
    fake.write("/sys/class/block/dm-70/dm/uuid", `part1-mpath-${wwidOf(7)}`);
    fake.write("/sys/class/block/dm-70/dm/name", `${wwidOf(7)}-part1`);
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
      /carries dm-70: somebody else uses this volume/,
    );
    fake.remove("/sys/class/block/dm-70/holders/dm-71");
    // no device node can be bound here
    assert.doesNotMatch((await failureOf(node.stage(request))).message, /somebody else uses/);
  }));
