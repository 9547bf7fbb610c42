/** Values files that somebody could write by mistake or to do harm, each with secrets in it. */
import { stringify } from "@std/yaml";
import { ARRAY_KEYS } from "../../src/config/arrays/keys.ts";
import { CHART_SECTIONS } from "../../src/config/chart_keys.ts";
import { DRIVER_SECTIONS } from "../../src/config/keys.ts";
import { longText, REPEATED } from "../support/long_texts.ts";
import type { Random } from "./random.ts";

const KEYS = [...DRIVER_SECTIONS, ...CHART_SECTIONS].flatMap(({ keys }) =>
  keys.flatMap(({ path, old = [] }) => [path, ...old])
);
const ENTRY_KEYS = ARRAY_KEYS.flatMap(({ name, old = [] }) => [name, ...old]);
const PLAIN = ["fa-1.example", "[fd00::1]:8443", "10.0.0.0/8", "true", "xfs", "-L 'a b'", "", "~"];
/** What YAML gives a meaning. */
const MARKS = [
  "&a ",
  "*a",
  "<<: *a",
  "!!binary ",
  "!!set ",
  "!x ",
  "|\n",
  ">-\n",
  "? ",
  "- ",
  ": ",
  "{",
  "}",
  "[",
  "]",
  "---\n",
  "...\n",
  "%YAML 1.1\n",
  "# ",
  "'",
  '"',
  "\\",
  "\t",
  "\0",
  "\u2028",
  "\ufeff",
  "\ud800",
  "\n",
  "  ",
];

/** A token as arrays give them; no two of one seed are alike. */
export function canaryOf(random: Random): string {
  const hex = (count: number) =>
    Array.from({ length: count }, () => random.below(16).toString(16)).join("");
  // Digits and letters in each, as nearly every real one has.
  return `${random.oneIn(3) ? "T-" : ""}7a${hex(6)}-4b${hex(2)}-4c${hex(2)}-9d${hex(2)}-0e${
    hex(10)
  }`;
}

/** The canary as somebody might have damaged it, with enough of it left to be of use. */
function damaged(random: Random, canary: string): string {
  const at = 2 + random.below(canary.length - 4);
  switch (random.below(8)) {
    case 0:
      return canary.slice(0, at) + canary.slice(at + 1);
    case 1:
      return canary.slice(0, at) + random.pick(["x", "O", "0", "-", "l"]) + canary.slice(at + 1);
    case 2:
      return canary.toUpperCase();
    case 3:
      return canary.replaceAll("-", "");
    case 4:
      return canary.slice(0, 22 + random.below(14));
    case 5:
      return `${random.pick(["token: ", "Bearer ", "x", "password="])}${canary}`;
    case 6:
      return `${canary}${random.pick([" ", "\n", "'", ", b", "=="])}`;
    default:
      return canary;
  }
}

/** A text that takes the square of its length, or worse, of whoever looks at it carelessly. */
function endless(random: Random): string {
  return longText(random.pick(REPEATED), random.pick([300, 5_000, 40_000, 300_000]));
}

function scalar(random: Random, canary: string): unknown {
  switch (random.below(9)) {
    case 0:
      return random.below(70_000) - 1000;
    case 1:
      return random.oneIn(2);
    case 2:
      return null;
    case 3:
      return random.oneIn(3) ? endless(random) : "x".repeat(random.pick([1, 60, 300, 5000]));
    case 4:
      return random.pick(["/file", "/missing", "/large", "/etc/pure/tokens/a/token"]);
    case 5:
    case 6:
      return random.pick(PLAIN);
    default:
      return damaged(random, canary);
  }
}

function value(random: Random, { canary, depth }: { canary: string; depth: number }): unknown {
  const inside = () => value(random, { canary, depth: depth - 1 });
  if (depth === 0 || !random.oneIn(4)) return scalar(random, canary);
  const count = random.below(4);
  if (random.oneIn(2)) return Array.from({ length: count }, inside);
  const key = () =>
    random.oneIn(5) ? damaged(random, canary) : random.pick([...ENTRY_KEYS, "name", "key", "a"]);
  return Object.fromEntries(Array.from({ length: count }, () => [key(), inside()]));
}

/** A key with a letter too many, too few or another one. */
function mistyped(random: Random, key: string): string {
  const at = random.below(key.length);
  return key.slice(0, at) + random.pick(["", "x", "E"]) + key.slice(at + 1);
}

function entry(random: Random, canary: string): unknown {
  if (random.oneIn(12)) return value(random, { canary, depth: 2 });
  const keys = Array.from({ length: random.below(6) }, () => random.pick(ENTRY_KEYS));
  return Object.fromEntries([
    ["MgmtEndPoint", `fa-${random.below(20)}.example`],
    ["APIToken", canary],
    ...keys.map((key) => [
      random.oneIn(4) ? mistyped(random, key) : key,
      value(random, { canary, depth: 2 }),
    ]),
  ]);
}

/** A values file, mostly nearly right. */
export function valuesText(random: Random, canary: string): string {
  const tree: Record<string, unknown> = { clusterID: "k8s" };
  const entries = () => Array.from({ length: 1 + random.below(3) }, () => entry(random, canary));
  tree.arrays = random.oneIn(10)
    ? value(random, { canary, depth: 3 })
    : { FlashArrays: entries(), FlashBlades: entries() };
  for (let left = random.below(6); left > 0; left--) {
    const path = random.pick(KEYS).split(".");
    const names = random.oneIn(4) ? path.map((name) => mistyped(random, name)) : path;
    plant(tree, { names, value: value(random, { canary, depth: 3 }) });
  }
  if (random.oneIn(6)) tree[damaged(random, canary)] = scalar(random, canary);
  if (random.oneIn(12)) tree[endless(random)] = scalar(random, canary);
  const text = random.oneIn(4) ? JSON.stringify(tree) : stringify(tree);
  return random.oneIn(2) ? text : bent(random, text);
}

function plant(
  tree: Record<string, unknown>,
  { names, value }: { names: string[]; value: unknown },
): void {
  const [name = "", ...others] = names;
  if (others.length === 0) tree[name] = value;
  else {
    const inner = Object(tree[name] ?? {});
    plant(inner, { names: others, value });
    tree[name] = inner;
  }
}

/** The text with some pieces put in, taken out or repeated. */
function bent(random: Random, text: string): string {
  let bent = text;
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.below(bent.length + 1);
    const end = at + random.pick([0, 0, 1, 5, 40]);
    const piece = random.oneIn(3)
      ? bent.slice(at, end).repeat(1 + random.below(3))
      : random.pick(MARKS);
    bent = bent.slice(0, at) + piece + bent.slice(end);
  }
  return bent;
}
