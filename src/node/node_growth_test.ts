import assert from "node:assert/strict";
import { MiB } from "../size.ts";
import {
  BLOCK_CAPABILITY,
  failureOf,
  mountCapability,
  TestNode,
  VOLUME_BYTES,
} from "../../tests/support/test_node.ts";

/**
 * Growing a mounted ext4 needs CAP_SYS_RESOURCE (ext4's EXT4_IOC_RESIZE_FS), which root in a
 * container may lack.
 */
const CAP_SYS_RESOURCE = 24n;

const capabilities = BigInt(
  `0x${/^CapEff:\s*(\S+)/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1] ?? "0"}`,
);

for (const fsType of ["xfs", "ext4"]) {
  const ignore = fsType === "ext4" && (capabilities & (1n << CAP_SYS_RESOURCE)) === 0n;
  const why = ignore ? " (skipped: growing a mounted ext4 needs CAP_SYS_RESOURCE)" : "";
  const name =
    `expand grows a mounted ${fsType} online by its staging or published path and refuses until the array has grown${why}`;
  Deno.test({ name, ignore }, () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      const capability = mountCapability(fsType);
      await test.node.stage(test.stageRequest(volume, { capability }));
      await test.node.publish(test.publishRequest(volume, { capability }));
      const { volumeId, stagingPath, targetPath } = volume;
      for (
        const [volumePath, sizeBytes] of [[targetPath, 400 * MiB], [
          stagingPath,
          512 * MiB,
        ]] as const
      ) {
        const early = await failureOf(
          test.node.expand({ volumeId, volumePath, requiredBytes: sizeBytes }),
        );
        assert.match(
          early.message,
          new RegExp(`and ${sizeBytes} are asked for: grow it on its array first$`),
        );
        await Deno.truncate(volume.image, sizeBytes);
        for (let times = 0; times < 2; times++) {
          assert.ok(
            (await test.node.expand({ volumeId, volumePath, requiredBytes: sizeBytes }))
              .sizeBytes >= sizeBytes - MiB,
          );
        }
        const stats = await test.node.stats({ volumeId, volumePath: targetPath });
        assert.ok(
          stats.type === "mount" && stats.bytes.total > sizeBytes * 0.7 && stats.inodes.total > 0,
          JSON.stringify(stats),
        );
      }
      await test.takeAway(volume);
    }));

  Deno.test(`stage grows a ${fsType} that was restored to a larger volume`, () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      const capability = mountCapability(fsType);
      await test.node.stage(test.stageRequest(volume, { capability }));
      await test.node.unstage(volume);
      await Deno.truncate(volume.image, 2 * VOLUME_BYTES);
      const attachment = { ...volume.attachment, sizeBytes: 2 * VOLUME_BYTES, everWritten: true };
      await test.node.stage(test.stageRequest(volume, { capability, attachment }));
      const { volumeId, stagingPath } = volume;
      const stats = await test.node.stats({ volumeId, volumePath: stagingPath });
      assert.ok(
        stats.type === "mount" && stats.bytes.total > VOLUME_BYTES * 1.5,
        JSON.stringify(stats),
      );
      await test.node.unstage(volume);
    }));
}

Deno.test("expand of a raw volume returns the new size of the device", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume(8 * MiB);
    await test.node.stage(test.stageRequest(volume, { capability: BLOCK_CAPABILITY }));
    await Deno.truncate(volume.image, 16 * MiB);
    const { volumeId, stagingPath } = volume;
    assert.deepEqual(
      await test.node.expand({ volumeId, volumePath: stagingPath, requiredBytes: 16 * MiB }),
      { sizeBytes: 16 * MiB },
    );
    await test.node.unstage(volume);
  }));

Deno.test("stats and expand of an unknown volume are not found, whatever the path", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    for (const volumePath of ["some/path", "/some/path", test.folder]) {
      for (const volumeId of ["unknown", volume.volumeId]) {
        assert.equal(
          (await failureOf(test.node.stats({ volumeId, volumePath }))).code,
          "not_found",
        );
        assert.equal(
          (await failureOf(test.node.expand({ volumeId, volumePath }))).code,
          "not_found",
        );
      }
    }
    await test.node.unstage(volume);
  }));

Deno.test("expand by a read-only published path grows the file system through its staged mount", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    await test.node.publish(test.publishRequest(volume, { readOnly: true }));
    await Deno.truncate(volume.image, 400 * MiB);
    const grown = await test.node.expand({
      volumeId: volume.volumeId,
      volumePath: volume.targetPath,
      requiredBytes: 400 * MiB,
    });
    assert.deepEqual(grown, { sizeBytes: 400 * MiB });
    await test.takeAway(volume);
  }));
