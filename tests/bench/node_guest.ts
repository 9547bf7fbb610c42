// The part of the node bench that runs inside a lab guest: the real node process, driven as kubelet
// drives it, and `by_hand` beside it do the same work on the same volumes in turn. The result is
// written as JSON to the file named by the first argument.
import { Child } from "../../scripts/child.ts";
import { type CapabilityInit, mountCapability } from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { mountHostRoot, shareFolder } from "../../scripts/mounts.ts";
import { exists } from "../../scripts/paths.ts";
import { launchOf, ROOT } from "../../scripts/program.ts";
import { complain, runTool } from "../../scripts/shell.ts";
import { encodeAttachment } from "../../src/handoff.ts";
import { areasOf } from "../../src/host/content/blank_proof.ts";
import { readAreas } from "../../src/host/content/device_read.ts";
import type { Host } from "../../src/host/host.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiAttachment, NODE_IQN } from "../lab/array.ts";
import { hostState } from "../lab/bed.ts";
import { testRun } from "../support/test_node.ts";
import { measurePathLoss, type PathLoss } from "./path_loss.ts";

/** Milliseconds of each round: by the node and by the script, in pairs that follow each other. */
export interface Row {
  what: string;
  /** The volume is blank before, and the script proves less of that than the node. */
  formats: boolean;
  nodeMs: number[];
  scriptMs: number[];
}

/** What is left on the host after every volume was unstaged. */
export interface Leftovers {
  devices: number;
  maps: number;
  sessions: number;
}

/** Milliseconds of each round: the reads that prove a device blank, and one tool that reads nothing. */
export interface ProofCost {
  /** How many places are read, by a process for each. */
  places: number;
  readMs: number[];
  startMs: number[];
}

export interface GuestResult {
  rows: Row[];
  proof: ProofCost;
  left: Leftovers;
  pathLoss: PathLoss;
}

export interface BenchVolume {
  volumeId: string;
  image: string;
  lun: number;
  serial: string;
  everWritten: boolean;
  stagingPath: string;
  targetPath: string;
}

const SIZE_BYTES = 320 * MiB;
const MANY = 20;
/**
 * A node runs for weeks: what its first stages take to be read and compiled is not what a pod waits
 * for.
 */
const WARM_UPS = 8;
const CALL_MS = 600_000;
const FOLDER = "/var/lib/kubelet";
const HOST_ROOT = "/run/host";
const ENDPOINT = "unix:///run/pso-node.sock";
const ADMIN = "127.0.0.1:9808";

/** One way to do the work: by the node, or by the script. */
interface Way {
  stage(volumes: BenchVolume[]): Promise<void>;
  unstage(volumes: BenchVolume[]): Promise<void>;
}

class ByNode implements Way {
  readonly #csi: CsiClient;
  readonly #capability: CapabilityInit = mountCapability();

  constructor(csi: CsiClient) {
    this.#csi = csi;
  }

  async stage(volumes: BenchVolume[]): Promise<void> {
    await Promise.all(volumes.map((volume) => this.#stageOne(volume)));
  }

  async #stageOne(volume: BenchVolume): Promise<void> {
    const { volumeId, stagingPath: stagingTargetPath, targetPath, lun, serial, everWritten } =
      volume;
    const publishContext = encodeAttachment(
      iscsiAttachment({ lun, serial, everWritten, sizeBytes: SIZE_BYTES }),
    );
    const both = {
      volumeId,
      publishContext,
      stagingTargetPath,
      volumeCapability: this.#capability,
    };
    await this.#csi.node.nodeStageVolume(both);
    await this.#csi.node.nodePublishVolume({ ...both, targetPath });
  }

  async unstage(volumes: BenchVolume[]): Promise<void> {
    await Promise.all(volumes.map(async ({ volumeId, targetPath, stagingPath }) => {
      await this.#csi.node.nodeUnpublishVolume({ volumeId, targetPath });
      await this.#csi.node.nodeUnstageVolume({ volumeId, stagingTargetPath: stagingPath });
    }));
  }
}

class ByScript implements Way {
  async #run(verb: string, volumes: BenchVolume[]): Promise<void> {
    const words = volumes.map(({ serial, lun, stagingPath, targetPath }) =>
      [serial, lun, stagingPath, targetPath].join(":")
    );
    await runTool(`${ROOT}/tests/bench/by_hand`, [verb, ...words]);
  }

