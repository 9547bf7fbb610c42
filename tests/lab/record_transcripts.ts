/**
 * Records what the real tools say, for the unit tests of the code that reads it. Runs in the guest;
 * once for each Debian:
 *
 *     PSO_LAB_SUITE=bookworm tests/lab/lab run -o tests/transcripts -t 1200 'deno run -A tests/lab/record_transcripts.ts /out/debian12.json'
 *     PSO_LAB_SUITE=trixie   tests/lab/lab run -o tests/transcripts -t 1200 'deno run -A tests/lab/record_transcripts.ts /out/debian13.json'
 *
 * then `./scripts/deno fmt tests/transcripts`. Nothing here is edited by hand.
 */
import { SLOW_MS } from "./bed.ts";
import { array, NODE_IQN, SUBSYSTEM_NQN, TARGET_IQN } from "./array.ts";
import { testRun } from "../support/test_node.ts";

/** One run of a tool. Output is kept as lines, so that a change of it can be read. */
interface Recorded {
  tool: string;
  args: string[];
  code: number;
  stdout: string[];
  stderr: string[];
}

const ANY_CODE = [...Array(256).keys()];
const records: Record<string, Recorded> = {};

async function record(name: string, tool: string, ...args: string[]): Promise<Recorded> {
  const { code, stdout, stderr } = await testRun(tool, args, {
    okCodes: ANY_CODE,
    timeoutMs: SLOW_MS,
  });
  return records[name] = {
    tool,
    args,
    code,
    stdout: stdout.split("\n"),
    stderr: stderr.split("\n"),
  };
}

/** A step that is needed and not recorded. */
async function sh(line: string): Promise<string> {
  return (await testRun("bash", ["-c", line], { okCodes: ANY_CODE, timeoutMs: SLOW_MS })).stdout
    .trim();
}

async function recordVersions(): Promise<void> {
  await record("version of kernel", "uname", "-r");
  await record("version of iscsiadm", "iscsiadm", "--version");
  await record("version of multipath", "multipath", "-h");
  await record("version of nvme", "nvme", "version");
  await record("version of mkfs.xfs", "mkfs.xfs", "-V");
  await record("version of xfs_growfs", "xfs_growfs", "-V");
  await record("version of mkfs.ext4", "mkfs.ext4", "-V");
  await record("version of e2fsck", "e2fsck", "-V");
  await record("version of mount.nfs", "mount.nfs", "-V");
  await record("version of mount", "mount", "--version");
  await record("version of ip", "ip", "-V");
  await record("modprobe of a module that is there", "modprobe", "-n", "-q", "nfs");
  await record("modprobe of no module", "modprobe", "-n", "-q", "no_such_module");
}

async function recordMultipath(): Promise<void> {
  await record("multipathd runs", "multipathd", "show", "daemon");
  await record("multipathd config", "multipathd", "show", "config");
  await record("multipathd has no path", "multipathd", "show", "paths", "raw", "format", "%w");
  await record(
    "multipathd knows no such map",
    "multipathd",
    "add",
    "map",
    "3624a9370ffffffffffffffffffffffff",
  );
  await sh("cp /etc/multipath.conf /run/multipath.conf");
  const wrong = [
    "defaults {\n  user_friendly_names yes\n  find_multipaths strict\n  polling_interval 30\n}",
    'blacklist {\n  devnode "^(vd|loop|ram|zram|nvme)"\n  device {\n    vendor "PURE"\n  ' +
    '  product ".*"\n  }\n}',
    "overrides {\n  no_path_retry queue\n  path_grouping_policy multibus\n  failback " +
    "manual\n  fast_io_fail_tmo off\n}",
  ];
  await Deno.writeTextFile("/etc/multipath.conf", `${wrong.join("\n")}\n`);
  await sh("multipathd reconfigure; sleep 3");
  await record("multipathd config that is wrong", "multipathd", "show", "config");
  await Deno.writeTextFile(
    "/etc/multipath.conf",
    'blacklist {\n  wwid ".*"\n}\nblacklist_exceptions {\n  wwid "3624a9370.*"\n}\n',
  );
  await sh("multipathd reconfigure; sleep 3");
  await record("multipathd config that allows Pure alone", "multipathd", "show", "config");
  await sh("cp /run/multipath.conf /etc/multipath.conf; multipathd reconfigure; sleep 3");
}

