import { refused } from "./rest_error.ts";

/** One client of an export and what it may do. */
export interface ExportRule {
  /** IP, `ip/len`, `@netgroup`, host name, or a pattern with `*` and `?`. */
  client: string;
  /** As written: `rw`, `no_root_squash`, `anonuid=7777` … */
  options: string[];
}

const FLAGS = new Set(
  ("rw ro fileid_32bit no_fileid_32bit root_squash no_root_squash all_squash no_all_squash " +
    "secure insecure atime noatime")
    .split(" "),
);
const SETTINGS = /^(anonuid=\d+|anongid=\d+|sec=[a-z0-9:]+)$/;
const CLIENT = /^[A-Za-z0-9@*?._:/-]+$/;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const IPV6 = /^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*$/;

function parseRule(text: string): ExportRule {
  const found = /^([^()]+)(?:\(([^()]*)\))?$/.exec(text);
  const client = found?.[1] ?? "";
  const options = (found?.[2] ?? "").split(",").filter((option) => option !== "");
  if (!CLIENT.test(client)) {
    throw refused("Invalid NFS rule: expected client(option,option).", text);
  }
  const unknown = options.find((option) => !FLAGS.has(option) && !SETTINGS.test(option));
  if (unknown !== undefined) throw refused(`Invalid NFS rule: unknown option ${unknown}.`, text);
  return { client, options };
}

/**
 * The rules of `nfs.rules`: `client(option,option) client(options)`, empty text = no client.
 * RestError 400 for anything else.
 */
export function parseRules(text: string): ExportRule[] {
  return text.split(/\s+/).filter((rule) => rule !== "").map(parseRule);
}

/** One rule as `nfs.rules` writes it. */
export function formatRule({ client, options }: ExportRule): string {
  return options.length > 0 ? `${client}(${options.join(",")})` : client;
}

/**
 * What PATCH `nfs.add_rules` and `nfs.remove_rules` leave: rules of the same client are replaced,
 * and removed by client.
 */
export function changedRules(text: string, change: { add?: string; remove?: string }): string {
  const added = parseRules(change.add ?? "");
  const dropped = new Set(
    [...added, ...parseRules(change.remove ?? "")].map(({ client }) => client),
  );
  return [...parseRules(text).filter(({ client }) => !dropped.has(client)), ...added].map(
    formatRule,
  ).join(" ");
}

/**
 * The names under which the local plane exports a file system: an IP address for a client that is
 * one, `any` for `*` and a prefix of length 0. Other clients (networks, host names, netgroups)
 * cannot be told apart there and get nothing (limits.ts).
 */
export function exportedTo(rules: readonly ExportRule[]): Set<string> {
  const names = new Set<string>();
  for (const { client } of rules) {
    const [address = "", length] = client.split("/");
    const isAddress = IPV4.test(address) || IPV6.test(address);
    if (client === "*" || (isAddress && length === "0")) names.add("any");
    else if (
      isAddress && (length === undefined || length === (address.includes(":") ? "128" : "32"))
    ) names.add(address.toLowerCase());
  }
  return names;
}
