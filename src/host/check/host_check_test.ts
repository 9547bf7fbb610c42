import assert from "node:assert/strict";
import type { Protocol } from "../../protocols.ts";
import {
  type Breaks,
  findingsOf,
  PREPARED,
  runOf,
  SCAN_RULE,
  UA_RULE,
  UUID,
} from "../../../tests/support/prepared_host.ts";
import { DEBIANS, Transcripts, withHostRoot } from "../../../tests/support/test_host.ts";
import { equipmentFindings } from "./equipment_check.ts";
import { blockReasons, type Finding, reportOf, textOf } from "./finding.ts";
import { checkHost } from "./host_check.ts";
import { serviceFindings } from "./service_check.ts";

const ABSENT = ["no FC port in /sys/class/fc_host", "no RDMA device in /sys/class/infiniband"];

function notRight(findings: Finding[]): string[] {
  return findings.filter(({ level, what }) =>
    level !== "ok" && !ABSENT.includes(what) && !what.includes("for FlashArray volumes")
  )
    .map((finding) => `${finding.level} ${finding.area}: ${textOf(finding)}`);
}

const CASES: { name: string; breaks: Breaks; said: string; blocked: Protocol[] }[] = [
  {
    name: "without iscsiadm",
    breaks: { files: { "/usr/sbin/iscsiadm": undefined } },
    said: "fail iscsi: tool iscsiadm is not installed; install the package open-iscsi " +
      "(RHEL: iscsi-initiator-utils) on this node",
    blocked: ["iscsi"],
  },
  {
    name: "with a placeholder for an initiator name",
    breaks: { files: { "/etc/iscsi/initiatorname.iscsi": "InitiatorName=/sbin/iscsi-iname\n" } },
    said: 'fail iscsi: /etc/iscsi/initiatorname.iscsi holds "/sbin/iscsi-iname", which is no ' +
      "IQN: write InitiatorName=$(iscsi-iname)",
    blocked: ["iscsi"],
  },
  {
    name: "whose iscsid does not run and cannot be started",
    breaks: { files: { "/proc/self/net/unix": "Num\n" } },
    said: "fail iscsi: iscsid does not run, and iscsiadm has no command to start it; " +
      "start it and let it start at boot: systemctl enable --now iscsid.socket (RHEL also: iscsid)",
    blocked: ["iscsi"],
  },
  {
    name: "whose iscsid is started by systemd when it is needed",
    breaks: {
      files: { "/proc/self/net/unix": "Num\n", "/bin/systemctl": "", "/run/systemd/system/": "" },
    },
    said: "warn iscsi: iscsid does not run; iscsiadm starts it by /bin/systemctl start " +
      "iscsid.socket; " +
      "start it and let it start at boot: systemctl enable --now iscsid.socket (RHEL also: iscsid)",
    blocked: [],
  },
  {
    name: "whose multipathd does not run",
    breaks: { answers: ["multipathd does not run"] },
    said: "fail multipath: multipathd does not run on this node, and without it a volume is " +
      "lost when its one path is; start it and let it start at boot: " +
      "systemctl enable --now multipathd, or set flasharray.multipath to false",
    blocked: ["iscsi"],
  },
  {
    name: "whose multipathd leaves FlashArrays alone",
    breaks: { answers: ["multipathd config that is wrong"] },
    said: "fail multipath: the blacklist of multipathd hits every FlashArray volume by " +
      'device { vendor "PURE" product ".*" }; remove that rule from multipath.conf, or add ' +
      'device { vendor "PURE" product "FlashArray" } to blacklist_exceptions, then run ' +
      "multipathd reconfigure",
    blocked: ["iscsi"],
  },
  {
    name: "whose multipathd hangs",
    breaks: { hanging: "multipathd" },
    said: "fail multipath: multipathd show daemon did not end within 10000 ms",
    blocked: ["iscsi"],
  },
  {
    name: "whose nvme hangs",
    breaks: { hanging: "nvme" },
    said: "fail nvme: nvme version did not end within 10000 ms",
    blocked: [],
  },
  {
    name: "that has native NVMe multipath off",
    breaks: { files: { "/sys/module/nvme_core/parameters/multipath": "N\n" } },
    said: "fail nvme: native NVMe multipath of the kernel is off; start the host with " +
      "nvme_core.multipath=Y on the kernel's command line",
    blocked: ["nvme-tcp"],
  },
  {
    name: "whose NVMe module is not loaded yet and will come without multipath",
    breaks: {
      files: {
        "/sys/module/nvme_core/parameters/multipath": undefined,
        "/proc/cmdline": "quiet nvme_core.multipath=N ro\n",
      },
    },
    said: "fail nvme: native NVMe multipath of the kernel is off; start the host with " +
      "nvme_core.multipath=Y on the kernel's command line",
    blocked: ["nvme-tcp"],
  },
  {
    name: "whose NQN comes from firmware that has no UUID",
    breaks: {
      files: {
        "/etc/nvme/hostnqn":
          "nqn.2014-08.org.nvmexpress:uuid:03000200-0400-0500-0006-000700080009\n",
      },
    },
    said: "fail nvme: /etc/nvme/hostnqn holds the UUID 03000200-0400-0500-0006-000700080009, " +
      "which many machines have, because their firmware has none of its own, and hosts with one " +
      "NQN see each other's volumes: write one UUID of uuidgen into /etc/nvme/hostnqn and " +
      "/etc/nvme/hostid",
    blocked: ["nvme-tcp"],
  },
  {
    name: "whose host ID belongs to another NQN",
    breaks: { files: { "/etc/nvme/hostid": "11111111-1111-1111-1111-111111111112\n" } },
    said: "warn nvme: host ID 11111111-1111-1111-1111-111111111112 is not the UUID of the host " +
      "NQN, and the kernel refuses one host ID with two NQNs (Invalid argument); " +
      `write ${UUID} into /etc/nvme/hostid while no volume is attached`,
    blocked: [],
  },
  {
    name: "whose iSCSI sessions run under another name",
    breaks: {
      files: {
        "/sys/class/iscsi_session/session1/initiatorname": "iqn.1993-08.org.debian:01:old\n",
      },
    },
    said: "warn iscsi: connections of this host run as iqn.1993-08.org.debian:01:old, and " +
      "/etc/iscsi/initiatorname.iscsi has iqn.1993-08.org.debian:01:lab: the array takes them " +
      "for two hosts; end those connections, or restore the old name",
    blocked: [],
  },
  {
    name: "whose kernel has no NVMe/TCP",
    breaks: { lacking: ["nvme_tcp"] },
    said: "fail nvme: the kernel has no module nvme_tcp; install the modules of the running " +
      "kernel (Debian: linux-image; RHEL: kernel-modules-core, kernel-modules-extra)",
    blocked: ["nvme-tcp"],
  },
  {
    name: "without mount.nfs",
    breaks: { files: { "/usr/sbin/mount.nfs": undefined } },
    said: "fail nfs: tool mount.nfs is not installed; install the package nfs-common " +
      "(RHEL: nfs-utils) on this node",
    blocked: ["nfs"],
  },
  {
    name: "without rpcbind",
    breaks: { files: { "/usr/sbin/rpcbind": undefined } },
    said: "warn nfs: rpcbind is not installed: mounts with vers=3 fail, mounts with vers=4.1 " +
      "work without; install the packages nfs-common and rpcbind (RHEL: nfs-utils, rpcbind), or " +
      "mount with vers=4.1",
    blocked: [],
  },
  {
    name: "without mkfs.xfs",
    breaks: { files: { "/usr/sbin/mkfs.xfs": undefined } },
    said: "fail file systems: tool mkfs.xfs is not installed, volumes cannot be formatted with " +
      "xfs; install the package xfsprogs on this node",
    blocked: [],
  },
  {
    name: "whose services do not start at boot",
    breaks: {
      files: { "/run/systemd/system/": "", "/usr/lib/systemd/system/multipathd.service": "" },
    },
    said: "warn multipath: multipathd.service does not start at boot; " +
      "run systemctl enable multipathd.service",
    blocked: [],
  },
  {
    name: "that scans LUNs by itself",
    breaks: { files: { "/etc/udev/rules.d/90-scsi-ua.rules": UA_RULE + SCAN_RULE } },
    said: "warn udev: /etc/udev/rules.d/90-scsi-ua.rules scans for LUNs by itself " +
      "(REPORTED_LUNS_DATA_HAS_CHANGED): disks that the driver removed come back, and a LUN that " +
      "is used again may show its old volume; put a file of that name without this rule into " +
      "/etc/udev/rules.d",
    blocked: [],
  },
];

