import { createHash } from "node:crypto";
import type { ArrayConfig } from "../../config/model.ts";
import type { ChangeFence } from "../../async/fence.ts";
import type { Logger } from "../../log.ts";
import { Secret } from "../../secret.ts";
import type { StorageArray } from "../array.ts";
import type { FleetEntry } from "../fleet.ts";
import { type ArrayCall, type OpenArray, openArray } from "../open.ts";
import type { FleetClients } from "./roster.ts";

/** What ArrayClients needs besides the entries. */
interface ArrayClientsOptions {
  log: Logger;
  /** Whether arrays may be changed; default: always. */
  fence?: ChangeFence;
  /** Stands in for openArray() in tests. */
  open?: typeof openArray;
}

/**
 * The clients of the configured arrays, and of those that were taken out and still hold something.
 * When the configuration changes, an entry that stays as it was keeps its client, and with it the
 * session, the connections and all that the fleet knows. The fleet says what becomes of others:
 * only it knows which arrays they are.
 */
export class ArrayClients implements FleetClients {
  /** Told of every REST call of every client; set once the metrics are there. */
  onCall: (call: ArrayCall) => void = () => {};
  readonly #log: Logger;
  readonly #fence: ChangeFence | undefined;
  readonly #open: typeof openArray;
  /** By the entry that each is reached by: its clientKey(). */
  readonly #clients = new Map<string, OpenArray>();

  constructor({ log, fence, open = openArray }: ArrayClientsOptions) {
    this.#log = log;
    this.#fence = fence;
    this.#open = open;
  }

  /**
   * Takes up the entries of a configuration: opens what is new or changed, closes nothing, and
   * answers with a member of the fleet for each entry, in their order.
   */
  take(entries: readonly ArrayConfig[]): FleetEntry[] {
    return entries.map((entry): FleetEntry => {
      const key = clientKey(entry);
      const client = this.#clients.get(key) ?? this.#openOne(entry);
      this.#clients.set(key, client);
      return { array: client.array, labels: entry.labels, suspended: entry.suspended };
    });
  }

  /** `stays` is reached from now on as `other` is, which is the same array by a changed entry. */
  join(stays: StorageArray, other: StorageArray): void {
    const [[key, client] = [], [otherKey, otherClient] = []] = [this.#of(stays), this.#of(other)];
    if (key === undefined || otherKey === undefined || !client || !otherClient) return;
    client.take(otherClient);
    this.#clients.delete(key);
    this.#clients.set(otherKey, client);
  }

  /** The array is needed no more: its calls that are under way end first. */
  leave(array: StorageArray): void {
    const [key, client] = this.#of(array) ?? [];
    if (key === undefined) return;
    this.#clients.delete(key);
    client?.retire();
  }

  /** Ends every session and closes every connection. Never throws. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  #of(array: StorageArray): [string, OpenArray] | undefined {
    return [...this.#clients].find(([, client]) => client.array === array);
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
