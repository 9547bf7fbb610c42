import type { Entry } from "./entry.ts";
import { CONFIG_LIMITS } from "../model.ts";
import { type ProblemList, shown } from "../problems.ts";
import { isMapping } from "../tree.ts";

const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
/** What Kubernetes takes as the name of a label. */
export const LABEL_KEY =
  /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * The labels of an entry, each as a text. What is odd is told as a warning; what is no label, or
 * larger than one may be, is an error and left out.
 */
export function readLabels({ path, values, problems }: Entry): Record<string, string> {
  const given = values.get("Labels") ?? {};
  if (!isMapping(given)) {
    problems.error(`${path}.Labels`, {
      found: `is ${shown(given)}`,
      wanted: "a mapping of label names to texts",
    });
    return {};
  }
  const labels: Record<string, string> = {};
  const count = Object.keys(given).length;
  if (count > CONFIG_LIMITS.labels) {
    problems.error(`${path}.Labels`, {
      found: `holds ${count} labels`,
      wanted: `at most ${CONFIG_LIMITS.labels}`,
    });
    return {};
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined) continue;
    const labelPath = `${path}.Labels.${name}`;
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      problems.error(labelPath, {
        found: `is ${shown(value)}`,
        wanted: "a text",
        fix: "put it in quotes",
      });
      continue;
    }
    const label = { path: labelPath, name, text: String(value) };
    if (isTooLarge(label, problems)) continue;
    if (typeof value !== "string") {
      problems.warn(labelPath, {
        found: `is ${shown(value)}, taken as "${label.text}"`,
        fix: "put it in quotes",
      });
    }
    warnOfOdd(label, problems);
    labels[name] = label.text;
  }
  return labels;
}

/** A label of an entry, and where it stands. */
interface Label {
  path: string;
  name: string;
  text: string;
}

function isTooLarge({ path, name, text }: Label, problems: ProblemList): boolean {
  const slash = name.indexOf("/");
  const sizes = [
    { what: "a domain", size: Math.max(slash, 0), most: CONFIG_LIMITS.labelDomainChars },
    { what: "a name", size: name.length - slash - 1, most: CONFIG_LIMITS.labelChars },
    { what: "a value", size: text.length, most: CONFIG_LIMITS.labelChars },
  ];
  const wrong = sizes.find(({ size, most }) => size > most);
  if (wrong === undefined) return false;
  problems.error(path, {
    found: `has ${wrong.what} of ${wrong.size} characters`,
    wanted: `at most ${wrong.most}, as Kubernetes allows for a label`,
    fix: "write a shorter one",
  });
  return true;
}

function warnOfOdd({ path, name, text }: Label, problems: ProblemList): void {
  if (!LABEL_KEY.test(name)) {
    problems.warn(path, {
      found: "has a name that Kubernetes does not allow for a label, so that no node can match it",
      fix: "write letters, digits, `-`, `_` and `.`, with a domain and `/` before them if need be",
    });
  } else if (!LABEL_VALUE.test(text)) {
    problems.warn(path, {
      found: `is ${shown(text)}, which Kubernetes does not allow as a label, ` +
        "so that no node can match it",
      fix: "write at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends",
    });
  }
}
