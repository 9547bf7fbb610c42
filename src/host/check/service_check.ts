import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { type Protocol, protocolsOfInitiator } from "../../protocols.ts";
import { hasTool, installHint } from "../command.ts";
import { hasModule, TOOL_TIMEOUT_MS } from "./equipment_check.ts";
import { type Finding, guarded, SCSI_PROTOCOLS } from "./finding.ts";
import { type Host, listHostFolder, readHostText, realHostPath } from "../host.ts";
import { isMultipathRunning } from "../multipath.ts";
import {
  blacklistFindings,
  type ConfigSection,
  parseMultipathConfig,
  settingFindings,
} from "./multipath_settings.ts";

/**
 * Abstract sockets on which the daemons listen, as /proc/net/unix shows them (open-iscsi,
 * usr/mgmt_ipc.h).
 */
const ISCSID_SOCKET = "@ISCSIADM_ABSTRACT_NAMESPACE";

/**
 * Findings on the services that these protocols need at the moment of an attach, and that can stop
 * while a node runs: iscsid, multipathd, and a multipath.conf that does not exclude FlashArray
 * volumes.
 */
export async function serviceFindings(
  host: Host,
  { protocols, multipath }: { protocols: readonly Protocol[]; multipath: boolean },
): Promise<Finding[]> {
  const iscsi = protocolsOfInitiator("iqn");
  const isScsi = SCSI_PROTOCOLS.some((protocol) => protocols.includes(protocol));
  const found = await Promise.all([
    iscsi.some((protocol) => protocols.includes(protocol))
      ? guarded({ area: "iscsi", blocks: iscsi }, () => iscsidFindings(host))
      : [],
    isScsi && multipath
      ? guarded({ area: "multipath", blocks: SCSI_PROTOCOLS }, () => multipathFindings(host))
      : [],
  ]);
  return found.flat();
}

/**
 * Looks for iscsid. It is fine when iscsid listens or systemd listens for it, and a `warn` when
 * iscsiadm has to start it (iscsid.conf, iscsid.startup).
 */
async function iscsidFindings(host: Host): Promise<Finding[]> {
  if (!await hasTool(host, "iscsiadm")) return []; // another finding reports this
  const sockets = await listeningSockets(host);
  if (sockets === undefined) {
    return [{
      area: "iscsi",
      level: "warn",
      what: "cannot tell whether iscsid runs: this host shows no /proc/net/unix",
    }];
  }
  if (sockets.includes(ISCSID_SOCKET)) {
    return [{ area: "iscsi", level: "ok", what: "iscsid answers" }];
  }
  const startup = /^\s*iscsid\.startup\s*=\s*(\S+)(.*)$/m.exec(
    await readHostText(host, "/etc/iscsi/iscsid.conf") ?? "",
  );
  const starter = startup?.[1];
  const canStart = starter !== undefined && await exists(host, starter) &&
    (!starter.endsWith("/systemctl") || await hasSystemd(host));
  const fix =
    "start it and let it start at boot: systemctl enable --now iscsid.socket (RHEL also: iscsid)";
  if (canStart) {
    return [{
      area: "iscsi",
      level: "warn",
      what: `iscsid does not run; iscsiadm starts it by ${starter}${startup?.[2] ?? ""}`,
      fix,
    }];
  }
  return [{
    area: "iscsi",
    level: "fail",
    what: "iscsid does not run, and iscsiadm has no command to start it",
    fix,
    blocks: protocolsOfInitiator("iqn"),
  }];
}

/**
 * Names of the unix sockets in the network namespace that tools run in; `undefined` when the kernel
 * does not show them.
 */
async function listeningSockets(host: Host): Promise<string[] | undefined> {
  const text = await readHostText(
    host,
    host.namespaces === "nsenter" ? "/proc/1/net/unix" : "/proc/self/net/unix",
  );
  return text?.split("\n").flatMap((line) => line.trim().split(/\s+/)[7] ?? []);
}

