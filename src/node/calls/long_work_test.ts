/** A format or check that takes longer than the call that began it. */
import assert from "node:assert/strict";
import { PsoError } from "../../errors.ts";
import type { RunOptions } from "../../run.ts";
import { failureOf, mountCapability, TestNode, testRun } from "../../../tests/support/test_node.ts";

/** The node's tools, of which one waits for the test; `calls` are its argument lists. */
function slowTool(test: TestNode, slow: string) {
  const goOn = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const calls: { args: string[]; options?: RunOptions }[] = [];
  test.restart(async (tool, args, options) => {
    if (tool === slow) {
      calls.push({ args, options });
      begun.resolve();
      await goOn.promise;
    }
    return await testRun(tool, args, options);
  });
  return { goOn, begun, calls };
}

for (
  const { name, tool, fsType, isNew } of [
    { name: "mkfs.xfs", tool: "mkfs.xfs", fsType: "xfs", isNew: true },
    { name: "mkfs.ext4", tool: "mkfs.ext4", fsType: "ext4", isNew: true },
    { name: "e2fsck", tool: "e2fsck", fsType: "ext4", isNew: false },
  ]
) {
  Deno.test(`${name} goes on when its caller's deadline is over; unstage leaves the device, the next stage waits`, () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      const request = test.stageRequest(volume, { capability: mountCapability(fsType) });
      if (!isNew) {
        await test.node.stage(request);
        await test.node.unstage(volume);
      }
      const { goOn, begun, calls } = slowTool(test, tool);
      const caller = new AbortController();
      const first = test.node.stage(request, caller.signal);
      await begun.promise;
      caller.abort(new PsoError("timeout", "the call took longer than 5 ms"));
      const { code, message } = await failureOf(first);
      assert.equal(code, "timeout");
      assert.match(message, new RegExp(`^${name} is still running on loop`));
      assert.match(
        (await failureOf(test.node.unstage(volume))).message,
        /is still running on loop/,
      );
      const next = test.node.stage(request);
      goOn.resolve();
      await next;
      const [call] = calls;
      assert.deepEqual(
        [call?.options?.signal, call?.options?.timeoutMs],
        [undefined, Infinity],
        "nothing ends it but itself",
      );
      assert.equal(calls.length, isNew ? 1 : 2, "the second check finds all clean");
      if (isNew) assert.match(call?.args.join(" ") ?? "", /-K|-E nodiscard/);
      await test.node.unstage(volume);
    }));
}

Deno.test("a check and a growth before the mount are one piece of work, so a long check is never done twice", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const request = test.stageRequest(volume, { capability: mountCapability("ext4") });
    await test.node.stage(request);
    await test.node.unstage(volume);
    await Deno.truncate(volume.image, 2 * volume.attachment.sizeBytes);
    const { goOn, begun, calls } = slowTool(test, "e2fsck");
    const caller = new AbortController();
    const first = test.node.stage(request, caller.signal);
    await begun.promise;
    caller.abort();
    await failureOf(first);
    const next = test.node.stage(request);
    goOn.resolve();
    await next;
    assert.deepEqual(calls.map(({ args }) => args.includes("-f")), [true, false]);
    await test.node.unstage(volume);
  }));
