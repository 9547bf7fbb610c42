import type { Fields } from "../../body.ts";
import { refused } from "../../rest_error.ts";
import { requireBaseName, requireDistinct } from "../names.ts";
import type { FlashArrayState, VolumeRecord } from "../state.ts";
import { INVALID_COMBINATION } from "../volume_fields.ts";
import { nameIn, partsOf } from "./containers.ts";

/** The name of a container that a reference of a body names; empty for none. */
function namedBy(
  reference: Fields,
  { byId, missing }: { byId: (id: string) => { name: string } | undefined; missing: string },
): string {
  const [name, id] = [reference.text("name"), reference.text("id")];
  if (name !== undefined || id === undefined) return name ?? "";
  const found = byId(id);
  if (found === undefined) throw refused(missing, id);
  return found.name;
}

/** The name that a volume has after a PATCH with that body. */
function nameAfter(state: FlashArrayState, volume: VolumeRecord, body: Fields): string {
  const { containers } = state;
  const [name, pod, group] = [body.text("name"), body.object("pod"), body.object("volume_group")];
  if ([name, pod, group].filter((one) => one !== undefined).length > 1) {
    throw refused(INVALID_COMBINATION, volume.name);
  }
  const is = partsOf(volume.name);
  if (name !== undefined) {
    const to = partsOf(name);
    const place = ({ pod = "", group = "" }: typeof to) => `${pod}\n${group}`.toLowerCase();
    if (place(to) !== place(is)) {
      throw refused("A rename cannot move a volume into another pod or volume group.", name);
    }
    return name;
  }
  if (pod !== undefined) {
    const find = { byId: (id: string) => containers.pods.get(id), missing: "Pod does not exist." };
    return nameIn({ pod: namedBy(pod, find) || undefined, base: is.base });
  }
  if (group !== undefined) {
    const byId = (id: string) => containers.groups.get(id);
    const to = namedBy(group, { byId, missing: "Volume group does not exist." });
    if (to !== "" && (partsOf(to).pod ?? "") !== (is.pod ?? "")) {
      throw refused("A volume can be moved into a volume group of its own pod only.", volume.name);
    }
    return nameIn({ pod: is.pod, group: to || undefined, base: is.base });
  }
  return volume.name;
}

/** A volume stays in its stretched pod, and none comes into one. */
function requireUnstretched({ containers }: FlashArrayState, from: string, to: string): void {
  const pods = [containers.podOf(from), containers.podOf(to)];
  if (pods[0]?.id === pods[1]?.id || pods.every((pod) => pod?.members === undefined)) return;
  throw refused("Volume cannot be moved into or out of a stretched pod.", from);
}

/**
 * The names of volumes after a rename or a move, in their order; RestError 400 when one cannot have
 * its new name.
 */
export function namesAfter(
  state: FlashArrayState,
  volumes: readonly VolumeRecord[],
  body: Fields,
): string[] {
  if (body.has("name") && volumes.length !== 1) {
    throw refused("Only one volume can be renamed at a time.");
  }
  const names = volumes.map((volume) => {
    const wanted = nameAfter(state, volume, body);
    if (wanted === volume.name) return wanted;
    const is = partsOf(volume.name);
    const name = state.containers.requirePlace(wanted);
    if (partsOf(name).pod !== is.pod && state.protection.protects(volume.id)) {
      throw refused("Volume belongs to a protection group outside of the pod.", volume.name);
    }
    requireUnstretched(state, volume.name, name);
    requireBaseName(partsOf(name).base, name);
    const holder = state.volumeNamed(name);
    if (holder !== undefined && holder.id !== volume.id) {
      throw refused("Volume already exists.", name);
    }
    return name;
  });
  requireDistinct(names);
  return names;
}
