// Connects the verbs of `admin` with the outside: terminal, files and environment.
import type { AdminContext } from "./src/admin/commands/context.ts";
import { modeWords } from "./src/cli/flags.ts";
import { readPlainFile } from "./src/config/plain_file.ts";
import { maskSecrets } from "./src/secret.ts";

/** A stream of this process that people may watch. */
type Output = Pick<typeof Deno.stdout, "writeSync" | "isTerminal">;

/** What the verbs of `admin` may use; colours and progress are for terminals alone. */
export function adminContext(): AdminContext {
  const env = (name: string) => Deno.env.get(name);
  const isShown = (output: Output) => output.isTerminal() && env("TERM") !== "dumb";
  return {
    // Whatever a verb prints: the value of a Secret is in none of it.
    print: (text) => write(Deno.stdout, maskSecrets(text)),
    progress: isShown(Deno.stderr) ? (text) => write(Deno.stderr, `\r\x1b[K${text}`) : () => {},
    readTextFile: readPlainFile,
    realPath: Deno.realPath,
    writeFile,
    confirm: Deno.stdin.isTerminal() && Deno.stdout.isTerminal()
      ? (question) => Promise.resolve(confirm(question))
      : undefined,
    now: Date.now,
    env,
    environment: () => Deno.env.toObject(),
    // Set to anything but nothing, it means no colours (no-color.org).
    colours: isShown(Deno.stdout) && !env("NO_COLOR"),
    columns: isShown(Deno.stdout) ? columnsOf() : undefined,
    modes: modeWords(),
  };
}

/** How wide the terminal is; undefined when it does not say. */
function columnsOf(): number | undefined {
  try {
    return Deno.consoleSize().columns || undefined;
  } catch {
    return undefined;
  }
}

/** A pipe may take less than it is given. Who reads no more, as `head`, misses nothing. */
function write(output: Output, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let written = 0; written < bytes.length;) {
      written += output.writeSync(bytes.subarray(written));
    }
  } catch (error) {
    // The verb goes on to its end: what it has opened on arrays is closed there.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** A new file that only its owner may read. Throws AlreadyExists for one that is there. */
async function writeFile(path: string, parts: Iterable<Uint8Array<ArrayBuffer>>): Promise<void> {
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
  if (folder !== "") await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  await Deno.writeFile(path, ReadableStream.from(parts), { createNew: true, mode: 0o600 });
}
