import { PsoError } from "../../errors.ts";

/** One term of a selector. Without `value`, only the presence of the key counts. */
export interface LabelTerm {
  key: string;
  value?: string;
  /** The term holds when the key is absent, or has another value. */
  negated: boolean;
  /** As the user wrote it. */
  text: string;
}

const TERM =
  /^(!?)([A-Za-z0-9]([A-Za-z0-9_./-]*[A-Za-z0-9])?)(?:\s*(==|=|!=)\s*([A-Za-z0-9_.-]*))?$/;

/**
 * Reads an equality selector as `kubectl -l` takes it: `k=v,k2!=v2,k3,!k4`; every term must hold.
 * `invalid` for anything else, with the term that is wrong.
 */
export function parseLabelSelector(text: string): LabelTerm[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "").map((part) => {
    const [, bang, key, , operator, value] = TERM.exec(part) ?? [];
    const valid = key !== undefined && !(bang === "!" && operator !== undefined);
    if (!valid) {
      throw new PsoError(
        "invalid",
        `array_selector has the term ${
          JSON.stringify(part)
        }: write k=v, k!=v, k or !k, with commas between`,
      );
    }
    const negated = bang === "!" || operator === "!=";
    return value === undefined ? { key, negated, text: part } : { key, value, negated, text: part };
  });
}

/** The first term that does not hold for `labels`; `undefined` when all do. */
export function unmetTerm(
  terms: readonly LabelTerm[],
  labels: Readonly<Record<string, string>>,
): LabelTerm | undefined {
  return terms.find(({ key, value, negated }) => {
    const found = Object.hasOwn(labels, key) ? labels[key] : undefined;
    const holds = value === undefined ? found !== undefined : found === value;
    return holds === negated;
  });
}
