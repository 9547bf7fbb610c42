import type { ConfigKey } from "./keys.ts";
import { type ProblemList, shown } from "./problems.ts";
import { nearest } from "../nearest.ts";

/** A mapping of a configuration file. */
export type Mapping = Record<string, unknown>;

/** True for a mapping, false for lists, dates and plain values. */
export function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

/** A value found in a file, under the spelling that the file uses. */
export interface Given {
  key: ConfigKey;
  path: string;
  value: unknown;
}

interface Branch {
  children: Map<string, Branch>;
  key?: ConfigKey;
  /** True when the driver reads something below. */
  driver: boolean;
}

function branch(): Branch {
  return { children: new Map(), driver: false };
}

function plant(root: Branch, { path, key }: { path: string; key: ConfigKey }): void {
  let at = root;
  for (const name of path.split(".")) {
    const next = at.children.get(name) ?? branch();
    at.children.set(name, next);
    if (key.usedBy === "driver") next.driver = true;
    at = next;
  }
  at.key = key;
}

/** Looks up values by the keys of a table, in every spelling. */
export class KeyTree {
  readonly #root = branch();
  readonly #paths: string[] = [];

  constructor(keys: Iterable<ConfigKey>) {
    for (const key of keys) {
      this.#paths.push(key.path);
      for (const path of [key.path, ...key.old ?? []]) plant(this.#root, { path, key });
    }
  }

  /**
   * Every known value of `tree` in the order of the file. An unknown key is a warning, with
   * `strict` an error; `null` counts as not set.
   */
  collect(
    tree: Mapping,
    { problems, strict }: { problems: ProblemList; strict: boolean },
  ): Given[] {
    const given: Given[] = [];
    const walk = (part: Mapping, { at, parent }: { at: Branch; parent: string }) => {
      for (const [name, value] of Object.entries(part)) {
        const path = parent + name;
        const child = at.children.get(name);
        if (!child) {
          problems[strict ? "error" : "warn"](path, {
            found: "is not a known key",
            fix: problems.isFull ? undefined : this.#advice(at, { parent, name }),
          });
        } else if (value === null || value === undefined) continue;
        else if (child.key) given.push({ key: child.key, path, value });
        else if (isMapping(value)) walk(value, { at: child, parent: `${path}.` });
        else {problems[child.driver || strict ? "error" : "warn"](path, {
            found: `is ${shown(value)}`,
            wanted: "a mapping of keys",
          });}
      }
    };
    walk(tree, { at: this.#root, parent: "" });
    return given;
  }

  /** Neighbours first: a mistyped key is mostly in the right place. */
  #advice(at: Branch, { parent, name }: { parent: string; name: string }): string {
    const neighbour = nearest(name, at.children.keys());
    if (neighbour !== undefined) return `did you mean ${parent}${neighbour}?`;
    const last = (path: string) => path.split(".").at(-1) ?? path;
    const near = nearest(name, this.#paths.map(last));
    const path = this.#paths.find((path) => last(path) === near) ??
      nearest(parent + name, this.#paths);
    return path === undefined ? "it has no effect, remove it" : `did you mean ${path}?`;
  }
}
