import { arrayHintOf, type FleetMember, stretchOf } from "../../arrays/fleet.ts";
import { nameKey } from "../../names.ts";
import type { ControllerContext } from "../context.ts";
import type { LocatedVolume } from "../volume_locator.ts";

/** Volumes that are looked up at once. */
const NAMES_AT_ONCE = 50;

/**
 * Whether another array of the volume's stretched pod stands for it in lists: the one that made it,
 * whose id its handle and its serial begin with; else the first one.
 */
export function hasStandIn(
  fleet: Pick<ControllerContext["fleet"], "members">,
  { member, volume: { name, serial = "" } }: LocatedVolume,
): boolean {
  const members = stretchOf(fleet, { member, name })?.members ?? [];
  const isMaker = ({ id = "" }: FleetMember) => serial.toLowerCase().startsWith(arrayHintOf(id));
  return members.length > 1 && (members.find(isMaker) ?? members[0]) !== member;
}

/** Volumes by their names on one array. */
interface NamedVolumes {
  member: FleetMember;
  names: readonly string[];
}

/**
 * Those of the names, in lower case, for which another array of their stretched pod stands in
 * lists. While the array is silent, another one of the pod is asked; what none can say is shown. No
 * call where no pod is stretched.
 */
export async function namesShownElsewhere(
  { fleet }: Pick<ControllerContext, "fleet">,
  { member, names }: NamedVolumes,
  signal: AbortSignal,
): Promise<Set<string>> {
  const byAsked = new Map<FleetMember, string[]>();
  for (const name of new Set(names)) {
    const members = stretchOf(fleet, { member, name })?.members ?? [];
    const asked = member.problem ? members.find(({ problem }) => !problem) : member;
    if (members.length > 1 && asked) byAsked.set(asked, [...byAsked.get(asked) ?? [], name]);
  }
  const elsewhere = new Set<string>();
  for (const [{ array }, all] of byAsked) {
    for (let start = 0; start < all.length; start += NAMES_AT_ONCE) {
      const part = all.slice(start, start + NAMES_AT_ONCE);
      const { items } = await array.listVolumes({ names: part, limit: part.length }, signal);
      for (const volume of items) {
        if (hasStandIn(fleet, { member, volume })) elsewhere.add(nameKey(volume.name));
      }
    }
  }
  return elsewhere;
}
