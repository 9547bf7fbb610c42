import { neighboursOf } from "./neighbours.ts";
import type { ConnectionRecord, FlashArrayState, HostRecord, VolumeRecord } from "../state.ts";

/** Something that one array shows of another one, as `fa-2:name`. */
interface Remote<T> {
  /** The array that has it. */
  of: FlashArrayState;
  item: T;
}

/** The name by which an array shows an object of another one. */
export function remoteName({ context }: FlashArrayState, name: string): string {
  return `${context.name}:${name}`;
}

function connectedTo(state: FlashArrayState): FlashArrayState[] {
  const neighbours = neighboursOf(state);
  if (neighbours === undefined) return [];
  return [...neighbours.of(state).connections.values()].flatMap(({ id }) => {
    const other = neighbours.withId(id)?.state;
    return other === undefined || neighbours.isDown(other) ? [] : [other];
  });
}

/** The hosts of the arrays that this one is connected to. */
export function remoteHosts(state: FlashArrayState): Remote<HostRecord>[] {
  return connectedTo(state).flatMap((of) => [...of.hosts.values()].map((item) => ({ of, item })));
}

/** What hosts have of this array's stretched pods by another array of these. */
export function remoteConnections(
  state: FlashArrayState,
  volumes: Iterable<VolumeRecord>,
): Remote<ConnectionRecord>[] {
  const neighbours = neighboursOf(state);
  if (neighbours === undefined) return [];
  return [...volumes].flatMap(({ id, name }) =>
    neighbours.partnersOf(state, state.containers.podOf(name)).flatMap((of) =>
      neighbours.isDown(of) ? [] : of.connectionsOfVolume(id).map((item) => ({ of, item }))
    )
  );
}
