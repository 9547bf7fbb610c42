import type { ProtocolTool } from "../../protocols.ts";
import { PsoError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { CommandResult, Run, RunOptions } from "../../run.ts";
import { abortError } from "../../async/wait.ts";
import { filePath, type Host, type Namespaces, realToolPath } from "../host.ts";
import { OUTPUT_MAX_BYTES, Pipe } from "./pipe.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
/**
 * How long a process may take to die after SIGKILL. A process in uninterruptible sleep (state D)
 * does not die; we stop waiting for it then.
 */
const DEATH_WAIT_MS = 2_000;
/**
 * How long to read on after the tool has ended. A daemon that it started may keep its pipes open
 * for ever; what the tool itself printed arrives well within this time.
 */
const PIPE_WAIT_MS = 500;
const SLOW_FIX = "see in the kernel's log of this node what it waits for";
const MESSAGE_MAX = 400;
/** The last one is where NixOS has its tools. */
const SYSTEM_FOLDERS = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/run/current-system/sw/bin",
];

/** Debian's package of each tool, for the message that says what to install. */
const PACKAGES = {
  "mkfs.xfs": "xfsprogs",
  xfs_growfs: "xfsprogs",
  xfs_io: "xfsprogs",
  "mkfs.ext4": "e2fsprogs",
  resize2fs: "e2fsprogs",
  e2fsck: "e2fsprogs",
  losetup: "mount",
  mount: "mount",
  umount: "mount",
  blockdev: "util-linux",
  wipefs: "util-linux",
  nsenter: "util-linux",
  ip: "iproute2",
  stat: "coreutils",
  sync: "coreutils",
  "mount.nfs": "nfs-common",
  iscsiadm: "open-iscsi",
  multipath: "multipath-tools",
  multipathd: "multipath-tools",
  dmsetup: "dmsetup",
  tee: "coreutils",
  nvme: "nvme-cli",
  modprobe: "kmod",
  exportfs: "nfs-kernel-server",
} as const satisfies Record<ProtocolTool, string> & Record<string, string>;

/** A tool whose package is known, so that a message can say what to install. */
export type PackagedTool = keyof typeof PACKAGES;

/** The packages that have another name on RHEL and its relatives, by Debian's name. */
const RHEL_PACKAGES: Record<string, string> = {
  "open-iscsi": "iscsi-initiator-utils",
  "multipath-tools": "device-mapper-multipath",
  "nfs-common": "nfs-utils",
  "nfs-kernel-server": "nfs-utils",
  dmsetup: "device-mapper",
  iproute2: "iproute",
  mount: "util-linux",
};

/**
 * The sentence `install the package …` for a tool that is missing, with the package's name on
 * Debian, and on RHEL where that differs. `undefined` for a tool that PACKAGES does not list.
 */
export function installHint(tool: string): string | undefined {
  const debian = new Map<string, string>(Object.entries(PACKAGES)).get(tool);
  if (debian === undefined) return undefined;
  const rhel = RHEL_PACKAGES[debian];
  return `install the package ${debian}${
    rhel === undefined ? "" : ` (RHEL: ${rhel})`
  } on this node`;
}

/** Where and how createRun() starts tools. */
interface CommandOptions {
  namespaces: Namespaces;
  /** Where the host's `/` is mounted: `chroot` changes to it, `nsenter` finds /proc below it. */
  hostRoot: string;
  log: Logger;
  /** PATH of our own process. With `direct`, tools are looked for there first. */
  path?: string;
  /** Folders before all others. */
  toolFolders?: readonly string[];
  /** Variables that the tools get beside PATH and LC_ALL; none by default. */
  environment?: Readonly<Record<string, string>>;
}

/**
 * The folders that tools are looked for in, best first: those that `--tool-path` names, with
 * `direct` those of our own process, the system's.
 */
export function searchFolders(
  { namespaces, path, toolFolders = [] }: Omit<CommandOptions, "hostRoot" | "log">,
): string[] {
  const own = namespaces === "direct" && path ? path.split(":") : [];
  return [...new Set([...toolFolders, ...own, ...SYSTEM_FOLDERS])].filter((one) => one !== "");
}

/**
 * True when the host has this tool in a folder that Run looks in; nothing is started. A link counts
 * by what it leads to on the host.
 */
