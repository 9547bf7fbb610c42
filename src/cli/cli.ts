import { parseArgs } from "@std/cli/parse-args";
import { type ListenAddress, parseHostPort } from "../net/address.ts";
import { parseIp } from "../net/cidr.ts";
import { adminHelp, dashed, FLAGS, type HelpLine, helpText, type Mode, MODES } from "./flags.ts";
import { UsageError } from "../errors.ts";
import { type Level, LEVELS } from "../log.ts";
import { nearest } from "../nearest.ts";

/** The flags of the log, which every serving mode has. */
interface LogFlags {
  /** Left out: info, or debug when the configuration says so. */
  logLevel?: Level;
  logFormat: "json" | "text";
}

/** `pso-bin controller`, every default filled in but those of the configuration. */
export interface ControllerOptions extends LogFlags {
  mode: "controller";
  valuesFile?: string;
  /** `unix:///path`. */
  endpoint: string;
  adminAddress: ListenAddress;
}

/** `pso-bin node`, every default filled in but those of the configuration. */
export interface NodeOptions extends LogFlags {
  mode: "node";
  valuesFile?: string;
  /** `unix:///path`; with `check` it may be empty, nothing listens then. */
  endpoint: string;
  adminAddress: ListenAddress;
  nodeName: string;
  stateDir: string;
  hostRoot: string;
  /** How the host's tools are run. */
  hostTools: "nsenter" | "chroot" | "direct";
  /** Folders of the host in which tools are looked for first. */
  toolFolders: string[];
  /** Empty: all addresses of the host's own interfaces. */
  dataAddresses: string[];
  localPlane?: string;
  check: boolean;
}

/** `pso-bin simulate` with at least one array, and with a state folder for a kernel plane. */
export interface SimulateOptions extends LogFlags {
  mode: "simulate";
  flasharrays: number;
  flashblades: number;
  /** Left out: state in memory. */
  stateDir?: string;
  listen: ListenAddress;
  /** Arrays without TLS. */
  http: boolean;
  concurrency: number;
  latencyMs: number;
  dataPlane: "local" | { portals: string[]; hostRoot: string };
  /** Where faults, requests and the clock are served. Left out: a free port of the same host. */
  adminAddress?: ListenAddress;
}

/** `pso-bin admin VERB`; the verb is not looked up yet. */
interface AdminOptions {
  mode: "admin";
  verb: string;
  /** What follows the verb, for the verb to read. */
  args: string[];
}

/** Something to print on standard output, then end with code 0. */
interface PrintOptions {
  mode: "help" | "version";
  text: string;
}

/** What one call of the program asks for, told apart by `mode`. */
export type CommandLine =
  | ControllerOptions
  | NodeOptions
  | SimulateOptions
  | AdminOptions
  | PrintOptions;

/** What the command line does not say itself. */
interface CliContext {
  /** Environment variables. */
  env: (name: string) => string | undefined;
  /** The name of this host. */
  hostname: () => string;
  version: string;
  /** The verbs of `admin` and what each does, for the help. */
  verbs: readonly HelpLine[];
}

const DEFAULT_ADMIN: ListenAddress = { hostname: "0.0.0.0", port: 9808 };

/**
 * What the arguments ask for (`pso-bin MODE …` or `--mode=MODE …`). Throws UsageError with the
 * nearest right word for a wrong one.
 */
export function parseCommandLine(args: readonly string[], context: CliContext): CommandLine {
  const { mode, rest } = findMode(args);
  if (mode === undefined) {
    if (rest.includes("--version")) {
      return { mode: "version", text: `pso-bin ${context.version}\n` };
    }
    if (rest.includes("--help") || rest.includes("-h")) return { mode: "help", text: helpText() };
    throw new UsageError(`No mode is given: use one of ${MODES.join(", ")}, or --help`);
  }
  if (mode === "admin") return parseAdmin(rest, context);
  const flags = new Flags(mode, rest);
  if (flags.isSet("version")) return { mode: "version", text: `pso-bin ${context.version}\n` };
  if (flags.isSet("help")) return { mode: "help", text: helpText(mode) };
  if (mode === "controller") return parseController(flags, context);
  return mode === "node" ? parseNode(flags, context) : parseSimulate(flags);
}

/** The mode stands first, or behind `--mode`. The other words keep their order. */
function findMode(args: readonly string[]): { mode?: Mode; rest: string[] } {
  const rest = [...args];
  const first = rest[0];
  if (first !== undefined && !first.startsWith("-")) {
    return { mode: checkMode(first), rest: rest.slice(1) };
  }
  const at = rest.findIndex((word) => word === "--mode" || word.startsWith("--mode="));
  if (at < 0) return { rest };
  const joined = rest[at]?.split("=")[1];
  const word = joined ?? rest[at + 1];
  if (word === undefined || word === "") {
    throw new UsageError(`--mode needs a value: use one of ${MODES.join(", ")}`);
  }
  rest.splice(at, joined === undefined ? 2 : 1);
  return { mode: checkMode(word), rest };
}

