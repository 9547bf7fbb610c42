// The main job, shown step by step: a claim's whole life by real CSI calls, with real mkfs, mounts
// and bytes. See scripts/demo.
import type { NodeHandle } from "./claim.ts";
import { connectCsi, type CsiClient } from "./csi_client.ts";
import { Demo, showLives } from "./demo_lives.ts";
import { complain, say } from "./shell.ts";
import { readIfThere } from "./paths.ts";
import { ROOT } from "./program.ts";
import type { Up } from "./stand.ts";
import { until } from "../src/async/wait.ts";

function showAddresses(demo: Demo): void {
  const { up } = demo;
  say(`\nAll proved in ${demo.seconds} s. To look at:`);
  say(`  controller   ${up.admin}/readyz   ${up.admin}/metrics   ${up.controller}`);
  for (const node of up.nodes) {
    say(
      `  ${node.name.padEnd(12)} ${node.admin}/readyz   ${node.admin}/metrics   ${node.endpoint}`,
    );
  }
  for (const array of up.arrays) {
    say(`  ${array.name.padEnd(12)} https://${array.address} (${array.kind}, simulated)`);
  }
  say(`  simulator    ${up.simulator}/requests   (faults: POST ${up.simulator}/faults)`);
  say(`  values.yaml  ${up.values}`);
}

/** Resolves when Enter is pressed; at once where nobody could press it. */
async function keyPressed(): Promise<void> {
  if (!Deno.stdin.isTerminal()) return;
  say("\nPress Enter to stop and clean up.");
  await Deno.stdin.read(new Uint8Array(1));
}

async function connectNodes(up: Up): Promise<NodeHandle[]> {
  return await Promise.all(up.nodes.map(async ({ name, endpoint }) => {
    const csi = connectCsi(endpoint);
    return { name, csi, nodeId: (await csi.node.nodeGetInfo({})).nodeId };
  }));
}

/**
 * Starts scripts/up in a process group of its own, so that Ctrl-C reaches only the demo, which then
 * ends it in order.
 */
function spawnUp(folder: string, interpreted: boolean): Deno.ChildProcess {
  const args = [
    "--state",
    folder,
    "--flasharrays",
    "2",
    "--flashblades",
    "1",
    "--nodes",
    "2",
    ...(interpreted ? ["--interpreted"] : []),
  ];
  return new Deno.Command("sh", {
    args: [
      "-c",
      'log=$1; shift; exec "$@" >"$log" 2>&1',
      "sh",
      `${folder}.log`,
      `${ROOT}/scripts/up`,
      ...args,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
}

/**
 * What up.json says, once all of it answers. Throws with the log of scripts/up when that ends
 * before.
 */
async function whenUp(folder: string, process: Deno.ChildProcess): Promise<Up> {
  let ended = false;
  process.status.then(() => ended = true);
  return await until("the fleet's start", async () => {
    if (ended) throw new Error(`scripts/up ended:\n${await Deno.readTextFile(`${folder}.log`)}`);
    const text = await readIfThere(`${folder}/up.json`);
    return text === undefined ? undefined : JSON.parse(text) as Up;
  }, { timeoutMs: 120_000 });
}

/** Waits until no array is still to be asked for the first time: a claim would be refused till then. */
async function arraysAnswer({ admin }: Up): Promise<void> {
  await until("each array's first answer", async () => {
    const { checks } = await (await fetch(`${admin}/readyz`)).json();
    return checks.every(({ state }: { state?: string }) =>
      state !== "waiting" && state !== "listing"
    );
  }, { timeoutMs: 60_000 });
}

async function main(flags: Set<string>): Promise<number> {
  let interrupt = (_: Error) => {};
  const interrupted = new Promise<never>((_, reject) => interrupt = reject);
  interrupted.catch(() => {}); // it may come when nobody waits any more
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => interrupt(new Error(`interrupted by ${name}`)));
  }
  const folder = await Deno.makeTempDir({ prefix: "pso-demo-" });
  say("Starting a simulated fleet (2 FlashArrays, 1 FlashBlade), the controller and 2 nodes …");
  const clients: CsiClient[] = [];
  const startedMs = performance.now();
  const process = spawnUp(folder, flags.has("--interpreted"));
  let code = 0;
  const run = async () => {
    const up = await whenUp(folder, process);
    await arraysAnswer(up);
    const controller = connectCsi(up.controller);
    const nodes = await connectNodes(up);
    clients.push(controller, ...nodes.map((node) => node.csi));
    const demo = new Demo({ up, folder, controller, nodes }, startedMs);
    demo.step(
      "fleet, controller and nodes answer",
      `${up.arrays.length} arrays, ${nodes.length} nodes`,
    );
    await showLives(demo);
    showAddresses(demo);
    if (!flags.has("--check") && !flags.has("--keep")) await keyPressed();
  };
  try {
    await Promise.race([run(), interrupted]);
  } catch (error) {
    code = 1;
    complain(`\ndemo: ${error instanceof Error ? error.message : error}`);
  }
  for (const client of clients) client.close();
  if (code === 0 && flags.has("--keep")) {
    say(
      `\nLeft running. To stop:   kill ${process.pid}\n` +
        `Its state and logs are then yours to remove:   rm -r ${folder} ${folder}.log`,
    );
    return 0;
  }
  await stopUp(folder, process);
  say("\nStopped and cleaned up.");
  return code;
}

/** Ends scripts/up, which takes away all that it and its nodes made, and then the folder. */
async function stopUp(folder: string, process: Deno.ChildProcess): Promise<void> {
  try {
    process.kill("SIGTERM");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended by itself
  }
  await process.status;
  await Deno.remove(folder, { recursive: true });
  await Deno.remove(`${folder}.log`);
}

const known = new Set(["--check", "--keep", "--interpreted"]);
const wrong = Deno.args.find((flag) => !known.has(flag));
if (wrong !== undefined) {
  complain(`demo: unknown option ${wrong}; there are ${[...known].join(", ")}`);
  Deno.exit(2);
}
Deno.exit(await main(new Set(Deno.args)));
