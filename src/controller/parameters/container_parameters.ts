import { PsoError } from "../../errors.ts";
import type { WantedContainer, WantedLimits } from "../../arrays/fleet.ts";
import type { Container } from "../../names.ts";
import {
  BANDWIDTH_TAKEN,
  IOPS_TAKEN,
  isNone,
  readBandwidth,
  readIops,
  refuse,
  TEXT_MAX,
} from "./parameter_values.ts";

/** Where on its array a class wants its volumes: block only. */
export type ContainerWish = WantedContainer;

const NAME = "1 to 63 letters, digits, _ and -, not only digits, with a letter or digit at both " +
  "ends";
const PART = /^(?=.*[a-zA-Z_-])[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$/;

/** What holds of both limits of a volume group. */
const GROUP_LIMIT = {
  appliesTo: "block",
  isRefusedElsewhere: true,
  heritage: "New.",
} as const;

/** The parameters of a class that say in which container its volumes are made: one at most. */
export const CONTAINER_PARAMETERS = [
  {
    name: "pod",
    takes: `the name of a pod: ${NAME}`,
    default: "no pod",
    appliesTo: "block",
    isRefusedElsewhere: true,
    meaning: "Volumes, clones and restores of the class are made in the pod of that name, on an " +
      "array that has it. See [pods](pods.md). Refused beside `volumeGroup`, and for volumes of " +
      "the kind `file`.",
    example: "production",
    heritage: "New. Portworx has the like as `pure_fa_pod_name`.",
    read(value: string, parameters: ContainerWish): void {
      const name = value.trim();
      if (!PART.test(name)) throw refuse(this, value.slice(0, TEXT_MAX));
      put(parameters, { what: "pod", name });
    },
  },
  {
    name: "volumeGroup",
    takes: `the name of a volume group: ${NAME}; as pod::group where it lies in a pod`,
    default: "no volume group",
    appliesTo: "block",
    isRefusedElsewhere: true,
    meaning: "Volumes, clones and restores of the class are made in the volume group of that " +
      "name, on an array that has it, and share what the group limits; `iops_limit` and " +
      "`bandwidth_limit` are those of each volume. See " +
      "[volume groups](pods.md#a-class-that-makes-volumes-in-a-volume-group). Refused beside " +
      "`pod`, and for volumes of the kind `file`.",
    example: "databases",
    heritage: "New.",
    read(value: string, parameters: ContainerWish): void {
      const name = value.trim();
      const parts = name.split("::");
      if (parts.length > 2 || !parts.every((part) => PART.test(part))) {
        throw refuse(this, value.slice(0, TEXT_MAX));
      }
      put(parameters, { what: "volume group", name });
    },
  },
  {
    ...GROUP_LIMIT,
    name: "volumeGroupIopsLimit",
    takes: IOPS_TAKEN,
    default: "whatever the volume group has",
    meaning:
      "I/O operations per second that all volumes of `volumeGroup` may do together on their " +
      "array. A group that is not there is made with this limit; one that has another is " +
      "[never changed](pods.md#limits-of-a-volume-group), and gets no volume of the class.",
    example: "20000",
    read(value: string, parameters: ContainerWish): void {
      limit(parameters, { iops: isNone(value) ? null : readIops(this, value) });
    },
  },
  {
    ...GROUP_LIMIT,
    name: "volumeGroupBandwidthLimit",
    takes: BANDWIDTH_TAKEN,
    default: "whatever the volume group has",
    meaning:
      "Bytes per second that all volumes of `volumeGroup` may move together on their array, " +
      "by the same rules.",
    example: "1G",
    read(value: string, parameters: ContainerWish): void {
      limit(parameters, { bandwidthBytes: isNone(value) ? null : readBandwidth(this, value) });
    },
  },
] as const;

function limit(parameters: ContainerWish, more: WantedLimits): void {
  parameters.groupLimits = { ...parameters.groupLimits, ...more };
}

/** `invalid` for a class that limits a volume group and names none. */
export function refuseLimitsOfNothing({ container, groupLimits }: ContainerWish): void {
  if (groupLimits === undefined || container?.what === "volume group") return;
  throw new PsoError(
    "invalid",
    "the class limits a volume group (volumeGroupIopsLimit, volumeGroupBandwidthLimit) and names " +
      "none: add volumeGroup, or use iops_limit and bandwidth_limit, which are limits of each " +
      "volume",
  );
}

/** `invalid` when the class names a container of the other sort too: a volume is in one place. */
function put(parameters: ContainerWish, container: Container): void {
  const { container: other = container } = parameters;
  if (other.what !== container.what) {
    const [pod, group] = container.what === "pod" ? [container, other] : [other, container];
    throw new PsoError(
      "invalid",
      `the class has the parameters pod (${pod.name}) and volumeGroup (${group.name}), wanted ` +
        "one of them: for a volume group that lies in a pod write volumeGroup as pod::group alone",
    );
  }
  parameters.container = container;
}
