import { messageOf } from "../../errors.ts";
import {
  type Protocol,
  PROTOCOL_FACTS,
  PROTOCOLS,
  type ProtocolTool,
  RDMA_PROTOCOLS,
  REAL_PROTOCOLS,
  servesBlock,
} from "../../protocols.ts";
import { hasTool, installHint, type PackagedTool } from "../tools/command.ts";
import {
  type Area,
  type Finding,
  guarded,
  NVME_PROTOCOLS,
  type PathSettings,
  SCSI_PROTOCOLS,
} from "./finding.ts";
import { type Host, listHostFolder, readHostText } from "../host.ts";
import { nameFindings } from "./initiator_names.ts";

/** A tool that takes longer to print its version or state hangs, even on a busy host. */
export const TOOL_TIMEOUT_MS = 10_000;

/** A tool that the node plugin calls. */
interface Tool {
  name: PackagedTool;
  area: Area;
  /** The arguments with which it prints its version; none for a tool that prints none. */
  version: string[];
  /** Protocols that cannot be used without it. */
  blocks?: readonly Protocol[];
  /** What does not work without it, when that is something else than a protocol. */
  loss?: string;
}

/** How the tools that the table of protocols names say their version. */
const PROTOCOL_TOOL_VERSIONS: Record<ProtocolTool, string[]> = {
  iscsiadm: ["--version"],
  nvme: ["version"],
  "mount.nfs": ["-V"],
  losetup: ["--version"],
};

const PROTOCOL_TOOLS: Tool[] = PROTOCOLS.flatMap((protocol) =>
  PROTOCOL_FACTS[protocol].tools.map((name) => ({ protocol, name }))
).filter(({ name }, index, all) => all.findIndex((one) => one.name === name) === index)
  .map(({ protocol, name }) => ({
    name,
    area: PROTOCOL_FACTS[protocol].area,
    version: PROTOCOL_TOOL_VERSIONS[name],
    blocks: PROTOCOLS.filter((one) => PROTOCOL_FACTS[one].tools.includes(name)),
  }));

/** Tools for what is mounted, whatever the protocol is. */
const FILE_SYSTEM_TOOLS: Tool[] = [
  { name: "mount", area: "file systems", version: ["--version"], loss: "nothing can be mounted" },
  {
    name: "mkfs.xfs",
    area: "file systems",
    version: ["-V"],
    loss: "volumes cannot be formatted with xfs",
  },
  {
    name: "xfs_growfs",
    area: "file systems",
    version: ["-V"],
    loss: "volumes with xfs cannot grow",
  },
  {
    name: "mkfs.ext4",
    area: "file systems",
    version: ["-V"],
    loss: "volumes cannot be formatted with ext4",
  },
  {
    name: "e2fsck",
    area: "file systems",
    version: ["-V"],
    loss: "volumes with ext4 cannot be mounted",
  },
  { name: "resize2fs", area: "file systems", version: [], loss: "volumes with ext4 cannot grow" },
];

/** A kernel module that protocols cannot be used without. */
interface Module {
  name: string;
  area: Area;
  blocks: readonly Protocol[];
}

const MODULES: Module[] = PROTOCOLS.flatMap((protocol) => {
  const { area, modules } = PROTOCOL_FACTS[protocol];
  return modules.map((name) => ({ name, area, blocks: [protocol] }));
});

/**
 * Findings on what a host has and lacks for these protocols: initiator names, tools, modules,
 * ports. A node registers with the protocols that this leaves, so services are not looked at: one
 * that is down for a moment must not change what the node is registered with.
 */
export async function equipmentFindings(
  host: Host,
  { protocols }: { protocols: readonly Protocol[] },
): Promise<Finding[]> {
  const isWanted = ({ blocks }: { blocks?: readonly Protocol[] }) =>
    blocks?.some((protocol) => protocols.includes(protocol)) ?? false;
  const found = await Promise.all([
    guarded(
      { area: "host", blocks: protocols.filter(servesBlock) },
      () => nameFindings(host),
    ),
    ...PROTOCOL_TOOLS.filter(isWanted).map((tool) => missingTool(host, tool)),
    ...MODULES.filter(isWanted).map((module) => missingModule(host, module)),
    ...RDMA_PROTOCOLS.filter((one) => protocols.includes(one)).map((one) => missingRdma(host, one)),
    ...(NVME_PROTOCOLS.some((one) => protocols.includes(one))
      ? [guarded({ area: "nvme", blocks: NVME_PROTOCOLS }, () => nativeMultipath(host))]
      : []),
  ]);
  return found.flat();
}

async function missingTool(host: Host, { name, area, blocks, loss }: Tool): Promise<Finding[]> {
  if (await hasTool(host, name)) return [];
  const what = `tool ${name} is not installed${loss === undefined ? "" : `, ${loss}`}`;
  return [{ area, level: "fail", what, fix: installHint(name), blocks }];
}

async function missingModule(host: Host, { name, area, blocks }: Module): Promise<Finding[]> {
  const there = await hasModule(host, name);
  if (there === true) return [];
  if (there !== false) {
    const what =
      `kernel module ${name} is not loaded, and modprobe cannot tell whether it can be: ` +
      there.unknown;
    return [{ area, level: "warn", what, fix: `run modprobe ${name} on this node to see` }];
  }
  const fix = "install the modules of the running kernel (Debian: linux-image; RHEL: " +
    "kernel-modules-core, kernel-modules-extra)";
  return [{ area, level: "fail", what: `the kernel has no module ${name}`, fix, blocks }];
}

