import { UsageError } from "../../errors.ts";
import type { VerbFlag } from "./verb_flags.ts";

/** What a verb may use of the outside. */
export interface AdminContext {
  print: (text: string) => void;
  /**
   * Shows what is under way, in place of what it showed before; an empty text takes that away.
   * Nothing is shown where nobody watches.
   */
  progress: (text: string) => void;
  readTextFile: (path: string) => Promise<string>;
  /** All of standard input: what a person gives in place of a file. */
  standardInput: () => Promise<string>;
  /** A path without links; throws NotFound when nothing is there. */
  realPath: (path: string) => Promise<string>;
  /**
   * Makes a new file of these parts, and the folders that it needs, for its owner alone. Each part is
   * written before the next one is asked for. Throws AlreadyExists for one that is there.
   */
  writeFile: (path: string, parts: Iterable<Uint8Array<ArrayBuffer>>) => Promise<void>;
  /** Asks a person yes or no; absent where nobody can answer. */
  confirm?: (question: string) => Promise<boolean>;
  /** The time here; milliseconds since 1970. */
  now: () => number;
  /**
   * Longest wait for one array or API server, in milliseconds: the others still tell. Default: 30 s.
   */
  answerMs?: number;
  env: (name: string) => string | undefined;
  /** Every environment variable, for programs that a verb starts. */
  environment: () => Record<string, string>;
  /** How many characters a line of the terminal has; absent: what is printed goes to none. */
  columns?: number;
  /** Whether what is printed may have colours: it goes to a terminal, and nobody refused them. */
  colours: boolean;
  /** The modes of the program and the flags of each, for the completion of shells. */
  modes: readonly ModeWords[];
}

/** What may stand after a mode. */
export interface ModeWords {
  name: string;
  flags: readonly Pick<VerbFlag, "name" | "value" | "meaning">[];
}

/** What is typed in place of a file for standard input, as for kubectl and Helm. */
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
