// What must not happen to data when calls, records and devices do not fit together.
import assert from "node:assert/strict";
import type { Capability } from "../capability.ts";
import { listLoopDevices } from "../host/loop.ts";
import { MiB } from "../size.ts";
import {
  BLOCK_CAPABILITY,
  checksumOf,
  failureOf,
  mountCapability,
  TestNode,
  testRun,
  type TestVolume,
} from "../../tests/support/test_node.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";

async function loopOf(test: TestNode, volume: TestVolume): Promise<string | undefined> {
  return (await listLoopDevices({ ...test.host, root: "/" })).find((loop) =>
    loop.backingFile === volume.image
  )?.name;
}

async function isReadOnly(device: string): Promise<boolean> {
  return (await testRun("blockdev", ["--getro", `/dev/${device}`])).stdout.trim() === "1";
}

Deno.test("a device that took no writes takes them again before it is given back, after a read-only publish and after a reader's stage", () =>
  TestNode.use(async (test) => {
    const reader = { ...BLOCK_CAPABILITY, mode: "single-node-reader-only" } as const;
    for (const capability of [BLOCK_CAPABILITY, reader]) {
      const volume = await test.volume(8 * MiB);
      await test.node.stage(test.stageRequest(volume, { capability }));
      await test.node.publish(test.publishRequest(volume, { capability, readOnly: true }));
      const device = await loopOf(test, volume) ?? "";
      assert.equal(await isReadOnly(device), true);
      await test.takeAway(volume);
      assert.equal(await isReadOnly(device), false, `${device} was given back read-only`);
    }
  }));

Deno.test("a stage that fails gives its device back writable too", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    let device = "";
    test.restart(async (tool, args, options) => {
      if (tool === "blockdev" && args[0] === "--setro") {
        device = args[1]?.replace("/dev/", "") ?? "";
      }
      return await testRun(tool, args, options);
    });
    const capability = mountCapability("xfs", "single-node-reader-only");
    assert.equal(
      (await failureOf(test.node.stage(test.stageRequest(volume, { capability })))).code,
      "unsupported",
    );
    assert.match(device, /^loop\d+$/);
    assert.equal(await isReadOnly(device), false);
  }));

Deno.test("a mounted volume is not staged as a raw device too, and nothing is written into it", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    const error = await failureOf(
      test.node.stage(test.stageRequest(volume, { capability: BLOCK_CAPABILITY })),
    );
    assert.equal(error.code, "conflict");
    assert.match(
      error.message,
      /is staged as a file system, and a raw device is asked for volume 0badcafe\/k8s-pvc-1: unstage it first$/,
    );
    assert.deepEqual(await Array.fromAsync(Deno.readDir(volume.stagingPath)), []);
    await test.node.unstage(volume);
  }));

Deno.test("a raw volume is not mounted as well, at its own staging path or at another", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume, { capability: BLOCK_CAPABILITY }));
    const here = await failureOf(test.node.stage(test.stageRequest(volume)));
    assert.equal(here.code, "conflict");
    const there = await failureOf(
      test.node.stage(test.stageRequest(volume, { stagingPath: `${volume.stagingPath}-2` })),
    );
    assert.equal(
      `${there.code}: ${there.message}`,
      `in_use: volume ${volume.volumeId} is staged at ${volume.stagingPath} already: unstage it there first`,
    );
    await test.node.unstage(volume);
  }));

Deno.test("publish gives a pod no other volume than the one asked for", () =>
  TestNode.use(async (test) => {
    const [one, other] = [await test.volume(), await test.volume()];
    for (const volume of [one, other]) await test.node.stage(test.stageRequest(volume));
    const elsewhere = await failureOf(
      test.node.publish(test.publishRequest(one, { stagingPath: other.stagingPath })),
    );
    assert.equal(elsewhere.code, "in_use");
    assert.match(
      elsewhere.message,
      /is staged at .*stage 1 and not at .*stage 2: publish it from there$/,
    );
    await testRun("umount", [one.stagingPath]);
    await testRun("mount", ["--bind", other.stagingPath, one.stagingPath]);
    const swapped = await failureOf(test.node.publish(test.publishRequest(one)));
    assert.equal(swapped.code, "in_use");
    assert.match(
      swapped.message,
      /shows loop\d+, and volume 0badcafe\/k8s-pvc-1 was staged on loop\d+: unstage it first$/,
    );
    await testRun("umount", [one.stagingPath]);
    for (const volume of [one, other]) await test.node.unstage(volume);
  }));

Deno.test("a stage that fails never takes the device of a raw publication away, which another volume could get", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume(8 * MiB);
    const capability = BLOCK_CAPABILITY;
    await test.node.stage(test.stageRequest(volume, { capability }));
    await test.node.publish(test.publishRequest(volume, { capability }));
    const device = await loopOf(test, volume);
    await testRun("umount", [`${volume.stagingPath}/device`]);
    test.restart((tool, args, options) => {
      if (tool === "mount") throw new Error("mount fails");
      return testRun(tool, args, options);
    });
    const stage = () => test.node.stage(test.stageRequest(volume, { capability }));
    await assert.rejects(withTestClock(stage), /mount fails/);
    assert.equal(await loopOf(test, volume), device);
    test.restart();
    await test.node.stage(test.stageRequest(volume, { capability }));
    await test.takeAway(volume);
  }));

Deno.test("an interrupted format is not touched by a reader", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    test.restart(async (tool, args, options) => {
      if (tool !== "mkfs.xfs") return await testRun(tool, args, options);
      await testRun(tool, args, options);
      const device = args.at(-1) ?? "";
      await testRun("dd", [`of=${device}`, "bs=1", "seek=126", "conv=notrunc,fsync"], {
        stdin: "\u0001",
      }); // sb_inprogress
      throw new Error("killed");
    });
    await assert.rejects(test.node.stage(test.stageRequest(volume)), /killed/);
    test.restart();
    const before = await checksumOf(volume.image);
    const capability: Capability = {
      mode: "single-node-writer",
      access: { type: "mount", fsType: "xfs", mountFlags: ["ro"] },
    };
    assert.equal(
      (await failureOf(test.node.stage(test.stageRequest(volume, { capability })))).code,
      "unsupported",
    );
    assert.equal(await checksumOf(volume.image), before);
    await test.node.stage(test.stageRequest(volume));
    await test.node.unstage(volume);
  }));
