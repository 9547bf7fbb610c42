import { until } from "../../async/wait.ts";
import { isPsoError, PsoError } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";
import { at, nameOf, objectsAt, textAt } from "../check/kube_object.ts";
import { fullNameOf, numberAt, type TakeoverCluster, versionOf } from "./cluster.ts";
import { kubePath } from "../../kube/names.ts";

/** On the StatefulSet of PSO while it is being taken over: what it was, and where the backup is. */
export const MARK = "pso.purestorage.com/takeover";

/** What the mark says. */
export interface Mark {
  /** Before it was scaled to 0. */
  replicas: number;
  /** The folder of the backup, as the person named it. */
  backup: string;
}

/** The mark of a workload; undefined when no take-over of it was begun. */
export function markOf(workload: KubeObject | undefined): Mark | undefined {
  const text = textAt(workload, "metadata", "annotations", MARK);
  try {
    const value: unknown = JSON.parse(text);
    return { replicas: numberAt(value, "replicas"), backup: textAt(value, "backup") };
  } catch {
    return undefined;
  }
}

/**
 * Scales PSO's controller to 0 and marks it, as far as it is not so. Repeating it changes nothing:
 * the first mark stays.
 */
export async function stopController(
  cluster: TakeoverCluster,
  { path, mark }: { path: string; mark: Mark },
): Promise<void> {
  const found = await cluster.find(path);
  if (found === undefined) return;
  if (at(found, "spec", "replicas") === 0 && markOf(found) !== undefined) return;
  const resourceVersion = versionOf(found);
  const annotations = { [MARK]: JSON.stringify(markOf(found) ?? mark) };
  await cluster.patch(path, { metadata: { resourceVersion, annotations }, spec: { replicas: 0 } });
}

/** Whether a pod is one of a controller (a StatefulSet or DaemonSet) of that name. */
export function isPodOf(kind: string, name: string): (pod: KubeObject) => boolean {
  return (pod) =>
    objectsAt(pod, "metadata", "ownerReferences").some((owner) =>
      owner.kind === kind && owner.name === name
    ) || (kind === "StatefulSet" && new RegExp(`^${name}-\\d+$`).test(nameOf(pod)));
}

/** Pods that must end, and for how long they are waited for. */
interface EndingPods {
  namespace: string;
  isOwn: (pod: KubeObject) => boolean;
  waitMs: number;
  /** Path of their workload: its status must say that none is left, too, as others go by that. */
  workload?: string;
}

/**
 * Waits until the API has none of these pods any more, because a pod that is ending still works.
 * `busy`, naming those that are left and their nodes, when the time is over.
 */
export async function untilGone(
  cluster: TakeoverCluster,
  { namespace, isOwn, waitMs, workload }: EndingPods,
): Promise<void> {
  const path = kubePath`/api/v1/namespaces/${namespace}/pods`;
  let left: KubeObject[] = [];
  try {
    await until("the end of PSO's pods", async () => {
      left = (await cluster.list({ path })).filter(isOwn);
      if (left.length > 0 || workload === undefined) return left.length === 0;
      return numberAt(await cluster.find(workload), "status", "replicas") === 0;
    }, { timeoutMs: waitMs });
  } catch (error) {
    if (!isPsoError(error, "timeout")) throw error;
    const shown = left.length > 0
      ? left.map((pod) =>
        `${fullNameOf(pod)} on node ${textAt(pod, "spec", "nodeName") || "(none)"}`
      )
      : [`the pods of ${workload} (none is there, and its status counts some)`];
    throw new PsoError(
      "busy",
      `${shown.join(", ")} did not end in ${
        waitMs / 1000
      } s: see why by \`kubectl describe pod\`. ` +
        "If the node is switched off for good, delete the pod with --force",
    );
  }
}
