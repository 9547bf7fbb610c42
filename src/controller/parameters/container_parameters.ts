import { PsoError } from "../../errors.ts";
import type { Container } from "../../names.ts";
import { refuse, TEXT_MAX } from "./parameter_values.ts";

/** Where on its array a class wants its volumes. */
export interface ContainerWish {
  /** `pod` or `volumeGroup`: block only; absent = in neither. */
  container?: Container;
}

const NAME = "1 to 63 letters, digits, _ and -, not only digits, with a letter or digit at both " +
  "ends";
const PART = /^(?=.*[a-zA-Z_-])[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$/;

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
] as const;

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
