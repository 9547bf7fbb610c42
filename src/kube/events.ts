import { foreignText } from "../foreign_text.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { isKubeStatus, type KubeClient, type KubeObject } from "./client.ts";
import { KUBE_LIMITS } from "./limits.ts";
import { type Clock, machineClock, microTime } from "./moment.ts";
import { kubePath } from "./names.ts";

/** The pod that Events are about, and that reports them. */
export interface EventPod {
  namespace: string;
  name: string;
  /** Absent: `kubectl describe pod` does not show the Events, `kubectl get events` does. */
  uid?: string;
}

/** Something that a person should see. */
export interface KubeEvent {
  type: "Normal" | "Warning";
  /** One word in CamelCase, by which people select. */
  reason: string;
  /** What was done, in CamelCase. */
  action: string;
  /** A sentence that holds no secret. */
  note: string;
}

/** What Events are written with. */
interface EventsSetup {
  kube: KubeClient;
  pod: EventPod;
  /** The driver's name. */
  controller: string;
  log: Logger;
  clock?: Clock;
}

/** An Event that was told, and how often. */
interface Told extends KubeEvent {
  /** Of the object in the API; absent: there is none yet. */
  object?: string;
  count: number;
  lastMs: number;
  isSent: boolean;
}

/**
 * Events about the pod of this process. A repetition is counted in the Event that is there. Calls
 * have a limit: ten in a row, then one a minute; what comes beyond it is counted, and written with
 * the next one. Nothing waits for them, and nothing fails because of them.
 */
export class KubeEvents {
  readonly #setup: EventsSetup;
  readonly #told = new Map<string, Told>();
  #credit: number = KUBE_LIMITS.eventBurst;
  #creditMs: number;
  #sending: Promise<void> | undefined;
  #problem: string | undefined;

  constructor(setup: EventsSetup) {
    this.#setup = setup;
    this.#creditMs = this.#now().monotonicMs;
  }

  /** Tells an Event. Never throws and never waits. */
  tell(event: KubeEvent): void {
    const key = `${event.type} ${event.reason} ${event.note}`;
    const told = this.#told.get(key) ?? { ...event, count: 0, lastMs: 0, isSent: true };
    told.count++;
    told.lastMs = this.#now().wallMs;
    told.isSent = false;
    this.#told.delete(key);
    this.#told.set(key, told);
    const [oldest] = this.#told.keys();
    if (this.#told.size > KUBE_LIMITS.events && oldest !== undefined) this.#told.delete(oldest);
    this.#sending ??= this.#send().finally(() => this.#sending = undefined);
  }

  /** Resolves when what is on its way has arrived, or cannot. Never rejects. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    const isDue = () => [...this.#told.values()].find(({ isSent }) => !isSent);
    for (let told = isDue(); told && this.#mayCall(); told = isDue()) {
      told.isSent = true;
      try {
        await this.#write(told);
        this.#problem = undefined;
      } catch (error) {
        this.#note(messageOf(error));
      }
    }
  }

  async #write(told: Told): Promise<void> {
    const { kube, pod: { namespace } } = this.#setup;
    const path = kubePath`/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    const { object, count, lastMs } = told;
    if (object !== undefined && count > 1) {
      const series = { count, lastObservedTime: microTime(lastMs) };
      try {
        await kube.patch(path + kubePath`/${object}`, { series });
        return;
      } catch (error) {
        if (!isKubeStatus(error, 404)) throw error;
        // Events live for an hour.
      }
    }
    const name = `${this.#setup.pod.name}.${crypto.randomUUID().slice(0, 13)}`;
    await kube.create(path, this.#objectOf(told, name));
    told.object = name;
  }

  #objectOf({ type, reason, action, note, lastMs }: Told, name: string): KubeObject {
    const { pod, controller } = this.#setup;
    return {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { namespace: pod.namespace, name },
      eventTime: microTime(lastMs),
      reportingController: controller,
      reportingInstance: pod.name,
      type,
      reason,
      action,
      note: shortNote(note),
      regarding: { apiVersion: "v1", kind: "Pod", ...pod },
    };
  }

  #mayCall(): boolean {
    const { monotonicMs } = this.#now();
    const earned = Math.floor((monotonicMs - this.#creditMs) / KUBE_LIMITS.eventMs);
    if (earned > 0) {
      this.#credit = Math.min(KUBE_LIMITS.eventBurst, this.#credit + earned);
      this.#creditMs = monotonicMs;
    }
    if (this.#credit === 0) return false;
    this.#credit--;
    return true;
  }

  #now() {
    return (this.#setup.clock ?? machineClock)();
  }

  #note(problem: string): void {
    if (problem !== this.#problem) this.#setup.log.warn("event not written", { problem });
    this.#problem = problem;
  }
}

/** The API server counts bytes, and a character has four at most. */
function shortNote(text: string): string {
  const { noteBytes } = KUBE_LIMITS;
  const bytes = new TextEncoder().encode(text).length;
  return foreignText(text, bytes > noteBytes ? noteBytes / 4 : noteBytes);
}
