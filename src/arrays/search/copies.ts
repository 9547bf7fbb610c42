import { partnersOf } from "../containers/stretch.ts";
import { arrayHintOf, type FleetMember, type Member } from "../fleet_member.ts";
import {
  askAll,
  distinct,
  type Finding,
  type Hit,
  hitsOf,
  type HomeHandle,
  type Question,
} from "./question.ts";

// Objects on other arrays than the one that their handle names, as in a pod that is stretched over
// both.

/** What other arrays of its volume's pod say of an object; without a hit it is gone. */
interface PartnerAnswer<T> {
  hit?: Hit<T>;
}

/**
 * Asks the arrays that have, or had, the volume's pod together with the silent home array: they
 * show one volume under one name. Where they say that the home array is out of the pod, the serial
 * must show in addition that it made the volume; and what they all do not have is gone. Undefined
 * when they do not tell.
 */
export async function askPartners<T>(
  { members }: { members: readonly Member[] },
  { home, name }: { home: Member; name: string },
  question: Question<T>,
): Promise<PartnerAnswer<T> | undefined> {
  const volume = question.volumeNameOf(name);
  const { now, before } = partnersOf({ members }, { member: home, name: volume });
  const among = (some: readonly FleetMember[]) => members.filter((one) => some.includes(one));
  const [hit] = hitsOf(await askAll(among(now), [name], question));
  if (hit) return { hit };
  const arrayHint = arrayHintOf(home.id ?? "");
  const former = among(before);
  const { hits, silent, hasOther } = await provenCopies(former, { arrayHint, name }, question);
  const [proven] = hits;
  if (proven) return { hit: { member: proven.member, item: proven.item, name } };
  const isGone = now.length === 0 && former.length > 0 && silent.length === 0 && !hasOther;
  return isGone ? {} : undefined;
}

/** What a copy of a volume must show. */
interface CopyQuestion extends HomeHandle {
  /** The volume's serial, where its home array still knows it. */
  serial?: string;
}

/**
 * Copies on other arrays: volumes with the same serial, or without one to compare, those that the
 * home array made, which the first digits of a serial tell wherever the volume is now. An array
 * that does not answer is no "no" if it may have one: the name is that of a volume in a pod, or the
 * array's list or answer shows the name. `hasOther`: one of them has another volume of that name.
 */
export async function provenCopies<T>(
  others: Member[],
  { arrayHint, name, serial: wanted }: CopyQuestion,
  question: Question<T>,
): Promise<Finding<T> & { hasOther: boolean }> {
  const isSame = (serial: string) =>
    wanted === undefined
      ? serial.toLowerCase().startsWith(arrayHint)
      : serial.toLowerCase() === wanted.toLowerCase();
  const volume = question.volumeNameOf(name);
  const suspects = new Set(
    others.filter(({ index }) => volume.includes("::") || index.has(volume)).map(({ array }) =>
      array
    ),
  );
  let hasOther = false;
  const answers = await askAll(others.filter(({ array }) => array.kind === "block"), [name], {
    ...question,
    ask: async (array, name) => {
      const item = await question.ask(array, name);
      if (item === undefined) return undefined;
      suspects.add(array);
      const serial = await question.serialOf(array, item);
      const isCopy = serial !== undefined && isSame(serial);
      hasOther ||= !isCopy;
      return isCopy ? item : undefined;
    },
  });
  const silent = answers.filter(({ member, error }) =>
    error !== undefined && suspects.has(member.array)
  ).map(({ member, error }) => ({ member, error }));
  const hits = (await distinct(hitsOf(answers), question)).map((hit) =>
    wanted === undefined ? { ...hit, isByMaker: true } : hit
  );
  return { hits, silent, hasOther };
}

/**
 * Whether an array shows that the object is gone: it knows the volume, which the home array made
 * by the first digits of its serial, and that is destroyed, or lives without the snapshot. The
 * arrays of a stretched pod know the same of it.
 */
export async function isGoneFromPod<T>(
  others: readonly Member[],
  { arrayHint, name }: HomeHandle,
  { what, volumeNameOf, traceOf }: Question<T>,
): Promise<boolean> {
  const blocks = others.filter(({ array }) => array.kind === "block");
  const traces = hitsOf(await askAll(blocks, [volumeNameOf(name)], { ask: traceOf }));
  return traces.some(({ item: { isLive, serial } }) =>
    serial?.toLowerCase().startsWith(arrayHint) && (what === "snapshot" || !isLive)
  );
}
