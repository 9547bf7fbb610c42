// The PersistentVolume and the claim of a recovered volume, from its tags.
import { stringify } from "@std/yaml";
import { baseNameOf } from "../../names.ts";
import { DRIVER } from "../check/cluster.ts";
import type { Waiting } from "./waiting.ts";

/** Where a claim is to be: both parts are names that Kubernetes takes. */
export interface ClaimName {
  namespace: string;
  name: string;
}

/** What the objects are to be called. */
export interface Wanted {
  pv: string;
  /** Absent: the array does not say, and nobody else did. */
  claim?: ClaimName;
}

/** What the flags say; each absent one as the tags say. */
interface Given {
  pv?: string;
  claim?: ClaimName;
}

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const OBJECT_NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);
const NAMESPACE = new RegExp(`^${LABEL}$`);

/** Whether Kubernetes takes it as the name of a PersistentVolume or a claim. */
export function isObjectName(name: string): boolean {
  return OBJECT_NAME.test(name);
}

/** `NAMESPACE/NAME`; undefined for what Kubernetes would not take. */
export function claimNameIn(text: string): ClaimName | undefined {
  const [namespace = "", name = "", ...rest] = text.split("/");
  const isGood = rest.length === 0 && NAMESPACE.test(namespace) && OBJECT_NAME.test(name);
  return isGood ? { namespace, name } : undefined;
}

/**
 * The names for the objects of a volume: those that were given, else those of its tags. A tag that
 * Kubernetes would not take as a name counts as none; the PersistentVolume is called after the
 * volume then.
 */
export function wantedFor({ volume, tags }: Waiting, given: Given): Wanted {
  const last = baseNameOf(volume.name).toLowerCase();
  const own = last.replace(/^.*?-(?=pvc-)/, "").replaceAll("_", "-");
  const candidates = [given.pv, tags.get("pv"), own, last.replaceAll("_", "-")];
  const pv = candidates.find((name) => name !== undefined && isObjectName(name)) ??
    `recovered-${volume.id.toLowerCase().replaceAll(/[^a-z0-9]/g, "").slice(0, 32)}`;
  const claim = given.claim ??
    claimNameIn(`${tags.get("pvc-namespace") ?? ""}/${tags.get("pvc-name") ?? ""}`);
  return claim ? { pv, claim } : { pv };
}

/** An object for the API server. */
type Manifest = Record<string, unknown>;

/** The objects: a PersistentVolume that stays when its claim goes, and its claim if it has a name. */
export function manifestsOf({ volume, handle, array }: Waiting, { pv, claim }: Wanted): Manifest[] {
  const storage = String(volume.sizeBytes);
  const accessModes = [array.kind === "file" ? "ReadWriteMany" : "ReadWriteOnce"];
  const common = { accessModes, volumeMode: "Filesystem", storageClassName: "" };
  const claimRef = claim && { apiVersion: "v1", kind: "PersistentVolumeClaim", ...claim };
  const volumeAttributes = { backend: array.kind };
  return [
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: pv },
      spec: {
        ...common,
        capacity: { storage },
        persistentVolumeReclaimPolicy: "Retain",
        ...(claimRef ? { claimRef } : {}),
        csi: { driver: DRIVER, volumeHandle: handle, volumeAttributes },
      },
    },
    ...(claim
      ? [{
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: claim,
        spec: { ...common, volumeName: pv, resources: { requests: { storage } } },
      }]
      : []),
  ];
}

/** What an array does not know of a volume, for the person who applies the manifest. */
const HEAD =
  `# Look at volumeMode, accessModes and storageClassName first: the array does not keep them.
# A block volume of another file system than the default has csi.fsType: ext4.
# kubectl create never writes over an object that is there.
`;

/** The objects as a file for \`kubectl create -f\`. */
export function manifestText(objects: readonly Manifest[]): string {
  return HEAD + objects.map((object) => stringify(object)).join("---\n");
}
