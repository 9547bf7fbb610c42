import type { Fetch } from "../../../net/https.ts";
import { RestSession, type SentCall, type SessionOptions } from "./session.ts";

/** What a way is made of. */
interface WayOptions extends Omit<SessionOptions, "onCall"> {
  /** Told of each login and logout, and of each look at the versions. */
  onCall: (call: SentCall) => void;
  /** Closes the connections of `fetch`; absent: they are somebody else's. */
  close?: () => void;
}

/**
 * One way to an array: its connections, and the session that its API token opens. A client may get
 * another way at any time; what is under way ends on the one that it began on.
 */
export class Way {
  readonly fetch: Fetch;
  readonly session: RestSession;
  /** As in the options; whoever takes the way over hears of its logins from then on. */
  onCall: (call: SentCall) => void;
  readonly #close: () => void;
  #users = 0;
  #isRetired = false;

  constructor({ close = () => {}, onCall, ...options }: WayOptions) {
    this.fetch = options.fetch;
    this.onCall = onCall;
    this.session = new RestSession({ ...options, onCall: (call) => this.onCall(call) });
    this.#close = close;
  }

  /** Runs work that needs this way: until it has ended, the way stays open. */
  async use<T>(work: (way: Way) => Promise<T>): Promise<T> {
    this.#users++;
    try {
      return await work(this);
    } finally {
      this.#users--;
      this.#endUnused();
    }
  }

  /** No further work begins here: the way ends as soon as the last work on it has. Never throws. */
  retire(): void {
    this.#isRetired = true;
    this.#endUnused();
  }

  /** Ends session and connections, whoever still uses them. Never throws. */
  async end(): Promise<void> {
    await this.session.logout();
    this.#close();
  }

  #endUnused(): void {
    if (this.#isRetired && this.#users === 0) void this.end();
  }
}
