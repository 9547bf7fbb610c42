import { messageOf } from "../../../src/errors.ts";
import { skip } from "../../skips.ts";

/** The version of the vendor's Python SDK that the simulator's contract was read from. */
const SDK = "py-pure-client==1.90.0";
const ROOT = decodeURIComponent(new URL("../../../", import.meta.url).pathname);
const VENV = `${ROOT}.tools/sdk-venv-1.90.0`;

async function command(tool: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(tool, {
    args,
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
 * Builds beside the place and renames: what stands at VENV is complete, also when two test runs
 * build at once.
 */
async function install(): Promise<void> {
  await Deno.mkdir(`${ROOT}.tools`, { recursive: true });
  const fresh = await Deno.makeTempDir({ dir: `${ROOT}.tools`, prefix: "sdk-venv-new-" });
  try {
    await command("python3", "-m", "venv", fresh);
    await command(
      `${fresh}/bin/python`,
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
      SDK,
    );
    await Deno.rename(fresh, VENV);
  } catch (error) {
    await Deno.remove(fresh, { recursive: true });
    if (!(await exists(VENV))) throw error;
  }
}

/**
 * The Python that has the vendor's SDK, installed by pip into a folder that git ignores when it is
 * not there yet. Undefined, after saying the reason loudly, where Python or the package cannot be
 * had; with CI set in the environment that throws instead.
 */
export async function findSdkPython(): Promise<string | undefined> {
  try {
    if (!(await exists(VENV))) await install();
    return `${VENV}/bin/python`;
  } catch (error) {
    if (Deno.env.get("CI")) throw error;
    skip("the vendor's SDK against the simulator", messageOf(error));
    return undefined;
  }
}

/**
 * Runs one script of this folder with the SDK against `array` ("127.0.0.1:PORT", its token, a PEM
 * file with its certificate) and gives what it has checked, one line each. Throws with the script's
 * last words when a check fails.
 */
export async function runSdk(
  python: string,
  script: "flasharray" | "flashblade",
  array: { address: string; token: string; ca: string; version?: string },
): Promise<string[]> {
  const file = decodeURIComponent(new URL(`./${script}.py`, import.meta.url).pathname);
  // -B: no byte code beside the scripts.
  const said = await command(
    python,
    "-B",
    file,
    array.address,
    array.token,
    array.ca,
    ...(array.version ? [array.version] : []),
  );
  return said.split("\n").filter((line) => line.startsWith("ok "));
}
