import type { Faults } from "../../faults.ts";
import type { Change, Table } from "../../store.ts";
import type { ContainerRecord, PodMember, PodRecord } from "../containers/containers.ts";
import type { FlashArrayState, VolumeRecord } from "../state.ts";
import { copyPod, mirror } from "./mirror.ts";

/** One end of a connection between two arrays, as it is stored. */
export interface ArrayConnectionRecord {
  /** Id of the array at the other end. */
  id: string;
  name: string;
  type: string;
  managementAddress: string;
  /** Bytes per second; `null` for no limit. */
  limitBytes: number | null;
}

/** What one array has with the others of its process. */
export interface Neighbour {
  state: FlashArrayState;
  connections: Table<ArrayConnectionRecord>;
  /** Whoever knows it may connect to this array. */
  connectionKey: string;
  /** Its hosts are taken from the data plane, because it is down. */
  isCut: boolean;
}

/** An array that was away takes over for so long what it missed. */
const RESYNC_MS = 30_000;

/**
 * The FlashArrays of one process. They find each other here: that is all that stands for the
 * network between them. What one changes in a stretched pod is written to the others in the same
 * moment.
 */
export class Neighbours {
  readonly #faults: Pick<Faults, "isDown">;
  readonly #all = new Map<string, Neighbour>();

  constructor(faults: Pick<Faults, "isDown">) {
    this.#faults = faults;
  }

  /** Takes the array in, before the first change of its store. */
  join(state: FlashArrayState): void {
    const { id, store } = state.context;
    const connections = store.table<ArrayConnectionRecord>("array-connections", ({ name }) => name);
    const connectionKey = crypto.randomUUID();
    this.#all.set(id, { state, connections, connectionKey, isCut: false });
    store.onCommit = (changes) => this.#mirror(state, changes);
  }

  of(state: FlashArrayState): Neighbour {
    const found = this.#all.get(state.context.id);
    if (found === undefined) throw new Error(`array ${state.context.name} has not joined`);
    return found;
  }

  withId(id: string): Neighbour | undefined {
    return this.#all.get(id);
  }

  withKey(connectionKey: string): Neighbour | undefined {
    return [...this.#all.values()].find((one) => one.connectionKey === connectionKey);
  }

  isDown({ context }: FlashArrayState): boolean {
    return this.#faults.isDown(context.name);
  }

  /** The arrays of a pod but this one. */
  partnersOf(state: FlashArrayState, pod: PodRecord | undefined): FlashArrayState[] {
    return (pod?.members ?? []).flatMap(({ id }) =>
      id === state.context.id ? [] : this.#all.get(id)?.state ?? []
    );
  }

  /** Whether another array of its pod has the volume connected, as far as that one can be asked. */
  isConnectedElsewhere(state: FlashArrayState, { id, name }: VolumeRecord): boolean {
    return this.partnersOf(state, state.containers.podOf(name)).some((partner) =>
      !this.isDown(partner) && partner.connectionsOfVolume(id).length > 0
    );
  }

  /** How the arrays of the pod see a member: the one that went on without it knows. */
  statusOf(pod: PodRecord, { id }: PodMember, nowMs: number): "online" | "offline" | "resyncing" {
    const state = this.#all.get(id)?.state;
    if (state === undefined || this.isDown(state) || this.lostMsOf(pod, id) !== undefined) {
      return "offline";
    }
    const until = pod.members?.find((one) => one.id === id)?.resyncUntilMs ?? 0;
    return nowMs < until ? "resyncing" : "online";
  }

  /** Since when the pod goes on without the array; undefined while it does not. */
  lostMsOf(pod: ContainerRecord, id: string): number | undefined {
    for (const { state } of this.#all.values()) {
      const members = state.containers.pods.get(pod.id)?.members;
      const lostMs = members?.find((one) => one.id === id)?.lostMs;
      if (lostMs !== undefined) return lostMs;
    }
    return undefined;
  }

  /**
   * Follows what went down or came back: an array that is down serves nobody, and one that came
   * back takes over what its pods became meanwhile.
   */
  settle(): void {
    for (const neighbour of this.#all.values()) {
      const { state, isCut } = neighbour;
      if (this.isDown(state) === isCut) continue;
      neighbour.isCut = !isCut;
      const hosts = isCut ? [...state.hosts.values()] : [];
      state.context.plane?.block.reconcile(hosts.map((host) => state.planeHost(host)));
    }
    for (const { state } of this.#all.values()) {
      if (this.isDown(state)) continue;
      for (const { id } of [...state.containers.pods.values()]) this.#settlePod(state, id);
    }
  }

  /** After a start: what a crash left on one array of a pod alone is on all or on none. */
  align(): void {
    for (const { state } of this.#all.values()) {
      for (const pod of [...state.containers.pods.values()]) {
        const source = pod.members?.find(({ id }) => this.lostMsOf(pod, id) === undefined);
        if (source?.id !== state.context.id) continue;
        for (const partner of this.partnersOf(state, pod)) copyPod(state, partner, pod);
      }
    }
    this.settle();
  }

  #settlePod(state: FlashArrayState, podId: string): void {
    const pod = state.containers.pods.get(podId);
    if (pod?.members === undefined || this.lostMsOf(pod, state.context.id) !== undefined) return;
    const nowMs = state.context.clock.now();
    const returned: FlashArrayState[] = [];
    const members = pod.members.map((member): PodMember => {
      const partner = this.#all.get(member.id)?.state;
      if (partner === undefined || partner === state) return member;
      const isLost = member.lostMs !== undefined;
      if (this.isDown(partner) === isLost) return member;
      if (!isLost) return { ...member, lostMs: nowMs };
      returned.push(partner);
      return { id: member.id, name: member.name, resyncUntilMs: nowMs + RESYNC_MS };
    });
    if (members.every((member, at) => member === pod.members?.[at])) return;
    // First what was missed, because the mirror takes no account of an array that is lost.
    for (const partner of returned) copyPod(state, partner, { ...pod, members });
    state.context.store.change(() => state.containers.pods.set(podId, { ...pod, members }));
  }

  #mirror(state: FlashArrayState, changes: readonly Change[]): void {
    mirror(
      state,
      changes,
      (pod) =>
        this.partnersOf(state, pod).filter((partner) =>
          !this.isDown(partner) && this.lostMsOf(pod, partner.context.id) === undefined
        ),
    );
  }
}

/** The arrays that this one can be connected to; undefined when it is alone. */
export function neighboursOf({ context }: FlashArrayState): Neighbours | undefined {
  return context.neighbours instanceof Neighbours ? context.neighbours : undefined;
}
