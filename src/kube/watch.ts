import { pause } from "../async/wait.ts";
import { messageOf, PsoError } from "../errors.ts";
import { foreignText } from "../foreign_text.ts";
import {
  isKubeStatus,
  isObject,
  jsonOf,
  type KubeClient,
  type KubeCollection,
  KubeError,
  type KubeObject,
} from "./client.ts";
import { KUBE_LIMITS } from "./limits.ts";

const GONE = 410;
/** The first pause after a failure; each further one is twice as long. */
const FIRST_PAUSE_MS = 250;
/**
 * Only a watch that lived so long has worked: a server that takes each watch, sends an event and
 * ends it would be asked without a pause.
 */
const WORKED_MS = 1_000;
/** So many failures one after another, and the list is read again: the state may be of no use. */
const RELIST_FAILURES = 2;

/** Who is told what is in a collection. Nothing of it is kept by the watch itself. */
export interface WatchHandlers {
  /** A list begins: what `put` is not given until `listed` does not exist. */
  begin(): void;
  /** An object that is there, new or changed. */
  put(object: KubeObject): void;
  /** An object that was deleted. */
  remove(object: KubeObject): void;
  /** Everything that was there has been told. */
  listed(): void;
  /** Called when list or watch begin to fail, and with nothing when they work again. */
  trouble(problem: string | undefined): void;
}

/** What a watch is made of. */
interface WatchSetup {
  kube: KubeClient;
  collection: KubeCollection;
  handlers: WatchHandlers;
  /** Default: pause() of wait.ts. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1, so that replicas do not come back in one moment. */
  random?: () => number;
  /** Milliseconds that are never set back. */
  now?: () => number;
}

/**
 * Tells what is in a collection, and every change of it. It lists once, and then watches from the
 * state that the list showed. A watch that ends is begun again where it was; a state that is too old
 * (410), and a second failure in a row, lead to a new list. Pauses grow up to 8 seconds while no
 * watch lives for a second.
 */
export class KubeWatch {
  readonly #setup: WatchSetup;
  /** The state that was told last; absent: the list must be read. */
  #version: string | undefined;
  #failures = 0;
  /** How often the state was too old since a watch worked. */
  #gone = 0;
  /** When the server took the watch that goes on; absent: it has not. */
  #openMs: number | undefined;
  #problem: { of: "list" | "watch"; text: string } | undefined;

  constructor(setup: WatchSetup) {
    this.#setup = setup;
  }

  /** Goes on until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { wait = pause } = this.#setup;
    while (!signal.aborted) {
      try {
        await this.#turn(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
      }
      if (this.#failures > 0) await wait(this.#pauseMs(), signal).catch(() => {});
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#version === undefined) {
      this.#version = await this.#list(signal);
      if (this.#problem?.of === "list") this.#solved();
    }
    this.#openMs = undefined;
    try {
      await this.#watch(this.#version, signal);
    } finally {
      if (this.#hasWorked()) [this.#failures, this.#gone] = [0, 0];
    }
    if (!this.#hasWorked()) this.#failures++;
  }

  #hasWorked(): boolean {
    return this.#openMs !== undefined && this.#nowMs() - this.#openMs >= WORKED_MS;
  }

  #nowMs(): number {
    return (this.#setup.now ?? (() => performance.now()))();
  }

  #failed(error: unknown): void {
    const of = this.#version === undefined ? "list" : "watch";
    if (isKubeStatus(error, GONE)) {
      this.#version = undefined;
      // The first new list is due at once. Lists that never come to their end show nothing new.
      if (++this.#gone === 1) return;
      if (of === "watch") {
        this.#failures++;
        return;
      }
    }
    this.#failures++;
    // One watch that is cut off is no trouble: servers are replaced.
    if (of === "watch" && this.#failures < RELIST_FAILURES) return;
    this.#version = undefined;
    const text = messageOf(error);
    if (text !== this.#problem?.text) this.#setup.handlers.trouble(text);
    this.#problem = { of, text };
  }

  #solved(): void {
    if (this.#problem !== undefined) this.#setup.handlers.trouble(undefined);
    this.#problem = undefined;
  }

  #pauseMs(): number {
    const { random = Math.random } = this.#setup;
    const ms = FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 10);
    return Math.min(ms, KUBE_LIMITS.backoffMs) * (0.5 + random() / 2);
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { kube, collection, handlers } = this.#setup;
    let version = "";
    handlers.begin();
    for await (const { items, resourceVersion } of kube.pages(collection, signal)) {
      for (const item of items) handlers.put(item);
      version = resourceVersion;
    }
    handlers.listed();
    return version;
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { kube, collection } = this.#setup;
    const own = new AbortController();
    const onAbort = () => own.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    let fault: unknown;
    const onLine = (line: string) => {
      if (fault !== undefined || signal.aborted) return;
      try {
        this.#take(line);
      } catch (error) {
        fault = error;
        own.abort(error);
      }
    };
    try {
      const onOpen = () => {
        this.#openMs = this.#nowMs();
        this.#solved();
      };
      await kube.watch(collection, { resourceVersion, onLine, onOpen, signal: own.signal });
    } catch (error) {
      throw fault ?? error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    if (fault !== undefined) throw fault;
  }

  #take(line: string): void {
    const event = jsonOf(line);
    const { type, object } = isObject(event) ? event : {};
    const { handlers, collection: { path } } = this.#setup;
    if (type === "ERROR") throw errorOf(object, path);
    if (!isObject(object)) {
      throw new PsoError(
        "unavailable",
        `an event of ${path} cannot be read: look at the API server`,
      );
    }
    if (type === "ADDED" || type === "MODIFIED") handlers.put(object);
    else if (type === "DELETED") handlers.remove(object);
    const { resourceVersion } = isObject(object.metadata) ? object.metadata : {};
    if (typeof resourceVersion === "string") this.#version = resourceVersion;
  }
}

/** What an event of type ERROR says: a Status with a code. */
function errorOf(status: unknown, path: string): PsoError {
  const { code, message } = isObject(status) ? status : {};
  const said = typeof message === "string" ? foreignText(message, KUBE_LIMITS.messageChars) : "";
  const text = `the watch of ${path} was ended by the API server: ${said}`;
  return new KubeError("unavailable", text, { status: typeof code === "number" ? code : 0 });
}
