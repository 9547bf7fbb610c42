import ts from "typescript";
import { lineOf, type SourceFile } from "./files.ts";

/** The ways to make code wrong. */
export type MutationKind =
  | "negate a condition"
  | "change a comparison"
  | "swap && and ||"
  | "drop a guard"
  | "drop a call"
  | "return early"
  | "change a number"
  | "empty a text"
  | "swap true and false";

/** One small fault: `replacement` in place of the text from `start` to `end` of the file. */
export interface Mutation {
  kind: MutationKind;
  path: string;
  line: number;
  start: number;
  end: number;
  replacement: string;
}

/** Puts the fault into the text that it was found in. */
export function applyMutation(text: string, { start, end, replacement }: Mutation): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

/**
 * Every place of a file where one of the faults fits. What only makes the text of a message, an
 * error or a log line is left out, and so are types and imports.
 */
export function mutationsIn({ path, tree }: SourceFile): Mutation[] {
  const found: Mutation[] = [];
  const visit = (node: ts.Node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    for (const { kind, place, replacement } of faultsAt(node, tree)) {
      const start = place.getStart(tree);
      found.push({ kind, path, line: lineOf(tree, start), start, end: place.end, replacement });
    }
    if (!isText(node)) ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

interface Fault {
  kind: MutationKind;
  place: ts.Node;
  replacement: string;
}

const COMPARISONS: Partial<Record<ts.SyntaxKind, string>> = {
  [ts.SyntaxKind.LessThanToken]: "<=",
  [ts.SyntaxKind.LessThanEqualsToken]: "<",
  [ts.SyntaxKind.GreaterThanToken]: ">=",
  [ts.SyntaxKind.GreaterThanEqualsToken]: ">",
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: "!==",
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: "===",
};

const SWAPS: Partial<Record<ts.SyntaxKind, string>> = {
  [ts.SyntaxKind.AmpersandAmpersandToken]: "||",
  [ts.SyntaxKind.BarBarToken]: "&&",
};

function faultsAt(node: ts.Node, tree: ts.SourceFile): Fault[] {
  if (ts.isIfStatement(node)) return [negate(node.expression, tree), ...dropGuard(node)];
  if (ts.isWhileStatement(node)) return [negate(node.expression, tree)];
  if (ts.isConditionalExpression(node)) return [negate(node.condition, tree)];
  if (ts.isBinaryExpression(node)) return operatorFaults(node.operatorToken);
  if (ts.isExpressionStatement(node)) return dropCall(node);
  if (ts.isFunctionLike(node)) return returnEarly(node as ts.FunctionLikeDeclaration, tree);
  if (ts.isNumericLiteral(node)) return changeNumber(node);
  if (ts.isStringLiteral(node)) return emptyText(node);
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [swapBoolean(node, "false")];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [swapBoolean(node, "true")];
  return [];
}

function negate(condition: ts.Expression, tree: ts.SourceFile): Fault {
  const replacement = `!(${condition.getText(tree)})`;
  return { kind: "negate a condition", place: condition, replacement };
}

function swapBoolean(place: ts.Node, replacement: string): Fault {
  return { kind: "swap true and false", place, replacement };
}

function operatorFaults(place: ts.BinaryOperatorToken): Fault[] {
  const comparison = COMPARISONS[place.kind];
  const swap = SWAPS[place.kind];
  if (comparison) return [{ kind: "change a comparison", place, replacement: comparison }];
  return swap ? [{ kind: "swap && and ||", place, replacement: swap }] : [];
}

/** A guard is an `if` without `else` that does nothing but leave. */
function dropGuard(node: ts.IfStatement): Fault[] {
  if (node.elseStatement) return [];
  const { thenStatement: then } = node;
  const [only, ...more] = ts.isBlock(then) ? then.statements : [then];
  const isLeaving = only && more.length === 0 &&
    (ts.isThrowStatement(only) || ts.isReturnStatement(only) || ts.isContinueStatement(only));
  return isLeaving ? [{ kind: "drop a guard", place: node, replacement: ";" }] : [];
}

function dropCall(node: ts.ExpressionStatement): Fault[] {
  const { expression } = node;
  const call = ts.isAwaitExpression(expression) ? expression.expression : expression;
  if (!ts.isCallExpression(call) || isText(call)) return [];
  if (call.expression.kind === ts.SyntaxKind.SuperKeyword) return [];
  return [{ kind: "drop a call", place: node, replacement: ";" }];
}

/** Only in functions that give nothing back: elsewhere it would not compile. */
function returnEarly(node: ts.FunctionLikeDeclaration, tree: ts.SourceFile): Fault[] {
  const { body, type } = node;
  if (!body || !ts.isBlock(body) || !/^(void|Promise<void>)$/.test(type?.getText(tree) ?? "")) {
    return [];
  }
  const [first] = body.statements;
  if (!first) return [];
  const replacement = `return; ${first.getText(tree)}`;
  return [{ kind: "return early", place: first, replacement }];
}

/** Above it, one more or less seldom makes a difference: most are waits and sizes of buffers. */
const LARGEST_NUMBER = 255;

function changeNumber(node: ts.NumericLiteral): Fault[] {
  const value = Number(node.text);
  if (!Number.isInteger(value) || value > LARGEST_NUMBER || ts.isPropertyName(node.parent)) {
    return [];
  }
  return [value + 1, value - 1].filter((changed) => changed >= 0).map((changed) => ({
    kind: "change a number",
    place: node,
    replacement: String(changed),
  }));
}

function emptyText(node: ts.StringLiteral): Fault[] {
  const { parent } = node;
  const isName = ("name" in parent && parent.name === node) || ts.isExternalModuleReference(parent);
  // with a blank it is a sentence that somebody reads
  if (isName || node.text === "" || node.text.includes(" ")) return [];
  return [{ kind: "empty a text", place: node, replacement: '""' }];
}

/** True for what makes a message: what is thrown, errors that are built, log lines, sentences. */
function isText(node: ts.Node): boolean {
  if (ts.isThrowStatement(node)) return true;
  if (ts.isNewExpression(node)) return /Error$/.test(node.expression.getText());
  if (ts.isTemplateExpression(node)) {
    return [node.head, ...node.templateSpans.map(({ literal }) => literal)]
      .some(({ text }) => text.includes(" "));
  }
  if (!ts.isCallExpression(node)) return false;
  return /(^|[.#])log(ger)?\??\.(debug|info|warn|error)$/.test(node.expression.getText());
}

/** Places drawn at random; the same seed draws the same from the same code. */
export interface Draw {
  next(): Mutation | undefined;
}

/**
 * Draws from `mutations` without laying back: first a kind of fault, each as likely as the others,
 * then a place of that kind. Otherwise most draws would be the kinds that fit almost everywhere.
 */
export function drawMutations(mutations: Mutation[], seed: number): Draw {
  const random = randomNumbers(seed);
  const byKind = new Map<MutationKind, Mutation[]>();
  for (const one of mutations) byKind.set(one.kind, [...byKind.get(one.kind) ?? [], one]);
  const pick = <T>(list: T[]) => Math.floor(random() * list.length);
  return {
    next() {
      const kinds = [...byKind.keys()].sort();
      const kind = kinds[pick(kinds)];
      const places = kind && byKind.get(kind);
      if (!kind || !places) return undefined;
      const [drawn] = places.splice(pick(places), 1);
      if (places.length === 0) byKind.delete(kind);
      return drawn;
    },
  };
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32, public domain). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
