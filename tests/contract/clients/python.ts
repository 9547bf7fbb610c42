import { messageOf } from "../../../src/errors.ts";
import { skip } from "../../skips.ts";

const ROOT = decodeURIComponent(new URL("../../../", import.meta.url).pathname);

/** The vendor's Python SDK, as every client here uses it. */
export const SDK = "py-pure-client==1.90.0";

/** A folder of its own with Python packages from PyPI, kept in `.tools` for the next run. */
interface Wanted {
  /** Name of the folder below `.tools`; it names the versions, so that others make another folder. */
  folder: string;
  /** What is not tested without it. */
  what: string;
  /** As pip takes them, with their versions. */
  packages: string[];
  /** What else belongs into it, by its own Python. */
  finish?: (python: string) => Promise<void>;
}

/** What a tool said on stdout; throws with its last words when it fails. */
export function command(tool: string, ...args: string[]): Promise<string> {
  return commandIn({}, tool, ...args);
}

async function commandIn(
  env: Record<string, string>,
  tool: string,
  ...args: string[]
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(tool, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stdout);
  if (code !== 0) {
    throw new Error(
      `${tool} ${args.join(" ")} ended with ${code}: ${said.slice(-2000)}${
        new TextDecoder().decode(stderr).slice(-2000)
      }`,
    );
  }
  return said;
}

/** Runs pip of that Python. */
export async function pip(python: string, ...args: string[]): Promise<void> {
  await command(python, "-m", "pip", "--quiet", "--disable-pip-version-check", ...args);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Builds beside the place and renames: what stands there is complete, also when two test runs build
 * at once.
 */
async function install({ folder, packages, finish }: Wanted): Promise<void> {
  const place = `${ROOT}.tools/${folder}`;
  await Deno.mkdir(`${ROOT}.tools`, { recursive: true });
  const fresh = await Deno.makeTempDir({ dir: `${ROOT}.tools`, prefix: `${folder}-new-` });
  try {
    await command("python3", "-m", "venv", fresh);
    await pip(`${fresh}/bin/python`, "install", ...packages);
    await finish?.(`${fresh}/bin/python`);
    await Deno.rename(fresh, place);
  } catch (error) {
    await Deno.remove(fresh, { recursive: true });
    if (!(await exists(place))) throw error;
  }
}

/**
 * The Python that has the packages, installed by pip into a folder that git ignores when it is not
 * there yet. Undefined, after saying the reason loudly, where Python or a package cannot be had;
 * with CI set in the environment that throws instead.
 */
export async function findPython(wanted: Wanted): Promise<string | undefined> {
  const python = `${ROOT}.tools/${wanted.folder}/bin/python`;
  try {
    if (!(await exists(python))) await install(wanted);
    return python;
  } catch (error) {
    if (Deno.env.get("CI")) throw error;
    skip(wanted.what, messageOf(error));
    return undefined;
  }
}

/** One simulated array as a client reaches it. */
export interface Target {
  /** `127.0.0.1:PORT` of its REST. */
  address: string;
  token: string;
  /** A PEM file with its certificate. */
  ca: string;
}

/** What a script is run with. */
interface ScriptOptions extends Target {
  python: string;
  /** Arguments behind those of the target. */
  more?: string[];
}

/** What a script has said. */
interface Said {
  /** One line for each check that passed. */
  checks: string[];
  /** How many different calls it made; 0 where it does not count them. */
  calls: number;
}

/**
 * Runs a script of this folder against the target, and gives what it has checked. Throws with the
 * script's last words when a check fails.
 */
export async function runScript(script: string, options: ScriptOptions): Promise<Said> {
  const { python, address, token, ca, more = [] } = options;
  const file = decodeURIComponent(new URL(`./${script}`, import.meta.url).pathname);
  // -B: no byte code beside the scripts. -W: what clients warn of themselves is not ours to mend.
  const args = ["-B", "-W", "ignore", file, address, token, ca, ...more];
  // Clients leave files where they may: ansible below TMPDIR, others below HOME.
  const home = await Deno.makeTempDir({ prefix: "pso-client-" });
  let lines: string[];
  try {
    lines = (await commandIn({ TMPDIR: home, HOME: home }, python, ...args)).split("\n");
  } finally {
    await Deno.remove(home, { recursive: true });
  }
  const counted = lines.find((line) => line.startsWith("calls "));
  return {
    checks: lines.filter((line) => line.startsWith("ok ")),
    calls: Number(counted?.slice("calls ".length) ?? 0),
  };
}
