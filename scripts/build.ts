/** Compiles the program. Usage and exit codes stand in `scripts/build`. */
import { parseArgs } from "@std/cli/parse-args";
import { type Arch, findRuntime, missingRuntime, targetOf } from "./denort.ts";
import { exists, filesBelow, readIfThere, sha256 } from "./paths.ts";
import { DENO, DENO_VERSION, PERMISSIONS, PROGRAM, ROOT, V8_FLAGS } from "./program.ts";
import { complain, runTool, say } from "./shell.ts";

const START_RUNS = 9;

/**
 * What goes into the program, and what makes it: their hash tells whether a program is as new as
 * its sources.
 */
async function sourcesHash(arch: Arch): Promise<string> {
  const below =
    (await Promise.all(["src", "compat", "proto"].map((folder) => filesBelow(`${ROOT}/${folder}`))))
      .flat();
  const mains = [...Deno.readDirSync(ROOT)].map((entry) => entry.name).filter((name) =>
    name.endsWith(".ts")
  ).sort();
  const single = [
    ...mains,
    "deno.json",
    "deno.lock",
    "scripts/program.ts",
    "scripts/build.ts",
    "scripts/denort.ts",
  ];
  const parts = [`deno ${DENO_VERSION} ${arch}`];
  for (
    const path of [
      ...below.filter((path) => !path.endsWith("_test.ts")),
      ...single.map((name) => `${ROOT}/${name}`),
    ]
  ) {
    parts.push(`${path.slice(ROOT.length)} ${await sha256(await Deno.readFile(path))}`);
  }
  return await sha256(new TextEncoder().encode(parts.join("\n")));
}

/**
 * What packages of npm load each other with. The bundler writes a function of its own in its place,
 * which looks for `require` at each call. `deno compile --bundle` replaces that function by its name,
 * and does not find it when minifying calls it by a name with `$` in it: such a program does not start.
 */
const REQUIRE =
  'import{createRequire as requireOf}from"node:module";const require=requireOf(import.meta.url);\n';

/**
 * Compiles beside the target and puts the program into place whole: another build, or a running
 * program, is not disturbed.
 */
async function compile(out: string, options: { arch: Arch; runtime: string }): Promise<void> {
  const folder = `${out}.${Deno.pid}`;
  const [bundle, whole] = [`${folder}/pso-bin.mjs`, `${folder}/pso-bin`];
  const flags = [
    "--quiet",
    "--no-check",
    "--frozen",
    "--node-modules-dir=none",
  ];
  const args = [
    "compile",
    ...flags,
    // Without it the program reads compiled code from a file of a known name in /tmp, which anybody
    // there can put first.
    "--no-code-cache",
    V8_FLAGS,
    ...PERMISSIONS,
    "--target",
    targetOf(options.arch),
    "--output",
    whole,
    bundle,
  ];
  try {
    await runTool(DENO, ["bundle", ...flags, "--minify", "--output", bundle, `${ROOT}/main.ts`], {
      cwd: ROOT,
    });
    await Deno.writeTextFile(bundle, REQUIRE + await Deno.readTextFile(bundle));
    await runTool(DENO, args, { cwd: ROOT, env: { DENORT_BIN: options.runtime } });
    await Deno.rename(whole, out);
  } finally {
    if (await exists(folder)) await Deno.remove(folder, { recursive: true });
  }
}

/** Median wall time of `--version`, in ms. Throws when the program does not run. */
async function startMs(program: string): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < START_RUNS; run++) {
    const begun = performance.now();
    const { success, stderr } = await new Deno.Command(program, {
      args: ["--version"],
      stdout: "null",
      stderr: "piped",
    }).output();
    times.push(performance.now() - begun);
    if (!success) {
      throw new Error(`${program} --version failed: ${new TextDecoder().decode(stderr).trim()}`);
    }
  }
  return times.sort((a, b) => a - b)[Math.floor(START_RUNS / 2)] ?? NaN;
}

function problem(message: string, code: number): number {
  complain(`build: ${message}`);
  return code;
}

async function build(args: string[]): Promise<number> {
  const flags = parseArgs(args, {
    string: ["out", "arch"],
    boolean: ["if-needed"],
    default: { out: PROGRAM, arch: "x86_64" },
  });
  const unknown = [
    ...flags._,
    ...Object.keys(flags).filter((name) => !["_", "out", "arch", "if-needed"].includes(name)),
  ];
  if (unknown.length > 0) {
    return problem(
      `does not know ${
        unknown.join(", ")
      }; it takes --out FILE, --arch x86_64|aarch64, --if-needed`,
      2,
    );
  }
  const { arch } = flags;
  if (arch !== "x86_64" && arch !== "aarch64") {
    return problem(`--arch is ${arch}; x86_64 and aarch64 are known`, 2);
  }
  const out = String(flags.out).startsWith("/") ? String(flags.out) : `${Deno.cwd()}/${flags.out}`;
  using lock = await Deno.open(`${ROOT}/.tools/build.lock`, { create: true, write: true });
  await lock.lock(true); // two suites that start at once build once
  const hash = await sourcesHash(arch);
  if (flags["if-needed"] && await exists(out) && await readIfThere(`${out}.sources`) === hash) {
    return 0;
  }

  const runtime = await findRuntime(arch);
  if (!runtime) return problem(missingRuntime(arch), 3);
  say(`denort    ${runtime.path} (${runtime.origin})`);
  await Deno.mkdir(out.slice(0, out.lastIndexOf("/")), { recursive: true });
  await compile(out, { arch, runtime: runtime.path });
  say(`program   ${out}, ${((await Deno.stat(out)).size / 1e6).toFixed(1)} MB, linux ${arch}`);
  if (arch === Deno.build.arch) {
    say(
      `start-up  ${(await startMs(out)).toFixed(0)} ms (median of ${START_RUNS} runs of --version)`,
    );
  } else say(`start-up  not measured: this machine is ${Deno.build.arch}`);
  await Deno.writeTextFile(`${out}.sources`, hash);
  return 0;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await build(Deno.args);
  } catch (error) {
    Deno.exitCode = problem(error instanceof Error ? error.message : String(error), 1);
  }
}
