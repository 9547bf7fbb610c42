import type { ChangeFence } from "../async/fence.ts";
import { pause, withDeadline } from "../async/wait.ts";
import { messageOf } from "../errors.ts";
import { isKubeStatus, type KubeClient } from "../kube/client.ts";
import { KubeWatch } from "../kube/watch.ts";
import { type EphemeralVolume, readEphemeral } from "./object.ts";
import { EphemeralSteps, type StepsSetup } from "./steps.ts";

/** So often each object is looked at when nobody changes it: its pod or node may be gone. */
const LOOK_MS = 30_000;
/** The first pause after a step that failed; each further one is twice as long, up to LOOK_MS. */
const FIRST_PAUSE_MS = 1_000;
/** So often it is asked whether this process leads, and whether the switch is on. */
const TICK_MS = 1_000;
const STEPS_AT_ONCE = 8;
/** Of these, for what failed before: an array that does not answer leaves room for the others. */
const RETRIES_AT_ONCE = 4;
/** A create on a busy array takes seconds; a node waits 90. */
const STEP_MS = 60_000;

/** What an EphemeralLeader is made of. */
export interface EphemeralLeaderSetup extends Omit<StepsSetup, "volumes" | "fence" | "kube"> {
  kube: KubeClient;
  fence: Pick<ChangeFence, "isOpen" | "isSettled">;
  /** Whether ephemeral volumes are served now. */
  isOn: () => boolean;
  /** Default: pause() of wait.ts. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** When an object is to be looked at again. */
interface Due {
  atMs: number;
  failures: number;
}

/**
 * Makes, publishes and destroys the volumes that EphemeralVolumes ask for, as long as this process
 * leads. A standby watches only.
 */
export class EphemeralLeader {
  readonly #setup: EphemeralLeaderSetup;
  readonly #steps: EphemeralSteps;
  readonly #volumes = new Map<string, EphemeralVolume>();
  readonly #due = new Map<string, Due>();
  readonly #running = new Map<string, Promise<void>>();
  /** Those that run again after a failure. */
  readonly #retried = new Set<string>();
  /** Changed while a step for it ran: what the step saw is old. */
  readonly #changed = new Set<string>();
  #wake: () => void = () => {};
  #isListed = false;
  #led = false;

  constructor(setup: EphemeralLeaderSetup) {
    this.#setup = setup;
    this.#steps = new EphemeralSteps({
      ...setup,
      volumes: () => [...this.#volumes.values()],
    });
  }

  /** Goes on until the signal, and returns when the steps that run have ended. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { wait = pause } = this.#setup;
    while (!signal.aborted) {
      if (this.#setup.isOn()) await this.#serve(signal);
      await wait(TICK_MS, signal).catch(() => {});
    }
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const own = new AbortController();
    const onAbort = () => own.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const watching = this.#watch().run(own.signal);
    try {
      while (!signal.aborted && this.#setup.isOn()) {
        this.#tick(own.signal);
        await this.#pause(own.signal);
      }
    } finally {
      own.abort();
      signal.removeEventListener("abort", onAbort);
      await Promise.all([watching, ...this.#running.values()]);
      this.#isListed = false;
    }
  }

  #watch(): KubeWatch {
    const { kube, objects, log } = this.#setup;
    const seen = new Set<string>();
    return new KubeWatch({
      kube,
      collection: { path: objects.path },
      handlers: {
        begin: () => seen.clear(),
        put: (object) => {
          const volume = readEphemeral(object);
          if (!volume) return;
          seen.add(volume.name);
          this.#take(volume);
        },
        remove: (object) => this.#forget(readEphemeral(object)?.name),
        listed: () => {
          for (const name of this.#volumes.keys()) if (!seen.has(name)) this.#forget(name);
          this.#isListed = true;
          this.#wake();
        },
        trouble: (problem) => {
          if (problem === undefined) log.info("EphemeralVolumes are watched again");
          else log.warn("EphemeralVolumes cannot be watched", { problem });
        },
      },
    });
  }

  #take(volume: EphemeralVolume): void {
    const { name } = volume;
    const before = this.#volumes.get(name);
    const { atMs = 0, failures = 0 } = this.#due.get(name) ?? {};
    this.#volumes.set(name, volume);
    if (this.#running.has(name)) this.#changed.add(name);
    // That a step failed is written into the object, and is no reason to try again at once.
    const isSame = before?.uid === volume.uid && before.isDeleting === volume.isDeleting &&
      before.finalizers.join() === volume.finalizers.join();
    this.#due.set(name, { atMs: isSame && failures > 0 ? atMs : 0, failures });
    this.#wake();
  }

  #forget(name: string | undefined): void {
    if (name === undefined) return;
    this.#volumes.delete(name);
    this.#due.delete(name);
  }

  /** Begins the steps that are due: first what never failed, then what waits longest. */
  #tick(signal: AbortSignal): void {
    const { fence } = this.#setup;
    if (!fence.isOpen) {
      this.#led = false;
      return;
    }
    if (!fence.isSettled || !this.#isListed) return;
    if (!this.#led) { for (const due of this.#due.values()) due.atMs = 0; }
    this.#led = true;
    const due = [...this.#due].filter(([name, { atMs }]) =>
      atMs <= this.#nowMs() && !this.#running.has(name)
    ).sort(([, one], [, other]) =>
      Math.min(one.failures, 1) - Math.min(other.failures, 1) || one.atMs - other.atMs
    );
    for (const [name, { failures }] of due) {
      const volume = this.#volumes.get(name);
      if (!volume) continue;
      if (this.#running.size >= STEPS_AT_ONCE) return;
      if (failures > 0 && this.#retried.size >= RETRIES_AT_ONCE) return;
      this.#begin(volume, failures, signal);
    }
  }

  #begin(volume: EphemeralVolume, failures: number, signal: AbortSignal): void {
    const { name } = volume;
    if (failures > 0) this.#retried.add(name);
    const running = this.#step(volume, signal).finally(() => {
      this.#running.delete(name);
      this.#retried.delete(name);
      this.#wake();
    });
    this.#running.set(name, running);
  }

  async #step(volume: EphemeralVolume, signal: AbortSignal): Promise<void> {
    const { name } = volume;
    this.#changed.delete(name);
    let failures = 0;
    try {
      await withDeadline(
        `the step of EphemeralVolume ${name}`,
        { timeoutMs: STEP_MS, signal },
        (signal) => this.#steps.step(volume, signal),
      );
    } catch (error) {
      if (signal.aborted) return;
      // What somebody else changed comes by the watch, and is looked at then.
      if (!isKubeStatus(error, 409)) {
        failures = (this.#due.get(name)?.failures ?? 0) + 1;
        this.#setup.log.warn("ephemeral volume must wait", {
          volume: name,
          reason: messageOf(error),
        });
      }
    }
    const due = this.#due.get(name);
    if (!due) return;
    const backoffMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10), LOOK_MS);
    const pauseMs = failures > 0 ? backoffMs : this.#changed.has(name) ? 0 : LOOK_MS;
    this.#due.set(name, { atMs: this.#nowMs() + pauseMs, failures });
  }

  /** Until something changed, and a tick at most. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { wait = pause } = this.#setup;
    const woken = new AbortController();
    const onAbort = () => woken.abort();
    this.#wake = () => woken.abort();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) woken.abort();
    await wait(TICK_MS, woken.signal).catch(() => {});
    signal.removeEventListener("abort", onAbort);
  }

  #nowMs(): number {
    return (this.#setup.now ?? (() => performance.now()))();
  }
}
