import { nameKey } from "../../names.ts";
import type { PodArray, PodState } from "../pods/pod_state.ts";
import type { ArrayContext } from "../rest/named_objects.ts";
import { RestError } from "../rest/refusals.ts";
import { shownText } from "../rest/array_facts.ts";
import { count, flag, list, name, type Reader, record, text } from "../rest/shape.ts";

/** One array of a pod, as the pod's own array sees it. */
interface PodArrayItem {
  id?: string | null;
  name?: string | null;
  status?: string | null;
}

/** An item of /pods, with the fields that say whether a volume can be made in it. */
interface PodItem {
  name?: string;
  destroyed?: boolean;
  promotion_status?: string | null;
  quota_limit?: number | null;
  arrays?: PodArrayItem[];
  space?: { used_provisioned?: number | null; total_provisioned?: number | null } | null;
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

/** The live pods as the array shows them; `undefined` when it does not let this user see them. */
export async function readPodItems(
  { rest }: ArrayContext,
  signal?: AbortSignal,
): Promise<PodItem[] | undefined> {
  try {
    const query = { destroyed: false };
    const call = { path: "pods", query, item: podItem, signal } as const;
    return (await Array.fromAsync(rest.all<PodItem>(call))).filter(({ destroyed }) => !destroyed);
  } catch (error) {
    // Only classes with a pod depend on it: an array that does not tell serves all others.
    if (!(error instanceof RestError) || error.refusal === "trouble") throw error;
    return undefined;
  }
}

/** Pods as placement judges them, by `nameKey`, on the array of that id. */
export function podStatesOf(items: readonly PodItem[], arrayId: string): Map<string, PodState> {
  return new Map(items.map((item) => {
    const { name = "" } = item;
    const [fault, roomBytes] = [faultOf(item, arrayId), roomOf(item)];
    const arrays = arraysOf(item);
    return [nameKey(name), {
      name,
      ...(arrays.length > 1 ? { arrays } : {}),
      ...(fault === undefined ? {} : { fault }),
      ...(roomBytes === undefined ? {} : { roomBytes }),
    }];
  }));
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
