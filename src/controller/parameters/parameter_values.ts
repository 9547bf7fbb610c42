import { PsoError } from "../../errors.ts";
import { GiB, KiB, MiB } from "../../size.ts";

/** Least limit of IOPS of a FlashArray volume, as its REST API states it; PSO 6 took the same. */
export const IOPS_MIN = 100;
/** Most IOPS that a limit may allow. */
export const IOPS_MAX = 100_000_000;
/** Least limit of bandwidth, per second. */
export const BANDWIDTH_MIN_BYTES = MiB;
/** Most bytes per second that a limit may allow. */
export const BANDWIDTH_MAX_BYTES = 512 * GiB;
const BANDWIDTH_UNITS: Record<string, number> = { "": 1, K: KiB, M: MiB, G: GiB };
/** Longest mkfs options and export rules: they travel in volume_context or in a REST body. */
export const TEXT_MAX = 1024;
/** What plainText() takes, in words. */
export const ONE_LINE = `one line of at most ${TEXT_MAX} characters`;

/** What a refusal says of a parameter. */
interface Named {
  name: string;
  /** What it takes, after "wanted". */
  takes: string;
}

/** `invalid`, with the parameter, its value and what is wanted. */
export function refuse({ name, takes }: Named, value: string): PsoError {
  return new PsoError(
    "invalid",
    `class parameter ${name} is ${JSON.stringify(value)}, wanted ${takes}`,
  );
}

/** The choice of that name, in any case of letters; refused when there is none. */
export function oneOf<T>(parameter: Named, value: string, choices: Record<string, T>): T {
  const name = value.trim().toLowerCase();
  const found = Object.hasOwn(choices, name) ? choices[name] : undefined;
  if (found === undefined) throw refuse(parameter, value);
  return found;
}

/** The text without blanks around it; refused when it is too long or has control characters. */
export function plainText(parameter: Named, value: string): string {
  const text = value.trim();
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (text.length > TEXT_MAX || /[\x00-\x1f\x7f]/.test(text)) {
    throw refuse(parameter, value.slice(0, 60));
  }
  return text;
}

/** Whether the value takes a limit away. */
export function isNone(value: string): boolean {
  return value.trim().toLowerCase() === "none";
}

/** What a limit of IOPS takes. */
export const IOPS_TAKEN = `a whole number from ${IOPS_MIN} to ${IOPS_MAX}, or none`;
/** What a limit of bandwidth takes. */
export const BANDWIDTH_TAKEN =
  `bytes per second (${BANDWIDTH_MIN_BYTES} to ${BANDWIDTH_MAX_BYTES}, a multiple of 512) or a ` +
  "number with K, M or G, such as 100M, or none";

/** Operations per second within what an array takes. */
export function readIops(parameter: Named, value: string): number {
  const limit = /^\d{1,12}$/.test(value.trim()) ? Number(value) : NaN;
  if (limit >= IOPS_MIN && limit <= IOPS_MAX) return limit;
  throw refuse(parameter, value);
}

/** Bytes per second within what an array takes; K, M and G are powers of 1024. */
export function readBandwidth(parameter: Named, value: string): number {
  const [, digits, unit] = /^(\d{1,15})\s*([KMG]?)$/.exec(value.trim().toUpperCase()) ?? [];
  const bytes = Number(digits ?? NaN) * (BANDWIDTH_UNITS[unit ?? ""] ?? NaN);
  if (bytes >= BANDWIDTH_MIN_BYTES && bytes <= BANDWIDTH_MAX_BYTES && bytes % 512 === 0) {
    return bytes;
  }
  throw refuse(parameter, value);
}

/** Groups of one class: each costs a call when a volume joins it later. */
const GROUPS_MAX = 10;
/** What `protection_groups` of a class takes. */
export const GROUPS_TAKEN =
  `1 to ${GROUPS_MAX} different names of protection groups with commas between, with their pod as ` +
  "pod::group where they have one";

const GROUP_NAME =
  /^([a-zA-Z0-9][a-zA-Z0-9_-]{0,62}::)?[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$/;

/** The names of protection groups as arrays take them. */
export function readGroups(parameter: Named, value: string): string[] {
  const names = value.split(",").map((name) => name.trim());
  const areNames = names.every((name) => GROUP_NAME.test(name));
  const isDistinct = new Set(names.map((name) => name.toLowerCase())).size === names.length;
  if (areNames && isDistinct && names.length <= GROUPS_MAX) return names;
  throw refuse(parameter, value.slice(0, TEXT_MAX));
}
