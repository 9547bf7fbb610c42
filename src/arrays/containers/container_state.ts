import { type Container, nameKey } from "../../names.ts";
import { formatSize } from "../../size.ts";

/** What placement must know of one pod or volume group on one array. */
export interface ContainerState {
  /** As the array writes it. */
  name: string;
  /** Why it, or the pod that it lies in, takes no writes there now: continues `which …`. */
  fault?: string;
  /** Bytes that new volumes in it may have together, by its pod's quota; absent without one. */
  roomBytes?: number;
  /**
   * The arrays over which it, or the pod that it lies in, is stretched, the one that says so among
   * them; absent: that alone.
   */
  arrays?: readonly PodArray[];
  /** Of a volume group that has any. */
  limits?: GroupLimits;
}

/** What all volumes of a volume group may do together; a field that is absent has no limit. */
export interface GroupLimits {
  /** I/O operations per second. */
  iops?: number;
  /** Bytes per second. */
  bandwidthBytes?: number;
}

/** One array of a stretched pod, as the array that was asked sees it. */
export interface PodArray {
  id: string;
  /** The array's own name. */
  name: string;
  /** `online`, `offline`, `resyncing`, `suspended` or `unknown`. */
  status: string;
}

/**
 * The live pods and volume groups of an array by `nameKey`. Of a sort that is absent the array does
 * not say which it has.
 */
export type Containers =
  | Readonly<Partial<Record<Container["what"], ReadonlyMap<string, ContainerState>>>>
  | undefined;

/** The container of that name on the array, in any case. */
export function containerNamed(
  containers: Containers,
  { what, name }: Container,
): ContainerState | undefined {
  return containers?.[what]?.get(nameKey(name));
}

/** The pod of that name on the array, in any case. */
export function podNamed(containers: Containers, name: string): ContainerState | undefined {
  return containerNamed(containers, { what: "pod", name });
}

/** Whether the array is known to have any pod or volume group. */
export function hasContainers(containers: Containers): boolean {
  return Object.values(containers ?? {}).some(({ size }) => size > 0);
}

/** Why an array without it cannot take a volume of it; continues a sentence about the array. */
export function missingContainerFault(
  containers: Containers,
  container: Container,
): string | undefined {
  const { what, name } = container;
  const isKnown = containers?.[what] !== undefined;
  return isKnown && !containerNamed(containers, container) ? `has no ${what} ${name}` : undefined;
}

/** What an administrator does on an array that lacks it: continues `…; `. */
export function containerMend({ what, name }: Container): string {
  const command = what === "pod" ? "purepod" : "purevgroup";
  return `make the ${what} on an array (\`${command} create ${name}\`)`;
}

/** Why it cannot be used on the array just now. */
export function containerStateFault(
  containers: Containers,
  container: Container,
): string | undefined {
  const { what, name } = container;
  if (containers?.[what] === undefined) return `does not say which ${what}s it has`;
  const fault = containerNamed(containers, container)?.fault;
  return fault && `has the ${what} ${name}, ${what === "pod" ? "which" : "whose pod"} ${fault}`;
}

/** Why a volume of that size exceeds what is left of the quota. */
export function containerRoomFault(
  containers: Containers,
  { container, sizeBytes }: { container: Container; sizeBytes: number },
): string | undefined {
  const room = containerNamed(containers, container)?.roomBytes;
  if (room === undefined || (room >= sizeBytes && room > 0)) return undefined;
  const { what, name } = container;
  const whose = what === "pod" ? "its" : "its pod's";
  return `has the ${what} ${name} with ${formatSize(room)} left of ${whose} quota`;
}
