/**
 * An IP address as a number. An IPv4 address mapped into IPv6 (`::ffff:a.b.c.d`) counts as IPv4.
 */
export interface IpAddress {
  family: 4 | 6;
  value: bigint;
}

/** A block of addresses; `network` has its host bits cleared. */
export interface Cidr {
  /** As an administrator reads it, for example `10.1.0.0/16`. */
  text: string;
  family: 4 | 6;
  network: bigint;
  prefixLength: number;
}

const BITS = { 4: 32, 6: 128 } as const;
const MAPPED_IPV4 = 0xffffn;

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split(".");
  // Leading zeros are refused: some tools read them as octal, so 010.1.1.1 would mean two things.
  if (
    parts.length !== 4 ||
    !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  ) return undefined;
  return parts.reduce((value, part) => value * 256n + BigInt(part), 0n);
}

function ipv6Groups(text: string): string[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  if (tail === undefined) return head.length === 8 ? head : undefined;
  const missing = 8 - head.length - tail.length;
  return missing < 1
    ? undefined
    : [...head, ...Array.from({ length: missing }, () => "0"), ...tail];
}

function parseIpv6(text: string): bigint | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let plain = text;
  if (dotted) {
    const low = parseIpv4(dotted[2] ?? "");
    if (low === undefined) return undefined;
    plain = `${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const groups = ipv6Groups(plain);
  if (!groups?.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) + BigInt(`0x${group}`), 0n);
}

/**
 * The address that `text` writes (RFC 4291 forms for IPv6, without brackets or zone), or undefined.
 */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    const value = parseIpv4(text);
    return value === undefined ? undefined : { family: 4, value };
  }
  const value = parseIpv6(text);
  if (value === undefined) return undefined;
  return value >> 32n === MAPPED_IPV4
    ? { family: 4, value: value & 0xffffffffn }
    : { family: 6, value };
}

/** The usual text of the address: IPv6 as RFC 5952 wants it, without brackets. */
export function printIp({ family, value }: IpAddress): string {
  if (family === 4) {
    return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  }
  const groups = value.toString(16).padStart(32, "0").match(/.{4}/g) ?? [];
  const plain = groups.map((group) => group.replace(/^0{1,3}/, "")).join(":");
  const runs = plain.match(/\b0(?::0)+\b/g) ?? [];
  const [longest] = runs.toSorted((one, other) => other.length - one.length);
  return longest === undefined
    ? plain
    : plain.replace(new RegExp(`(?:^|:)${longest}(?::|$)`), "::");
}

/**
 * The block that `text` writes (`address/length`), or undefined; bits below the length are dropped
 * (`10.1.2.3/16` is `10.1.0.0/16`).
 */
export function parseCidr(text: string): Cidr | undefined {
  const [addressText = "", lengthText = "", ...rest] = text.split("/");
  const address = parseIp(addressText);
  if (!address || rest.length > 0 || !/^\d{1,3}$/.test(lengthText)) return undefined;
  const prefixLength = Number(lengthText);
  const bits = BITS[address.family];
  if (prefixLength > bits) return undefined;
  const hostBits = BigInt(bits - prefixLength);
  return {
    text,
    family: address.family,
    network: (address.value >> hostBits) << hostBits,
    prefixLength,
  };
}

/** True when bits of the address below the block's length are set, as in `10.1.2.3/16`. */
export function hasHostBits(cidr: Cidr): boolean {
  return parseIp(cidr.text.split("/")[0] ?? "")?.value !== cidr.network;
}

/**
 * True when `address` (IPv6 without brackets) lies in one of `cidrs`. No blocks at all allow every
 * address. A text that is no address lies in none.
 */
export function isAllowed(address: string, cidrs: readonly Cidr[]): boolean {
  if (cidrs.length === 0) return true;
  const ip = parseIp(address);
  if (!ip) return false;
  return cidrs.some(({ family, network, prefixLength }) => {
    const hostBits = BigInt(BITS[family] - prefixLength);
    return family === ip.family && ip.value >> hostBits === network >> hostBits;
  });
}
