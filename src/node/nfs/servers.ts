import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { readFileSystemUse } from "../../host/filesystem.ts";
import type { Host } from "../../host/host.ts";
import type { Logger } from "../../log.ts";
import { KeyedQueue } from "../../async/keyed_queue.ts";

/**
 * A mount that takes longer than this has met a server that does not answer: a healthy one takes
 * less than a second.
 */
const SLOW_MS = 10_000;
/**
 * So long nothing is asked of a server that did not answer. Then one mount may try, and the others
 * wait for its outcome.
 */
const RETRY_AFTER_MS = 30_000;
/**
 * Without a fresh failure for this long nobody uses the server here any more, and it is no longer
 * reported.
 */
const FORGET_AFTER_MS = 600_000;
/** What tools say of a server that is away; every other failure is an answer. */
const SILENT =
  /timed out|no route to host|host is down|network is unreachable|input\/output error/i;
const STALE = /stale (nfs )?file handle/i;

/** A server that did not answer. */
interface SilentServer {
  server: string;
  /** When it was first found silent, and when last; ms as the clock of the plugin counts. */
  sinceMs: number;
  lastMs: number;
  reason: string;
}

/** What NfsServers works with. */
interface NfsServersOptions {
  host: Host;
  log: Logger;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** How a server is asked. */
interface AskOptions {
  /** Ask also a server that is known to be silent. */
  again?: boolean;
  signal?: AbortSignal;
}

/**
 * Which NFS servers answer this node. At most one mount and one probe per server are in flight, so
 * that a server that hangs costs two processes and no more; while it is silent every mount from it
 * fails at once with the reason. Other servers are not concerned.
 */
export class NfsServers {
  readonly #host: Host;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #silent = new Map<string, SilentServer>();
  readonly #mounting = new Map<string, number>();
  /** Places whose server said by the last probe that what is mounted there is gone. */
  readonly #stale = new Set<string>();
  readonly #turns = new KeyedQueue();
  #hasSaidNolock = false;

  constructor({ host, log, now = () => performance.now() }: NfsServersOptions) {
    this.#host = host;
    this.#log = log;
    this.#now = now;
  }

  /** Logs, once in the life of this process, why a class's option `nolock` is not used. */
  sayNolockLeftOut(source: string): void {
    if (this.#hasSaidNolock) return;
    this.#hasSaidNolock = true;
    this.#log.warn("mount option nolock of the class is not used", {
      source,
      reason: "with it pods on two nodes would hold the same lock of a file; take it out",
    });
  }

  /** The servers that did not answer when they were asked last. */
  silent(): SilentServer[] {
    for (const { server, lastMs } of this.#silent.values()) {
      if (this.#now() - lastMs > FORGET_AFTER_MS) this.#silent.delete(server);
    }
    return [...this.#silent.values()];
  }

  /** Whether the last probe of what is mounted at `target` found it stale. */
  isStale(target: string): boolean {
    return this.#stale.has(target);
  }

  /** Forgets what probes found at `target`. */
  forgetStale(target: string): void {
    this.#stale.delete(target);
  }

  /** Forgets what probes found at places other than `targets`: nothing is mounted there now. */
  forgetOthers(targets: string[]): void {
    const known = new Set(targets);
    for (const target of this.#stale) if (!known.has(target)) this.#stale.delete(target);
  }

  /**
   * Runs one mount from this server, after those that came before. `unavailable` at once while the
   * server is known not to answer.
   */
  async mount<T>(server: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#refuse(server);
    return await this.#turns.inTurn(`mount ${server}`, async () => {
      this.#refuse(server); // the mount before this one may have found it silent
      const begun = this.#now();
      this.#mounting.set(server, begun);
      try {
        const made = await work();
        this.#answered(server);
        return made;
      } catch (error) {
        const isSilence = this.#now() - begun >= SLOW_MS && isPsoError(error, "timeout") ||
          SILENT.test(messageOf(error));
        if (isSilence) this.#unanswered(server, messageOf(error));
        throw error;
      } finally {
        this.#mounting.delete(server);
      }
    }, signal);
  }

  /**
   * Runs one short look at what is mounted from this server, after those that came before.
   * `unavailable` when it does not answer; at once when that is known already, unless `again` is
   * set. Any other error of `work` is an answer, and passes.
   */
  async ask<T>(
    server: string,
    work: () => Promise<T>,
    { again = false, signal }: AskOptions = {},
  ): Promise<T> {
    if (!again) this.#refuse(server);
    return await this.#turns.inTurn(`ask ${server}`, async () => {
      if (!again) this.#refuse(server);
      try {
        const found = await work();
        this.#answered(server);
        return found;
      } catch (error) {
        const said = messageOf(error);
        if (signal?.aborted) throw error;
        if (isPsoError(error, "timeout") || SILENT.test(said)) {
          this.#unanswered(server, said);
          throw this.#refusal(server);
        }
        this.#answered(server);
        throw error;
      }
    }, signal);
  }

  /**
   * Asks for the use of what is mounted at `target` (statfs(2)): `stale` when the server says that
   * it is no longer there. Throws as ask().
   */
  async probe(
    server: string,
    { target, ...options }: AskOptions & { target: string },
  ): Promise<"answers" | "stale"> {
    try {
      await this.ask(server, () => readFileSystemUse(this.#host, target, options.signal), options);
    } catch (error) {
      if (STALE.test(messageOf(error))) {
        this.#stale.add(target);
        return "stale";
      }
      if (options.signal?.aborted || this.#silent.has(server)) throw error;
      this.#log.debug("NFS probe", { server, target, reason: messageOf(error) });
    }
    this.#stale.delete(target);
    return "answers";
  }

  #refuse(server: string): void {
    const begun = this.#mounting.get(server);
    const found = this.#silent.get(server);
    if (found && (begun !== undefined || this.#now() - found.lastMs < RETRY_AFTER_MS)) {
      throw this.#refusal(server);
    }
    if (begun === undefined || this.#now() - begun < SLOW_MS) return;
    this.#unanswered(
      server,
      `a mount from it has been waiting for ${Math.round((this.#now() - begun) / 1000)} s`,
    );
    throw this.#refusal(server);
  }

  #refusal(server: string): PsoError {
    const { sinceMs, reason } = this.#silent.get(server) ??
      { sinceMs: this.#now(), reason: "no answer" };
    const seconds = Math.round((this.#now() - sinceMs) / 1000);
    return new PsoError(
      "unavailable",
      `NFS server ${server} has not answered this node for ${seconds} s (${reason}): nothing is ` +
        "mounted from it before it answers; check the server and the data network",
    );
  }

  #unanswered(server: string, reason: string): void {
    const now = this.#now();
    const before = this.#silent.get(server);
    if (!before) this.#log.warn("NFS server does not answer", { server, reason });
    this.#silent.set(server, { server, sinceMs: before?.sinceMs ?? now, lastMs: now, reason });
  }

  #answered(server: string): void {
    if (!this.#silent.delete(server)) return;
    this.#log.info("NFS server answers again", { server });
  }
}
