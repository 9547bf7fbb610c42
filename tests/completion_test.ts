// The completion scripts in the shells themselves: what docs/admin.md says that a TAB offers.
import { deepEqual, equal } from "node:assert/strict";
import { ROOT } from "../scripts/program.ts";
import { runAdminVerb } from "../src/admin/commands/commands.ts";
import { modeWords } from "../src/cli/flags.ts";
import { skip } from "./skips.ts";
import { adminBed } from "./support/admin_bed.ts";

const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";
/** A shell that waits for something that does not come. */
const SHELL_MS = 60_000;
/** What recorder() puts behind each word, octal 037. */
const BETWEEN = "\x1f";

/** A way to load the script into a shell, and to ask it. */
interface Way {
  name: string;
  script: "bash" | "zsh" | "fish";
  /** Programs and files without which it cannot be tried. */
  needs: string[];
  /** What it offers for each line. */
  offered: (lines: readonly string[], folder: string) => Promise<string[][]>;
}

const WAYS: readonly Way[] = [
  {
    name: "bash",
    script: "bash",
    needs: ["bash"],
    offered: (lines, folder) => inBash(lines, { folder, rc: `. ${folder}/script` }),
  },
  {
    name: "bash with bash-completion",
    script: "bash",
    needs: ["bash", BASH_COMPLETION],
    offered: (lines, folder) =>
      inBash(lines, { folder, rc: `. ${BASH_COMPLETION}\n. ${folder}/script` }),
  },
  {
    name: "zsh",
    script: "zsh",
    needs: ["zsh", "script"],
    offered: (lines, folder) => inZsh(lines, { folder, rc: `${COMPINIT}\n. ${folder}/script` }),
  },
  {
    name: "zsh by fpath",
    script: "zsh",
    needs: ["zsh", "script"],
    offered: async (lines, folder) => {
      await Deno.mkdir(`${folder}/fpath`);
      await Deno.copyFile(`${folder}/script`, `${folder}/fpath/_pso-bin`);
      return await inZsh(lines, { folder, rc: `fpath+=(${folder}/fpath)\n${COMPINIT}` });
    },
  },
  { name: "fish", script: "fish", needs: ["fish"], offered: inFish },
];

/** `-u`: whoever owns the folders of this machine is not asked about. `-D`: no file is left. */
const COMPINIT = "autoload -U compinit; compinit -D -u";

/** Stands for the program: what a line became is written to a file. */
const recorder = (folder: string) =>
  `pso-bin() { printf '%s\\037' "$@" >>${folder}/calls; echo >>${folder}/calls; }`;

/** How a shell is prepared. */
interface Prepared {
  folder: string;
  /** Loads the script. */
  rc: string;
}

/** Types each line and all that its end may become (readline's insert-completions). */
async function inBash(lines: readonly string[], { folder, rc }: Prepared): Promise<string[][]> {
  await Deno.writeTextFile(`${folder}/rc`, `${rc}\n${recorder(folder)}\nunset HISTFILE\n`);
  await type(["bash", "--rcfile", `${folder}/rc`, "-i"], {
    folder,
    text: lines.map((line) => `${line}\x1b*\n`).join("") + "exit\n",
  });
  return await callsOf(lines, folder);
}

/** The same in zsh, which edits lines on a terminal alone: `script` gives it one. */
async function inZsh(lines: readonly string[], { folder, rc }: Prepared): Promise<string[][]> {
  await Deno.writeTextFile(
    `${folder}/.zshrc`,
    [
      rc,
      "zle -C all-matches complete-word _generic",
      "zstyle ':completion:all-matches::::' completer _all_matches _complete",
      "zstyle ':completion:all-matches:*' insert true",
      "bindkey '^X^A' all-matches",
      recorder(folder),
      "",
    ].join("\n"),
  );
  await type(["script", "-qec", "zsh -d -i", "/dev/null"], {
    folder,
    text: lines.map((line) => `${line}\x18\x01\n`).join("") + "exit\n",
  });
  return await callsOf(lines, folder);
}

