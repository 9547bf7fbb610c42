// Connects the verbs of `admin` with the outside: terminal, files and environment.
import type { AdminContext } from "./src/admin/commands/context.ts";
import { modeWords } from "./src/cli/flags.ts";
import { columnsOf, isShown, writeAll } from "./src/cli/output.ts";
import { readPlainFile, readToEnd } from "./src/config/plain_file.ts";
import { maskSecrets } from "./src/secret.ts";

/** What the verbs of `admin` may use; colours and progress are for terminals alone. */
export function adminContext(): AdminContext {
  const env = (name: string) => Deno.env.get(name);
  return {
    // Whatever a verb prints: the value of a Secret is in none of it.
    print: (text) => writeAll(Deno.stdout, maskSecrets(text)),
    progress: isShown(Deno.stderr) ? (text) => writeAll(Deno.stderr, `\r\x1b[K${text}`) : () => {},
    readTextFile: readPlainFile,
    standardInput: () => readToEnd(Deno.stdin),
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
    columns: columnsOf(),
    modes: modeWords(),
  };
}

/** A new file that only its owner may read. Throws AlreadyExists for one that is there. */
async function writeFile(path: string, parts: Iterable<Uint8Array<ArrayBuffer>>): Promise<void> {
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
  if (folder !== "") await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  await Deno.writeFile(path, ReadableStream.from(parts), { createNew: true, mode: 0o600 });
}
