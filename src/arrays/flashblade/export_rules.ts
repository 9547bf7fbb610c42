import { addressKey } from "../../net/address.ts";
import { parseIp } from "../../net/cidr.ts";

/** One rule of a FlashBlade file system: `10.0.0.1(rw,no_root_squash)`. */
export interface ExportRule {
  client: string;
  /** Text between the brackets; empty without any. */
  options: string;
}

/**
 * The options that this driver writes. Without no_root_squash the kubelet's chown for fsGroup
 * fails.
 */
const ACCESS = { readOnly: "ro,no_root_squash", writable: "rw,no_root_squash" } as const;

/**
 * Rules are separated by spaces; there is none inside one. Text that is no rule is kept as a
 * client, so that nothing is lost.
 */
export function parseRules(text: string): ExportRule[] {
  return text.split(/\s+/).filter((part) => part !== "").map((part) => {
    const [, client, options] = /^([^(]*)\((.*)\)$/.exec(part) ?? [undefined, part, ""];
    return { client: client ?? part, options: options ?? "" };
  });
}

/** The text that parseRules() reads back to the same rules. */
export function formatRules(rules: readonly ExportRule[]): string {
  return rules.map(({ client, options }) => options === "" ? client : `${client}(${options})`).join(
    " ",
  );
}

/** One address, IPv4 or IPv6, and no block, name, `*` or netgroup. */
function isAddress(client: string): boolean {
  return parseIp(client) !== undefined;
}

/**
 * Whether this driver wrote the rule: one address, and exactly the options that it writes. Any
 * other rule is an administrator's, also one for an address of a node: it is never dropped, and its
 * client never counts as a user.
 */
export function isOwnRule({ client, options }: ExportRule): boolean {
  return isAddress(client) && (options === ACCESS.readOnly || options === ACCESS.writable);
}

/**
 * Whom an administrator's rules let in: their addresses, or `any` when one of them is a block, a
 * name, `*` or a netgroup.
 */
export function adminClientsOf(rules: readonly ExportRule[]): string[] | "any" {
  const clients = rules.filter((rule) => !isOwnRule(rule)).map(({ client }) => client);
  return clients.every(isAddress) ? clients : "any";
}

/**
 * True when an administrator alone decides who may mount the file system: a block, a name, `*` or a
 * netgroup is among the rules, and none of them is ours.
 */
export function areStatic(rules: readonly ExportRule[]): boolean {
  return adminClientsOf(rules) === "any" && !rules.some(isOwnRule);
}

/**
 * `rules` with one of ours, of the access asked for, for each address. An address that has a rule of
 * an administrator's keeps that one alone.
 */
export function withAddresses(
  rules: readonly ExportRule[],
  addresses: readonly string[],
  { readOnly }: { readOnly: boolean },
): ExportRule[] {
  const options = readOnly ? ACCESS.readOnly : ACCESS.writable;
  const others = withoutAddresses(rules, addresses);
  const taken = new Set(others.map(({ client }) => addressKey(client)));
  const added = addresses.filter((address) => !taken.has(addressKey(address)));
  return [...others, ...added.map((client) => ({ client, options }))];
}

/** `rules` without those of ours that name one of the addresses. */
export function withoutAddresses(
  rules: readonly ExportRule[],
  addresses: readonly string[],
): ExportRule[] {
  const gone = new Set(addresses.map(addressKey));
  return rules.filter((rule) => !isOwnRule(rule) || !gone.has(addressKey(rule.client)));
}

/** Whether a rule, whoever wrote it, names this very address. */
export function isNamed(rules: readonly ExportRule[], address: string): boolean {
  return rules.some(({ client }) => addressKey(client) === addressKey(address));
}

/** The same rules in any order: an array may sort them. */
export function areEqual(a: readonly ExportRule[], b: readonly ExportRule[]): boolean {
  const key = (rules: readonly ExportRule[]) =>
    rules.map(({ client, options }) => `${addressKey(client)}(${options})`).toSorted().join(" ");
  return key(a) === key(b);
}