export async function hasTool(host: Host, tool: string): Promise<boolean> {
  const path = host.namespaces === "direct" ? Deno.env.get("PATH") : undefined;
  for (const folder of searchFolders({ ...host, path })) {
    try {
      const file = await realToolPath(host, `${folder}/${tool}`, { followLast: true });
      if ((await Deno.stat(filePath(host, file))).isFile) return true;
    } catch {
      // Not in this folder, or we may not read the folder: try the next one.
    }
  }
  return false;
}

/**
 * The words of the command that runs `tool` in the host's namespaces: `tool` itself with `direct`,
 * else through chroot(1) or nsenter(1).
 */
export function commandLine(
  tool: string,
  args: string[],
  { namespaces, hostRoot }: { namespaces: Namespaces; hostRoot: string },
): string[] {
  if (namespaces === "chroot") return ["chroot", hostRoot, tool, ...args];
  const proc = hostRoot === "/" ? "" : hostRoot;
  if (namespaces === "nsenter") {
    // ipc: device mapper waits for udev by a semaphore. net: iscsid and multipathd listen on
    // abstract sockets, which belong to a network namespace.
    const entered = [["mount", "mnt"], ["ipc", "ipc"], ["net", "net"]].map(([option, file]) =>
      `--${option}=${proc}/proc/1/ns/${file}`
    );
    return ["nsenter", ...entered, "--", tool, ...args];
  }
  return [tool, ...args];
}

/**
 * Makes the Run that node/ and host/ use; nothing else in the node plugin starts a process. Each
 * tool leads a process group of its own, so that a time-out ends its children too. Of our
 * environment it gets `LC_ALL=C` and PATH only, and what `environment` has. It may print 4 MiB. Throws `unavailable` when the
 * tool is missing, cannot start, or ends with a code that is not in `okCodes`; `timeout` when it
 * does not end in time.
 */
export function createRun(options: CommandOptions): Run {
  const PATH = searchFolders(options).join(":");
  const env = { ...options.environment, LC_ALL: "C", PATH };
  return async (tool, args, runOptions = {}) => {
    const started = performance.now();
    const secrets = runOptions.secrets ?? [];
    const shown = redact(runOptions.shownAs ?? [tool, ...args].join(" "), secrets);
    if (runOptions.signal?.aborted) throw abortError(runOptions.signal);
    const child = spawn(commandLine(tool, args, options), {
      tool,
      env,
      stdin: runOptions.stdin !== undefined,
    });
    const result = await new RunningTool(child, shown).finish(runOptions);
    options.log.debug("tool", {
      command: shown,
      code: result.code,
      ms: Math.round(performance.now() - started),
    });
    if ((runOptions.okCodes ?? [0]).includes(result.code)) return result;
    throw toolFailure({ tool, shown, result, secrets, namespaces: options.namespaces });
  };
}

function redact(text: string, secrets: string[]): string {
  return secrets.filter((secret) => secret !== "").reduce(
    (left, secret) => left.replaceAll(secret, "[redacted]"),
    text,
  );
}

function missing(tool: string, cause?: unknown): PsoError {
  return new PsoError(
    "unavailable",
    `tool ${tool} is missing: ${installHint(tool) ?? "install it on this node"}; if it is there, ` +
      "name its folder with --tool-path",
    { cause },
  );
}

interface SpawnOptions {
  tool: string;
  env: Record<string, string>;
  /** True: the caller writes to its standard input. */
  stdin: boolean;
}

