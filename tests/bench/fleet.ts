// A fleet under a storm of claims: what a life costs, how long the storm takes and must take, what
// is left behind, what one array that hangs does to the others, and memory beside a real API server.
// Ends with 1 when a bar is missed. For a first look: --claims=100 --volumes=500, and
// --only=lives,wall,cpu,slow,memory leaves the others out.
import { say } from "../../scripts/shell.ts";
import { flags, note, table } from "./bench.ts";
import { type Memory, memory } from "./fleet_memory.ts";
import { type Slow, slow } from "./fleet_slow.ts";
import { createCpuMs, type Lives, lives, type Wall, wall } from "./fleet_storm.ts";

const PARTS = ["lives", "wall", "cpu", "slow", "memory"] as const;

/** The value of `--name=VALUE`. */
function valueOf(name: string): string | undefined {
  return Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
}

const claims = Number(valueOf("claims") ?? 1_000);
const volumes = Number(valueOf("volumes") ?? 10_000);
const only = valueOf("only")?.split(",") ?? [...PARTS];

/** Runs one part, unless it is left out. */
async function part<T>(
  name: (typeof PARTS)[number],
  run: () => Promise<T>,
): Promise<T | undefined> {
  if (!only.includes(name)) return undefined;
  note(`${name} …`);
  return await run();
}

/** One line of the table. */
interface Row {
  what: string;
  value: number | undefined;
  /** The most that is good; absent for what is only told. */
  most?: number;
}

function lifeRows(storm: Lives | undefined): Row[] {
  return [
    { what: "REST calls for one life", value: storm?.callsPerLife, most: 6 },
    {
      what: "REST calls a second for each array, idle",
      value: storm?.idleCallsPerSecondAndArray,
      most: 1,
    },
    { what: "CPU ms of the controller for one life", value: storm?.cpuMsPerLife },
    { what: "calls of lives that were refused and made again", value: storm?.refused },
  ];
}

function wallRows(slowStorm: Wall | undefined): Row[] {
  return [
    { what: "seconds of the storm on slow arrays", value: slowStorm?.seconds },
    { what: "  calls x latency / array concurrency, s", value: slowStorm?.arraySeconds },
    { what: "  CPU of the controller, s", value: slowStorm?.cpuSeconds },
    { what: "  REST calls", value: slowStorm?.calls },
    { what: "  calls that were refused and made again", value: slowStorm?.refused },
    { what: "storm / the larger of both", value: ratioOf(slowStorm), most: 1.3 },
  ];
}

function ratioOf(slowStorm: Wall | undefined): number | undefined {
  return slowStorm &&
    slowStorm.seconds / Math.max(slowStorm.arraySeconds, slowStorm.cpuSeconds);
}

function slowRows(beside: Slow | undefined): Row[] {
  return [
    { what: "p99 of seven arrays, ms", value: beside?.withoutMs },
    { what: "the same beside one that hangs, ms", value: beside?.besideMs },
    {
      what: "beside / without",
      value: beside && beside.besideMs / beside.withoutMs,
      most: 1.2,
    },
  ];
}

/** The largest of what was measured. */
function worst(...values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

const storm: Lives | undefined = await part("lives", () => lives(claims));
const slowStorm: Wall | undefined = await part("wall", () => wall(claims));
const cpu: number | undefined = await part("cpu", () => createCpuMs(claims));
const beside: Slow | undefined = await part("slow", () => slow(Math.ceil(claims / 5)));
const held: Memory | undefined = await part("memory", () => memory(volumes));

const leaked = worst(storm?.leaked, slowStorm?.leaked);
const duplicates = worst(storm?.duplicates, slowStorm?.duplicates);
const spread = worst(storm?.spreadPercent, slowStorm?.spreadPercent);
const rows: Row[] = [
  ...lifeRows(storm),
  ...wallRows(slowStorm),
  { what: "volumes and connections leaked or missing", value: leaked, most: 0 },
  { what: "volumes made twice", value: duplicates, most: 0 },
  { what: "farthest array from the mean, %", value: spread, most: 5 },
  ...slowRows(beside),
  { what: "CPU ms for one CreateVolume", value: cpu, most: 1 },
  { what: `RSS of the controller at ${volumes} volumes, MiB`, value: held?.peak, most: 150 },
  { what: "  the same 30 s later", value: held?.settled },
];
const isMissed = ({ value, most }: Row) =>
  value !== undefined && most !== undefined && value > most;

if (flags.has("--json")) {
  say(JSON.stringify({
    wall_over_bound: ratioOf(slowStorm) ?? null,
    calls_per_life: storm?.callsPerLife ?? null,
    leaked: leaked ?? null,
    duplicates: duplicates ?? null,
    spread_percent: spread ?? null,
    slow_array_p99_ratio: beside ? beside.besideMs / beside.withoutMs : null,
    rss_mib_at_10000: held?.peak ?? null,
  }));
} else {
  const measured = rows.filter(({ value }) => value !== undefined);
  table(
    ["", "value", "bar", "within"],
    measured.map((row) => [
      row.what,
      row.value ?? NaN,
      row.most === undefined ? "" : `≤ ${row.most}`,
      row.most === undefined ? "" : isMissed(row) ? "NO" : "yes",
    ]),
  );
}
Deno.exit(rows.some(isMissed) ? 1 : 0);
