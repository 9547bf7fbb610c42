// What a controller serves by: nothing until it has a configuration, then that and each later one.
import type { ClusterState } from "./main_kube.ts";
import type { Leader } from "./main_leader.ts";
import { ArrayClients } from "./src/arrays/live/clients.ts";
import type { StorageArray } from "./src/arrays/array.ts";
import { Fleet } from "./src/arrays/fleet.ts";
import { registerFleet } from "./src/arrays/fleet_metrics.ts";
import { holdMs } from "./src/async/hold.ts";
import { pause } from "./src/async/wait.ts";
import { adoptConfig, logWarnings } from "./src/config/adopt.ts";
import type { LoadedConfig } from "./src/config/load.ts";
import type { Config } from "./src/config/model.ts";
import { Provisioner } from "./src/controller/provisioner.ts";
import type { ProbeCall } from "./src/csi/identity_service.ts";
import { PsoError } from "./src/errors.ts";
import type { KubeEvent } from "./src/kube/events.ts";
import type { Logger } from "./src/log.ts";
import type { Metrics } from "./src/metrics/metrics.ts";
import { NO_ARRAYS } from "./src/config/arrays/no_arrays.ts";
import type { ReadinessCheck } from "./src/readiness.ts";

const STATUS_INTERVAL_MS = 30_000;

/** What a service is made of. */
interface ServiceSetup {
  leader: Leader;
  metrics: Metrics;
  log: Logger;
  /** Tells an Event, where there is an API to tell it. */
  tell: (event: KubeEvent) => void;
  /** Where there is an API to ask; a process that is alone only reads claims there. */
  cluster?: ClusterState;
  /** How often arrays are asked for their health and room at rest; default 30 s. */
  checkMs?: number;
}

/** What is there once there is a configuration. */
interface Served {
  config: Config;
  clients: ArrayClients;
  fleet: Fleet;
  provisioner: Provisioner;
}

/** The fleet and the provisioner of one controller, from its first configuration on. */
export class Service {
  readonly #setup: ServiceSetup;
  /** Wakes the Probes that wait for the first configuration. */
  readonly #waiting = new Set<() => void>();
  readonly #stop = new AbortController();
  #served: Served | undefined;
  /** What stays as it was at the start, though the configuration says otherwise. */
  #kept: readonly string[] = [];
  #isStarted = false;
  #checks: Promise<void> = Promise.resolve();
  #led: Promise<void> = Promise.resolve();
  /** Absent until this process leads. */
  #following: Promise<void> | undefined;
  /** Ends the renewing of the lease. */
  readonly #leading = new AbortController();

  constructor(setup: ServiceSetup) {
    this.#setup = setup;
  }

