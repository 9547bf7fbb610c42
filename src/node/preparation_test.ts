import assert from "node:assert/strict";
import { PROTOCOLS } from "../protocols.ts";
import type { Host } from "../host/host.ts";
import { DEBIANS, Transcripts, withHostRoot } from "../../tests/support/test_host.ts";
import { Preparation } from "./preparation.ts";
import { failureOf } from "../../tests/support/test_node.ts";

const FILES = {
  "/usr/sbin/iscsiadm": "",
  "/usr/sbin/multipathd": "",
  "/usr/sbin/mount.nfs": "",
  "/sys/module/iscsi_tcp/refcnt": "1\n",
  "/sys/module/nfs/refcnt": "1\n",
  "/etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1993-08.org.debian:01:lab\n",
  "/proc/self/net/unix":
    "0: 00000002 00000000 00010000 0001 01 1354 @ISCSIADM_ABSTRACT_NAMESPACE\n",
};

/** A node on a host of these files; `host.run` can be changed while it lives. */
async function withPreparation(
  work: (it: { preparation: Preparation; host: Host; clock: { nowMs: number } }) => Promise<void>,
  files: Record<string, string> = FILES,
): Promise<void> {
  await withHostRoot(files, async (host) => {
    const clock = { nowMs: 0 };
    const addresses = () => Promise.resolve([]);
    const options = {
      name: "n1",
      host,
      attachable: [...PROTOCOLS],
      localPlane: "/plane",
      addresses,
      multipath: true,
    };
    await work({
      preparation: new Preparation({ ...options, nowMs: () => clock.nowMs }),
      host,
      clock,
    });
  });
}

for (const debian of DEBIANS) {
  const transcripts = await Transcripts.of(debian);
  const good = transcripts.run("multipathd runs", "multipathd config");
  const dead = transcripts.run("multipathd does not run");

  Deno.test(`${debian}: require() lets a prepared protocol pass, and refuses one whose service is down with the reason and the fix`, () =>
    withPreparation(async ({ preparation, host }) => {
      host.run = dead;
      const error = await failureOf(preparation.require("iscsi"));
      assert.equal(error.code, "unavailable");
      assert.equal(
        error.message,
        "this node is not prepared for iscsi: multipathd does not run on this node, and without " +
          "it a volume is lost when its one path is; " +
          "start it and let it start at boot: systemctl enable --now multipathd, or set flasharray.multipath to false",
      );
      await preparation.require("nfs");
      host.run = good;
      await preparation.require("iscsi");
    }));

  Deno.test(`${debian}: require() takes a host that was found good for good for 30 s, and a bad one for bad no longer than it is`, () =>
    withPreparation(async ({ preparation, host, clock }) => {
      host.run = dead;
      await failureOf(preparation.require("iscsi"));
      host.run = good;
      await preparation.require("iscsi");
      host.run = dead;
      clock.nowMs = 29_999;
      await preparation.require("iscsi");
      clock.nowMs = 30_000;
      assert.match(
        (await failureOf(preparation.require("iscsi"))).message,
        /multipathd does not run/,
      );
    }));

  Deno.test(`${debian}: reasons() shows a service that was found down for 30 s, and require() asks it again at once`, () =>
    withPreparation(async ({ preparation, host, clock }) => {
      host.run = dead;
      assert.match((await preparation.reasons()).iscsi ?? "", /multipathd does not run/);
      host.run = good;
      clock.nowMs = 29_999;
      assert.match((await preparation.reasons()).iscsi ?? "", /multipathd does not run/);
      await preparation.require("iscsi");
      assert.equal((await preparation.reasons()).iscsi, undefined);
    }));

  Deno.test(`${debian}: calls at one time share one look at the host`, () =>
    withPreparation(async ({ preparation, host }) => {
      const lines: string[] = [];
      host.run = (tool, args, options) => {
        lines.push([tool, ...args].join(" "));
        return good(tool, args, options);
      };
      await Promise.all(Array.from({ length: 20 }, () => preparation.require("iscsi")));
      assert.deepEqual(lines, ["multipathd show daemon", "multipathd show config"]);
    }));

  Deno.test(`${debian}: require() refuses iSCSI when the blacklist of multipathd hits every FlashArray volume`, () =>
    withPreparation(async ({ preparation, host }) => {
      host.run = transcripts.run("multipathd runs", "multipathd config that is wrong");
      assert.match(
        (await failureOf(preparation.require("iscsi"))).message,
        /the blacklist of multipathd hits every FlashArray volume by device/,
      );
    }));
}

Deno.test("reasons() says of each protocol that cannot be used why", () =>
  withPreparation(async ({ preparation, host }) => {
    host.run = () => Promise.resolve({ code: 1, stdout: "", stderr: "" });
    const reasons = await preparation.reasons();
    assert.deepEqual(Object.keys(reasons), [
      "iscsi",
      "fc",
      "nvme-roce",
      "nvme-tcp",
      "nvme-fc",
      "local",
    ]);
    assert.match(
      reasons["nvme-tcp"] ?? "",
      /hostnqn does not exist.*; tool nvme is not installed; .*; the kernel has no module nvme_tcp/,
    );
    assert.match(reasons.local ?? "", /^tool losetup is not installed; install the package mount/);
  }));
