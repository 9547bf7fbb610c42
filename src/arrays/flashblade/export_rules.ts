import { addressKey } from "../../net/address.ts";
import { isAllowed, parseCidr, parseIp } from "../../net/cidr.ts";

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
export function isAddress(client: string): boolean {
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
 * True when an administrator alone decides who may mount the file system: a name, `*` or a netgroup
 * is among the rules, of which nobody here can tell whom it means, and none of them is ours.
 */
export function areStatic(rules: readonly ExportRule[]): boolean {
  return rules.some(({ client }) => !isAddress(client) && parseCidr(client) === undefined) &&
    !rules.some(isOwnRule);
}

/**
 * Whether a rule of an administrator's lets the address in: one for this very address, or a block
 * with it that allows what is asked for.
 */
export function isLetIn(
  rules: readonly ExportRule[],
  address: string,
  { readOnly }: { readOnly: boolean },
): boolean {
  const admins = rules.filter((rule) => !isOwnRule(rule));
  return isNamed(admins, address) || admins.some(({ client, options }) => {
    const block = parseCidr(client);
    const isEnough = readOnly || options.split(",").includes("rw");
    return block !== undefined && isEnough && isAllowed(address, [block]);
  });
}

/**
 * `rules` with one of ours, of the access asked for, for each address that no rule of an
 * administrator's lets in; one that is there stays beside a block. Ours stand first: an array that
 * takes the first rule that fits must not find a block before it that allows less.
 */
export function withAddresses(
  rules: readonly ExportRule[],
  addresses: readonly string[],
  { readOnly }: { readOnly: boolean },
): ExportRule[] {
  const options = readOnly ? ACCESS.readOnly : ACCESS.writable;
  const own = rules.filter(isOwnRule);
  const admins = rules.filter((rule) => !isOwnRule(rule));
  const added = addresses.filter((address) =>
    !isLetIn(rules, address, { readOnly }) || (isNamed(own, address) && !isNamed(admins, address))
  );
  return [
    ...withoutAddresses(own, addresses),
    ...added.map((client) => ({ client, options })),
    ...admins,
  ];
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
