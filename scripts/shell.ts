/**
 * Tools that the project's scripts run. The product has its own, stricter way
 * (`src/host/tools/command.ts`); scripts run with -A.
 */

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunToolOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Ends the tool with SIGTERM; default 600,000. */
  timeoutMs?: number;
}

/**
 * Runs a tool to its end and gives back what it said, whatever its code; a missing tool is code
 * 127.
 */
export async function tryTool(
  tool: string,
  args: string[],
  options: RunToolOptions = {},
): Promise<Ran> {
  const { cwd, env, timeoutMs = 600_000 } = options;
  try {
    const { code, stdout, stderr } = await new Deno.Command("timeout", {
      args: ["-k", "5", String(timeoutMs / 1000), tool, ...args],
      cwd,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { code: 127, stdout: "", stderr: `${tool}: not found` };
    }
    throw error;
  }
}

/**
 * Like tryTool, and throws with the end of what the tool said when its code is not 0. Gives back
 * its standard output.
 */
export async function runTool(
  tool: string,
  args: string[],
  options: RunToolOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await tryTool(tool, args, options);
  if (code === 0) return stdout;
  const said = (stderr || stdout).trim().split("\n").slice(-12).join("\n");
  throw new Error(`${tool} ${args.join(" ")} ended with code ${code}: ${said}`);
}

const encoder = new TextEncoder();

/** Writes a line for the person at the terminal. */
export function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}

/** Writes a line to stderr. */
export function complain(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}
