import type { ControllerContext } from "../context.ts";
import type { VolumePlace } from "../volume_locator.ts";

/**
 * DeleteVolume. The array that the handle names is asked first, without a look-up. If the volume is
 * not there, it may have been moved or be gone: then every array that could hold it must answer
 * before this is success.
 */
export async function deleteVolume(
  context: ControllerContext,
  volumeId: string,
  signal: AbortSignal,
): Promise<void> {
  const { locator } = context;
  const place = locator.placeByHandle(volumeId);
  if (place && await destroyAt(context, place, signal)) return;
  const found = await locator.find(volumeId, signal);
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
