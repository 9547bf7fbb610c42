import { createHash } from "node:crypto";
import { isObject, type KubeObject } from "../kube/client.ts";

// EphemeralVolume: what a node asks for in the name of a pod, and what the leader made of it. The
// object is the only record of it that both sides share.

/** Of the object in the API of Kubernetes. */
export const EPHEMERAL_API = "pso.purestorage.com/v1";
/** The node has the volume, or may have it: only the node itself takes this away. */
export const NODE_FINALIZER = "pso.purestorage.com/node";
/** The arrays have the volume, or may have it: the leader puts it here before it makes anything. */
export const ARRAY_FINALIZER = "pso.purestorage.com/array";

const INLINE_ID = /^csi-[0-9a-f]{64}$/;

/** Whether kubelet gives such a volume_id to volumes that pods describe themselves. */
export function isInlineId(volumeId: string): boolean {
  return INLINE_ID.test(volumeId);
}

/** The volume_id that kubelet gives to a volume of a pod (makeVolumeHandle of its volume/csi). */
export function inlineIdOf(podUid: string, volume: string): string {
  return `csi-${createHash("sha256").update(`${podUid}${volume}`).digest("hex")}`;
}

/** What a node asks for. It never changes; the leader believes none of it that it cannot check. */
export interface EphemeralSpec {
  /** Name of the Node. */
  node: string;
  pod: { namespace: string; name: string; uid: string };
  /** As the pod has them; absent where it has none. */
  backend?: string;
  size?: string;
  fsType?: string;
}

/** What the leader made, and why not. A node cannot write it. */
export interface EphemeralStatus {
  phase?: "Pending" | "Ready" | "Refused";
  /** Why it is not ready: an ErrorCode, and its text. */
  code?: string;
  message?: string;
  volumeHandle?: string;
  /** A mark of the node_id that it is published to; an earlier version wrote that itself. */
  nodeId?: string;
  volumeContext?: Record<string, string>;
  publishContext?: Record<string, string>;
}

/** An EphemeralVolume as it was read. */
export interface EphemeralVolume {
  /** The volume_id. */
  name: string;
  uid: string;
  resourceVersion: string;
  finalizers: readonly string[];
  isDeleting: boolean;
  spec: EphemeralSpec;
  status: EphemeralStatus;
}

/** The object as this driver understands it; undefined for one that no version of it wrote. */
export function readEphemeral(object: KubeObject): EphemeralVolume | undefined {
  const metadata = isObject(object.metadata) ? object.metadata : {};
  const spec = isObject(object.spec) ? object.spec : {};
  const pod = isObject(spec.pod) ? spec.pod : {};
  const [name, uid, resourceVersion, node] = [
    metadata.name,
    metadata.uid,
    metadata.resourceVersion,
    spec.node,
  ].map(textOf);
  const [namespace, podName, podUid] = [pod.namespace, pod.name, pod.uid].map(textOf);
  if (!name || !uid || !resourceVersion || !node || !namespace || !podName || !podUid) {
    return undefined;
  }
  const { finalizers, deletionTimestamp } = metadata;
  return {
    name,
    uid,
    resourceVersion,
    finalizers: Array.isArray(finalizers) ? finalizers.filter((one) => textOf(one)) : [],
    isDeleting: deletionTimestamp !== undefined && deletionTimestamp !== null,
    spec: {
      node,
      pod: { namespace, name: podName, uid: podUid },
      ...present({
        backend: textOf(spec.backend),
        size: textOf(spec.size),
        fsType: textOf(spec.fsType),
      }),
    },
    status: statusOf(isObject(object.status) ? object.status : {}),
  };
}

const PHASES = ["Pending", "Ready", "Refused"] as const;

function statusOf(status: KubeObject): EphemeralStatus {
  return {
    phase: PHASES.find((phase) => phase === status.phase),
    ...present({
      code: textOf(status.code),
      message: textOf(status.message),
      volumeHandle: textOf(status.volumeHandle),
      nodeId: textOf(status.nodeId),
    }),
    ...isObject(status.volumeContext) && { volumeContext: textsOf(status.volumeContext) },
    ...isObject(status.publishContext) && { publishContext: textsOf(status.publishContext) },
  };
}

/** The fields that have a value. */
export function present<T extends Record<string, string | undefined>>(
  fields: T,
): { [K in keyof T]?: string } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(entries) as { [K in keyof T]?: string };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The texts among the members of a value of JSON. */
export function textsOf(value: KubeObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, text]) => typeof text === "string" ? [[key, text]] : []),
  );
}