/** fish says what it would offer; the script is where docs/admin.md puts it. */
async function inFish(lines: readonly string[], folder: string): Promise<string[][]> {
  await Deno.mkdir(`${folder}/fish/completions`, { recursive: true });
  await Deno.copyFile(`${folder}/script`, `${folder}/fish/completions/pso-bin.fish`);
  // fish loads nothing for a program that is not there.
  await Deno.mkdir(`${folder}/bin`);
  await Deno.writeTextFile(`${folder}/bin/pso-bin`, "#!/bin/sh\n", { mode: 0o755 });
  const found: string[][] = [];
  for (const line of lines) {
    const text = await type(["fish", "-c", `complete -C '${line}'`], { folder, text: "" });
    found.push(
      text.split("\n").filter((one) => one !== "").map((one) => one.split("\t")[0] ?? ""),
    );
  }
  return found.map((all) => all.map(valueOf));
}

/** Starts a shell in the folder, types into it, and gives what it printed. */
async function type(
  [command = "", ...args]: readonly string[],
  { folder, text }: { folder: string; text: string },
): Promise<string> {
  const shell = new Deno.Command(command, {
    args,
    cwd: folder,
    clearEnv: true,
    env: {
      PATH: `${Deno.env.get("PATH")}:${folder}/bin`,
      HOME: folder,
      ZDOTDIR: folder,
      XDG_CONFIG_HOME: folder,
      XDG_DATA_HOME: folder,
      TERM: "dumb",
      LC_ALL: "C.UTF-8",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.timeout(SHELL_MS),
  }).spawn();
  const stdin = shell.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(text));
  await stdin.close();
  return new TextDecoder().decode((await shell.output()).stdout);
}

/** What the end of each line became. */
async function callsOf(lines: readonly string[], folder: string): Promise<string[][]> {
  const calls = (await Deno.readTextFile(`${folder}/calls`)).trimEnd().split("\n");
  equal(calls.length, lines.length, calls.join("\n"));
  return calls.map((call, at) => {
    const typed = lines[at]?.split(" ").length ?? 0;
    return call.split(BETWEEN).slice(typed - 2, -1).map(valueOf);
  });
}

/** `--flag=value` offers values. */
function valueOf(word: string): string {
  return word.replace(/^--[a-z-]+=/, "");
}

/** The script as the program prints it. */
async function scriptFor(shell: string): Promise<string> {
  const { context, said } = adminBed();
  equal(await runAdminVerb("completion", [shell], { ...context, modes: modeWords() }), 0);
  return said();
}

/** The rows of docs/admin.md below the mark. */
async function rows(): Promise<{ line: string; offered: string[] }[]> {
  const page = await Deno.readTextFile(`${ROOT}/docs/admin.md`);
  const [, table = ""] = /<!-- tried in shells -->\n((?:\|.*\n)+)/.exec(page) ?? [];
  return table.trimEnd().split("\n").slice(2).map((row) => {
    const [, line = "", offered = ""] = row.split("|");
    const words = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);
    return { line: words(line)[0] ?? "", offered: words(offered) };
  });
}

async function isThere(need: string): Promise<boolean> {
  const places = need.startsWith("/")
    ? [need]
    : (Deno.env.get("PATH") ?? "").split(":").map((folder) => `${folder}/${need}`);
  for (const place of places) if (await Deno.stat(place).then(() => true, () => false)) return true;
  return false;
}

for (const { name, script, needs, offered } of WAYS) {
  const there = await Promise.all(needs.map(isThere));
  const missing = needs.filter((_, at) => !there[at]);
  Deno.test({
    name: `a TAB in ${name} offers what docs/admin.md says`,
    ignore: missing.length > 0 &&
      skip(`completion in ${name}`, `there is no ${missing.join(", ")}`),
    fn: async () => {
      const wanted = await rows();
      const folder = await Deno.makeTempDir();
      try {
        await Deno.writeTextFile(`${folder}/script`, await scriptFor(script));
        for (const file of ["values.yaml", "prod.kubeconfig", "other.txt"]) {
          await Deno.writeTextFile(`${folder}/${file}`, "");
        }
        const found = await offered(wanted.map(({ line }) => line), folder);
        deepEqual(
          wanted.map(({ line }, at) => ({ line, offered: found[at]?.toSorted() })),
          wanted.map(({ line, offered }) => ({ line, offered: offered.toSorted() })),
        );
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
