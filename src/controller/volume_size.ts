import type { VolumeKind } from "../arrays/array.ts";
import type { Capability } from "../capability.ts";
import { PsoError } from "../errors.ts";
import { FILE_SYSTEMS, findFsType, FS_TYPES } from "../file_systems.ts";
import { formatSize, GiB, MiB, PiB, roundUp } from "../size.ts";
import type { CapacityRange } from "./requests.ts";

/** Size of a volume whose claim asks for none; PSO 5 and 6 had the same. */
const DEFAULT_SIZE_BYTES = 32 * GiB;
/** FlashArray REST: `provisioned` of a volume is a multiple of 512 from 1 MiB to 4 PiB. */
const BLOCK_STEP_BYTES = 512;
const BLOCK_MIN_BYTES = MiB;
const MAX_BYTES = 4 * PiB;

/** What decides about a new volume's size besides the range. */
export interface SizeOptions {
  kind: VolumeKind;
  capabilities: readonly Capability[];
  /** For capabilities that name no file system. */
  defaultFsType: string;
  /** Size of the source of a clone or restore. */
  sourceBytes?: number;
  /**
   * Of a restore whose snapshot has no known size: what its volume has now. The snapshot may be of
   * a smaller time, and needs no more than this.
   */
  sourceNowBytes?: number;
}

function shown(bytes: number): string {
  return `${bytes} bytes (${formatSize(bytes)})`;
}

function outOfRange(message: string): PsoError {
  return new PsoError("out_of_range", message);
}

/** `out_of_range` when no size can be in the range at all. */
function checkRange({ requiredBytes, limitBytes }: CapacityRange): void {
  if (limitBytes > 0 && requiredBytes > limitBytes) {
    throw outOfRange(
      `the size range is empty: required ${shown(requiredBytes)} is above the limit of ${
        shown(limitBytes)
      }`,
    );
  }
  if (requiredBytes > MAX_BYTES) {
    throw outOfRange(
      `required ${shown(requiredBytes)} is above the largest volume, ${shown(MAX_BYTES)}`,
    );
  }
}

/** The bytes that an array gives for `bytes`: block volumes are whole sectors and at least 1 MiB. */
export function roundedVolumeBytes(bytes: number, kind: VolumeKind): number {
  return kind === "block" ? Math.max(BLOCK_MIN_BYTES, roundUp(bytes, BLOCK_STEP_BYTES)) : bytes;
}

/** As roundedVolumeBytes(). `out_of_range` above the limit. */
function arraySize(bytes: number, kind: VolumeKind, limitBytes: number): number {
  const size = roundedVolumeBytes(bytes, kind);
  if (limitBytes === 0 || size <= limitBytes) return size;
  throw outOfRange(
    `the limit of ${shown(limitBytes)} holds no volume: the smallest one for ${shown(bytes)} has ${
      shown(size)
    }`,
  );
}

/** The file system of the volume that needs most room, and how much that is. */
function neediest(
  { kind, capabilities, defaultFsType }: SizeOptions,
): { fsType: string; bytes: number } {
  const none = { fsType: "", bytes: kind === "block" ? BLOCK_MIN_BYTES : 1 };
  if (kind !== "block") return none;
  const fsTypes = capabilities.flatMap(({ access }) =>
    access.type === "mount" ? findFsType(access.fsType || defaultFsType) ?? [] : []
  );
  const needs = fsTypes.map((fsType) => ({ fsType, bytes: FILE_SYSTEMS[fsType].minimumBytes }));
  return needs.reduce((most, one) => one.bytes > most.bytes ? one : most, none);
}

/** The largest volume that an array with so much room takes. */
export function maximumVolumeBytes(roomBytes: number): number {
  return Math.min(MAX_BYTES, roomBytes);
}

/** The smallest new volume that can be used in all of the ways asked for. */
export function minimumVolumeBytes(options: SizeOptions): number {
  return neediest(options).bytes;
}

/**
 * The size of a new volume for `range`: the required bytes, else the source's size, else 32 GiB if
 * the limit allows; for block in whole sectors. `out_of_range` for an empty range, above 4 PiB,
 * below the source's size, and below what a new file system needs (xfs 300 MiB, ext4 8 MiB). For
 * `sourceNowBytes` the larger of that and the required bytes, as far as the limit allows.
 */
export function newVolumeSize(range: CapacityRange, options: SizeOptions): number {
  checkRange(range);
  const { requiredBytes, limitBytes } = range;
  const { kind, sourceBytes, sourceNowBytes } = options;
  if (sourceNowBytes !== undefined) {
    const wanted = Math.max(requiredBytes, sourceNowBytes);
    return arraySize(limitBytes > 0 ? Math.min(wanted, limitBytes) : wanted, kind, limitBytes);
  }
  if (sourceBytes !== undefined && (requiredBytes > 0 || limitBytes > 0)) {
    const most = requiredBytes > 0 ? arraySize(requiredBytes, kind, limitBytes) : limitBytes;
    if (most < sourceBytes) {
      throw outOfRange(
        `${shown(most)} is smaller than the source, which has ${shown(sourceBytes)}`,
      );
    }
  }
  const wanted = requiredBytes || sourceBytes ||
    (limitBytes > 0 ? Math.min(DEFAULT_SIZE_BYTES, limitBytes) : DEFAULT_SIZE_BYTES);
  const size = arraySize(wanted, kind, limitBytes);
  // A clone brings its file system with it: nothing is formatted.
  const { fsType, bytes } = neediest(options);
  if (sourceBytes === undefined && size < bytes) {
    const other = FS_TYPES.find((type) => FILE_SYSTEMS[type].minimumBytes <= size);
    const instead = other === undefined
      ? "ask for more"
      : `ask for more, or use csi.storage.k8s.io/fstype ${other}`;
    throw outOfRange(
      `${shown(size)} is too small for ${fsType}, which needs ${shown(bytes)}: ${instead}`,
    );
  }
  return size;
}

/**
 * The size that a volume of `currentBytes` must grow to; at most `currentBytes` when it is large
 * enough. `out_of_range` by `range`.
 */
export function grownSize(range: CapacityRange, kind: VolumeKind, currentBytes: number): number {
  checkRange(range);
  const { requiredBytes, limitBytes } = range;
  if (limitBytes > 0 && currentBytes > limitBytes) {
    throw outOfRange(
      `the volume has ${shown(currentBytes)}, above the limit of ${
        shown(limitBytes)
      }: volumes are never shrunk`,
    );
  }
  if (requiredBytes <= currentBytes) return currentBytes;
  return arraySize(requiredBytes, kind, limitBytes);
}

/** Why a volume of `sizeBytes` is not what `range` asks for; `undefined` when it is. */
export function sizeMismatch(
  sizeBytes: number,
  { requiredBytes, limitBytes }: CapacityRange,
): string | undefined {
  if (sizeBytes < requiredBytes) {
    return `it has ${shown(sizeBytes)} and ${shown(requiredBytes)} are required`;
  }
  if (limitBytes > 0 && sizeBytes > limitBytes) {
    return `it has ${shown(sizeBytes)} and the limit is ${shown(limitBytes)}`;
  }
  return undefined;
}