function node(...rest: string[]): string[] {
  return ["-m", "node", "-T", TARGET_IQN, "-p", "127.0.0.1:3260", "-I", "pure-csi", ...rest];
}

async function recordIscsi(): Promise<void> {
  await array("start", "iscsi");
  await record(
    "iscsiadm makes an interface",
    "iscsiadm",
    "-m",
    "iface",
    "-I",
    "pure-csi",
    "-o",
    "new",
  );
  await record("iscsiadm logs in without a record", "iscsiadm", ...node("--login"));
  await record("iscsiadm deletes no record", "iscsiadm", ...node("-o", "delete"));
  await record("iscsiadm makes a record", "iscsiadm", ...node("-o", "new"));
  await record(
    "iscsiadm changes a record",
    "iscsiadm",
    ...node("-o", "update", "-n", "node.session.scan", "-v", "manual"),
  );
  await sh(
    `iscsiadm ${
      node("-o", "update", "-n", "node.session.initial_login_retry_max", "-v", "1").join(" ")
    }`,
  );
  await record("iscsiadm is refused", "iscsiadm", ...node("--login"));
  await array("host", NODE_IQN);
  await record("iscsiadm logs in", "iscsiadm", ...node("--login"));
  await record("iscsiadm logs in again", "iscsiadm", ...node("--login"));
  await recordScsiDevice();
  await record("iscsiadm logs out", "iscsiadm", ...node("--logout"));
  await record("iscsiadm logs out again", "iscsiadm", ...node("--logout"));
  await record("iscsiadm deletes a record", "iscsiadm", ...node("-o", "delete"));
  const silent = ["-m", "node", "-T", TARGET_IQN, "-p", "127.0.0.9:3260", "-I", "pure-csi"];
  await record(
    "iscsiadm makes a record of a portal that is down",
    "iscsiadm",
    ...silent,
    "-o",
    "new",
  );
  const settings = [["node.session.initial_login_retry_max", "1"], [
    "node.conn[0].timeo.login_timeout",
    "5",
  ]] as const;
  for (const [name, value] of settings) {
    await record(
      "iscsiadm changes a record of a portal that is down",
      "iscsiadm",
      ...silent,
      "-o",
      "update",
      "-n",
      name,
      "-v",
      value,
    );
  }
  await array("path", "127.0.0.9", "reset");
  await record("iscsiadm finds no portal", "iscsiadm", ...silent, "--login");
  await array("path", "127.0.0.9", "up");
  await record(
    "iscsiadm deletes a record of a portal that is down",
    "iscsiadm",
    ...silent,
    "-o",
    "delete",
  );
  await sh(`iscsiadm ${node("-o", "new").join(" ")}`);
  await sh("pkill -x iscsid; sleep 2");
  await record("iscsiadm logs in without iscsid", "iscsiadm", ...node("--login"));
  await sh("iscsid; sleep 1");
}

