import { type Answer, type ArrayRoutes, type Call, csv, flag } from "../../call.ts";
import type { Row } from "../../filter.ts";
import { items } from "../../list.ts";
import type { Modelled } from "../../modelled.ts";
import { refused } from "../../rest_error.ts";
import type { PodMember, PodRecord } from "../containers/containers.ts";
import { withContext } from "../render.ts";
import type { FlashArrayState } from "../state.ts";
import { copyPod, dropPod } from "./mirror.ts";
import { type Neighbour, type Neighbours, neighboursOf } from "./neighbours.ts";

/** The two resources that list the arrays of pods, and how either calls the pod. */
const PLACES = [
  { path: "/pods/arrays", since: 1, pod: "group" },
  { path: "/pods/members", since: 36, pod: "pod" },
] as const;
type Place = typeof PLACES[number];

/** One array of one pod. */
interface Membership {
  pod: PodRecord;
  member: PodMember;
}

/** The arrays of a pod; one that was never stretched is on its own array. */
export function membersOf({ context: { id, name } }: FlashArrayState, pod: PodRecord): PodMember[] {
  return pod.members ?? [{ id, name }];
}

/** A pod's arrays as GET /pods shows them. */
export function renderMembers(state: FlashArrayState, pod: PodRecord): Row[] {
  const { clock } = state.context;
  const neighbours = neighboursOf(state);
  const nowMs = clock.now();
  const members = membersOf(state, pod);
  const seen = (member: PodMember) =>
    pod.members && neighbours?.statusOf(pod, member, nowMs) || "online";
  const own = members.find(({ id }) => id === state.context.id);
  const isOffline = own !== undefined && seen(own) === "offline";
  return members.map((member) => {
    // Only an array that is offline itself cannot tell how its peer is.
    const isUnknown = isOffline && member !== own && seen(member) === "offline";
    const status = isUnknown ? "unknown" : seen(member);
    const lostMs = neighbours?.lostMsOf(pod, member.id);
    return {
      name: member.name,
      id: member.id,
      frozen_at: status === "offline" ? lostMs ?? null : null,
      mediator_status: status === "offline" ? "unknown" : "online",
      pre_elected: false,
      progress: status === "resyncing" ? 0.5 : null,
      status,
    };
  });
}

function podsNamed(state: FlashArrayState, call: Call, place: Place): PodRecord[] | undefined {
  const { pods } = state.containers;
  const byId = csv(call.query, `${place.pod}_ids`)?.map((id) => {
    const pod = pods.get(id);
    if (pod === undefined) throw refused("Pod does not exist.", id);
    return pod;
  });
  return byId ?? csv(call.query, `${place.pod}_names`)?.map((name) => {
    const pod = pods.find(name.toLowerCase());
    if (pod === undefined) throw refused("Pod does not exist.", name);
    return pod;
  });
}

function isAsked(call: Call, { id, name }: PodMember): boolean {
  const [names, ids] = [csv(call.query, "member_names"), csv(call.query, "member_ids")];
  return (names?.includes(name) ?? true) && (ids?.includes(id) ?? true);
}

function renderMembership(
  state: FlashArrayState,
  { call, place }: { call: Call; place: Place },
  { pod, member }: Membership,
): Row {
  const kind = (resource_type: string) => place.pod === "pod" ? { resource_type } : {};
  return {
    [place.pod]: { name: pod.name, id: pod.id, ...kind("pods") },
    member: { name: member.name, id: member.id, ...kind("arrays") },
    ...withContext(state, call),
  };
}

function getMembers(state: FlashArrayState, call: Call, place: Place): Answer {
  const pods = podsNamed(state, call, place) ?? [...state.containers.pods.values()];
  return state.list(call, {
    what: "Pod",
    all: () =>
      pods.flatMap((pod) => membersOf(state, pod).map((member) => ({ pod, member })))
        .filter(({ member }) => isAsked(call, member)),
    keyOf: ({ pod, member }) => `${pod.name}/${member.name}`,
    render: (one) => renderMembership(state, { call, place }, one),
  });
}

/** The one pod and the one array that a change is about. */
function pairOf(state: FlashArrayState, call: Call, place: Place): Membership {
  const [pod, more] = podsNamed(state, call, place) ?? [];
  const [name] = csv(call.query, "member_names") ?? [];
  const [id] = csv(call.query, "member_ids") ?? [];
  if (pod === undefined || more !== undefined || (name ?? id) === undefined) {
    throw refused(`${place.pod}_names and member_names are required, of one each.`);
  }
  const neighbours = neighboursOf(state);
  const { connections } = neighbours?.of(state) ?? {};
  const known = [
    ...membersOf(state, pod),
    ...connections?.values() ?? [],
    { id: state.context.id, name: state.context.name },
  ];
  const member = known.find((one) => one.name === name || one.id === id);
  if (member === undefined) throw refused("Array does not exist.", name ?? id);
  return { pod, member: { id: member.id, name: member.name } };
}

