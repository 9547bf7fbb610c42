import { PsoError } from "../../errors.ts";
import { decodeNodeId } from "../../handoff.ts";
import { hostNameFor } from "../../names.ts";
import type { ControllerContext } from "../context.ts";
import type { UnpublishRequest } from "../requests.ts";
import { placeKey, type VolumeLocator } from "../volume_locator.ts";

/**
 * ControllerUnpublishVolume. Volume that no array holds: success, because then no node holds it
 * either. The array is asked to disconnect even when this process remembers no publish: its memory
 * may be of another day.
 */
export async function unpublishVolume(
  { locator, published }: ControllerContext,
  { volumeId, nodeId }: UnpublishRequest,
  signal: AbortSignal,
): Promise<void> {
  const node = nodeId === "" ? "all" : decodeNodeId(nodeId);
  if (node === undefined) return await unpublishUnknown(locator, { volumeId, nodeId }, signal);
  const place = await locator.findPlace(volumeId, signal);
  if (!place) return;
  await place.member.array.disconnect(place.name, node, signal);
  if (node === "all") published.removeAll(placeKey(place));
  else published.remove(placeKey(place), node.name);
}

/**
 * For a node_id that this driver never gave out, as after a change from another driver: it is taken
 * as a node name, as PSO 5 and 6 did. Where no such host holds the volume, success is certain only
 * if no host does; else `not_found`.
 */
async function unpublishUnknown(
  locator: VolumeLocator,
  { volumeId, nodeId }: UnpublishRequest,
  signal: AbortSignal,
): Promise<void> {
  const found = await locator.find(volumeId, signal, { hosts: true });
  if (!found) return;
  const { member, volume } = found;
  const hosts = volume.hosts ?? [];
  if (hosts.length === 0) return;
  const hostName = hostNameFor(nodeId).toLowerCase();
  if (hosts.some((host) => host.toLowerCase() === hostName)) {
    const node = { name: nodeId, protocols: [], wwpns: [], addresses: [] };
    return await member.array.disconnect(volume.name, node, signal);
  }
  throw new PsoError(
    "not_found",
    `Cannot unpublish ${volume.name} from the unknown node ${JSON.stringify(nodeId)}: ` +
      `${hosts.join(", ")} on ${member.array.label} still holds it and may be that node; ` +
      "disconnect it on the array if it is",
  );
}
