import { UsageError } from "../../errors.ts";
import type { AdminContext, ModeWords } from "./context.ts";
import { COMMON_FLAGS, typed, type VerbFlag, VerbFlags, type VerbUse } from "./verb_flags.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** `pso-bin admin completion`, as help and completion show it. */
export const COMPLETION: VerbUse = {
  name: "completion",
  meaning: "prints the completion of this program for bash, zsh or fish",
  text: "Prints a script by which a shell completes modes, verbs, flags and values of pso-bin.",
  usage: ["bash|zsh|fish"],
  words: SHELLS,
  flags: [COMMON_FLAGS.help],
  example: {
    line: "source <(pso-bin admin completion bash)",
    what: "in ~/.bashrc",
  },
  notes: `zsh: the same line with zsh in ~/.zshrc, after compinit.
fish: pso-bin admin completion fish > ~/.config/fish/completions/pso-bin.fish

Exit codes: 0 printed, 2 wrong use.`,
};

/** What may be typed after `pso-bin`. */
interface Words {
  modes: readonly ModeWords[];
  verbs: readonly VerbUse[];
}

/** `pso-bin admin completion`, for these verbs. */
export function completionOf(
  verbs: () => readonly VerbUse[],
): (args: string[], context: AdminContext) => Promise<number> {
  return (args, { print, modes }) => {
    const { words } = new VerbFlags(COMPLETION, args);
    const shell = SHELLS.find((one) => one === words[0]);
    if (shell === undefined || words.length > 1) {
      throw new UsageError(
        `admin completion needs one shell: pso-bin admin completion ${SHELLS.join("|")}`,
      );
    }
    print(SCRIPTS[shell]({ modes, verbs: verbs() }));
    return Promise.resolve(0);
  };
}

const SCRIPTS: Record<Shell, (words: Words) => string> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** Flags whose values are files or folders. */
function isFile({ value }: VerbFlag): boolean {
  return value === "FILE" || value === "DIR";
}

/** Every flag of any verb, each name once: one name means the same in all verbs. */
function flagsOf(verbs: readonly VerbUse[]): VerbFlag[] {
  const byName = new Map(verbs.flatMap(({ flags }) => flags.map((flag) => [flag.name, flag])));
  return [...byName.values()];
}

function wordsOf({ flags, words = [] }: Pick<VerbUse, "flags" | "words">): string {
  return [...words, ...flags.map(typed)].join(" ");
}

/** How a shell adds words or files, for the lines that both bash and zsh have. */
interface ShellForms {
  words: (words: string) => string;
  files: string;
}

/** The branches of `case` on the word before: what its value may be. */
function valueBranches(flags: readonly VerbFlag[], { words, files }: ShellForms): string[] {
  const fileNames = flags.filter(isFile).map(typed);
  const others = flags.filter((flag) => flag.value && !flag.choices && !isFile(flag)).map(typed);
  return [
    ...(fileNames.length > 0 ? [`${fileNames.join("|")}) ${files}; return ;;`] : []),
    ...flags.flatMap((flag) =>
      flag.choices ? [`${typed(flag)}) ${words(flag.choices.join(" "))}; return ;;`] : []
    ),
    ...(others.length > 0 ? [`${others.join("|")}) return ;;`] : []),
  ];
}

/** One mode: the values of its flags, else their names. */
function modeBranch({ name, flags }: ModeWords, forms: ShellForms): string {
  const values = valueBranches(flags, forms);
  const cases = values.length === 0 ? "" : `        case "$before" in
${values.map((line) => `          ${line}`).join("\n")}
        esac
`;
  return `      ${name})
${cases}        ${forms.words(wordsOf({ flags }))} ;;`;
}

