import { judgedPart, withoutSecrets } from "../../config/secret_looks.ts";
import { isObject, type KubeObject } from "../../kube/client.ts";
import { maskSecrets } from "../../secret.ts";
import { textAt } from "./kube_object.ts";

const MASK = "[redacted]";

/**
 * Names that Kubernetes makes of UUIDs, and those of pods of a Deployment, whose hash has the letters
 * of Kubernetes' own alphabet. They look as secrets do, and without them nobody could tell what a
 * line is about.
 */
const KUBERNETES_NAMES = new RegExp(
  "\\b(?:pvc|snapshot|snapcontent|ephemeral)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\\b|" +
    "\\b[a-z][a-z-]{2,40}-[bcdfghjklmnpqrstvwxz2456789]{8,10}(?:-[bcdfghjklmnpqrstvwxz2456789]{5})?\\b(?!-[0-9a-f]{4})",
  "g",
);

/** Annotations that are kept: others may hold anything, a whole manifest too. */
const KEPT_ANNOTATIONS = [
  "pso.purestorage.com/",
  "storageclass.kubernetes.io/",
  "snapshot.storage.kubernetes.io/",
  "volume.kubernetes.io/",
  "volume.beta.kubernetes.io/",
  "pv.kubernetes.io/",
  "deployment.kubernetes.io/",
  "meta.helm.sh/",
  "checksum/",
];

/** Variables of containers whose values are kept. */
const KEPT_VARIABLES = ["CSI_ENDPOINT", "ADDRESS", "POD_NAME", "NODE_NAME", "NAMESPACE"];

/**
 * A line or a text without the values of our secrets and without what looks like one; each line by
 * itself, because what follows the word `token` in a line goes, and as much of it as can be judged.
 */
export function redactedText(text: string): string {
  return maskSecrets(text).split("\n").map((line) => {
    const names: string[] = [];
    const marked = judgedPart(line).replaceAll(KUBERNETES_NAMES, (name) => {
      names.push(name);
      return `\u0000${names.length - 1}\u0000`;
    });
    // deno-lint-ignore no-control-regex -- marks that no text of others keeps
    return withoutSecrets(marked).replaceAll(/\u0000(\d+)\u0000/g, (_, at) => names[at] ?? MASK);
  }).join("\n");
}

/**
 * An object of Kubernetes for somebody else's eyes: without data, without the values of variables,
 * without foreign annotations, and each of its texts redacted.
 */
export function redactedObject(object: KubeObject): KubeObject {
  return Object.fromEntries(
    Object.entries(object).flatMap(([key, value]): [string, unknown][] => {
      if (key === "managedFields") return [];
      if (["data", "stringData", "binaryData"].includes(key)) return [[key, MASK]];
      if (key === "annotations" && isObject(value)) return [[key, keptAnnotations(value)]];
      if (key === "env" && Array.isArray(value)) return [[key, value.map(variable)]];
      return [[key, redacted(value)]];
    }),
  );
}

function redacted(value: unknown): unknown {
  if (typeof value === "string") return redactedText(value);
  if (Array.isArray(value)) return value.map(redacted);
  return isObject(value) ? redactedObject(value) : value;
}

function keptAnnotations(annotations: KubeObject): KubeObject {
  const kept = Object.entries(annotations).filter(([key]) =>
    KEPT_ANNOTATIONS.some((prefix) => key.startsWith(prefix))
  );
  return Object.fromEntries(kept.map(([key, value]) => [key, redacted(value)]));
}

function variable(entry: unknown): unknown {
  if (!isObject(entry)) return MASK;
  const { value, ...rest } = entry;
  const isKept = KEPT_VARIABLES.includes(textAt(entry, "name"));
  return {
    ...redactedObject(rest),
    ...(value === undefined ? {} : { value: isKept ? redacted(value) : MASK }),
  };
}
