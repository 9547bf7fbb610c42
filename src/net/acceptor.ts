import { pause } from "../async/wait.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ConnectionStream } from "./connection_stream.ts";

/** How long nothing is accepted after the system refused, so that what it lacks can come back. */
const REFUSED_PAUSE_MS = 100;

/** Told by a server when a request of a connection begins and ends. */
export interface ConnectionUse {
  begin(): void;
  end(): void;
}

/** What an Acceptor takes in, and how many at once. */
export interface AcceptorOptions {
  listener: Deno.Listener;
  /** What the log calls the place. */
  name: string;
  most: number;
  /** Gives a new connection to the server, which tells its use. */
  take(accepted: Deno.Conn, use: ConnectionUse): ConnectionStream;
  log: Logger;
}

interface Entry {
  connection?: ConnectionStream;
  running: number;
  /** The number of the last change of `running`: the smallest is the longest ago. */
  changed: number;
}

/** The acceptors of this process: they share its file descriptors. */
const ACCEPTORS = new Set<Acceptor>();

/**
 * Takes connections in for a server, `most` at once: beyond that the one that has been idle longest
 * is closed for the new one, and only if none is idle the one whose request has run longest. So a
 * polite client always gets in. When the process has no file descriptor left, the acceptor with the
 * most connections closes one in the same way. It need not be the one that the system refused: the
 * system refuses even when nobody waits to be accepted. A server of node:net never accepts again
 * then, and one of Deno.serve ends the process.
 */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #open = new Set<Entry>();
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #changes = 0;
  #waiting: (() => void)[] = [];

  constructor(options: AcceptorOptions) {
    this.#options = options;
    ACCEPTORS.add(this);
    this.#ended = this.#run();
  }

  /** Takes no more in; what is open stays. A unix socket is gone when this returns. */
  async stop(): Promise<void> {
    if (this.#stop.signal.aborted) return await this.#ended;
    this.#stop.abort();
    ACCEPTORS.delete(this);
    this.#options.listener.close();
    await this.#ended;
  }

  /** Ends every connection at once. */
  closeAll(): void {
    for (const { connection } of [...this.#open]) connection?.destroy();
  }

  /** Resolves when no connection is open. */
  closed(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #run(): Promise<void> {
    const { listener, name, log } = this.#options;
    const { signal } = this.#stop;
    let isRefused = false;
    while (!signal.aborted) {
      try {
        this.#take(await listener.accept());
        isRefused = false;
      } catch (error) {
        if (signal.aborted) return;
        if (!isRefused) log.error("connections are refused", { name, error: messageOf(error) });
        isRefused = true;
        const [fullest] = [...ACCEPTORS].sort((a, b) => b.#open.size - a.#open.size);
        if (fullest) fullest.#makeRoom();
        await pause(REFUSED_PAUSE_MS, signal).catch(() => {});
      }
    }
  }

  #take(accepted: Deno.Conn): void {
    if (this.#open.size >= this.#options.most) this.#makeRoom();
    const entry: Entry = { running: 0, changed: ++this.#changes };
    this.#open.add(entry);
    const change = (by: number) => () => {
      entry.running += by;
      entry.changed = ++this.#changes;
    };
    const use = { begin: change(1), end: change(-1) };
    entry.connection = this.#options.take(accepted, use);
    entry.connection.once("close", () => this.#leave(entry));
  }

  /** Closes what has been idle longest, else what has run longest. */
  #makeRoom(): void {
    const isRunning = ({ running }: Entry) => Number(running > 0);
    const [first] = [...this.#open].sort((a, b) =>
      isRunning(a) - isRunning(b) || a.changed - b.changed
    );
    if (!first) return;
    this.#leave(first);
    first.connection?.destroy();
  }

  #leave(entry: Entry): void {
    this.#open.delete(entry);
    if (this.#open.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
