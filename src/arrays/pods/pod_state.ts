import { nameKey } from "../../names.ts";
import { formatSize } from "../../size.ts";

/** What placement must know of one pod on one array. */
export interface PodState {
  /** As the array writes it. */
  name: string;
  /** Why it takes no writes there now: continues `which …`; absent while it does. */
  fault?: string;
  /** Bytes that new volumes in it may have together; absent for a pod without quota. */
  roomBytes?: number;
  /** The arrays that it is stretched over, the one that says so among them; absent: that alone. */
  arrays?: readonly PodArray[];
}

/** One array of a stretched pod, as the array that was asked sees it. */
export interface PodArray {
  id: string;
  /** The array's own name. */
  name: string;
  /** `online`, `offline`, `resyncing`, `suspended` or `unknown`. */
  status: string;
}

/** The live pods of an array by `nameKey`; absent: it does not say which it has. */
export type Pods = ReadonlyMap<string, PodState> | undefined;

/** The pod of that name on the array, in any case. */
export function podNamed(pods: Pods, name: string): PodState | undefined {
  return pods?.get(nameKey(name));
}

/** Why an array without the pod cannot take a volume of it; continues a sentence about the array. */
export function missingPodFault(pods: Pods, pod: string): string | undefined {
  if (pods === undefined || podNamed(pods, pod) !== undefined) return undefined;
  return `has no pod ${pod}`;
}

/** Why the pod cannot be used on the array just now. */
export function podStateFault(pods: Pods, pod: string): string | undefined {
  if (pods === undefined) return "does not say which pods it has";
  const fault = podNamed(pods, pod)?.fault;
  return fault && `has the pod ${pod}, which ${fault}`;
}

/** Why a volume of that size exceeds what is left of the pod's quota. */
export function podRoomFault(
  pods: Pods,
  { pod, sizeBytes }: { pod: string; sizeBytes: number },
): string | undefined {
  const room = podNamed(pods, pod)?.roomBytes;
  if (room === undefined || (room >= sizeBytes && room > 0)) return undefined;
  return `has the pod ${pod} with ${formatSize(room)} left of its quota`;
}
