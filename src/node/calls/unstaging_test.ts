import assert from "node:assert/strict";
import { listLoopDevices } from "../../host/loop.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import {
  BLOCK_CAPABILITY,
  failureOf,
  TestNode,
  testRun,
} from "../../../tests/support/test_node.ts";

async function deviceOf(test: TestNode, image: string): Promise<string> {
  const device = (await listLoopDevices({ ...test.host, root: "/" })).find((loop) =>
    loop.backingFile === image
  );
  assert.ok(device, `nothing shows ${image}`);
  return device.name;
}

Deno.test("unstage takes away every mount of the volume that lies over another", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    for (let times = 0; times < 2; times++) {
      await testRun("mount", ["--bind", volume.stagingPath, volume.stagingPath]);
    }
    await test.node.unstage(volume);
    assert.deepEqual(await test.leftovers(), []);
  }));

Deno.test("unstage succeeds when mount and device are gone already", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    const device = await deviceOf(test, volume.image);
    await testRun("umount", [volume.stagingPath]);
    await testRun("losetup", ["--detach", `/dev/${device}`]);
    await test.node.unstage(volume);
    assert.deepEqual(await test.leftovers(), []);
  }));

Deno.test("unstage does not take a tool's word that the device is gone: sysfs must say so", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    const caller = new AbortController(); // so that nobody waits for what will not happen
    test.restart((tool, args, options) => {
      if (tool !== "losetup" || args[0] !== "--detach") return testRun(tool, args, options);
      caller.abort();
      return Promise.resolve({ code: 0, stdout: "", stderr: "" });
    });
    const error = await failureOf(test.node.unstage(volume, caller.signal));
    assert.equal(error.code, "in_use");
    assert.match(error.message, /cannot be detached: a process has it open/);
    test.restart();
    await test.node.unstage(volume);
  }));

Deno.test("an unstage that failed is finished by the healer once nothing mounts the volume, and not after a stage that came later", () =>
  TestNode.use(async (test) => {
    const rounds = async () => {
      for (let turn = 0; turn < 3; turn++) {
        await test.node.healer.round();
        await test.node.healer.idle();
      }
    };
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    const busy = await Deno.open(`${volume.stagingPath}/file`, { write: true, create: true });
    assert.equal((await failureOf(test.node.unstage(volume))).code, "in_use");
    await rounds();
    assert.equal(test.node.healer.leftovers().volume, 1);
    await test.node.stage(test.stageRequest(volume));
    busy.close();
    await testRun("umount", [volume.stagingPath]);
    await rounds();
    assert.equal(
      await test.node.stagedVolumes(),
      1,
      "it is wanted: the record and the device stay",
    );
    await test.node.stage(test.stageRequest(volume));
    const again = await Deno.open(`${volume.stagingPath}/file`, { read: true });
    assert.equal((await failureOf(test.node.unstage(volume))).code, "in_use");
    again.close();
    await testRun("umount", [volume.stagingPath]);
    await rounds();
    assert.equal(await test.node.stagedVolumes(), 0);
  }));

Deno.test("of volumes that are unstaged at once, the last one ends the sessions", () =>
  FakeHost.use(async (fake) => {
    const node = fake.plugin();
    const volumes = [7, 8, 9].map((number) => ({
      volumeId: `v${number}`,
      stagingPath: `/stage/${number}`,
      attachment: attachment(number),
      capability: BLOCK_CAPABILITY,
      volumeContext: {},
    }));
    for (const volume of volumes) {
      const number = Number(volume.volumeId.slice(1));
      fake.scsi.luns.set(number, number);
      await node.stage(volume);
    }
    assert.equal(fake.iscsi.sessions.length, 2);
    await Promise.all(volumes.map((volume) => node.unstage(volume)));
    assert.deepEqual([fake.scsi.devices, fake.iscsi.sessions], [[], []]);
  }));
