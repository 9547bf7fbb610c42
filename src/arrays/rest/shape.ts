import { REST_LIMITS } from "./limits.ts";

/** Something in an answer is not what it must be; `message` says where, and what it is. */
export class ShapeFault extends Error {
  override readonly name = "ShapeFault";

  /** The same fault, seen from what holds the value under `key`. */
  inside(key: string): ShapeFault {
    const between = /^[[ ]/.test(this.message) ? "" : "."; // a member of a list has no name
    return new ShapeFault(`${key}${between}${this.message}`);
  }
}

/** Takes a value of an answer for what it must be, or throws ShapeFault. */
export type Reader<T> = (value: unknown, at: string) => T;

function fault(at: string, wanted: string): ShapeFault {
  return new ShapeFault(`${at} is no ${wanted}`);
}

/** A text of at most so many characters. */
export function text(chars: number = REST_LIMITS.textChars.value): Reader<string> {
  return (value, at) => {
    if (typeof value !== "string") throw fault(at, "text");
    if (value.length > chars) throw fault(at, `text of at most ${chars} characters`);
    if (!value.isWellFormed()) throw fault(at, "text in Unicode");
    return value;
  };
}

const NAME = /^[^,*\s'"\\\p{C}]+$/u;
const shortText = text(REST_LIMITS.nameChars.value);

/**
 * The name of an object, as calls name it: a comma would make two of one, and an empty one means
 * "all" to some calls.
 */
export const name: Reader<string> = (value, at) => {
  const found = shortText(value, at);
  if (NAME.test(found)) return found;
  throw fault(at, "name that an object can have");
};

/** A finite number. */
export const number: Reader<number> = (value, at) => {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw fault(at, "number");
};

const MOST = 2 ** 63;

/** A whole number from 0 on: bytes, or how many. */
export const count: Reader<number> = (value, at) => {
  if (Number.isInteger(number(value, at)) && number(value, at) >= 0 && number(value, at) < MOST) {
    return number(value, at);
  }
  throw fault(at, "whole number from 0 on");
};

/** The last millisecond of the year 9999, the last one that CSI's timestamps have. */
const LAST_MS = 253_402_300_799_999;

/** A moment, in milliseconds since 1970. */
export const moment: Reader<number> = (value, at) => {
  if (count(value, at) <= LAST_MS) return count(value, at);
  throw fault(at, "time in milliseconds");
};

/** True or false. */
export const flag: Reader<boolean> = (value, at) => {
  if (typeof value === "boolean") return value;
  throw fault(at, "true or false");
};

/** A list, each of whose members `one` takes. */
export function list<T>(one: Reader<T>): Reader<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw fault(at, "list");
    return value.map((member, index) => {
      try {
        return one(member, "");
      } catch (error) {
        throw error instanceof ShapeFault ? error.inside(`${at}[${index}]`) : error;
      }
    });
  };
}

/** A reader for each field that is read of T. */
export type Fields<T> = { readonly [K in keyof T]-?: Reader<NonNullable<T[K]>> };

/**
 * An object with these fields and no other: what is not read is not kept. A field may be missing or
 * null, but for those that are `needed`.
 */
export function record<T extends object>(
  fields: Fields<T>,
  needed: readonly (keyof T & string)[] = [],
): Reader<T> {
  const readers = Object.entries<Reader<unknown>>(fields);
  return (value, at) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw fault(at, "object");
    }
    const found: [string, unknown][] = [];
    for (const [key, reader] of readers) {
      const member: unknown = Reflect.get(value, key) ?? undefined;
      try {
        if (member !== undefined) found.push([key, reader(member, key)]);
        else if (needed.some((one) => one === key)) throw new ShapeFault(`${key} is missing`);
      } catch (error) {
        // Where it is, is told only of what is wrong: a page has thousands of fields.
        throw error instanceof ShapeFault ? error.inside(at) : error;
      }
    }
    // Each field went through its own reader.
    return Object.fromEntries(found) as T;
  };
}
