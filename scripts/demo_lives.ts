// What scripts/demo shows: the whole lives of a block, a file and a raw claim, each step proved.
import {
  attachClaim,
  blockCapability,
  type Claim,
  claimNameOf,
  createClaim,
  detachClaim,
  Mode,
  mountCapability,
  type NodeHandle,
  type Paths,
  unmountClaim,
} from "./claim.ts";
import type { CsiClient } from "./csi_client.ts";
import { runTool, say } from "./shell.ts";
import { sha256 } from "./paths.ts";
import type { Up } from "./stand.ts";
import { formatSize, GiB, MiB } from "../src/size.ts";

const WRITTEN_BYTES = 64 * MiB;

/** What a demo works on. */
interface Stage {
  up: Up;
  /** The stand's folder: everything that the demo makes lies below it. */
  folder: string;
  controller: CsiClient;
  nodes: NodeHandle[];
}

/** A running stand, and the steps that were proved on it so far. */
export class Demo {
  #stepStarted: number;
  #steps = 0;
  readonly up: Up;
  readonly folder: string;
  readonly controller: CsiClient;
  readonly nodes: NodeHandle[];

  /** `startedMs` (performance.now()) is when the first step began. */
  constructor(stage: Stage, readonly startedMs: number) {
    this.#stepStarted = startedMs;
    ({ up: this.up, folder: this.folder, controller: this.controller, nodes: this.nodes } = stage);
  }

  /** Prints what was just proved, with the time it took. */
  step(what: string, proof: string): void {
    const ms = performance.now() - this.#stepStarted;
    say(
      `  ${String(++this.#steps).padStart(2)}. ${what.padEnd(62)} ${
        `${ms.toFixed(0)} ms`.padStart(8)
      }   ${proof}`,
    );
    this.#stepStarted = performance.now();
  }

  get seconds(): string {
    return ((performance.now() - this.startedMs) / 1000).toFixed(1);
  }

  node(index: number): NodeHandle {
    const node = this.nodes[index];
    if (!node) throw new Error(`the stand has no node ${index + 1}`);
    return node;
  }

  paths(node: NodeHandle, pod: string): Paths {
    return {
      staging: `${this.folder}/kubelet/${node.name}/${pod}/globalmount`,
      target: `${this.folder}/kubelet/${node.name}/${pod}/mount`,
    };
  }
}

