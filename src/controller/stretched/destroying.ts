import type { Volume } from "../../arrays/array.ts";
import { arrayHintOf, type FleetMember, stretchOf } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import type { ControllerContext } from "../context.ts";
import { type Deletion, isAnother } from "../delete_memory.ts";
import { askAllSides, hostsText } from "./both_arrays.ts";
import { requireSafe } from "./without.ts";

/** Where a volume is destroyed. */
interface Target {
  place: MeantPlace;
  /** As `DeleteScope.onlyTagged`. */
  onlyTagged?: boolean;
  /** As its array shows it; absent where nothing was asked. */
  volume?: Volume;
}

/** A volume that is to be destroyed. */
interface Doomed {
  place: MeantPlace;
  /** What this process destroyed by the handle before; absent: it may be there again. */
  before?: Deletion;
}

/**
 * Where a volume is destroyed: at its place, without a call, unless its pod is stretched over
 * several arrays. Then none of them may have it connected (`in_use`). While the array of the place
 * is silent, another one destroys it if that says that the silent one is out of the pod, or that it
 * is offline in it and no user is known; else `unavailable`. Of an array that is out of the pod,
 * the serial must begin with its digits, or the tag tells. `destroyed` when it is so on all that
 * count, and `another` when what bears the name now came after what was destroyed before.
 */
export async function placeToDestroy(
  context: ControllerContext,
  { place, before }: Doomed,
  signal: AbortSignal,
): Promise<Target | "destroyed" | "another"> {
  const { name, member: home } = place;
  const stretch = stretchOf(context.fleet, place);
  if (!stretch) return { place };
  const what = `destroy ${name}`;
  const work = ({ array }: FleetMember, within: AbortSignal) =>
    array.findVolume(name, { hosts: true, signal: within });
  const { answers, left, by } = await askAllSides({ stretch, what, work }, signal);
  if (before && answers.some(({ value }) => value && isAnother(before, value))) return "another";
  refuseHosts(name, answers.flatMap(({ member, value }) => hostsText(member, value)));
  await requireSafe(context, { stretch, place, what, by, silent: left, endsUsersBut: "" }, signal);
  const atHome = answers.find(({ member }) => member === home);
  if (atHome) return { place, volume: atHome.value };
  for (const { member, value } of answers) {
    if (!value) continue;
    const isSame = left.length > 0 ||
      value.serial?.toLowerCase().startsWith(arrayHintOf(home.id ?? ""));
    return { place: { ...place, member }, onlyTagged: !isSame, volume: value };
  }
  return "destroyed";
}

/** `in_use` when somebody has the volume of a stretched pod: `hosts` as hostsText() gives them. */
export function refuseHosts(name: string, hosts: readonly string[]): void {
  if (hosts.length === 0) return;
  throw new PsoError(
    "in_use",
    `volume ${name} of a stretched pod is connected to ${hosts.join(", ")}: detach it first`,
  );
}
