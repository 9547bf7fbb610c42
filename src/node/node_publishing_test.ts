import assert from "node:assert/strict";
import { MiB } from "../size.ts";
import {
  BLOCK_CAPABILITY,
  failureOf,
  mountCapability,
  TestNode,
  testRun,
} from "../../tests/support/test_node.ts";

Deno.test("a read-only raw volume takes no writes, and a writable publication beside it is refused", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume(8 * MiB);
    const capability = BLOCK_CAPABILITY;
    await test.node.stage(test.stageRequest(volume, { capability }));
    await test.node.publish(test.publishRequest(volume, { capability, readOnly: true }));
    await assert.rejects(
      testRun("dd", ["if=/dev/zero", `of=${volume.targetPath}`, "bs=4k", "count=1"]),
      /Operation not permitted|Read-only/,
    );
    const second = { ...volume, targetPath: `${volume.targetPath}-2` };
    assert.equal(
      (await failureOf(test.node.publish(test.publishRequest(second, { capability })))).code,
      "in_use",
    );
    await test.node.unpublish(volume);
    await test.node.publish(test.publishRequest(second, { capability }));
    await testRun("dd", ["if=/dev/zero", `of=${second.targetPath}`, "bs=4k", "count=1"]);
    await test.takeAway(second);
  }));

Deno.test("a single-writer volume is refused at a second target, and a multi-writer one is not", () =>
  TestNode.use(async (test) => {
    for (const mode of ["single-node-single-writer", "single-node-multi-writer"] as const) {
      const volume = await test.volume();
      const capability = mountCapability("xfs", mode);
      await test.node.stage(test.stageRequest(volume, { capability }));
      await test.node.publish(test.publishRequest(volume, { capability }));
      const second = { ...volume, targetPath: `${volume.targetPath}-2` };
      const work = test.node.publish(test.publishRequest(second, { capability }));
      if (mode === "single-node-single-writer") {
        assert.equal((await failureOf(work)).code, "in_use");
      } else await work;
      assert.equal((await failureOf(test.node.unstage(volume))).code, "in_use");
      await test.node.unpublish(second);
      await test.takeAway(volume);
    }
  }));

Deno.test("publish at the same target in another way is a conflict, and read-only takes no writes", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    await test.node.publish(test.publishRequest(volume, { readOnly: true }));
    await assert.rejects(Deno.writeTextFile(`${volume.targetPath}/file`, "x"), /os error 30/);
    assert.equal(
      (await failureOf(test.node.publish(test.publishRequest(volume)))).code,
      "conflict",
    );
    await test.node.publish(test.publishRequest(volume, { readOnly: true }));
    // as a crash between bind and remount leaves it
    await testRun("mount", ["-o", "remount,bind,rw", volume.targetPath]);
    await test.node.publish(test.publishRequest(volume, { readOnly: true }));
    await assert.rejects(Deno.writeTextFile(`${volume.targetPath}/file`, "x"), /os error 30/);
    await test.takeAway(volume);
  }));

Deno.test("publish of what is not staged is refused", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const error = await failureOf(test.node.publish(test.publishRequest(volume)));
    assert.equal(error.code, "in_use");
    assert.match(error.message, /is not staged at .* as mount: stage it first/);
  }));

Deno.test("a mount of the volume that an administrator made is no publication: it keeps no pod from the volume", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const capability = mountCapability("xfs", "single-node-single-writer");
    await test.node.stage(test.stageRequest(volume, { capability }));
    const theirs = `${test.folder}/debug`;
    await Deno.mkdir(theirs);
    await testRun("mount", ["--bind", volume.stagingPath, theirs]);
    await test.node.publish(test.publishRequest(volume, { capability }));
    await test.node.unpublish(volume);
    await testRun("umount", [theirs]);
    await test.node.unstage(volume);
  }));
