import { parseIp } from "./cidr.ts";

/** A host and the port of one of its services. */
export interface HostPort {
  /** A name or an IP address; IPv6 without brackets. Empty only in `:PORT`. */
  host: string;
  /** 0 to 65535; absent: the text names none, and the service's usual one is meant. */
  port?: number;
}

/** Where a server of ours listens, in the words of Deno.serve(). */
export interface ListenAddress {
  /** IPv6 without brackets. */
  hostname: string;
  /** 0: a free one. */
  port: number;
}

const PORT_MAX = 65535;

/**
 * Reads `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT`, a bare `IPV6` (which cannot have a port), and
 * `:PORT` with an empty host. Undefined for everything else: an empty text, a port above 65535,
 * brackets around something that is no IPv6 address, blanks, a path, a user. Whether the host is a
 * name that can exist is the caller's to judge.
 */
export function parseHostPort(text: string): HostPort | undefined {
  if (isIpv6(text)) return { host: text };
  const match = /^(?:\[([^\]]*)\]|([^\s:/?#@[\]]*))(?::(\d{1,5}))?$/.exec(text);
  if (!match || text === "") return undefined;
  const [, bracketed, name = "", digits] = match;
  if (bracketed !== undefined && !isIpv6(bracketed)) return undefined;
  const host = bracketed ?? name;
  if (digits === undefined) return { host };
  const port = Number(digits);
  return port <= PORT_MAX ? { host, port } : undefined;
}

/**
 * `HOST:PORT`, or the host alone when there is no port; IPv6 in brackets. parseHostPort() reads it
 * back.
 */
export function printHostPort({ host, port }: HostPort): string {
  return port === undefined ? inBrackets(host) : `${inBrackets(host)}:${port}`;
}

/**
 * The host as it stands in a URL or before a colon (`[fd00::1]:/export`): IPv6 in brackets, names
 * and IPv4 as they are.
 */
export function inBrackets(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The host without the brackets of an IPv6 address, as programs and the kernel want it. */
export function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/**
 * Whether the text is an IP address, IPv6 without brackets, or a DNS name (RFC 1123, underscores
 * allowed). Four numbers that are no address are no name either; a name never begins with `-`, so
 * that no tool takes it for an option.
 */
export function isHost(text: string): boolean {
  if (/^[\d.]+$/.test(text) || text.includes(":")) return parseIp(text) !== undefined;
  return text.length <= 253 &&
    text.replace(/\.$/, "").split(".").every((label) =>
      /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)
    );
}

/**
 * One text for all spellings of an IP address, for comparing and for keys of maps; any other text
 * stands for itself, in lower case. An IPv4 address mapped into IPv6 counts as IPv4.
 */
export function addressKey(text: string): string {
  const ip = parseIp(text);
  return ip === undefined ? text.toLowerCase() : `${ip.family} ${ip.value.toString(16)}`;
}

function isIpv6(text: string): boolean {
  return text.includes(":") && parseIp(text) !== undefined;
}