function checkMode(word: string): Mode {
  const mode = MODES.find((one) => one === word);
  if (mode) return mode;
  const near = nearest(word, MODES);
  throw new UsageError(
    `Unknown mode ${JSON.stringify(word)}: ${
      near ? `did you mean ${near}?` : `use one of ${MODES.join(", ")}`
    }`,
  );
}

function parseAdmin(rest: string[], { version, verbs }: CliContext): AdminOptions | PrintOptions {
  const [verb, ...args] = rest;
  if (verb === "--version") return { mode: "version", text: `pso-bin ${version}\n` };
  if (verb === "--help" || verb === "-h") return { mode: "help", text: adminHelp(verbs) };
  if (verb === undefined || verb.startsWith("-")) {
    throw new UsageError(
      "admin needs a verb first, for example `pso-bin admin check -f values.yaml`",
    );
  }
  return { mode: "admin", verb, args };
}

function parseController(flags: Flags, { env }: CliContext): ControllerOptions {
  return {
    mode: "controller",
    ...flags.valuesFile(),
    endpoint: parseEndpoint(flags.text("endpoint"), env),
    adminAddress: flags.address("admin") ?? DEFAULT_ADMIN,
    ...flags.log(),
  };
}

function parseNode(flags: Flags, { env, hostname }: CliContext): NodeOptions {
  const check = flags.isSet("check");
  const dataAddresses = flags.addresses("data-address");
  const localPlane = flags.text("local-plane");
  return {
    mode: "node",
    ...flags.valuesFile(),
    endpoint: check ? flags.text("endpoint") ?? "" : parseEndpoint(flags.text("endpoint"), env),
    adminAddress: flags.address("admin") ?? DEFAULT_ADMIN,
    nodeName: flags.text("node-name") ?? (env("NODE_NAME") || hostname()),
    stateDir: flags.text("state-dir") ?? "/var/lib/pso",
    hostRoot: flags.text("host-root") ?? "/host",
    hostTools: flags.choice("host-tools", ["nsenter", "chroot", "direct"]) ?? "nsenter",
    toolFolders: flags.folders("tool-path"),
    dataAddresses,
    ...(localPlane === undefined ? {} : { localPlane }),
    check,
    ...flags.log(),
  };
}

function parseSimulate(flags: Flags): SimulateOptions {
  const stateDir = flags.text("state");
  const adminAddress = flags.address("admin");
  const options: SimulateOptions = {
    mode: "simulate",
    flasharrays: flags.count("flasharrays", { initial: 2, least: 0, most: 100 }),
    flashblades: flags.count("flashblades", { initial: 1, least: 0, most: 100 }),
    ...(stateDir === undefined ? {} : { stateDir }),
    listen: flags.address("listen") ?? { hostname: "127.0.0.1", port: 0 },
    http: flags.isSet("http"),
    concurrency: flags.count("concurrency", { initial: 16, least: 1, most: 10_000 }),
    latencyMs: flags.count("latency", { initial: 0, least: 0, most: 60_000 }),
    dataPlane: flags.dataPlane(),
    ...(adminAddress === undefined ? {} : { adminAddress }),
    ...flags.log(),
  };
  if (options.dataPlane !== "local" && stateDir === undefined) {
    throw new UsageError(
      "--data-plane kernel needs --state DIR: after a kill only a start with the same state can " +
        "take away what the kernel serves",
    );
  }
  if (options.flasharrays + options.flashblades === 0) {
    throw new UsageError("--flasharrays and --flashblades are both 0, wanted at least one array");
  }
  return options;
}

/**
 * `unix:///path` of a socket; `unix:/path` and a bare path, which other drivers take, mean the
 * same.
 */
function parseEndpoint(
  flag: string | undefined,
  env: (name: string) => string | undefined,
): string {
  const text = flag ?? env("CSI_ENDPOINT") ?? "";
  const name = flag === undefined ? "CSI_ENDPOINT" : "--endpoint";
  if (text === "") {
    throw new UsageError(
      "No CSI endpoint is given: use --endpoint unix:///csi/csi.sock or set CSI_ENDPOINT",
    );
  }
  const path = /^(?:unix:(?:\/\/)?)?(\/[^\0]+)$/.exec(text)?.[1];
  if (path === undefined) {
    throw new UsageError(`${name} is ${JSON.stringify(text)}, wanted unix:///PATH of a socket`);
  }
  return `unix://${path}`;
}

/**
 * `HOST:PORT` with IPv6 in brackets; `:PORT` listens on all addresses. Undefined when it is none.
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const { host, port } = parseHostPort(text) ?? {};
  if (port === undefined) return undefined;
  return { hostname: host || "0.0.0.0", port };
}

/** A count without its flag, and the bounds of one with it, inclusive. */
interface CountRange {
  initial: number;
  least: number;
  most: number;
}

/** The flags of one mode, read by their types; each fault is a UsageError that names the flag. */
class Flags {
  readonly #values: Record<string, unknown>;