/** Stretches a pod to a connected array, which holds all of it from then on. */
function stretch(neighbours: Neighbours, state: FlashArrayState, pair: Membership): void {
  const { pod, member } = pair;
  const members = membersOf(state, pod);
  if (members.some(({ id }) => id === member.id)) {
    throw refused("Pod is already stretched to this array.", pod.name);
  }
  const end = neighbours.of(state).connections.get(member.id);
  if (end?.type !== "sync-replication") {
    throw refused("Array is not connected for synchronous replication.", member.name);
  }
  if (members.length > 1) throw refused("Pod cannot be stretched: limit reached.", pod.name);
  if (pod.destroyedMs !== null) throw refused("Pod has been destroyed.", pod.name);
  const other = requireUp(neighbours, member);
  const { pods } = other.state.containers;
  if (pods.find(pod.name.toLowerCase()) !== undefined) {
    throw refused("Pod already exists on the remote array.", pod.name);
  }
  const left = pods.find(restretchName(pod));
  if (left !== undefined) other.state.context.store.change(() => pods.delete(left.id));
  const stretched = { ...pod, members: [...members, member] };
  copyPod(state, other.state, stretched);
  state.context.store.change(() => state.containers.pods.set(pod.id, stretched));
}

function requireUp(neighbours: Neighbours, { id, name }: PodMember): Neighbour {
  const found = neighbours.withId(id);
  if (found === undefined || neighbours.isDown(found.state)) {
    throw refused("Remote array cannot be reached.", name);
  }
  return found;
}

function restretchName({ name }: PodRecord): string {
  return `${name.toLowerCase()}.restretch`;
}

/** Takes a pod from one of its arrays; there, a destroyed pod says that it was there. */
function unstretch(neighbours: Neighbours, state: FlashArrayState, pair: Membership): void {
  const { pod, member } = pair;
  if (!pod.members?.some(({ id }) => id === member.id)) {
    throw refused("Pod is not stretched to this array.", pod.name);
  }
  const leaving = neighbours.withId(member.id);
  const staying = member.id === state.context.id ? neighbours.partnersOf(state, pod) : [state];
  const { members: _, ...alone } = pod;
  // Before the others forget it, so that nothing of the end is written to the array that leaves.
  for (const one of [...staying, ...leaving === undefined ? [] : [leaving.state]]) {
    one.context.store.change(() => one.containers.pods.set(pod.id, alone));
  }
  if (leaving === undefined) return;
  dropPod(leaving.state, alone);
  const { store, clock } = leaving.state.context;
  store.change(() => {
    const id = crypto.randomUUID();
    const left = { ...alone, id, name: restretchName(pod), destroyedMs: clock.now() };
    leaving.state.containers.pods.set(id, left);
  });
}

const MODELLED = ({ pod }: Place): Modelled => ({
  fields: [],
  query: [`${pod}_names`, `${pod}_ids`, "member_names", "member_ids", "with_unknown"],
});

function changeMembers(
  state: FlashArrayState,
  { call, place }: { call: Call; place: Place },
  change: typeof stretch,
): Membership {
  const neighbours = neighboursOf(state);
  const pair = pairOf(state, call, place);
  if (neighbours === undefined) throw refused("Array does not exist.", pair.member.name);
  change(neighbours, state, pair);
  return pair;
}

/** A member that does not answer is given up only by who says so. */
function requireKnown(state: FlashArrayState, call: Call, place: Place): void {
  const neighbours = neighboursOf(state);
  const { member } = pairOf(state, call, place);
  if (neighbours === undefined || flag(call.query, "with_unknown") === true) return;
  requireUp(neighbours, member);
}

/** Serves /pods/arrays and /pods/members, one change after the other. */
export function addPodMemberRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  for (const place of PLACES) {
    const { path, since } = place;
    routes.on(`GET ${path}`, (call) => getMembers(state, call, place), { since });
    const post = state.changing(MODELLED(place), (_, call) => {
      const { pod, member } = changeMembers(state, { call, place }, stretch);
      return items([renderMembership(state, { call, place }, { pod, member })]);
    });
    routes.on(`POST ${path}`, post, { since });
    const remove = state.changing(MODELLED(place), (_, call) => {
      requireKnown(state, call, place);
      changeMembers(state, { call, place }, unstretch);
      return {};
    });
    routes.on(`DELETE ${path}`, remove, { since });
  }
}
