import { createHash } from "node:crypto";
import { parse as parseYaml } from "@std/yaml";
import { duplicateKeys, placeOf } from "./duplicate_keys.ts";
import { isMapping, type Mapping } from "./tree.ts";
import { kindOf, type ProblemList } from "./problems.ts";
import { messageOf } from "../errors.ts";
import { refuseLargeText } from "./plain_file.ts";
import { boundsFault } from "./tree_bounds.ts";

/** What reads the files of a configuration. */
export interface FileReaders {
  readTextFile: (path: string) => Promise<string>;
  /**
   * What reads those that the configuration names itself, which whoever writes it chooses. Default:
   * readTextFile.
   */
  readNamedFile?: (path: string) => Promise<string>;
}

/** Reads files for one load, and remembers a digest of all that it read. */
export class FileReader {
  readonly #readers: FileReaders;
  readonly #hash = createHash("sha256");

  constructor(readers: FileReaders) {
    this.#readers = readers;
  }

  /** The content of a file of the configuration. Throws what the file system throws. */
  read(path: string): Promise<string> {
    return this.#read(path, this.#readers.readTextFile);
  }

  /** The content of a file that the configuration names. Throws what its reader throws. */
  readonly readNamed = (path: string): Promise<string> => {
    const { readTextFile, readNamedFile = readTextFile } = this.#readers;
    return this.#read(path, readNamedFile);
  };

  async #read(path: string, readTextFile: FileReaders["readTextFile"]): Promise<string> {
    try {
      const text = await readTextFile(path);
      refuseLargeText(text);
      this.#hash.update(`${path}\0${text}\0`);
      return text;
    } catch (error) {
      this.#hash.update(`${path}\0${messageOf(error)}\0`);
      throw error;
    }
  }

  /** SHA-256 of all files read so far; ends the use of this reader. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

/**
 * The mapping in the YAML (or JSON) file, or undefined after telling `problems`. An empty file is
 * an empty mapping.
 */
export function parseMapping(
  text: string,
  { file, problems }: { file: string; problems: ProblemList },
): Mapping | undefined {
  // Before anything else: JSON.parse takes the last of two keys without a word.
  const duplicates = duplicateKeys(text);
  for (const { path, line } of duplicates) {
    problems.error(path, {
      found: `stands twice in ${file}, again in line ${line}`,
      fix: "keep one of the two",
    });
  }
  if (duplicates.length > 0) return undefined;
  let root: unknown;
  try {
    // JSON first: its rules for escapes and tabs differ a little from YAML's.
    root = tryJson(text) ?? parseYaml(text) ?? {};
  } catch (error) {
    problems.error(file, syntaxFault(error, file.endsWith(".json") ? "JSON" : "YAML"));
    return undefined;
  }
  const fault = boundsFault(root);
  if (fault !== undefined) {
    problems.error(file, { found: fault, fix: "write it with fewer aliases, lists and levels" });
    return undefined;
  }
  if (isMapping(root)) return root;
  problems.error(file, {
    found: `holds ${kindOf(root)}`,
    wanted: "a mapping of keys, such as `arrays:`",
  });
  return undefined;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Characters of a parser's reason that are looked at: it may quote a name of any length. */
const REASON_CHARS_MAX = 300;

/**
 * What the YAML parser did not understand, and where. Its own text quotes the lines around, where
 * tokens may stand: only its reason is kept.
 */
function syntaxFault(error: unknown, language: string): { found: string; fix: string } {
  const { reason } = error instanceof Error ? error as { reason?: unknown } : {};
  const firstLine = messageOf(error).split("\n")[0] ?? "";
  const said = typeof reason === "string"
    ? reason
    : firstLine.replace(/ at line \d+, column \d+:?$/, "");
  // A quotation that is cut off goes too.
  const why = said.slice(0, REASON_CHARS_MAX).replace(/\s*"[^"]*("|$)|\s*!<[^>]*(>|$)/g, "").trim();
  const place = placeOf(error);
  const where = place ? ` in line ${place.line}, column ${place.column}` : "";
  return {
    found: `is no valid ${language}${where} (${why})`,
    fix: "look at indentation, tabs, colons and quotes there and in the line before",
  };
}