async function exists(host: Host, path: string): Promise<boolean> {
  try {
    await Deno.stat(await realHostPath(host, path));
    return true;
  } catch {
    return false;
  }
}

/** True when systemd is the init of this host (sd_booted(3)). */
function hasSystemd(host: Host): Promise<boolean> {
  return exists(host, "/run/systemd/system");
}

const MULTIPATHD_FIX =
  "start it and let it start at boot: systemctl enable --now multipathd, or set " +
  "flasharray.multipath to false";

async function multipathFindings(host: Host): Promise<Finding[]> {
  if (!await hasTool(host, "multipathd")) {
    const what =
      "multipathd is not installed, and without it a volume is lost when its one path is";
    const fix = `${installHint("multipathd")}, or set flasharray.multipath to false`;
    return [{ area: "multipath", level: "fail", what, fix, blocks: SCSI_PROTOCOLS }];
  }
  if (!await isRunningInTime(host)) {
    const what =
      "multipathd does not run on this node, and without it a volume is lost when its one path is";
    return [{
      area: "multipath",
      level: "fail",
      what,
      fix: MULTIPATHD_FIX,
      blocks: SCSI_PROTOCOLS,
    }];
  }
  const config = await readMultipathConfig(host);
  const running: Finding = { area: "multipath", level: "ok", what: "multipathd answers" };
  return config === undefined ? [running] : [running, ...blacklistFindings(config)];
}

/**
 * As isMultipathRunning(), with a message that names multipathd when it does not answer in time.
 */
async function isRunningInTime(host: Host): Promise<boolean> {
  const deadline = AbortSignal.timeout(TOOL_TIMEOUT_MS);
  try {
    return await isMultipathRunning(host, deadline);
  } catch (error) {
    if (!deadline.aborted) throw error;
    throw new PsoError(
      "timeout",
      `multipathd does not answer within ${TOOL_TIMEOUT_MS} ms: see its log on this node ` +
        "(journalctl -u multipathd) and restart it",
      { cause: error },
    );
  }
}

/** The configuration that multipathd uses now; `undefined` when it prints none that we can read. */
async function readMultipathConfig(host: Host): Promise<ConfigSection | undefined> {
  const { stdout } = await host.run("multipathd", ["show", "config"], {
    okCodes: [0, 1],
    timeoutMs: TOOL_TIMEOUT_MS,
  });
  return parseMultipathConfig(stdout);
}

/**
 * Findings on the settings that multipathd uses for FlashArray volumes: see WANTED_SETTINGS. None
 * when multipathd does not run, which serviceFindings() reports.
 */
export function multipathSettingFindings(host: Host): Promise<Finding[]> {
  return guarded({ area: "multipath" }, async () => {
    if (!await isRunningInTime(host).catch(() => false)) return []; // another finding reports this
    const config = await readMultipathConfig(host);
    if (config) return settingFindings(config);
    return [{
      area: "multipath",
      level: "warn",
      what: "multipathd's settings are not checked: cannot read what multipathd show config prints",
    }];
  });
}

/** Units that must start at boot on a host with systemd. One unit of each row is enough. */
const UNITS = [
  { area: "iscsi", names: ["iscsid.socket", "iscsid.service"] },
  { area: "multipath", names: ["multipathd.service", "multipathd.socket"] },
] as const;

/**
 * A `warn` for each service that is installed and does not start at boot. A unit starts at boot
 * when some target's `.wants` or `.requires` folder links to it (systemd.unit(5)). None on a host
 * without systemd.
 */
