import assert from "node:assert/strict";
import { isBlockRecord } from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { scsiBlock } from "./connection.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { PORTALS } from "../../../tests/support/fake_iscsi.ts";
import { SIZE_BYTES } from "../../../tests/support/fake_scsi.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

const RECORD = {
  volumeId: "v7",
  stagingPath: "/stage/7",
  attachment: attachment(7),
  device: "dm-7",
  published: [],
};

/** A host with volume 7 staged over both sessions, as sda and sdb in dm-7. */
function withVolume(work: (fake: FakeHost, context: NodeContext) => Promise<void>): Promise<void> {
  return withTestClock(() =>
    FakeHost.use(async (fake) => {
      for (const [index, portal] of PORTALS.entries()) fake.iscsi.addSession(index + 1, portal);
      assert.ok(isBlockRecord(await fake.stagedVolume(7)));
      await work(fake, fake.context());
    })
  );
}

const stateOf = (disk: string) => `/sys/class/block/${disk}/device/state`;

Deno.test("repair() lets a disk run again that the kernel took off line, and changes no other state", () =>
  withVolume(async (fake, context) => {
    fake.write(stateOf("sda"), "offline");
    fake.write(stateOf("sdb"), "blocked");
    await scsiBlock.repair(context, RECORD);
    assert.equal(fake.read(stateOf("sda")), "running");
    assert.equal(fake.read(stateOf("sdb")), "blocked");
  }));

Deno.test("repair() opens the path by a session that is there, and makes no session", () =>
  withVolume(async (fake, context) => {
    fake.scsi.removeDevice("2:0:0:7");
    await scsiBlock.repair(context, RECORD);
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda", "sdc"]);
    fake.iscsi.removeSession(2);
    await scsiBlock.repair(context, RECORD);
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda"]);
    assert.deepEqual(fake.iscsi.sessions, ["session1"]);
    assert.deepEqual(fake.ran("iscsiadm"), []);
  }));

Deno.test("repair() leaves the work of sessions that are being brought back to iscsid", () =>
  withVolume(async (fake, context) => {
    fake.scsi.removeDevice("2:0:0:7");
    for (const session of [1, 2]) {
      fake.write(`/sys/class/iscsi_session/session${session}/state`, "FAILED");
    }
    await scsiBlock.repair(context, RECORD);
    assert.deepEqual(fake.commands, []);
  }));

Deno.test("repair() opens paths by the one session that works, beside one that is being brought back", () =>
  withVolume(async (fake, context) => {
    fake.scsi.removeDevice("2:0:0:7");
    fake.write("/sys/class/iscsi_session/session1/state", "FAILED");
    await scsiBlock.repair(context, RECORD);
    assert.deepEqual(fake.scsi.scans, ["host2 0 0 7"]);
  }));

Deno.test("repair() lets a map take the size of its paths, and only a map that is smaller", () =>
  withVolume(async (fake, context) => {
    await scsiBlock.repair(context, RECORD);
    assert.deepEqual(fake.ran("resize"), []);
    fake.scsi.sizes.set(7, 2 * SIZE_BYTES);
    await scsiBlock.repair(context, RECORD);
    assert.equal(fake.read("/sys/class/block/dm-7/size"), String(2 * SIZE_BYTES / 512));
  }));

Deno.test("repair() touches nothing of a volume whose map has another name than was noted, or none", () =>
  withVolume(async (fake, context) => {
    fake.scsi.removeDevice("2:0:0:7");
    await scsiBlock.repair(context, { ...RECORD, device: "dm-9" });
    await scsiBlock.repair(context, { ...RECORD, attachment: attachment(8) });
    assert.deepEqual(fake.commands, []);
  }));

Deno.test("repair() refuses, and touches nothing, while another array shows the volume's serial number", () =>
  withVolume(async (fake, context) => {
    fake.write(stateOf("sda"), "offline");
    fake.iscsi.addSession(9, "192.0.2.9:3260", { target: "iqn.2010-06.com.purestorage:other" });
    fake.scsi.addDisk({ session: 9, lun: 3, volume: 7 });
    assert.equal((await failureOf(scsiBlock.repair(context, RECORD))).code, "in_use");
    assert.deepEqual(fake.commands, []);
  }));

Deno.test("repair() keeps the sessions of its targets from being ended meanwhile", () =>
  withVolume(async (fake, context) => {
    const used: boolean[] = [];
    fake.afterTool = () =>
      used.push(context.targets.isUsed(RECORD.attachment.targets[0]?.iqn ?? ""));
    await scsiBlock.repair(context, RECORD);
    assert.ok(used.length > 0 && used.every((one) => one));
  }));
