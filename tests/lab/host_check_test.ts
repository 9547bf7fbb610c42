/**
 * The check of a host on a real one, broken in one place after the other; and what the node then
 * refuses.
 */
import assert from "node:assert/strict";
import { PERMISSIONS } from "../../scripts/program.ts";
import { blockReasons, reportOf } from "../../src/host/check/finding.ts";
import { checkHost } from "../../src/host/check/host_check.ts";
import { mountCapability, testRun } from "../support/test_node.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiVolume } from "./array.ts";
import { hostState, LabNode, refusal, sh, SLOW_MS } from "./bed.ts";

await array("start", "iscsi");
await array("start", "nfs");

const HOST = { run: testRun, root: "/", namespaces: "direct" } as const;
/** What a guest has no hardware for. */
const ABSENT = ["fc", "nvme-roce", "nvme-fc"];

async function report(): Promise<string> {
  return reportOf(await checkHost(HOST, { multipath: true })).text;
}

const CONF = "/etc/multipath.conf";
const NAME_FILE = "/etc/iscsi/initiatorname.iscsi";
const UNTIL_GONE =
  "for i in $(seq 100); do pgrep -x $it >/dev/null || exit 0; sleep 0.1; done; exit 1";
const UNTIL_ANSWERS =
  "for i in $(seq 100); do multipathd show daemon | grep -q ^pid && exit 0; sleep 0.1; " +
  "done; exit 1";
/**
 * Lets multipathd read its configuration, and waits until the blacklist or the whole of it has this
 * (or has it no more): it does so later.
 */
function reconfigure(what: { until: "has" | "lacks"; line: string }): string {
  const look = `multipathd show config | sed -n '/^defaults/,/^devices/p' | grep -c '${what.line}'`;
  const isSo = what.until === "has" ? "-gt 0" : "-eq 0";
  return `multipathd reconfigure; for i in $(seq 100); do n=$(${look}); multipathd show ` +
    "config | grep -c '^devices' | grep -qx 1 && " +
    `[ "$n" ${isSo} ] && exit 0; sleep 0.2; done; exit 1`;
}

// A lab with friendly names has what one of the cases spoils.
await sh(
  `sed -i 's/user_friendly_names yes/user_friendly_names no/' ${CONF}; ${
    reconfigure({ until: "lacks", line: 'user_friendly_names "yes"' })
  }`,
);

const CASES = [
  {
    name: "multipathd does not run",
    spoil: `multipathd shutdown; it=multipathd; ${UNTIL_GONE}`,
    mend: `multipathd; ${UNTIL_ANSWERS}`,
    line:
      /^FAIL multipath: multipathd does not run on this node, and without it a volume is lost when its one path is; start it/m,
    refused: "iscsi",
  },
  {
    name: "multipathd's blacklist hits FlashArray volumes",
    spoil:
      `cp ${CONF} /run/good; printf 'blacklist {\\n device {\\n vendor "PURE"\\n }\\n}\\n' >>${CONF}; ${
        reconfigure({ until: "has", line: "PURE" })
      }`,
    mend: `cp /run/good ${CONF}; ${reconfigure({ until: "lacks", line: "PURE" })}`,
    line:
      /^FAIL multipath: the blacklist of multipathd hits every FlashArray volume by device \{ vendor "PURE" .*\}; remove that rule from/m,
    refused: "iscsi",
  },
  {
    name: "user_friendly_names is on",
    spoil:
      `cp ${CONF} /run/good; sed -i 's/user_friendly_names no/user_friendly_names yes/' ${CONF}; ${
        reconfigure({ until: "has", line: 'user_friendly_names "yes"' })
      }`,
    mend: `cp /run/good ${CONF}; ${
      reconfigure({ until: "lacks", line: 'user_friendly_names "yes"' })
    }`,
    line: /^WARN multipath: user_friendly_names is yes for FlashArray volumes: /m,
    refused: undefined,
  },
  {
    name: "the initiator name is a placeholder",
    spoil: `cp ${NAME_FILE} /run/good; echo InitiatorName=/sbin/iscsi-iname >${NAME_FILE}`,
    mend: `cp /run/good ${NAME_FILE}`,
    line:
      /^FAIL iscsi: \/etc\/iscsi\/initiatorname\.iscsi holds "\/sbin\/iscsi-iname", which is no IQN: /m,
    refused: "iscsi",
  },
  {
    name: "iscsid does not run and nothing starts it",
    spoil: `it=iscsid; pkill -x $it; ${UNTIL_GONE}`,
    mend: "iscsid; for i in $(seq 100); do grep -q @ISCSIADM /proc/net/unix && exit 0; sleep " +
      "0.1; done; exit 1",
    line: /^FAIL iscsi: iscsid does not run, and iscsiadm has no command to start it; start it/m,
    refused: "iscsi",
  },
  {
    name: "mount.nfs is not there",
    spoil: "mv /usr/sbin/mount.nfs /run/mount.nfs",
    mend: "mv /run/mount.nfs /usr/sbin/mount.nfs",
    line:
      /^FAIL nfs: tool mount\.nfs is not installed; install the package nfs-common \(RHEL: nfs-utils\) on this node$/m,
    refused: "nfs",
  },
] as const;

