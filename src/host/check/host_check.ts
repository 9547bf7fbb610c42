import { messageOf } from "../../errors.ts";
import { REAL_PROTOCOLS } from "../../protocols.ts";
import { equipmentFindings, toolFindings } from "./equipment_check.ts";
import { type Finding, guarded, type PathSettings } from "./finding.ts";
import { lvmFindings } from "./lvm_check.ts";
import { type Host, readHostText } from "../host.ts";
import { nameConflictFindings } from "./initiator_names.ts";
import { parseMountinfo, readMounts } from "../mountinfo.ts";
import { multipathSettingFindings, serviceFindings } from "./service_check.ts";
import { bootFindings, clockFindings, nfsFindings } from "./system_check.ts";
import { udevFindings } from "./udev_check.ts";

/** What checkHost() looks at besides the host itself. */
interface CheckOptions extends PathSettings {
  /** Folder of the stage records; absent when this process keeps none. */
  stateDir?: string;
}

/**
 * All findings on how a host is prepared: tools, names, services, kernel, multipath, udev, NFS,
 * clock. It changes nothing, but for a file in the state folder that it writes and removes. It
 * never throws: a tool that hangs or a file that cannot be read is a finding.
 */
export async function checkHost(host: Host, options: CheckOptions): Promise<Finding[]> {
  const root = await rootFindings(host);
  if (root.some(({ level }) => level === "fail")) return root;
  if (options.stateDir !== undefined) root.push(...await stateDirFindings(host, options.stateDir));
  const found = await Promise.all([
    equipmentFindings(host, { protocols: REAL_PROTOCOLS }),
    serviceFindings(host, { protocols: REAL_PROTOCOLS, multipath: options.multipath }),
    toolFindings(host, options),
    guarded({ area: "host" }, () => nameConflictFindings(host)),
    options.multipath ? multipathSettingFindings(host) : [],
    guarded({ area: "host" }, () => bootFindings(host, options)),
    guarded({ area: "nfs" }, () => nfsFindings(host)),
    guarded({ area: "udev" }, () => udevFindings(host)),
    guarded({ area: "host" }, () => lvmFindings(host)),
    clockFindings(host),
  ]);
  return [...root, ...found.flat(), ...(options.multipath ? [] : [WITHOUT_MULTIPATH])];
}

const WITHOUT_MULTIPATH: Finding = {
  area: "multipath",
  level: "warn",
  what:
    "flasharray.multipath is false: an iSCSI or FC volume has one path, and is lost when that " +
    "path is",
};

/**
 * Without the host's /proc and /sys, no other check sees anything and no volume can be attached.
 */
async function rootFindings(host: Host): Promise<Finding[]> {
  try {
    await readMounts(host);
    return [{ area: "host", level: "ok", what: `the host's / is at ${host.root}` }];
  } catch (error) {
    return [{ area: "host", level: "fail", what: messageOf(error), blocks: REAL_PROTOCOLS }];
  }
}

/** The folder of the stage records must be writable, and keep its files when the pod restarts. */
async function stateDirFindings(host: Host, stateDir: string): Promise<Finding[]> {
  const probe = `${stateDir}/.check`;
  try {
    await Deno.mkdir(stateDir, { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(probe, "");
    await Deno.remove(probe);
  } catch (error) {
    const what = `no file can be written in the state folder ${stateDir}: ${messageOf(error)}`;
    return [{
      area: "host",
      level: "fail",
      what,
      fix: "mount a writable folder of the host there (hostPath)",
      blocks: REAL_PROTOCOLS,
    }];
  }
  const type = await fileSystemTypeOf(host, await Deno.realPath(stateDir));
  if (type !== "tmpfs" && type !== "overlay") {
    return [{ area: "host", level: "ok", what: `state folder ${stateDir} is writable` }];
  }
  const what =
    `state folder ${stateDir} is on ${type}: the records of staged volumes are lost with this pod`;
  return [{
    area: "host",
    level: "warn",
    what,
    fix: "mount a folder of the host there (hostPath)",
  }];
}

/**
 * Type of the file system that holds a file of this process; `undefined` when this process cannot
 * read its own mounts.
 */
async function fileSystemTypeOf(host: Host, path: string): Promise<string | undefined> {
  const text = await readHostText(host, "/proc/self/mountinfo");
  const around = parseMountinfo(text ?? "").filter(({ target }) =>
    target === "/" || path === target || path.startsWith(`${target}/`)
  );
  const longest = Math.max(...around.map(({ target }) => target.length));
  return around.findLast(({ target }) => target.length === longest)?.type;
}
