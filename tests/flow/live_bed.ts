/** A controller over simulated arrays whose configuration changes while it serves. */
import assert from "node:assert/strict";
import { leaderOf } from "../../main_leader.ts";
import { Service } from "../../main_service.ts";
import { until } from "../../src/async/wait.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Capability } from "../../src/capability.ts";
import type { Provisioner } from "../../src/controller/provisioner.ts";
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import type { KubeEvent } from "../../src/kube/events.ts";
import { silentLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import type { ReadinessCheck } from "../../src/readiness.ts";
import { testFleet } from "../../src/simulator/fixture_test.ts";
import type { FleetEntry } from "../../src/simulator/control.ts";
import type { ServedFleet, SimulateOptions } from "../../src/simulator/simulate.ts";
import { GiB } from "../../src/size.ts";
import { N1, RWO } from "./provisioner_bed.ts";

/** An entry of `arrays.FlashArrays`, as a values file has it. */
export type Entry = Record<string, unknown>;

/** The longest that a change may take to be in use; a guard, not a promise. */
const TAKEN_MS = 30_000;

export class LiveBed {
  readonly events: KubeEvent[] = [];
  readonly metrics = new Metrics();
  readonly signal = AbortSignal.timeout(240_000);
  readonly #service: Service;
  /** What the next `apply` takes up. */
  values: {
    arrays: { FlashArrays: Entry[]; FlashBlades: Entry[] };
    [key: string]: unknown;
  };

  private constructor(readonly served: ServedFleet) {
    this.#service = new Service({
      leader: leaderOf(undefined, { log: silentLogger, onLead: () => {} }),
      metrics: this.metrics,
      log: silentLogger,
      tell: (event) => this.events.push(event),
      checkMs: 100,
    });
    const entriesOf = (wanted: FleetEntry["kind"]) =>
      served.arrays.filter(({ kind }) => kind === wanted).map(entryOf);
    this.values = {
      clusterID: "k8s",
      arrays: { FlashArrays: entriesOf("flasharray"), FlashBlades: entriesOf("flashblade") },
    };
  }

  /** Runs `work` once the controller serves all arrays of its own fleet. */
  static async run(
    options: Partial<SimulateOptions>,
    work: (bed: LiveBed) => Promise<void>,
  ): Promise<void> {
    const served = await testFleet(options);
    const bed = new LiveBed(served);
    try {
      await bed.apply();
      bed.#service.start();
      await bed.until(
        "all arrays are served",
        () => bed.readiness().every(({ state }) => state === "ok"),
      );
      await work(bed);
    } finally {
      bed.#service.leave();
      await bed.#service.end().checks;
      await bed.#service.close();
      await served.stop();
    }
  }

  get provisioner(): Provisioner {
    return this.#service.provisioner;
  }

  get isCurrent(): boolean {
    return this.#service.isCurrent;
  }

  /** Takes `values` up, as the controller takes up a changed file. */
  async apply(): Promise<void> {
    this.#service.take(
      await loadConfig({
        valuesFile: "values.yaml",
        mode: "controller",
        readTextFile: () => Promise.resolve(JSON.stringify(this.values)),
      }),
    );
  }

  /** The entry of an array, to be changed. */
  entry(name: string): Entry {
    const { FlashArrays, FlashBlades } = this.values.arrays;
    return [...FlashArrays, ...FlashBlades].find(({ Name }) => Name === name) ??
      assert.fail(`no entry ${name}`);
  }

  /** Takes an entry out and gives it back, for later. */
  without(name: string): Entry {
    const entry = this.entry(name);
    this.values.arrays.FlashArrays = this.values.arrays.FlashArrays.filter((one) => one !== entry);
    return entry;
  }

  array(name: string): FleetEntry {
    return this.served.arrays.find((one) => one.name === name) ?? assert.fail(`no array ${name}`);
  }

  readiness(): ReadinessCheck[] {
    return this.#service.readiness();
  }

  /** `name state` of each array, as /readyz shows them. */
  states(): string[] {
    return this.readiness().map(({ name, state }) => `${name} ${state}`);
  }

  /** Waits until the arrays are shown so. */
  async shown(...states: string[]): Promise<void> {
    await this.until(`${states}`, () => this.states().join() === states.join());
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    await until(what, isSo, { timeoutMs: TAKEN_MS, intervalMs: 10 })
      .catch((error) => assert.fail(`${error}: ${this.states()}`));
  }

  /** The reasons of the Events so far. */
  reasons(): string[] {
    return this.events.map(({ reason }) => reason);
  }

  async control(method: "POST" | "DELETE", path: string, body?: unknown): Promise<void> {
    const answer = await fetch(`${this.served.control}${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    assert.equal(answer.status, 200, await answer.text());
  }

  /** Creates a volume and gives its handle. */
  async create(name: string, capability: Capability = RWO): Promise<string> {
    const { volumeId } = await this.provisioner.createVolume({
      name,
      capacityRange: { requiredBytes: GiB, limitBytes: 0 },
      capabilities: [capability],
      parameters: {},
    }, this.signal);
    return volumeId;
  }

  async publish(
    volumeId: string,
    node: NodeIdentity = N1,
    capability: Capability = RWO,
  ): Promise<Record<string, string>> {
    return await this.provisioner.publishVolume({
      volumeId,
      nodeId: encodeNodeId(node),
      capability,
      readOnly: false,
      volumeContext: {},
    }, this.signal);
  }

  async unpublish(volumeId: string, node: NodeIdentity = N1): Promise<void> {
    await this.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(node) }, this.signal);
  }

  async delete(volumeId: string): Promise<void> {
    await this.provisioner.deleteVolume(volumeId, this.signal);
  }
}

function entryOf({ kind, name, address, ca, token }: FleetEntry): Entry {
  return {
    ...kind === "flashblade" ? { NFSEndPoint: "192.0.2.1" } : {},
    Name: name,
    MgmtEndPoint: `${ca === undefined ? "http" : "https"}://${address}`,
    APIToken: token,
    ...ca === undefined ? {} : { CACert: Deno.readTextFileSync(ca) },
  };
}
