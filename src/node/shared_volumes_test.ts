import assert from "node:assert/strict";
import { NodePlugin } from "./node_plugin.ts";
import {
  BLOCK_CAPABILITY,
  failureOf,
  mountCapability,
  TestNode,
  testRun,
} from "../../tests/support/test_node.ts";

// One block volume, several nodes.

Deno.test("a block volume is not mounted by writers on several nodes, and may be raw on them", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const mode = "multi-node-multi-writer";
    assert.equal(
      (await failureOf(
        test.node.stage(test.stageRequest(volume, { capability: mountCapability("xfs", mode) })),
      )).code,
      "unsupported",
    );
    await test.node.stage(test.stageRequest(volume, { capability: { ...BLOCK_CAPABILITY, mode } }));
    await test.node.unstage(volume);
  }));

Deno.test("a second node on this machine gets a device of its own for a shared raw volume, and waits for a single-writer one", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await Deno.mkdir(`${test.plane}/fa-1/hosts/node-2`);
    await Deno.symlink(volume.image, `${test.plane}/fa-1/hosts/node-2/1`);
    const first = test.node;
    const second = new NodePlugin({
      ...test.options(),
      name: "node-2",
      stateDir: `${test.folder}/state-2`,
    });
    const there = {
      ...volume,
      stagingPath: `${test.folder}/stage-2`,
      attachment: { ...volume.attachment, host: "node-2" },
    };
    const shared = { ...BLOCK_CAPABILITY, mode: "multi-node-multi-writer" } as const;
    await first.stage(test.stageRequest(volume, { capability: shared }));
    await second.stage(test.stageRequest(there, { capability: shared }));
    await first.unstage(volume);
    assert.equal((await failureOf(first.stage(test.stageRequest(volume)))).code, "in_use");
    await second.unstage(there);
    await first.stage(test.stageRequest(volume));
    await first.unstage(volume);
  }));

Deno.test("a shared raw volume on two nodes: each reads what the other wrote, and both grow", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await Deno.mkdir(`${test.plane}/fa-1/hosts/node-2`);
    await Deno.symlink(volume.image, `${test.plane}/fa-1/hosts/node-2/1`);
    const capability = { ...BLOCK_CAPABILITY, mode: "multi-node-multi-writer" } as const;
    const nodes = [
      { node: test.node, of: volume },
      {
        node: new NodePlugin({
          ...test.options(),
          name: "node-2",
          stateDir: `${test.folder}/state-2`,
        }),
        of: {
          ...volume,
          stagingPath: `${test.folder}/stage-2`,
          targetPath: `${test.folder}/pods/2/mount`,
          attachment: { ...volume.attachment, host: "node-2" },
        },
      },
    ];
    for (const { node, of } of nodes) {
      await node.stage(test.stageRequest(of, { capability }));
      await node.publish(test.publishRequest(of, { capability }));
    }
    const sizeBytes = 2 * volume.attachment.sizeBytes;
    for (const [from, to] of [nodes, nodes.toReversed()]) {
      assert.ok(from && to);
      await testRun("bash", [
        "-c",
        `head -c 4096 /dev/urandom | dd of=${from.of.targetPath} bs=4096 oflag=direct conv=notrunc iflag=fullblock`,
      ]);
      await testRun("bash", [
        "-c",
        `cmp <(dd if=${to.of.targetPath} bs=4096 count=1 iflag=direct) <(head -c 4096 ${volume.image})`,
      ]);
    }
    await Deno.truncate(volume.image, sizeBytes);
    for (const { node, of } of nodes) {
      assert.equal(
        (await node.expand({
          volumeId: of.volumeId,
          volumePath: of.targetPath,
          requiredBytes: sizeBytes,
        })).sizeBytes,
        sizeBytes,
      );
      const { stdout } = await testRun("blockdev", ["--getsize64", of.targetPath]);
      assert.equal(stdout.trim(), String(sizeBytes));
    }
    for (const { node, of } of nodes) {
      await node.unpublish(of);
      await node.unstage(of);
    }
  }));
