import assert from "node:assert/strict";
import { messageOf, PsoError } from "../errors.ts";
import { readMounts } from "../host/mountinfo.ts";
import type { Run } from "../run.ts";
import {
  BLOCK_CAPABILITY,
  mountCapability,
  TestNode,
  testRun,
  type TestVolume,
} from "../../tests/support/test_node.ts";

/**
 * Host tools of a process that SIGKILL ends at its call number `at`, before or after the tool took
 * effect: no code of the process runs after that, so the call never returns. `died` tells when.
 */
function mortalRun(
  at: number,
  when: "before" | "after",
): { run: Run; died: Promise<"died">; calls: () => number } {
  let calls = 0;
  let die: (value: "died") => void = () => {};
  const died = new Promise<"died">((resolve) => die = resolve);
  const forever = new Promise<never>(() => {});
  const run: Run = async (tool, args, options) => {
    const call = ++calls;
    if (call === at && when === "after") await testRun(tool, args, options);
    if (call < at) return await testRun(tool, args, options);
    die("died");
    return await forever;
  };
  return { run, died, calls: () => calls };
}

/**
 * Kills the process at every tool call of `step` in turn; a restarted one then repeats the step.
 * `prepare` makes a volume and brings it to where the step begins; `finish` proves the outcome and
 * takes the volume away, after which nothing may be left.
 */
async function killAtEachCall(test: TestNode, { step, prepare, finish }: {
  prepare: () => Promise<TestVolume>;
  step: (volume: TestVolume) => Promise<unknown>;
  finish: (volume: TestVolume) => Promise<void>;
}): Promise<number> {
  for (let at = 1;; at++) {
    for (const when of ["before", "after"] as const) {
      test.restart();
      const volume = await prepare();
      const { run, died, calls } = mortalRun(at, when);
      test.restart(run);
      const outcome = await Promise.race([step(volume).then(() => "done"), died]);
      test.restart();
      await step(volume);
      await finish(volume);
      assert.deepEqual(await test.leftovers(), [], `killed ${when} call ${at}`);
      if (outcome === "done") return calls();
    }
  }
}

const CASES = [
  { name: "xfs", capability: mountCapability("xfs") },
  { name: "ext4", capability: mountCapability("ext4") },
  { name: "raw block", capability: BLOCK_CAPABILITY },
];

for (const { name, capability } of CASES) {
  Deno.test(`stage of ${name} converges after SIGKILL at each tool call, and leaves one mount and one device`, () =>
    TestNode.use(async (test) => {
      const calls = await killAtEachCall(test, {
        prepare: () => test.volume(),
        step: (volume) => test.node.stage(test.stageRequest(volume, { capability })),
        finish: async (volume) => {
          const mounts = (await readMounts({ ...test.host, root: "/" })).filter((mount) =>
            mount.target.startsWith(volume.stagingPath)
          );
          assert.equal(mounts.length, 1);
          await test.node.unstage(volume);
        },
      });
      assert.ok(calls >= (capability === BLOCK_CAPABILITY ? 4 : 6), `only ${calls} calls`);
    }));

  Deno.test(`publish, unpublish and unstage of ${name} converge after SIGKILL at each tool call`, () =>
    TestNode.use(async (test) => {
      const staged = async () => {
        const volume = await test.volume();
        await test.node.stage(test.stageRequest(volume, { capability }));
        return volume;
      };
      const publish = (volume: TestVolume) =>
        test.node.publish(test.publishRequest(volume, { capability, readOnly: true }));
      await killAtEachCall(test, {
        prepare: staged,
        step: publish,
        finish: (volume) => test.takeAway(volume),
      });
      const published = async () => {
        const volume = await staged();
        await publish(volume);
        return volume;
      };
      const unpublish = (volume: TestVolume) => test.node.unpublish(volume);
      await killAtEachCall(test, {
        prepare: published,
        step: unpublish,
        finish: (volume) => test.node.unstage(volume),
      });
      await killAtEachCall(test, {
        prepare: staged,
        step: (volume) => test.node.unstage(volume),
        finish: () => Promise.resolve(),
      });
    }));
}

Deno.test("a stage that was killed is taken away by unstage alone, at each tool call, after the volume was unpublished", () =>
  TestNode.use(async (test) => {
    for (let at = 1;; at++) {
      const volume = await test.volume();
      const { run, died } = mortalRun(at, "after");
      test.restart(run);
      const outcome = await Promise.race([
        test.node.stage(test.stageRequest(volume)).then(() => "done"),
        died,
      ]);
      test.restart();
      await Deno.remove(volume.link);
      await test.node.unstage(volume);
      assert.deepEqual(await test.leftovers(), [], `killed after call ${at}`);
      if (outcome === "done") return;
    }
  }));

Deno.test("every tool failure of stage leaves nothing behind, and the next stage works", () =>
  TestNode.use(async (test) => {
    for (let at = 1;; at++) {
      const volume = await test.volume();
      let calls = 0;
      test.restart((tool, args, options) =>
        testRun(++calls === at ? "false" : tool, calls === at ? [] : args, options)
      );
      const failed = await test.node.stage(test.stageRequest(volume)).then(() => false, () => true);
      if (failed) {
        const loops = (await test.leftovers()).filter((left) => !left.endsWith(".json"));
        assert.deepEqual(loops, [], `call ${at} failed`);
      }
      test.restart();
      await test.node.stage(test.stageRequest(volume));
      await test.node.unstage(volume);
      if (!failed) return;
    }
  }));

Deno.test("a deadline that passes at any tool call leaves nothing half done, and the next stage works", () =>
  TestNode.use(async (test) => {
    for (let at = 1;; at++) {
      const volume = await test.volume();
      const caller = new AbortController();
      let calls = 0;
      test.restart((tool, args, options) => {
        if (++calls === at) caller.abort(new PsoError("timeout", "the caller's deadline passed"));
        return testRun(tool, args, options);
      });
      const failure: string | undefined = await test.node.stage(
        test.stageRequest(volume),
        caller.signal,
      ).then(() => undefined, messageOf);
      const left = (await test.leftovers()).filter((one) => !one.endsWith(".json"));
      // mounted just in time: mount and device; a format goes on: the device
      const kept = failure?.includes("is still running") ? 1 : 2;
      if (failure && left.length > 0) assert.equal(left.length, kept, `call ${at}: ${left}`);
      test.restart();
      await test.node.stage(test.stageRequest(volume));
      await test.node.unstage(volume);
      assert.deepEqual(await test.leftovers(), [], `call ${at}`);
      if (calls < at) return;
    }
  }));
