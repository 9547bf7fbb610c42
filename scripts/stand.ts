/**
 * A whole stand on this machine: a simulated fleet, a controller and some nodes, each a process of
 * its own that really attaches and mounts. `scripts/up` starts one from the command line; the demo,
 * the tests and the benches start one in their own process. Contract: design of `up.json` in
 * ARCHITECTURE.md. Needs root and Linux.
 */
import { parse, stringify } from "@std/yaml";
import { Child, type Ended } from "./child.ts";
import { mountHostRoot, shareFolder } from "./mounts.ts";
import { accepts, freePort, isLive } from "./probe.ts";
import { ENVIRONMENT, type Launch, launchOf } from "./program.ts";
import { cleanStandFolder, makeStandFolder, ownEtc, takeStandFolder } from "./stand_folder.ts";

const START_MS = 60_000;
const STOP_MS = 30_000;

export interface StandOptions {
  /**
   * Where everything is kept; made when missing. Not below the project: `deno compile` would walk
   * into the mounts.
   */
  dir: string;
  flasharrays?: number;
  flashblades?: number;
  nodes?: number;
  /**
   * Default `local`. With `kernel` the arrays are served by this machine's own kernel, over real
   * protocols, and its one node is this machine with its own initiator names.
   */
  dataPlane?: "local" | "kernel";
  /** By `deno run` instead of the compiled program. */
  interpreted?: boolean;
  /** The compiled program; default `dist/pso-bin`. */
  program?: string;
  /** Added to every REST call of the simulated arrays. */
  latencyMs?: number;
  /** REST calls at once per simulated array. */
  concurrency?: number;
  /**
   * More arguments and environment for single processes, by name: `simulator`, `controller`,
   * `node-1` …
   */
  extra?: Record<string, { args?: string[]; env?: Record<string, string> }>;
  /** Changes the text of values.yaml before the controller reads it. */
  editValues?: (values: string) => string;
  /** Ends a start that is under way; later it means nothing. */
  signal?: AbortSignal;
}

export interface NodeFacts {
  name: string;
  endpoint: string;
  admin: string;
  stateDir: string;
  dataAddress: string;
  hostRoot: string;
}

export interface ArrayFacts {
  kind: "flasharray" | "flashblade";
  name: string;
  address: string;
  token: string;
  ca?: string;
}

/** What `up.json` says. */
export interface Up {
  controller: string;
  nodes: NodeFacts[];
  admin: string;
  values: string;
  simulator: string;
  arrays: ArrayFacts[];
}

/** What the simulator writes into its state folder, as `arrays.json`. */
interface FleetFacts {
  control: string;
  plane: string;
  values: string;
  arrays: ArrayFacts[];
}

/** A process that ended without having been asked to. */
export interface Death {
  name: string;
  ended: Ended;
  lastWords: string;
}

interface Part {
  launch: Launch;
  env: Record<string, string>;
  isReady: () => Promise<boolean>;
  child?: Child;
  /** True while this process is meant to run. */
  wanted: boolean;
}

/**
 * Starts a stand and gives it back when all of it answers. Throws, with the end of the right log,
 * when a part does not start; then nothing is left.
 */
export async function startStand(options: StandOptions): Promise<Stand> {
  const stand = await Stand.prepare(options);
  try {
    await stand.startAll();
    return stand;
  } catch (error) {
    await stand.stop();
    throw options.signal?.aborted
      ? new StartCancelled(`the start of the stand in ${stand.dir} was cancelled`)
      : error;
  }
}

/** Thrown by startStand when its signal fired in the middle; by then all is clean again. */
export class StartCancelled extends Error {}

/** The folder of a stand, once it is taken and clean. */
interface HeldFolder {
  dir: string;
  lock: Deno.Listener;
  /** Where the machine's / is mounted for each process. */
  hostRoots: string;
}

export class Stand {
  readonly dir: string;
  /** Settles when a process ends that was not asked to; never rejects. */
  readonly died: Promise<Death>;
  readonly #options: StandOptions;
  readonly #lock: Deno.Listener;
  readonly #hostRoots: string;
  readonly #parts = new Map<string, Part>();
  #reportDeath: (death: Death) => void = () => {};
  #facts: Up | undefined;

