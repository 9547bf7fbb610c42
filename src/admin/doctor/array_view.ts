// What one array has of the cluster, as far as `admin doctor` compares it.
import type { HostObject } from "../../arrays/array.ts";
import type { AdminArray } from "../../arrays/rest/admin_array.ts";
import type { Snapshot, StorageArray, Volume } from "../../arrays/array.ts";
import { arrayHintOf, podNamed } from "../../arrays/fleet.ts";
import { messageOf } from "../../errors.ts";
import { isOwnSnapshotSuffix, isOwnVolumeName, nameKey, podOfVolume } from "../../names.ts";
import type { ArrayLook } from "../check/array_look.ts";
import type { SeenVolumes } from "../check/volume_table.ts";
import type { Known } from "./diagnosis.ts";

/** One array that answered, with the cluster's volumes on it. */
export interface ArrayView {
  look: ArrayLook;
  array: AdminArray;
  /** What people call it. */
  label: string;
  /** As handles begin with it. */
  hint: string;
  volumes: Volume[];
  /** By name in lower case. */
  hosts: Known<Map<string, HostObject>>;
  /** Volume in lower case → the cluster that its tag names. */
  tags: Known<ReadonlyMap<string, string>>;
  /** Those with names that this driver and PSO give, of volumes with such names. */
  snapshots: Known<{ items: Snapshot[]; isCut: boolean }>;
}

const PAGE = 500;
const PAGES = 20;

/**
 * Reads hosts, tags and snapshots of each array whose volumes are known. Never throws: what cannot
 * be read says why.
 */
export async function viewArrays(
  looks: readonly ArrayLook[],
  { seen, cluster }: Pick<SeenVolumes, "seen" | "silent"> & { cluster: string },
): Promise<ArrayView[]> {
  return await Promise.all(looks.flatMap((look) => {
    const { array, status } = look;
    if (!array || !status) return [];
    const volumes = [
      ...new Map(
        seen.filter((one) => one.look === look).map(({ volume }) => [nameKey(volume.name), volume]),
      ).values(),
    ];
    return [viewOf(array, { look, hint: arrayHintOf(status.id), volumes, cluster })];
  }));
}

async function viewOf(
  array: AdminArray,
  { cluster, ...rest }: Pick<ArrayView, "look" | "hint" | "volumes"> & { cluster: string },
): Promise<ArrayView> {
  const names = rest.volumes.map(({ name }) => name);
  const [hosts, tags, snapshots] = await Promise.all([
    known(async () => new Map((await array.listHosts()).map((one) => [nameKey(one.name), one]))),
    known(() => array.clustersOf(names)),
    known(() => ownSnapshots(array, { cluster, look: rest.look, names })),
  ]);
  return { ...rest, array, label: array.label, hosts, tags, snapshots };
}

async function known<T>(read: () => Promise<T>): Promise<Known<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    return { why: messageOf(error) };
  }
}

/** Whose snapshots are read. */
interface SnapshotScope {
  cluster: string;
  look: ArrayLook;
  /** Of the volumes that are seen on this array. */
  names: readonly string[];
}

async function ownSnapshots(
  array: StorageArray,
  { cluster, look: { status }, names }: SnapshotScope,
): Promise<{ items: Snapshot[]; isCut: boolean }> {
  const found: Snapshot[] = [];
  const shown = new Set(names.map(nameKey));
  // Those of a volume that another array of its stretched pod stands for are seen there.
  const isElsewhere = (volume: string) =>
    !shown.has(nameKey(volume)) &&
    podNamed(status?.containers, podOfVolume(volume) ?? "")?.arrays !== undefined;
  let token: string | undefined;
  for (let page = 0; page < PAGES; page++) {
    const part = { prefix: `${cluster}-`, limit: PAGE, token };
    const { items, nextToken } = await array.listSnapshots(part);
    found.push(
      ...items.filter(({ name, volume }) =>
        isOwnVolumeName(cluster, volume) && !isElsewhere(volume) &&
        isOwnSnapshotSuffix(name.slice(name.lastIndexOf(".") + 1))
      ),
    );
    token = nextToken;
    if (token === undefined) break;
  }
  return { items: found, isCut: token !== undefined };
}
