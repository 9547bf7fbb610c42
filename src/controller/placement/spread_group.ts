import { createHash } from "node:crypto";
import { PsoError } from "../../errors.ts";

/** What a PersistentVolumeClaim says of where its volume should be, and of which class it is. */
export interface ClaimFacts {
  namespace: string;
  /** Absent when the API server told none. */
  uid?: string;
  /**
   * Whether it is known to be made after this process began to lead, and after the last array left
   * the fleet: then no volume of it can be anywhere that this process did not try. Absent: never.
   */
  isNew?: () => boolean;
  annotations: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
  /** Name of the StatefulSet that owns it; absent without one. */
  statefulSet?: string;
  /** The class that it has; absent without one, and where nobody says. */
  storageClass?: string;
}

/** The annotation of a claim that names its group. */
export const SPREAD_ANNOTATION = "pso.purestorage.com/spread";
/** The tag of an array's volume that keeps its group. */
export const GROUP_TAG = "spread-group";
/** An array takes tags of 256 characters; what is longer ends with a hash. */
const KEY_MAX = 200;
const GROUP = /^(together:)?([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)$/;

/** Volumes that placement keeps apart, or together. */
export interface SpreadGroup {
  /** Its name within the cluster, as the tag has it: `shop/statefulset/db`. */
  key: string;
  /** All on one array, as far as it takes them; else on as many arrays as can be. */
  together: boolean;
}

/**
 * The group of a claim: what its annotation names, else the StatefulSet that owns it, else all
 * claims of its namespace with the same labels. Undefined when the annotation is `none`, or when
 * the claim has nothing of that. `invalid` for an annotation that is neither.
 */
export function spreadGroupOf(claim: ClaimFacts): SpreadGroup | undefined {
  const { namespace, annotations, labels, statefulSet } = claim;
  const wanted = Object.hasOwn(annotations, SPREAD_ANNOTATION)
    ? annotations[SPREAD_ANNOTATION]
    : undefined;
  if (wanted === "none") return undefined;
  if (wanted !== undefined) {
    const [, together, name] = GROUP.exec(wanted) ?? [];
    if (name === undefined) throw wrongAnnotation(wanted);
    return { key: keyOf(namespace, "group", name), together: together !== undefined };
  }
  if (statefulSet !== undefined) {
    return { key: keyOf(namespace, "statefulset", statefulSet), together: false };
  }
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`).sort();
  if (pairs.length === 0) return undefined;
  return { key: keyOf(namespace, "labels", hash(pairs.join("\n"))), together: false };
}

function keyOf(namespace: string, kind: string, name: string): string {
  const key = `${namespace}/${kind}/${name}`;
  return key.length <= KEY_MAX ? key : `${key.slice(0, KEY_MAX - 17)}-${hash(key)}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function wrongAnnotation(value: string): PsoError {
  return new PsoError(
    "invalid",
    `annotation ${SPREAD_ANNOTATION} of the claim is ${JSON.stringify(value.slice(0, 80))}, ` +
      "wanted a name of at most 63 letters, digits, -, _ and ., together: with a name, or none",
  );
}
