/** Runs the commands of a suite with their output shown. */
import { pause } from "../src/async/wait.ts";
import { ROOT } from "./program.ts";
import { say } from "./shell.ts";

/** A process that has ended may have left another one that holds its pipes. */
const DRAIN_MS = 5000;

/** Fires at Ctrl-C: what runs is ended, what it made is taken away, and nothing more is started. */
export const interruption = new AbortController();

/** How a command ended, and what it wrote to stdout. */
interface Shown {
  code: number;
  output: string;
}

interface RunOptions {
  env: Record<string, string>;
  timeoutMs: number;
  /** Both outputs are shown when the command has ended, for those that run side by side. */
  late?: boolean;
}

/**
 * Runs a command with its output shown as it comes; gives back its code and what it wrote to
 * stdout. Ends its whole group at the deadline.
 */
export async function runShown(
  args: string[],
  options: RunOptions,
): Promise<Shown> {
  const child = new Deno.Command("timeout", {
    args: ["-k", "10", String(options.timeoutMs / 1000), ...args],
    cwd: ROOT,
    env: options.env,
    stdin: "null",
    stdout: "piped",
    stderr: options.late ? "piped" : "inherit",
  }).spawn();
  const stop = () => child.kill("SIGTERM"); // timeout(1) passes it on to the whole group
  interruption.signal.addEventListener("abort", stop);
  let output = "";
  let shownLate = "";
  const read = async (stream: ReadableStream<Uint8Array>, { isOutput }: { isOutput: boolean }) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const text = decoder.decode(bytes, { stream: true });
      if (options.late) shownLate += text;
      else Deno.stdout.writeSync(bytes);
      if (isOutput) output += text;
    }
  };
  const reading = Promise.all([
    read(child.stdout, { isOutput: true }),
    options.late ? read(child.stderr, { isOutput: false }) : undefined,
  ]);
  const { code } = await child.status;
  interruption.signal.removeEventListener("abort", stop);
  // A process that a test left behind may hold the pipe for ever; it is found and named by the
  // comparison of the machine.
  const over = new AbortController();
  await Promise.race([reading, pause(DRAIN_MS, over.signal).catch(() => {})]);
  over.abort();
  if (options.late) say(shownLate.trimEnd());
  return { code, output };
}

/**
 * Works off the items in their order, `lanes` at a time, each lane with a number of its own; begins
 * none more after an interruption.
 */
export async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T, lane: number) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const run = async (_: unknown, lane: number) => {
    for (
      let item = waiting.shift();
      item !== undefined && !interruption.signal.aborted;
      item = waiting.shift()
    ) await work(item, lane);
  };
  await Promise.all(Array.from({ length: lanes }, run));
}
