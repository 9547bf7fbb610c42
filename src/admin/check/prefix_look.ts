// Whether the prefix of this cluster's volumes is in use by another cluster.
import type { StorageArray, Volume } from "../../arrays/array.ts";
import { messageOf } from "../../errors.ts";
import { isOwnVolumeName, nameKey } from "../../names.ts";
import { counted, type FoundList } from "./found.ts";

/** Volumes in one page of the list. */
const PAGE = 500;
/** Pages that are read: what is told of 10,000 volumes holds for the others too. */
const PAGES = 20;
/** Volumes whose tags are asked for. */
const TAGGED = 1000;
/** Volumes that a finding names. */
const SHOWN = 3;

/** Which volumes are asked for. */
interface OwnQuestion {
  /** The prefix of this cluster's volumes, without its `-`. */
  cluster: string;
  signal?: AbortSignal;
}

/** The cluster's volumes on an array, as far as they were read. */
export interface OwnVolumes {
  volumes: Volume[];
  /** There are more than were read. */
  isCut: boolean;
}

/** The volumes that bear a name which this cluster gives, with their hosts; 10,000 at most. */
export async function ownVolumes(
  array: StorageArray,
  { cluster, signal }: OwnQuestion,
): Promise<OwnVolumes> {
  const volumes: Volume[] = [];
  let token: string | undefined;
  for (let page = 0; page < PAGES; page++) {
    const part = { prefix: `${cluster}-`, limit: PAGE, token, hosts: true };
    const { items, nextToken } = await array.listVolumes(part, signal);
    volumes.push(...items.filter(({ name }) => isOwnVolumeName(cluster, name)));
    token = nextToken;
    if (token === undefined) break;
  }
  return { volumes, isCut: token !== undefined };
}

/** What a prefix is judged by. */
interface PrefixScope extends OwnQuestion {
  found: FoundList;
  /** Names in lower case of the volumes that PersistentVolumes of this cluster mean; absent: unknown. */
  claimed?: ReadonlySet<string>;
}

/**
 * Tells how many volumes bear our prefix, and which of them another cluster seems to have made: by
 * their tag, and because no PersistentVolume of this cluster means them. Never throws.
 */
export async function tellPrefix(
  array: StorageArray,
  { cluster, found, claimed, signal }: PrefixScope,
): Promise<void> {
  try {
    const { volumes, isCut } = await ownVolumes(array, { cluster, signal });
    const names = volumes.map(({ name }) => name);
    const tags = await array.clustersOf(names.slice(0, TAGGED), signal);
    const foreign = names.filter((name) => {
      const tag = tags.get(nameKey(name));
      return tag !== undefined && tag !== cluster;
    });
    const count =
      `${isCut ? "more than " : ""}${counted(names.length, "volume")} with the prefix ` +
      `${cluster}-`;
    if (foreign.length > 0) {
      const clusters = [...new Set(foreign.map((name) => tags.get(nameKey(name))))].join(", ");
      found.warn(
        "prefix",
        `${count}: ${foreign.length} with the tag of another cluster (${clusters}): ${
          shown(foreign)
        }`,
        "two clusters must not share a clusterID: choose another one before this cluster makes " +
          "volumes",
      );
      return;
    }
    const strange = claimed === undefined
      ? []
      : names.filter((name) => !claimed.has(nameKey(name)));
    if (strange.length > 0) {
      found.warn(
        "prefix",
        `${count}: ${strange.length} of no PersistentVolume of this cluster: ${shown(strange)}`,
        "another cluster has the same clusterID, or they were left over: see pso-bin admin volumes",
      );
    } else found.ok("prefix", count);
  } catch (error) {
    found.warn("prefix", `the volumes cannot be listed: ${messageOf(error)}`);
  }
}

function shown(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return names.slice(0, SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
