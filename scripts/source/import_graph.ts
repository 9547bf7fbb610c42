import ts from "typescript";
import { type SourceFile, walk } from "./files.ts";

/** For each file the files that it imports, both as paths from the checkout's folder. */
export type ImportGraph = Map<string, string[]>;

/** Which imports a graph holds. */
export interface GraphOptions {
  /** Default true: imports that are gone when the program runs are imports too. */
  withTypes?: boolean;
}

/**
 * The graph of the relative imports among `files`: static, type-only, dynamic, re-exports and
 * `import("x")` types. An import of a file that is not in `files` is left out.
 */
export function importGraph(files: SourceFile[], options: GraphOptions = {}): ImportGraph {
  const { withTypes = true } = options;
  const known = new Set(files.map(({ path }) => path));
  return new Map(files.map((file) => {
    const targets = specifiersOf(file.tree, withTypes).filter((specifier) =>
      specifier.startsWith(".")
    )
      .map((specifier) => resolve(specifier, file.path));
    return [file.path, [...new Set(targets)].filter((target) => known.has(target))];
  }));
}

/** What a file names as the source of an import, in whatever form. */
function specifiersOf(tree: ts.SourceFile, withTypes: boolean): string[] {
  const found: string[] = [];
  const add = (node: ts.Node | undefined) => {
    if (node && ts.isStringLiteralLike(node)) found.push(node.text);
  };
  walk(tree, (node) => {
    if (!withTypes && isForTypesOnly(node)) return;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal);
    } else if (ts.isCallExpression(node)) {
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0]);
    } else if (ts.isExternalModuleReference(node)) add(node.expression);
  });
  return found;
}

/** True for an import or re-export that names nothing but types. */
function isForTypesOnly(node: ts.Node): boolean {
  if (ts.isImportTypeNode(node)) return true;
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  if (!ts.isImportDeclaration(node) || !node.importClause) return false;
  const { phaseModifier, name, namedBindings } = node.importClause;
  if (phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  return !name && namedBindings !== undefined && ts.isNamedImports(namedBindings) &&
    namedBindings.elements.every(({ isTypeOnly }) => isTypeOnly);
}

function resolve(specifier: string, from: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/**
 * One circle for each group of files that import each other, as the shortest way round from the
 * group's first file by name: `["a.ts", "b.ts", "a.ts"]`. Empty when there is none.
 */
export function importCircles(graph: ImportGraph): string[][] {
  const reachable = new Map([...graph.keys()].map((path) => [path, reachedFrom(path, graph)]));
  const seen = new Set<string>();
  const circles: string[][] = [];
  for (const path of [...graph.keys()].sort()) {
    if (seen.has(path) || !reachable.get(path)?.has(path)) continue;
    for (const other of reachable.get(path) ?? []) {
      if (reachable.get(other)?.has(path)) seen.add(other);
    }
    circles.push(shortestWayRound(path, graph));
  }
  return circles;
}

/** Every file that `start` imports, directly or through others. */
function reachedFrom(start: string, graph: ImportGraph): Set<string> {
  const reached = new Set<string>();
  const open = [start];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    for (const target of graph.get(path) ?? []) {
      if (reached.has(target)) continue;
      reached.add(target);
      open.push(target);
    }
  }
  return reached;
}

function shortestWayRound(start: string, graph: ImportGraph): string[] {
  const ways = [[start]];
  const seen = new Set<string>();
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    for (const target of graph.get(way.at(-1) ?? "") ?? []) {
      if (target === start) return [...way, start];
      if (seen.has(target)) continue;
      seen.add(target);
      ways.push([...way, target]);
    }
  }
  throw new Error(`${start} is in no circle of imports`);
}

/** For each file how many imports lead from it to `target`; files that never lead there are left out. */
export function distancesTo(target: string, graph: ImportGraph): Map<string, number> {
  const importers = new Map<string, string[]>();
  for (const [path, targets] of graph) {
    for (const one of targets) importers.set(one, [...importers.get(one) ?? [], path]);
  }
  const distances = new Map([[target, 0]]);
  const open = [target];
  for (let path = open.shift(); path !== undefined; path = open.shift()) {
    for (const importer of importers.get(path) ?? []) {
      if (distances.has(importer)) continue;
      distances.set(importer, (distances.get(path) ?? 0) + 1);
      open.push(importer);
    }
  }
  return distances;
}