  private constructor(options: StandOptions, held: HeldFolder) {
    this.#options = options;
    this.dir = held.dir;
    this.#lock = held.lock;
    this.#hostRoots = held.hostRoots;
    this.died = new Promise((resolve) => this.#reportDeath = resolve);
  }

  /**
   * Takes the folder, clears away what an earlier run that was killed left there, and makes it
   * ready.
   */
  static async prepare(options: StandOptions): Promise<Stand> {
    const dir = await makeStandFolder(options.dir);
    const lock = takeStandFolder(dir);
    try {
      await cleanStandFolder(dir);
      const hostRoots = await Deno.makeTempDir({ prefix: "pso-host-" });
      await Deno.writeTextFile(`${dir}/host_roots`, hostRoots);
      await shareFolder(dir);
      return new Stand(options, { dir, lock, hostRoots });
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  /** What `up.json` says; throws before everything has started. */
  get facts(): Up {
    if (!this.#facts) throw new Error(`the stand in ${this.dir} has not started`);
    return this.#facts;
  }

  /** Names of the processes: `simulator`, `controller`, `node-1` … */
  get names(): string[] {
    return [...this.#parts.keys()];
  }

  logOf(name: string): string {
    return `${this.dir}/log/${name}.log`;
  }

  /** The process id, or undefined while it does not run. */
  pid(name: string): number | undefined {
    const { child } = this.#part(name);
    return child && !child.hasEnded ? child.pid : undefined;
  }

  /**
   * Ends one process and waits until it has ended. With SIGTERM it has 30 s, then it gets SIGKILL.
   */
  async kill(name: string, signal: "SIGKILL" | "SIGTERM"): Promise<Ended | undefined> {
    const part = this.#part(name);
    part.wanted = false;
    if (!part.child) return undefined;
    if (signal === "SIGKILL") part.child.signal("SIGKILL");
    else await part.child.stop(STOP_MS);
    return await part.child.ended;
  }

  /**
   * Starts one process again, with `env` beside its own, and waits until it answers. For one that
   * runs, or that a fault ended, too.
   */
  async start(
    name: string,
    options: { env?: Record<string, string>; wait?: boolean } = {},
  ): Promise<void> {
    const part = this.#part(name);
    if (part.child && !part.child.hasEnded) {
      throw new Error(`${name} runs already, as process ${part.child.pid}`);
    }
    part.wanted = true;
    const child = Child.start(name, part.launch, {
      env: { ...part.env, ...options.env },
      log: this.logOf(name),
      mark: this.dir,
    });
    part.child = child;
    void child.ended.then(async (ended) => {
      if (part.child === child && part.wanted) {
        this.#reportDeath({ name, ended, lastWords: await child.lastWords() });
      }
    });
    if (options.wait ?? true) {
      await child.becomes("it answers", part.isReady, {
        timeoutMs: START_MS,
        signal: this.#options.signal,
      });
    }
  }

  /**
   * Tells the stand that this process is about to end by a fault that a test planted; gives back
   * how it ended.
   */
  expectEnd(name: string): Promise<Ended> {
    const part = this.#part(name);
    part.wanted = false;
    if (!part.child) throw new Error(`${name} was never started`);
    return part.child.ended;
  }

  async startAll(): Promise<void> {
    const fleet = await this.#startSimulator();
    const values = await this.#values(fleet.values);
    const controller = this.#addPart("controller", {
      args: ["controller", "-f", values, "--endpoint", `unix://${this.dir}/controller.sock`],
      socket: `${this.dir}/controller.sock`,
    });
    const nodes: NodeFacts[] = [];
    for (let number = 1; number <= (this.#options.nodes ?? 2); number++) {
      nodes.push(
        await this.#addNode(number, { values: await this.#nodeValues(values), plane: fleet.plane }),
      );
    }
    await Promise.all(
      ["controller", ...nodes.map((node) => node.name)].map((name) => this.start(name)),
    );
    const { control, arrays } = fleet;
    this.#facts = {
      controller: `unix://${this.dir}/controller.sock`,
      nodes,
      admin: controller,
      values,
      simulator: control,
      arrays,
    };
    await Deno.writeTextFile(
      `${this.dir}/up.json.new`,
      JSON.stringify(this.#facts, undefined, 2) + "\n",
    );
    await Deno.rename(`${this.dir}/up.json.new`, `${this.dir}/up.json`);
  }

  /**
   * Stops all and takes away every mount, loop device and socket; what the arrays hold, the records
   * of the nodes and the logs stay.
   */
  async stop(): Promise<void> {
    const before = this.names.filter((name) => name !== "simulator");
    await Promise.all(before.map((name) => this.kill(name, "SIGTERM")));
    if (this.#parts.has("simulator")) await this.kill("simulator", "SIGTERM");
    try {
      await cleanStandFolder(this.dir);
    } finally {
      this.#lock.close();
    }
  }

  #part(name: string): Part {
    const part = this.#parts.get(name);
    if (!part) throw new Error(`there is no ${name} here; there are ${this.names.join(", ")}`);
    return part;
  }

  get #plane(): "local" | "kernel" {
    return this.#options.dataPlane ?? "local";
  }

  /**
   * Mounts this machine's / for one process, which may not open /proc, /sys and /dev themselves.
   */
  async #mountHostRoot(name: string, etc: string): Promise<string> {
    const hostRoot = `${this.#hostRoots}/${name}`;
    await Deno.mkdir(hostRoot);
    await mountHostRoot(hostRoot, { shared: this.dir, etc });
    return hostRoot;
  }

  #launch(name: string, args: string[]): { launch: Launch; env: Record<string, string> } {
    const { command, args: first } = launchOf(this.#options);
    const { args: more = [], env = {} } = this.#options.extra?.[name] ?? {};
    const launch = { command, args: [...first, ...args, ...more] };
    return { launch, env: { ...ENVIRONMENT, ...env } };
  }

  async #startSimulator(): Promise<FleetFacts> {
    const { flasharrays = 2, flashblades = 1, latencyMs, concurrency } = this.#options;
    const args = [
      "simulate",
      "--flasharrays",
      `${flasharrays}`,
      "--flashblades",
      `${flashblades}`,
      "--state",
      `${this.dir}/sim`,
    ];
    args.push("--listen", `127.0.0.1:${freePort()}`, "--data-plane", this.#plane);
    if (this.#plane === "kernel") {
      args.push("--host-root", await this.#mountHostRoot("simulator", "/etc"));
    }
    if (latencyMs !== undefined) args.push("--latency", `${latencyMs}`);
    if (concurrency !== undefined) args.push("--concurrency", `${concurrency}`);
    const isReady = async () =>
      (await this.#part("simulator").child?.output())?.split("\n").includes("ready") ?? false;
    this.#parts.set("simulator", { ...this.#launch("simulator", args), isReady, wanted: false });
    await this.start("simulator");
    return JSON.parse(await Deno.readTextFile(`${this.dir}/sim/arrays.json`));
  }

  async #values(path: string): Promise<string> {
    if (!this.#options.editValues) return path;
    await Deno.writeTextFile(
      `${this.dir}/values.yaml`,
      this.#options.editValues(await Deno.readTextFile(path)),
    );
    return `${this.dir}/values.yaml`;
  }

  /** The same configuration without the arrays: a node holds no token. */
  async #nodeValues(values: string): Promise<string> {
    const { arrays: _, ...others } = Object(parse(await Deno.readTextFile(values)));
    await Deno.writeTextFile(`${this.dir}/node-values.yaml`, stringify(others));
    return `${this.dir}/node-values.yaml`;
  }

  /**
   * Registers a process with a CSI socket and an admin endpoint; gives back the admin endpoint's
   * URL.
   */
  #addPart(name: string, facts: { args: string[]; socket: string }): string {
    const port = freePort();
    const admin = `http://127.0.0.1:${port}`;
    const isReady = async () => await accepts(facts.socket) && await isLive(admin);
    this.#parts.set(name, {
      ...this.#launch(name, [...facts.args, "--admin", `127.0.0.1:${port}`]),
      isReady,
      wanted: false,
    });
    return admin;
  }

  async #addNode(number: number, fleet: { values: string; plane: string }): Promise<NodeFacts> {
    const name = `node-${number}`;
    const socket = `${this.dir}/${name}.sock`;
    const stateDir = `${this.dir}/${name}`;
    const isLocal = this.#plane === "local";
    const hostRoot = await this.#mountHostRoot(
      name,
      isLocal ? await ownEtc(`${this.dir}/etc-${name}`, number) : "/etc",
    );
    const dataAddress = isLocal ? `127.0.0.${10 + number}` : "127.0.0.1";
    await Deno.mkdir(stateDir, { recursive: true });
    const args = [
      "node",
      "-f",
      fleet.values,
      "--endpoint",
      `unix://${socket}`,
      "--node-name",
      name,
      "--state-dir",
      stateDir,
    ];
    args.push("--host-root", hostRoot, "--host-tools", "direct", "--data-address", dataAddress);
    if (isLocal) args.push("--local-plane", fleet.plane);
    const admin = this.#addPart(name, { args, socket });
    return { name, endpoint: `unix://${socket}`, admin, stateDir, dataAddress, hostRoot };
  }
}
