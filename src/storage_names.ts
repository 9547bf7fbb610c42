import { isHost, parseHostPort, printHostPort } from "./net/address.ts";

/** What arrays name, and root's tools are given. */
export type StorageName = "target" | "subsystem" | "port" | "serial" | "portal" | "server" | "path";

interface NameRule {
  /** The name, for the start of a sentence. */
  what: string;
  /** What it has to be. */
  wanted: string;
  is: (text: string) => boolean;
}

/** RFC 3720 3.2.6.2, and NVMe base specification, "NVMe Qualified Names". */
const NAME_BYTES_MAX = 223;
/** PATH_MAX of Linux, with its zero. */
const PATH_BYTES_MAX = 4095;
/**
 * RFC 3720 3.2.6.3 without the letters beyond ASCII, which no array uses: no blank, no slash and no
 * comma, because open-iscsi names folders after it.
 */
const ISCSI =
  /^(?:iqn\.\d{4}-\d{2}\.[a-z0-9.-]+(?::[a-z0-9._:-]+)?|eui\.[0-9a-f]{16}|naa\.(?:[0-9a-f]{16}){1,2})$/i;
/** A comma would begin another option of /dev/nvme-fabrics. */
const NQN = /^nqn\.\d{4}-\d{2}\.[a-z0-9.-]+:[a-z0-9._:-]+$/i;
const WWPN = /^[0-9a-f]{16}$/;
const SERIAL = /^[0-9a-f]{24}$/i;
/** Names of file systems and folders; `.` and `..` are judged by themselves. */
const EXPORT_PATH = /^(?:\/[\p{L}\p{N}._:@+=~-]+)+$/u;

const RULES: Record<StorageName, NameRule> = {
  target: {
    what: "iSCSI target",
    wanted: "an IQN such as iqn.2010-06.com.purestorage:flasharray.1",
    is: (text) => text.length <= NAME_BYTES_MAX && ISCSI.test(text),
  },
  subsystem: {
    what: "NVMe subsystem",
    wanted: "an NQN such as nqn.2010-06.com.purestorage:flasharray.1",
    is: (text) => text.length <= NAME_BYTES_MAX && NQN.test(text),
  },
  port: {
    what: "FC port",
    wanted: "a WWPN of 16 lower-case hex digits",
    is: (text) => WWPN.test(text),
  },
  serial: {
    what: "serial",
    wanted: "that of a FlashArray volume: 24 hex digits are wanted",
    is: (text) => SERIAL.test(text),
  },
  portal: {
    what: "portal",
    wanted: "an address with a port such as 192.0.2.1:3260 or [2001:db8::1]:3260",
    is: isPortal,
  },
  server: {
    what: "NFS server",
    wanted: "an IP address or a host name",
    is: isHost,
  },
  path: {
    what: "NFS export",
    wanted: "a path of letters, digits and . _ : @ + = ~ - such as /k8s-pvc-1",
    is: (text) =>
      text.length <= PATH_BYTES_MAX && EXPORT_PATH.test(text) &&
      !text.split("/").some((part) => part === "." || part === ".."),
  },
};

/** An IPv6 address stands in brackets: without them a port could not be told from its end. */
function isPortal(text: string): boolean {
  const { host = "", port } = parseHostPort(text) ?? {};
  return isHost(host) && port !== 0 && printHostPort({ host, port: undefined }) ===
      (port === undefined ? text : text.slice(0, text.lastIndexOf(":")));
}

/** Characters of a wrong name that a message shows. */
const SHOWN_MAX = 80;

/**
 * Whether the text is a name of that kind which may reach tools, files and messages as it is. An
 * allow list: what an array of the vendor can be called passes, and every other text does not.
 */
export function isStorageName(kind: StorageName, text: unknown): text is string {
  return typeof text === "string" && RULES[kind].is(text);
}

/**
 * Why the text is no name of that kind, as the start of a sentence that names it; `undefined` when
 * it is one.
 */
export function storageNameFault(kind: StorageName, text: unknown): string | undefined {
  if (isStorageName(kind, text)) return undefined;
  const { what, wanted } = RULES[kind];
  const shown = JSON.stringify(text) ?? "undefined";
  const cut = shown.length > SHOWN_MAX ? `${shown.slice(0, SHOWN_MAX)}…` : shown;
  return `${what} ${cut} is not ${wanted}`;
}
