// Volumes of one name on several arrays, for the tests of handles.
import type { StorageArray } from "../../src/arrays/array.ts";
import { GiB } from "../../src/size.ts";
import type { ProvisionerBed } from "./provisioner_bed.ts";

/** The name on the array of the volume that `bed.create("pvc-1")` makes. */
export const NAME = "k8s-pvc-1";

/** The array that has the volume, and the first of the others of that kind. */
export async function homeAndOther(
  bed: ProvisionerBed,
  kind: StorageArray["kind"] = "block",
): Promise<[StorageArray, StorageArray]> {
  const arrays = bed.fleet.members.map(({ array }) => array).filter((array) => array.kind === kind);
  const found = await Promise.all(arrays.map((array) => array.findVolume(NAME)));
  const home = arrays.find((_, index) => found[index]);
  const other = arrays.find((_, index) => !found[index]);
  if (!home || !other) throw new Error("the volume is not on exactly one of the arrays");
  return [home, other];
}

/** A volume that somebody made, as by the array's own console. */
export async function makeNamesake(array: StorageArray, name = NAME): Promise<void> {
  await array.createVolume({ name, sizeBytes: GiB });
}

/** Where the array is in the fleet now, for a bed that was restarted. */
export function arrayOf(bed: ProvisionerBed, { label }: StorageArray): StorageArray {
  const member = bed.fleet.members.find(({ array }) => array.label === label);
  if (!member) throw new Error(`no array ${label}`);
  return member.array;
}

/** The handle that names the array. */
export function handleOn(bed: ProvisionerBed, { label }: StorageArray, name: string): string {
  const member = bed.fleet.members.find(({ array }) => array.label === label);
  return `${member?.id?.replaceAll("-", "").slice(0, 8)}/${name}`;
}

/** From now on the array shows its volumes with serials that begin as those of the other array. */
export function showMadeBy(bed: ProvisionerBed, array: StorageArray, maker: StorageArray): void {
  const { id = "" } = bed.fleet.members.find((member) => member.array === maker) ?? {};
  const digits = id.replaceAll("-", "").slice(0, 16).toUpperCase();
  bed.rewrite(
    array.label,
    (text) => text.replaceAll(/"serial":"[0-9A-F]{16}/g, `"serial":"${digits}`),
  );
}

/** From now on the array shows every volume with this one serial. */
export function showSerial(bed: ProvisionerBed, { label }: StorageArray, serial = ""): void {
  if (serial === "") throw new Error("no serial to show");
  bed.rewrite(
    label,
    (text) => text.replaceAll(/"serial":"[0-9A-F]{24}"/g, `"serial":"${serial}"`),
  );
}

/** Destroys the volume and frees its name, so that its array knows nothing of it any more. */
export async function eradicate(bed: ProvisionerBed, array: StorageArray): Promise<void> {
  await array.deleteVolume(NAME);
  await bed.admin(array.label, { method: "DELETE", path: "volumes", query: { names: NAME } });
}

/** Gives a volume the tag that this driver gives, as an administrator does. */
export async function tagByHand(
  bed: ProvisionerBed,
  { label }: StorageArray,
  cluster: string,
): Promise<void> {
  await bed.admin(label, {
    method: "PUT",
    path: "volumes/tags/batch",
    query: { resource_names: NAME },
    body: [{ key: "cluster", value: cluster, copyable: false }],
  });
}
