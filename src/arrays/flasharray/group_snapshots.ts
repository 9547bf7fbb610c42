import { allEnded } from "../../async/all_ended.ts";
import { PsoError } from "../../errors.ts";
import type { Snapshot } from "../array.ts";
import { type ArrayContext, isAskedFor, NamedObjects } from "../rest/named_objects.ts";
import { mayBeAboutName, type RestError } from "../rest/refusals.ts";
import { SNAPSHOT_RESOURCE } from "./snapshots.ts";
import { type SnapshotItem, snapshotOf } from "./wire.ts";

/** The volumes that are snapshotted together, and the suffix of each snapshot. */
interface WantedGroup {
  volumes: readonly string[];
  suffix: string;
}

/** Snapshots that a refusal names. */
const LOST_SHOWN = 3;

/**
 * As StorageArray.createGroupSnapshot. One POST that names all volumes is one moment of their
 * writes, and the array makes all of its snapshots or none.
 */
export async function takeGroupSnapshot(
  context: ArrayContext,
  wanted: WantedGroup,
  signal?: AbortSignal,
): Promise<Snapshot[]> {
  const { volumes, suffix } = wanted;
  const { path, item } = SNAPSHOT_RESOURCE;
  const query = { source_names: [...volumes] };
  const call = { method: "POST", path, query, body: { suffix }, item, signal } as const;
  let made: SnapshotItem[];
  try {
    made = (await context.rest.call<SnapshotItem>(call)).items;
  } catch (error) {
    if (!mayBeAboutName(error)) throw error;
    made = await snapshotsThere(context, { ...wanted, error }, signal);
  }
  return namesOf(wanted).map((name) => {
    const one = made.find((item) => isAskedFor(item, { names: [name] }));
    if (one) return snapshotOf(one);
    throw new PsoError(
      "unavailable",
      `array ${context.label()} took the group snapshot ${suffix} and did not return ${name}; ` +
        "try again",
    );
  });
}

function namesOf({ volumes, suffix }: WantedGroup): string[] {
  return volumes.map((volume) => `${volume}.${suffix}`);
}

/**
 * Every snapshot of the group, after the array refused to take it: an earlier call did. Else the
 * array's own error, or `conflict` when only some of them are there: what is missing cannot be of
 * the same moment any more.
 */
async function snapshotsThere(
  context: ArrayContext,
  { error, ...wanted }: WantedGroup & { error: RestError },
  signal?: AbortSignal,
): Promise<SnapshotItem[]> {
  const items = new NamedObjects(context, SNAPSHOT_RESOURCE);
  const names = namesOf(wanted);
  const looks = names.map((name) => items.find(name, { signal, destroyed: true }));
  const found = await allEnded(looks);
  const live = found.filter((item) => item !== undefined && !item.destroyed);
  if (live.length === names.length) return live.flatMap((item) => item ?? []);
  if (found.every((item) => item === undefined)) {
    const missing = error.context === "" ? "a volume of the group" : `volume ${error.context}`;
    return [await items.afterRefusedCreate(names[0] ?? "", { error, missing, signal })];
  }
  const lost = names.flatMap((name, at) => {
    const item = found[at];
    if (item === undefined) return [`${name} is gone`];
    return item.destroyed ? [`${name} was destroyed`] : [];
  });
  const more = lost.length > LOST_SHOWN ? ` and ${lost.length - LOST_SHOWN} more` : "";
  throw new PsoError(
    "conflict",
    `group snapshot ${wanted.suffix} on array ${context.label()} is not whole any more: ` +
      `${lost.slice(0, LOST_SHOWN).join(", ")}${more}; recover what was destroyed with ` +
      "`purevol recover NAME`, or delete this VolumeGroupSnapshot and take another",
    { cause: error },
  );
}
