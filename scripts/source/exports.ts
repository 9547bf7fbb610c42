import ts from "typescript";
import { lineOf, type SourceFile } from "./files.ts";

/** An export that no docstring explains. */
export interface UndocumentedExport {
  path: string;
  line: number;
  name: string;
}

/**
 * The exports that are declared in this file without a docstring, or with one that says only the
 * words of the name again. Re-exports are left to the file that declares them.
 */
export function undocumentedExports({ path, tree }: SourceFile): UndocumentedExport[] {
  const byName = new Map<string, ts.Node[]>();
  for (const statement of tree.statements) {
    for (const [name, node] of declarationsIn(statement)) {
      byName.set(name, [...byName.get(name) ?? [], node]);
    }
  }
  const undocumented: UndocumentedExport[] = [];
  for (const name of exportedNames(tree)) {
    const nodes = byName.get(name) ?? [];
    const [first] = nodes;
    // the docstring of one overload is the docstring of all
    if (!first || nodes.some((node) => saysMore(docOf(node), name))) continue;
    undocumented.push({ path, line: lineOf(tree, first.getStart(tree)), name });
  }
  return undocumented;
}

function exportedNames(tree: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  for (const statement of tree.statements) {
    if (isExported(statement)) {
      for (const [name] of declarationsIn(statement)) names.add(name);
    } else if (ts.isExportDeclaration(statement) && !statement.moduleSpecifier) {
      const clause = statement.exportClause;
      if (!clause || !ts.isNamedExports(clause)) continue;
      for (const { name, propertyName } of clause.elements) names.add((propertyName ?? name).text);
    }
  }
  return names;
}

function isExported(statement: ts.Statement): boolean {
  return ts.canHaveModifiers(statement) &&
    (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
}

/** The names that a statement declares, each with the node that its docstring stands at. */
function declarationsIn(statement: ts.Statement): [string, ts.Node][] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => namesIn(name))
      .map((name) => [name, statement]);
  }
  const isNamed = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) ||
    ts.isEnumDeclaration(statement);
  return isNamed ? [[statement.name?.text ?? "default", statement]] : [];
}

function namesIn(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) =>
    ts.isBindingElement(element) ? namesIn(element.name) : []
  );
}

/** The text of the docstring nearest above a declaration, "" when there is none. */
function docOf(node: ts.Node): string {
  const doc = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).at(-1);
  return doc?.getText().replace(/^\/\*\*|\*\/$|^\s*\*/gm, " ") ?? "";
}

/** Words that promise nothing by themselves. */
const FILLERS = new Set(
  ("a an the of for to in on at is are be this that it its with and or from by as all one new get " +
    "gets return returns give gives make makes set sets type class function value object " +
    "interface options").split(" "),
);

/** True when `doc` holds a word that the name does not, fillers aside. */
function saysMore(doc: string, name: string): boolean {
  const stem = (word: string) => word.toLowerCase().replace(/(ies|es|s|ed|ing|y|e)$/, "");
  const inName = new Set((name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+/g) ?? []).map(stem));
  const words = doc.match(/[A-Za-z]+|\d+/g) ?? [];
  return words.some((word) => !FILLERS.has(word.toLowerCase()) && !inName.has(stem(word)));
}
