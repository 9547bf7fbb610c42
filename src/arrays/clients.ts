import { createHash } from "node:crypto";
import type { ArrayConfig } from "../config/model.ts";
import type { ChangeFence } from "../async/fence.ts";
import type { Logger } from "../log.ts";
import { Secret } from "../secret.ts";
import type { FleetEntry } from "./fleet.ts";
import { type ArrayCall, type OpenArray, openArray } from "./open.ts";

/** What ArrayClients needs besides the entries. */
interface ArrayClientsOptions {
  log: Logger;
  /** Whether arrays may be changed; default: always. */
  fence?: ChangeFence;
  /** Stands in for openArray() in tests. */
  open?: typeof openArray;
}

/**
 * The clients of the configured arrays. When the configuration changes, an entry that stays as it
 * was keeps its client, and with it the session, the connections and all that the fleet knows.
 */
export class ArrayClients {
  /** Told of every REST call of every client; set once the metrics are there. */
  onCall: (call: ArrayCall) => void = () => {};
  readonly #log: Logger;
  readonly #fence: ChangeFence | undefined;
  readonly #open: typeof openArray;
  /** By clientKey(). */
  #clients = new Map<string, OpenArray>();

  constructor({ log, fence, open = openArray }: ArrayClientsOptions) {
    this.#log = log;
    this.#fence = fence;
    this.#open = open;
  }

  /**
   * Takes up the entries of a configuration: opens what is new or changed, begins to close what is
   * gone, and answers with a member of the fleet for each entry, in their order.
   */
  take(entries: readonly ArrayConfig[]): FleetEntry[] {
    const before = this.#clients;
    this.#clients = new Map();
    const members = entries.map((entry): FleetEntry => {
      const key = clientKey(entry);
      const client = this.#clients.get(key) ?? before.get(key) ?? this.#openOne(entry);
      this.#clients.set(key, client);
      return { array: client.array, labels: entry.labels, suspended: entry.suspended };
    });
    for (const [key, client] of before) if (!this.#clients.has(key)) void client.close();
    return members;
  }

  /** Ends every session and closes every connection. Never throws. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  #openOne(entry: ArrayConfig): OpenArray {
    return this.#open(entry, {
      log: this.#log,
      fence: this.#fence,
      onCall: (call) => this.onCall(call),
    });
  }
}

/**
 * SHA-256 of a whole entry in hexadecimal, its secrets included but not shown: equal keys, equal
 * entries. A field that comes to the entries later counts by itself. Three things do not count:
 * where the entry stands in the file, its labels and whether it is suspended. The fleet takes the
 * last two from the entry each time. A client never sees them, and a new client would make the
 * fleet list the whole array again.
 */
function clientKey(
  { path: _path, labels: _labels, suspended: _suspended, ...entry }: ArrayConfig,
): string {
  return createHash("sha256").update(JSON.stringify(plainValue(entry))).digest("hex");
}

/** Secrets as their text, and the members of an object in one order. */
function plainValue(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .map(([name, one]) => [name, plainValue(one)])
    .sort(([one], [other]) => String(one) < String(other) ? -1 : 1);
}
