import type { ErrorCode } from "../../errors.ts";

/** An array that cannot take the volume, and why. */
export interface Rejection {
  /** `PlacementArray.key`. */
  key: string;
  /** Its label. */
  array: string;
  /** Continues the sentence that the array's name begins: `serves no block volumes`. */
  reason: string;
  /** It would fit if it were healthy: that may pass. */
  passing: boolean;
  /** What an administrator may do about it: a clause for `waitText`. */
  mend?: string;
}

/** Arrays that are named for one reason, and reasons that are told: an Event has 1 KiB. */
const NAMES_MAX = 3;
const REASONS_MAX = 8;

/** Every reason once, with the arrays that it holds for: those that may pass come first. */
export function reasonsText(rejected: readonly Rejection[]): string {
  const ordered = [...rejected.filter(isPassing), ...rejected.filter((one) => !isPassing(one))];
  const groups = new Map<string, string[]>();
  for (const { array, reason } of ordered) {
    groups.set(reason, [...groups.get(reason) ?? [], array]);
  }
  const told = [...groups].slice(0, REASONS_MAX);
  const untold = [...groups].slice(REASONS_MAX).reduce((sum, [, names]) => sum + names.length, 0);
  const texts = told.map(([reason, names]) =>
    names.length === 1 ? `${names[0]} ${reason}` : `each of ${namesText(names)} ${reason}`
  );
  return [...texts, ...(untold > 0 ? [`the controller's log has ${untold} more`] : [])].join(", ");
}

/** What a claim that no array takes waits for, and what to do: continues `It waits `. */
export function waitText(rejected: readonly Rejection[], code: ErrorCode): string {
  if (code === "unsupported") {
    return "for nothing that comes by itself; create an empty volume and copy the data";
  }
  const passing = rejected.filter(isPassing).map(({ array }) => array);
  if (passing.length > 0) return `for ${namesText(passing)}; it is tried again`;
  const mends = new Set(rejected.flatMap(({ mend }) => mend ?? []));
  return `until an array takes it; ${[...mends, "add space or change the class"].join(", ")}`;
}

function isPassing({ passing }: Rejection): boolean {
  return passing;
}

function namesText(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  return `${names.slice(0, NAMES_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
