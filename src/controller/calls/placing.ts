import type { Feature, VolumeKind } from "../../arrays/array.ts";
import { type Fleet, type FleetMember, memberKey } from "../../arrays/fleet.ts";
import { pause } from "../../async/wait.ts";
import type { ControllerContext } from "../context.ts";
import type { ClassParameters } from "../parameters.ts";
import type { PlacementArray, PlacementRequest } from "../placement/placement.ts";
import type { SpreadGroup } from "../placement/spread_group.ts";
import type { ProvisionerOptions } from "../provisioner_options.ts";

/** An array as placement judges it, with the member of the fleet that it stands for. */
interface MemberArray extends PlacementArray {
  member: FleetMember;
}

/** Every array, each once, as placement judges it for a group by its last check; no REST call. */
export function memberArrays(
  { fleet, recent, options }: Pick<ControllerContext, "fleet" | "recent"> & {
    options: () => Pick<ProvisionerOptions, "placement">;
  },
  group?: SpreadGroup,
): MemberArray[] {
  // Counting reads every name: it is left out where nothing is limited.
  const { volumesPerArray } = options().placement;
  const volumesOn = (member: FleetMember) =>
    volumesPerArray > 0 && member.warm ? fleet.indexedVolumes(member) : undefined;
  return fleet.members.filter(({ twin }) => !twin).map((member) => ({
    member,
    key: memberKey(member),
    label: member.array.label,
    kind: member.array.kind,
    labels: member.labels,
    suspended: member.suspended,
    draining: member.draining,
    refuses: member.refusal !== undefined,
    status: member.status,
    problem: member.problem?.message,
    recent: recent.on(memberKey(member), {
      usedBytes: member.status?.usedBytes ?? 0,
      provisionedBytes: member.status?.provisionedBytes,
      statusMs: member.statusMs,
    }),
    slowdown: member.slowdown,
    crowding: member.array.crowding,
    volumes: volumesOn(member),
    group: group && { together: group.together, volumes: fleet.groupedVolumes(member, group.key) },
  }));
}

/** How long a create waits for the first word of an array. */
const FIRST_WORD_MS = 800;

/**
 * Resolves once an array of the kind has said how it is, or each of them has been asked: right
 * after the start none has, and a create would be tried again for nothing. A moment at most. Throws
 * `timeout` when the signal fires.
 */
export async function awaitFirstWord(
  fleet: Pick<Fleet, "members">,
  kind: VolumeKind,
  signal: AbortSignal,
): Promise<void> {
  const isOpen = () => {
    const members = fleet.members.filter(({ array, twin }) => array.kind === kind && !twin);
    return members.every(({ status }) => status === undefined) &&
      members.some(({ checkedMs }) => checkedMs === undefined);
  };
  const endMs = performance.now() + FIRST_WORD_MS;
  while (isOpen() && performance.now() < endMs) await pause(20, signal);
}

/** What the class of a volume asks of an array; a class without protocol asks for `sanType`. */
export function classDemands(
  kind: VolumeKind,
  parameters: ClassParameters,
  { flasharray: { sanType }, placement: rules }: Pick<ProvisionerOptions, "placement"> & {
    flasharray: { sanType: PlacementRequest["protocol"] };
  },
): Pick<
  PlacementRequest,
  | "kind"
  | "protocol"
  | "features"
  | "arraySelector"
  | "arrayId"
  | "container"
  | "groupLimits"
  | "rules"
> {
  const { iopsLimit, bandwidthLimitBytes, protocol, ...where } = parameters;
  const { arraySelector, arrayId, container, groupLimits } = where;
  const isLimited = (iopsLimit ?? bandwidthLimitBytes ?? undefined) !== undefined;
  const features: Feature[] = isLimited ? ["qos"] : [];
  return {
    kind,
    protocol: protocol ?? sanType,
    features,
    arraySelector,
    arrayId,
    container,
    groupLimits,
    rules,
  };
}
