import { pause } from "../../async/wait.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { isObject, type KubeClient } from "../client.ts";
import { KUBE_LIMITS } from "../limits.ts";

/** The pause after a list that failed; each further one is twice as long, up to the longest. */
const FIRST_PAUSE_MS = 1_000, LONGEST_PAUSE_MS = 60_000;

/** How claims are listed. */
interface LedgerSetup {
  kube: Pick<KubeClient, "pages">;
  log: Logger;
  /** Default: pause() of wait.ts. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Whether a claim that was read after the look is known to be made after the list. */
type IsLater = (uid: string) => boolean;

/**
 * The claims that were there at one moment, by their UIDs. A claim that is there later and not
 * among them was made after that moment.
 */
export class ClaimLedger {
  readonly #setup: LedgerSetup;
  #uids: ReadonlySet<string> | undefined;
  /** Ends the wait of `run`, and the use of a list that is being read. */
  #renewal = new AbortController();

  constructor(setup: LedgerSetup) {
    this.#setup = setup;
  }

  /**
   * What tells later claims from those of the list, until the list is renewed; undefined while
   * there is none. To be asked for before the claim is read: a claim that was read before the list,
   * and was deleted since, is not in it either.
   */
  look(): IsLater | undefined {
    const uids = this.#uids;
    return uids && ((uid) => this.#uids === uids && !uids.has(uid));
  }

  /** Forgets the list, and reads a new one if `run` goes on: what it proved is not so any more. */
  renew(): void {
    this.#uids = undefined;
    this.#renewal.abort();
    this.#renewal = new AbortController();
  }

  /**
   * Keeps a list until the signal. One that fails is begun anew: a later one only holds more
   * claims. Never throws.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { log, wait = pause } = this.#setup;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const renewal = this.#renewal.signal;
      try {
        const uids = await this.#read(signal);
        if (renewal.aborted) continue;
        this.#uids = uids;
        pauseMs = FIRST_PAUSE_MS;
        await abortOf(renewal, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn("claims cannot be listed: each counts as one that was tried before", {
          problem: messageOf(error),
        });
        await wait(pauseMs, signal).catch(() => {});
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    }
  }

  /** Without a resourceVersion: the list shows what the store itself has at its first page. */
  async #read(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const uids = new Set<string>();
    const collection = {
      path: "/api/v1/persistentvolumeclaims",
      pageItems: KUBE_LIMITS.factItems,
      isMetadataOnly: true,
    };
    for await (const { items } of this.#setup.kube.pages(collection, signal)) {
      for (const { metadata } of items) {
        if (isObject(metadata) && typeof metadata.uid === "string") uids.add(metadata.uid);
      }
    }
    return uids;
  }
}

/** Resolves when one of them fires. */
function abortOf(...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      for (const signal of signals) signal.removeEventListener("abort", end);
      resolve();
    };
    for (const signal of signals) signal.addEventListener("abort", end);
    if (signals.some(({ aborted }) => aborted)) end();
  });
}
