import { counted } from "../check/found.ts";
import { fullNameOf } from "./cluster.ts";
import type { TakeoverPlan } from "./takeover.ts";

/** What was found, and the steps with what each has to do now. Ends with a line break. */
export function planText({ found, steps, notes, volumes }: TakeoverPlan): string {
  const { namespace, kind, controller, release } = found;
  const [newest] = release?.records ?? [];
  const parts = [
    controller ? `StatefulSet ${fullNameOf(controller)}` : `its controller is gone`,
    newest && release
      ? `release ${release.name} (${newest.chart}, revision ${newest.revision}, ${newest.status})`
      : "no release of Helm",
    counted(volumes, "PersistentVolume"),
  ];
  const lines = steps.map(({ what: [first = "", ...more], isDone }, at) =>
    [`  ${at + 2}. ${isDone ? "(done) " : ""}${first}`, ...more.map((line) => `     ${line}`)].join(
      "\n",
    )
  );
  return [
    `PSO${kind ? ` ${kind.major}` : ""} in namespace ${namespace}: ${parts.join(", ")}`,
    "",
    "Steps:",
    "  1. save every object of PSO in a new folder",
    ...lines,
    ...notes.map((note) => `Note: ${note}`),
    "",
  ].join("\n");
}

/** Why nothing is changed: every problem with what to do. Ends with a line break. */
export function problemsText({ problems }: TakeoverPlan): string {
  const lines = problems.map(({ object, what, fix }) => `  ${object} ${what}\n    -> ${fix}`);
  const count = problems.length === 1 ? "1 thing stands" : `${problems.length} things stand`;
  return `\nNothing was changed: ${count} in the way.\n${lines.join("\n")}\n`;
}

/** A line for a shell of these words. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) =>
    /^[\w./:@=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
  ).join(" ");
}
