import { parse as parseYaml } from "@std/yaml";
import { PsoError } from "../../errors.ts";

/** One term of a selector. Without `values`, only the presence of the key counts. */
export interface LabelTerm {
  key: string;
  /** The label has one of these. */
  values?: readonly string[];
  /** The term holds when the key is absent, or has another value. */
  negated: boolean;
  /** As the user wrote it. */
  text: string;
}

const KEY = "[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?";
const TERM = new RegExp(`^(!?)(${KEY})(?:\\s*(==|=|!=)\\s*([A-Za-z0-9_.-]*))?$`);
const SET_TERM = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([A-Za-z0-9_., -]*)\\)$`);
const WANTED = "k=v, k!=v, k in (v,w), k notin (v,w), k or !k, with commas between";

/**
 * Reads a selector as `kubectl -l` takes it: `k=v,k2!=v2,k3 in (a,b),k4,!k5`; every term must hold.
 * `invalid` for anything else, with the term that is wrong.
 */
export function parseLabelSelector(text: string): LabelTerm[] {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  return parts.filter((part) => part !== "").map((part) => setTerm(part) ?? equalityTerm(part));
}

function setTerm(text: string): LabelTerm | undefined {
  const [, key, operator, list] = SET_TERM.exec(text) ?? [];
  if (key === undefined || list === undefined) return undefined;
  const values = list.split(",").map((value) => value.trim());
  if (values.some((value) => value === "" || value.includes(" "))) throw wrongTerm(text);
  return { key, values, negated: operator === "notin", text };
}

function equalityTerm(text: string): LabelTerm {
  const [, bang, key, operator, value] = TERM.exec(text) ?? [];
  if (key === undefined || (bang === "!" && operator !== undefined)) throw wrongTerm(text);
  const negated = bang === "!" || operator === "!=";
  return { key, ...(value === undefined ? {} : { values: [value] }), negated, text };
}

function wrongTerm(part: string): PsoError {
  return new PsoError(
    "invalid",
    `array_selector has the term ${JSON.stringify(part)}: write ${WANTED}`,
  );
}

/** Terms that all say `k=v`, as a map of labels does; undefined when one says anything else. */
export function parseLabelPairs(text: string): LabelTerm[] | undefined {
  const parts = text.split(",").map((part) => part.trim());
  const terms = parts.map((part) => /^[^!=]+=[^=]*$/.test(part) && TERM.test(part) && part);
  return terms.every((term) => term !== false) ? terms.map(equalityTerm) : undefined;
}

/** How each operator of matchExpressions reads its values. */
const OPERATORS: Readonly<
  Record<string, { takesValues: boolean; negated: boolean; word: string }>
> = {
  In: { takesValues: true, negated: false, word: "in" },
  NotIn: { takesValues: true, negated: true, word: "notin" },
  Exists: { takesValues: false, negated: false, word: "" },
  DoesNotExist: { takesValues: false, negated: true, word: "!" },
};
/** Requirements of one selector, and values of one requirement: each array is compared with all. */
const TERMS_MAX = 64;

/**
 * Reads the `spec.selector` of a claim, as JSON or YAML: `matchLabels`, `matchExpressions` or both;
 * all of it must hold. `undefined` for anything else.
 */
export function parseSelectorObject(text: string): LabelTerm[] | undefined {
  const selector = recordOf(parsed(text), ["matchLabels", "matchExpressions"]);
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  const labels = recordOf(matchLabels);
  if (!selector || !labels || !Array.isArray(matchExpressions)) return undefined;
  const terms = [
    ...Object.entries(labels).map(([key, value]) => expressionTerm(key, "In", [value])),
    ...matchExpressions.map((one) => {
      const { key, operator, values } = recordOf(one, ["key", "operator", "values"]) ?? {};
      return expressionTerm(key, operator, values);
    }),
  ];
  const known = terms.filter((term) => term !== undefined);
  return known.length === terms.length && known.length > 0 && known.length <= TERMS_MAX
    ? known
    : undefined;
}

function expressionTerm(key: unknown, operator: unknown, values: unknown): LabelTerm | undefined {
  if (typeof key !== "string" || !new RegExp(`^${KEY}$`).test(key)) return undefined;
  if (typeof operator !== "string" || !Object.hasOwn(OPERATORS, operator)) return undefined;
  const { takesValues, negated, word } = OPERATORS[operator] ?? {};
  if (word === undefined || negated === undefined) return undefined;
  if (!takesValues) {
    const isBare = values === undefined || values === null ||
      (Array.isArray(values) && values.length === 0);
    return isBare ? { key, negated, text: `${word}${key}` } : undefined;
  }
  const isList = Array.isArray(values) && values.length > 0 && values.length <= TERMS_MAX &&
    values.every((value) => typeof value === "string" && /^[A-Za-z0-9_.-]*$/.test(value));
  return isList
    ? { key, values, negated, text: `${key} ${word} (${values.join(",")})` }
    : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch { // a text in YAML is none in JSON
    try {
      return parseYaml(text);
    } catch {
      return undefined;
    }
  }
}

/** A mapping that has no key but these; undefined for anything else. */
function recordOf(value: unknown, keys?: readonly string[]): Record<string, unknown> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  return entries.every(([key]) => keys?.includes(key) ?? true)
    ? Object.fromEntries(entries)
    : undefined;
}

/** The first term that does not hold for `labels`; `undefined` when all do. */
export function unmetTerm(
  terms: readonly LabelTerm[],
  labels: Readonly<Record<string, string>>,
): LabelTerm | undefined {
  return terms.find(({ key, values, negated }) => {
    const found = Object.hasOwn(labels, key) ? labels[key] : undefined;
    const holds = found !== undefined && (values?.includes(found) ?? true);
    return holds === negated;
  });
}
