// What a node costs that has much staged and nothing to do, beside an empty one in the same run, on
// the host's local plane.
import {
  attachClaim,
  blockCapability,
  type Claim,
  createClaim,
  mountCapability,
  type NodeHandle,
  type Paths,
  unmountClaim,
} from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import type { Stand } from "../../scripts/stand.ts";
import { MiB } from "../../src/size.ts";
import { pause } from "../../src/async/wait.ts";
import { cpuMs, note, rssMiB, withStand } from "./bench.ts";

/** One node at rest. */
export interface Rest {
  cpuPercent: number;
  rssMiB: number;
}

export interface NodeIdle {
  volumes: number;
  seconds: number;
  staged: Rest;
  empty: Rest;
}

export interface IdleOptions {
  volumes: number;
  seconds: number;
}

const AT_ONCE = 4;
const SIZE_BYTES = 16 * MiB;
/**
 * What staging leaves for the garbage collector and the arrays' own housekeeping is no part of
 * rest.
 */
const SETTLE_MS = 20_000;

/** Stages and publishes `volumes` volumes, and gives back how to take them all away again. */
async function stageAll(
  stand: Stand,
  controller: CsiClient,
  { node, volumes }: { node: CsiClient; volumes: number },
) {
  const { nodeId } = await node.node.nodeGetInfo({});
  const handle: NodeHandle = { name: "node-1", csi: node, nodeId };
  const staged: { claim: Claim; paths: Paths }[] = [];
  await inParallel(volumes, async (number) => {
    const name = `pvc-idle-${number}`;
    // Half of them as file systems, half as raw devices.
    const capability = number % 2 === 0 ? mountCapability(undefined, "ext4") : blockCapability();
    const claim = await createClaim(controller, name, { sizeBytes: SIZE_BYTES, capability });
    const paths = { staging: `${stand.dir}/staging/${name}`, target: `${stand.dir}/pods/${name}` };
    await attachClaim(controller, handle, claim, paths);
    staged.push({ claim, paths });
  });
  return () => inParallel(staged.length, (index) => unmountOne(handle, staged[index]));
}

async function unmountOne(
  handle: NodeHandle,
  volume: { claim: Claim; paths: Paths } | undefined,
): Promise<void> {
  if (volume) await unmountClaim(handle, volume.claim, volume.paths);
}

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < count) await work(next++);
  }));
}

function pidOf(stand: Stand, name: string): number {
  const pid = stand.pid(name);
  if (pid === undefined) throw new Error(`${name} does not run`);
  return pid;
}

/** Stages `volumes` volumes on one of two nodes and lets both rest for `seconds`. */
export function measureIdle({ volumes, seconds }: IdleOptions): Promise<NodeIdle> {
  return withStand({ flasharrays: 1, flashblades: 0, nodes: 2 }, async (stand, controller) => {
    note(`staging ${volumes} volumes on the local plane …`);
    const node = connectCsi(stand.facts.nodes[0]?.endpoint ?? "", { timeoutMs: 120_000 });
    const takeAway = await stageAll(stand, controller, { node, volumes });
    await pause(SETTLE_MS);
    note(`resting for ${seconds} s …`);
    const [staged, empty] = ["node-1", "node-2"].map((name) => pidOf(stand, name));
    const rest = async (pid = NaN): Promise<Rest> => {
      const before = await cpuMs(pid);
      await pause(seconds * 1000);
      return {
        cpuPercent: (await cpuMs(pid) - before) / (seconds * 10),
        rssMiB: await rssMiB(pid),
      };
    };
    const [first, second] = await Promise.all([rest(staged), rest(empty)]);
    await takeAway(); // the stand's own clean-up is not made for hundreds of mounts
    node.close();
    return { volumes, seconds, staged: first, empty: second };
  });
}