for (const debian of DEBIANS) {
  const transcripts = await Transcripts.of(debian);

  Deno.test(`${debian}: checkHost() finds nothing wrong with a prepared host, and says which hardware it has not`, async () => {
    const findings = await findingsOf(transcripts);
    assert.deepEqual(notRight(findings), []);
    assert.deepEqual(Object.keys(blockReasons(findings)).sort(), ["fc", "nvme-fc", "nvme-roce"]);
    const { text, isUsable } = reportOf(findings);
    assert.match(text, /^OK {3}iscsi: iscsiadm 2\.1\.\d+$/m);
    assert.match(text, /^OK {3}time: a time source keeps the clock right$/m);
    assert.match(
      text,
      /\n0 FAIL, \d+ WARN, \d+ OK; usable: iscsi, nvme-tcp, nfs; not usable: fc, nvme-roce, nvme-fc\n$/,
    );
    assert.equal(isUsable, true);
  });

  Deno.test.each(CASES)(
    `${debian}: checkHost() of a host $name`,
    async ({ breaks, said, blocked }) => {
      const findings = await findingsOf(transcripts, breaks);
      assert.deepEqual(notRight(findings), [said]);
      const absent = ["fc", "nvme-roce", "nvme-fc"];
      assert.deepEqual(
        Object.keys(blockReasons(findings)).filter((protocol) => !absent.includes(protocol)),
        blocked,
      );
    },
  );
}

