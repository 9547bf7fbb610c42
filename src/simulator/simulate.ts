import { type ListenAddress, printHostPort } from "../net/address.ts";
import { PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Run } from "../run.ts";
import type { Eradication, ObjectLimits } from "./array_context.ts";
import { ARRAY_KINDS, type ArrayKind } from "./array_kinds.ts";
import { type ArrayAnswer, ArrayServer } from "./array_server.ts";
import {
  type Certificate,
  certificateFor,
  type Credentials,
  readCredentials,
} from "./certificates.ts";
import { Clock } from "./clock.ts";
import { Conditions } from "./conditions/conditions.ts";
import { controlRoutes, type FleetEntry } from "./control.ts";
import { Faults } from "./faults.ts";
import { Neighbours } from "./flasharray/replication/neighbours.ts";
import { writeFleetFiles } from "./fleet_files.ts";
import { type HttpListener, type Incoming, listenOnFirst } from "./http_listener.ts";
import { kernelPlane, requireKernel } from "./kernel/kernel_plane.ts";
import { LocalPlane } from "./local_plane.ts";
import type { Plane } from "./plane.ts";
import { RequestLog } from "./request_log.ts";
import {
  enlist,
  nextAddress,
  portsToTry,
  readRoster,
  type Roster,
  type RosterEntry,
  writeRoster,
} from "./roster.ts";
import { Sessions } from "./sessions.ts";
import { Store } from "./store.ts";

/** The kernel data plane. */
interface KernelPlaneAt {
  /** Addresses of this host at which iSCSI and NVMe/TCP are served, at the first one NFS too. */
  portals: readonly string[];
  /** Where the root of this host is seen, for /sys and /proc. */
  hostRoot: string;
}

/** The fleet to serve, and how it behaves. */
export interface SimulateOptions {
  flasharrays: number;
  flashblades: number;
  /** Where everything is kept; absent = a temporary folder that is removed at the end. */
  stateDir?: string;
  /**
   * Address of the first array, the others follow; port 0 = free ones. With a state folder the
   * ports stay over restarts.
   */
  listen: ListenAddress;
  /** Address of the control endpoint; absent = a free port of the host of `listen`. */
  adminAddress?: ListenAddress;
  /** Arrays without TLS. */
  http: boolean;
  /**
   * Folder with `token`, `tls.crt` and `tls.key` (readCredentials()) that every array gets; absent
   * = each has its own. The arrays then have exactly the ports from that of `listen` on, which must
   * not be 0.
   */
  credentials?: string;
  /** Calls at once per array; above: 429. */
  concurrency: number;
  /** Added to every call. */
  latencyMs: number;
  dataPlane: "local" | KernelPlaneAt;
  /** Physical bytes of each array; absent = the kind's default. */
  capacityBytes?: number;
  /** Object limits of each array; absent = generous. */
  limits?: Partial<ObjectLimits>;
  /** What becomes of destroyed objects on each array; absent = as on real ones. */
  eradication?: Partial<Eradication>;
  /**
   * Each array has an IP address of its own, from that of `listen` on, and all have its port: for
   * clients that know no other port than 443.
   */
  addressPerArray?: boolean;
  /** FlashArrays show ports of every sort, also those that no simulated host can use. */
  allPorts?: boolean;
  /** Idle life of REST sessions; absent = 30 minutes. */
  sessionIdleMs?: number;
  /** REST versions served by each array of a kind, ascending; absent = the kind's. */
  versions?: Partial<Record<ArrayKind, readonly string[]>>;
}

/** What the simulator uses of its process. */
export interface SimulateTools {
  run: Run;
  log: Logger;
  /** Ends the simulator. */
  signal: AbortSignal;
  /** One line for standard output; absent = standard output itself. */
  print?: (line: string) => void;
  /** Sees every answer of every array (ArrayServerOptions). */
  onAnswer?: (answer: ArrayAnswer) => void;
}

/** A fleet that is being served. */
export interface ServedFleet {
  /** Base URL of the control endpoint. */
  control: string;
  arrays: FleetEntry[];
  /** Folder for --local-plane. */
  plane: string;
  /** Path of values.yaml. */
  values: string;
  /**
   * Finishes running calls, takes mounts, loop devices, targets and exports away, closes the state.
   */
  stop(): Promise<void>;
}

/**
 * Mode `simulate`: serves a fleet until the signal, after printing the path of its values.yaml and
 * then `ready`. Errors as serveFleet().
 */
