import type { ControllerContext } from "../context.ts";
import type { VolumePlace } from "../volume_locator.ts";

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
  const { locator } = context;
  const place = locator.placeByHandle(volumeId);
  if (place && await destroyAt(context, place, signal)) return;
  const found = await locator.find(volumeId, signal, { forDelete: true });
  if (found) await destroyAt(context, { member: found.member, name: found.volume.name }, signal);
}

/** False when there was no live volume of that name on the array. */
async function destroyAt(
  { fleet, nodes }: ControllerContext,
  { member, name }: VolumePlace,
  signal: AbortSignal,
): Promise<boolean> {
  const destroyed = await member.array.deleteVolume(name, {
    mayHaveSnapshots: fleet.mayHaveSnapshots(member, name),
    isNode: (client) => nodes.knows(client),
    signal,
  });
  fleet.deleted(member, name);
  return destroyed;
}
