import type { ControllerContext } from "../context.ts";
import { nodesBehindRule } from "./attachments.ts";
import { placeKey, type VolumePlace } from "../volume_locator.ts";

/**
 * DeleteVolume. The array that the handle names is asked without a look-up, and its answer is
 * final: a volume of the same name on another array is another volume and stays. Only a volume that
 * is proven to be the same one is destroyed elsewhere.
 */
export async function deleteVolume(
  context: ControllerContext,
  volumeId: string,
  signal: AbortSignal,
): Promise<void> {
  const { locator, published } = context;
  const place = locator.placeByHandle(volumeId);
  if (place && await destroyAt(context, place, signal)) return;
  const found = await locator.find(volumeId, signal, { forDelete: true });
  if (found) await destroyAt(context, { member: found.member, name: found.volume.name }, signal);
  else for (const gone of locator.placesByHandle(volumeId)) published.removeAll(placeKey(gone));
}

/** False when there was no live volume of that name on the array. */
async function destroyAt(
  context: ControllerContext,
  place: VolumePlace,
  signal: AbortSignal,
): Promise<boolean> {
  const { fleet, options, published } = context;
  const { member, name } = place;
  const destroyed = await member.array.deleteVolume(name, {
    cluster: options().clusterId,
    isNode: (client) => nodesBehindRule(context, place, client).length > 0,
    publishedTo: published.nodesOf(placeKey(place)),
    signal,
  });
  fleet.deleted(member, name);
  published.removeAll(placeKey(place));
  return destroyed;
}