export async function simulate(options: SimulateOptions, tools: SimulateTools): Promise<void> {
  const print = tools.print ?? printLine;
  const fleet = await serveFleet(options, tools);
  try {
    print(fleet.values);
    print("ready");
    await new Promise<void>((resolve) => {
      if (tools.signal.aborted) resolve();
      tools.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  } finally {
    await fleet.stop();
  }
}

function printLine(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}

/**
 * Starts the arrays, their data plane and the control endpoint, and writes `values.yaml` (Helm
 * values with the fleet) and `arrays.json` (`{control, plane, values, arrays}`) into the state
 * folder. PsoError: `in_use` when another simulator uses the state folder, `unavailable` when a
 * port cannot be bound, the state cannot be read or a tool fails, `invalid` as readCredentials();
 * for the kernel plane also as requireKernel().
 */
export async function serveFleet(
  options: SimulateOptions,
  tools: SimulateTools,
): Promise<ServedFleet> {
  const stateDir = options.stateDir ?? await Deno.makeTempDir({ prefix: "pso-simulate-" });
  const fleet = new Fleet(stateDir, options, tools);
  try {
    await fleet.start();
    return fleet;
  } catch (error) {
    await fleet.stop();
    throw error;
  }
}

class Fleet implements ServedFleet {
  readonly plane: string;
  readonly values: string;
  control = "";
  arrays: FleetEntry[] = [];
  readonly #stateDir: string;
  readonly #options: SimulateOptions;
  readonly #tools: SimulateTools;
  readonly #roster: Roster;
  readonly #clock: Clock;
  readonly #conditions: Conditions;
  readonly #faults = new Faults();
  readonly #neighbours = new Neighbours(this.#faults);
  readonly #requests = new RequestLog();
  readonly #sessions = new Map<string, Sessions>();
  readonly #servers: ArrayServer[] = [];
  readonly #listeners: HttpListener[] = [];
  #credentials: Credentials | undefined;
  #lock: Deno.FsFile | undefined;

  constructor(stateDir: string, options: SimulateOptions, tools: SimulateTools) {
    Deno.mkdirSync(`${stateDir}/arrays`, { recursive: true });
    this.#stateDir = Deno.realPathSync(stateDir);
    this.#options = options;
    this.#tools = tools;
    this.plane = `${this.#stateDir}/plane`;
    this.values = `${this.#stateDir}/values.yaml`;
    const saved = readRoster(`${this.#stateDir}/fleet.json`);
    const wanted = { flasharray: options.flasharrays, flashblade: options.flashblades };
    const moved = options.listen.port !== 0 && options.listen.port !== saved.listenPort;
    const entries = enlist(saved.arrays, wanted).map((entry) =>
      moved ? { ...entry, port: 0 } : entry
    );
    // Arrays that are not served this time keep their place for the next.
    const others = saved.arrays.filter(({ name }) => !entries.some((entry) => entry.name === name));
    this.#roster = {
      ...saved,
      listenPort: options.listen.port || saved.listenPort,
      arrays: [...entries, ...others],
    };
    this.#clock = new Clock({ offsetMs: saved.clockOffsetMs });
    this.#conditions = new Conditions(this.#clock);
  }

  async start(): Promise<void> {
    const { credentials, http } = this.#options;
    if (credentials !== undefined) this.#credentials = readCredentials(credentials, { http });
    await this.#takeLock();
    const served = this.#options.flasharrays + this.#options.flashblades;
    if (this.#options.dataPlane !== "local") await this.#requireKernel(this.#options.dataPlane);
    for (const [at, entry] of this.#roster.arrays.slice(0, served).entries()) {
      await this.#startArray(entry, at);
    }
    this.#neighbours.align();
    await this.#startControl();
    this.#saveRoster();
    const { dataPlane, listen } = this.#options;
    const isLocal = dataPlane === "local";
    writeFleetFiles(this, {
      stateDir: this.#stateDir,
      http,
      nfsEndPoint: isLocal ? listen.hostname : dataPlane.portals[0],
      sanType: isLocal ? undefined : "ISCSI",
    });
    const names = this.arrays.map(({ name, address }) => `${name} ${address}`).join(", ");
    this.#tools.log.info("simulating", {
      arrays: names,
      control: this.control,
      state: this.#stateDir,
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
    const problems: unknown[] = [];
    for (const { array } of this.#servers.splice(0)) {
      try {
        await array.stop();
      } catch (error) {
        problems.push(error); // the others must be taken down all the same
      }
    }
    this.#lock?.close();
    this.#lock = undefined;
    if (problems.length > 0) throw problems[0];
    if (this.#options.stateDir === undefined) {
      await Deno.remove(this.#stateDir, { recursive: true });
    }
  }

  async #takeLock(): Promise<void> {
    const lock = await Deno.open(`${this.#stateDir}/simulate.lock`, { create: true, write: true });
    if (await lock.tryLock(true)) {
      this.#lock = lock;
      return;
    }
    lock.close();
    throw new PsoError(
      "in_use",
      `state folder ${this.#stateDir} is used by another simulator that runs: stop it, or choose ` +
        "another folder",
    );
  }

  async #requireKernel({ hostRoot }: KernelPlaneAt): Promise<void> {
    const { flasharrays, flashblades } = this.#options;
    const kinds = new Set<ArrayKind>();
    if (flasharrays > 0) kinds.add("flasharray");
    if (flashblades > 0) kinds.add("flashblade");
    await requireKernel(kinds, { hostRoot, run: this.#tools.run });
  }

  async #startArray(entry: RosterEntry, at: number): Promise<void> {
    const { run, log, onAnswer } = this.#tools;
    const { concurrency, latencyMs, stateDir, capacityBytes, limits, sessionIdleMs } =
      this.#options;
    const { addressPerArray = false, listen: { hostname: first, port }, eradication, allPorts } =
      this.#options;
    const hostname = addressPerArray ? nextAddress(first, at) : first;
    const make = ARRAY_KINDS[entry.kind];
    entry.token = this.#credentials?.token ?? entry.token;
    const certificate = await this.#certificateOf(entry, hostname);
    const store = new Store(
      stateDir === undefined ? undefined : `${this.#stateDir}/arrays/${entry.name}.journal`,
    );
    const plane = this.#planeOf(entry);
    const versions = this.#options.versions?.[entry.kind];
    const { name, id } = entry;
    const array = make({
      ...{ name, id, clock: this.#clock, store, plane, run, log },
      ...{ capacityBytes, limits, eradication, versions, allPorts },
      ...{ conditions: this.#conditions, neighbours: this.#neighbours },
    });
    const sessions = new Sessions(entry.token, { clock: this.#clock, idleMs: sessionIdleMs });
    const server = new ArrayServer(array, {
      ...{ clock: this.#clock, faults: this.#faults, requests: this.#requests, sessions },
      ...{ concurrency, latencyMs, log, onAnswer },
    });
    this.#servers.push(server);
    this.#sessions.set(entry.name, sessions);
    await array.start();
    const pem = certificate &&
      {
        cert: Deno.readTextFileSync(certificate.certPath),
        key: Deno.readTextFileSync(certificate.keyPath),
      };
    const ports = portsToTry({
      saved: entry.port,
      listenPort: port,
      at: addressPerArray ? 0 : at,
      isFixed: this.#credentials !== undefined || (addressPerArray && port !== 0),
    });
    const listener = await this.#listen(
      { hostname, ports, certificate: pem },
      (incoming) => server.handle(incoming),
    );
    entry.port = listener.port;
    const address = printHostPort({ host: hostname, port: listener.port });
    this.arrays.push({
      kind: entry.kind,
      name: entry.name,
      address,
      token: entry.token,
      ...(certificate && { ca: certificate.certPath }),
    });
  }

  /** What the array shows itself with; undefined without TLS. */
  async #certificateOf(
    { name }: RosterEntry,
    hostname: string,
  ): Promise<Certificate | undefined> {
    if (this.#options.http) return undefined;
    return this.#credentials?.certificate ?? await certificateFor(name, {
      folder: `${this.#stateDir}/certificates`,
      run: this.#tools.run,
      hostname,
    });
  }

  #planeOf({ name, id }: RosterEntry): Plane {
    const { run } = this.#tools;
    const { dataPlane } = this.#options;
    if (dataPlane === "local") return new LocalPlane(this.plane, { array: name, run });
    return kernelPlane({ root: this.plane, array: { name, id }, ...dataPlane, run });
  }

  async #listen(...to: Parameters<typeof listenOnFirst>): Promise<HttpListener> {
    const listener = await listenOnFirst(...to);
    this.#listeners.push(listener);
    return listener;
  }

  async #startControl(): Promise<void> {
    const address = this.#options.adminAddress ??
      { hostname: this.#options.listen.hostname, port: 0 };
    const app = controlRoutes({
      ...{ faults: this.#faults, requests: this.#requests, clock: this.#clock },
      ...{ conditions: this.#conditions, fleet: this.arrays },
      onFaults: () => this.#neighbours.settle(),
      onClock: async () => {
        this.#saveRoster();
        for (const { array } of this.#servers) await array.expire();
      },
      endSessions: (name) => {
        for (const [array, sessions] of this.#sessions) {
          if (name === undefined || name === array) sessions.endAll();
        }
      },
      changeToken: (name, token) => {
        this.#sessions.get(name)?.changeToken(token);
        const entry = this.arrays.find((one) => one.name === name);
        if (entry) entry.token = token;
      },
    });
    const answer = async ({ method, target, headers, body }: Incoming) =>
      await app.fetch(
        new Request(`http://control${target}`, {
          method,
          headers,
          ...(body === "" ? {} : { body }),
        }),
      );
    const saved = this.#options.adminAddress === undefined ? this.#roster.controlPort : 0;
    const ports = saved === 0 ? [address.port] : [saved, 0];
    const listener = await this.#listen({ hostname: address.hostname, ports }, answer);
    this.#roster.controlPort = listener.port;
    this.control = `http://${printHostPort({ host: address.hostname, port: listener.port })}`;
  }

  #saveRoster(): void {
    this.#roster.clockOffsetMs = this.#clock.offsetMs;
    writeRoster(`${this.#stateDir}/fleet.json`, this.#roster);
  }
}
