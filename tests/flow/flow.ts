// What the flow tests share: a stand of the compiled program, its clients, the simulator's faults,
// and what must be as it was before.
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import type { NodeHandle, Paths } from "../../scripts/claim.ts";
import { tryTool } from "../../scripts/shell.ts";
import { type Stand, type StandOptions, startStand } from "../../scripts/stand.ts";
import { servesAll } from "../../scripts/probe.ts";
import { until } from "../../src/async/wait.ts";

/** Why flow tests cannot run here, or undefined. */
export function whyNoFlow(): string | undefined {
  return Deno.uid() === 0 ? undefined : "loop devices and mounts need root";
}

/** A fault of the simulator, as POST /faults takes it. */
export interface Fault {
  array?: string;
  match?: { method?: string; path?: string };
  after?: number;
  times?: number;
  action: string;
  value?: number;
}

/** One call that an array answered, of GET /requests. */
export interface SeenRequest {
  array: string;
  method: string;
  path: string;
  query: string;
  status: number;
}

/** A running stand with clients for all of it. */
export class Flow {
  controller: CsiClient;
  readonly nodes: NodeHandle[] = [];

  private constructor(readonly stand: Stand) {
    this.controller = connectCsi(stand.facts.controller);
  }

  /**
   * Runs `work` on a fresh stand; afterwards the stand and its folder are gone, whatever happened.
   */
  static async run(
    options: Omit<StandOptions, "dir">,
    work: (flow: Flow) => Promise<void>,
  ): Promise<void> {
    const dir = await Deno.makeTempDir({ prefix: "pso-flow-" });
    const stand = await startStand({
      ...options,
      dir,
      interpreted: Deno.env.has("PSO_INTERPRETED"),
    });
    const flow = new Flow(stand);
    try {
      await flow.ready();
      for (const node of stand.facts.nodes) {
        const csi = connectCsi(node.endpoint);
        flow.nodes.push({ name: node.name, csi, nodeId: (await csi.node.nodeGetInfo({})).nodeId });
      }
      await work(flow);
    } finally {
      flow.controller.close();
      for (const node of flow.nodes) node.csi.close();
      await stand.stop();
      await Deno.remove(dir, { recursive: true });
    }
  }

  node(index: number): NodeHandle {
    const node = this.nodes[index];
    if (!node) throw new Error(`the stand has no node ${index + 1}`);
    return node;
  }

  paths(node: NodeHandle, pod: string): Paths {
    const folder = `${this.stand.dir}/kubelet/${node.name}/${pod}`;
    return { staging: `${folder}/globalmount`, target: `${folder}/mount` };
  }

  /** Waits until the controller says that all arrays answer. */
  async ready(): Promise<void> {
    await until("the controller's readiness", () => servesAll(this.stand.facts.admin), {
      timeoutMs: 60_000,
    });
  }

  /**
   * Starts a process that a fault killed again, with a client that knows nothing of the old one.
   */
  async restart(name: string, env?: Record<string, string>): Promise<void> {
    await this.stand.start(name, { env });
    if (name === "controller") {
      this.controller.close();
      this.controller = connectCsi(this.stand.facts.controller);
      return await this.ready();
    }
    const node = this.nodes.find((one) => one.name === name);
    const endpoint = this.stand.facts.nodes.find((one) => one.name === name)?.endpoint;
    if (!node || !endpoint) throw new Error(`there is no ${name}`);
    node.csi.close();
    node.csi = connectCsi(endpoint);
  }

  async fault(fault: Fault): Promise<void> {
    await this.#control("POST", "/faults", fault);
  }

  async clearFaults(): Promise<void> {
    await this.#control("DELETE", "/faults");
  }

  async requests(): Promise<SeenRequest[]> {
    return (await this.#control("GET", "/requests")).last;
  }

  async forgetRequests(): Promise<void> {
    await this.#control("DELETE", "/requests");
  }

  // deno-lint-ignore no-explicit-any -- JSON of our own control endpoint
  async #control(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await fetch(`${this.stand.facts.simulator}${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /** Every volume that the controller finds on its arrays. */
  async volumeIds(): Promise<string[]> {
    const { entries } = await this.controller.controller.listVolumes({});
    return entries.map((entry) => entry.volume?.volumeId ?? "").toSorted();
  }

  /**
   * Mounts of pods, and loop devices over FlashArray images: what nodes leave, not what a simulated
   * FlashBlade holds mounted itself.
   */
  async nodeLeftovers(): Promise<string[]> {
    const mounts = (await Deno.readTextFile("/proc/self/mountinfo")).split("\n").map((line) =>
      line.split(" ")[4] ?? ""
    );
    const loops = (await tryTool("losetup", ["-a"])).stdout.split("\n").filter((line) =>
      line.includes(`${this.stand.dir}/sim/plane/fa-`)
    );
    return [...mounts.filter((path) => path.startsWith(`${this.stand.dir}/kubelet/`)), ...loops];
  }
}

/** The gRPC code (google.rpc.Code) and message that a call ended with; throws if it went well. */
export async function failureOf(
  call: Promise<unknown>,
): Promise<{ code: number; message: string }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Error && "code" in error && "details" in error) {
      return { code: Number(error.code), message: String(error.details) };
    }
    throw error;
  }
  throw new Error("the call went well, and it must not");
}
