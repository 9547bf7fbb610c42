import { isPsoError, messageOf } from "../../errors.ts";
import { hasTool } from "../tools/command.ts";
import { existsOnHost, type Host, listHostFolder } from "../host.ts";
import { hasModule, TOOL_TIMEOUT_MS } from "./equipment_check.ts";
import { type Finding, guarded, type PathSettings } from "./finding.ts";

/** True when systemd is the init of this host (sd_booted(3)). */
export function hasSystemd(host: Host): Promise<boolean> {
  return existsOnHost(host, "/run/systemd/system");
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
  { multipath }: PathSettings,
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
  for (const folder of UNIT_FOLDERS) if (await existsOnHost(host, `${folder}/${name}`)) return true;
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
  const hasRpcbind = await existsOnHost(host, "/run/rpcbind.sock") ||
    await hasTool(host, "rpcbind");
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
