import assert from "node:assert/strict";
import { MiB } from "../../size.ts";
import {
  failureOf,
  mountCapability,
  TestNode,
  testRun,
  VOLUME_BYTES,
} from "../../../tests/support/test_node.ts";

/** Makes every tool call of the node from now on visible in `calls`. */
function watched(test: TestNode): string[] {
  const calls: string[] = [];
  test.restart((tool, args, options) => {
    calls.push([tool, ...args].join(" "));
    return testRun(tool, args, options);
  });
  return calls;
}

Deno.test("expand gives xfs_growfs the mount point, never the device", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    const calls = watched(test);
    await Deno.truncate(volume.image, 400 * MiB);
    const { volumeId, stagingPath } = volume;
    await test.node.expand({ volumeId, volumePath: stagingPath, requiredBytes: 400 * MiB });
    assert.ok(calls.includes(`xfs_growfs ${stagingPath}`), calls.join("\n"));
    await test.node.unstage(volume);
  }));

Deno.test("stage checks an ext4 that was restored to a larger volume in full, grows it, and only then mounts it", () =>
  TestNode.use(async (test) => {
    const capability = mountCapability("ext4");
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume, { capability }));
    await test.node.unstage(volume);
    await Deno.truncate(volume.image, 2 * VOLUME_BYTES);
    const calls = watched(test);
    const attachment = { ...volume.attachment, sizeBytes: 2 * VOLUME_BYTES, everWritten: true };
    await test.node.stage(test.stageRequest(volume, { capability, attachment }));
    const order = calls.flatMap((call) => /^(e2fsck -f|resize2fs|mount)\b/.exec(call)?.[0] ?? []);
    assert.deepEqual(order, ["e2fsck -f", "resize2fs", "mount"]);
    await test.node.unstage(volume);
  }));

Deno.test("expand is an error when the tool says done and the file system has not grown", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    await Deno.truncate(volume.image, 400 * MiB);
    test.restart((tool, args, options) =>
      tool === "xfs_growfs" && args[0] !== "-n"
        ? Promise.resolve({ code: 0, stdout: "", stderr: "" })
        : testRun(tool, args, options)
    );
    const { volumeId, stagingPath } = volume;
    const error = await failureOf(
      test.node.expand({ volumeId, volumePath: stagingPath, requiredBytes: 400 * MiB }),
    );
    assert.equal(error.code, "unavailable");
    assert.match(error.message, /was grown and has .* its device has 419430400/);
    await test.node.unstage(volume);
  }));
