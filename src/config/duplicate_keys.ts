import { parse as parseYaml } from "@std/yaml";
import { messageOf } from "../errors.ts";
import { isMapping } from "./tree.ts";
import { boundsFault } from "./tree_bounds.ts";

/** A key that its mapping has twice. */
export interface DuplicateKey {
  /** As the values file is addressed: `arrays.FlashArrays[0].Name`. */
  path: string;
  /** Line of the second one, from 1. */
  line: number;
}

/** Begins the name that a second key gets for a while; no file holds it. */
const MARK = "second-key-of-this-name-";
/** More duplicates than a person repairs at once. */
const MOST = 20;

/**
 * The keys that stand twice in one mapping of a YAML or JSON text; none when the text has another
 * fault. The parser only says where it met a second key. So that key is renamed and the text parsed
 * again: where the new name stands in the tree is the path.
 */
export function duplicateKeys(text: string): DuplicateKey[] {
  const lines: number[] = [];
  let marked = text;
  while (lines.length < MOST) {
    try {
      const tree = parseYaml(marked);
      if (lines.length === 0 || boundsFault(tree) !== undefined) return [];
      return pathsOfMarks(tree).map(({ path, mark }) => ({
        path,
        line: lines[mark] ?? 0,
      }));
    } catch (error) {
      const at = /duplicated mapping key/i.test(messageOf(error)) ? placeOf(error) : undefined;
      if (!at) return [];
      marked = withMark(marked, at, `${MARK}${lines.length}-`);
      lines.push(at.line);
    }
  }
  return [];
}

/** Line and column, both from 1. */
export interface Place {
  line: number;
  column: number;
}

/** Where a YAML parser stopped: @std/yaml writes it into the text, js-yaml has fields, from 0. */
export function placeOf(error: unknown): Place | undefined {
  const { mark } = error instanceof Error
    ? error as { mark?: { line?: unknown; column?: unknown } }
    : {};
  if (typeof mark?.line === "number" && typeof mark.column === "number") {
    return { line: mark.line + 1, column: mark.column + 1 };
  }
  const written = / at line (\d+), column (\d+)/.exec(messageOf(error));
  return written ? { line: Number(written[1]), column: Number(written[2]) } : undefined;
}

/** The text with `mark` before the key at that place; within its quotes if it has some. */
function withMark(text: string, { line, column }: Place, mark: string): string {
  const lines = text.split("\n");
  const found = lines[line - 1] ?? "";
  const quote = /^["']/.test(found.slice(column - 1)) ? 1 : 0;
  const at = column - 1 + quote;
  lines[line - 1] = found.slice(0, at) + mark + found.slice(at);
  return lines.join("\n");
}

interface MarkedPath {
  path: string;
  mark: number;
}

function pathsOfMarks(tree: unknown, parent = ""): MarkedPath[] {
  if (Array.isArray(tree)) {
    return tree.flatMap((item, index) => pathsOfMarks(item, `${parent}[${index}]`));
  }
  if (!isMapping(tree)) return [];
  return Object.entries(tree).flatMap(([key, value]) => {
    const [, mark, name = key] = new RegExp(`^${MARK}(\\d+)-(.*)$`, "s").exec(key) ?? [];
    const path = parent === "" ? name : `${parent}.${name}`;
    const own = mark === undefined ? [] : [{ path, mark: Number(mark) }];
    return [...own, ...pathsOfMarks(value, path)];
  });
}
