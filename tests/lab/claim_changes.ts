/** What sidecars and kubelet do to a claim that exists: it grows, and is copied. */
import assert from "node:assert/strict";
import { type Claim, createClaim, type Paths } from "../../scripts/claim.ts";
import type { CsiClient } from "../../scripts/csi_client.ts";

/** The services of the controller, and of the claim's node. */
interface Services {
  controller: CsiClient;
  csi: CsiClient;
}

/** A claim in use, and its new size. */
interface Growth {
  claim: Claim;
  paths: Paths;
  sizeBytes: number;
}

/** Grows the claim while it is in use, as csi-resizer and kubelet do. */
export async function growClaim(
  { controller, csi }: Services,
  { claim: { volumeId, capability }, paths, sizeBytes }: Growth,
): Promise<void> {
  const capacityRange = { requiredBytes: BigInt(sizeBytes) };
  await controller.controller.controllerExpandVolume({
    volumeId,
    capacityRange,
    volumeCapability: capability,
  });
  await csi.node.nodeExpandVolume({
    ...{ volumeId, capacityRange, volumeCapability: capability },
    ...{ volumePath: paths.target, stagingTargetPath: paths.staging },
  });
}

/** What the copy is called, and the parameters of its class. */
interface CopyOptions {
  name: string;
  parameters: Record<string, string>;
}

/** A snapshot of the claim, and a new claim from it. */
export async function copyClaim(
  controller: CsiClient,
  { volumeId, capability, capacityBytes }: Claim,
  { name, parameters }: CopyOptions,
) {
  const { snapshot } = await controller.controller.createSnapshot({
    sourceVolumeId: volumeId,
    name: `snapshot-${name}`,
  });
  assert.ok(snapshot);
  const { snapshotId } = snapshot;
  const source = { case: "snapshot", value: { snapshotId } } as const;
  const copy = await createClaim(controller, name, {
    sizeBytes: Number(snapshot.sizeBytes) || capacityBytes, // a FlashBlade's has none: 0
    capability,
    parameters,
    source,
  });
  return { copy, drop: () => controller.controller.deleteSnapshot({ snapshotId }) };
}
