import type { Volume } from "../../arrays/array.ts";
import { type FleetMember, type Stretch, stretchOf } from "../../arrays/fleet.ts";
import { isPsoError, PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import type { ControllerContext } from "../context.ts";
import type { VolumePlace } from "../volume_locator.ts";
import {
  type AnsweringSide,
  asked,
  isSilent,
  podWordOf,
  silentAdvice,
  type SilentSide,
  stillIn,
  unidentified,
} from "./silence.ts";
import { requireSafe } from "./without.ts";

/** A publish of a volume in a stretched pod. */
interface StretchedPublish {
  stretch: Stretch;
  place: VolumePlace & { handle: string };
  node: NodeIdentity;
  exclusive: boolean;
}

/** What a publish wants, where an array of the pod is silent. */
function aim({ stretch, place, node, exclusive }: StretchedPublish) {
  const what = `publish ${place.name} to ${node.name}`;
  return { stretch, place, what, ...(exclusive ? { endsUsersBut: node.name } : {}) };
}

/** The arrays that a publish goes through. */
interface PublishSides {
  /** Those that prefer the node first. */
  members: FleetMember[];
  /** An array is silent: nobody may be cut off, because it could not be done there. */
  isAlone: boolean;
}

/** The arrays of a pod that have a volume, and those that cannot be asked. */
interface Answering {
  sides: [AnsweringSide, ...AnsweringSide[]];
  /** Without those that another one says are out of the pod. */
  left: SilentSide[];
}

/**
 * Asks each array of the pod for the volume; with `hosts`, for who has it there. `not_found` when
 * that of the place has no such volume, `conflict` when the arrays show two.
 */
async function answeringSides(
  { stretch, place }: StretchedPublish,
  { hosts }: { hosts: boolean },
  signal: AbortSignal,
): Promise<Answering> {
  const { name, member: home } = place;
  const found: AnsweringSide[] = [];
  const silent: SilentSide[] = unidentified(stretch);
  for (const member of stretch.members) {
    const answer = await asked(
      member,
      signal,
      (within) => member.array.findVolume(name, { hosts, signal: within }),
    );
    if (isSilent(answer)) silent.push(answer);
    else if (answer.value) found.push({ member, volume: answer.value });
    else if (member === home) throw notThere(name, home);
  }
  refuseTwoVolumes(name, found);
  const [first, ...others] = found;
  if (!first) throw silent[0]?.error ?? notThere(name, home);
  const left = await stillIn(silent, { pod: stretch.pod, by: first.member }, signal);
  return { sides: [first, ...others], left };
}

/**
 * The arrays through which a volume of a stretched pod is published to a node: all that have it.
 * One that is silent is left out if that is safe: of a volume for several nodes always, of one for
 * a single node only when no other node can have it there. `not_found` when the place has no such
 * volume, `conflict` when the arrays show two, `unavailable` when it is not safe.
 */
export async function publishSides(
  context: ControllerContext,
  publish: StretchedPublish,
  signal: AbortSignal,
): Promise<PublishSides> {
  const { sides, left } = await answeringSides(publish, { hosts: false }, signal);
  const [{ member: by }] = sides;
  await requireSafe(context, { ...aim(publish), by, silent: left }, signal);
  tellOfMissing(context, publish, left);
  const members = sides.map(({ member }) => member);
  const isAlone = left.length > 0;
  return { members: await preferredFirst(members, publish, signal), isAlone };
}

/** An array of the pod that answers and refused to connect the volume. */
interface Refusal {
  member: FleetMember;
  error: unknown;
}

/**
 * Leaves an array out of a publish that refused it because it is not online in the pod: it serves
 * the volume to nobody until it is, and then to those that have it there. Throws the refusal for an
 * array that is online, and when a volume for one node is another's there.
 */
export async function leaveOut(
  context: ControllerContext,
  publish: StretchedPublish,
  { member, error }: Refusal,
  signal: AbortSignal,
): Promise<void> {
  const { stretch: { pod }, place: { name }, node, exclusive } = publish;
  const word = await podWordOf(member, pod, signal).catch(() => undefined);
  if (!isPsoError(error) || !word || word.own === "online") throw error;
  const { array } = member;
  const { hosts = [] } = await array.findVolume(name, { hosts: true, signal }) ?? {};
  const others = hosts.filter((host) => array.nodeOf(host)?.name !== node.name);
  if (exclusive && others.length > 0) throw error;
  tellOfMissing(context, publish, [{ member, error }]);
}

/**
 * For protocols by which a node has a volume through one array alone: that of the place, or
 * another one while it is silent and serves nobody. `in_use` when the volume is for one node and
 * somebody has it by another array of its pod; errors as publishSides().
 */
export async function loneSide(
  context: ControllerContext,
  publish: StretchedPublish,
  signal: AbortSignal,
): Promise<PublishSides> {
  const { stretch: { pod }, place: { member: home, name }, node, exclusive } = publish;
  const { sides, left } = await answeringSides(publish, { hosts: exclusive }, signal);
  const [first] = sides;
  const { member: by } = sides.find(({ member }) => member === home) ?? first;
  const silent = left.find(({ member }) => member === home);
  if (silent && (await podWordOf(by, pod, signal)).of(home) !== "offline") throw silent.error;
  for (const { member, volume: { hosts = [] } } of exclusive ? sides : []) {
    if (member === by || hosts.length === 0) continue;
    throw new PsoError(
      "in_use",
      `Cannot publish ${name} to ${node.name}: it is for one node, and ${
        hosts.join(", ")
      } has it ` +
        `by ${member.array.label}, which has its stretched pod too: detach it there first`,
    );
  }
  await requireSafe(context, { ...aim(publish), by, silent: left }, signal);
  context.log.warn("a volume of a stretched pod is published through one array by this protocol", {
    ...{ volume: name, node: node.name, array: by.array.label },
    todo: "name protocol iscsi or fc in the class, so that nodes have the volume by both arrays",
  });
  return { members: [by], isAlone: left.length > 0 };
}

function notThere(name: string, { array }: FleetMember): PsoError {
  return new PsoError("not_found", `volume ${name} is not on array ${array.label}`);
}

function refuseTwoVolumes(name: string, sides: readonly AnsweringSide[]): void {
  if (new Set(sides.map(({ volume }) => volume.serial)).size < 2) return;
  const shown = sides.map(({ member, volume }) => `${member.array.label} (${volume.serial})`);
  throw new PsoError(
    "conflict",
    `volume ${name} has two serial numbers, though its pod is said to be stretched: ` +
      `${shown.join(" and ")}; look at the pod on both arrays (purepod list)`,
  );
}

/** Says which arrays of the pod the node does not get the volume by. */
function tellOfMissing(
  { log }: ControllerContext,
  { stretch: { pod, strangers, unidentified }, place, node }: StretchedPublish,
  silent: readonly SilentSide[],
): void {
  const absent = unidentified.length > 0 ? [] : strangers;
  if (absent.length + silent.length === 0) return;
  log.warn("a volume is published through a part of its stretched pod's arrays", {
    ...{ volume: place.name, node: node.name, pod },
    without: [...absent, ...silent.map(({ member }) => member.array.label)],
    todo: absent.length > 0
      ? "configure the other array of the pod too, so that nodes have the volume by both"
      : "bring the silent array back; the next publish of the volume adds it",
  });
}

/** The arrays with those first that the node's host object prefers; one call. */
async function preferredFirst(
  members: readonly FleetMember[],
  { node, place }: StretchedPublish,
  signal: AbortSignal,
): Promise<FleetMember[]> {
  const [first] = members;
  if (!first || members.length < 2) return [...members];
  const own = new Set([node.iqn, node.nqn, ...node.wwpns].map((one) => one?.toLowerCase()));
  const hosts = await first.array.listHosts(signal);
  const preferred = hosts.filter(({ initiators }) =>
    initiators.some((one) => own.has(one.toLowerCase()))
  ).flatMap(({ preferredArrays = [] }) => preferredArrays);
  // Without a preference, the array that the handle names.
  const rank = (member: FleetMember) =>
    preferred.includes(member.status?.name ?? "") ? 0 : member === place.member ? 1 : 2;
  return [...members].sort((a, b) => rank(a) - rank(b));
}

/**
 * Every host that has a volume of a stretched pod, as `esx-1 on fa-2`: an array may not know those
 * of the other one. Undefined, without a call, for any other volume; errors as onAllSides().
 */
export async function hostsOfStretched(
  context: Pick<ControllerContext, "fleet">,
  { place, what }: Omit<OnAll<never>, "work">,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  if (!stretchOf(context.fleet, place)) return undefined;
  const work = async (member: FleetMember, within: AbortSignal) =>
    hostsText(
      member,
      await member.array.findVolume(place.name, { hosts: true, signal: within }),
    );
  return (await onAllSides(context, { place, what, work }, signal)).flat();
}

/** Who has a volume on an array, as `esx-1 on fa-2`. */
export function hostsText({ array }: FleetMember, volume: Volume | undefined): string[] {
  return volume?.hosts?.map((host) => `${host} on ${array.label}`) ?? [];
}

/** Something that must be done, or be seen, on every array of a pod. */
interface OnAll<T> {
  place: MeantPlace;
  /** Completes "Cannot …": `take p1::k8s-pvc-1 away from node n1`. */
  what: string;
  work: (member: FleetMember, within: AbortSignal) => Promise<T>;
}

/** What the arrays of a pod gave, and which of them did not answer. */
interface AllAnswers<T> {
  answers: { member: FleetMember; value: T }[];
  /** Without those that another one says are out of the pod. */
  left: SilentSide[];
  /** One that answered. */
  by: FleetMember;
}

/** Asks each array of a pod. `unavailable` when none answers. */
export async function askAllSides<T>(
  { stretch, what, work }: Omit<OnAll<T>, "place"> & { stretch: Stretch },
  signal: AbortSignal,
): Promise<AllAnswers<T>> {
  const answers: { member: FleetMember; value: T }[] = [];
  const silent: SilentSide[] = unidentified(stretch);
  for (const member of stretch.members) {
    const answer = await asked(member, signal, (within) => work(member, within));
    if (isSilent(answer)) silent.push(answer);
    else answers.push({ member, value: answer.value });
  }
  const by = answers.at(-1)?.member;
  if (by === undefined) throw silentError(stretch, { silent, by, what });
  return { answers, left: await stillIn(silent, { pod: stretch.pod, by }, signal), by };
}

/**
 * What `work` gives on each array that has the volume: of a volume in no stretched pod, on its own.
 * `unavailable` at the end when an array of the pod did not answer, unless another one says that it
 * is in the pod no more.
 */
export async function onAllSides<T>(
  { fleet }: Pick<ControllerContext, "fleet">,
  { place, what, work }: OnAll<T>,
  signal: AbortSignal,
): Promise<T[]> {
  const stretch = stretchOf(fleet, place);
  if (!stretch) return [await work(place.member, signal)];
  const { answers, left, by } = await askAllSides({ stretch, what, work }, signal);
  if (left.length > 0) throw silentError(stretch, { silent: left, by, what });
  return answers.map(({ value }) => value);
}

function silentError(
  stretch: Stretch,
  { what, ...silence }: { what: string } & Parameters<typeof silentAdvice>[1],
): PsoError {
  return new PsoError(
    "unavailable",
    `Cannot ${what}: its pod ${stretch.pod} is stretched over several arrays, and ` +
      silentAdvice(stretch, silence),
  );
}
