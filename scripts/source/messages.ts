/** What the program says in its errors, read from the source: `tests/troubleshooting_test.ts`. */
import ts from "typescript";
import { lineOf, type SourceFile, walk } from "./files.ts";

/** Stands in a text for what is known only while the program runs. */
export const UNKNOWN = "…";

/** One text that an error may have, and where it is written. */
export interface MessageTemplate {
  path: string;
  line: number;
  /** With … for each part that is not written there. */
  text: string;
}

/** Where a message goes in: the argument of a constructor. */
interface Sink {
  callee: string;
  argument: number;
}

/** An expression with the file that it stands in. */
interface Place<N extends ts.Node = ts.Expression> {
  source: SourceFile;
  node: N;
}

type Call = ts.CallExpression | ts.NewExpression;

/** How many steps from a constructor to the text: parameters, constants and functions between. */
const STEPS_MAX = 6;
/** Texts of one expression beyond which its conditions are not followed. */
const TEXTS_MAX = 16;

/**
 * The texts of all errors that files of `isWanted` make by `new` of the class `error` or of one that
 * extends it, each once, sorted by place. Conditions give a text for each of their sides. A message that comes
 * from a parameter, a constant or a function is read there. What cannot be read is "…".
 */
export function messageTemplates(
  sources: readonly SourceFile[],
  error: string,
  isWanted: (path: string) => boolean = () => true,
): MessageTemplate[] {
  const reader = new MessageReader(sources);
  const found = new Map<string, MessageTemplate>();
  for (const sink of reader.sinksOf({ callee: error, argument: 1 })) {
    for (const call of reader.callsOf(sink.callee)) {
      const argument = call.node.arguments?.[sink.argument];
      if (!argument || !isWanted(call.source.path)) continue;
      for (const one of reader.textsAt({ source: call.source, node: argument })) {
        found.set(`${one.path}:${one.text}`, one);
      }
    }
  }
  return [...found.values()].sort((a, b) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line
  );
}

/** Knows the calls, functions, classes and constants of all sources by their names. */
class MessageReader {
  readonly #calls = new Map<string, Place<Call>[]>();
  readonly #functions = new Map<string, Place<ts.FunctionLikeDeclaration>[]>();
  readonly #constants = new Map<string, Place[]>();
  readonly #classes: Place<ts.ClassDeclaration>[] = [];
  /** Values of the members of tables, by file and member. */
  readonly #members = new Map<string, Place[]>();