const transcripts = await Transcripts.of("debian12");

Deno.test("checkHost() wants no multipathd when the configuration switches multipath off, and says what that means", async () => {
  const findings = await findingsOf(
    transcripts,
    { files: { "/usr/sbin/multipathd": undefined } },
    false,
  );
  assert.deepEqual(notRight(findings), [
    "warn multipath: flasharray.multipath is false: an iSCSI or FC volume has one path, and is " +
    "lost when that path is",
  ]);
});

Deno.test("checkHost() says only that when the host's root is not there", () =>
  withHostRoot({}, async (host) => {
    const [finding, ...more] = await checkHost(host, { multipath: true });
    assert.deepEqual(more, []);
    assert.equal(finding?.level, "fail");
    assert.match(
      finding?.what ?? "",
      /; mount the host's \/ at the folder that --host-root names$/,
    );
    assert.equal(reportOf(finding ? [finding] : []).isUsable, false);
  }));

Deno.test("checkHost() wants a state folder that is writable, and warns of one that does not last", async () => {
  const mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:30 / /tmp rw - tmpfs tmpfs rw\n";
  const folder = await Deno.makeTempDir({ dir: "/tmp" });
  await withHostRoot({ ...PREPARED, "/proc/self/mountinfo": mounts }, async (host) => {
    const about = async (stateDir: string) =>
      (await checkHost(host, { multipath: true, stateDir })).filter(({ what }) =>
        what.includes(stateDir)
      ).map(({ level }) => level);
    assert.deepEqual(await about(folder), ["warn"]);
    await Deno.writeTextFile(`${folder}/file`, "");
    assert.deepEqual(await about(`${folder}/file/below`), ["fail"]);
  }, { run: runOf(transcripts, {}) });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("reportOf() wants what was asked for, and takes the rest for no fault", async () => {
  const findings = await findingsOf(transcripts, { answers: ["multipathd does not run"] });
  assert.equal(reportOf(findings).isUsable, true, "NVMe/TCP and NFS work");
  const iscsi = reportOf(findings, ["iscsi"]);
  assert.equal(iscsi.isUsable, false);
  assert.match(iscsi.text, /^FAIL multipath: multipathd does not run/m);
  const nvme = reportOf(findings, ["nvme-tcp"]);
  assert.equal(nvme.isUsable, true);
  assert.match(nvme.text, /^WARN multipath: multipathd does not run/m);
  assert.match(reportOf(findings, ["fc"]).text, /^FAIL fc: no FC port/m);
});

Deno.test("equipment and services of one protocol are looked at without those of the others", () =>
  withHostRoot({ "/usr/sbin/mount.nfs": "" }, async (host) => {
    const blocked = async (protocol: Protocol) => {
      const found = [
        ...await equipmentFindings(host, { protocols: [protocol] }),
        ...await serviceFindings(host, { protocols: [protocol], multipath: true }),
      ];
      return blockReasons(found)[protocol];
    };
    assert.equal(await blocked("nfs"), undefined);
    assert.match(
      await blocked("iscsi") ?? "",
      /iscsiadm is not installed.*multipathd is not installed/,
    );
  }, { run: () => Promise.resolve({ code: 0, stdout: "", stderr: "" }) }));
