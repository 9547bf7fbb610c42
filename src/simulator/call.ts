import { Hono } from "hono";
import { RestError } from "./rest_error.ts";

/** One REST call that passed the gate, the faults and the login. */
export interface Call {
  /** N of REST 2.N in the path. */
  minor: number;
  query: URLSearchParams;
  /** The JSON body; `undefined` when there was none. */
  body: unknown;
  /** A fault wants lists from before the last change. */
  stale: boolean;
  /** A fault wants the array to be full. */
  full: boolean;
}

/**
 * What a handler answers (errors are thrown as RestError). No body = an empty
 * answer, as DELETE gives.
 */
export interface Answer {
  /** 207 for a list that lacks what could not be found; 200 when absent. */
  status?: 207;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Answers the calls of one method and path. Throws RestError for an answer that is not 200. */
type Handler = (call: Call) => Answer | Promise<Answer>;
type Spec = `${"GET" | "POST" | "PATCH" | "PUT" | "DELETE"} /${string}`;
type Env = { Bindings: { call: Call } };

/**
 * The resources of one kind of array, by method and path without `/api/2.N`. An unknown path is
 * 404, a known one with another method 405, a resource newer than the version in the path 404.
 */
export class ArrayRoutes {
  readonly #app = new Hono<Env>();
  readonly #paths = new Set<string>();
  readonly #specs = new Set<string>();
  constructor() {
    this.#app.notFound((context) => {
      const path = context.req.path;
      throw this.#paths.has(path)
        ? new RestError(405, "Method not allowed.", path)
        : new RestError(404, "Not found.", path);
    });
    this.#app.onError((error) => {
      throw error;
    });
  }

  /**
   * `since` = the first 2.N that has the resource; with `isListOnly` changes of it are 404, as of
   * a path that is not known.
   */
  on(spec: Spec, handler: Handler, options: { since?: number; isListOnly?: boolean } = {}): void {
    const [method = "", path = ""] = spec.split(" ");
    this.#specs.add(spec);
    if (options.isListOnly !== true) this.#paths.add(path);
    this.#app.on(method, path, async (context) => {
      const { call } = context.env;
      if (call.minor < (options.since ?? 0)) {
        throw new RestError(404, `Not found in REST 2.${call.minor}.`, path);
      }
      const { body, headers, status = 200 } = await handler(call);
      if (body === undefined) return new Response(null, { status, headers });
      return Response.json(body, { status, headers });
    });
  }

  /** Whether somebody answers calls of that method and path. */
  answers(spec: Spec): boolean {
    return this.#specs.has(spec);
  }

  /** Answers one call; errors of the handlers are thrown. */
  async answer(method: string, path: string, call: Call): Promise<Response> {
    return await this.#app.fetch(new Request(`http://array${path}`, { method }), { call });
  }
}

/** Parameters that OpenAPI files place in the query, and what a body may not mean otherwise. */
const QUERY_FIELDS = /^(overwrite|truncate|([a-z_]+_)?(names|ids))$/;
/** Fields that OpenAPI files place in the body, and that no query has with another meaning. */
const BODY_FIELDS = ["suffix", "provisioned", "lun"];

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A list as a query has it, or `undefined` for what no query can say. */
function asParameter(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.map(String).join(",");
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : undefined;
}

/**
 * A change with its parameters where the handlers look for them: a FlashArray takes names in the
 * body and a suffix in the query too, and clients rely on it. What stands in its proper place wins.
 */
export function withParametersInPlace(call: Call): Call {
  const query = new URLSearchParams(call.query);
  const sent = isObject(call.body) ? call.body : {};
  for (const [field, value] of Object.entries(sent)) {
    const text = asParameter(value);
    if (QUERY_FIELDS.test(field) && text !== undefined && !query.has(field)) query.set(field, text);
  }
  if (call.body !== undefined && !isObject(call.body)) return { ...call, query };
  const kept = Object.entries(sent).filter(([field]) => !QUERY_FIELDS.test(field));
  const added: [string, unknown][] = BODY_FIELDS.flatMap((field) => {
    const text = query.get(field);
    if (!text || sent[field] !== undefined) return [];
    return [[field, field === "suffix" || !/^\d{1,15}$/.test(text) ? text : Number(text)]];
  });
  const body = call.body === undefined && added.length === 0
    ? undefined
    : Object.fromEntries([...kept, ...added]);
  return { ...call, query, body };
}

/** A csv parameter's elements; `undefined` when it is not given or empty. */
export function csv(query: URLSearchParams, parameter: string): string[] | undefined {
  const values = (query.get(parameter) ?? "").split(",").filter((value) => value !== "");
  return values.length > 0 ? values : undefined;
}

/** A boolean parameter; RestError 400 for anything but true and false. */
export function flag(query: URLSearchParams, parameter: string): boolean | undefined {
  const value = query.get(parameter);
  if (value === null || value === "") return undefined;
  const lower = value.toLowerCase();
  if (lower !== "true" && lower !== "false") {
    throw new RestError(400, `Invalid value for ${parameter}: expected true or false.`, value);
  }
  return lower === "true";
}

/** A whole number from 0 up; RestError 400 else. */
export function count(query: URLSearchParams, parameter: string): number | undefined {
  const value = query.get(parameter);
  if (value === null || value === "") return undefined;
  if (!/^\d{1,15}$/.test(value)) {
    throw new RestError(400, `Invalid value for ${parameter}: expected a number from 0.`, value);
  }
  return Number(value);
}