  constructor(sources: readonly SourceFile[]) {
    for (const source of sources) walk(source.tree, (node) => this.#note(source, node));
  }

  #note(source: SourceFile, node: ts.Node): void {
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const name = calleeOf(node);
      if (name !== undefined) add(this.#calls, name, { source, node });
    } else if (ts.isClassDeclaration(node)) {
      this.#classes.push({ source, node });
    } else if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) {
      if (node.name) add(this.#functions, node.name.getText(source.tree), { source, node });
    } else if (ts.isVariableDeclaration(node) && node.initializer && ts.isIdentifier(node.name)) {
      const value = node.initializer;
      if (ts.isArrowFunction(value)) add(this.#functions, node.name.text, { source, node: value });
      else if (isConstant(node)) add(this.#constants, node.name.text, { source, node: value });
    } else if (ts.isPropertyAssignment(node) && isInTable(node)) {
      add(this.#members, `${source.path} ${node.name.getText()}`, {
        source,
        node: node.initializer,
      });
    }
  }

  /** The sink, and that of every class which extends it and has no constructor of its own. */
  sinksOf(sink: Sink): Sink[] {
    const found = [sink];
    for (const { node } of this.#classes) {
      if (baseOf(node) !== sink.callee || node.name === undefined) continue;
      if (node.members.some(ts.isConstructorDeclaration)) continue;
      found.push(...this.sinksOf({ ...sink, callee: node.name.text }));
    }
    return found;
  }

  /** The calls by that name; for a class also the `super()` of those which extend it. */
  callsOf(name: string): Place<Call>[] {
    return this.#calls.get(name) ?? [];
  }

  /** The texts that are written in an expression itself, its constants and tables; else "…". */
  #textsOf({ source, node }: Place, steps: number): string[] {
    const inner = (one: ts.Expression) => this.#textsOf({ source, node: one }, steps + 1);
    if (steps > STEPS_MAX) return [UNKNOWN];
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [node.text];
    if (ts.isTemplateExpression(node)) {
      return node.templateSpans.reduce(
        (texts, { expression, literal }) => goOn(goOn(texts, inner(expression)), [literal.text]),
        [node.head.text],
      );
    }
    if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) {
      return inner(node.expression);
    }
    if (ts.isConditionalExpression(node)) {
      return [...inner(node.whenTrue), ...inner(node.whenFalse)];
    }
    if (ts.isPropertyAccessExpression(node)) return this.#ofTables(node.name.text, source, steps);
    if (ts.isIdentifier(node)) return this.#ofConstant({ source, node }, steps);
    if (!ts.isBinaryExpression(node)) return [UNKNOWN];
    const { kind } = node.operatorToken;
    if (kind === ts.SyntaxKind.PlusToken) return goOn(inner(node.left), inner(node.right));
    if (kind !== ts.SyntaxKind.QuestionQuestionToken) return [UNKNOWN];
    return known([...inner(node.left), ...inner(node.right)]);
  }

  #ofConstant({ source, node }: Place<ts.Identifier>, steps: number): string[] {
    const declaration = declarationOf(node);
    if (declaration === undefined || parameterOf(node) !== undefined) return [UNKNOWN];
    if (ts.isBindingElement(declaration)) {
      const member = (declaration.propertyName ?? declaration.name).getText();
      return this.#ofTables(member, source, steps);
    }
    const { initializer } = declaration;
    if (initializer === undefined || !isConstant(declaration)) return [UNKNOWN];
    return this.#textsOf({ source, node: initializer }, steps + 1);
  }

  /** What a member says in the tables of its file. */
  #ofTables(member: string, source: SourceFile, steps: number): string[] {
    const values = this.#members.get(`${source.path} ${member}`) ?? [];
    const texts = values.flatMap((value) => this.#textsOf(value, steps + 1));
    return texts.length > 0 ? [...new Set(texts)] : [UNKNOWN];
  }

  /** The texts that an expression may have, and where each is written. */
  textsAt(place: Place, steps = 0): MessageTemplate[] {
    const { source, node } = place;
    const texts = this.#textsOf(place, 0);
    const line = lineOf(source.tree, node.getStart(source.tree));
    const written = texts.filter((text) => text !== UNKNOWN);
    if (written.length === texts.length) {
      return texts.map((text) => ({ path: source.path, line, text }));
    }
    const elsewhere = steps < STEPS_MAX ? this.#followed(place, steps + 1) : [];
    return elsewhere.length > 0 ? elsewhere : [{ path: source.path, line, text: UNKNOWN }];
  }

  #followed({ source, node }: Place, steps: number): MessageTemplate[] {
    if (ts.isConditionalExpression(node)) {
      return [node.whenTrue, node.whenFalse].flatMap((side) =>
        this.textsAt({ source, node: side }, steps)
      );
    }
    if (ts.isIdentifier(node)) return this.#ofName({ source, node }, steps);
    if (!ts.isCallExpression(node)) return [];
    const functions = nearest(this.#functions.get(calleeOf(node) ?? ""), source);
    return functions.flatMap((found) =>
      returnsOf(found.node).flatMap((one) =>
        this.textsAt({ source: found.source, node: one }, steps)
      )
    );
  }

  #ofName({ source, node }: Place<ts.Identifier>, steps: number): MessageTemplate[] {
    const parameter = parameterOf(node);
    if (parameter === undefined) {
      const constants = nearest(this.#constants.get(node.text), source);
      return constants.flatMap((one) => this.textsAt(one, steps));
    }
    const sinks = this.sinksOf({ callee: parameter.callee, argument: parameter.index });
    const calls = sinks.flatMap(({ callee }) => nearest(this.#calls.get(callee), source));
    return calls.flatMap((call) => {
      const given = argumentOf(call.node, parameter);
      return given ? this.textsAt({ source: call.source, node: given }, steps) : [];
    });
  }
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  map.set(key, [...map.get(key) ?? [], value]);
}

/** What bears the name in the same file, else everywhere. */
function nearest<N extends ts.Node>(
  places: readonly Place<N>[] | undefined,
  source: SourceFile,
): readonly Place<N>[] {
  const here = places?.filter((place) => place.source === source) ?? [];
  return here.length > 0 ? here : places ?? [];
}

/** The last name of what is called; that of the base class for `super()`. */
function calleeOf(call: Call): string | undefined {
  const { expression } = call;
  if (ts.isIdentifier(expression)) return expression.text;
  if (ts.isPropertyAccessExpression(expression)) return expression.name.text;
  if (expression.kind !== ts.SyntaxKind.SuperKeyword) return undefined;
  let around: ts.Node = call;
  while (!ts.isClassDeclaration(around) && around.parent) around = around.parent;
  return ts.isClassDeclaration(around) ? baseOf(around) : undefined;
}

function baseOf(node: ts.ClassDeclaration): string | undefined {
  const clause = node.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword);
  const base = clause?.types[0]?.expression;
  return base && ts.isIdentifier(base) ? base.text : undefined;
}

