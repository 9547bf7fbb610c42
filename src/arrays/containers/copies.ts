import { nameKey, podOfVolume } from "../../names.ts";
import type { ArrayStatus } from "../array.ts";
import { arrayHintOf } from "../fleet_member.ts";
import { podNamed } from "./container_state.ts";

/** A volume as one array shows it. */
interface ShownVolume {
  status?: ArrayStatus;
  name: string;
  serial?: string;
}

/** How the copies of a volume are told, and which one stands for all. */
interface CopyRules<T> {
  shownOf: (item: T) => ShownVolume;
  /** The one that somebody means; absent: nobody means one. */
  isMeant?: (item: T) => boolean;
}

/**
 * The volumes, those of a pod that is stretched over several arrays once: as the array shows them
 * that somebody means, else as the one that made them, which their serial number tells.
 */
export function onceEach<T>(
  seen: readonly T[],
  { shownOf, isMeant = () => false }: CopyRules<T>,
): T[] {
  const keyOf = (item: T) => {
    const { status, name, serial } = shownOf(item);
    const pod = podNamed(status?.containers, podOfVolume(name) ?? "");
    return pod?.arrays && serial ? `${serial} ${nameKey(name)}` : undefined;
  };
  const isMaker = (item: T) => {
    const { status, serial = "" } = shownOf(item);
    return status !== undefined && serial.toLowerCase().startsWith(arrayHintOf(status.id));
  };
  const chosen = new Map<string, T>();
  const rank = (item: T) => isMeant(item) ? 2 : isMaker(item) ? 1 : 0;
  for (const item of seen) {
    const key = keyOf(item);
    const before = key === undefined ? undefined : chosen.get(key);
    if (key !== undefined && (before === undefined || rank(item) > rank(before))) {
      chosen.set(key, item);
    }
  }
  return seen.filter((item) => {
    const key = keyOf(item);
    return key === undefined || chosen.get(key) === item;
  });
}
