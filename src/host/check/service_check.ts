import { PsoError } from "../../errors.ts";
import { type Protocol, protocolsOfInitiator } from "../../protocols.ts";
import { hasTool, installHint } from "../tools/command.ts";
import { TOOL_TIMEOUT_MS } from "./equipment_check.ts";
import { type Finding, guarded, SCSI_PROTOCOLS } from "./finding.ts";
import { existsOnHost, type Host, readHostText } from "../host.ts";
import { isMultipathRunning } from "../multipath.ts";
import {
  blacklistFindings,
  type ConfigSection,
  parseMultipathConfig,
  settingFindings,
} from "./multipath_settings.ts";
import { hasSystemd } from "./system_check.ts";

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
  const startup = /^[ \t]*iscsid\.startup[ \t]*=[ \t]*(\S+)(.*)$/m.exec(
    await readHostText(host, "/etc/iscsi/iscsid.conf") ?? "",
  );
  const starter = startup?.[1];
  const canStart = starter !== undefined && await existsOnHost(host, starter) &&
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
