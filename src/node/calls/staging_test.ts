import assert from "node:assert/strict";
import type { Run } from "../../run.ts";
import { TestNode, testRun } from "../../../tests/support/test_node.ts";

Deno.test("a LUN that is used again shows the new volume, while the old one's device is still there", () =>
  TestNode.use(async (test) => {
    const old = await test.volume();
    await test.node.stage(test.stageRequest(old));
    await Deno.writeTextFile(`${old.stagingPath}/file`, "of the old volume");
    const fresh = await test.volume();
    await Deno.remove(old.link);
    await Deno.rename(fresh.link, old.link); // the array gives the LUN to the new volume
    const next = { ...fresh, attachment: old.attachment };
    await test.node.stage(test.stageRequest(next));
    assert.deepEqual(await Array.fromAsync(Deno.readDir(next.stagingPath)), []);
    assert.equal(await Deno.readTextFile(`${old.stagingPath}/file`), "of the old volume");
    for (const volume of [old, next]) await test.node.unstage(volume);
  }));

Deno.test("a stage that hangs holds up no other volume", () =>
  TestNode.use(async (test) => {
    const [slow, quick] = [await test.volume(), await test.volume()];
    const hung = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const run: Run = async (tool, args, options) => {
      if (tool === "mount" && args.at(-1) === slow.stagingPath) {
        hung.resolve();
        await goOn.promise;
      }
      return await testRun(tool, args, options);
    };
    test.restart(run);
    const staging = test.node.stage(test.stageRequest(slow));
    await hung.promise;
    await test.node.stage(test.stageRequest(quick));
    await test.node.publish(test.publishRequest(quick));
    await test.takeAway(quick);
    goOn.resolve();
    await staging;
    await test.node.unstage(slow);
  }));
