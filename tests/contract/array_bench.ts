import { ok } from "node:assert/strict";
import { PsoError } from "../../src/errors.ts";
import type { AdminArray } from "../../src/arrays/rest/admin_array.ts";
import { type ArrayEntry, openArray, type OpenOptions } from "../../src/arrays/open.ts";
import type { NodeIdentity } from "../../src/handoff.ts";
import { silentLogger } from "../../src/log.ts";
import { Secret } from "../../src/secret.ts";
import type { ServedFleet, SimulateOptions } from "../../src/simulator/simulate.ts";
import { withSimulated } from "./simulated_array.ts";

export type Kind = ArrayEntry["kind"];

export interface Fault {
  /** Name of one array; absent = all. */
  array?: string;
  match?: { method?: string; path?: string };
  after?: number;
  times?: number;
  action: "delay" | "status" | "drop-before" | "drop-after" | "stale" | "full";
  value?: number;
}

/** One simulated array with one client of ours, and the simulator's own counts. */
export interface ArrayBench {
  kind: Kind;
  array: AdminArray;
  fleet: ServedFleet;
  /** The array's entry; `address` for tests that make a connection of their own. */
  endpoint: ArrayEntry & { address: string };
  open(changes?: Partial<ArrayEntry>, options?: Partial<OpenOptions>): AdminArray;
  fault(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
  endSessions(): Promise<void>;
  /** `METHOD /path` of each REST call that `work` made, in order of their end. */
  calls(work: () => Promise<unknown>): Promise<string[]>;
}

export interface BenchOptions extends Partial<SimulateOptions> {
  kind: Kind;
  /** REST versions that the array serves; absent = all that the simulator has. */
  restVersions?: string[];
}

/** Numbers of 2.N from `first` to `last` that exist on a FlashArray. */
export function versionsUpTo(last: number): string[] {
  return Array.from({ length: last + 1 }, (_, minor) => minor).filter((minor) =>
    minor !== 12 && minor !== 18
  ).map((minor) => `2.${minor}`);
}

export function node(number: number, changes: Partial<NodeIdentity> = {}): NodeIdentity {
  return {
    name: `node-${number}`,
    protocols: ["local"],
    iqn: `iqn.1993-08.org.debian:01:node${number}`,
    nqn: `nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-00000000000${number}`,
    wwpns: [],
    addresses: [`127.0.0.1${number}`],
    ...changes,
  };
}

/**
 * Runs `test` against an array of its own; at the end every answer must have fitted the OpenAPI
 * file of its version.
 */
export async function withArray(
  options: BenchOptions,
  test: (bench: ArrayBench) => Promise<void>,
): Promise<void> {
  const { kind, restVersions, ...rest } = options;
  const served = { ...(restVersions ? { versions: { [kind]: restVersions } } : {}), ...rest, kind };
  const checker = await withSimulated(served, async (fleet) => {
    const closers: (() => Promise<void>)[] = [];
    try {
      await test(benchOf(fleet, kind, closers));
    } finally {
      await control(fleet, "DELETE", "/faults");
      for (const close of closers) await close();
    }
  });
  if (checker.problems().length > 0) {
    throw new Error(
      `answers do not fit their OpenAPI file: ${JSON.stringify(checker.problems(), null, 1)}`,
    );
  }
}

function benchOf(fleet: ServedFleet, kind: Kind, closers: (() => Promise<void>)[]): ArrayBench {
  const [entry] = fleet.arrays;
  ok(entry);
  const endpoint = {
    kind,
    scheme: entry.ca === undefined ? "http" as const : "https" as const,
    managementAddress: entry.address,
    address: entry.address,
    token: new Secret(entry.token),
    tls: entry.ca === undefined
      ? { verify: true }
      : { verify: true, caPem: Deno.readTextFileSync(entry.ca) },
  };
  const open = (changes: Partial<ArrayEntry> = {}, options: Partial<OpenOptions> = {}) => {
    const opened = openArray({ ...endpoint, ...changes }, { log: silentLogger, ...options });
    closers.push(opened.close);
    return opened.array;
  };
  return {
    kind,
    fleet,
    endpoint,
    open,
    array: open(),
    fault: async (fault) => void await control(fleet, "POST", "/faults", fault),
    clearFaults: async () => void await control(fleet, "DELETE", "/faults"),
    endSessions: async () => void await control(fleet, "DELETE", "/sessions"),
    calls: async (work) => {
      await control(fleet, "DELETE", "/requests");
      await work();
      const report: { last: { method: string; path: string }[] } = await control(
        fleet,
        "GET",
        "/requests",
      );
      return report.last.map(({ method, path }) => `${method} ${path}`);
    },
  };
}

async function control(
  fleet: ServedFleet,
  method: string,
  path: string,
  body?: unknown,
  // deno-lint-ignore no-explicit-any -- JSON of the simulator's control endpoint, for tests only
): Promise<any> {
  const response = await fetch(`${fleet.control}${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new PsoError("invalid", `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}
