import type { ListenAddress } from "../net/address.ts";
import { type DataPlane, Flags, type LogFlags } from "./flag_values.ts";
import { adminHelp, dashed, type HelpLine, helpText, type Mode, MODES } from "./flags.ts";
import { credentialsFolder } from "./kube.ts";
import { type ClusterOptions, parseCluster } from "./leader.ts";
import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { parseIp } from "../net/cidr.ts";

/** `pso-bin controller`, every default filled in but those of the configuration. */
export interface ControllerOptions extends LogFlags, ClusterOptions {
  mode: "controller";
  valuesFile?: string;
  /** `unix:///path`. */
  endpoint: string;
  /** The same, another one; absent: nobody is told changed blocks. */
  snapshotMetadataEndpoint?: string;
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
  /** Folders of the host that go at the end when they are empty, in this order. */
  removeEmpty: string[];
  hostRoot: string;
  /** How the host's tools are run. */
  hostTools: "nsenter" | "chroot" | "direct";
  /** Folders of the host in which tools are looked for first. */
  toolFolders: string[];
  /** Empty: all addresses of the host's own interfaces. */
  dataAddresses: string[];
  localPlane?: string;
  /** Folder with `token` and `ca.crt`, by which the node reads its own Node object. */
  kubeCredentials: string;
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
  /** Folder with `token`, `tls.crt` and `tls.key`; then the port of `listen` is not 0. */
  credentials?: string;
  concurrency: number;
  latencyMs: number;
  dataPlane: DataPlane;
  /** Each array has an IP address of its own, and all have the port of `listen`. */
  addressPerArray: boolean;
  /** FlashArrays show ports of every sort. */
  allPorts: boolean;
  /** The most objects of each sort per array; left out: generous. */
  limits: { volumes?: number; snapshots?: number; hosts?: number };
  /** What becomes of destroyed objects; left out: as on real arrays. */
  eradication: { delayMs: number; isManual: boolean };
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
  /** How many characters a line of the terminal has; absent: there is none. */
  columns?: number;
}

const DEFAULT_ADMIN: ListenAddress = { hostname: "0.0.0.0", port: 9808 };
const PORT_MAX = 65_535;

/**
 * What the arguments ask for (`pso-bin MODE …` or `--mode=MODE …`). Throws UsageError with the
 * nearest right word for a wrong one.
 */
export function parseCommandLine(args: readonly string[], context: CliContext): CommandLine {
  const { mode, rest } = findMode(args, context.verbs);
  if (mode === undefined) {
    if (rest.includes("--version")) {
      return { mode: "version", text: `pso-bin ${context.version}\n` };
    }
    if (rest.includes("--help") || rest.includes("-h")) {
      return { mode: "help", text: helpText(undefined, context.columns) };
    }
    throw new UsageError(`No mode is given: use one of ${MODES.join(", ")}, or --help`);
  }
  if (mode === "admin") return parseAdmin(rest, context);
  const flags = new Flags(mode, rest);
  if (flags.isSet("version")) return { mode: "version", text: `pso-bin ${context.version}\n` };
  if (flags.isSet("help")) return { mode: "help", text: helpText(mode, context.columns) };
  if (mode === "controller") return parseController(flags, context);
  return mode === "node" ? parseNode(flags, context) : parseSimulate(flags);
}

/** The mode stands first, or behind `--mode`. The other words keep their order. */
function findMode(
  args: readonly string[],
  verbs: readonly HelpLine[],
): { mode?: Mode; rest: string[] } {
  const rest = [...args];
  const first = rest[0];
  // As git, kubectl and helm take it.
  if (first === "help") {
    const [, about, ...more] = rest;
    return about === undefined
      ? { rest: ["--help"] }
      : { mode: checkMode(about, verbs), rest: [...more, "--help"] };
  }
  if (first !== undefined && !first.startsWith("-")) {
    return { mode: checkMode(first, verbs), rest: rest.slice(1) };
  }
  const at = rest.findIndex((word) => word === "--mode" || word.startsWith("--mode="));
  if (at < 0) return { rest };
  const joined = rest[at]?.split("=")[1];
  const word = joined ?? rest[at + 1];
  if (word === undefined || word === "") {
    throw new UsageError(`--mode needs a value: use one of ${MODES.join(", ")}`);
  }
  rest.splice(at, joined === undefined ? 2 : 1);
  return { mode: checkMode(word, verbs), rest };
}

/** A verb of `admin` may be meant: people forget that word. */
function checkMode(word: string, verbs: readonly HelpLine[]): Mode {
  const mode = MODES.find((one) => one === word);
  if (mode) return mode;
  const isVerb = verbs.some(({ name }) => name === word);
  const near = isVerb ? `pso-bin admin ${word}` : nearest(word, MODES);
  throw new UsageError(
    `Unknown mode ${JSON.stringify(word)}: ${
      near ? `did you mean ${near}?` : `use one of ${MODES.join(", ")}, or --help`
    }`,
  );
}

function parseAdmin(rest: string[], context: CliContext): AdminOptions | PrintOptions {
  const { version, verbs, columns } = context;
  const [verb, ...args] = rest;
  if (verb === "help") {
    const [about = "--help"] = args;
    return parseAdmin([about, "--help"], context);
  }
  if (verb === "--version") return { mode: "version", text: `pso-bin ${version}\n` };
  if (verb === "--help" || verb === "-h") return { mode: "help", text: adminHelp(verbs, columns) };
  if (verb === undefined || verb.startsWith("-")) {
    throw new UsageError(
      "admin needs a verb first, for example `pso-bin admin check -f values.yaml`: see pso-bin " +
        "admin --help",
    );
  }
  return { mode: "admin", verb, args };
}

