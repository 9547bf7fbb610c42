import type { ArrayStatus, Volume } from "../../arrays/array.ts";
import { type FleetMember, isIdentityProblem, podNamed, type Stretch } from "../../arrays/fleet.ts";
import { withDeadline } from "../../async/wait.ts";
import { isPsoError, messageOf, PsoError } from "../../errors.ts";

/** How long an array of a pod is waited for that is known not to answer: the other one goes on. */
const UNWELL_WAIT_MS = 800;

/** An array of a pod that did not answer. */
export interface SilentSide {
  member: FleetMember;
  error: PsoError;
}

/** Silent arrays that may be those of the pod that nothing more is known of. */
export function unidentified({ unidentified }: Stretch): SilentSide[] {
  return unidentified.map((member) => ({
    member,
    error: member.problem ?? new PsoError("unavailable", "it has not answered yet"),
  }));
}

/** Runs a call at one array of a pod; what it does not answer in time is an answer of its own. */
export async function asked<T>(
  member: FleetMember,
  signal: AbortSignal,
  work: (within: AbortSignal) => Promise<T>,
): Promise<{ value: T } | SilentSide> {
  const { problem, array } = member;
  if (isIdentityProblem(member)) throw problem;
  try {
    if (!problem) return { value: await work(signal) };
    const wait = { timeoutMs: UNWELL_WAIT_MS, signal };
    return { value: await withDeadline(`the call to ${array.label}`, wait, work) };
  } catch (error) {
    if (!isPsoError(error, "unavailable", "timeout")) throw error;
    // Our own caller gave up: that says nothing about the array.
    if (signal.aborted) throw error;
    return { member, error: problem ?? error };
  }
}

/** Whether an answer of asked() is none. */
export function isSilent<T>(answer: { value: T } | SilentSide): answer is SilentSide {
  return "error" in answer;
}

/** One array of a pod that answered, with the volume as it has it. */
export interface AnsweringSide {
  member: FleetMember;
  volume: Volume;
}

/** What an array that answers says now of a pod. */
export interface PodWord {
  status: ArrayStatus;
  /** Its status of itself in the pod: `online`, or what keeps it from serving. */
  own: string;
  /** Its word on another array of the pod; undefined when that is in the pod no more. */
  of: (member: FleetMember) => string | undefined;
}

/** Asks an array anew how its pod stands; never by what an earlier check found. */
export async function podWordOf(
  member: FleetMember,
  pod: string,
  signal: AbortSignal,
): Promise<PodWord> {
  const status = await member.array.status(signal);
  const state = podNamed(status.containers, pod);
  if (state === undefined) {
    throw new PsoError(
      "unavailable",
      `array ${member.array.label} has no pod ${pod} any more, and another array that had it does ` +
        "not answer: bring that one back, or, if it is gone for ever, take its entry out of the " +
        "configuration",
    );
  }
  const { arrays = [] } = state;
  const fault = state.fault === undefined ? "online" : state.fault;
  return {
    status,
    own: arrays.find(({ id }) => id === status.id)?.status ?? fault,
    // An array that never said its id may be any of those that are left.
    of: ({ id }) =>
      arrays.find((one) => id === undefined ? one.id !== status.id : one.id === id)?.status,
  };
}

/** The arrays of a pod that are silent, without those that another one says are out of the pod. */
export async function stillIn(
  silent: readonly SilentSide[],
  { pod, by }: { pod: string; by: FleetMember },
  signal: AbortSignal,
): Promise<SilentSide[]> {
  if (silent.length === 0) return [];
  const word = await podWordOf(by, pod, signal);
  return silent.filter(({ member }) => word.of(member) !== undefined);
}

/** What to do about a silent array of a pod; ends a message. */
export function silentAdvice(
  { pod }: Pick<Stretch, "pod">,
  { silent, by }: { silent: readonly SilentSide[]; by: FleetMember | undefined },
): string {
  const names = silent.map(({ member }) => member.array.label).join(" and ");
  const reasons = silent.map(({ error }) => messageOf(error)).join("; ");
  const where = by === undefined ? "on the other array" : `on ${by.array.label}`;
  return `${names} did not answer (${reasons}); this goes on by itself once it answers; if the ` +
    `array is gone for ever, take it out of the pod ${where}: ` +
    `purepod remove --array ${names} --with-unknown ${pod}`;
}
