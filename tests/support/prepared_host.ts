/** A host that lacks nothing but FC and RDMA, and what checkHost() finds on it when it is broken. */
import { PsoError } from "../../src/errors.ts";
import type { Finding } from "../../src/host/check/finding.ts";
import { checkHost } from "../../src/host/check/host_check.ts";
import type { Run } from "../../src/run.ts";
import { type Transcripts, withHostRoot } from "./test_host.ts";

export const UUID = "4c41422d-4e4f-4445-8000-000000000001";
const TOOLS = [
  "iscsiadm",
  "multipathd",
  "multipath",
  "nvme",
  "mount.nfs",
  "rpc.statd",
  "rpcbind",
  "mount",
  "timedatectl",
];
const FS_TOOLS = ["mkfs.xfs", "xfs_growfs", "mkfs.ext4", "e2fsck", "resize2fs"];
// As the kernel of the lab's guest shows them.
const SOCKETS = `Num       RefCount Protocol Flags    Type St Inode Path
00000000f1aebd24: 00000002 00000000 00010000 0005 01 11758 /run/udev/control
000000006c763bab: 00000002 00000000 00010000 0001 01  1357 @/org/kernel/linux/storage/multipathd
000000009fe4e297: 00000002 00000000 00010000 0001 01  1354 @ISCSIADM_ABSTRACT_NAMESPACE
`;
export const PURE_RULES = `# FlashArray
ACTION=="add|change", KERNEL=="sd*[!0-9]", SUBSYSTEM=="block", ENV{ID_VENDOR}=="PURE", ATTR{queue/scheduler}="none"
ACTION=="add|change", KERNEL=="sd*[!0-9]", SUBSYSTEM=="block", ENV{ID_VENDOR}=="PURE", ATTR{device/timeout}="60"
`;
export const UA_RULE =
  'ACTION=="change", SUBSYSTEM=="scsi", ENV{SDEV_UA}=="CAPACITY_DATA_HAS_CHANGED", ' +
  'TEST=="rescan", ATTR{rescan}="x"\n';
export const SCAN_RULE = 'ACTION=="change", SUBSYSTEM=="scsi", ' +
  'ENV{SDEV_UA}=="REPORTED_LUNS_DATA_HAS_CHANGED", RUN+="scan-scsi-target ' +
  '$env{DEVPATH}"\n';

/** A host that lacks nothing but FC and RDMA. */
export const PREPARED: Record<string, string> = {
  ...Object.fromEntries([...TOOLS, ...FS_TOOLS].map((tool) => [`/usr/sbin/${tool}`, ""])),
  "/etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1993-08.org.debian:01:lab\n",
  "/etc/iscsi/iscsid.conf": "iscsid.startup = /bin/systemctl start iscsid.socket\n",
  "/etc/nvme/hostnqn": `nqn.2014-08.org.nvmexpress:uuid:${UUID}\n`,
  "/etc/nvme/hostid": `${UUID}\n`,
  "/sys/module/nvme_core/parameters/multipath": "Y\n",
  "/proc/self/mountinfo": "",
  "/proc/self/net/unix": SOCKETS,
  "/etc/udev/rules.d/99-pure-storage.rules": PURE_RULES,
  "/etc/udev/rules.d/90-scsi-ua.rules": UA_RULE,
};

/** What is different on a host. */
export interface Breaks {
  /** Files that are not there, or hold something else. */
  files?: Record<string, string | undefined>;
  /** Kernel modules that are nowhere. */
  lacking?: string[];
  /** Recordings that answer in place of those of a prepared host. */
  answers?: string[];
  /** A tool that never ends. */
  hanging?: string;
}

/** The tools of such a host. */
export function runOf(
  transcripts: Transcripts,
  { lacking = [], answers = [], hanging }: Breaks,
): Run {
  const versions = [
    "iscsiadm",
    "multipath",
    "nvme",
    "mkfs.xfs",
    "xfs_growfs",
    "mkfs.ext4",
    "e2fsck",
    "mount.nfs",
    "mount",
  ];
  const run = transcripts.run(
    ...versions.map((tool) => `version of ${tool}`),
    "multipathd runs",
    "multipathd config",
    ...answers,
  );
  return (tool, args, options) => {
    if (tool === hanging) {
      return Promise.reject(
        new PsoError("timeout", `${[tool, ...args].join(" ")} did not end within 10000 ms`),
      );
    }
    if (tool === "timedatectl") {
      // timedatectl(1), show
      return Promise.resolve({ code: 0, stdout: "NTPSynchronized=yes\n", stderr: "" });
    }
    if (tool !== "modprobe") return run(tool, args, options);
    return Promise.resolve(
      transcripts.result(
        lacking.includes(args.at(-1) ?? "")
          ? "modprobe of no module"
          : "modprobe of a module that is there",
      ),
    );
  };
}

/** What checkHost() finds on such a host. */
export async function findingsOf(
  transcripts: Transcripts,
  breaks: Breaks = {},
  multipath = true,
): Promise<Finding[]> {
  const files: Record<string, string> = {};
  for (const [path, text] of Object.entries({ ...PREPARED, ...breaks.files })) {
    if (text !== undefined) files[path] = text;
  }
  let findings: Finding[] = [];
  await withHostRoot(files, async (host) => {
    findings = await checkHost(host, { multipath });
  }, { run: runOf(transcripts, breaks) });
  return findings;
}
