import { isKubeStatus, isObject, type KubeClient } from "../client.ts";
import { kubePath } from "../names.ts";

/** What a claim says of what it belongs to. */
interface ClaimMetadata {
  namespace: string;
  /** Absent when the API server told none. */
  uid?: string;
  isDeleting: boolean;
  annotations: Record<string, string>;
  labels: Record<string, string>;
  /** Name of the StatefulSet that owns it. */
  statefulSet?: string;
  /** The class that it names, or was given by default; absent without one. */
  storageClass?: string;
}

/** Longest wait for one claim: a create must not wait long for what only spreads it. */
const READ_MS = 3_000;

/** The claim as it is now; undefined when it is gone. */
export async function readClaim(
  kube: Pick<KubeClient, "get">,
  { namespace, name }: { namespace: string; name: string },
): Promise<ClaimMetadata | undefined> {
  try {
    const path = kubePath`/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`;
    const { metadata, spec } = await kube.get(path, { timeoutMs: READ_MS });
    if (!isObject(metadata)) return undefined;
    const { storageClassName: storageClass } = isObject(spec) ? spec : {};
    const statefulSet = ownerOf(metadata.ownerReferences);
    const { uid, deletionTimestamp } = metadata;
    return {
      namespace,
      ...(typeof uid === "string" ? { uid } : {}),
      isDeleting: deletionTimestamp !== undefined && deletionTimestamp !== null,
      annotations: texts(metadata.annotations),
      labels: texts(metadata.labels),
      ...(statefulSet === undefined ? {} : { statefulSet }),
      ...(typeof storageClass === "string" && storageClass !== "" ? { storageClass } : {}),
    };
  } catch (error) {
    if (isKubeStatus(error, 404)) return undefined;
    throw error;
  }
}

function texts(value: unknown): Record<string, string> {
  const entries = isObject(value) ? Object.entries(value) : [];
  return Object.fromEntries(
    entries.flatMap(([key, text]) => typeof text === "string" ? [[key, text]] : []),
  );
}

function ownerOf(references: unknown): string | undefined {
  const owners = Array.isArray(references) ? references.filter(isObject) : [];
  const name = owners.find(({ kind, apiVersion }) =>
    kind === "StatefulSet" && typeof apiVersion === "string" && apiVersion.startsWith("apps/")
  )?.name;
  return typeof name === "string" ? name : undefined;
}
