// What the benches share: a stand, a process's memory and time, and tables.
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { complain, runTool, say } from "../../scripts/shell.ts";
import { type Stand, type StandOptions, startStand } from "../../scripts/stand.ts";
import { servesAll } from "../../scripts/probe.ts";
import { until } from "../../src/async/wait.ts";
import { MiB } from "../../src/size.ts";

export const flags: ReadonlySet<string> = new Set(Deno.args);

/** Progress for the person who waits; stdout is for the result. */
export function note(text: string): void {
  if (!flags.has("--json")) complain(text);
}

/** What a bench wants of its stand. */
export interface BenchStand extends Omit<StandOptions, "dir"> {
  /** What the arrays hold is kept in memory: how fast this machine's disk is must not be measured. */
  inMemory?: boolean;
}

/** Runs `work` on a fresh stand, which is gone afterwards. */
export async function withStand<T>(
  { inMemory = false, ...options }: BenchStand,
  work: (stand: Stand, controller: CsiClient) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "pso-bench-" });
  if (inMemory) await runTool("mount", ["-t", "tmpfs", "pso-bench", folder]);
  try {
    return await onStand({ ...options, dir: `${folder}/stand` }, work);
  } finally {
    if (inMemory) await runTool("umount", [folder]);
    await Deno.remove(folder, { recursive: true });
  }
}

async function onStand<T>(
  options: StandOptions,
  work: (stand: Stand, controller: CsiClient) => Promise<T>,
): Promise<T> {
  await Deno.mkdir(options.dir);
  const stand = await startStand({ ...options, interpreted: flags.has("--interpreted") });
  const controller = connectCsi(stand.facts.controller, { timeoutMs: 120_000 });
  try {
    await isReady(stand.facts.admin);
    return await work(stand, controller);
  } finally {
    controller.close();
    await stand.stop();
  }
}

/** Waits until the controller at `admin` serves every array. */
export async function isReady(admin: string): Promise<void> {
  await until(`${admin} serves every array`, () => servesAll(admin), { timeoutMs: 60_000 });
}

export function median(values: number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

/** The process of the stand that bears this name. */
export function pidOf(stand: Stand, name: string): number {
  const pid = stand.pid(name);
  if (pid === undefined) throw new Error(`${name} does not run`);
  return pid;
}

/** Runs `call` for 0 … count-1, `concurrency` at a time, and gives back each one's milliseconds. */
export async function runMany(
  count: number,
  concurrency: number,
  call: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const took: number[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (next < count) {
      const index = next++;
      const started = performance.now();
      await call(index);
      took.push(performance.now() - started);
    }
  }));
  return took;
}

/** Resident memory of a process in MiB (proc(5), status). */
export async function rssMiB(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024 / MiB;
}

/**
 * User and system time of a process in milliseconds; clock ticks are 10 ms on Linux (proc(5),
 * stat).
 */
export async function cpuMs(pid: number): Promise<number> {
  const fields = (await Deno.readTextFile(`/proc/${pid}/stat`)).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Prints rows under a header, columns aligned, numbers to the right. */
export function table(header: string[], rows: (string | number)[][]): void {
  const text = (cell: string | number) =>
    typeof cell === "number" ? `${Math.round(cell * 100) / 100}` : cell;
  const all = [header, ...rows.map((row) => row.map(text))];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
    ).join("  ");
  say(line(header));
  say(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of all.slice(1)) say(line(row));
}
