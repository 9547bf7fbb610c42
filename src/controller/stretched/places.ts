import type { NodeKnowledge } from "../../arrays/array.ts";
import { stretchOf } from "../../arrays/fleet.ts";
import type { NodeIdentity } from "../../handoff.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import { knowledgeOf, surelyOn } from "../calls/attachments.ts";
import type { ControllerContext } from "../context.ts";
import type { VolumePlace } from "../volume_locator.ts";

/** The volume of a place on each array of its stretched pod, the place itself first. */
export function allPlaces<P extends MeantPlace>(
  { fleet }: Pick<ControllerContext, "fleet">,
  place: P,
): P[] {
  const members = stretchOf(fleet, place)?.members ?? [];
  const others = members.filter((member) => member !== place.member);
  return [place, ...others.map((member) => ({ ...place, member }))];
}

/** As knowledgeOf(): whoever uses the volume by one array of its pod uses it by all of them. */
export function knowledgeOfAll(
  context: ControllerContext,
  place: MeantPlace,
  node?: NodeIdentity,
): NodeKnowledge {
  const all = allPlaces(context, place).map((one) => knowledgeOf(context, one, node));
  return {
    ...knowledgeOf(context, place, node),
    otherUsers: all.flatMap(({ otherUsers = [] }) => otherUsers),
  };
}

/** As surelyOn(), by whatever array of the volume's pod. */
export function surelyOnAny(context: ControllerContext, place: VolumePlace): string[] {
  return [...new Set(allPlaces(context, place).flatMap((one) => surelyOn(context, one)))];
}
