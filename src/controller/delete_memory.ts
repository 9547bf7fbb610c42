import { type FleetMember, memberKey } from "../arrays/fleet.ts";
import { nameKey } from "../names.ts";
import { BoundedMap } from "./bounded_map.ts";
import type { VolumePlace } from "./volume_locator.ts";

/** Deletes that are remembered; a repetition comes within minutes. */
const MAX_REMEMBERED = 20_000;

/** What a delete by some handle was sent for. */
export interface Deletion {
  /** As memberKey(): the array may have another client by now. */
  array: string;
  /** Full name there. */
  name: string;
  /** Serial of the volume; absent where none was read, or there is none. */
  serial?: string;
  /** When the object was made, milliseconds since the epoch; absent where it was not read. */
  createdMs?: number;
  /** As `DeleteScope.onlyTagged`. */
  onlyTagged?: boolean;
  /** The array confirmed that it is gone. */
  isDone: boolean;
}

/**
 * What this process destroyed by which handle, or tried to: a repeated delete is about that very
 * object, and never about one of the same name that came to be meanwhile. A restart forgets it.
 */
export class DeleteMemory {
  readonly #deletions = new BoundedMap<string, Deletion>(MAX_REMEMBERED);

  /** What was destroyed by the handle, in any spelling of it, since it was last used. */
  of(handle: string): Deletion | undefined {
    return this.#deletions.get(nameKey(handle));
  }

  /**
   * To be noted before a delete is sent, because its answer may be lost. The functions returned
   * note how it ended: `undo` that it surely destroyed nothing, `done` that the array confirmed it.
   */
  begin(
    handle: string,
    { member, name, ...facts }:
      & VolumePlace
      & Pick<Deletion, "serial" | "createdMs" | "onlyTagged">,
  ): { undo: () => void; done: () => void } {
    const key = nameKey(handle);
    const before = this.of(handle);
    const deletion: Deletion = { array: memberKey(member), name, ...facts, isDone: false };
    this.#deletions.set(key, deletion);
    return {
      undo: () => before ? this.#deletions.set(key, before) : this.#deletions.delete(key),
      done: () => deletion.isDone = true,
    };
  }

  /** To be noted when the handle was given out or used again: it means what is there now. */
  forget(handle: string): void {
    this.#deletions.delete(nameKey(handle));
  }
}

/** Whether what bears the name now is known to be another object than the deletion was sent for. */
export function isAnother(
  { serial, createdMs }: Deletion,
  live: { serial?: string; createdMs: number },
): boolean {
  if (serial !== undefined) return live.serial !== serial;
  return createdMs !== undefined && live.createdMs !== createdMs;
}

/** Whether the deletion was sent to that array. */
export function wasSentTo({ array }: Deletion, member: FleetMember): boolean {
  return !member.twin && memberKey(member) === array;
}