  /** Takes a configuration up; from the first one on, calls are served. */
  take(loaded: LoadedConfig): void {
    const { log, tell } = this.#setup;
    if (this.#served) this.#change(this.#served, loaded);
    else this.#begin(loaded);
    if (loaded.config.arrays.length > 0) return;
    log.warn("no arrays are configured");
    tell({ type: "Warning", reason: "NoArrays", action: "ReadConfiguration", note: NO_ARRAYS });
  }

  #begin(loaded: LoadedConfig): void {
    const { leader, metrics, log, cluster } = this.#setup;
    const { fence } = leader;
    const { config } = loaded;
    logWarnings(loaded, log);
    const clients = new ArrayClients({ log, fence });
    const leave = (array: StorageArray) => {
      cluster?.arrayLeaves();
      clients.leave(array);
    };
    const fleet = new Fleet(clients.take(config.arrays), {
      ...{ log, cluster: config.clusterId, fence },
      clients: { join: (stays, other) => clients.join(stays, other), leave },
      tell: (notice) => this.#setup.tell({ ...notice, action: "ReadConfiguration" }),
      meantOn: (member) => this.#served?.provisioner.namesMeantOn(member),
    });
    clients.onCall = registerFleet(metrics, fleet);
    const options = () => this.#served?.config ?? config;
    const { claims, inventory } = cluster ?? {};
    const provisioner = new Provisioner({ fleet, options, log, fence, claims, inventory });
    this.#served = { config, clients, fleet, provisioner };
    if (this.#isStarted) this.start();
    this.#wakeAll();
  }

  /**
   * Asks the arrays from now on, and wants the lease; without a configuration as soon as there is
   * one.
   */
  start(): void {
    this.#isStarted = true;
    if (!this.#served) return;
    const { checkMs: intervalMs = STATUS_INTERVAL_MS } = this.#setup;
    this.#checks = this.#served.fleet.run(this.#stop.signal, { intervalMs });
    this.#led = this.#setup.leader.run(this.#leading.signal);
  }

  #change(served: Served, changed: LoadedConfig): void {
    const { log, tell } = this.#setup;
    const { config, kept } = adoptConfig({ current: served.config, changed }, log);
    served.config = config;
    served.fleet.replace(served.clients.take(config.arrays));
    log.info("configuration taken up", { arrays: config.arrays.length });
    this.#kept = kept;
    if (kept.length === 0) return;
    tell({
      type: "Warning",
      reason: "ConfigurationRefused",
      action: "ReadConfiguration",
      note: `a part of the changed configuration is not taken up: ${kept.join("; ")}`,
    });
  }

  /** Whether all of the configuration is in use that was given last. */
  get isCurrent(): boolean {
    const members = this.#served?.fleet.members ?? [];
    return this.#kept.length === 0 && members.every(({ entryProblem }) => !entryProblem);
  }

  /** `unavailable` while there is no configuration. */
  get provisioner(): Provisioner {
    return this.#need().provisioner;
  }

  /** What the configuration says now; undefined while there is none. */
  get config(): Config | undefined {
    return this.#served?.config;
  }

  /** storagetopology.enable, as it was first. `unavailable` while there is no configuration. */
  get topology(): boolean {
    return this.#need().config.topology.enable;
  }

  #need(): Served {
    if (this.#served) return this.#served;
    throw new PsoError(
      "unavailable",
      "this controller has no configuration yet; /readyz on admin.sock tells why",
    );
  }

  /** Forgets what is remembered, and asks the cluster from now on: to be called at a take-over. */
  coolDown(): void {
    if (!this.#served) return;
    const { provisioner, fleet } = this.#served;
    provisioner.coolDown();
    const { cluster } = this.#setup;
    this.#following ??= cluster?.follow(provisioner.followCluster(), this.#stop.signal);
    void fleet.refresh(this.#stop.signal);
  }

  /**
   * What a Probe is answered: it is held while there is no configuration, as a standby holds it.
   */
  async isReady({ leftMs, signal }: ProbeCall): Promise<boolean> {
    const began = performance.now();
    if (!this.#served) await this.#awaitConfig({ leftMs, signal });
    if (!this.#served) return false;
    const left = leftMs === undefined ? undefined : leftMs - (performance.now() - began);
    return await this.#setup.leader.isReady(this.#served.fleet, { leftMs: left, signal });
  }

  async #awaitConfig({ leftMs, signal }: ProbeCall): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    if (signal.aborted || this.#stop.signal.aborted) wake();
    await pause(holdMs(leftMs), woken.signal).catch(() => {});
    signal.removeEventListener("abort", wake);
    this.#waiting.delete(wake);
  }

  #wakeAll(): void {
    for (const wake of this.#waiting) wake();
  }

  /**
   * How lease and arrays stand, and what is wrong with the state of the cluster; nothing while there
   * is no configuration.
   */
  readiness(): ReadinessCheck[] {
    if (!this.#served) return [];
    const { fleet, provisioner: { clusterProblem: reason } } = this.#served;
    const checks = this.#setup.leader.readiness(fleet);
    return reason === undefined
      ? checks
      : [...checks, { name: "cluster", ok: false, state: "failed", optional: true, reason }];
  }

  /** Answers the Probes that are held, so that the endpoint can end. */
  leave(): void {
    this.#setup.leader.leave();
    if (this.#served) return;
    this.#stop.abort();
    this.#wakeAll();
  }

  /** Ends what goes on beside the calls, and the renewing of the lease. Never rejects. */
  end(): { led: Promise<void>; checks: Promise<void> } {
    this.#stop.abort();
    this.#leading.abort();
    const checks = Promise.all([this.#checks, this.#following]).then(() => {});
    return { led: this.#led, checks };
  }

  /** Logs out of the arrays. */
  async close(): Promise<void> {
    await this.#served?.clients.close();
  }
}
