import { PsoError } from "../errors.ts";

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const DNS_LABEL = new RegExp(`^${LABEL}$`);
const DNS_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

/** Whether pods and nodes can have this name (RFC 1123): it is safe in paths of files, too. */
export function isDnsName(name: string): boolean {
  return name.length <= 253 && DNS_NAME.test(name);
}

/** Whether containers and namespaces can have this name. */
export function isDnsLabel(name: string): boolean {
  return DNS_LABEL.test(name);
}

/**
 * A path of the API, with each value as one segment of it or a part of one, whoever chose it. Throws
 * `invalid` for a value that Kubernetes takes as no name of anything: it would lead elsewhere.
 */
export function kubePath(texts: TemplateStringsArray, ...values: (string | number)[]): string {
  return texts.map((text, at) => text + (at in values ? segment(String(values[at])) : "")).join("");
}

function segment(value: string): string {
  if (value === "" || value === "." || value === ".." || /[/%]/.test(value)) {
    throw new PsoError(
      "invalid",
      `${JSON.stringify(value)} is no name of an object of Kubernetes: look at who made it`,
    );
  }
  // A colon stands in names of roles, and in a path it is a letter as others are.
  return encodeURIComponent(value.toWellFormed()).replaceAll("%3A", ":");
}
