import type { DeleteScope } from "../../arrays/array.ts";
import type { ControllerContext } from "../context.ts";
import type { ProvisionerOptions } from "../provisioner_options.ts";
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

/** Whose objects this cluster may destroy. */
export function deleteScopeOf(
  { clusterId, deleteImported, deletePrefixes }: ProvisionerOptions,
): Pick<DeleteScope, "cluster" | "rights"> {
  return { cluster: clusterId, rights: { deleteImported, deletePrefixes } };
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
    ...deleteScopeOf(options()),
    isNode: (client) => nodesBehindRule(context, place, client).length > 0,
    publishedTo: published.nodesOf(placeKey(place)),
    // An array that does not heed names is looked at each time: see proveNames().
    isWatched: !member.problem && published.sawAllOf(placeKey(place)),
    signal,
  });
  fleet.deleted(member, name);
  published.removeAll(placeKey(place));
  return destroyed;
}