/**
 * True when the kernel has the module: loaded, built in or loadable (modprobe(8), --dry-run). With
 * `unknown` the reason why that cannot be found out.
 */
export async function hasModule(host: Host, name: string): Promise<boolean | { unknown: string }> {
  if (await isModuleLoaded(host, name)) return true;
  try {
    const { code } = await host.run("modprobe", ["-n", "-q", name], {
      okCodes: [0, 1],
      timeoutMs: TOOL_TIMEOUT_MS,
    });
    return code === 0;
  } catch (error) {
    return { unknown: messageOf(error) };
  }
}

/** True for a loaded module; most modules that are built in show in sysfs too. */
async function isModuleLoaded(host: Host, name: string): Promise<boolean> {
  return (await listHostFolder(host, `/sys/module/${name}`)).length > 0;
}

/** An RDMA device shows in the sysfs class infiniband; the kernel's soft one (rdma_rxe) counts. */
async function missingRdma(host: Host, protocol: Protocol): Promise<Finding[]> {
  if ((await listHostFolder(host, "/sys/class/infiniband")).length > 0) return [];
  return [{
    area: PROTOCOL_FACTS[protocol].area,
    level: "warn",
    what: "no RDMA device in /sys/class/infiniband",
    blocks: [protocol],
  }];
}

const NATIVE_FIX = "start the host with nvme_core.multipath=Y on the kernel's command line";

/**
 * Findings on the kernel's native NVMe multipath. Without it every path is a device of its own, and
 * a volume that uses one of them is lost when that path is.
 */
async function nativeMultipath(host: Host): Promise<Finding[]> {
  const value = await readHostText(host, "/sys/module/nvme_core/parameters/multipath");
  if (value === "Y") {
    return [{ area: "nvme", level: "ok", what: "native multipath of the kernel is on" }];
  }
  const isOff = value === "N" ||
    /(^|\s)nvme_core\.multipath=(0|n|off)\b/i.test(await readHostText(host, "/proc/cmdline") ?? "");
  if (isOff) {
    return [{
      area: "nvme",
      level: "fail",
      what: "native NVMe multipath of the kernel is off",
      fix: NATIVE_FIX,
      blocks: NVME_PROTOCOLS,
    }];
  }
  // The module is loaded with the first connection, and multipath is on by default.
  if (!await isModuleLoaded(host, "nvme_core")) return [];
  const what = "the kernel was built without native NVMe multipath (CONFIG_NVME_MULTIPATH)";
  return [{
    area: "nvme",
    level: "fail",
    what,
    fix: "use a kernel with CONFIG_NVME_MULTIPATH",
    blocks: NVME_PROTOCOLS,
  }];
}

/**
 * An `ok` with the version of each tool that is installed, and a `fail` for each missing tool that
 * no protocol depends on; equipmentFindings() reports the other missing ones.
 */
export async function toolFindings(
  host: Host,
  { multipath }: PathSettings,
): Promise<Finding[]> {
  const isReal = ({ blocks }: Tool) => blocks?.some((one) => REAL_PROTOCOLS.includes(one)) ?? true;
  const tools = [...PROTOCOL_TOOLS.filter(isReal), ...FILE_SYSTEM_TOOLS];
  if (multipath) tools.push(...MULTIPATH_TOOLS);
  const found = await Promise.all(tools.map(async (tool): Promise<Finding[]> => {
    if (!await hasTool(host, tool.name)) return tool.blocks ? [] : await missingTool(host, tool);
    return await guarded(
      { area: tool.area },
      async () => [{ area: tool.area, level: "ok", what: await versionOf(host, tool) }],
    );
  }));
  return found.flat();
}

/** multipathd is missing here: it prints no version, and serviceFindings() looks for it. */
const MULTIPATH_TOOLS: Tool[] = [{
  name: "multipath",
  area: "multipath",
  version: ["-h"],
  blocks: SCSI_PROTOCOLS,
}];

async function versionOf(host: Host, { name, version }: Tool): Promise<string> {
  // resize2fs prints no version, and would take any argument for a device.
  if (version.length === 0) return name;
  const { stdout, stderr } = await host.run(name, version, {
    okCodes: [0, 1],
    timeoutMs: TOOL_TIMEOUT_MS,
  });
  return `${name} ${parseVersion(stdout || stderr) ?? "of unknown version"}`;
}

/**
 * A line of multipath-tools that belongs to no answer, such as a mistake in multipath.conf:
 * `46.019817 | …`.
 */
const TIMED_LINE = /^\d+\.\d+ \| /;

/**
 * The first version number in what a tool prints about itself: `mount.nfs: (linux nfs-utils 2.6.2)`
 * gives `2.6.2`. `undefined` when there is none.
 */
export function parseVersion(text: string): string | undefined {
  const said = text.split("\n").filter((line) => !TIMED_LINE.test(line)).join("\n");
  return /(?:^|[\sv-])(\d+\.\d+(?:\.\d+)*)/.exec(said)?.[1];
}
