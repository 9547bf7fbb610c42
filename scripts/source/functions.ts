import ts from "typescript";
import { lineOf, type SourceFile, walk } from "./files.ts";

/** A function with a body: how long it is, and how many ways lead through it. */
export interface FunctionSize {
  path: string;
  line: number;
  lines: number;
  complexity: number;
}

/**
 * Every function, method, constructor, accessor and arrow function with a body in braces. Arrow
 * functions that are one expression belong to the function around them.
 */
export function functionSizes({ path, tree }: SourceFile): FunctionSize[] {
  const found: FunctionSize[] = [];
  walk(tree, (node) => {
    if (!hasBlock(node)) return;
    const line = lineOf(tree, node.getStart(tree));
    const lines = lineOf(tree, node.end) - line + 1;
    found.push({ path, line, lines, complexity: complexityOf(node) });
  });
  return found;
}

function hasBlock(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && "body" in node && node.body !== undefined &&
    ts.isBlock(node.body as ts.Node);
}

const BRANCHES = new Set([
  ts.SyntaxKind.IfStatement,
  ts.SyntaxKind.ConditionalExpression,
  ts.SyntaxKind.ForStatement,
  ts.SyntaxKind.ForOfStatement,
  ts.SyntaxKind.ForInStatement,
  ts.SyntaxKind.WhileStatement,
  ts.SyntaxKind.DoStatement,
  ts.SyntaxKind.CaseClause,
  ts.SyntaxKind.CatchClause,
]);

const SHORT_CIRCUITS = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
]);

/** Cyclomatic complexity: 1, and 1 for each branch, loop, case, catch, `&&`, `||` and `??`. */
function complexityOf(top: ts.FunctionLikeDeclaration): number {
  let count = 1;
  const visit = (node: ts.Node) => {
    if (hasBlock(node)) return;
    if (BRANCHES.has(node.kind)) count++;
    if (ts.isBinaryExpression(node) && SHORT_CIRCUITS.has(node.operatorToken.kind)) count++;
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(top, visit);
  return count;
}

/** A parameter whose type is written as `{ … }` where it stands. */
export interface InlineBag {
  path: string;
  line: number;
  members: number;
}

/** The inline-typed parameters of functions, methods, signatures and function types. */
export function inlineBags({ path, tree }: SourceFile): InlineBag[] {
  const found: InlineBag[] = [];
  walk(tree, (node) => {
    if (!ts.isParameter(node)) return;
    const members = membersOf(node.type);
    if (members !== undefined) {
      found.push({ path, line: lineOf(tree, node.getStart(tree)), members });
    }
  });
  return found;
}

/** How many members an object type literal has, also as an array or as one side of a union. */
function membersOf(type: ts.TypeNode | undefined): number | undefined {
  if (!type) return undefined;
  if (ts.isTypeLiteralNode(type)) return type.members.length;
  if (ts.isArrayTypeNode(type)) return membersOf(type.elementType);
  if (ts.isParenthesizedTypeNode(type) || ts.isTypeOperatorNode(type)) return membersOf(type.type);
  if (!ts.isUnionTypeNode(type) && !ts.isIntersectionTypeNode(type)) return undefined;
  const sides = type.types.map(membersOf).filter((members) => members !== undefined);
  return sides.length === 0 ? undefined : Math.max(...sides);
}
