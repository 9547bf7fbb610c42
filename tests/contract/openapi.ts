import { Ajv, type ValidateFunction } from "ajv";
import { parse } from "@std/yaml";
import { skip } from "../skips.ts";
import { jsonSchema, type Node, node, resolve } from "./openapi_schema.ts";

/**
 * One call and its answer, as the simulator's `onAnswer` hook gives it or `recordingFetch` sees it.
 */
export interface Answer {
  kind: "flasharray" | "flashblade";
  array: string;
  method: string;
  /** With the version: `/api/2.26/volumes`. */
  path: string;
  /** What stood behind the question mark, still encoded. */
  query: string;
  status: number;
  /** The answer's JSON; undefined when the answer had no body. */
  body: unknown;
  /** The request's JSON; undefined when it had none. */
  sent?: unknown;
}

const FILE_PREFIX = { flasharray: "FA", flashblade: "FB" };

/** `PSO_SPECS`, else the folder `shared/specs` beside the project. */
function specsFolder(): string {
  return Deno.env.get("PSO_SPECS") ??
    decodeURIComponent(new URL("../../../shared/specs", import.meta.url).pathname);
}

/**
 * The specifications' folder, or undefined (after saying so loudly) when this machine has none:
 * then nothing is checked.
 */
export function findSpecs(folder: string = specsFolder()): string | undefined {
  try {
    if (Deno.statSync(folder).isDirectory) return folder;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  skip(
    "answers against the vendor's OpenAPI files",
    `${folder} is missing; set PSO_SPECS to the folder with FA2.26.spec.yaml`,
  );
  return undefined;
}

/** One operation of a specification: what may be asked, sent and answered. */
interface Operation {
  query: Map<string, ValidateFunction>;
  body: ValidateFunction | undefined;
  answer: ValidateFunction | undefined;
}

/** One specification file, read once; its operations are compiled when they are first asked for. */
class Specification {
  readonly #document: Node;
  readonly #ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  readonly #operations = new Map<string, Operation | undefined>();

  constructor(file: string) {
    this.#document = node(parse(Deno.readTextFileSync(file)));
  }

  operation(method: string, path: string): Operation | undefined {
    const key = `${method} ${path}`;
    if (!this.#operations.has(key)) {
      this.#operations.set(key, this.#compile(method.toLowerCase(), path));
    }
    return this.#operations.get(key);
  }

  #compile(method: string, path: string): Operation | undefined {
    const entry = node(node(this.#document.paths)[path]);
    const found = entry[method];
    if (found === undefined) return undefined;
    const operation = node(found);
    const query = new Map<string, ValidateFunction>();
    for (
      const listed of [entry.parameters, operation.parameters].flatMap((list) =>
        Array.isArray(list) ? list : []
      )
    ) {
      const parameter = resolve(this.#document, node(listed));
      if (parameter.in === "query") {
        query.set(
          String(parameter.name),
          this.#ajv.compile(jsonSchema(this.#document, node(parameter.schema))),
        );
      }
    }
    return {
      query,
      body: this.#content(resolve(this.#document, node(operation.requestBody))),
      answer: this.#content(resolve(this.#document, node(node(operation.responses)["200"]))),
    };
  }

  #content(part: Node): ValidateFunction | undefined {
    const schema = node(node(part.content)["application/json"]).schema;
    return schema === undefined
      ? undefined
      : this.#ajv.compile(jsonSchema(this.#document, node(schema)));
  }
}

/** Shared by all checkers of a process: reading the largest file takes a second. */
const loaded = new Map<string, Specification | undefined>();

function specification(folder: string, name: string): Specification | undefined {
  if (!loaded.has(name)) {
    const file = `${folder}/${name}.spec.yaml`;
    let there = true;
    try {
      Deno.statSync(file);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      there = false;
    }
    loaded.set(name, there ? new Specification(file) : undefined);
  }
  return loaded.get(name);
}

function complaints(check: ValidateFunction, value: unknown): string[] {
  if (check(value)) return [];
  // One line for all items of a list.
  const place = (path: string) => path.replace(/\/\d+(?=\/|$)/g, "/*") || "/";
  return (check.errors ?? []).map(({ instancePath, message, params }) =>
    `${place(instancePath)} ${message} ${JSON.stringify(params)}`
  );
}

/**
 * A query value as the type that its parameter has; text that is no such type stays text and fails
 * the check.
 */
function typed(value: string, types: unknown): unknown {
  const list = Array.isArray(types) ? types : [types];
  if ((list.includes("integer") || list.includes("number")) && /^-?\d+(\.\d+)?$/.test(value)) {
    return Number(value);
  }
  if (list.includes("boolean") && (value === "true" || value === "false")) return value === "true";
  return value;
}

function typedQuery(value: string, check: ValidateFunction): unknown {
  const schema = node(check.schema);
  if (schema.type !== "array") return typed(value, schema.type);
  return value.split(",").map((item) => typed(item, node(schema.items).type));
}

/**
 * Holds every answer that it is shown against the OpenAPI file of the answer's REST version: the
 * path and method exist there, each query parameter exists and has its type, the bodies have their
 * shape and no member of another version; an error has the form that drivers read.
 * Hand `record` to the simulator as `onAnswer`, or wrap a fetch by `recordingFetch`; at the end
 * call `assertClean()`.
 *
 * Only successful calls say anything about requests: what a test gets refused on purpose is not
 * checked for its parameters. A version without a file is held against the next newer file. Without
 * a folder of specifications nothing is checked.
 */
export class OpenApiChecker {
  readonly #folder: string | undefined;
  readonly #problems = new Map<string, number>();
  /** Answers that were held against a file, by `METHOD path` (with the version). */
  readonly checked = new Map<string, number>();

  constructor(options: { folder: string | undefined } = { folder: findSpecs() }) {
    this.#folder = options.folder;
  }

  /** Whether there are specifications here at all. */
  get active(): boolean {
    return this.#folder !== undefined;
  }

  /**
   * Checks one answer now and keeps what is wrong with it. Never throws for a wrong answer. Bound:
   * it can be handed over as a function.
   */
  readonly record = (answer: Answer): void => {
    if (this.#folder === undefined) return;
    for (
      const problem of answer.status === 200
        ? this.#successProblems(this.#folder, answer)
        : errorProblems(answer)
    ) {
      const line = `${
        FILE_PREFIX[answer.kind]
      } ${answer.method} ${answer.path} ${answer.status}: ${problem}`;
      this.#problems.set(line, (this.#problems.get(line) ?? 0) + 1);
    }
  };

  /**
   * One line per kind of deviation: file, method, path, status, place inside the body, what was
   * wanted. Empty is right.
   */
  problems(): string[] {
    return [...this.#problems].map(([line, times]) =>
      times > 1 ? `${line} (${times} times)` : line
    );
  }

  /** Throws an Error that lists all problems, if there are any. */
  assertClean(): void {
    const problems = this.problems();
    if (problems.length > 0) {
      throw new Error(`${problems.length} deviations from OpenAPI:\n${problems.join("\n")}`);
    }
  }

  #successProblems(folder: string, answer: Answer): string[] {
    const version = /^\/api\/(2\.\d+)\//.exec(answer.path)?.[1];
    const key = `${answer.method} ${answer.path}`;
    this.checked.set(key, (this.checked.get(key) ?? 0) + 1);
    // Paths without a version (login of a FlashBlade, the version list) must fit every file.
    const names = version === undefined
      ? KNOWN_VERSIONS[answer.kind]
      : [fileFor(answer.kind, version)];
    return names.flatMap((name) => {
      if (name === undefined) return [`no file is as new as REST ${version}`];
      const file = specification(folder, `${FILE_PREFIX[answer.kind]}${name}`);
      if (file === undefined) return [`${FILE_PREFIX[answer.kind]}${name}.spec.yaml is missing`];
      return operationProblems(
        file.operation(answer.method, answer.path.replace(`/${version}/`, `/${name}/`)),
        answer,
      );
    });
  }
}

/** The versions that have a file, in ascending order. */
const KNOWN_VERSIONS = { flasharray: ["2.16", "2.26", "2.56"], flashblade: ["2.12", "2.28"] };

/**
 * The file of a version, or of the next newer one: versions only add, so types and names are held
 * against it all the same.
 */
function fileFor(kind: Answer["kind"], version: string): string | undefined {
  const minor = (text: string) => Number(text.slice("2.".length));
  return KNOWN_VERSIONS[kind].find((known) => minor(known) >= minor(version));
}

function operationProblems(operation: Operation | undefined, answer: Answer): string[] {
  if (!operation) return ["the specification has no such operation"];
  const found: string[] = [];
  for (const [name, value] of new URLSearchParams(answer.query)) {
    const check = operation.query.get(name);
    if (!check) found.push(`the query parameter ${name} does not exist there`);
    else {found.push(
        ...complaints(check, typedQuery(value, check)).map((text) =>
          `query ${name}=${value}: ${text}`
        ),
      );}
  }
  if (answer.sent !== undefined && operation.body) {
    found.push(...complaints(operation.body, answer.sent).map((text) => `request ${text}`));
  }
  if (operation.answer) found.push(...complaints(operation.answer, answer.body));
  else if (answer.body !== undefined) {
    found.push("answers with a body where the specification has none");
  }
  return found;
}

/**
 * 403 and 429 carry one `message` at the top, every other status a list `errors` of `{message,
 * context}` (as the vendor's SDK reads them); a 401 may have any body.
 */
function errorProblems({ status, body }: Answer): string[] {
  if (status < 400 || status === 401 || status >= 500) {
    return status < 400 ? [`the status ${status} is none of the specification's`] : [];
  }
  if (status === 403 || status === 429) {
    return typeof node(body).message === "string" ? [] : ["the error has no top-level message"];
  }
  const errors = node(body).errors;
  if (!Array.isArray(errors) || errors.length === 0) return ["the error has no list errors"];
  return errors.flatMap((error: unknown) => {
    const { message, context } = node(error);
    if (typeof message !== "string") return ["an error has no message"];
    return context === undefined || context === null || typeof context === "string"
      ? []
      : ["an error's context is no text"];
  });
}

/**
 * A fetch that shows every answer of `array` to `checker` and hands it on unread. For tests that
 * have no simulator in their own process; in one process give `checker.record` to the simulator as
 * `onAnswer` instead, which sees the answers to every client.
 */
export function recordingFetch(
  checker: OpenApiChecker,
  array: { kind: Answer["kind"]; name: string },
  inner: typeof fetch = fetch,
): typeof fetch {
  return async (input, init) => {
    const response = await inner(input, init);
    const url = new URL(input instanceof Request ? input.url : input);
    const text = await response.clone().text();
    const sent = typeof init?.body === "string" && init.body !== ""
      ? JSON.parse(init.body)
      : undefined;
    checker.record({
      kind: array.kind,
      array: array.name,
      method: (init?.method ?? "GET").toUpperCase(),
      path: url.pathname,
      query: url.search.slice(1),
      status: response.status,
      body: text === "" ? undefined : JSON.parse(text),
      sent,
    });
    return response;
  };
}