export async function bootFindings(
  host: Host,
  { multipath }: { multipath: boolean },
): Promise<Finding[]> {
  if (!await hasSystemd(host)) return [];
  const findings: Finding[] = [];
  for (const { area, names } of UNITS) {
    if (area === "multipath" && !multipath) continue;
    const installed: string[] = [];
    for (const name of names) if (await hasUnit(host, name)) installed.push(name);
    const [first] = installed;
    if (first === undefined) continue;
    const enabled = await Promise.all(installed.map((name) => isEnabled(host, name)));
    if (enabled.includes(true)) continue;
    const what = `${installed.join(" and ")} ${
      installed.length > 1 ? "do" : "does"
    } not start at boot`;
    findings.push({ area, level: "warn", what, fix: `run systemctl enable ${first}` });
  }
  return findings;
}

const UNIT_FOLDERS = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

async function hasUnit(host: Host, name: string): Promise<boolean> {
  for (const folder of UNIT_FOLDERS) if (await exists(host, `${folder}/${name}`)) return true;
  return false;
}

async function isEnabled(host: Host, name: string): Promise<boolean> {
  for (const folder of UNIT_FOLDERS) {
    for (const target of await listHostFolder(host, folder)) {
      if (
        /\.(wants|requires)$/.test(target) &&
        (await listHostFolder(host, `${folder}/${target}`)).includes(name)
      ) return true;
    }
  }
  return false;
}

/**
 * Findings on the versions of NFS that this host can mount. Version 3 needs rpc.statd and rpcbind
 * for its locks (rpc.statd(8)); version 4 needs neither (nfs(5)).
 */
export async function nfsFindings(host: Host): Promise<Finding[]> {
  if (!await hasTool(host, "mount.nfs")) return []; // another finding reports this
  const findings: Finding[] = [];
  if (await hasModule(host, "nfsv4") === false) {
    const what =
      "the kernel has no NFS version 4 (module nfsv4): volumes are mounted with version 3";
    findings.push({ area: "nfs", level: "warn", what, fix: "use a kernel with the module nfsv4" });
  } else findings.push({ area: "nfs", level: "ok", what: "the kernel has NFS version 4" });
  const hasStatd = await hasTool(host, "rpc.statd");
  const hasRpcbind = await exists(host, "/run/rpcbind.sock") || await hasTool(host, "rpcbind");
  if (!hasStatd || !hasRpcbind) {
    const lacking = [hasStatd ? "" : "rpc.statd", hasRpcbind ? "" : "rpcbind"].filter((name) =>
      name !== ""
    ).join(" and ");
    findings.push({
      area: "nfs",
      level: "warn",
      what: `${lacking} ${
        hasStatd || hasRpcbind ? "is" : "are"
      } not installed: mounts with vers=3 fail, mounts with vers=4.1 work without`,
      fix:
        "install the packages nfs-common and rpcbind (RHEL: nfs-utils, rpcbind), or mount with " +
        "vers=4.1",
    });
  }
  return findings;
}

/**
 * A `warn` when no time source keeps the clock right, or nobody can tell (timedatectl(1)). A wrong
 * clock makes certificates of arrays look expired, and logs hard to compare.
 */
export function clockFindings(host: Host): Promise<Finding[]> {
  const fix = "run chrony or systemd-timesyncd on this node, with the time source of the arrays";
  return guarded({ area: "time" }, async () => {
    if (!await hasTool(host, "timedatectl")) {
      return [{
        area: "time",
        level: "warn",
        what: "cannot tell whether a time source keeps the clock right: there is no timedatectl",
        fix,
      }];
    }
    try {
      const { stdout } = await host.run("timedatectl", ["show", "--property=NTPSynchronized"], {
        timeoutMs: TOOL_TIMEOUT_MS,
      });
      if (/^NTPSynchronized=yes$/m.test(stdout)) {
        return [{ area: "time", level: "ok", what: "a time source keeps the clock right" }];
      }
      return [{
        area: "time",
        level: "warn",
        what: "no time source keeps the clock right",
        fix,
      }];
    } catch (error) {
      if (!isPsoError(error, "unavailable")) throw error;
      return [{
        area: "time",
        level: "warn",
        what: `cannot tell whether a time source keeps the clock right: ${messageOf(error)}`,
        fix,
      }];
    }
  });
}
