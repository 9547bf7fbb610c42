/** One rule of a FlashBlade file system: `10.0.0.1(rw,no_root_squash)`. */
export interface ExportRule {
  client: string;
  /** Text between the brackets; empty without any. */
  options: string;
}

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

/** The rules as the array takes them; parseRules() reads them back. */
export function formatRules(rules: ExportRule[]): string {
  return rules.map(({ client, options }) => options === "" ? client : `${client}(${options})`).join(
    " ",
  );
}

/**
 * One address, IPv4 or IPv6, and no block, name, `*` or netgroup: only such rules are made by this
 * driver.
 */
export function isAddress(client: string): boolean {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(client)) {
    return client.split(".").every((part) => Number(part) <= 255);
  }
  return /^[0-9a-f:.]+$/i.test(client) && client.includes(":");
}

/**
 * True when an administrator wrote the rules (a block, name, `*` or netgroup is among them): they
 * are left as they are.
 */
export function areStatic(rules: ExportRule[]): boolean {
  return rules.some(({ client }) => !isAddress(client));
}

function sameAddress(a: string, b: string): boolean {
  return canonical(a) === canonical(b);
}

/** IPv6 has many spellings of one address; the URL parser knows the one short form. */
function canonical(address: string): string {
  if (!address.includes(":")) return address;
  return URL.parse(`http://[${address}]/`)?.hostname ?? address.toLowerCase();
}

/** `rules` and the node's addresses, each with exactly the access asked for. */
export function withAddresses(
  rules: ExportRule[],
  addresses: string[],
  options: { readOnly: boolean },
): ExportRule[] {
  // Without no_root_squash the kubelet's chown for fsGroup fails.
  const access = options.readOnly ? "ro,no_root_squash" : "rw,no_root_squash";
  const wanted = addresses.map((client) => ({ client, options: access }));
  return [...withoutAddresses(rules, addresses), ...wanted];
}

/** The rules without those of the addresses, in whatever way an IPv6 address is spelled. */
export function withoutAddresses(rules: ExportRule[], addresses: string[]): ExportRule[] {
  return rules.filter(({ client }) => !addresses.some((address) => sameAddress(address, client)));
}

/** The same rules in any order: an array may sort them. */
export function areEqual(a: ExportRule[], b: ExportRule[]): boolean {
  const key = (rules: ExportRule[]) =>
    rules.map(({ client, options }) =>
      `${canonical(client)}(${options.split(",").toSorted().join(",")})`
    ).toSorted().join(" ");
  return key(a) === key(b);
}
