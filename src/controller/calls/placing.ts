import type { Feature, VolumeKind } from "../../arrays/array.ts";
import { type FleetMember, memberKey } from "../../arrays/fleet.ts";
import type { ControllerContext } from "../context.ts";
import type { ClassParameters } from "../parameters.ts";
import type { PlacementArray, PlacementRequest } from "../placement/placement.ts";

/** An array as placement judges it, with the member of the fleet that it stands for. */
interface MemberArray extends PlacementArray {
  member: FleetMember;
}

/** Every array, each once, as placement judges it by its last check; no REST call. */
export function memberArrays(
  { fleet, recent }: Pick<ControllerContext, "fleet" | "recent">,
): MemberArray[] {
  return fleet.members.filter(({ twin }) => !twin).map((member) => ({
    member,
    key: memberKey(member),
    label: member.array.label,
    kind: member.array.kind,
    labels: member.labels,
    suspended: member.suspended,
    refuses: member.refusal !== undefined,
    status: member.status,
    problem: member.problem?.message,
    recentBytes: recent.bytesOn(memberKey(member)),
  }));
}

/** What the class of a volume asks of an array; a class without protocol asks for `sanType`. */
export function classDemands(
  kind: VolumeKind,
  parameters: ClassParameters,
  { sanType }: { sanType: PlacementRequest["protocol"] },
): Pick<PlacementRequest, "kind" | "protocol" | "features" | "arraySelector"> {
  const { iopsLimit, bandwidthLimitBytes, protocol, arraySelector } = parameters;
  const isLimited = (iopsLimit ?? bandwidthLimitBytes ?? undefined) !== undefined;
  const features: Feature[] = isLimited ? ["qos"] : [];
  return { kind, protocol: protocol ?? sanType, features, arraySelector };
}
