/** What a verb of `admin` is given by tests: files in memory, and what it printed. */
import { runAdminVerb } from "../../src/admin/commands/commands.ts";
import type { AdminContext } from "../../src/admin/commands/context.ts";

/** What surrounds a verb; all absent: nothing. */
export interface AdminSurroundings {
  /** By path; a path of the file system that is not here is read there when `real` is set. */
  files?: Record<string, string>;
  real?: boolean;
  env?: Record<string, string>;
  colours?: boolean;
  columns?: number;
  now?: () => number;
  /** What comes in by standard input. */
  piped?: string;
  /** As AdminContext.answerMs. */
  answerMs?: number;
  /** Absent: there is no terminal to ask at. What a terminal shows is printed by the second one. */
  confirm?: (question: string, print: AdminContext["print"]) => Promise<boolean>;
}

/** How a verb ended. */
export interface AdminResult {
  code: number;
  said: string;
  /** Every text of the progress. */
  progress: string[];
  /** What it wrote, by path. */
  written: Map<string, Uint8Array>;
}

/** A context for a verb, with all that it leaves behind. */
export function adminBed(
  surroundings: AdminSurroundings = {},
): { context: AdminContext; said: () => string } & Omit<AdminResult, "code" | "said"> {
  const { files = {}, real = false, env = {}, colours = false, columns } = surroundings;
  const { now = Date.now, confirm, answerMs, piped = "" } = surroundings;
  const printed: string[] = [];
  const progress: string[] = [];
  const written = new Map<string, Uint8Array>();
  const print = (text: string) => void printed.push(text);
  const context: AdminContext = {
    print,
    progress: (text) => void progress.push(text),
    readTextFile: async (path) => {
      const text = files[path];
      if (text !== undefined) return text;
      if (real) return await Deno.readTextFile(path);
      throw new Deno.errors.NotFound(path);
    },
    standardInput: () => Promise.resolve(piped),
    // Files in memory have no links.
    realPath: async (path) => {
      if (real) return await Deno.realPath(path);
      if (files[path] === undefined && !written.has(path)) throw new Deno.errors.NotFound(path);
      return path;
    },
    writeFile: async (path, parts) => {
      if (written.has(path)) throw new Deno.errors.AlreadyExists(path);
      written.set(path, await new Blob([...parts]).bytes());
    },
    confirm: confirm && ((question) => confirm(question, print)),
    now,
    answerMs,
    env: (name) => env[name],
    environment: () => ({ ...env }),
    colours,
    columns,
    modes: [
      {
        name: "controller",
        flags: [
          { name: "endpoint", value: "unix:///PATH", meaning: "socket" },
          { name: "f", value: "FILE", meaning: "values.yaml" },
        ],
      },
      { name: "admin", flags: [] },
    ],
  };
  return { context, said: () => printed.join(""), progress, written };
}

/** Runs `pso-bin admin WORDS…`, with the verb first. */
export async function runAdmin(
  words: readonly string[],
  surroundings: AdminSurroundings = {},
): Promise<AdminResult> {
  const { context, said, progress, written } = adminBed(surroundings);
  const [verb = "", ...args] = words;
  const code = await runAdminVerb(verb, args, context);
  return { code, said: said(), progress, written };
}