function parseController(flags: Flags, { env }: CliContext): ControllerOptions {
  const endpoint = parseEndpoint(flags.text("endpoint"), env);
  return {
    mode: "controller",
    ...flags.valuesFile(),
    endpoint,
    ...snapshotMetadataEndpoint(flags, endpoint),
    adminAddress: flags.address("admin") ?? DEFAULT_ADMIN,
    ...parseCluster(flags, env),
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
    removeEmpty: flags.folders("remove-empty"),
    hostRoot: flags.text("host-root") ?? "/host",
    hostTools: flags.choice("host-tools", ["nsenter", "chroot", "direct"]) ?? "nsenter",
    toolFolders: flags.folders("tool-path"),
    dataAddresses,
    ...(localPlane === undefined ? {} : { localPlane }),
    kubeCredentials: credentialsFolder(flags),
    check,
    ...flags.log(),
  };
}

function parseSimulate(flags: Flags): SimulateOptions {
  const stateDir = flags.text("state");
  const adminAddress = flags.address("admin");
  const credentials = flags.text("credentials");
  const options: SimulateOptions = {
    mode: "simulate",
    flasharrays: flags.count("flasharrays", { initial: 2, least: 0, most: 100 }),
    flashblades: flags.count("flashblades", { initial: 1, least: 0, most: 100 }),
    ...(stateDir === undefined ? {} : { stateDir }),
    listen: flags.address("listen") ?? { hostname: "127.0.0.1", port: 0 },
    http: flags.isSet("http"),
    ...(credentials === undefined ? {} : { credentials }),
    concurrency: flags.count("concurrency", { initial: 16, least: 1, most: 10_000 }),
    latencyMs: flags.count("latency", { initial: 0, least: 0, most: 60_000 }),
    dataPlane: flags.dataPlane(),
    addressPerArray: flags.isSet("address-per-array"),
    allPorts: flags.isSet("all-ports"),
    limits: limitsOf(flags),
    eradication: {
      delayMs: 1000 * flags.count("eradication-delay", {
        ...{ initial: 86_400, least: 1, most: 2_592_000 },
      }),
      isManual: !flags.isSet("safe-mode"),
    },
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
  if (options.addressPerArray && !isOneAddress(options.listen.hostname)) {
    throw new UsageError(
      "--address-per-array needs --listen IP:PORT with the address of the first array: " +
        `from ${options.listen.hostname} on no addresses can be counted`,
    );
  }
  if (credentials !== undefined) checkFixedPorts(options);
  return options;
}

/** Limits that are not given are left out: each kind of array has its own then. */
function limitsOf(flags: Flags): SimulateOptions["limits"] {
  const sorts = ["volumes", "snapshots", "hosts"] as const;
  return Object.fromEntries(
    sorts.filter((sort) => flags.text(`max-${sort}`) !== undefined).map((sort) => [
      sort,
      flags.count(`max-${sort}`, { initial: 1, least: 1, most: 1_000_000 }),
    ]),
  );
}

function isOneAddress(hostname: string): boolean {
  const address = parseIp(hostname);
  return address !== undefined && address.value !== 0n;
}

/** Who knows the token beforehand must know the address, too: no port may be left to chance. */
function checkFixedPorts(
  { listen, flasharrays, flashblades, addressPerArray }: SimulateOptions,
): void {
  if (listen.port === 0) {
    throw new UsageError(
      "--credentials needs --listen HOST:PORT with a port that is not 0: clients that know the " +
        "token beforehand must know the address of each array, too",
    );
  }
  const last = addressPerArray ? listen.port : listen.port + flasharrays + flashblades - 1;
  if (last <= PORT_MAX) return;
  throw new UsageError(
    `--listen has the port ${listen.port}, and the last array would have ${last}: choose a port ` +
      `below ${PORT_MAX + 2 - flasharrays - flashblades}`,
  );
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
  if (text === "") {
    throw new UsageError(
      "No CSI endpoint is given: use --endpoint unix:///csi/csi.sock or set CSI_ENDPOINT",
    );
  }
  return parseSocket(flag === undefined ? "CSI_ENDPOINT" : "--endpoint", text);
}

/** The socket of changed blocks, on which no service is that changes something. */
function snapshotMetadataEndpoint(
  flags: Flags,
  endpoint: string,
): Pick<ControllerOptions, "snapshotMetadataEndpoint"> {
  const name = "snapshot-metadata-endpoint";
  const text = flags.text(name);
  if (text === undefined) return {};
  const socket = parseSocket(dashed(name), text);
  if (socket !== endpoint) return { snapshotMetadataEndpoint: socket };
  throw new UsageError(
    `${dashed(name)} and --endpoint are both ${socket}: the service needs a socket of its own`,
  );
}

function parseSocket(name: string, text: string): string {
  const path = /^(?:unix:(?:\/\/)?)?(\/[^\0]+)$/.exec(text)?.[1];
  if (path === undefined) {
    throw new UsageError(`${name} is ${JSON.stringify(text)}, wanted unix:///PATH of a socket`);
  }
  return `unix://${path}`;
}
