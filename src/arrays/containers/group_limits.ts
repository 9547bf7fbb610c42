import type { Container } from "../../names.ts";
import { formatSize, GiB } from "../../size.ts";
import {
  containerNamed,
  type Containers,
  type GroupLimits,
  missingContainerFault,
} from "./container_state.ts";

/** Limits that somebody wants: null = none; a field that is absent may be anything. */
export type WantedLimits = { [K in keyof GroupLimits]?: number | null };

/** Where a volume is made. */
export interface WantedContainer {
  /** The pod or volume group; absent: none. */
  container?: Container;
  /** Limits that a volume group must have, or is made with; absent: whatever it has. */
  groupLimits?: WantedLimits;
}

/** The largest that an array takes (REST 2.26, _qos); some show it for none. */
const UNLIMITED: Required<GroupLimits> = { iops: 100_000_000, bandwidthBytes: 512 * GiB };

/** The limits that an array shows of a group; null, absent and the largest number are none. */
export function groupLimitsOf(
  shown: { iops_limit?: number | null; bandwidth_limit?: number | null } | null | undefined,
): GroupLimits {
  const [iops, bandwidthBytes] = [shown?.iops_limit, shown?.bandwidth_limit];
  return {
    ...(isLimit(iops, "iops") ? { iops } : {}),
    ...(isLimit(bandwidthBytes, "bandwidthBytes") ? { bandwidthBytes } : {}),
  };
}

function isLimit(value: number | null | undefined, field: keyof GroupLimits): value is number {
  return typeof value === "number" && value < UNLIMITED[field];
}

/** What differs between a group's limits and those that are wanted; undefined when nothing does. */
export function groupLimitsFault(
  { name }: Pick<Container, "name">,
  { there, wanted }: { there: GroupLimits; wanted: WantedLimits },
): string | undefined {
  const differing = FIELDS.flatMap(({ field, what, parameter, text }) => {
    const asked = wanted[field];
    if (asked === undefined) return [];
    const [one, other] = [there[field], isLimit(asked, field) ? asked : undefined];
    return one === other ? [] : [`${what} ${text(one)} there, ${text(other)} in ${parameter}`];
  });
  if (differing.length === 0) return undefined;
  return `has the volume group ${name} with other limits than the class: ${differing.join(", ")}`;
}

const FIELDS: readonly {
  field: keyof GroupLimits;
  what: string;
  parameter: string;
  /** The value in a message, and as an argument of the array's command line. */
  text: (value: number | undefined) => string;
}[] = [
  {
    field: "iops",
    what: "IOPS",
    parameter: "volumeGroupIopsLimit",
    text: (value) => `${value ?? "none"}`,
  },
  {
    field: "bandwidthBytes",
    what: "bandwidth",
    parameter: "volumeGroupBandwidthLimit",
    text: (value) => value === undefined ? "none" : `${formatSize(value)}/s`,
  },
];

/**
 * Whether a create makes the volume group when the array has none of that name: the class says its
 * limits, and it lies in no pod, which is somebody's own.
 */
export function isMadeWhenMissing({ container, groupLimits }: WantedContainer): boolean {
  return groupLimits !== undefined && container?.what === "volume group" &&
    !container.name.includes("::");
}

/** As missingContainerFault(), unless the create makes it. */
export function absentContainerFault(
  containers: Containers,
  wanted: WantedContainer,
): string | undefined {
  if (wanted.container === undefined || isMadeWhenMissing(wanted)) return undefined;
  return missingContainerFault(containers, wanted.container);
}

/** Why a group that is there does not suit the class: its limits are never changed. */
export function containerLimitsFault(
  containers: Containers,
  { container, groupLimits: wanted }: WantedContainer,
): string | undefined {
  const found = container && containerNamed(containers, container);
  if (!found || wanted === undefined) return undefined;
  return groupLimitsFault(found, { there: found.limits ?? {}, wanted });
}

/** What an administrator does about other limits: continues `…; `. */
export function containerLimitsMend({ container }: WantedContainer): string | undefined {
  return container &&
    `make the limits of the class and those of the volume group the same (\`purevgroup setattr ` +
      `${container.name}\`)`;
}

/** The group that a create must make first, with its limits; undefined for one that is there. */
export function groupToMake(
  containers: Containers,
  wanted: WantedContainer,
): NewVolumeGroup | undefined {
  const { container, groupLimits: limits } = wanted;
  if (!container || !limits || !isMadeWhenMissing(wanted)) return undefined;
  return containerNamed(containers, container) ? undefined : { name: container.name, limits };
}

/** A volume group that is made before its first volume. */
export interface NewVolumeGroup {
  name: string;
  limits: WantedLimits;
}
