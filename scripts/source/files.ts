/** The TypeScript files of a checkout, parsed: what `scripts/house` and `scripts/mutants` read. */
import ts from "typescript";
import { filesBelow } from "../paths.ts";

/** One file: its path from the checkout's folder, its text and its syntax tree. */
export interface SourceFile {
  path: string;
  text: string;
  tree: ts.SourceFile;
}

/** Parses `text` as the file `path`; nothing is read from disk and no types are looked up. */
export function parseSource(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  return { path, text, tree };
}

/** The names of `main.ts` and of what stands beside it, sorted. */
export function mainFiles(root: string): string[] {
  return [...Deno.readDirSync(root)].map(({ name }) => name).filter(isMain).sort();
}

function isMain(path: string): boolean {
  return /^main(_\w+)?\.ts$/.test(path);
}

/**
 * Reads and parses main*.ts and every file below `src/`, `scripts/` and `tests/` of the checkout at
 * `root`, sorted by path. What a program wrote (`generated/`) and the faulty samples of the lint
 * plugin's test are left out.
 */
export async function readSources(root: string): Promise<SourceFile[]> {
  const paths = mainFiles(root).map((name) => `${root}/${name}`);
  for (const folder of ["scripts", "src", "tests"]) {
    paths.push(...await filesBelow(`${root}/${folder}`));
  }
  const wanted = paths.map((path) => path.slice(root.length + 1)).filter(isHandWritten);
  return await Promise.all(
    wanted.map(async (path) => parseSource(path, await Deno.readTextFile(`${root}/${path}`))),
  );
}

function isHandWritten(path: string): boolean {
  return path.endsWith(".ts") && !/(^|\/)(generated|layers_fixtures)\//.test(path);
}

/** True for the code that is compiled into the program: main*.ts, and `src/` without its tests. */
export function isProduct(path: string): boolean {
  return isMain(path) || (path.startsWith("src/") && !path.endsWith("_test.ts"));
}

/** Calls `visit` for `node` and everything below it, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** The number of the line that `position` lies in, counted from 1. */
export function lineOf(tree: ts.SourceFile, position: number): number {
  return tree.getLineAndCharacterOfPosition(position).line + 1;
}
