import { requireOneKind } from "./connections.ts";
import type { FlashArrayState, HostGroupRecord, HostRecord } from "./state.ts";
import { refused } from "../rest_error.ts";

/** The host group of that name, or the error that the array gives for it. */
export function groupNamed(state: FlashArrayState, name: string): HostGroupRecord {
  const group = state.hostGroupNamed(name);
  if (group === undefined) throw refused("Host group does not exist.", name);
  return group;
}

/** Refuses a host that cannot have what its new group has: it has it already, or another kind. */
function requireWelcome(state: FlashArrayState, host: HostRecord, group: HostGroupRecord): void {
  const own = state.connectionsOfHost(host.name);
  const [luns, volumes] = [
    new Set(own.map(({ lun }) => lun)),
    new Set(own.map(({ volumeId }) => volumeId)),
  ];
  for (const connection of state.connections.values()) {
    if (connection.group !== group.name) continue;
    if (volumes.has(connection.volumeId)) throw refused("Connection already exists.", host.name);
    if (luns.has(connection.lun)) throw refused("LUN is already in use.", host.name);
    const others = state.connectionsOfVolume(connection.volumeId);
    requireOneKind(state, host, others.map((other) => state.hostNamed(other.host)));
  }
}

/**
 * Puts the host into the group of that name, or into none, inside of a change; the caller shows it
 * to the data plane.
 */
export function moveHost(
  state: FlashArrayState,
  host: HostRecord,
  groupName: string | undefined,
): HostRecord {
  const group = groupName === undefined ? undefined : groupNamed(state, groupName);
  if (group !== undefined && host.group !== undefined && host.group !== group.name) {
    throw refused("Host is already a member of another host group.", host.name);
  }
  if (group !== undefined && host.group === undefined) requireWelcome(state, host, group);
  const moved = { ...host, group: group?.name };
  state.hosts.set(host.name.toLowerCase(), moved);
  return moved;
}
