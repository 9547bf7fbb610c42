import ts from "typescript";
import { type SourceFile, walk } from "./files.ts";

/**
 * How many calls of an assertion a file holds: of what it imports from `node:assert`, under any
 * name, of its members, and of every function whose name begins with `assert`.
 */
export function countAssertions({ tree }: SourceFile): number {
  const imported = assertImports(tree);
  const isAssertion = (callee: ts.Expression): boolean => {
    if (ts.isIdentifier(callee)) return imported.has(callee.text) || /^assert/.test(callee.text);
    return ts.isPropertyAccessExpression(callee) && isAssertion(callee.expression);
  };
  let count = 0;
  walk(tree, (node) => {
    if (ts.isCallExpression(node) && isAssertion(node.expression)) count++;
  });
  return count;
}

function assertImports(tree: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  for (const statement of tree.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    if (!ts.isStringLiteral(statement.moduleSpecifier)) continue;
    if (!/^node:assert(\/strict)?$/.test(statement.moduleSpecifier.text)) continue;
    const { name, namedBindings } = statement.importClause ?? {};
    if (name) names.add(name.text);
    if (namedBindings && ts.isNamespaceImport(namedBindings)) names.add(namedBindings.name.text);
    else for (const element of namedBindings?.elements ?? []) names.add(element.name.text);
  }
  return names;
}
