import type { Clock } from "./clock.ts";

/** REST sessions end after 30 minutes without a call (FlashArray REST API 1.13 guide). */
const DEFAULT_IDLE_MS = 30 * 60_000;

/**
 * The logins of one array: one API token at a time, sessions in memory until they idle out or this
 * process ends.
 */
export class Sessions {
  #apiToken: string;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #usedMs = new Map<string, number>();
  constructor(apiToken: string, options: { clock: Clock; idleMs?: number }) {
    this.#apiToken = apiToken;
    this.#clock = options.clock;
    this.#idleMs = options.idleMs ?? DEFAULT_IDLE_MS;
  }

  /** From now on no other token logs in; sessions that live go on. */
  changeToken(apiToken: string): void {
    this.#apiToken = apiToken;
  }

  /** A new session token, or `undefined` for a wrong API token. */
  login(apiToken: string): string | undefined {
    if (apiToken.toLowerCase() !== this.#apiToken.toLowerCase()) return undefined;
    const token = crypto.randomUUID();
    this.#usedMs.set(token, this.#clock.now());
    return token;
  }

  /** True while the session lives; a use renews it. */
  use(token: string): boolean {
    const used = this.#usedMs.get(token);
    if (used === undefined) return false;
    const now = this.#clock.now();
    if (now - used > this.#idleMs) {
      this.#usedMs.delete(token);
      return false;
    }
    this.#usedMs.set(token, now);
    return true;
  }

  logout(token: string): void {
    this.#usedMs.delete(token);
  }

  /** Ends every session, as a restart or fail-over of an array does. */
  endAll(): void {
    this.#usedMs.clear();
  }
}
