import { stretchOf } from "../../arrays/fleet.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import type { ControllerContext } from "../context.ts";

/** The volume of a place on each array of its stretched pod, the place itself first. */
export function allPlaces<P extends MeantPlace>(
  { fleet }: Pick<ControllerContext, "fleet">,
  place: P,
): P[] {
  const members = stretchOf(fleet, place)?.members ?? [];
  const others = members.filter((member) => member !== place.member);
  return [place, ...others.map((member) => ({ ...place, member }))];
}
