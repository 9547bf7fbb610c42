import { NothingMadeError } from "../../arrays/array.ts";
import { type ErrorCode, isNeverFinal, isPsoError, messageOf, PsoError } from "../../errors.ts";

/** A change on an array, and what may be said of its failure. */
interface ArrayChange<T> {
  /** Completes "Could not …" in messages: `create pvc-1 on fa-1`. */
  what: string;
  /** Codes that prove that no volume was made, so that the caller may forget the name. */
  final: "all" | readonly ErrorCode[];
  work: () => Promise<T>;
}

/**
 * Runs a change on an array. csi-provisioner forgets a volume when it gets a final code, and a
 * forgotten volume stays on the array for ever. So every failure that does not prove that nothing
 * was made leaves as `unavailable`; that includes errors that are no PsoError.
 */
export async function neverFinalWhenUnclear<T>(
  { what, final, work }: ArrayChange<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NothingMadeError) throw error;
    const mayPass = isNeverFinal(error) ||
      (isPsoError(error) && (final === "all" || final.includes(error.code)));
    if (mayPass) throw error;
    throw new PsoError("unavailable", `Could not ${what}: ${messageOf(error)}`, { cause: error });
  }
}
