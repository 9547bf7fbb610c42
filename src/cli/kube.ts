import { UsageError } from "../errors.ts";
import { type Flags, isNamespacedName, type NamespacedName } from "./flag_values.ts";
import { dashed } from "./flags.ts";
import { nearest } from "../nearest.ts";

/** Where the API of Kubernetes lets a pod in. */
export interface KubeOptions {
  /** Folder with `token` and `ca.crt`. */
  credentials: string;
  /** This process' pod, which Events are about; absent: it has no known name, and tells none. */
  pod?: NamespacedName & { uid?: string };
}

/** An object of Kubernetes that holds a part of the configuration. */
export interface ConfigFrom extends NamespacedName {
  kind: "Secret" | "ConfigMap";
  /** The key of its data. */
  key: string;
}

/** Words for each kind on the command line, and the key that PSO's charts use. */
const KINDS = {
  secret: { kind: "Secret", key: "pure.json" },
  configmap: { kind: "ConfigMap", key: "appconfig.json" },
} as const;

/** Where kubelet puts a service account, unless a manifest says otherwise. */
export const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The folder of `--kube-credentials`, or that of every pod. */
export function credentialsFolder(flags: Flags): string {
  return flags.text("kube-credentials") ?? SERVICE_ACCOUNT;
}

/**
 * The pod of this process, by its variables POD_NAME, POD_NAMESPACE (default: `namespace`) and
 * POD_UID.
 */
export function podOf(
  env: (name: string) => string | undefined,
  namespace: string,
): KubeOptions["pod"] {
  const name = env("POD_NAME") ?? "";
  const pod = { namespace: env("POD_NAMESPACE") || namespace, name };
  const uid = env("POD_UID");
  return isNamespacedName(pod) ? { ...pod, ...uid && { uid } } : undefined;
}

/**
 * What `--kube-config-from` names, at most one object of each kind. UsageError for anything else,
 * and beside a values file: one of them would be read in vain.
 */
export function parseConfigFrom(flags: Flags): ConfigFrom[] {
  const given = flags.texts(FLAG).map(readConfigFrom);
  if (given.length > 0 && flags.text("f") !== undefined) {
    throw new UsageError(`-f and ${dashed(FLAG)} both name a configuration: keep one of them`);
  }
  for (const [at, { kind }] of given.entries()) {
    if (given.findIndex((other) => other.kind === kind) === at) continue;
    throw new UsageError(`${dashed(FLAG)} names two objects of the kind ${kind}: keep one of them`);
  }
  return given;
}

const FLAG = "kube-config-from";

function readConfigFrom(text: string): ConfigFrom {
  const [namespace = "", word = "", name = "", key, ...more] = text.split("/");
  const found = Object.entries(KINDS).find(([kind]) => kind === word.toLowerCase())?.[1];
  const isRight = isNamespacedName({ namespace, name }) && more.length === 0 &&
    (key === undefined || KEY.test(key));
  if (found && isRight) return { kind: found.kind, namespace, name, key: key ?? found.key };
  const near = found ? undefined : nearest(word, Object.keys(KINDS));
  throw new UsageError(
    `${dashed(FLAG)} is ${JSON.stringify(text)}, wanted NAMESPACE/secret/NAME or ` +
      `NAMESPACE/configmap/NAME, with /KEY behind it if need be` +
      `${near ? `: did you mean ${near}?` : ""}`,
  );
}

/** What Kubernetes takes as a key of data. */
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
