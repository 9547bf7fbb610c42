// Mounts here are made in namespaces of their own: this machine sees none of them.
import assert from "node:assert/strict";
import { processesWith } from "./child.ts";
import { MountSpace } from "./mount_space.ts";
import { isBelow, mounts } from "./mounts.ts";
import { exists } from "./paths.ts";
import { DENO, ROOT } from "./program.ts";
import { runTool } from "./shell.ts";
import { type Lane, Surroundings } from "./surroundings.ts";

const OPTIONS = { interpreted: false, shared: true };
const rooted = { ignore: Deno.uid() !== 0 };
const NEEDS_ROOT = Deno.uid() === 0 ? "" : " (skipped: a mount namespace needs root)";

/** Runs a tool in a lane, as a test of the suite would run it. */
async function runIn(lane: Lane, args: string[]): Promise<string> {
  const [tool = "", ...words] = lane.command(args);
  return await runTool(tool, words, { env: lane.env });
}

/** Mounts something below a lane's folder, in the lane; gives back where. */
async function mountIn(lane: Lane): Promise<string> {
  const folder = `${lane.env.TMPDIR}/left`;
  await Deno.mkdir(folder);
  await runIn(lane, ["mount", "-t", "tmpfs", "none", folder]);
  return folder;
}

/** Runs `work` with two lanes of a suite, and ends the suite. */
async function withLanes(
  work: (around: Surroundings, first: Lane, second: Lane) => Promise<void>,
): Promise<void> {
  await using around = await Surroundings.open(OPTIONS);
  const [first, second] = await around.lanes(2);
  assert(first && second);
  await work(around, first, second);
}

Deno.test(`a lane runs a command in the project's folder${NEEDS_ROOT}`, rooted, async () => {
  await withLanes(async (_around, lane) => {
    assert.equal((await runIn(lane, ["pwd"])).trim(), ROOT);
  });
});

Deno.test(
  `what one lane has mounted is in no other and not outside${NEEDS_ROOT}`,
  rooted,
  async () => {
    await withLanes(async (_around, first, second) => {
      const folder = await mountIn(first);
      const seen = async (lane: Lane) =>
        (await runIn(lane, ["cat", "/proc/self/mountinfo"])).includes(folder);
      assert.equal(await seen(first), true);
      assert.equal(await seen(second), false);
      assert.deepEqual((await mounts()).filter(({ path }) => isBelow(path, folder)), []);
      await first.clear();
      assert.equal(await seen(first), false, "it is taken away for a new start");
      assert.equal(await exists(folder), false);
    });
  },
);

Deno.test(
  `leftovers() names what a lane left mounted, and what runs there without a mark${NEEDS_ROOT}`,
  rooted,
  async () => {
    const mark = crypto.randomUUID();
    await withLanes(async (around, first, second) => {
      const folder = await mountIn(first);
      const script = 'exec env -i "LEFT=$0" sleep 600 </dev/null >/dev/null 2>&1 &';
      await runIn(second, ["sh", "-c", script, mark]);
      const pids = await processesWith("LEFT", mark);
      assert.equal(pids.length, 1);
      assert.deepEqual(await around.leftovers(), [
        `+ mounts: ${folder} of none, in lane 0`,
        `+ processes: ${pids[0]} sleep 600`,
        `+ temporary: ${first.env.TMPDIR}`,
      ]);
    });
    assert.deepEqual(await processesWith("LEFT", mark), [], "it is ended with the suite");
  },
);

Deno.test(
  `two lanes that leave nothing leave the machine as it was${NEEDS_ROOT}`,
  rooted,
  async () => {
    await withLanes(async (around, first, second) => {
      for (const lane of [first, second]) {
        const folder = await mountIn(lane);
        await runIn(lane, ["umount", folder]);
        await Deno.remove(folder);
      }
      assert.deepEqual(await around.leftovers(), []);
    });
  },
);

Deno.test(
  `one process at a time where the machine refuses a mount namespace${NEEDS_ROOT}`,
  rooted,
  async () => {
    const opened: MountSpace[] = [];
    const refuseSecond = async () => {
      if (opened.length === 1) throw new Error("unshare ended with code 1: refused");
      const space = await MountSpace.open();
      opened.push(space);
      return space;
    };
    await using around = await Surroundings.open(OPTIONS);
    const lanes = await around.lanes(2, refuseSecond);
    assert.deepEqual(lanes.map((lane) => lane.command(["true"])), [["true"]]);
    assert.throws(() => opened[0]?.enter, /has ended/);
  },
);

/** Opens a mount namespace, and prints what is mounted in it. */
const OPENER = `
  import { MountSpace } from "${ROOT}/scripts/mount_space.ts";
  await using space = await MountSpace.open();
  console.log(await Deno.readTextFile(space.mountinfo));
`;

Deno.test(
  `a mount namespace holds no copy of what others have mounted below temporary folders${NEEDS_ROOT}`,
  rooted,
  async () => {
    await withLanes(async (_around, other) => {
      const folder = await mountIn(other);
      const opener = `${other.env.TMPDIR}/opener.ts`;
      await Deno.writeTextFile(opener, OPENER);
      const seen = await runIn(other, [DENO, "run", "-A", "--quiet", "--no-check", opener]);
      assert(seen.includes(" /proc "));
      assert(!seen.includes(folder));
      assert((await runIn(other, ["cat", "/proc/self/mountinfo"])).includes(folder));
    });
  },
);

Deno.test(
  `a mount namespace is held by a process that a shell's Ctrl-C does not reach${NEEDS_ROOT}`,
  rooted,
  async () => {
    await using space = await MountSpace.open();
    const [tool = "", ...args] = [...space.enter, "true"];
    await runTool(tool, args);
    const holder = Number(/\d+/.exec(space.mountinfo)?.[0]);
    const group = (await Deno.readTextFile(`/proc/${holder}/stat`)).split(") ")[1]?.split(" ")[2];
    assert.equal(Number(group), holder, "it leads a process group of its own");
    assert.equal(space.holds(holder), false, "it is no leftover");
    assert.equal(space.holds(Deno.pid), false);
  },
);
