import { PsoError } from "../../../errors.ts";
import { type ArrayContext, type Reference, reference } from "../../rest/named_objects.ts";
import type { ReadingCall } from "../../rest/client.ts";
import { isRefusal, mayBeAboutName, RestError } from "../../rest/refusals.ts";
import { type Reader, record } from "../../rest/shape.ts";

/** One volume of one protection group. */
interface MembershipItem {
  group?: Reference | null;
  member?: Reference | null;
}

const membershipItem: Reader<MembershipItem> = record<MembershipItem>({
  group: reference,
  member: reference,
});

const PATH = "protection-groups/volumes";

/** Which groups a volume is to be in, by names as `groupNamesFor` takes them. */
export interface Membership {
  volume: string;
  groups: readonly string[];
}

/**
 * The names of groups as the array has them: a name without a pod means, for a volume in a pod, the
 * group of that pod, because it can be in no other.
 */
export function groupNamesFor({ volume, groups }: Membership): string[] {
  const [inPod = ""] = /^.*::/.exec(volume) ?? [];
  return groups.map((group) => group.includes("::") ? group : inPod + group);
}

/**
 * Puts the volume into protection groups; it stays in all that it is in. A group that has it already
 * is success. `invalid` for a group that is not there, `not_found` for a volume that is not.
 */
export async function joinProtectionGroups(
  context: ArrayContext,
  membership: Membership,
  signal?: AbortSignal,
): Promise<void> {
  const { volume } = membership;
  for (const group of groupNamesFor(membership)) {
    const query = { group_names: group, member_names: volume };
    const call = { path: PATH, query, item: membershipItem, signal } as const;
    try {
      await context.rest.call<MembershipItem>({ ...call, method: "POST" });
    } catch (error) {
      if (!mayBeAboutName(error)) throw error;
      refuseMissingGroup(context, { volume, group, error });
      if (!await isMember(context, call)) throw error;
    }
  }
}

/** Whether the array lists the volume in the group; false when one of them is gone. */
async function isMember(
  { rest }: ArrayContext,
  call: Pick<ReadingCall<MembershipItem>, "path" | "query" | "item" | "signal">,
): Promise<boolean> {
  try {
    return (await rest.call<MembershipItem>({ ...call, method: "GET" })).items.length > 0;
  } catch (error) {
    if (isRefusal(error, "missing", "destroyed")) return false;
    throw error;
  }
}

/** `invalid`, with what to do, when the array says that it has no such protection group. */
export function refuseMissingGroup(
  { label }: ArrayContext,
  { volume, group, error }: { volume: string; group: string; error: unknown },
): void {
  if (!isRefusal(error, "missing", "destroyed") || !isAboutGroup(error)) return;
  throw new PsoError(
    "invalid",
    `volume ${volume} cannot be put into the protection group ${group}, which is not on array ` +
      `${label()}: make it there, or name another one in the class`,
    { cause: error },
  );
}

function isAboutGroup({ said }: RestError): boolean {
  return /^(the )?protection group\b/i.test(said);
}
