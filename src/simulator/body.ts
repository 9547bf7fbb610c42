import { refused } from "./rest_error.ts";

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Typed reading of one JSON object of a request. It does not look at unknown fields: what a change
 * may ask for is checked by `Modelled`. A field of a wrong type is a 400. `undefined` = not sent.
 */
export class Fields {
  readonly #json: Json;
  constructor(json: unknown) {
    if (json !== undefined && json !== null && !isObject(json)) {
      throw refused("The request body must be a JSON object.");
    }
    this.#json = isObject(json) ? json : {};
  }

  /** True when the field was sent at all, `null` included. */
  has(field: string): boolean {
    return this.#json[field] !== undefined;
  }

  text(field: string): string | undefined {
    return this.#typed(field, "a string", (value) => typeof value === "string" ? value : undefined);
  }

  integer(field: string): number | undefined {
    return this.#typed(
      field,
      "an integer",
      (value) => Number.isSafeInteger(value) ? Number(value) : undefined,
    );
  }

  boolean(field: string): boolean | undefined {
    return this.#typed(
      field,
      "a boolean",
      (value) => typeof value === "boolean" ? value : undefined,
    );
  }

  texts(field: string): string[] | undefined {
    return this.#typed(
      field,
      "a list of strings",
      (value) =>
        Array.isArray(value) && value.every((one) => typeof one === "string") ? value : undefined,
    );
  }

  objects(field: string): Fields[] | undefined {
    return this.#typed(
      field,
      "a list of objects",
      (value) => Array.isArray(value) ? value.map((one) => new Fields(one)) : undefined,
    );
  }

  object(field: string): Fields | undefined {
    return this.#typed(
      field,
      "an object",
      (value) => isObject(value) ? new Fields(value) : undefined,
    );
  }

  /** A whole number, or `""`, which unsets a limit of QoS or a quota. */
  limit(field: string): number | "" | undefined {
    return this.#typed(field, 'an integer or ""', (value) => {
      if (value === "") return "";
      return Number.isSafeInteger(value) ? Number(value) : undefined;
    });
  }

  #typed<T>(field: string, wanted: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = this.#json[field];
    if (value === undefined || value === null) return undefined;
    const found = read(value);
    if (found === undefined) {
      throw refused(`Invalid value for ${field}: expected ${wanted}.`, field);
    }
    return found;
  }
}

/** The objects of a request whose body is a list (PUT …/tags/batch). */
export function bodyList(body: unknown): Fields[] {
  if (!Array.isArray(body)) throw refused("The request body must be a list.");
  return body.map((one) => new Fields(one));
}
