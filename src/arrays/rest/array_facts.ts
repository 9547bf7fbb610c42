import { isPsoError, PsoError } from "../../errors.ts";
import type { ArrayStatus } from "../array.ts";
import type { ArrayContext } from "./named_objects.ts";

/** What GET arrays says on both kinds of array. */
export interface ArrayIdentityItem {
  id?: string;
  name?: string;
  version?: string;
}

/** An item of GET arrays/performance: one sample of the whole array. */
interface PerformanceItem {
  time?: number;
  reads_per_sec?: number | null;
  writes_per_sec?: number | null;
  others_per_sec?: number | null;
  usec_per_read_op?: number | null;
  usec_per_write_op?: number | null;
  usec_per_other_op?: number | null;
}

/** The array itself. `unavailable` when it gives no id: volumes could not be told apart then. */
export async function readArray<T extends ArrayIdentityItem>(
  { rest, label }: ArrayContext,
  signal?: AbortSignal,
): Promise<T & { id: string; name: string }> {
  const item = (await rest.call<T>({ method: "GET", path: "arrays", signal })).items[0];
  const { id, name } = item ?? {};
  if (item && id && name) return { ...item, id, name };
  throw new PsoError(
    "unavailable",
    `array ${label()} does not say who it is: GET arrays returned no id and name`,
  );
}

/**
 * How long the array takes for an operation; undefined when it does not say. A role that may not read it must not make the
 * array unusable, so that every refusal counts as none.
 */
export async function readLatency(
  { rest }: ArrayContext,
  signal?: AbortSignal,
): Promise<ArrayStatus["latency"]> {
  try {
    const path = "arrays/performance";
    return latencyOf((await rest.call<PerformanceItem>({ method: "GET", path, signal })).items);
  } catch (error) {
    if (isPsoError(error, "timeout", "unavailable")) throw error;
    return undefined;
  }
}

/** Mean over reads, writes and the rest of the newest sample; undefined without one. */
export function latencyOf(samples: PerformanceItem[]): ArrayStatus["latency"] {
  const newest = samples.reduce<PerformanceItem | undefined>(
    (best, one) => (best?.time ?? -1) > (one.time ?? 0) ? best : one,
    undefined,
  );
  if (!newest) return undefined;
  const kinds = [
    [newest.reads_per_sec ?? 0, newest.usec_per_read_op ?? 0],
    [newest.writes_per_sec ?? 0, newest.usec_per_write_op ?? 0],
    [newest.others_per_sec ?? 0, newest.usec_per_other_op ?? 0],
  ] as const;
  const opsPerSecond = kinds.reduce((sum, [ops]) => sum + ops, 0);
  const usec = kinds.reduce((sum, [ops, usecPerOp]) => sum + ops * usecPerOp, 0);
  return { usecPerOp: opsPerSecond > 0 ? usec / opsPerSecond : 0, opsPerSecond };
}
