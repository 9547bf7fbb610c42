import { deepEqual, equal, match, ok } from "node:assert/strict";
import { processesWith } from "../../scripts/child.ts";
import { attachClaim, createClaim, type NodeHandle } from "../../scripts/claim.ts";
import { connectCsi } from "../../scripts/csi_client.ts";
import { isBelow, loopDevices, mounts, removeFolder } from "../../scripts/mounts.ts";
import { exists } from "../../scripts/paths.ts";
import { DENO, ROOT } from "../../scripts/program.ts";
import type { Up } from "../../scripts/stand.ts";
import { GiB } from "../../src/size.ts";
import { until } from "../../src/async/wait.ts";
import { skip } from "../skips.ts";
import { whyNoFlow } from "./flow.ts";

const START_MS = 120_000;
const reason = whyNoFlow();

interface RunningUp {
  process: Deno.ChildProcess;
  facts: Up;
}

function spawnUp(dir: string, ...more: string[]): Deno.ChildProcess {
  const interpreted = Deno.env.has("PSO_INTERPRETED") ? ["--interpreted"] : [];
  return new Deno.Command(DENO, {
    args: [
      "run",
      "-A",
      "--quiet",
      "--no-check",
      `${ROOT}/scripts/up.ts`,
      "--state",
      dir,
      ...interpreted,
      ...more,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

/** Starts `up` and waits for an up.json that is not the one of an earlier run. */
async function startUp(dir: string, ...more: string[]): Promise<RunningUp> {
  if (await exists(`${dir}/up.json`)) await Deno.remove(`${dir}/up.json`);
  const process = spawnUp(dir, ...more);
  await until("up.json written", () => exists(`${dir}/up.json`), { timeoutMs: START_MS });
  return { process, facts: JSON.parse(await Deno.readTextFile(`${dir}/up.json`)) };
}

/** Ends `up` with a signal; gives back its code and what it complained of. */
async function endUp(
  process: Deno.ChildProcess,
  signal?: Deno.Signal,
): Promise<{ code: number; stderr: string }> {
  if (signal) process.kill(signal);
  const { code, stderr } = await process.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

/** What a stand in `dir` has outside of plain files, on this machine, now. */
async function traces(dir: string, hostRoots: string[]): Promise<string[]> {
  const folders = [dir, ...hostRoots];
  const processes = (await processesWith("PSO_STAND", dir)).map((pid) => `process ${pid}`);
  const mounted = (await mounts()).filter(({ path }) =>
    folders.some((folder) => isBelow(path, folder))
  ).map(({ path }) => `mount ${path}`);
  const loops = (await loopDevices()).filter(({ file }) => file.includes(`${dir}/`)).map((
    { device },
  ) => `loop device ${device}`);
  const sockets = [...Deno.readDirSync(dir)].filter(({ name }) => name.endsWith(".sock")).map((
    { name },
  ) => `socket ${name}`);
  const roots = (await Promise.all(hostRoots.map(exists))).flatMap((there, at) =>
    there ? [`folder ${hostRoots[at]}`] : []
  );
  return [...processes, ...mounted, ...loops, ...sockets, ...roots];
}

/**
 * Leaves a block and a file volume staged and published on the first node: loop devices and mounts
 * that a kill does not take along.
 */
async function stageBoth(dir: string, facts: Up): Promise<void> {
  const [name, endpoint] = [facts.nodes[0]?.name ?? "", facts.nodes[0]?.endpoint ?? ""];
  const [controller, csi] = [connectCsi(facts.controller), connectCsi(endpoint)];
  const node: NodeHandle = { name, csi, nodeId: (await csi.node.nodeGetInfo({})).nodeId };
  for (const backend of ["block", "file"]) {
    const claim = await createClaim(controller, `pvc-${backend}`, {
      sizeBytes: GiB,
      parameters: { backend },
    });
    await attachClaim(controller, node, claim, {
      staging: `${dir}/kubelet/${backend}/globalmount`,
      target: `${dir}/kubelet/${backend}/mount`,
    });
  }
  controller.close();
  csi.close();
}

async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "pso-up-" }));
  try {
    await work(dir);
  } finally {
    await removeFolder(dir);
  }
}

const ignore = reason !== undefined && skip("scripts/up", reason);

Deno.test({
  name: "up: killed by SIGKILL and started again in its folder, it clears the old run away; " +
    "after SIGTERM nothing is left",
  ignore,
  fn: () =>
    inFolder(async (dir) => {
      const first = await startUp(dir, "--nodes", "2");
      const before = await processesWith("PSO_STAND", dir);
      equal(before.length, 4, "a simulator, a controller and two nodes");
      await stageBoth(dir, first.facts);
      await endUp(first.process, "SIGKILL");
      deepEqual(
        await processesWith("PSO_STAND", dir),
        before,
        "like daemons, its processes outlive it",
      );
      ok(
        (await traces(dir, [])).some((line) => line.startsWith("loop device")),
        "and so do the volumes that are staged",
      );

      const second = await startUp(dir, "--nodes", "2");
      const now = await processesWith("PSO_STAND", dir);
      equal(now.length, 4);
      const pods = (await mounts()).filter(({ path }) => isBelow(path, `${dir}/kubelet`));
      deepEqual(pods, [], "no mount of a pod of the first run is left");
      deepEqual(
        now.filter((pid) => before.includes(pid)),
        [],
        "none of the old processes is there",
      );
      for (const url of [second.facts.admin, ...second.facts.nodes.map((node) => node.admin)]) {
        const answer = await fetch(`${url}/healthz`);
        await answer.body?.cancel();
        equal(answer.status, 200, url);
      }
      deepEqual(
        second.facts.arrays.map(({ name }) => name),
        first.facts.arrays.map(({ name }) => name),
        "the same fleet",
      );

      const ended = await endUp(second.process, "SIGTERM");
      equal(ended.code, 0, ended.stderr);
      const hostRoots = [first, second].flatMap(({ facts }) =>
        facts.nodes.map((node) => node.hostRoot)
      );
      deepEqual(await traces(dir, hostRoots), []);
      ok(!await exists(`${dir}/up.json`), "up.json promises a stand that answers");
    }),
});

Deno.test({
  name: "up: a process that dies ends it with code 1, its name and its last words; nothing is left",
  ignore,
  fn: () =>
    inFolder(async (dir) => {
      const { process, facts } = await startUp(
        dir,
        "--nodes",
        "1",
        "--flasharrays",
        "1",
        "--flashblades",
        "0",
      );
      const pids = await processesWith("PSO_STAND", dir);
      const node = pids.find((pid) =>
        Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("--node-name")
      );
      if (node === undefined) throw new Error(`none of ${pids.join(", ")} is the node`);
      Deno.kill(node, "SIGKILL");
      const ended = await endUp(process);
      equal(ended.code, 1);
      match(ended.stderr, /up: node-1 ended with code 137/);
      deepEqual(await traces(dir, facts.nodes.map(({ hostRoot }) => hostRoot)), []);
    }),
});

Deno.test({
  name: "up: a second one in the same folder is refused and does the first no harm",
  ignore,
  fn: () =>
    inFolder(async (dir) => {
      const first = await startUp(dir, "--nodes", "1", "--flasharrays", "1", "--flashblades", "0");
      const before = await processesWith("PSO_STAND", dir);
      const refused = await endUp(spawnUp(dir));
      equal(refused.code, 1);
      match(refused.stderr, /another stand is running in .*; stop it or choose another folder/);
      deepEqual(await processesWith("PSO_STAND", dir), before);
      equal((await endUp(first.process, "SIGINT")).code, 0);
    }),
});
