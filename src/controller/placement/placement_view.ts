// What the leader knows of its arrays when it places a volume, for who judges a claim elsewhere by
// the same rules: `pso-bin admin place` reads it from the admin endpoint.
import { containerNamed, nameInFleet, unusableState } from "../../arrays/fleet.ts";
import type { Container } from "../../names.ts";
import type { ReadyState } from "../../readiness.ts";
import { memberArrays } from "../calls/placing.ts";
import type { ControllerContext } from "../context.ts";
import type { ProvisionerOptions } from "../provisioner_options.ts";
import type { PlacementArray, PlacementRequest, PlacementStatus } from "./placement.ts";
import type { SpreadGroup } from "./spread_group.ts";

/** What of the volume decides what must be told of each array. */
export interface PlacementQuestion {
  /** Whose members are counted; absent: the volume is in no group. */
  group?: SpreadGroup;
  /** The one pod or volume group that is told of; absent: none. */
  container?: Container;
}

/** The part of the configuration that placement goes by. */
export interface PlacementRules extends Pick<ProvisionerOptions, "clusterId" | "placement"> {
  flasharray: { sanType: PlacementRequest["protocol"]; defaultFsType: string };
  topology: Pick<ProvisionerOptions["topology"], "enable" | "nodeLabels">;
}

/** What placement takes of an array's status, as JSON has it. */
interface ViewedStatus extends Omit<PlacementStatus, "features" | "protocols" | "containers"> {
  features: string[];
  protocols: string[];
  /** Whether the array says which containers of the question's sort it has. */
  saysContainers: boolean;
  /** The container of the question as the array has it; absent: it has none of that name. */
  container?: ReturnType<typeof containerNamed>;
}

/** One array as placement sees it, as JSON has it. */
export interface ViewedArray extends Omit<PlacementArray, "status" | "label" | "problem"> {
  /** As metrics call it. */
  label: string;
  status?: ViewedStatus;
  /** How old its figures are; absent: it has never answered. */
  ageMs?: number;
  /** Why it cannot be used now, in a word. */
  state?: ReadyState;
  /** The same in full: it may quote the array, and is not for everybody. */
  problem?: string;
}

/** All that decides where a leader places a volume. */
export interface PlacementView {
  rules: PlacementRules;
  arrays: ViewedArray[];
}

/** The view of this process; no REST call. */
export function placementView(
  context: Pick<ControllerContext, "fleet" | "recent" | "options">,
  { group, container }: PlacementQuestion,
  now: number = Date.now(),
): PlacementView {
  const { fleet, options } = context;
  const { clusterId, placement, flasharray, topology } = options();
  const arrays = memberArrays(context, group).map(({ member, status, problem, ...array }) => ({
    ...array,
    label: nameInFleet(fleet, member.array),
    status: status && viewedStatus(status, container),
    ...(member.statusMs === undefined ? {} : { ageMs: Math.max(0, now - member.statusMs) }),
    ...(problem === undefined ? {} : { problem, state: unusableState(member) }),
  }));
  return {
    rules: {
      clusterId,
      placement,
      flasharray: { sanType: flasharray.sanType, defaultFsType: flasharray.defaultFsType },
      topology: { enable: topology.enable, nodeLabels: topology.nodeLabels },
    },
    arrays,
  };
}

function viewedStatus(
  status: PlacementStatus,
  container: Container | undefined,
): ViewedStatus {
  const { id, restVersion, capacityBytes, usedBytes, provisionedBytes, containers } = status;
  return {
    ...{ id, restVersion, capacityBytes, usedBytes, provisionedBytes },
    features: [...status.features],
    protocols: [...status.protocols],
    saysContainers: container !== undefined && containers?.[container.what] !== undefined,
    container: container && containerNamed(containers, container),
  };
}
