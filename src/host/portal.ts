import { PsoError } from "../errors.ts";
import { type HostPort, parseHostPort } from "../net/address.ts";
import { isStorageName } from "../storage_names.ts";

/** Which kind of portal a text should be. */
interface PortalKind {
  /** `iSCSI`, `NVMe`: for the message. */
  protocol: string;
  /** The port that is meant when the text names none. */
  defaultPort: number;
}

/**
 * Where a portal listens, from the text of an array: `192.0.2.1:3260`, `[2001:db8::1]`. `invalid`
 * for anything else. So is an IPv6 address without brackets, in which a port could not be told from
 * the end of the address.
 */
export function readPortal(
  portal: string,
  { protocol, defaultPort }: PortalKind,
): Required<HostPort> {
  const { host, port = defaultPort } = parseHostPort(portal) ?? { host: "" };
  if (isStorageName("portal", portal)) return { host, port };
  throw new PsoError(
    "invalid",
    `${protocol} portal ${JSON.stringify(portal)} is no address with a port: the array must name ` +
      `it as 192.0.2.1:${defaultPort} or [2001:db8::1]:${defaultPort}`,
  );
}
