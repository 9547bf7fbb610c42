// Volumes of the cluster that were destroyed and that their array still has.
import type { ArrayStatus } from "../../arrays/array.ts";
import { onceEach } from "../../arrays/containers/copies.ts";
import type { AdminArray, DestroyedVolume } from "../../arrays/rest/admin_array.ts";
import { volumeIdOf } from "../../controller/volume_id.ts";
import { messageOf } from "../../errors.ts";
import { isOwnVolumeName, nameKey } from "../../names.ts";
import type { ArrayLook } from "../check/array_look.ts";

/** One of them, with the array that can recover it. */
export interface Waiting {
  array: AdminArray;
  volume: DestroyedVolume;
  /** The handle that it had and gets back. */
  handle: string;
  tags: ReadonlyMap<string, string>;
}

/** What all arrays have. */
export interface WaitingList {
  /** Those whose time is over soonest come first. */
  waiting: Waiting[];
  /** There are more than were read. */
  isCut: boolean;
  /** Entries of arrays that did not say. */
  silent: string[];
}

/** Which volumes are asked for. */
interface WaitingQuestion {
  /** The prefix of this cluster's volumes, without its `-`. */
  cluster: string;
  /** Only that name; absent: all that bear the prefix. */
  name?: string;
}

const PAGE = 500;
const PAGES = 20;

/**
 * What is destroyed and bears a name of this cluster, or its tag. An array whose list fails is told
 * to its findings. Never throws.
 */
export async function waitingVolumes(
  looks: readonly ArrayLook[],
  question: WaitingQuestion,
): Promise<WaitingList> {
  const silent: string[] = [];
  let isCut = false;
  const all = await Promise.all(looks.map(async ({ array, status, found }) => {
    if (!array || !status) {
      silent.push(found.object);
      return [];
    }
    try {
      const { volumes, isCut: isLonger } = await destroyedOn(array, question);
      isCut ||= isLonger;
      const tags = await array.destroyedTags(volumes.map(({ name }) => name));
      return volumes.map((volume): Waiting & { status: ArrayStatus } => ({
        array,
        status,
        volume,
        handle: volumeIdOf(status.id, volume.name),
        tags: tags.get(nameKey(volume.name)) ?? new Map(),
      })).filter((one) => question.name !== undefined || isOfCluster(one, question.cluster));
    } catch (error) {
      silent.push(found.object);
      found.fail("destroyed", messageOf(error));
      return [];
    }
  }));
  const left = ({ volume }: Waiting) => volume.remainingMs ?? Infinity;
  // Recovered on one array of its pod, a volume is back on all of them.
  const once = onceEach(all.flat(), { shownOf: ({ status, volume }) => ({ status, ...volume }) });
  const waiting = once.map(({ status: _, ...one }): Waiting => one);
  return { waiting: waiting.toSorted((a, b) => left(a) - left(b)), isCut, silent };
}

async function destroyedOn(
  array: AdminArray,
  { cluster, name }: WaitingQuestion,
): Promise<{ volumes: DestroyedVolume[]; isCut: boolean }> {
  const which = name === undefined ? { prefix: `${cluster}-` } : { names: [name] };
  const volumes: DestroyedVolume[] = [];
  let token: string | undefined;
  for (let page = 0; page < PAGES; page++) {
    const { items, nextToken } = await array.listDestroyed({ ...which, limit: PAGE, token });
    volumes.push(...items);
    token = nextToken;
    if (token === undefined) break;
  }
  return { volumes, isCut: token !== undefined };
}

/** Whether this cluster made it: its tag says so, or without one its name does. */
export function isOfCluster({ volume, tags }: Waiting, cluster: string): boolean {
  const tag = tags.get("cluster");
  return tag === undefined ? isOwnVolumeName(cluster, volume.name) : tag === cluster;
}
