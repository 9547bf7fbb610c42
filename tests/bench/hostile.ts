// One hostile array beside seven healthy ones: what calls to the healthy ones cost, and the memory
// of the controller, while the eighth attacks. Ends with 1 when a bar is missed.
import { createClaim } from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { ROOT } from "../../scripts/program.ts";
import { say } from "../../scripts/shell.ts";
import type { Stand } from "../../scripts/stand.ts";
import { arrayHintOf } from "../../src/arrays/fleet.ts";
import { openArray } from "../../src/arrays/open.ts";
import { pause } from "../../src/async/wait.ts";
import { silentLogger } from "../../src/log.ts";
import { Secret } from "../../src/secret.ts";
import { GiB } from "../../src/size.ts";
import { flags, median, note, quantile, rssMiB, table, withStand } from "./bench.ts";
import { type Attack, ATTACKS, type Order } from "./hostile_attacks.ts";

const ARRAYS = 8;
const HOSTILE = `fa-${ARRAYS}`;
const RUN_MS = flags.has("--quick") ? 3_000 : 10_000;
const AT_ONCE = 4;
/** The bars: p99 of the healthy, and memory. */
const [P99_TIMES, P99_MORE_MS, RSS_MORE_MIB] = [1.5, 20, 40];

/** One run of calls. */
interface Run {
  p99Ms: number;
  failed: number;
  /** The most that the controller held. */
  rssMiB: number;
}

interface Volumes {
  healthy: string[];
  hostile: string;
}

/** The hostile array's process, where it listens, and how to tell it what to do. */
interface Hostile {
  port: number;
  tell: (order: Order) => Promise<void>;
  stop: () => Promise<void>;
}

async function startHostile(): Promise<Hostile> {
  const script = `${ROOT}/tests/bench/hostile_array.ts`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const orders = child.stdin.getWriter();
  const encoder = new TextEncoder();
  return {
    port: Number(new TextDecoder().decode(value).trim()),
    tell: (order) => orders.write(encoder.encode(`${JSON.stringify(order)}\n`)),
    stop: async () => {
      await orders.close();
      await child.status;
      await reader.cancel();
    },
  };
}

/** Makes volumes until every array has one. */
async function makeVolumes(stand: Stand, controller: CsiClient): Promise<Volumes> {
  const byArray = new Map<string, string>();
  for (let number = 0; byArray.size < stand.facts.arrays.length; number++) {
    const { volumeId } = await createClaim(controller, `pvc-${number}`, { sizeBytes: GiB });
    byArray.set(volumeId.split("/")[0] ?? "", volumeId);
  }
  const hostile = await hostileHint(stand);
  const of = byArray.get(hostile);
  if (of === undefined) throw new Error(`no volume is on ${HOSTILE}`);
  return { healthy: [...byArray.values()].filter((id) => id !== of), hostile: of };
}

/** The first digits of the hostile array's id, as handles have them. */
async function hostileHint({ facts }: Stand): Promise<string> {
  const entry = facts.arrays.find(({ name }) => name === HOSTILE);
  if (!entry) throw new Error(`there is no ${HOSTILE}`);
  const { array, close } = openArray({
    kind: entry.kind,
    scheme: "https",
    managementAddress: entry.address,
    token: new Secret(entry.token),
    tls: { verify: false },
  }, { log: silentLogger });
  const { id } = await array.status();
  await close();
  return arrayHintOf(id);
}

function look(controller: CsiClient, volumeId: string): Promise<unknown> {
  return controller.controller.controllerGetVolume({ volumeId });
}

