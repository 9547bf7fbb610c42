import { isHost, parseHostPort, printHostPort, withoutBrackets } from "../../net/address.ts";
import { type Entry, isBadType, optionalText } from "./entry.ts";
import type { ArrayConfig } from "../model.ts";
import { shown } from "../problems.ts";

/**
 * The management address of an entry, in the form that `ArrayConfig` promises. Undefined after
 * telling the entry's problems that it is missing or no address.
 */
export function readAddress(
  entry: Entry,
): Pick<ArrayConfig, "scheme" | "managementAddress"> | undefined {
  const path = `${entry.path}.MgmtEndPoint`;
  const text = optionalText(entry, "MgmtEndPoint");
  if (text === undefined) {
    if (isBadType(entry, "MgmtEndPoint")) return undefined;
    entry.problems.error(path, {
      found: "is missing",
      fix: "give the management address of the array, a name or an IP address",
    });
    return undefined;
  }
  const [, scheme, rest = ""] = /^(?:(https?):\/\/)?(.*?)\/?$/i.exec(text) ?? [];
  const managementAddress = readAuthority(rest, scheme?.toLowerCase() === "http" ? 80 : 443);
  if (managementAddress !== undefined) {
    return { scheme: scheme?.toLowerCase() === "http" ? "http" : "https", managementAddress };
  }
  entry.problems.error(path, {
    found: `is ${shown(text)}`,
    wanted: "a host name or an IP address, with `:port` if it is not 443, and no path " +
      "(IPv6 with a port: `[fd00::1]:8443`)",
  });
  return undefined;
}

/**
 * `host[:port]` as a URL has it: lower case, IPv6 in brackets, the port left out when it is the
 * usual one.
 */
function readAuthority(text: string, usualPort: number): string | undefined {
  const { host, port } = parseHostPort(text) ?? {};
  if (host === undefined || port === 0 || !isHost(host)) return undefined;
  return printHostPort({
    host: host.toLowerCase(),
    port: port === usualPort ? undefined : port,
  });
}

/**
 * The data address of a FlashBlade, in lower case, IPv6 without brackets. Undefined after telling
 * the entry's problems that it is missing or no address.
 */
export function readNfsEndpoint(entry: Entry): string | undefined {
  const path = `${entry.path}.NFSEndPoint`;
  const text = optionalText(entry, "NFSEndPoint");
  if (text === undefined) {
    if (isBadType(entry, "NFSEndPoint")) return undefined;
    entry.problems.error(path, {
      found: "is missing",
      fix: "give the address of a data interface of the FlashBlade, from which the nodes mount",
    });
    return undefined;
  }
  const host = withoutBrackets(text);
  if (isHost(host)) return host.toLowerCase();
  entry.problems.error(path, {
    found: `is ${shown(text)}`,
    wanted: "a host name or an IP address, without port and path",
  });
  return undefined;
}