async function recordScsiDevice(): Promise<void> {
  const serial = await array("create", "v1", "400M", "1234567890ABCDEF00011010");
  const wwid = `3624a9370${serial.toLowerCase()}`;
  await array("map", "v1", NODE_IQN, 1);
  await sh("for host in /sys/class/scsi_host/host*; do echo 0 0 1 >$host/scan; done");
  await sh(
    `for i in $(seq 300); do [ -b /dev/mapper/${wwid} ] && break; sleep 0.1; done; udevadm settle`,
  );
  await record("multipathd has a path", "multipathd", "show", "paths", "raw", "format", "%w");
  await record("multipathd resizes a map", "multipathd", "resize", "map", wwid);
  await record("multipathd stops queueing", "multipathd", "disablequeueing", "map", wwid);
  await record("multipathd reloads a map", "multipathd", "reload", "map", wwid);
  const busy = `exec 5<>/dev/mapper/${wwid}; exec multipathd del map ${wwid}`;
  const { code, stdout, stderr } = await testRun("bash", ["-c", busy], {
    okCodes: ANY_CODE,
    timeoutMs: SLOW_MS,
  });
  const args = ["del", "map", wwid];
  records["multipathd keeps a map that is open"] = {
    tool: "multipathd",
    args,
    code,
    stdout: stdout.split("\n"),
    stderr: stderr.split("\n"),
  };
  await sh("udevadm settle");
  await record("multipathd removes a map", "multipathd", ...args);
  await record("multipathd removes no map", "multipathd", ...args);
  await record("multipath flushes no map", "multipath", "-f", wwid);
  const name = await sh("ls /sys/class/scsi_device/*/device/block | grep -m1 sd");
  await record("multipathd forgets a path", "multipathd", "del", "path", name);
  await record("multipathd forgets no path", "multipathd", "del", "path", "sdzz");
  await sh(
    "for device in /sys/class/scsi_device/*/device/delete; do echo 1 >$device; done; " +
      "udevadm settle",
  );
  await sh("pkill -x multipathd; sleep 5");
  await record("multipathd does not run", "multipathd", "show", "daemon");
  await record("multipathd cannot be asked", "multipathd", "show", "config");
  await sh("multipathd; sleep 3");
  await array("delete", "v1");
}

async function recordNvme(): Promise<void> {
  await array("start", "nvme");
  const connect = (address: string) => [
    "connect",
    "-t",
    "tcp",
    "-n",
    SUBSYSTEM_NQN,
    "-a",
    address,
    "-s",
    "4420",
    "--ctrl-loss-tmo=-1",
    "--reconnect-delay=5",
  ];
  await record("nvme connects", "nvme", ...connect("127.0.0.1"));
  await record("nvme connects again", "nvme", ...connect("127.0.0.1"));
  await array("path", "127.0.0.9", "reset");
  await record("nvme is refused", "nvme", ...connect("127.0.0.9"));
  await array("path", "127.0.0.9", "up");
  const name = await sh("ls /sys/class/nvme | head -n1");
  await record("nvme disconnects", "nvme", "disconnect", "-d", name);
  await record("nvme disconnects again", "nvme", "disconnect", "-d", name);
}

