/**
 * Protobuf on one side, the plain values of controller/ and node/ on the other. Fields were checked
 * by request_check.ts before.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AccessMode, Capability } from "../capability.ts";
import type {
  CapacityRange as Range,
  ContentSource,
  GroupSnapshotAnswer,
  HealthFinding,
  SnapshotAnswer,
  TopologyRequirement as Requirement,
  VolumeAnswer,
  VolumeHealth,
} from "../controller/requests.ts";
import { PsoError } from "../errors.ts";
import { splitMountOptions } from "../options/mount_options.ts";
import {
  type CapacityRange,
  type SnapshotSchema,
  type TopologyRequirement,
  type VolumeCapability,
  VolumeCapability_AccessMode_Mode as Mode,
  type VolumeContentSource,
  type VolumeGroupSnapshotSchema,
  VolumeHealthErrorType,
  type VolumeHealthSchema,
  type VolumeSchema,
} from "./generated/csi_pb.ts";

const MODES: ReadonlyMap<Mode, AccessMode> = new Map([
  [Mode.SINGLE_NODE_WRITER, "single-node-writer"],
  [Mode.SINGLE_NODE_READER_ONLY, "single-node-reader-only"],
  [Mode.MULTI_NODE_READER_ONLY, "multi-node-reader-only"],
  [Mode.MULTI_NODE_SINGLE_WRITER, "multi-node-single-writer"],
  [Mode.MULTI_NODE_MULTI_WRITER, "multi-node-multi-writer"],
  [Mode.SINGLE_NODE_SINGLE_WRITER, "single-node-single-writer"],
  [Mode.SINGLE_NODE_MULTI_WRITER, "single-node-multi-writer"],
]);

/**
 * One capability as a plain value, each mount flag one option. `invalid` when it names no known
 * access mode or no access type.
 */
export function capabilityOf(wire: VolumeCapability | undefined): Capability {
  const mode = MODES.get(wire?.accessMode?.mode ?? Mode.UNKNOWN);
  if (mode === undefined) {
    const found = wire?.accessMode?.mode ?? "missing";
    throw new PsoError(
      "invalid",
      `volume_capability.access_mode is ${found}: this driver knows ${
        [...MODES.values()].join(", ")
      }`,
    );
  }
  if (wire?.accessType.case === "block") return { access: { type: "block" }, mode };
  if (wire?.accessType.case === "mount") {
    const { fsType, mountFlags } = wire.accessType.value;
    const options = mountFlags.flatMap(splitMountOptions);
    return { access: { type: "mount", fsType, mountFlags: options }, mode };
  }
  throw new PsoError(
    "invalid",
    "volume_capability.access_type is missing: mount or block must be set",
  );
}

/**
 * Whether a capability says how a volume is used. Older releases of csi-provisioner ask for the
 * room of a class with one of the mode UNKNOWN, because they have none to give.
 */
export function saysSomething({ accessMode }: VolumeCapability): boolean {
  return accessMode === undefined || accessMode.mode !== Mode.UNKNOWN;
}

/** `out_of_range` above 2^53, where a number is no longer exact and which no array can hold. */
function bytesOf(wire: bigint): number {
  if (wire <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(wire);
  throw new PsoError(
    "out_of_range",
    `capacity_range asks for ${wire} bytes: no array serves a volume of more than 4 PiB`,
  );
}

/**
 * The size a request asks for. `out_of_range` for numbers beyond any array, and for a limit below
 * what is required.
 */
export function rangeOf(wire: CapacityRange | undefined): Range | undefined {
  if (!wire) return undefined;
  const { requiredBytes, limitBytes } = wire;
  if (limitBytes > 0n && requiredBytes > limitBytes) {
    throw new PsoError(
      "out_of_range",
      `capacity_range is empty: required_bytes ${requiredBytes} is above limit_bytes ${limitBytes}`,
    );
  }
  return { requiredBytes: bytesOf(requiredBytes), limitBytes: bytesOf(limitBytes) };
}

/** What a new volume is to be made from. */
export function sourceOf(wire: VolumeContentSource | undefined): ContentSource | undefined {
  switch (wire?.type.case) {
    case "snapshot":
      return { snapshotId: wire.type.value.snapshotId };
    case "volume":
      return { volumeId: wire.type.value.volumeId };
    default:
      return undefined;
  }
}

/** Where the volume must be reachable from; undefined when the request does not say. */
export function topologyOf(wire: TopologyRequirement | undefined): Requirement | undefined {
  const segments = (topologies: TopologyRequirement["requisite"]) =>
    topologies.map((topology) => topology.segments);
  return wire && { requisite: segments(wire.requisite), preferred: segments(wire.preferred) };
}

/**
 * A volume as CreateVolume, ListVolumes and ControllerGetVolume answer it; without `topology` it
 * says nothing of where it can be reached from.
 */
export function volumeMessage(
  volume: VolumeAnswer,
  topology: boolean,
): MessageInitShape<typeof VolumeSchema> {
  const { contentSource: source } = volume;
  const type = source &&
    ("snapshotId" in source
      ? { case: "snapshot" as const, value: { snapshotId: source.snapshotId } }
      : { case: "volume" as const, value: { volumeId: source.volumeId } });
  return {
    volumeId: volume.volumeId,
    capacityBytes: BigInt(volume.capacityBytes),
    volumeContext: volume.volumeContext,
    contentSource: type && { type },
    accessibleTopology: topology ? volume.accessibleTopology.map((segments) => ({ segments })) : [],
  };
}

/** A snapshot as CreateSnapshot, ListSnapshots and GetSnapshot answer it. */
export function snapshotMessage(snapshot: SnapshotAnswer): MessageInitShape<typeof SnapshotSchema> {
  return {
    snapshotId: snapshot.snapshotId,
    sourceVolumeId: snapshot.sourceVolumeId,
    sizeBytes: BigInt(snapshot.sizeBytes),
    creationTime: timestampFromMs(snapshot.createdMs),
    readyToUse: snapshot.readyToUse,
    groupSnapshotId: snapshot.groupSnapshotId ?? "",
  };
}

/** A group snapshot as CreateVolumeGroupSnapshot and GetVolumeGroupSnapshot answer it. */
export function groupSnapshotMessage(
  { groupSnapshotId, snapshots, createdMs, readyToUse }: GroupSnapshotAnswer,
): MessageInitShape<typeof VolumeGroupSnapshotSchema> {
  return {
    groupSnapshotId,
    snapshots: snapshots.map(snapshotMessage),
    creationTime: timestampFromMs(createdMs),
    readyToUse,
  };
}

const HEALTH: Record<HealthFinding["status"], VolumeHealthErrorType> = {
  degraded: VolumeHealthErrorType.DEGRADED,
  inaccessible: VolumeHealthErrorType.INACCESSIBLE,
};

/** What the controller finds wrong with a volume; without a status it is healthy. */
export function healthMessage(
  { volumeId, findings }: VolumeHealth,
): MessageInitShape<typeof VolumeHealthSchema> {
  const healthStatuses = findings.map(({ status, reason, message }) => ({
    status: HEALTH[status],
    reason,
    message,
  }));
  return { volumeId, healthStatuses };
}
