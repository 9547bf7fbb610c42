import type { Cidr } from "../net/cidr.ts";
import type { ConfigKey } from "./keys.ts";
import { type ProblemList, shown } from "./problems.ts";
import { type Given, isMapping } from "./tree.ts";
import { readValue, type Value } from "./values.ts";

/** Where a setting was found, and who is told what else is wrong with it. */
interface SettingPlace {
  path: string;
  problems: ProblemList;
}

interface Found {
  path: string;
  value: Value | undefined;
}

/** What Settings are made of. */
interface SettingsOptions {
  /** The whole table: only its keys may be asked for. */
  keys: readonly ConfigKey[];
  /** The values of the files; what comes first counts first. */
  given: readonly Given[];
  problems: ProblemList;
  /** Environment variables, which count where the files do not set a key. */
  env: (name: string) => string | undefined;
  /** Odd values of the chart's keys are errors and not warnings. */
  strict: boolean;
}

/**
 * The checked values of all keys: from the files, else from PSO's environment variables, else the
 * default.
 */
export class Settings {
  readonly #keys: ReadonlyMap<string, ConfigKey>;
  readonly #found = new Map<string, Found>();
  readonly #problems: ProblemList;

  constructor({ keys, given, problems, env, strict }: SettingsOptions) {
    this.#keys = new Map(keys.map((key) => [key.path, key]));
    this.#problems = problems;
    for (const one of given) if (this.#keys.has(one.key.path)) this.#take(one, strict);
    for (const key of keys) {
      const value = key.env === undefined || this.#found.has(key.path) ? undefined : env(key.env);
      if (value !== undefined && value !== "" && key.env !== undefined) {
        this.#found.set(key.path, {
          path: key.env,
          value: readValue({ key, path: key.env, value }, problems),
        });
      }
    }
  }

  #take(given: Given, strict: boolean): void {
    const { key, path, value } = given;
    const problems = this.#problems;
    if (path !== key.path) {
      problems.warn(path, { found: "is an old spelling", fix: `write ${key.path}` });
    }
    if (key.usedBy !== "driver") {
      return checkRoughly(given, problems[strict ? "error" : "warn"].bind(problems));
    }
    const earlier = this.#found.get(key.path);
    if (value === "" && key.type !== "text" && key.type !== "words") return;
    const read = readValue(given, problems);
    if (!earlier) this.#found.set(key.path, { path, value: read });
    else if (
      earlier.path !== path &&
      JSON.stringify(earlier.value, bigintText) !== JSON.stringify(read, bigintText)
    ) {
      problems.error(path, {
        found: `is ${shown(value)}, but ${earlier.path} is ${shown(earlier.value)}`,
        fix: "they are one key, keep one of them",
      });
    }
  }

  /** Where the value of `path` was found, for further checks of it. */
  at(path: string): SettingPlace {
    return { path: this.#found.get(path)?.path ?? path, problems: this.#problems };
  }

  /** Empty when it is not set and has no default. */
  text(path: string): string {
    const value = this.#value(path);
    return typeof value === "string" ? value : "";
  }

  texts(path: string): string[] {
    const value = this.#value(path);
    return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
  }

  cidrs(path: string): Cidr[] {
    const value = this.#value(path);
    return Array.isArray(value) ? value.filter((one) => typeof one !== "string") : [];
  }

  switch(path: string): boolean {
    return this.#value(path) === true;
  }

  integer(path: string): number {
    const value = this.#value(path);
    return typeof value === "number" ? value : 0;
  }

  #value(path: string): Value | readonly string[] | undefined {
    const key = this.#keys.get(path);
    if (!key) throw new Error(`BUG: ${path} is not in the table of configuration keys`);
    return this.#found.get(path)?.value ?? key.default;
  }
}

/**
 * A wrong value of a key that is not the driver's is a warning only. The chart's schema refuses it,
 * and the driver works without it.
 */
function checkRoughly(
  { key, path, value }: Given,
  complain: (path: string, problem: { found: string; wanted: string }) => void,
): void {
  const tell = (wanted: string) => complain(path, { found: `is ${shown(value)}`, wanted });
  if (key.type === "mapping" && !isMapping(value)) tell("a mapping");
  else if (key.type === "list" && !Array.isArray(value)) tell("a list");
  else if (key.type !== "mapping" && key.type !== "list" && typeof value === "object") {
    tell("a single value");
  }
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