async function recordFileSystems(): Promise<void> {
  const [xfs, ext4] = ["/run/xfs.img", "/run/ext4.img"];
  await sh("modprobe loop");
  await sh(`mkdir -p /mnt/a /mnt/b; truncate -s 400M ${xfs}; truncate -s 64M ${ext4}`);
  await record(
    "losetup lists nothing",
    "losetup",
    "--list",
    "--json",
    "--output",
    "NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN",
  );
  const xfsLoop =
    (await record("losetup attaches", "losetup", "--find", "--show", xfs)).stdout[0] ?? "";
  const ext4Loop = await sh(`losetup --find --show ${ext4}`);
  await record(
    "losetup lists",
    "losetup",
    "--list",
    "--json",
    "--output",
    "NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN",
  );
  const uuid = "0a1b2c3d-0000-4000-8000-00000000000f";
  await record("mkfs.xfs makes", "mkfs.xfs", "-m", `uuid=${uuid}`, xfsLoop);
  const again = ["-m", `uuid=${uuid}`, "-K", "--", xfsLoop];
  await record("mkfs.xfs overwrites nothing", "mkfs.xfs", ...again);
  await sh(`mkfs.ext4 -U ${uuid} -q ${ext4Loop}`);
  await record("e2fsck is content", "e2fsck", "-f", "-p", ext4Loop);
  await record("mount of xfs", "mount", "-t", "xfs", "-o", "nouuid", xfsLoop, "/mnt/a");
  await sh(`mount ${ext4Loop} /mnt/b`);
  const mounted = ["-U", uuid, "-E", "nodiscard", "-q", "--", ext4Loop];
  await record("mkfs.ext4 refuses a mounted device", "mkfs.ext4", ...mounted);
  await record("wipefs refuses a mounted device", "wipefs", "--all", "--types", "xfs", xfsLoop);
  await record("xfs_growfs looks", "xfs_growfs", "-n", "/mnt/a");
  await record("xfs_growfs has nothing to do", "xfs_growfs", "/mnt/a");
  await record("xfs_growfs finds no xfs", "xfs_growfs", "-n", "/mnt/b");
  await record(
    "stat of a file system",
    "stat",
    "--file-system",
    "--format=%S %b %f %a %c %d",
    "--",
    "/mnt/a",
  );
  await record(
    "stat of nothing",
    "stat",
    "--file-system",
    "--format=%S %b %f %a %c %d",
    "--",
    "/mnt/none",
  );
  const busy = await testRun("bash", ["-c", "cd /mnt/a; exec umount /mnt/a"], {
    okCodes: ANY_CODE,
  });
  records["umount of a busy mount"] = {
    tool: "umount",
    args: ["/mnt/a"],
    code: busy.code,
    stdout: busy.stdout.split("\n"),
    stderr: busy.stderr.split("\n"),
  };
  await sh(`truncate -s 500M ${xfs}; truncate -s 96M ${ext4}`);
  await record("losetup takes a new size", "losetup", "--set-capacity", xfsLoop);
  await sh(`losetup --set-capacity ${ext4Loop}`);
  await record("xfs_growfs grows", "xfs_growfs", "/mnt/a");
  await sh(`resize2fs ${ext4Loop}`);
  await record("umount", "umount", "/mnt/a");
  await record("umount of what is not mounted", "umount", "/mnt/a");
  await sh("umount /mnt/b");
  await record("resize2fs wants a check first", "resize2fs", ext4Loop);
  await record("wipefs wipes", "wipefs", "--all", "--types", "xfs", xfsLoop);
  await record("mount of no file system", "mount", "-t", "xfs", "-o", "nouuid", xfsLoop, "/mnt/a");
  await sh(`dd if=/dev/urandom of=${ext4Loop} bs=4k seek=8 count=64 status=none`);
  await record("e2fsck wants a person", "e2fsck", "-f", "-p", ext4Loop);
  await record("losetup detaches", "losetup", "--detach", xfsLoop);
  await record("losetup detaches again", "losetup", "--detach", xfsLoop);
  await sh(`losetup --detach ${ext4Loop}`);
}

async function recordNfs(): Promise<void> {
  await array("start", "nfs");
  await array("fs-create", "/pvc-1", "256M");
  await array("export", "/pvc-1");
  const mount = (
    version: string,
    source: string,
  ) => ["-t", "nfs", "-o", `vers=${version}`, source, "/mnt/a"];
  await record("mount of NFS", "mount", ...mount("4.1", "127.0.0.1:/pvc-1"));
  await sh("umount /mnt/a");
  await record(
    "mount of NFS that is not exported, v4.1",
    "mount",
    ...mount("4.1", "127.0.0.1:/none"),
  );
  await record("mount of NFS that is not exported, v3", "mount", ...mount("3", "127.0.0.1:/none"));
  await array("unexport", "/pvc-1");
  await sh("exportfs -o rw 192.0.2.1:/pvc-1");
  await record(
    "mount of NFS that names another host, v4.1",
    "mount",
    ...mount("4.1", "127.0.0.1:/pvc-1"),
  );
  await record(
    "mount of NFS that names another host, v3",
    "mount",
    ...mount("3", "127.0.0.1:/pvc-1"),
  );
  await sh("exportfs -u 192.0.2.1:/pvc-1");
  await array("path", "127.0.0.9", "reset");
  await record(
    "mount of NFS from a server that refuses",
    "mount",
    "-t",
    "nfs",
    "-o",
    "vers=4.1,retry=0",
    "127.0.0.9:/pvc-1",
    "/mnt/a",
  );
  await array("path", "127.0.0.9", "up");
  await sh("rpc.nfsd 0; rpc.nfsd -N 4 -V 3 8");
  await record("mount of NFS that lacks v4.1", "mount", ...mount("4.1", "127.0.0.1:/pvc-1"));
}

await recordVersions();
await recordMultipath();
await recordIscsi();
await recordNvme();
await recordFileSystems();
await recordNfs();
await record("ip shows addresses", "ip", "-json", "address");
await Deno.writeTextFile(Deno.args[0] ?? "", `${JSON.stringify(records, null, 2)}\n`);
