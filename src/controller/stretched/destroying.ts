import { arrayHintOf, type FleetMember, stretchOf } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import type { ControllerContext } from "../context.ts";
import { askAllSides, hostsText } from "./both_arrays.ts";
import { requireSafe } from "./without.ts";

/** Where a volume is destroyed. */
interface Target {
  place: MeantPlace;
  /** As `DeleteScope.onlyTagged`. */
  onlyTagged?: boolean;
}

/**
 * Where a volume is destroyed: at its place, without a call, unless its pod is stretched over
 * several arrays. Then none of them may have it connected (`in_use`). While the array of the place
 * is silent, another one destroys it if that says that the silent one is out of the pod, or that it
 * is offline in it and no user is known; else `unavailable`. Of an array that is out of the pod,
 * the serial must begin with its digits, or the tag tells. Undefined when it is destroyed on all
 * that count.
 */
export async function placeToDestroy(
  context: ControllerContext,
  place: MeantPlace,
  signal: AbortSignal,
): Promise<Target | undefined> {
  const { name, member: home } = place;
  const stretch = stretchOf(context.fleet, place);
  if (!stretch) return { place };
  const what = `destroy ${name}`;
  const work = ({ array }: FleetMember, within: AbortSignal) =>
    array.findVolume(name, { hosts: true, signal: within });
  const { answers, left, by } = await askAllSides({ stretch, what, work }, signal);
  refuseHosts(name, answers.flatMap(({ member, value }) => hostsText(member, value)));
  await requireSafe(context, { stretch, place, what, by, silent: left, endsUsersBut: "" }, signal);
  if (answers.some(({ member }) => member === home)) return { place };
  for (const { member, value } of answers) {
    if (!value) continue;
    const isSame = left.length > 0 ||
      value.serial?.toLowerCase().startsWith(arrayHintOf(home.id ?? ""));
    return { place: { ...place, member }, onlyTagged: !isSame };
  }
  return undefined;
}

/** `in_use` when somebody has the volume of a stretched pod: `hosts` as hostsText() gives them. */
export function refuseHosts(name: string, hosts: readonly string[]): void {
  if (hosts.length === 0) return;
  throw new PsoError(
    "in_use",
    `volume ${name} of a stretched pod is connected to ${hosts.join(", ")}: detach it first`,
  );
}