  stage(volumes: BenchVolume[]): Promise<void> {
    return this.#run("stage", volumes);
  }

  unstage(volumes: BenchVolume[]): Promise<void> {
    return this.#run("unstage", volumes);
  }
}

/**
 * Makes a volume and maps it to this node; `formatted` with a file system on it, as one that was
 * used before.
 */
async function makeVolume(lun: number, formatted: boolean): Promise<BenchVolume> {
  const name = `bench-${lun}`;
  const serial = await array("create", name, SIZE_BYTES);
  const image = `/var/lib/array/${name}`;
  if (formatted) await runTool("mkfs.xfs", ["-q", image]);
  await array("map", name, NODE_IQN, lun);
  const [stagingPath, targetPath] = [`${FOLDER}/plugins/${name}`, `${FOLDER}/pods/${name}/mount`];
  return {
    volumeId: `0badcafe/${name}`,
    image,
    lun,
    serial,
    everWritten: formatted,
    stagingPath,
    targetPath,
  };
}

/** Gives a volume back its first state: all zeroes. */
async function clear({ image }: BenchVolume): Promise<void> {
  await Deno.truncate(image, 0);
  await Deno.truncate(image, SIZE_BYTES);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

interface Contest {
  what: string;
  volumes: BenchVolume[];
  rounds: number;
  /** Makes the volume blank before each turn. */
  blank?: BenchVolume;
}

/**
 * Lets both do the same in turn, the node first in every other round and last in the last of an
 * even number; unstaging is not timed. A timed turn follows one of its own kind: what the script
 * does not wait for when it takes a volume away (udev, multipathd) is paid by who comes next, and
 * that was the node.
 */
async function contest(
  { node, script }: { node: Way; script: Way },
  { what, volumes, rounds, blank }: Contest,
): Promise<Row> {
  const row: Row = { what, formats: blank !== undefined, nodeMs: [], scriptMs: [] };
  const life = async (way: Way): Promise<number> => {
    if (blank) await clear(blank);
    const took = await timed(() => way.stage(volumes));
    await way.unstage(volumes);
    await runTool("udevadm", ["settle"]);
    return took;
  };
  const turn = async (way: Way, into: number[]) => {
    await life(way);
    into.push(await life(way));
    complain(
      `${what}: ${into === row.nodeMs ? "node" : "script"} ${Math.round(into.at(-1) ?? NaN)} ms`,
    );
  };
  for (let round = 0; round < rounds; round++) {
    const turns = [() => turn(node, row.nodeMs), () => turn(script, row.scriptMs)];
    for (const next of round % 2 === 0 ? turns : turns.reverse()) await next();
  }
  return row;
}

/** Devices, maps and sessions of the array's volumes on this host. */
function leftovers(): Leftovers {
  const { disks, maps, sessions } = hostState();
  return {
    devices: disks.filter((disk) => disk.startsWith("sd")).length,
    maps: maps.length,
    sessions: sessions.length,
  };
}

async function startNode(interpreted: boolean, log: string): Promise<Child> {
  await Deno.mkdir(FOLDER, { recursive: true });
  await Deno.mkdir(HOST_ROOT);
  await shareFolder(FOLDER);
  await mountHostRoot(HOST_ROOT, { shared: FOLDER, etc: "/etc" });
  const { command, args } = launchOf({ interpreted });
  const own = [
    "node",
    "--endpoint",
    ENDPOINT,
    "--admin",
    ADMIN,
    "--node-name",
    "lab",
    "--state-dir",
    "/var/lib/pso",
  ];
  own.push("--host-root", HOST_ROOT, "--host-tools", "direct", "--data-address", "127.0.0.1");
  const node = Child.start("node", { command, args: [...args, ...own] }, { log, mark: "bench" });
  const isReady = async () =>
    (await fetch(`http://${ADMIN}/readyz`).catch(() => undefined))?.ok ?? false;
  await node.becomes("it is ready", isReady, { timeoutMs: 120_000 });
  return node;
}

/** Reads the one device that is staged as the node reads a blank one. */
async function measureProof(): Promise<ProofCost> {
  const host: Host = { run: testRun, root: HOST_ROOT, namespaces: "direct" };
  const map = [...Deno.readDirSync("/sys/block")].find(({ name }) => name.startsWith("dm-"));
  if (!map) throw new Error("no map is staged");
  const areas = areasOf(SIZE_BYTES);
  const cost: ProofCost = { places: areas.length, readMs: [], startMs: [] };
  for (let round = 0; round < 5; round++) {
    const read = () => readAreas(host, { name: map.name, areas, direct: true });
    cost.readMs.push(await timed(read));
    cost.startMs.push(await timed(() => runTool("dd", ["count=0", "status=none"])));
  }
  return cost;
}

/**
 * Programs at random addresses, as a host has them. Without them, as the guests of tests run,
 * emulation makes the start of a program four times cheaper and what a program computes no cheaper:
 * the script, which is all starts, would gain by it alone.
 */
async function randomizeAddresses(): Promise<void> {
  await Deno.writeTextFile("/proc/sys/kernel/randomize_va_space", "2");
}

async function measure(csi: CsiClient): Promise<GuestResult> {
  const ways = { node: new ByNode(csi), script: new ByScript() };
  await array("start", "iscsi");
  await array("host", NODE_IQN);
  complain("making volumes …");
  const volumes: BenchVolume[] = [];
  for (let lun = 1; lun <= MANY; lun++) volumes.push(await makeVolume(lun, true));
  const fresh = await makeVolume(MANY + 1, false);
  const [first, ...rest] = volumes;
  if (!first) throw new Error("no volume");
  complain("warming up …");
  for (let round = 0; round < WARM_UPS; round++) {
    for (const way of [ways.script, ways.node]) {
      await way.stage([first]);
      await way.unstage([first]);
    }
  }
  const rows = [await contest(ways, { what: "1 volume, logging in", volumes: [first], rounds: 7 })];
  await ways.node.stage(rest.slice(0, 1));
  rows.push(await contest(ways, { what: "1 volume, session there", volumes: [first], rounds: 7 }));
  rows.push(
    await contest(ways, {
      what: "1 blank volume, formatted",
      volumes: [fresh],
      rounds: 3,
      blank: fresh,
    }),
  );
  await ways.node.unstage(rest.slice(0, 1));
  rows.push(await contest(ways, { what: `${MANY} volumes at once`, volumes, rounds: 2 }));
  const left = leftovers(); // the node's turn came last
  await ways.node.stage([first]);
  const proof = await measureProof();
  const pathLoss = await measurePathLoss(first.targetPath);
  await ways.node.unstage([first]);
  return { rows, proof, left, pathLoss };
}

const [resultFile = "", logFile = ""] = Deno.args;
// It mounts over places of the host, and takes whole sessions away.
if (!await exists("/run/lab/array") || resultFile === "") {
  throw new Error("this runs in a lab guest only: use ./scripts/bench node");
}
await randomizeAddresses();
const node = await startNode(Deno.args.includes("--interpreted"), logFile);
const csi = connectCsi(ENDPOINT, { timeoutMs: CALL_MS });
try {
  await Deno.writeTextFile(resultFile, JSON.stringify(await measure(csi)));
} finally {
  csi.close();
  await node.stop(30_000);
}
