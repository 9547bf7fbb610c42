import type { ExportChange, VolumeChanges } from "../../arrays/array.ts";
import { usersOf } from "./attachments.ts";
import type { ControllerContext } from "../context.ts";
import type { ClassParameters } from "../parameters.ts";
import { parseMutable, refuseMutableOfOtherKind } from "../parameters/mutable_parameters.ts";
import type { ModifyRequest } from "../requests.ts";
import { placeKey, type VolumePlace } from "../volume_locator.ts";

/**
 * ControllerModifyVolume. All of the request is judged before anything is changed. What it does not
 * name stays as it is: a class without a limit takes none away.
 */
export async function modifyVolume(
  context: ControllerContext,
  { volumeId, mutableParameters }: ModifyRequest,
  signal: AbortSignal,
): Promise<void> {
  const changes = parseMutable(mutableParameters);
  const { member, volume } = await context.locator.need(volumeId, signal);
  const what = `${volume.name} on ${member.array.label}`;
  refuseMutableOfOtherKind(mutableParameters, { kind: member.array.kind, what });
  await applyAttributes(context, { member, name: volume.name, changes }, signal);
}

/** A volume, and what its attributes are to be. */
interface AttributeChange extends VolumePlace {
  changes: Partial<ClassParameters>;
}

/**
 * Gives a volume the attributes; no call when there are none. Errors as StorageArray.modifyVolume.
 */
export async function applyAttributes(
  context: ControllerContext,
  { changes, ...place }: AttributeChange,
  signal: AbortSignal,
): Promise<void> {
  const { iopsLimit, bandwidthLimitBytes, tags, exportRules, protectionGroups } = changes;
  const wanted: VolumeChanges = {
    ...(iopsLimit === undefined && bandwidthLimitBytes === undefined
      ? {}
      : { qos: { iopsLimit, bandwidthLimitBytes } }),
    ...(tags === undefined ? {} : { tags }),
    ...(protectionGroups === undefined ? {} : { protectionGroups }),
    ...(exportRules === undefined ? {} : { exports: exportChange(context, place, exportRules) }),
  };
  if (Object.keys(wanted).length === 0) return;
  await place.member.array.modifyVolume(place.name, wanted, signal);
}

/** New rules with all that is known of who uses the file system. */
function exportChange(
  context: ControllerContext,
  place: VolumePlace,
  rules: string,
): ExportChange {
  const { nodes, published, cluster } = context;
  const volume = placeKey(place);
  const names = usersOf(context, place);
  const users = names.flatMap((name) => {
    const [node] = [...nodes.identitiesOf(name), ...cluster.identitiesOn(place, name)];
    const mode = published.modeOf(volume, name) ?? cluster.modesOn(place, name)[0];
    return node && mode ? [{ node, readOnly: mode.readOnly }] : [];
  });
  return {
    rules,
    users,
    areAllUsersKnown: published.sawAllOf(volume) && users.length === names.length,
  };
}
