import { allEnded } from "../../async/all_ended.ts";
import { PsoError } from "../../errors.ts";
import { nameKey } from "../../names.ts";
import {
  containerNamed,
  type Containers,
  type ContainerState,
  type PodArray,
} from "../containers/container_state.ts";
import { groupLimitsOf } from "../containers/group_limits.ts";
import type { ArrayContext, Resource } from "../rest/named_objects.ts";
import { isRefusal, RestError } from "../rest/refusals.ts";
import { shownText } from "../rest/array_facts.ts";
import { count, flag, list, name, type Reader, record, text } from "../rest/shape.ts";

/** One array of a pod, as the pod's own array sees it. */
interface PodArrayItem {
  id?: string | null;
  name?: string | null;
  status?: string | null;
}

/** What an item of a list of containers has in any case. */
interface ContainerItem {
  name?: string;
  destroyed?: boolean;
}

/** An item of /pods, with the fields that say whether a volume can be made in it. */
interface PodItem extends ContainerItem {
  promotion_status?: string | null;
  quota_limit?: number | null;
  arrays?: PodArrayItem[];
  space?: { used_provisioned?: number | null; total_provisioned?: number | null } | null;
}

/** What an array shows of its live containers; of a sort that is absent it shows none. */
interface ShownContainers {
  pods?: readonly PodItem[];
  groups?: readonly GroupItem[];
}

const podItem: Reader<PodItem> = record<PodItem>({
  name,
  destroyed: flag,
  promotion_status: shownText,
  quota_limit: count,
  arrays: list(record<PodArrayItem>({ id: text(), name: text(), status: shownText })),
  space: record<NonNullable<PodItem["space"]>>({
    used_provisioned: count,
    total_provisioned: count,
  }),
}, ["name"]);

/** An item of /volume-groups. */
export interface GroupItem extends ContainerItem {
  qos?: { iops_limit?: number | null; bandwidth_limit?: number | null } | null;
}

const groupItem: Reader<GroupItem> = record<GroupItem>({
  name,
  destroyed: flag,
  qos: record<NonNullable<GroupItem["qos"]>>({ iops_limit: count, bandwidth_limit: count }),
}, ["name"]);

/** Volume groups of a FlashArray. */
export const GROUPS: Resource<GroupItem> = {
  path: "volume-groups",
  noun: "volume group",
  nameKey: "names",
  item: groupItem,
  recovery: (name) =>
    `get it back with \`purevgroup recover ${name}\`, or free the name with ` +
    `\`purevgroup eradicate ${name}\``,
};

/** The live pods and volume groups, each sort unless the array does not let this user see it. */
export async function readContainers(
  context: ArrayContext,
  signal?: AbortSignal,
): Promise<ShownContainers> {
  const [pods, groups] = await allEnded([
    readLive(context, { path: "pods", item: podItem, signal }),
    readLive(context, { path: "volume-groups", item: groupItem, signal }),
  ]);
  return { pods, groups };
}

async function readLive<T extends ContainerItem>(
  { rest }: ArrayContext,
  call: { path: string; item: Reader<T>; signal?: AbortSignal },
): Promise<T[] | undefined> {
  try {
    const query = { destroyed: false };
    const items = await Array.fromAsync(rest.all<T>({ ...call, query }));
    return items.filter(({ destroyed }) => !destroyed);
  } catch (error) {
    // Only classes with a container depend on it: an array that does not tell serves all others.
    if (!(error instanceof RestError) || error.refusal === "trouble") throw error;
    return undefined;
  }
}

/** Containers as placement judges them, on the array of that id. */
export function containersOf({ pods, groups }: ShownContainers, arrayId: string): Containers {
  const known: Containers = pods && { pod: byName(pods, (pod) => stateOf(pod, arrayId)) };
  return {
    ...known,
    // What holds of a pod holds of the groups in it.
    ...(groups && {
      "volume group": byName(groups, ({ name = "", qos }) => {
        const [, pod] = /^(.*)::/.exec(name) ?? [];
        const limits = groupLimitsOf(qos);
        return {
          ...(pod && containerNamed(known, { what: "pod", name: pod })),
          name,
          ...(Object.keys(limits).length > 0 ? { limits } : {}),
        };
      }),
    }),
  };
}

function byName<T extends ContainerItem>(
  items: readonly T[],
  stateOf: (item: T) => ContainerState,
): Map<string, ContainerState> {
  return new Map(items.map((item) => [nameKey(item.name ?? ""), stateOf(item)]));
}

function stateOf(item: PodItem, arrayId: string): ContainerState {
  const [fault, roomBytes] = [faultOf(item, arrayId), roomOf(item)];
  const arrays = arraysOf(item);
  return {
    name: item.name ?? "",
    ...(arrays.length > 1 ? { arrays } : {}),
    ...(fault === undefined ? {} : { fault }),
    ...(roomBytes === undefined ? {} : { roomBytes }),
  };
}

/** Every array of the pod; one that gives no id cannot be told from another. */
function arraysOf({ arrays = [] }: PodItem): PodArray[] {
  return arrays.map(({ id, name, status }) => ({
    id: id ?? "",
    name: name ?? "",
    status: status ?? "unknown",
  }));
}

function faultOf(
  { promotion_status: promotion, arrays = [] }: PodItem,
  arrayId: string,
): string | undefined {
  if (promotion && promotion !== "promoted") return `is ${promotion}, not promoted`;
  const status = arrays.find(({ id }) => id === arrayId)?.status;
  return status && status !== "online" ? `is ${status} there` : undefined;
}

/** What its volumes may still have, whole sizes counted; undefined without a quota. */
function roomOf({ quota_limit: quota, space }: PodItem): number | undefined {
  if (typeof quota !== "number") return undefined;
  return Math.max(0, quota - (space?.used_provisioned ?? space?.total_provisioned ?? 0));
}

/** `unavailable` for a create that was refused because its pod or volume group is not there. */
export function refuseMissingContainer(
  { label }: ArrayContext,
  { volume, error }: { volume: string; error: unknown },
): void {
  if (!isRefusal(error, "missing", "destroyed")) return;
  const [what] = /^(pod|volume group)(?= )/.exec(error.said.toLowerCase()) ?? [];
  if (what === undefined) return;
  throw new PsoError(
    "unavailable",
    `volume ${volume} cannot be made on array ${label()}, which has no such ${what}: make the ` +
      `${what} there, or change the class`,
    { cause: error },
  );
}