function bashScript({ modes, verbs }: Words): string {
  const words = (list: string) => `COMPREPLY=($(compgen -W "${list}" -- "$word"))`;
  const forms: ShellForms = { words, files: "_pso_bin_files" };
  return `# Completion of pso-bin for bash: source <(pso-bin admin completion bash)
_pso_bin_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$word"))
}
_pso_bin() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  if [ "$word" = "=" ]; then word=""; fi
  if [ "$before" = "=" ]; then before="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  if [ "$COMP_CWORD" -eq 1 ]; then ${words(modes.map(({ name }) => name).join(" "))}; return; fi
  if [ "\${COMP_WORDS[1]}" != admin ]; then
    case "\${COMP_WORDS[1]}" in
${modes.map((mode) => modeBranch(mode, forms)).join("\n")}
    esac
    return
  fi
  if [ "$COMP_CWORD" -eq 2 ]; then ${words(verbs.map(({ name }) => name).join(" "))}; return; fi
  case "$before" in
${valueBranches(flagsOf(verbs), forms).map((line) => `    ${line}`).join("\n")}
  esac
  case "\${COMP_WORDS[2]}" in
${verbs.map((verb) => `    ${verb.name}) ${words(wordsOf(verb))} ;;`).join("\n")}
  esac
}
complete -F _pso_bin pso-bin
`;
}

function zshScript({ modes, verbs }: Words): string {
  const words = (list: string) => `compadd -- ${list}`;
  const forms: ShellForms = { words, files: "_files" };
  return `#compdef pso-bin
# Completion of pso-bin for zsh: source <(pso-bin admin completion zsh), after compinit
_pso_bin() {
  local before="$words[CURRENT-1]"
  if [[ "$words[CURRENT]" == -*=* ]] && compset -P '-*='; then before="\${words[CURRENT]%%=*}"; fi
  if (( CURRENT == 2 )); then ${words(modes.map(({ name }) => name).join(" "))}; return; fi
  if [[ "$words[2]" != admin ]]; then
    case "$words[2]" in
${modes.map((mode) => modeBranch(mode, forms)).join("\n")}
    esac
    return
  fi
  if (( CURRENT == 3 )); then ${words(verbs.map(({ name }) => name).join(" "))}; return; fi
  case "$before" in
${valueBranches(flagsOf(verbs), forms).map((line) => `    ${line}`).join("\n")}
  esac
  case "$words[3]" in
${verbs.map((verb) => `    ${verb.name}) ${words(wordsOf(verb))} ;;`).join("\n")}
  esac
}
# As the file _pso-bin of a folder of fpath it is called when it is loaded.
if [[ "$funcstack[1]" == _pso-bin ]]; then _pso_bin "$@"; else compdef _pso_bin pso-bin; fi
`;
}

/** A text as fish reads it between single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function fishScript({ modes, verbs }: Words): string {
  const line = (condition: string, rest: string) =>
    `complete -c pso-bin -n ${quoted(condition)} ${rest}`;
  const flagLine = (condition: string, flag: VerbFlag) => {
    const name = flag.name.length === 1 ? `-s ${flag.name}` : `-l ${flag.name}`;
    const value = flag.choices
      ? ` -x -a ${quoted(flag.choices.join(" "))}`
      : isFile(flag)
      ? " -r -F"
      : flag.value
      ? " -x"
      : "";
    return line(condition, `${name}${value} -d ${quoted(flag.meaning)}`);
  };
  return `# Completion of pso-bin for fish:
#   pso-bin admin completion fish > ~/.config/fish/completions/pso-bin.fish
function __pso_bin_is
  set -l words (commandline -opc)
  set -l last (math (count $argv) + 1)
  test (count $words) -ge $last; and test "$words[2..$last]" = "$argv"
end
function __pso_bin_at
  test (count (commandline -opc)) -eq $argv[1]
end
complete -c pso-bin -f
${line("__pso_bin_at 1", `-a ${quoted(modes.map(({ name }) => name).join(" "))}`)}
${
    modes.filter(({ name }) => name !== "admin").flatMap(({ name, flags }) =>
      flags.map((flag) => flagLine(`__pso_bin_is ${name}`, flag))
    ).join("\n")
  }
${
    verbs.map(({ name, meaning }) =>
      line("__pso_bin_is admin; and __pso_bin_at 2", `-a ${name} -d ${quoted(meaning)}`)
    ).join("\n")
  }
${
    verbs.flatMap(({ name, flags, words }) => [
      ...(words ? [line(`__pso_bin_is admin ${name}`, `-a ${quoted(words.join(" "))}`)] : []),
      ...flags.map((flag) => flagLine(`__pso_bin_is admin ${name}`, flag)),
    ]).join("\n")
  }
`;
}
