import assert from "node:assert/strict";
import {
  deviceNameOf,
  findBlockDevice,
  readBlockDevice,
  refuseLiveFileSystem,
  setDeviceReadOnly,
} from "./block_device.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { failureOf } from "../../tests/support/test_node.ts";

/** A host with the block device dm-7 of 1 MiB. */
function withDevice(work: (fake: FakeHost) => Promise<void>): Promise<void> {
  return FakeHost.use((fake) => {
    fake.blockDevice("/sys/class/block/dm-7", { number: "254:7", sizeBytes: 1 << 20 });
    return work(fake);
  });
}

Deno.test("readBlockDevice() counts in bytes, and says which device the kernel does not list", () =>
  withDevice(async ({ host }) => {
    const device = { name: "dm-7", majorMinor: "254:7", sizeBytes: 1 << 20 };
    assert.deepEqual(await readBlockDevice(host, "dm-7"), device);
    const { code, message } = await failureOf(readBlockDevice(host, "dm-8"));
    assert.equal(code, "unavailable");
    assert.match(message, /\/sys\/class\/block\/dm-8/);
    assert.equal(await findBlockDevice(host, "dm-8"), undefined);
  }));

for (const file of ["dev", "size"]) {
  Deno.test(`findBlockDevice() takes a device without ${file} for one that is going away`, () =>
    withDevice(async (fake) => {
      fake.remove(`/sys/class/block/dm-7/${file}`);
      assert.equal(await findBlockDevice(fake.host, "dm-7"), undefined);
    }));
}

Deno.test("deviceNameOf() finds the name by the number, and none for file systems without a device", () =>
  withDevice(async ({ host }) => {
    assert.equal(await deviceNameOf(host, "254:7"), "dm-7");
    assert.equal(await deviceNameOf(host, "0:77"), undefined);
  }));

Deno.test("setDeviceReadOnly() changes what is otherwise, and proves it", () =>
  withDevice(async (fake) => {
    const ro = "/sys/class/block/dm-7/ro";
    fake.onTool.set("blockdev", ([option]) => fake.write(ro, option === "--setro" ? "1" : "0"));
    for (const readOnly of [true, true, false, false]) {
      await setDeviceReadOnly(fake.host, { name: "dm-7", readOnly });
      assert.equal(fake.read(ro), readOnly ? "1" : "0");
    }
    assert.deepEqual(fake.commands, [
      "blockdev --setro /dev/dm-7",
      "blockdev --setrw /dev/dm-7",
    ]);
    fake.onTool.clear();
    const { code } = await failureOf(
      setDeviceReadOnly(fake.host, { name: "dm-7", readOnly: true }),
    );
    assert.equal(code, "unavailable");
  }));

Deno.test("refuseLiveFileSystem() refuses a device whose xfs or ext4 the kernel still has, and no other", () =>
  withDevice(async (fake) => {
    for (const type of ["xfs", "ext4"]) {
      fake.write(`/sys/fs/${type}/dm-70/stats`, "");
      await refuseLiveFileSystem(fake.host, "dm-7");
      fake.write(`/sys/fs/${type}/dm-7/stats`, "");
      const { code, message } = await failureOf(refuseLiveFileSystem(fake.host, "dm-7"));
      assert.equal(code, "in_use");
      assert.match(message, new RegExp(`${type} on dm-7`));
      fake.remove(`/sys/fs/${type}/dm-7`);
    }
  }));
