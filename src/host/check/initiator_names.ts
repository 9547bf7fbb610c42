import { isPsoError, PsoError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { FC_PROTOCOLS, protocolsOfInitiator } from "../../protocols.ts";
import { hasTool } from "../tools/command.ts";
import type { Finding } from "./finding.ts";
import { type Host, listHostFolder, readHostText } from "../host.ts";

/**
 * RFC 3720 3.2.6.3 (iqn., eui., naa.). Some hosts have the path of the tool that should have made a
 * name in the file instead, because the tool failed at installation.
 */
const ISCSI_NAMES = [
  /^iqn\.\d{4}-\d{2}\.[a-z0-9.-]+(:[^\s;,]+)?$/i,
  /^eui\.[0-9a-f]{16}$/i,
  /^naa\.[0-9a-f]{16}([0-9a-f]{16})?$/i,
];
/** NVMe base specification, "NVMe Qualified Names": at most 223 bytes. */
const NQN = /^nqn\.\d{4}-\d{2}\.[a-zA-Z0-9.-]+:[^\s;,]{1,200}$/;

const ISCSI_FILE = "/etc/iscsi/initiatorname.iscsi";
const NQN_FILE = "/etc/nvme/hostnqn";
const HOSTID_FILE = "/etc/nvme/hostid";

/**
 * UUIDs in the firmware of boards whose maker wrote none of his own. `nvme gen-hostnqn` uses the
 * firmware's UUID, so hosts with such a board get one NQN.
 */
const PLACEHOLDER_UUIDS = [
  /^([0-9a-f])\1{7}-/i,
  /^03000200-0400-0500-0006-000700080009$/i,
  /^12345678-1234-5678-/i,
  /^00020003-0004-0005-0006-000700080009$/i,
];

/** What this host has of one protocol: its initiator name, or the reason why it cannot use it. */
export type Found<T> = { value: T } | { missing: string };

/** The text of a file of names, or why the host has none there. */
async function readName(
  host: Host,
  { file, fix }: { file: string; fix: string },
): Promise<Found<string>> {
  try {
    const text = await readHostText(host, file);
    return text === undefined ? { missing: `${file} does not exist: ${fix}` } : { value: text };
  } catch (error) {
    // One name that cannot be read, such as a link that leads nowhere, costs its protocols only.
    if (!isPsoError(error, "unavailable")) throw error;
    return { missing: error.message };
  }
}

/** The IQN in open-iscsi's file, in lower case. */
export async function readIqn(host: Host): Promise<Found<string>> {
  const found = await readName(host, { file: ISCSI_FILE, fix: "install open-iscsi on this node" });
  if ("missing" in found) return found;
  const text = found.value;
  const name = /^[ \t]*InitiatorName[ \t]*=[ \t]*(\S+)[ \t]*$/m.exec(text)?.[1];
  if (name === undefined) {
    return {
      missing: `${ISCSI_FILE} names no initiator: write InitiatorName=$(iscsi-iname) into it`,
    };
  }
  if (!ISCSI_NAMES.some((one) => one.test(name))) {
    return {
      missing: `${ISCSI_FILE} holds ${
        JSON.stringify(name)
      }, which is no IQN: write InitiatorName=$(iscsi-iname)`,
    };
  }
  return { value: name.toLowerCase() };
}

/**
 * The NQN in nvme-cli's file. An NQN that many machines have counts as missing: an array takes
 * hosts with one NQN for one host, and shows each the volumes of the others.
 */
export async function readNqn(host: Host): Promise<Found<string>> {
  const found = await readName(host, { file: NQN_FILE, fix: "write it with nvme gen-hostnqn" });
  if ("missing" in found) return found;
  const name = found.value.trim();
  if (!NQN.test(name)) {
    return {
      missing: `${NQN_FILE} holds ${
        JSON.stringify(name)
      }, which is no NQN: write it with nvme gen-hostnqn`,
    };
  }
  const uuid = uuidOf(name);
  if (uuid === undefined || !PLACEHOLDER_UUIDS.some((one) => one.test(uuid))) {
    return { value: name };
  }
  return {
    missing:
      `${NQN_FILE} holds the UUID ${uuid}, which many machines have, because their firmware has ` +
      "none of its own, and hosts with one NQN see each other's volumes: write one UUID of " +
      `uuidgen into ${NQN_FILE} and ${HOSTID_FILE}`,
  };
}

function uuidOf(nqn: string): string | undefined {
  return /:uuid:([0-9a-f-]{36})$/i.exec(nqn)?.[1]?.toLowerCase();
}

/**
 * Gives a host that has nvme-cli but no NQN or no host ID both of them, from one random UUID, and
 * says so in the log: to the arrays the host is a new one from then on. `nvme gen-hostnqn` derives
 * them from the firmware, which has the same UUID on many machines. A file that exists, be it by a
 * link, is kept. `unavailable` when a file cannot be read or written, or when what was written is
 * not read back: the next call would write another name.
 */
export async function ensureHostNames(host: Host, log: Logger): Promise<void> {
  if (!await hasTool(host, "nvme")) return;
  const [nqn, id] = await Promise.all([
    readHostText(host, NQN_FILE),
    readHostText(host, HOSTID_FILE),
  ]);
  if (nqn && id) return;
  const uuid = uuidOf(nqn ?? "") ?? id ?? crypto.randomUUID();
  const write = async (path: string, text: string) => {
    log.warn("host name written, because the host had none", { path, name: text });
    await host.run("tee", [path], { stdin: `${text}\n` });
    if (await readHostText(host, path) === text) return;
    throw new PsoError(
      "unavailable",
      `${text} was written to ${path} of the host and is not there: mount the host's / at the ` +
        `folder that --host-root names, and see what ${path} is`,
    );
  };
  await host.run("mkdir", ["-p", "/etc/nvme"]);
  if (!id) await write(HOSTID_FILE, uuid);
  if (!nqn) await write(NQN_FILE, `nqn.2014-08.org.nvmexpress:uuid:${uuid}`);
}

/** The WWPNs of all FC ports of this host, 16 lower-case hex digits each. */
export async function readWwpns(host: Host): Promise<Found<string[]>> {
  const wwpns: string[] = [];
  for (const port of await listHostFolder(host, "/sys/class/fc_host")) {
    const name = (await readHostText(host, `/sys/class/fc_host/${port}/port_name`))?.toLowerCase()
      .replace(/^0x/, "");
    if (name !== undefined && /^[0-9a-f]{16}$/.test(name) && !/^[0f]+$/.test(name)) {
      wwpns.push(name);
    }
  }
  return wwpns.length > 0 ? { value: wwpns } : { missing: "no FC port in /sys/class/fc_host" };
}

/**
 * Why this host has no IQN or no NQN that can be used though it has the tool that needs it: what a
 * host without the tool lacks, it does not miss.
 */
export async function missingNames(host: Host): Promise<string[]> {
  const wanted = [{ tool: "iscsiadm", read: readIqn }, { tool: "nvme", read: readNqn }] as const;
  const reasons = await Promise.all(wanted.map(async ({ tool, read }) => {
    const found = await hasTool(host, tool) ? await read(host) : undefined;
    return found && "missing" in found ? found.missing : [];
  }));
  return reasons.flat();
}

/** Findings on the initiator names of this host: one for iSCSI, one for FC, one for NVMe. */
export async function nameFindings(host: Host): Promise<Finding[]> {
  const [iqn, nqn, wwpns] = await Promise.all([readIqn(host), readNqn(host), readWwpns(host)]);
  return [
    "value" in iqn
      ? { area: "iscsi", level: "ok", what: `initiator name ${iqn.value}` }
      : { area: "iscsi", level: "fail", what: iqn.missing, blocks: protocolsOfInitiator("iqn") },
    "value" in wwpns
      ? { area: "fc", level: "ok", what: `port names ${wwpns.value.join(", ")}` }
      : { area: "fc", level: "warn", what: wwpns.missing, blocks: FC_PROTOCOLS },
    "value" in nqn
      ? { area: "nvme", level: "ok", what: `host NQN ${nqn.value}` }
      : { area: "nvme", level: "fail", what: nqn.missing, blocks: protocolsOfInitiator("nqn") },
  ];
}

/**
 * A `warn` for each name that contradicts another on this host: sessions that run under another
 * name than the file has now, which an array takes for another host, and a host ID that is not the
 * UUID of the NQN. Whether another host has the same name cannot be seen from here.
 */
export async function nameConflictFindings(host: Host): Promise<Finding[]> {
  const findings: Finding[] = [];
  const [iqn, nqn, hostid] = await Promise.all([
    readIqn(host),
    readNqn(host),
    readName(host, {
      file: HOSTID_FILE,
      fix: "the node plugin writes it when it starts, from the UUID of the host NQN",
    }),
  ]);
  const iqnsInUse = await valuesOf(host, "/sys/class/iscsi_session", "initiatorname");
  if ("value" in iqn) {
    findings.push(
      ...othersInUse({ area: "iscsi", file: ISCSI_FILE, name: iqn.value, inUse: iqnsInUse }),
    );
  }
  const nqnsInUse = await valuesOf(host, "/sys/class/nvme", "hostnqn");
  if (!("value" in nqn)) return findings;
  findings.push(
    ...othersInUse({ area: "nvme", file: NQN_FILE, name: nqn.value, inUse: nqnsInUse }),
  );
  const uuid = uuidOf(nqn.value);
  if ("missing" in hostid) {
    findings.push({ area: "nvme", level: "warn", what: hostid.missing });
  } else if (uuid !== undefined && hostid.value.trim().toLowerCase() !== uuid) {
    findings.push({
      area: "nvme",
      level: "warn",
      what:
        `host ID ${hostid.value.trim()} is not the UUID of the host NQN, and the kernel refuses one ` +
        "host ID with two NQNs (Invalid argument)",
      fix: `write ${uuid} into ${HOSTID_FILE} while no volume is attached`,
    });
  }
  return findings;
}

async function valuesOf(host: Host, folder: string, file: string): Promise<string[]> {
  const names = await listHostFolder(host, folder);
  const values = await Promise.all(
    names.map((name) => readHostText(host, `${folder}/${name}/${file}`)),
  );
  return values.flatMap((value) =>
    value === undefined || value === "" || value === "(null)" ? [] : [value]
  );
}

/** The initiator name of one protocol, and the names that its sessions run under. */
interface NamesInUse {
  area: "iscsi" | "nvme";
  file: string;
  /** The name that `file` has now. */
  name: string;
  inUse: string[];
}

function othersInUse({ area, file, name, inUse }: NamesInUse): Finding[] {
  const others = [...new Set(inUse.filter((one) => one.toLowerCase() !== name.toLowerCase()))];
  return others.map((other) => ({
    area,
    level: "warn",
    what:
      `connections of this host run as ${other}, and ${file} has ${name}: the array takes them ` +
      "for two hosts",
    fix: "end those connections, or restore the old name",
  }));
}
