import { judgedPart, withoutSecrets } from "../../config/secret_looks.ts";
import { isObject, type KubeObject } from "../../kube/client.ts";
import { isSecretName, maskSecrets } from "../../secret.ts";
import { textAt } from "../check/kube_object.ts";
import { isSecretFlag, MASK, withoutLetterSecret, withoutNamedSecrets } from "./secret_words.ts";

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
    const masked = withoutSecrets(withoutNamedSecrets(judgedPart(marked)));
    // deno-lint-ignore no-control-regex -- marks that no text of others keeps
    return masked.replaceAll(/\u0000(\d+)\u0000/g, (_, at) => names[at] ?? MASK);
  }).join("\n");
}

/** Names of secrets whose value is a part of an object, and says where a Secret is. */
const REFERENCES = [
  "secret",
  "secretRef",
  "secretKeyRef",
  "imagePullSecrets",
  "serviceAccountToken",
  "tokenRequests",
  "controllerPublishSecretRef",
  "controllerExpandSecretRef",
  "nodeStageSecretRef",
  "nodePublishSecretRef",
  "nodeExpandSecretRef",
];

/** What such a part says without saying what is in the Secret. */
const REFERENCE_FIELDS = [
  "name",
  "namespace",
  "secretName",
  "items",
  "key",
  "path",
  "mode",
  "defaultMode",
  "optional",
  "audience",
  "expirationSeconds",
];

/** Parameters of a StorageClass that name a Secret. */
const REFERENCE_PARAMETER = /^csi\.storage\.k8s\.io\/[a-z-]+-secret-(name|namespace)$/;

/**
 * An object of Kubernetes for somebody else's eyes: without data, without the values of variables and
 * headers, without what stands under the name of a secret, without foreign annotations, and each of
 * its texts redacted.
 */
export function redactedObject(object: KubeObject): KubeObject {
  const isSecretPair = isSecretName(textAt(object, "name"));
  return Object.fromEntries(
    Object.entries(object).flatMap(([key, value]): [string, unknown][] => {
      if (key === "managedFields") return [];
      if (["data", "stringData", "binaryData"].includes(key)) return [[key, MASK]];
      if (key === "annotations" && isObject(value)) return [[key, keptAnnotations(value)]];
      if (["env", "httpHeaders"].includes(key) && Array.isArray(value)) {
        return [[key, value.map(variable)]];
      }
      if (key === "value" && isSecretPair) return [[key, MASK]];
      return [[key, isSecretName(key) ? named(key, value) : redacted(value)]];
    }),
  );
}

/** What stands under the name of a secret: where a Secret is may be told, and nothing else. */
function named(key: string, value: unknown): unknown {
  if (typeof value === "boolean") return value;
  if (typeof value === "string") {
    return REFERENCE_PARAMETER.test(key) ? redactedText(value) : MASK;
  }
  if (!REFERENCES.includes(key)) return MASK;
  if (Array.isArray(value)) return value.map(reference);
  return reference(value);
}

function reference(value: unknown): unknown {
  if (!isObject(value)) return MASK;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => {
      if (!REFERENCE_FIELDS.includes(key)) return [key, MASK];
      if (key === "items" && Array.isArray(part)) return [key, part.map(reference)];
      return [key, isObject(part) || Array.isArray(part) ? MASK : redacted(part)];
    }),
  );
}

function redacted(value: unknown): unknown {
  if (typeof value === "string") return redactedText(value);
  if (Array.isArray(value)) return list(value);
  return isObject(value) ? redactedObject(value) : value;
}

/** A list, which may be the words of a command: what stands after a flag for a secret goes. */
function list(values: readonly unknown[]): unknown[] {
  return values.map((value, at) => {
    if (typeof value !== "string") return redacted(value);
    const before = values[at - 1];
    if (typeof before === "string" && isSecretFlag(before, value)) return MASK;
    return redactedText(withoutLetterSecret(value));
  });
}

function keptAnnotations(annotations: KubeObject): KubeObject {
  const kept = Object.entries(annotations).filter(([key]) =>
    KEPT_ANNOTATIONS.some((prefix) => key.startsWith(prefix))
  );
  return redactedObject(Object.fromEntries(kept));
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
