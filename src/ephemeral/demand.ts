import type { Capability } from "../capability.ts";
import type { EphemeralSettings } from "../config/model.ts";
import { roundedVolumeBytes } from "../controller/volume_size.ts";
import { PsoError } from "../errors.ts";
import { isObject, type KubeObject } from "../kube/client.ts";
import { nearest } from "../nearest.ts";
import { bytesOfQuantity, formatSize, GiB } from "../size.ts";
import { type EphemeralVolume, inlineIdOf, textsOf } from "./object.ts";

/** Attributes that a pod may give, in any letters; PSO 6 had the same. */
const ATTRIBUTES = ["backend", "size", "exportrules"] as const;
type Attribute = (typeof ATTRIBUTES)[number];

/** kubelet's own, beside those of the pod. */
const KUBELET = /^csi\.storage\.k8s\.io\//;

/** What a pod asks for, as the leader makes it. */
export interface Demand {
  bytes: number;
  /** Of a class that has them. */
  parameters: Record<string, string>;
  capability: Capability;
  /** Export rules that the pod asks for, and that pods may not choose. */
  ignoredRules?: string;
}

/** The attributes by their names in small letters. `invalid` for one that is unknown or comes twice. */
export function readAttributes(given: Record<string, string>): { [K in Attribute]?: string } {
  const found: { [K in Attribute]?: string } = {};
  for (const [key, value] of Object.entries(given)) {
    if (KUBELET.test(key)) continue;
    const name = ATTRIBUTES.find((known) => known === key.toLowerCase());
    if (name === undefined) {
      const near = nearest(key, ATTRIBUTES);
      throw invalid(
        `volumeAttributes of the pod have ${JSON.stringify(key)}` +
          `${near === undefined ? "" : `, did you mean ${near}?`}; known are ${
            ATTRIBUTES.join(", ")
          }`,
      );
    }
    if (found[name] !== undefined) throw invalid(`volumeAttributes of the pod have ${name} twice`);
    found[name] = value;
  }
  return found;
}

/** Size of a volume of which the pod says none; the same as for a claim. */
const DEFAULT_SIZE = "32Gi";

/**
 * What the pod asks for, by its own spec: what the node wrote is only compared with it. `invalid`,
 * `out_of_range` for what is never made; the message names both sides.
 */
export function demandOf(
  pod: KubeObject,
  { name, spec }: EphemeralVolume,
  settings: EphemeralSettings,
): Demand {
  const podSpec = isObject(pod.spec) ? pod.spec : {};
  const who = `pod ${spec.pod.namespace}/${spec.pod.name}`;
  if (isMirror(pod)) {
    throw invalid(
      `${who} is a mirror pod, which node ${spec.node} wrote itself, and proves nothing: ` +
        "describe the volume in a pod that was made in Kubernetes, or use a claim",
    );
  }
  const source = sourceOf(podSpec, { podUid: spec.pod.uid, volumeId: name });
  if (!source) throw invalid(`${who} has no volume of this driver with the id ${name}`);
  if (source.nodePublishSecretRef !== undefined) {
    throw invalid(
      `the volume of ${who} has nodePublishSecretRef, and its credentials are not a pod's ` +
        "to give: take it out; an administrator sets ephemeral.chapSecret",
    );
  }
  const attributes = readAttributes(
    isObject(source.volumeAttributes) ? textsOf(source.volumeAttributes) : {},
  );
  const fsType = typeof source.fsType === "string" ? source.fsType : "";
  for (
    const [what, theirs, ours] of [
      ["backend", attributes.backend, spec.backend],
      ["size", attributes.size, spec.size],
      ["fsType", fsType, spec.fsType],
    ] as const
  ) {
    if ((theirs ?? "") === (ours ?? "")) continue;
    throw invalid(
      `${who} asks for ${what} "${theirs ?? ""}", and node ${spec.node} for "${ours ?? ""}"`,
    );
  }
  const { backend, size = DEFAULT_SIZE, exportrules } = attributes;
  const isKept = exportrules !== undefined && settings.allowExportRules;
  return {
    bytes: sizeOf(size, settings),
    parameters: {
      ...backend !== undefined && { backend },
      ...isKept && { exportrules },
    },
    capability: { access: { type: "mount", fsType, mountFlags: [] }, mode: "single-node-writer" },
    ...exportrules !== undefined && !isKept && { ignoredRules: exportrules },
  };
}

/** Whether a kubelet wrote the pod: Kubernetes lets a node make no others (NodeRestriction). */
function isMirror({ metadata }: KubeObject): boolean {
  const annotations = isObject(metadata) && isObject(metadata.annotations)
    ? metadata.annotations
    : {};
  return annotations["kubernetes.io/config.mirror"] !== undefined;
}

function sourceOf(
  { volumes }: KubeObject,
  { podUid, volumeId }: { podUid: string; volumeId: string },
): KubeObject | undefined {
  for (const volume of Array.isArray(volumes) ? volumes.filter(isObject) : []) {
    const { name, csi } = volume;
    if (typeof name !== "string" || !isObject(csi) || csi.driver !== DRIVER) continue;
    if (inlineIdOf(podUid, name) === volumeId) return csi;
  }
  return undefined;
}

/** In pods of this driver's users; the name of PSO. */
const DRIVER = "pure-csi";

function sizeOf(size: string, { maxBytes }: EphemeralSettings): number {
  const bytes = bytesOfQuantity(size);
  if (bytes === undefined || bytes < 1) {
    throw invalid(`size ${JSON.stringify(size)} of the pod is no size: write it as 10Gi`);
  }
  if (bytes <= maxBytes) return madeBytes(bytes);
  throw new PsoError(
    "out_of_range",
    `size ${size} of the pod is more than ${formatSize(maxBytes)}, which ephemeral.maxSizeGiB ` +
      "allows for a volume that a pod describes itself: ask for less, or use a claim",
  );
}

/** Bytes that an admitted volume counts with in its namespace: what is made of the size asked for. */
export function countedBytes({ spec: { size = DEFAULT_SIZE } }: EphemeralVolume): number {
  return madeBytes(bytesOfQuantity(size) ?? GiB);
}

/** As an array rounds a size up; file systems count as volumes do, so that none is free. */
function madeBytes(bytes: number): number {
  return roundedVolumeBytes(bytes, "block");
}

function invalid(why: string): PsoError {
  return new PsoError("invalid", why);
}
