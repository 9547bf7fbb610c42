/**
 * What the one program is started with, in one place: `deno compile` bakes these flags in, and an
 * interpreted run passes the same, so that a test that runs interpreted is refused what the
 * compiled program is refused.
 */
import { fromFileUrl } from "./paths.ts";

/** The project's folder, without a slash at the end. */
export const ROOT = fromFileUrl(new URL("..", import.meta.url)).replace(/\/$/, "");

/** The project's own Deno, put there by `scripts/setup`. */
export const DENO = `${ROOT}/.tools/bin/deno`;

/** Where `scripts/build` puts the program when it is told nothing else. */
export const PROGRAM = `${ROOT}/dist/pso-bin`;

/** The version of Deno that everything here is made with; `scripts/setup` names the same. */
export const DENO_VERSION = "2.9.4";

/**
 * Whole kinds only, because a subset of a global grant cannot be given back later while a whole
 * kind can; never -A and never ffi, so that each mode can drop what it does not use and nothing can
 * leave the sandbox by native code.
 */
export const PERMISSIONS = [
  "--no-prompt",
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-net",
  "--allow-env",
  "--allow-sys",
];

/**
 * A small young generation halves the resident memory of a loaded server. V8's middle compiler
 * (Maglev) stays on: it takes a third of the CPU time of a call, and in a controller with 10,000
 * volumes no memory (docs/scale.md). The ceiling is a safety net and holds for every mode.
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=1,--max-old-space-size=256";

/**
 * glibc keeps what was freed, the more of it the larger the pieces were, unless it is told from
 * which size on it goes back (mallopt(3)). A node with 200 staged volumes is 18 MiB smaller with
 * these. The image sets the same.
 */
export const ENVIRONMENT = {
  MALLOC_MMAP_THRESHOLD_: "65536",
  MALLOC_TRIM_THRESHOLD_: "65536",
};

/** A command line to start: the program, and the arguments that come before its own. */
export interface Launch {
  command: string;
  args: string[];
}

/**
 * How to start the program: the compiled file, or `main.ts` by this process's own Deno with the
 * same flags. `program` defaults to PROGRAM.
 */
export function launchOf(options: { interpreted?: boolean; program?: string } = {}): Launch {
  if (!options.interpreted) return { command: options.program ?? PROGRAM, args: [] };
  return {
    command: Deno.execPath(),
    args: ["run", "--quiet", "--frozen", "--no-check", V8_FLAGS, ...PERMISSIONS, `${ROOT}/main.ts`],
  };
}
