import type { FoundLevel } from "../check/found.ts";

/** What `admin doctor` looks for. */
export type DoctorCheck =
  | "volume without PV"
  | "PV without volume"
  | "wrong host"
  | "stale host"
  | "doubly connected"
  | "size mismatch"
  | "stale initiator"
  | "export to nobody"
  | "snapshot without content"
  | "another cluster";

/** Names, ids and times that prove a finding; what is not known is left out. */
export interface Evidence {
  array?: string;
  volume?: string;
  serial?: string;
  /** ISO 8601 */
  created?: string;
  sizeBytes?: number;
  snapshot?: string;
  hosts?: readonly string[];
  initiators?: readonly string[];
  address?: string;
  /** Value of the volume's tag `cluster`. */
  tag?: string;
  pv?: string;
  pvUid?: string;
  pvSizeBytes?: number;
  handle?: string;
  claim?: string;
  accessModes?: readonly string[];
  nodes?: readonly string[];
}

/** What is out of order, proved by what both sides said. */
export interface Diagnosis {
  /** `fail`: data is at stake or a pod cannot start; `warn`: it costs room or confuses. */
  level: Exclude<FoundLevel, "ok">;
  check: DoctorCheck;
  /** What it is about, by its name. */
  object: string;
  what: string;
  evidence: Evidence;
  /** What to do, in words. */
  plan: string;
}

/** What could not be found out, and why. It says nothing against the object. */
export interface Unknown {
  check: DoctorCheck | "everything";
  object: string;
  why: string;
}

/** What a look at both sides gave. */
export interface Diagnoses {
  findings: Diagnosis[];
  unknown: Unknown[];
}

/** What was read, or why it could not be. */
export type Known<T> = { value: T; why?: undefined } | { value?: undefined; why: string };

/** What younger than this is on an array alone may still be in the making. */
export const YOUNG_MS = 10 * 60_000;

/** A time of an array as people write it; undefined when it gave none. */
export function timeText(ms: number): string | undefined {
  return ms > 0 ? new Date(ms).toISOString() : undefined;
}
