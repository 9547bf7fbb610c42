// The manifest in a release record. Helm builds every object of the last one before it upgrades, so
// that one kind that the API does not serve any more stops each upgrade and each rollback.
import { parse as parseYaml, stringify } from "@std/yaml";
import { isObject } from "../../kube/client.ts";
import type { ApiKinds, ManifestObject } from "./api_kinds.ts";
import { nameOf, textAt } from "../check/kube_object.ts";

/** One document of a manifest. */
interface ManifestDocument {
  /** As it stands there, with the line of dashes before it. */
  text: string;
  /** Absent: it holds no object, or none that can be read. */
  object?: ManifestObject;
  /** It is no YAML. */
  isBroken: boolean;
}

/** What is to be changed so that Helm can build the objects of a manifest. */
export interface MendedManifest {
  manifest: string;
  /** What was changed, object by object, for people. */
  changes: string[];
  /** Kinds that the API does not serve and of which nothing is known here. */
  unknown: string[];
}

type NewVersion = Readonly<Record<string, string>>;

const APPS: NewVersion = {
  DaemonSet: "apps/v1",
  Deployment: "apps/v1",
  ReplicaSet: "apps/v1",
  StatefulSet: "apps/v1",
};
const RBAC = "rbac.authorization.k8s.io/v1";
const ROLES: NewVersion = {
  ClusterRole: RBAC,
  ClusterRoleBinding: RBAC,
  Role: RBAC,
  RoleBinding: RBAC,
};
const STORAGE = "storage.k8s.io/v1";
const SNAPSHOTS: NewVersion = { VolumeSnapshotClass: "snapshot.storage.k8s.io/v1" };

/** What a kind of an API version that went is called now; empty: it went without an heir. */
const HEIRS: Readonly<Record<string, NewVersion>> = {
  "apps/v1beta1": APPS,
  "apps/v1beta2": APPS,
  "extensions/v1beta1": { ...APPS, PodSecurityPolicy: "" },
  "policy/v1beta1": { PodDisruptionBudget: "policy/v1", PodSecurityPolicy: "" },
  "rbac.authorization.k8s.io/v1alpha1": ROLES,
  "rbac.authorization.k8s.io/v1beta1": ROLES,
  "storage.k8s.io/v1beta1": { CSIDriver: STORAGE, CSINode: STORAGE, StorageClass: STORAGE },
  "snapshot.storage.k8s.io/v1alpha1": SNAPSHOTS,
  "snapshot.storage.k8s.io/v1beta1": SNAPSHOTS,
  "apiextensions.k8s.io/v1beta1": { CustomResourceDefinition: "apiextensions.k8s.io/v1" },
};

/** The objects of a manifest; `namespace` is the release's. */
export function objectsIn(manifest: string, namespace: string): ManifestObject[] {
  return documentsOf(manifest, namespace).flatMap(({ object }) => object ?? []);
}

function documentsOf(manifest: string, namespace: string): ManifestDocument[] {
  return manifest.split(/^(?=---)/m).map((text) => {
    let value: unknown;
    try {
      value = valueOf(text);
    } catch {
      return { text, isBroken: true };
    }
    const [apiVersion, kind] = [textAt(value, "apiVersion"), textAt(value, "kind")];
    if (!isObject(value) || apiVersion === "" || kind === "") return { text, isBroken: false };
    const own = textAt(value, "metadata", "namespace") || namespace;
    return {
      text,
      isBroken: false,
      object: { apiVersion, kind, name: nameOf(value), namespace: own },
    };
  });
}

/** How an object of a manifest is called now. */
type Heir = { keep: true } | { apiVersion: string } | { gone: true } | { unknown: true };

async function heirOf({ apiVersion, kind }: ManifestObject, kinds: ApiKinds): Promise<Heir> {
  if (await kinds.served(apiVersion, kind)) return { keep: true };
  const heir = HEIRS[apiVersion]?.[kind];
  if (heir === undefined) return { unknown: true };
  // Where the API has no such kind under any name, there is no such object.
  const isServed = heir !== "" && await kinds.served(heir, kind) !== undefined;
  return isServed ? { apiVersion: heir } : { gone: true };
}

/**
 * The manifest with every object under a version that the cluster serves, as the plugin
 * `helm mapkubeapis` makes it; only the version of an object changes, and objects go whose kind is no
 * more. What is right already stays byte for byte.
 */
export async function mendManifest(
  manifest: string,
  { namespace, kinds }: { namespace: string; kinds: ApiKinds },
): Promise<MendedManifest> {
  const mended: MendedManifest = { manifest: "", changes: [], unknown: [] };
  for (const { text, object, isBroken } of documentsOf(manifest, namespace)) {
    const heir: Heir = object ? await heirOf(object, kinds) : { keep: true };
    const shown = object ? `${object.kind} ${object.name} (${object.apiVersion})` : "";
    if (isBroken) {
      mended.unknown.push(`what stands at ${JSON.stringify(firstLineOf(text))}, no YAML`);
    }
    if ("unknown" in heir) mended.unknown.push(shown);
    if ("gone" in heir) mended.changes.push(`${shown} is taken out: the cluster has no such kind`);
    else if ("apiVersion" in heir) {
      mended.changes.push(`${shown} becomes ${heir.apiVersion}`);
      mended.manifest += withVersion(text, heir.apiVersion);
    } else mended.manifest += text;
  }
  return mended;
}

function valueOf(document: string): unknown {
  return parseYaml(document.replace(/^---[^\n]*/, ""));
}

/** The document under another version; one in the form of JSON is written anew. */
function withVersion(document: string, apiVersion: string): string {
  const line = /^apiVersion:.*$/m;
  if (line.test(document)) return document.replace(line, `apiVersion: ${apiVersion}`);
  return `---\n${stringify({ ...Object(valueOf(document)), apiVersion })}`;
}

function firstLineOf(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  return (lines.find((line) => line !== "" && line !== "---") ?? "").slice(0, 80);
}
