// What the parts of the fleet bench share: the lives of claims on a stand, as the sidecars lead
// them, and what the arrays hold afterwards.
import {
  blockCapability,
  claimNameOf,
  createClaim,
  Mode,
  mountCapability,
} from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import type { Stand } from "../../scripts/stand.ts";
import { openArray } from "../../src/arrays/open.ts";
import type { Volume } from "../../src/arrays/array.ts";
import { pause } from "../../src/async/wait.ts";
import { decodeNodeId, encodeNodeId } from "../../src/handoff.ts";
import { silentLogger } from "../../src/log.ts";
import { Secret } from "../../src/secret.ts";
import { GiB } from "../../src/size.ts";
import { cpuMs, pidOf } from "./bench.ts";

/** Claims at once, as a provisioner and an attacher with 100 workers have. */
export const AT_ONCE = 100;
/** A sidecar comes again after a refusal; so often, and then something is wrong. */
const TRIES = 20;
const NODES = 20;

/** How many REST calls, processor seconds and seconds something took. */
export interface Spent {
  calls: number;
  cpuSeconds: number;
  seconds: number;
}

/** The lives of claims on one stand. */
export class FleetBed {
  readonly stand: Stand;
  readonly #controller: CsiClient;
  #nodeIds: string[] = [];
  /** Calls that were refused and made again. */
  refused = 0;

  constructor(stand: Stand, controller: CsiClient) {
    this.stand = stand;
    this.#controller = controller;
  }

  /**
   * Shows nodes to each array: their host objects are made once per array, and are no part of a
   * claim's life.
   */
  async showNodes(): Promise<void> {
    const { facts } = this.stand;
    const node = connectCsi(facts.nodes[0]?.endpoint ?? "");
    const identity = decodeNodeId((await node.node.nodeGetInfo({})).nodeId);
    node.close();
    if (!identity) throw new Error("the node's id cannot be read");
    this.#nodeIds = Array.from({ length: NODES }, (_, number) =>
      encodeNodeId({
        ...identity,
        name: `${identity.name}-${number}`,
        ...(identity.iqn ? { iqn: `${identity.iqn}.${number}` } : {}),
        nqn: undefined,
        wwpns: [],
      }));
    const byArray = new Map<string, string>();
    for (let number = 0; byArray.size < facts.arrays.length; number++) {
      const volumeId = await this.create(`shown-${number}`);
      const array = volumeId.split("/")[0] ?? "";
      if (byArray.has(array)) await this.delete(volumeId);
      else byArray.set(array, volumeId);
    }
    await Promise.all([...byArray.values()].map((volumeId) => this.#showAll(volumeId)));
  }

  /** Attaches the volume to one node after another, and takes it away again. */
  async #showAll(volumeId: string): Promise<void> {
    const { controller } = this.#controller;
    const volumeCapability = blockCapability(Mode.MULTI_NODE_MULTI_WRITER);
    for (const nodeId of this.#nodeIds) {
      const request = { volumeId, nodeId, volumeCapability };
      await this.#again(() => controller.controllerPublishVolume(request));
    }
    await this.#again(() => controller.controllerUnpublishVolume({ volumeId, nodeId: "" }));
    await this.delete(volumeId);
  }

  /** Makes the claim's volume; gives its handle. */
  async create(claim: string): Promise<string> {
    const made = await this.#again(() =>
      createClaim(this.#controller, claimNameOf(claim), { sizeBytes: GiB })
    );
    return made.volumeId;
  }

  async publish(volumeId: string, number: number): Promise<void> {
    await this.#again(() =>
      this.#controller.controller.controllerPublishVolume({
        volumeId,
        nodeId: this.#nodeOf(number),
        volumeCapability: mountCapability(),
      })
    );
  }

  async unpublish(volumeId: string, number: number): Promise<void> {
    await this.#again(() =>
      this.#controller.controller.controllerUnpublishVolume({
        volumeId,
        nodeId: this.#nodeOf(number),
      })
    );
  }

  async delete(volumeId: string): Promise<void> {
    await this.#again(() => this.#controller.controller.deleteVolume({ volumeId }));
  }

  #nodeOf(number: number): string {
    return this.#nodeIds[number % this.#nodeIds.length] ?? "";
  }

  async #again<T>(call: () => Promise<T>): Promise<T> {
    for (let left = TRIES;; left--) {
      try {
        return await call();
      } catch (error) {
        if (left === 0) throw error;
        this.refused++;
        await pause(100);
      }
    }
  }

  /** REST calls since the simulator started. */
  async calls(): Promise<number> {
    const answer = await fetch(`${this.stand.facts.simulator}/requests`);
    const { total }: { total: number } = await answer.json();
    return total;
  }

  /** What the work cost. */
  async spent(work: () => Promise<unknown>): Promise<Spent> {
    const pid = pidOf(this.stand, "controller");
    const [calls, cpu] = [await this.calls(), await cpuMs(pid)];
    const started = performance.now();
    await work();
    const seconds = (performance.now() - started) / 1000;
    return {
      seconds,
      cpuSeconds: (await cpuMs(pid) - cpu) / 1000,
      calls: await this.calls() - calls,
    };
  }

  /** The live volumes of each array, with their hosts, as the array itself says. */
  async volumesByArray(): Promise<Map<string, Volume[]>> {
    const found = await Promise.all(this.stand.facts.arrays.map(async (entry) => {
      const { array, close } = openArray({
        kind: entry.kind,
        scheme: "https",
        managementAddress: entry.address,
        token: new Secret(entry.token),
        tls: { verify: false },
      }, { log: silentLogger });
      const volumes: Volume[] = [];
      let token: string | undefined;
      do {
        const page = await array.listVolumes({ limit: 500, token, hosts: true });
        volumes.push(...page.items);
        token = page.nextToken;
      } while (token !== undefined);
      await close();
      return [entry.name, volumes] as const;
    }));
    return new Map(found);
  }
}
