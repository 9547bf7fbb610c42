import { PsoError } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import type { ArrayStatus } from "../array.ts";
import { REST_LIMITS } from "./limits.ts";
import type { ArrayContext } from "./named_objects.ts";
import { RestError } from "./refusals.ts";
import { count, type Fields, number, type Reader, record, ShapeFault, text } from "./shape.ts";

/** What GET arrays says on both kinds of array. */
export interface ArrayIdentityItem {
  id?: string;
  name?: string;
  version?: string;
  eradication_config?: { manual_eradication?: string } | null;
}

/**
 * Reads a text that is only shown to people, and cut for them: whatever an array gives there, it
 * stays usable.
 */
export const shownText: Reader<string> = (value) =>
  typeof value === "string" ? foreignText(value, REST_LIMITS.arrayNameChars.value) : "";

const shortText = text(REST_LIMITS.arrayNameChars.value);

/** The id of an array: its first eight digits begin every handle. */
const arrayId: Reader<string> = (value, at) => {
  const id = shortText(value, at);
  if (/^[0-9a-fA-F]{8}[0-9a-fA-F-]*$/.test(id)) return id;
  throw new ShapeFault(`${at} is no id of an array`);
};

/** The array's own name, as messages show it. */
const arrayName: Reader<string> = (value, at) => {
  const name = shortText(value, at);
  if (/^[\p{L}\p{N}._ -]+$/u.test(name)) return name;
  throw new ShapeFault(`${at} is no name of an array`);
};

/** How the fields of an ArrayIdentityItem are read. */
export const identityFields: Fields<ArrayIdentityItem> = {
  id: arrayId,
  name: arrayName,
  version: shortText,
  eradication_config: (value) => ({ manual_eradication: eradicationWord(value) }),
};

/** What a whole array says of its space. */
export interface ArraySpace {
  total_physical?: number | null;
  total_used?: number | null;
  total_provisioned?: number | null;
}

/** Reads an ArraySpace. The sum of sizes only ranks arrays: no value of it makes one unusable. */
export const arraySpace: Reader<ArraySpace> = record<ArraySpace>({
  total_physical: count,
  total_used: count,
  total_provisioned: number,
});

/** The sum of all sizes as ArrayStatus has it; nothing where the array gives no such number. */
export function provisionedOf(
  space: ArraySpace | null | undefined,
): Pick<ArrayStatus, "provisionedBytes"> {
  const bytes = space?.total_provisioned ?? -1;
  return bytes >= 0 ? { provisionedBytes: bytes } : {};
}

/** An array without such a word, or with something else there, stays usable. */
function eradicationWord(config: unknown): string {
  const word = typeof config === "object" && config !== null
    ? Reflect.get(config, "manual_eradication")
    : undefined;
  return shownText(word, "manual_eradication");
}

/** The word of an array's own setting, for its status. */
export function manualEradicationOf(
  { eradication_config: config }: ArrayIdentityItem,
): Pick<ArrayStatus, "manualEradication"> {
  const word = config?.manual_eradication;
  return word ? { manualEradication: word } : {};
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

const performance: Reader<PerformanceItem> = record<PerformanceItem>({
  time: number,
  reads_per_sec: number,
  writes_per_sec: number,
  others_per_sec: number,
  usec_per_read_op: number,
  usec_per_write_op: number,
  usec_per_other_op: number,
});

/** The array itself. `unavailable` when it gives no id: volumes could not be told apart then. */
export async function readArray<T extends ArrayIdentityItem>(
  { rest, label }: ArrayContext,
  item: Reader<T>,
  signal?: AbortSignal,
): Promise<T & { id: string; name: string }> {
  const [found] = (await rest.call<T>({ method: "GET", path: "arrays", item, signal })).items;
  const { id, name } = found ?? {};
  if (found && id && name) return { ...found, id, name };
  throw new PsoError(
    "unavailable",
    `array ${label()} does not say who it is: GET arrays returned no id and name`,
  );
}

/** The samples that an array keeps itself: means over so many milliseconds. */
const AVERAGED_MS = 30_000;

/**
 * How long the array takes for an operation, as the mean of its last 30 seconds, or of its newest
 * sample when it refuses the longer one; undefined when it does not say. A role that may not read it
 * must not make the array unusable, so that every refusal counts as none.
 */
export async function readLatency(
  { rest }: ArrayContext,
  signal?: AbortSignal,
): Promise<ArrayStatus["latency"]> {
  const path = "arrays/performance";
  for (const query of [{ resolution: `${AVERAGED_MS}` }, {}]) {
    try {
      const call = { method: "GET", path, query, item: performance, signal } as const;
      const latency = latencyOf((await rest.call<PerformanceItem>(call)).items);
      if (latency !== undefined) return latency;
    } catch (error) {
      if (!(error instanceof RestError) || error.refusal === "trouble") throw error;
    }
  }
  return undefined;
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
