import type { ArrayStatus } from "../../arrays/array.ts";
import { containerNamed } from "../../arrays/fleet.ts";
import type { Container } from "../../names.ts";

/** What tells how the pod of a wanted volume is stretched. */
interface PodOnArray {
  status?: Room & Pick<ArrayStatus, "containers">;
}

/** What the room of an array is told by. */
type Room = Pick<ArrayStatus, "capacityBytes" | "usedBytes">;

/** Where a volume is wanted: in a pod, in a volume group that may lie in one, or in neither. */
interface Wanted {
  container?: Container;
}

/**
 * The arrays over which the pod of the wanted volume is stretched, as one text that all of them
 * have alike; undefined for a pod that is on one array, and without a pod.
 */
export function stretchKey(
  { status }: PodOnArray,
  { container }: Wanted,
): string | undefined {
  const arrays = container && containerNamed(status?.containers, container)?.arrays;
  return arrays?.map(({ id }) => id).sort().join();
}

/**
 * The arrays with the capacity that they have for a volume in the pod: each array of a stretched
 * pod holds all of it, so that the one with the least room decides for all.
 */
export function withSharedRoom<A extends PodOnArray>(
  arrays: readonly A[],
  request: Wanted,
  roomOf: (status: Room) => number,
): A[] {
  if (request.container === undefined) return [...arrays];
  return arrays.map((array) => {
    const { status } = array;
    const key = stretchKey(array, request);
    if (status === undefined || key === undefined) return array;
    const all = arrays.filter((one) => stretchKey(one, request) === key);
    const smallest = all.flatMap((one) => one.status ?? []).reduce(
      (least, one) => roomOf(one) < roomOf(least) ? one : least,
      status,
    );
    const { capacityBytes, usedBytes } = smallest;
    return { ...array, status: { ...status, capacityBytes, usedBytes } };
  });
}

/**
 * Splits candidates, best first, into the first of each stretched pod and the arrays it stands for.
 */
export function firstOfEachPod<A extends PodOnArray, C extends { array: A }>(
  candidates: readonly C[],
  request: Wanted,
): { first: C[]; others: { candidate: C; by: C }[] } {
  const byKey = new Map<string, C>();
  const first: C[] = [];
  const others: { candidate: C; by: C }[] = [];
  for (const candidate of candidates) {
    const key = stretchKey(candidate.array, request);
    const by = key === undefined ? undefined : byKey.get(key);
    if (by) others.push({ candidate, by });
    else first.push(candidate);
    if (key !== undefined && !by) byKey.set(key, candidate);
  }
  return { first, others };
}
