import { messageOf, PsoError } from "../errors.ts";
import { parseIp, printIp } from "../net/cidr.ts";
import type { ArrayKind } from "./array_kinds.ts";

/** What makes an array the same one after a restart. */
export interface RosterEntry {
  kind: ArrayKind;
  name: string;
  /** UUID. */
  id: string;
  /** API token. */
  token: string;
  /** Port of its management endpoint once it was bound; 0 before. */
  port: number;
}

/** The fleet as it is kept in `fleet.json` of the state folder. */
export interface Roster {
  /** Port of --listen at the time when the ports were chosen. */
  listenPort: number;
  /** Port of the control endpoint. */
  controlPort: number;
  /** How far the clock was moved. */
  clockOffsetMs: number;
  arrays: RosterEntry[];
}

const PREFIXES: Record<ArrayKind, string> = { flasharray: "fa", flashblade: "fb" };

/** Reads `fleet.json`, or gives an empty roster. PsoError `unavailable` when it cannot be read. */
export function readRoster(path: string): Roster {
  try {
    return JSON.parse(Deno.readTextFileSync(path)) as Roster; // written by writeRoster()
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { listenPort: 0, controlPort: 0, clockOffsetMs: 0, arrays: [] };
    }
    throw new PsoError(
      "unavailable",
      `simulator state ${path} cannot be read: ${
        messageOf(error)
      }; remove the state folder to start empty`,
      {
        cause: error,
      },
    );
  }
}

/** Replaces the file atomically. Only root may read it: it holds the tokens. */
export function writeRoster(path: string, roster: Roster): void {
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(roster, undefined, 2) + "\n", {
    mode: 0o600,
  });
  Deno.renameSync(`${path}.new`, path);
}

/**
 * The wanted numbers of arrays, `fa-1`, `fa-2`, … `fb-1`, …: known ones keep what makes them the
 * same, others get it now.
 */
export function enlist(known: RosterEntry[], wanted: Record<ArrayKind, number>): RosterEntry[] {
  const kinds: ArrayKind[] = ["flasharray", "flashblade"];
  return kinds.flatMap((kind) =>
    Array.from({ length: wanted[kind] }, (_, at): RosterEntry => {
      const name = `${PREFIXES[kind]}-${at + 1}`;
      const before = known.find((entry) => entry.kind === kind && entry.name === name);
      return before ?? { kind, name, id: crypto.randomUUID(), token: crypto.randomUUID(), port: 0 };
    })
  );
}

/** The address that comes `steps` after `first`. PsoError `invalid` for what is no IP address. */
export function nextAddress(first: string, steps: number): string {
  const address = parseIp(first);
  if (address === undefined) {
    throw new PsoError(
      "invalid",
      `arrays cannot have an address each from ${first} on: give the first IP address in --listen`,
    );
  }
  return printIp({ ...address, value: address.value + BigInt(steps) });
}

/** What decides about the port of an array. */
interface PortWish {
  /** Its port in an earlier life; 0 = none. */
  saved: number;
  /** Port of the first array; 0 = any free one. */
  listenPort: number;
  /** The array's place in the fleet, from 0. */
  at: number;
  /** True: clients know the address already. */
  isFixed: boolean;
}

/** The ports to try for an array, in order; 0 takes any free one. */
export function portsToTry(options: PortWish): number[] {
  if (options.isFixed) return [options.listenPort + options.at];
  if (options.saved !== 0) return [options.saved];
  // A neighbour of the wanted port may be taken by somebody else: any free one will do then.
  return options.listenPort === 0
    ? [0]
    : options.at === 0
    ? [options.listenPort]
    : [options.listenPort + options.at, 0];
}
