import type { Fields } from "../body.ts";
import type { FlashArrayState, Reference, VolumeRecord } from "./state.ts";
import { refused } from "../rest_error.ts";

/** What a destroyed volume answers to every call but recovery and eradication. */
export const VOLUME_DESTROYED = "Volume has been destroyed.";

/** Parameters that no call may have together (recorded: Apache CloudStack, pull request 13049). */
export const INVALID_COMBINATION = "Invalid combination of parameters specified.";

const BANDWIDTH = { least: 1_048_576, most: 549_755_813_888 };
const IOPS = { least: 100, most: 100_000_000 };
const PRIORITIES = ["+", "-", "="] as const;

/** The bytes of a copy: an image's id, and what the volume made from it says it comes from. */
export interface CopySource {
  imageId: string;
  provisioned: number;
  origin: Reference;
  tags: VolumeRecord["tags"];
}

/** What `source` of a body names: a live volume or snapshot, or RestError 400. */
export function copySource(state: FlashArrayState, source: Fields): CopySource {
  const [name, id] = [source.text("name"), source.text("id")];
  const volume = name === undefined ? state.volumes.get(id ?? "") : state.volumeNamed(name);
  if (volume !== undefined) {
    if (volume.destroyedMs !== null) throw refused(VOLUME_DESTROYED, volume.name);
    return {
      imageId: volume.id,
      provisioned: volume.provisioned,
      origin: { id: volume.id, name: volume.name },
      tags: volume.tags,
    };
  }
  const snapshot = name === undefined ? state.snapshots.get(id ?? "") : state.snapshotNamed(name);
  const parent = snapshot === undefined ? undefined : state.volumes.get(snapshot.volumeId);
  if (snapshot === undefined || parent === undefined) {
    throw refused("No such volume or snapshot.", name ?? id ?? null);
  }
  if (snapshot.destroyedMs !== null) {
    const text =
      "Volume snapshot has been destroyed. It can be recovered by purevol recover and eradicated " +
      "by purevol eradicate.";
    throw refused(text, state.snapshotName(snapshot));
  }
  // `source` is "the originating volume" also when the copy was made from a snapshot (FA2.26,
  // Volume.source).
  return {
    imageId: snapshot.id,
    provisioned: snapshot.provisioned,
    origin: { id: parent.id, name: parent.name },
    tags: parent.tags,
  };
}

function limitWithin(
  value: number | "" | undefined,
  field: string,
  range: { least: number; most: number },
): number | null | undefined {
  if (value === undefined) return undefined;
  if (value === "") return null;
  if (value < range.least || value > range.most) {
    throw refused(
      `Invalid value for ${field}: ${value} is not within ${range.least} and ${range.most}.`,
      field,
    );
  }
  return value;
}

/** The QoS limits of a body over those that the volume has; `""` unsets one. */
export function qosOf(body: Fields, old: VolumeRecord["qos"]): VolumeRecord["qos"] {
  const qos = body.object("qos");
  const bandwidth = limitWithin(qos?.limit("bandwidth_limit"), "bandwidth_limit", BANDWIDTH);
  const iops = limitWithin(qos?.limit("iops_limit"), "iops_limit", IOPS);
  return {
    bandwidthLimit: bandwidth === undefined ? old.bandwidthLimit : bandwidth,
    iopsLimit: iops === undefined ? old.iopsLimit : iops,
  };
}

/** The priority of a body over the one that the volume has; only steps of 10 are taken. */
export function priorityOf(body: Fields, old: VolumeRecord["priority"]): VolumeRecord["priority"] {
  const sent = body.object("priority_adjustment");
  if (sent === undefined) return old;
  const operator = PRIORITIES.find((one) => one === sent.text("priority_adjustment_operator"));
  const value = sent.integer("priority_adjustment_value");
  if (operator === undefined || value === undefined || ![0, 10].includes(Math.abs(value))) {
    throw refused("Invalid value for priority_adjustment.");
  }
  return { operator, value };
}