function spawn(line: string[], { tool, env, stdin }: SpawnOptions): Deno.ChildProcess {
  const [command = tool, ...args] = line;
  try {
    return new Deno.Command(command, {
      args,
      env,
      clearEnv: true,
      cwd: "/", // a process with its current folder on a volume would keep the volume busy
      stdin: stdin ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw missing(command, error);
    throw new PsoError(
      "unavailable",
      `tool ${command} cannot be started: ${String(error)}; run it by hand on this node to see why`,
      { cause: error },
    );
  }
}

/** A tool that ended with a code that is not in `okCodes`. */
interface FailedTool {
  tool: string;
  /** Its command line without secrets. */
  shown: string;
  result: CommandResult;
  secrets: string[];
  namespaces: Namespaces;
}

/**
 * The `unavailable` that Run throws for an exit code that is not in `okCodes`: the command, the
 * code and the end of what it printed, without secrets.
 */
export function toolFailure(
  { tool, shown, result, secrets, namespaces }: FailedTool,
): PsoError {
  // chroot and nsenter answer 127 when the tool itself is not there.
  if (result.code === 127 && namespaces !== "direct") return missing(tool);
  const printed = redact(
    (result.stderr.trim() || result.stdout.trim()).slice(-MESSAGE_MAX),
    secrets,
  ).replaceAll(/\s+/g, " ");
  return new PsoError(
    "unavailable",
    `${shown} ended with code ${result.code}: ${printed || "it printed nothing"}`,
  );
}

/** A started tool. Collects what it prints, and kills its whole group when its time is over. */
class RunningTool {
  readonly #child: Deno.ChildProcess;
  readonly #shown: string;
  readonly #pipes: readonly [out: Pipe, err: Pipe];
  #killedFor: PsoError | undefined;
  #killedBecause: string | undefined;
  #onDeathOverdue: () => void = () => {};
  #deathTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(child: Deno.ChildProcess, shown: string) {
    this.#child = child;
    this.#shown = shown;
    const tooMuch = () =>
      this.#kill(
        new PsoError(
          "unavailable",
          `${shown} printed more than ${OUTPUT_MAX_BYTES} bytes and was killed: run it by hand ` +
            "on this node to see what is wrong",
        ),
      );
    this.#pipes = [new Pipe(child.stdout, tooMuch), new Pipe(child.stderr, tooMuch)];
  }

  async finish(
    { timeoutMs = DEFAULT_TIMEOUT_MS, signal, stdin, binary = false }: RunOptions,
  ): Promise<CommandResult> {
    const late = () => {
      const why = `${this.#shown} did not end within ${timeoutMs} ms`;
      this.#kill(new PsoError("timeout", `${why}: ${SLOW_FIX}`), why);
    };
    const timer = timeoutMs === Infinity ? undefined : setTimeout(late, timeoutMs);
    const onAbort = () => this.#kill(abortError(signal));
    signal?.addEventListener("abort", onAbort, { once: true });
    const overdue = new Promise<undefined>((resolve) =>
      this.#onDeathOverdue = () => resolve(undefined)
    );
    try {
      const written = stdin === undefined ? undefined : this.#write(stdin);
      const status = await Promise.race([this.#child.status, overdue]);
      if (status === undefined) return this.#abandon();
      await written;
      const [out, err] = await this.#outputs();
      if (this.#killedFor) throw this.#killedFor;
      const result = { code: status.code, stdout: "", stderr: err.text() };
      return binary ? { ...result, bytes: out.bytes() } : { ...result, stdout: out.text() };
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#deathTimer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #write(text: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode(text));
      await writer.close();
    } catch {
      // The tool ended before it had read everything. Its exit code tells whether that is wrong.
    }
  }

  /** The pipes, read to their ends or as far as a daemon that holds them open lets us. */
  async #outputs(): Promise<readonly [out: Pipe, err: Pipe]> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => timer = setTimeout(resolve, PIPE_WAIT_MS));
    await Promise.race([Promise.all(this.#pipes.map((pipe) => pipe.ended)), patience]);
    clearTimeout(timer);
    await Promise.all(this.#pipes.map((pipe) => pipe.close()));
    return this.#pipes;
  }

  /** `why` is the reason without what to do: that is another thing when SIGKILL does not help. */
  #kill(reason: PsoError, why = reason.message): void {
    if (this.#killedFor) return;
    this.#killedFor = reason;
    this.#killedBecause = why;
    try {
      Deno.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // The group has ended meanwhile.
    }
    this.#deathTimer = setTimeout(() => this.#onDeathOverdue(), DEATH_WAIT_MS);
  }

  /** Gives up a process that SIGKILL did not end: waiting longer would hang us too. */
  async #abandon(): Promise<never> {
    this.#child.unref();
    await Promise.all(this.#pipes.map((pipe) => pipe.close()));
    const why = this.#killedBecause ?? this.#shown;
    throw new PsoError(
      "timeout",
      `${why}, and SIGKILL does not end it: process ${this.#child.pid} hangs in the kernel ` +
        "(state D); check the device or the server that it talks to",
    );
  }
}
