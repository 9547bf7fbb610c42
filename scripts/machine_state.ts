/**
 * What a test could leave behind on this machine, read before and after a suite and compared. Linux
 * only; runs with -A.
 */
import { processesWith } from "./child.ts";
import type { MountSpace } from "./mount_space.ts";
import { isBelow, loopDevices, mounts, type MountView, TEMPORARY } from "./mounts.ts";
import { readIfThere } from "./paths.ts";

/** Lines that say what is there, by kind. */
export interface MachineState {
  loops: string[];
  mounts: string[];
  processes: string[];
  sockets: string[];
  temporary: string[];
}

export interface StateOptions {
  /** Environment variable and value that every process of the suite carries. */
  mark: { name: string; value: string };
  /** The suite's own temporary folder; what is left in it is a leftover. */
  tmp: string;
  /** Others work on this machine too: look only at what carries the mark or lies below `tmp`. */
  shared: boolean;
  /**
   * Mount namespaces besides this process's, by what they are called: their mounts and processes
   * are of the suite.
   */
  spaces: Map<string, MountSpace>;
}

const LISTENING_UNIX = "00010000"; // __SO_ACCEPTCON in the flags of /proc/net/unix
const LISTENING_TCP = "0A"; // TCP_LISTEN in the state of /proc/net/tcp

export async function readMachineState(options: StateOptions): Promise<MachineState> {
  const { shared, tmp } = options;
  const loops = (await loopDevices()).filter(({ file }) => !shared || file.includes(`${tmp}/`));
  const mounted = await mountLines(options);
  for (const [name, space] of options.spaces) {
    mounted.push(...await spaceLines(options, name, space));
  }
  return {
    loops: loops.map(({ device, file }) => `${device} ${file}`),
    mounts: mounted,
    processes: await processLines(options),
    sockets: [...unixSockets(options), ...(shared ? [] : tcpSockets())].sort(),
    temporary: await temporaryFiles(options),
  };
}

/** The mounts in one of the further namespaces. */
export async function spaceLines(
  options: StateOptions,
  name: string,
  space: MountSpace,
): Promise<string[]> {
  return (await mountLines(options, space)).map((line) => `${line}, in lane ${name}`);
}

async function mountLines({ shared, tmp }: StateOptions, view?: MountView): Promise<string[]> {
  return (await mounts(view)).filter(({ path }) => !shared || isBelow(path, tmp))
    .map(({ path, source }) => `${path} of ${source}`).sort();
}

async function processLines(options: StateOptions): Promise<string[]> {
  const marked = await processesWith(options.mark.name, options.mark.value);
  const spaces = [...options.spaces.values()];
  const lines: string[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid)) continue;
    const command = (await readIfThere(`/proc/${pid}/cmdline`).catch(() => undefined))?.split("\0")
      .join(" ").trim();
    if (!command) continue; // a kernel thread, a zombie, or gone
    const isOwn = marked.includes(pid) || spaces.some((space) => space.holds(pid));
    if (isOwn || (!options.shared && /(^|\/)pso-bin( |$)/.test(command))) {
      lines.push(`${pid} ${command}`);
    }
  }
  return lines.sort();
}

function unixSockets({ shared, tmp }: StateOptions): string[] {
  return Deno.readTextFileSync("/proc/net/unix").split("\n").flatMap((line) => {
    const [, , , flags, , , , path] = line.split(/\s+/);
    if (flags !== LISTENING_UNIX || path === undefined || path === "") return [];
    return !shared || isBelow(path.replace(/^@pso-stand/, ""), tmp) ? [`unix ${path}`] : [];
  });
}

function tcpSockets(): string[] {
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) =>
    Deno.readTextFileSync(table).split("\n").flatMap((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/);
      return state === LISTENING_TCP ? [`tcp port ${parseInt(local.split(":")[1] ?? "", 16)}`] : [];
    })
  );
}

async function temporaryFiles({ shared, tmp }: StateOptions): Promise<string[]> {
  const own = [...Deno.readDirSync(tmp)].map((entry) => `${tmp}/${entry.name}`);
  if (shared) return own.sort();
  const others = [...Deno.readDirSync("/tmp")].map(({ name }) => `/tmp/${name}`)
    .filter((path) => path.startsWith(TEMPORARY));
  return await Promise.resolve([...own, ...others].sort());
}

/** One line per thing that is there and was not (`+`), or was there and is not (`-`). */
export function differences(before: MachineState, after: MachineState): string[] {
  const kinds: (keyof MachineState)[] = ["loops", "mounts", "processes", "sockets", "temporary"];
  return kinds.flatMap((kind) => [
    ...after[kind].filter((line) => !before[kind].includes(line)).map((line) =>
      `+ ${kind}: ${line}`
    ),
    ...before[kind].filter((line) => !after[kind].includes(line)).map((line) =>
      `- ${kind}: ${line}`
    ),
  ]);
}
