// Files that a person names on the command line; `-` is what comes in by standard input, as for
// kubectl and Helm.
import { UsageError } from "../../errors.ts";
import type { AdminContext } from "./context.ts";

/** What is typed in place of a file for standard input. */
export const STANDARD_INPUT = "-";

/** What messages call it. */
export function givenName(file: string): string {
  return file === STANDARD_INPUT ? "standard input" : file;
}

/** The text of the file, or of standard input. Throws what the file system throws. */
export async function readGiven(
  file: string,
  { readTextFile, standardInput }: Pick<AdminContext, "readTextFile" | "standardInput">,
): Promise<string> {
  return file === STANDARD_INPUT ? await standardInput() : await readTextFile(file);
}

/** UsageError for `-`, where another program must read the file too. */
export function refuseStandardInput(flag: string, file: string | undefined, why: string): void {
  if (file !== STANDARD_INPUT) return;
  throw new UsageError(`${flag} is -, which is standard input: ${why}`);
}
