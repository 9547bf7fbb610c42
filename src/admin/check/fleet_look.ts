// What only shows when all arrays of the configuration are looked at together.
import { FleetIdentity } from "../../arrays/fleet_identity.ts";
import { isIdentityProblem, Member } from "../../arrays/fleet_member.ts";
import { silentLogger } from "../../log.ts";
import type { ArrayLook } from "./array_look.ts";

/**
 * Tells for each entry whether it alone stands for the array that answers there, by the rules of
 * the controller: two entries of one array, two arrays of one id, of one beginning of it, of one name.
 */
export async function tellIdentities(looks: readonly ArrayLook[]): Promise<void> {
  const known = looks.flatMap(({ array, status, found }) =>
    array && status ? [{ found, id: status.id, member: new Member(array) }] : []
  );
  const identity = new FleetIdentity(() => known.map(({ member }) => member), silentLogger);
  for (const { member, id } of known) {
    await identity.prove(member, id).catch(() => {}); // it is the member's problem then
  }
  for (const { member, found, id } of known) {
    const { problem, array } = member;
    const namesake = known.find((other) =>
      other.member !== member && !other.member.twin && other.member.array.label === array.label
    );
    if (problem && isIdentityProblem(member)) found.fail("identity", problem.message);
    else if (namesake) {
      found.warn(
        "identity",
        `${namesake.member.array.address} is called ${array.label} too`,
        "set Name in one of the two entries",
      );
    } else found.ok("identity", `id ${id}, no other entry leads to it`);
  }
}

/**
 * Tells of each stretched pod whether the controller can use all of its arrays, and how they see
 * each other. Nothing of an array without one.
 */
export function tellStretchedPods(looks: readonly ArrayLook[]): void {
  const ids = new Set(looks.flatMap(({ status }) => status?.id ?? []));
  // Of one that does not answer nobody knows the id: it may be the other array.
  const hasSilent = looks.some(({ status }) => status === undefined);
  for (const { status, found } of looks) {
    for (const { name, arrays = [] } of status?.containers?.pod?.values() ?? []) {
      const others = arrays.filter(({ id }) => id !== status?.id);
      for (const other of others) {
        if (!ids.has(other.id) && !hasSilent) {
          found.warn(
            "pods",
            `pod ${name} is stretched over ${other.name} too, to which no entry leads: nodes have ` +
              `its volumes by ${status?.name} alone`,
            `add an entry for ${other.name}`,
          );
        } else if (other.status !== "online") {
          found.warn(
            "pods",
            `pod ${name} is ${other.status} on ${other.name}: while that array is silent, volumes ` +
              "of the pod are taken from no node (docs/pods.md)",
            "see the pod on both arrays: purepod list",
          );
        } else found.ok("pods", `pod ${name} is stretched over ${other.name} too, and in sync`);
      }
    }
  }
}
