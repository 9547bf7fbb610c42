// What only shows when all arrays of the configuration are looked at together.
import { FleetIdentity } from "../../arrays/fleet_identity.ts";
import { isIdentityProblem, Member } from "../../arrays/fleet_member.ts";
import { silentLogger } from "../../log.ts";
import type { ArrayLook } from "./array_look.ts";

/**
 * Tells for each entry whether it alone stands for the array that answers there, by the rules of the
 * controller: two entries of one array, two arrays of one id, of one beginning of it, of one name.
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
