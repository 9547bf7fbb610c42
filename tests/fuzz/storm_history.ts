/** What a storm of calls was answered, and what must be on the arrays because of it. */
import { status } from "@grpc/grpc-js";

export type What =
  | "create"
  | "delete"
  | "publish"
  | "unpublish"
  | "expand"
  | "snapshot"
  | "deleteSnapshot";

/** One call that ended. */
export interface StormCall {
  what: What;
  /** CSI name of the volume. */
  name: string;
  /** Handle of the volume; of a create that was not OK it is not known. */
  id?: string;
  /** Host of the node, of publish and unpublish; of an unpublish absent: all nodes. */
  host?: string;
  /** What a create or a growth asked for. */
  bytes?: number;
  /** What a create asked for. */
  backend?: string;
  /** Handle of a snapshot. */
  snapshot?: string;
  code: number;
  /** Places in the order of all beginnings and ends. */
  begun: number;
  ended: number;
}

/** A volume as its array has it after the storm. */
export interface FoundVolume {
  sizeBytes: number;
  hosts: readonly string[];
  snapshots: readonly string[];
}

/** Codes after which nobody knows whether the call took effect. ABORTED comes before any effect. */
const UNCLEAR: number[] = [status.CANCELLED, status.DEADLINE_EXCEEDED, status.UNAVAILABLE];

/**
 * What was answered OK and does not hold, though no other call that was OK or unclear, and that
 * ended after it began, can have undone it. `found`: every live volume, by its handle.
 */
export function brokenPromises(
  calls: readonly StormCall[],
  found: ReadonlyMap<string, FoundVolume>,
): string[] {
  return calls.filter(({ code }) => code === status.OK).flatMap((call) => {
    const may = (whats: What[], also: (other: StormCall) => boolean = () => true) =>
      calls.some((other) =>
        other !== call && whats.includes(other.what) && other.ended > call.begun &&
        (other.code === status.OK || UNCLEAR.includes(other.code)) && isAbout(other, call) &&
        also(other)
      );
    const fault = faultOf(call, { volume: found.get(call.id ?? ""), may });
    return fault === undefined ? [] : [`${JSON.stringify(call)}: ${fault}`];
  });
}

/** Whether a call can have changed the volume of another: by its handle, or by its name alone. */
function isAbout(other: StormCall, call: StormCall): boolean {
  return other.id === undefined ? other.name === call.name : other.id === call.id;
}

interface Found {
  volume?: FoundVolume;
  /** Whether one of these calls may have undone the call. */
  may: (whats: What[], also?: (other: StormCall) => boolean) => boolean;
}

function faultOf(call: StormCall, { volume, may }: Found): string | undefined {
  if (call.what === "delete") {
    return volume && !may(["create"]) ? "the volume is there" : undefined;
  }
  if (may(["delete"])) return undefined;
  if (call.what === "deleteSnapshot") {
    const isThere = volume?.snapshots.includes(call.snapshot ?? "");
    const isSame = (other: StormCall) => other.snapshot === call.snapshot || !other.snapshot;
    return isThere && !may(["snapshot"], isSame) ? "the snapshot is there" : undefined;
  }
  // An unpublish of what never was is OK.
  if (call.what === "unpublish") {
    const left = (volume?.hosts ?? []).filter((host) =>
      call.host === undefined || host === call.host
    );
    const isBack = left.every((host) => may(["publish"], (other) => other.host === host));
    return isBack ? undefined : `the volume is connected to ${left}`;
  }
  if (!volume) return "the volume is gone";
  if (volume.sizeBytes < (call.bytes ?? 0)) return `the volume has ${volume.sizeBytes} bytes`;
  if (call.what === "snapshot") {
    const isSame = (other: StormCall) => other.snapshot === call.snapshot;
    const isThere = volume.snapshots.includes(call.snapshot ?? "") ||
      may(["deleteSnapshot"], isSame);
    return isThere ? undefined : `of its snapshots there are ${volume.snapshots}`;
  }
  if (call.what !== "publish" || volume.hosts.includes(call.host ?? "")) return undefined;
  const undoes = (other: StormCall) =>
    other.what === "unpublish"
      ? other.host === undefined || other.host === call.host
      : other.host !== call.host; // the one writer is on another node now
  return may(["unpublish", "publish"], undoes)
    ? undefined
    : `the volume is connected to ${volume.hosts}`;
}
