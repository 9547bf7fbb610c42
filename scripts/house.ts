/** Measures the code and prints a table; with `--check` fails when a bar is missed. See `house`. */
import { fromFileUrl } from "./paths.ts";
import { complain, say } from "./shell.ts";
import { readSources } from "./source/files.ts";
import { measure, type Measures, missedBars } from "./source/measures.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url)).replace(/\/$/, "");

interface Arguments {
  root: string;
  isCheck: boolean;
  isList: boolean;
}

function readArguments(args: string[]): Arguments {
  const found: Arguments = { root: ROOT, isCheck: false, isList: false };
  for (let index = 0; index < args.length; index++) {
    const value = args[index + 1];
    if (args[index] === "--check") found.isCheck = true;
    else if (args[index] === "--list") found.isList = true;
    else if (args[index] === "--of" && value) {
      found.root = value.replace(/\/$/, "");
      index++;
    } else {
      complain(
        `house: ${args[index]} is unknown: use ./scripts/house [--check] [--list] [--of DIR]`,
      );
      Deno.exit(2);
    }
  }
  return found;
}

function print(measures: Measures): void {
  const { functions, longestFile, longLines, bags, folders, circles, undocumented } = measures;
  const row = (name: string, value: string | number) => say(`${name.padEnd(44)} ${value}`);
  row("functions", functions.count);
  row("lines of a function, p50 / p90 / max", functions.lines.join(" / "));
  row("cyclomatic complexity, p99", functions.complexityP99);
  row("longest product file", `${longestFile.lines} (${longestFile.path})`);
  row("lines over 100 columns", `${longLines.percent.toFixed(2)} % (${longLines.places.length})`);
  row("inline-typed parameters", bags.all);
  row("inline-typed parameters, 3 or more members", bags.large.length);
  row("import circles, types included", circles.length);
  row("undocumented exports", undocumented.length);
  say("\nproduct files by folder");
  for (const [folder, files] of folders) row(`  ${folder}`, files);
  say("\nassertions by suite");
  for (const [suite, count] of measures.assertions) row(`  ${suite}`, count);
}

/** What to open: each place behind a number of the table. */
function printPlaces(measures: Measures): void {
  const { circles, undocumented, bags, longLines } = measures;
  for (const circle of circles) say(`circle: ${circle.join(" → ")}`);
  for (const { path, line, name } of undocumented) say(`${path}:${line}: ${name} is undocumented`);
  for (const { path, line, members } of bags.large) {
    say(`${path}:${line}: a parameter typed inline with ${members} members`);
  }
  for (const { path, line, columns } of longLines.places) {
    say(`${path}:${line}: ${columns} columns`);
  }
}

if (import.meta.main) {
  const { root, isCheck, isList } = readArguments(Deno.args);
  const measures = measure(await readSources(root));
  print(measures);
  if (isList) printPlaces(measures);
  const missed = isCheck ? missedBars(measures) : [];
  for (const bar of missed) complain(`house: ${bar}`);
  if (missed.length > 0) {
    complain("house: name the places with ./scripts/house --list");
    Deno.exit(1);
  }
}