  constructor(mode: Mode, args: string[]) {
    const table = FLAGS[mode];
    const withValue = table.filter(({ value }) => value !== undefined).map(({ name }) => name);
    const switches = table.filter(({ value }) => value === undefined).map(({ name }) => name);
    const collect = table.filter(({ repeat }) => repeat).map(({ name }) => name);
    const { _: words, ...values } = parseArgs(args.map((word) => word === "-h" ? "--help" : word), {
      string: withValue,
      boolean: switches,
      collect,
    });
    const known = table.map(({ name }) => name);
    const unknown = Object.keys(values).find((name) => !known.includes(name));
    if (unknown !== undefined) {
      const near = nearest(unknown, known);
      throw new UsageError(
        `Unknown flag ${dashed(unknown)} of ${mode}: ${
          near ? `did you mean ${dashed(near)}?` : `see pso-bin ${mode} --help`
        }`,
      );
    }
    // When the value of a flag was forgotten, some parsers take the next flag for the value. No
    // value of a flag begins with two dashes, so such a value shows the mistake.
    const hungry = withValue.find((name) =>
      [values[name]].flat().some((value) => typeof value === "string" && value.startsWith("--"))
    );
    if (hungry !== undefined) throw new UsageError(`${dashed(hungry)} needs a value`);
    if (words.length > 0) {
      throw new UsageError(
        `Unknown argument ${JSON.stringify(words[0])} of ${mode}: see pso-bin ${mode} --help`,
      );
    }
    this.#values = values;
  }

  isSet(name: string): boolean {
    const value = this.#values[name];
    if (typeof value === "string" && !/^(true|false|)$/.test(value)) {
      throw new UsageError(`${dashed(name)} is ${JSON.stringify(value)}, wanted no value`);
    }
    return value === true || value === "true" || value === "";
  }

  texts(name: string): string[] {
    const value = this.#values[name];
    const given = value === undefined ? [] : Array.isArray(value) ? value : [value];
    return given.map((one) => {
      if (typeof one === "string" && one !== "") return one;
      throw new UsageError(`${dashed(name)} needs a value`);
    });
  }

  /** IP addresses. */
  addresses(name: string): string[] {
    const addresses = this.texts(name);
    const wrong = addresses.find((address) => parseIp(address) === undefined);
    if (wrong !== undefined) {
      throw new UsageError(`${dashed(name)} is ${JSON.stringify(wrong)}, wanted an IP address`);
    }
    return addresses;
  }

  folders(name: string): string[] {
    const folders = this.texts(name);
    const wrong = folders.find((folder) => !/^\/[^:]*$/.test(folder));
    if (wrong !== undefined) {
      throw new UsageError(
        `${dashed(name)} is ${JSON.stringify(wrong)}, wanted one absolute path of a folder`,
      );
    }
    return folders;
  }

  /** The last one counts, so that a wrapper's flag can be overridden. */
  text(name: string): string | undefined {
    return this.texts(name).at(-1);
  }

  count(name: string, { initial, least, most }: CountRange): number {
    const text = this.text(name);
    if (text === undefined) return initial;
    const count = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (count >= least && count <= most) return count;
    throw new UsageError(
      `${dashed(name)} is ${JSON.stringify(text)}, wanted a number from ${least} to ${most}`,
    );
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    const found = choices.find((one) => one === text);
    if (text !== undefined && found === undefined) {
      throw new UsageError(
        `${dashed(name)} is ${JSON.stringify(text)}, wanted one of ${choices.join(", ")}`,
      );
    }
    return found;
  }

  address(name: string): ListenAddress | undefined {
    const text = this.text(name);
    const address = text === undefined ? undefined : parseListenAddress(text);
    if (text !== undefined && !address) {
      throw new UsageError(`${dashed(name)} is ${JSON.stringify(text)}, wanted HOST:PORT`);
    }
    return address;
  }

  dataPlane(): SimulateOptions["dataPlane"] {
    const plane = this.choice("data-plane", ["local", "kernel"] as const) ?? "local";
    const portals = this.addresses("portal");
    const hostRoot = this.text("host-root");
    if (plane === "kernel") {
      return {
        portals: portals.length > 0 ? portals : ["127.0.0.1", "127.0.0.2"],
        hostRoot: hostRoot ?? "/host",
      };
    }
    const idle = portals.length > 0 ? "portal" : hostRoot !== undefined ? "host-root" : undefined;
    if (idle !== undefined) {
      throw new UsageError(`${dashed(idle)} is for the kernel plane only: add --data-plane kernel`);
    }
    return plane;
  }

  valuesFile(): { valuesFile?: string } {
    const valuesFile = this.text("f");
    return valuesFile === undefined ? {} : { valuesFile };
  }

  log(): LogFlags {
    const logLevel = this.choice("log-level", LEVELS);
    return {
      ...(logLevel === undefined ? {} : { logLevel }),
      logFormat: this.choice("log-format", ["json", "text"] as const) ?? "json",
    };
  }
}