function isConstant({ parent }: ts.VariableDeclaration): boolean {
  return ts.isVariableDeclarationList(parent) && (parent.flags & ts.NodeFlags.Const) !== 0;
}

/** Whether a member stands in a constant of the file itself. */
function isInTable(node: ts.Node): boolean {
  let top: ts.Node = node;
  while (top.parent && !ts.isSourceFile(top.parent)) {
    if (ts.isFunctionLike(top)) return false;
    top = top.parent;
  }
  return ts.isVariableStatement(top);
}

/** The constant or the member of an object that a name stands for, looked for from inside out. */
function declarationOf(
  name: ts.Identifier,
): ts.VariableDeclaration | ts.BindingElement | undefined {
  for (let scope: ts.Node = name; scope.parent; scope = scope.parent) {
    if (!ts.isBlock(scope.parent) && !ts.isSourceFile(scope.parent)) continue;
    for (const statement of scope.parent.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      for (const declaration of statement.declarationList.declarations) {
        const found = namedIn(declaration, name.text);
        if (found) return found;
      }
    }
  }
  return undefined;
}

function namedIn(
  declaration: ts.VariableDeclaration,
  name: string,
): ts.VariableDeclaration | ts.BindingElement | undefined {
  if (ts.isIdentifier(declaration.name)) {
    return declaration.name.text === name ? declaration : undefined;
  }
  return ts.isObjectBindingPattern(declaration.name)
    ? declaration.name.elements.find((one) => ts.isIdentifier(one.name) && one.name.text === name)
    : undefined;
}

/** A parameter: of what, its place, and its member when it is taken out of an object. */
interface Parameter {
  callee: string;
  index: number;
  member?: string;
}

/** The parameter that a name stands for. */
function parameterOf(name: ts.Identifier): Parameter | undefined {
  for (let node: ts.Node = name; node.parent; node = node.parent) {
    if (!ts.isFunctionLike(node)) continue;
    const callee = nameOfFunction(node);
    if (callee === undefined) continue;
    for (const [index, { name: given }] of node.parameters.entries()) {
      if (ts.isIdentifier(given) && given.text === name.text) return { callee, index };
      if (!ts.isObjectBindingPattern(given)) continue;
      const bound = given.elements.find((one) =>
        ts.isIdentifier(one.name) && one.name.text === name.text
      );
      if (bound) return { callee, index, member: (bound.propertyName ?? bound.name).getText() };
    }
  }
  return undefined;
}

/** The name by which a function is called; that of its class for a constructor. */
function nameOfFunction(node: ts.SignatureDeclaration): string | undefined {
  if (ts.isConstructorDeclaration(node)) {
    return ts.isClassDeclaration(node.parent) ? node.parent.name?.text : undefined;
  }
  if (ts.isArrowFunction(node)) {
    const { parent } = node;
    return ts.isVariableDeclaration(parent) && ts.isIdentifier(parent.name)
      ? parent.name.text
      : undefined;
  }
  return node.name?.getText();
}

function argumentOf({ arguments: given }: Call, parameter: Parameter): ts.Expression | undefined {
  const value = given?.[parameter.index];
  if (parameter.member === undefined || value === undefined) return value;
  if (!ts.isObjectLiteralExpression(value)) return undefined;
  for (const one of value.properties) {
    if (one.name?.getText() !== parameter.member) continue;
    if (ts.isPropertyAssignment(one)) return one.initializer;
    if (ts.isShorthandPropertyAssignment(one)) return one.name;
  }
  return undefined;
}

/** What a function gives back, those of functions inside it left out. */
function returnsOf(node: ts.FunctionLikeDeclaration): ts.Expression[] {
  const { body } = node;
  if (body === undefined) return [];
  if (!ts.isBlock(body)) return [body];
  const found: ts.Expression[] = [];
  const visit = (inner: ts.Node) => {
    if (ts.isFunctionLike(inner)) return;
    if (ts.isReturnStatement(inner) && inner.expression) found.push(inner.expression);
    ts.forEachChild(inner, visit);
  };
  ts.forEachChild(body, visit);
  return found;
}

/** Every way to go on from each text with one of `ends`; with "…" where these are too many. */
function goOn(texts: readonly string[], ends: readonly string[]): string[] {
  const each = texts.length * ends.length > TEXTS_MAX ? [UNKNOWN] : ends;
  return texts.flatMap((text) => each.map((end) => tidy(text + end)));
}

/** What is written of some texts, if anything is: the others are written elsewhere. */
function known(texts: readonly string[]): string[] {
  const written = texts.filter((text) => text !== UNKNOWN);
  return written.length > 0 ? written : [UNKNOWN];
}

function tidy(text: string): string {
  return text.replace(/…(?:\s*…)+/g, UNKNOWN);
}