/** `what` must hold, or the demo has failed and says so. */
function prove(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not proved: ${what}`);
}

/**
 * Loop devices of nodes: those over images of FlashArray volumes (a simulated FlashBlade holds its
 * own file systems mounted).
 */
async function nodeDevices(folder: string): Promise<string[]> {
  const listed = await runTool("losetup", ["-a"]);
  return listed.split("\n").filter((line) => line.includes(`${folder}/sim/plane/fa-`)).map((line) =>
    line.split(":")[0] ?? ""
  );
}

async function mountedSize(path: string): Promise<number> {
  return Number(
    (await runTool("stat", ["-f", "-c", "%b %S", path])).trim().split(" ").reduce(
      (product, part) => product * Number(part),
      1,
    ),
  );
}

/** Random bytes that no cache or thin image could have answered by chance. */
async function writeBytes(path: string): Promise<string> {
  const bytes = new Uint8Array(WRITTEN_BYTES);
  for (let at = 0; at < bytes.length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  await Deno.writeFile(path, bytes);
  await runTool("sync", ["-f", path]);
  return await sha256(bytes);
}

async function digestOf(path: string): Promise<string> {
  return await sha256(await Deno.readFile(path));
}

/**
 * Block: create, attach, format, mount, write, move, grow, and its copies. Answers what takes it
 * away.
 */
async function blockLife(demo: Demo): Promise<() => Promise<void>> {
  const { controller } = demo;
  const [first, second] = [demo.node(0), demo.node(1)];
  const claim = await createClaim(controller, claimNameOf("demo-block"), {
    sizeBytes: GiB,
    parameters: { backend: "block" },
  });
  demo.step("claim demo-block (1 GiB, block) is bound", claim.volumeId);

  const here = demo.paths(first, "writer");
  const context = await attachClaim(controller, first, claim, here);
  const device = (await runTool("findmnt", ["-n", "-o", "SOURCE,FSTYPE", here.target])).trim();
  demo.step(`attached, formatted and mounted on ${first.name}`, `${context.protocol}: ${device}`);
  const written = await writeBytes(`${here.target}/bytes`);
  demo.step(`${formatSize(WRITTEN_BYTES)} written`, `sha256 ${written.slice(0, 16)}…`);

  prove(
    (await nodeDevices(demo.folder)).length === 1,
    `${first.name} holds one device, which is seen to go`,
  );
  await detachClaim(controller, first, claim, here);
  const left = await nodeDevices(demo.folder);
  prove(
    left.length === 0,
    `${first.name} holds no device before ${second.name} attaches (found ${left.join(", ")})`,
  );
  const there = demo.paths(second, "writer");
  await attachClaim(controller, second, claim, there);
  prove(
    await digestOf(`${there.target}/bytes`) === written,
    `the bytes are the same on ${second.name}`,
  );
  demo.step(
    `moved to ${second.name}, another process; old device gone first`,
    `same sha256, ${formatSize(WRITTEN_BYTES)}`,
  );

  await growOnline(demo, { claim, there });
  const copies = await copyLife(demo, { claim, there, written });
  return async () => {
    await detachClaim(controller, second, claim, there);
    await copies();
    await controller.controller.deleteVolume({ volumeId: claim.volumeId });
  };
}

/** Grows a claim that is mounted on the second node, and proves that its file system grew. */
async function growOnline(
  demo: Demo,
  { claim, there }: Omit<MountedClaim, "written">,
): Promise<void> {
  const before = await mountedSize(there.target);
  const grown = await demo.controller.controller.controllerExpandVolume({
    volumeId: claim.volumeId,
    capacityRange: { requiredBytes: BigInt(2 * GiB) },
    volumeCapability: claim.capability,
  });
  await demo.node(1).csi.node.nodeExpandVolume({
    volumeId: claim.volumeId,
    volumePath: there.target,
    stagingTargetPath: there.staging,
    capacityRange: { requiredBytes: grown.capacityBytes },
    volumeCapability: claim.capability,
  });
  const after = await mountedSize(there.target);
  prove(
    after > before + GiB / 2,
    `the file system grew (${formatSize(before)} to ${formatSize(after)})`,
  );
  demo.step("grown online to 2 GiB", `file system ${formatSize(before)} → ${formatSize(after)}`);
}

/** A claim that is mounted on the second node. */
interface MountedClaim {
  claim: Claim;
  there: Paths;
  /** SHA-256 of the bytes in it. */
  written: string;
}

/** A snapshot of the claim, a restore of it, and a larger clone of the claim. */
async function copyLife(
  demo: Demo,
  { claim, there, written }: MountedClaim,
): Promise<() => Promise<void>> {
  const { controller } = demo;
  const [first, second] = [demo.node(0), demo.node(1)];
  const { snapshot } = await controller.controller.createSnapshot({
    sourceVolumeId: claim.volumeId,
    name: "snapshot-demo-1",
  });
  if (!snapshot) throw new Error("CreateSnapshot answered no snapshot");
  await Deno.writeTextFile(`${there.target}/later`, "written after the snapshot");
  demo.step("snapshot taken, one more file written after it", snapshot.snapshotId);

  const restored = await createClaim(controller, claimNameOf("demo-restored"), {
    sizeBytes: 2 * GiB,
    parameters: { backend: "block" },
    source: { case: "snapshot", value: { snapshotId: snapshot.snapshotId } },
  });
  const beside = demo.paths(second, "restored");
  await attachClaim(controller, second, restored, beside);
  prove(await digestOf(`${beside.target}/bytes`) === written, "the snapshot holds the bytes");
  prove(
    !(await Array.fromAsync(Deno.readDir(beside.target))).some((entry) => entry.name === "later"),
    "the snapshot does not hold the later file",
  );
  demo.step(
    `restored beside its source on ${second.name} (same XFS UUID)`,
    "same sha256; the later file is not in it",
  );

  const cloned = await createClaim(controller, claimNameOf("demo-clone"), {
    sizeBytes: 3 * GiB,
    parameters: { backend: "block" },
    source: { case: "volume", value: { volumeId: claim.volumeId } },
  });
  const clonePaths = demo.paths(first, "clone");
  await runTool("sync", ["-f", there.target]);
  await attachClaim(controller, first, cloned, clonePaths);
  prove(await digestOf(`${clonePaths.target}/bytes`) === written, "the clone holds the bytes");
  prove(
    await mountedSize(clonePaths.target) > 2.5 * GiB,
    "the clone's file system fills its larger volume",
  );
  demo.step(
    `cloned to 3 GiB, mounted on ${first.name}`,
    `same sha256, file system ${formatSize(await mountedSize(clonePaths.target))}`,
  );

  return async () => {
    await detachClaim(controller, second, restored, beside);
    await detachClaim(controller, first, cloned, clonePaths);
    await controller.controller.deleteSnapshot({ snapshotId: snapshot.snapshotId });
    for (const gone of [restored, cloned]) {
      await controller.controller.deleteVolume({ volumeId: gone.volumeId });
    }
  };
}

/** File: one claim in two pods on two nodes at once. */
async function fileLife(demo: Demo): Promise<() => Promise<void>> {
  const { controller } = demo;
  const [first, second] = [demo.node(0), demo.node(1)];
  const claim = await createClaim(controller, claimNameOf("demo-file"), {
    sizeBytes: GiB,
    parameters: { backend: "file" },
    capability: mountCapability(Mode.MULTI_NODE_MULTI_WRITER),
  });
  const [here, there] = [demo.paths(first, "shared"), demo.paths(second, "shared")];
  await attachClaim(controller, first, claim, here);
  await attachClaim(controller, second, claim, there);
  const written = await writeBytes(`${here.target}/shared`);
  prove(
    await digestOf(`${there.target}/shared`) === written,
    "the second node reads what the first wrote",
  );
  demo.step(
    "claim demo-file (RWX, file) in two pods on two nodes",
    `written on ${first.name}, same sha256 on ${second.name}`,
  );
  return async () => {
    await detachClaim(controller, first, claim, here);
    await detachClaim(controller, second, claim, there);
    await controller.controller.deleteVolume({ volumeId: claim.volumeId });
  };
}

/** Raw block: the pod sees a device, not a file system. */
async function rawLife(demo: Demo): Promise<() => Promise<void>> {
  const { controller } = demo;
  const node = demo.node(0);
  const claim: Claim = await createClaim(controller, claimNameOf("demo-raw"), {
    sizeBytes: 100 * MiB,
    parameters: { backend: "block" },
    capability: blockCapability(),
  });
  const paths = demo.paths(node, "raw");
  await attachClaim(controller, node, claim, paths);
  const isDevice = (await Deno.stat(paths.target)).isBlockDevice === true;
  prove(isDevice, "the target is a block device");
  demo.step(
    "claim demo-raw (volumeMode Block) is a device in the pod",
    paths.target.replace(demo.folder, "…"),
  );
  return async () => {
    await unmountClaim(node, claim, paths);
    await controller.controller.controllerUnpublishVolume({
      volumeId: claim.volumeId,
      nodeId: node.nodeId,
    });
    await controller.controller.deleteVolume({ volumeId: claim.volumeId });
  };
}

/**
 * Lives the lives of a block, a file and a raw claim, and ends them all. Throws at the first thing
 * that does not hold.
 */
export async function showLives(demo: Demo): Promise<void> {
  const undo = [await blockLife(demo), await fileLife(demo), await rawLife(demo)];
  for (const back of undo) await back();
  const { entries } = await demo.controller.controller.listVolumes({});
  prove(
    entries.length === 0,
    `no volume is left on the arrays (found ${
      entries.map((entry) => entry.volume?.volumeId).join(", ")
    })`,
  );
  prove((await nodeDevices(demo.folder)).length === 0, "no device is left on the nodes");
  demo.step("unmounted, detached and deleted", "0 volumes on the arrays, 0 devices on the nodes");
}
