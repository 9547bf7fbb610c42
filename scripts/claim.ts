// What Kubernetes does with one claim, call by call: the sidecars' part to the controller,
// kubelet's part to a node.
import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  VolumeCapability_AccessMode_Mode as Mode,
  type VolumeCapabilitySchema,
  type VolumeContentSourceSchema,
} from "../src/csi/generated/csi_pb.ts";
import type { CsiClient } from "./csi_client.ts";

export { Mode };
export type CapabilityInit = MessageInitShape<typeof VolumeCapabilitySchema>;

/** A mounted file system; the empty type means the driver's default. */
export function mountCapability(
  mode: Mode = Mode.SINGLE_NODE_WRITER,
  fsType = "",
  mountFlags: string[] = [],
): CapabilityInit {
  return { accessType: { case: "mount", value: { fsType, mountFlags } }, accessMode: { mode } };
}

/** A raw block device. */
export function blockCapability(mode: Mode = Mode.SINGLE_NODE_WRITER): CapabilityInit {
  return { accessType: { case: "block", value: {} }, accessMode: { mode } };
}

/** A bound volume as Kubernetes remembers it in its PersistentVolume. */
export interface Claim {
  volumeId: string;
  capacityBytes: number;
  context: Record<string, string>;
  capability: CapabilityInit;
}

/** One node as a test sees it: its CSI client and the node_id that it registered with. */
export interface NodeHandle {
  name: string;
  csi: CsiClient; // replaced when a test restarts the node
  nodeId: string;
}

export interface ClaimOptions {
  sizeBytes: number;
  capability?: CapabilityInit;
  parameters?: Record<string, string>;
  source?: MessageInitShape<typeof VolumeContentSourceSchema>["type"];
}

/**
 * The name that csi-provisioner gives a volume: `pvc-<UUID>`, of which one claim has one. Only by
 * such a name does the driver know a volume of its own without asking.
 */
export function claimNameOf(claim: string): string {
  const hex = createHash("sha256").update(claim).digest("hex");
  const parts = [hex.slice(0, 8), ...hex.slice(8, 20).match(/.{4}/g) ?? [], hex.slice(20, 32)];
  return `pvc-${parts.join("-")}`;
}

/** CreateVolume, as csi-provisioner asks for it (required_bytes only). */
export async function createClaim(
  controller: CsiClient,
  name: string,
  options: ClaimOptions,
): Promise<Claim> {
  const capability = options.capability ?? mountCapability();
  const { volume } = await controller.controller.createVolume({
    name,
    capacityRange: { requiredBytes: BigInt(options.sizeBytes) },
    volumeCapabilities: [capability],
    parameters: options.parameters ?? {},
    volumeContentSource: options.source ? { type: options.source } : undefined,
  });
  if (!volume) throw new Error(`CreateVolume of ${name} answered no volume`);
  return {
    volumeId: volume.volumeId,
    capacityBytes: Number(volume.capacityBytes),
    context: volume.volumeContext,
    capability,
  };
}

/**
 * Where kubelet would put the volume on a node; both folders' parents exist already, as with
 * kubelet.
 */
export interface Paths {
  staging: string;
  target: string;
}

/**
 * Attach, stage and publish; answers the publish_context. Safe to repeat, as kubelet and attacher
 * repeat.
 */
export async function attachClaim(
  controller: CsiClient,
  node: NodeHandle,
  claim: Claim,
  paths: Paths,
  readonly = false,
): Promise<Record<string, string>> {
  const { publishContext } = await controller.controller.controllerPublishVolume({
    volumeId: claim.volumeId,
    nodeId: node.nodeId,
    volumeCapability: claim.capability,
    readonly,
    volumeContext: claim.context,
  });
  // kubelet makes the staging folder, never the target
  await Deno.mkdir(paths.staging, { recursive: true });
  await node.csi.node.nodeStageVolume({
    volumeId: claim.volumeId,
    publishContext,
    stagingTargetPath: paths.staging,
    volumeCapability: claim.capability,
    volumeContext: claim.context,
  });
  await node.csi.node.nodePublishVolume({
    volumeId: claim.volumeId,
    publishContext,
    stagingTargetPath: paths.staging,
    targetPath: paths.target,
    volumeCapability: claim.capability,
    readonly,
    volumeContext: claim.context,
  });
  return publishContext;
}

/** The node's half of the way back: unpublish and unstage. */
export async function unmountClaim(node: NodeHandle, claim: Claim, paths: Paths): Promise<void> {
  await node.csi.node.nodeUnpublishVolume({ volumeId: claim.volumeId, targetPath: paths.target });
  await node.csi.node.nodeUnstageVolume({
    volumeId: claim.volumeId,
    stagingTargetPath: paths.staging,
  });
}

/** Unpublish, unstage, detach: all that happens when the pod goes. */
export async function detachClaim(
  controller: CsiClient,
  node: NodeHandle,
  claim: Claim,
  paths: Paths,
): Promise<void> {
  await unmountClaim(node, claim, paths);
  await controller.controller.controllerUnpublishVolume({
    volumeId: claim.volumeId,
    nodeId: node.nodeId,
  });
}