/** Calls to the healthy arrays one after another, and to the hostile one, for a while. */
async function run(stand: Stand, volumes: Volumes): Promise<Run> {
  const pid = stand.pid("controller") ?? 0;
  const [controller, other] = [0, 1].map(() =>
    connectCsi(stand.facts.controller, { timeoutMs: 3_000 })
  ) as [CsiClient, CsiClient];
  const took: number[] = [];
  let [failed, most] = [0, 0];
  const end = performance.now() + RUN_MS;
  const isOver = () => performance.now() > end;
  const healthy = async (from: number) => {
    for (let at = from; !isOver(); at++) {
      const started = performance.now();
      await look(controller, volumes.healthy[at % volumes.healthy.length] ?? "").catch(() =>
        failed++
      );
      took.push(performance.now() - started);
      await pause(10);
    }
  };
  const hostile = async () => {
    for (; !isOver(); await pause(100)) await look(other, volumes.hostile).catch(() => {});
  };
  const memory = async () => {
    for (; !isOver(); await pause(100)) most = Math.max(most, await rssMiB(pid));
  };
  const callers = Array.from({ length: AT_ONCE }, (_, at) => healthy(at));
  await Promise.all([...callers, hostile(), hostile(), memory()]);
  controller.close();
  other.close();
  return { p99Ms: quantile(took, 0.99), failed, rssMiB: most };
}

/** With and without, three times in turn: a controller that is new each time, so that it lists under attack. */
async function measure(
  stand: Stand,
  { hostile, volumes, attack }: { hostile: Hostile; volumes: Volumes; attack: Attack },
): Promise<{ without: Run[]; under: Run[] }> {
  const runs = { without: [] as Run[], under: [] as Run[] };
  for (const now of [attack, "none", attack, "none", attack, "none"] as const) {
    await pause(500);
    await stand.kill("controller", "SIGTERM");
    await hostile.tell({ attack: now });
    await stand.start("controller");
    await pause(1_500); // the healthy ones are listed
    (now === "none" ? runs.without : runs.under).push(await run(stand, volumes));
  }
  return runs;
}

/** Both bars, for the medians of three runs each. */
function isWithin(without: Run[], under: Run[]): boolean {
  const p99 = (runs: Run[]) => median(runs.map((one) => one.p99Ms));
  const rss = (runs: Run[]) => median(runs.map((one) => one.rssMiB));
  return p99(under) <= Math.max(p99(without) * P99_TIMES, p99(without) + P99_MORE_MS) &&
    rss(under) - rss(without) <= RSS_MORE_MIB && under.every(({ failed }) => failed === 0);
}

/** `--only=NAME` chooses one attack. */
function isChosen(attack: Attack): boolean {
  const only = Deno.args.find((arg) => arg.startsWith("--only="))?.slice("--only=".length);
  return only === undefined ? attack !== "none" : attack === only;
}

const hostile = await startHostile();
/** The entry of the last array leads to the hostile one, which is plain HTTP. */
const editValues = (values: string) => {
  const key = "MgmtEndPoint: ";
  const at = values.lastIndexOf(key) + key.length;
  const end = values.indexOf("\n", at);
  const upstream = values.slice(at, end).trim().replaceAll(/["']/g, "");
  void hostile.tell({ attack: "none", upstream });
  return `${values.slice(0, at)}http://127.0.0.1:${hostile.port}${values.slice(end)}`;
};
const options = { flasharrays: ARRAYS, flashblades: 0, nodes: 0, editValues };
const rows: (string | number)[][] = [];
let isMissed = false;
await withStand(options, async (stand, controller) => {
  const volumes = await makeVolumes(stand, controller);
  controller.close(); // each controller ends below, and nobody's connection may be open then
  await pause(500);
  for (const attack of ATTACKS.filter(isChosen)) {
    const { without, under } = await measure(stand, { hostile, volumes, attack });
    const isGood = isWithin(without, under);
    isMissed ||= !isGood;
    rows.push([
      attack,
      median(without.map(({ p99Ms }) => p99Ms)),
      median(under.map(({ p99Ms }) => p99Ms)),
      median(without.map(({ rssMiB }) => rssMiB)),
      median(under.map(({ rssMiB }) => rssMiB)),
      under.reduce((sum, { failed }) => sum + failed, 0),
      isGood ? "yes" : "NO",
    ]);
    note(rows.at(-1)?.join("  ") ?? "");
  }
});
await hostile.stop();
if (flags.has("--json")) say(JSON.stringify(rows));
else {
  table(
    ["attack", "p99 ms without", "under it", "RSS MiB without", "under it", "failed", "within"],
    rows,
  );
}
Deno.exit(isMissed ? 1 : 0);