Deno.test("the check finds no FAIL on a prepared host", async () => {
  const text = await report();
  assert.doesNotMatch(text, /^FAIL/m);
  assert.match(text, /usable: iscsi, nvme-tcp, nfs; not usable: fc, nvme-roce, nvme-fc\n$/);
});

for (const [index, { name, spoil, mend, line, refused }] of CASES.entries()) {
  Deno.test(`the check tells that ${name}, and what that makes impossible is refused before anything is touched`, () =>
    LabNode.leavesNothing(async (lab) => {
      const volume = refused === "nfs"
        ? lab.volume({ protocol: "nfs", address: "127.0.0.1", path: "/none" })
        : lab.volume(
          await iscsiVolume(`refused-${index}`, { lun: 10 + index, sizeBytes: 384 * MiB }),
        );
      const capability = refused === "nfs"
        ? mountCapability("nfs", "multi-node-multi-writer")
        : mountCapability();
      await sh(spoil);
      try {
        const findings = await checkHost(HOST, { multipath: true });
        assert.match(reportOf(findings).text, line);
        const blocked = Object.keys(blockReasons(findings)).filter((protocol) =>
          !ABSENT.includes(protocol)
        );
        assert.deepEqual(blocked, refused === undefined ? [] : [refused]);
        if (refused !== undefined) {
          const before = hostState();
          assert.match(
            await refusal(lab.stage(volume, { capability })),
            new RegExp(`^unavailable: this node is not prepared for ${refused}: `),
          );
          assert.deepEqual(hostState(), before);
          assert.notEqual((await lab.node.protocolReasons())[refused], undefined);
        }
      } finally {
        await sh(mend);
      }
      assert.equal((await lab.restart().protocolReasons())[refused ?? "iscsi"], undefined);
      if (refused !== "nfs") await array("delete", `refused-${index}`);
    }));
}

Deno.test("a volume that is staged stays staged while multipathd is down, a new one is refused, and all goes on when it is back", () =>
  LabNode.leavesNothing(async (lab) => {
    const staged = lab.volume(await iscsiVolume("staged", { lun: 1, sizeBytes: 384 * MiB }));
    const next = lab.volume(await iscsiVolume("next", { lun: 2, sizeBytes: 384 * MiB }));
    await lab.stage(staged);
    await sh(CASES[0].spoil);
    lab.restart(); // a new process has not found the host good before
    await lab.stage(staged);
    await lab.publish(staged);
    assert.match(await refusal(lab.stage(next)), /not prepared for iscsi: multipathd does not run/);
    await sh(CASES[0].mend);
    await lab.stage(next);
    await lab.takeAway(next);
    await lab.takeAway(staged);
    for (const name of ["staged", "next"]) await array("delete", name);
  }));

Deno.test("`node --check` and `admin check --node` give the same report from the confined program, below the host's root", async () => {
  await sh("mkdir -p /host && mount --rbind / /host && mount --make-rslave /host");
  const program = async (...args: string[]) => {
    const line = [
      "run",
      "--quiet",
      "--cached-only",
      "--no-check",
      ...PERMISSIONS,
      "main.ts",
      ...args,
    ];
    const { code, stdout } = await testRun("bash", [
      "-c",
      `cd /src && DENO_DIR=${Deno.env.get("DENO_DIR")} exec deno "$@"`,
      "deno",
      ...line,
    ], {
      okCodes: [0, 1, 2],
      timeoutMs: SLOW_MS,
    });
    return {
      code,
      lines: stdout.trimEnd().split("\n").filter((text) => !text.includes("state folder")),
    };
  };
  const [node, admin] = [
    await program("node", "--check", "--state-dir", "/var/lib/pso"),
    await program("admin", "check", "--node"),
  ];
  const withoutCounts = (lines: string[]) => lines.slice(0, -1);
  assert.deepEqual(withoutCounts(node.lines), withoutCounts(admin.lines));
  assert.match(node.lines.at(-1) ?? "", /^0 FAIL, .*usable: iscsi, nvme-tcp, nfs; /);
  assert.deepEqual([node.code, admin.code], [0, 0]);
  await sh("umount -R /host");
});
