import assert from "node:assert/strict";
import type { NodeContext } from "../context.ts";
import { commonSize, openPath } from "./paths.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { PORTALS } from "../../../tests/support/fake_iscsi.ts";
import { SIZE_BYTES, wwidOf } from "../../../tests/support/fake_scsi.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

const PLACE = { host: 1, channel: 0, target: 0, lun: 7 };
const HCTL = "1:0:0:7";
const wwidFile = (disk: string) => `/sys/class/block/${disk}/device/wwid`;

/** A host with session 1, by which the array shows volume 7 at LUN 7. */
function withSession(
  work: (fake: FakeHost, context: NodeContext) => Promise<void>,
): Promise<void> {
  return withTestClock(() =>
    FakeHost.use((fake) => {
      fake.iscsi.addSession(1, PORTALS[0] ?? "");
      fake.scsi.luns.set(7, 7);
      return work(fake, fake.context());
    })
  );
}

const open = (context: NodeContext) => openPath(context, PLACE, { wwid: wwidOf(7) });

Deno.test("openPath() scans for the LUN, and takes the disk that is there the next time", () =>
  withSession(async (fake, context) => {
    const path = { name: "sda", hctl: HCTL, sizeBytes: SIZE_BYTES };
    assert.deepEqual(await open(context), path);
    assert.deepEqual(await open(context), path);
    assert.deepEqual(fake.scsi.scans, ["host1 0 0 7"]);
    assert.deepEqual(fake.ran("delete"), []);
  }));

Deno.test("openPath() takes a disk away that was another volume's and is ours by now, out of its old map first", () =>
  withSession(async (fake, context) => {
    fake.scsi.addMap("dm-9", 9);
    fake.scsi.join(fake.scsi.addDisk({ session: 1, lun: 7, volume: 9 }), "dm-9");
    fake.scsi.onRescan.set("sda", () => fake.write(wwidFile("sda"), `naa.${wwidOf(7).slice(1)}`));
    assert.equal((await open(context)).name, "sdb");
    assert.deepEqual(fake.scsi.pathsOf("dm-9"), []);
    const order = fake.commands.filter((line) => /del path|delete/.test(line));
    assert.deepEqual(order, [
      "multipathd del path sda",
      `tee /sys/class/scsi_device/${HCTL}/device/delete`,
    ]);
  }));

Deno.test("openPath() leaves a disk that answers as another volume, and refuses", () =>
  withSession(async (fake, context) => {
    fake.scsi.addDisk({ session: 1, lun: 7, volume: 9 });
    const { code, message } = await failureOf(open(context));
    assert.equal(code, "unavailable");
    assert.match(message, new RegExp(`${HCTL} is volume ${wwidOf(9)}`));
    assert.deepEqual(fake.scsi.disksOf(9), ["sda"]);
    assert.deepEqual(fake.scsi.scans, []);
  }));

Deno.test("openPath() takes a dead disk of another volume away, and scans anew", () =>
  withSession(async (fake, context) => {
    fake.reads.dead.add(fake.scsi.addDisk({ session: 1, lun: 7, volume: 9 }));
    assert.equal((await open(context)).name, "sdb");
    assert.deepEqual(fake.scsi.disksOf(9), []);
    assert.match(fake.ran("dd if=/dev/sda")[0] ?? "", /iflag=direct/);
  }));

Deno.test("openPath() takes a disk of ours out of the map of another volume before it is used", () =>
  withSession(async (fake, context) => {
    fake.scsi.addMap("dm-9", 9);
    fake.scsi.join(fake.scsi.addDisk({ session: 1, lun: 7, volume: 7 }), "dm-9");
    assert.equal((await open(context)).name, "sdb");
    assert.deepEqual(fake.scsi.pathsOf("dm-9"), []);
  }));

Deno.test("openPath() leaves a disk of ours in its own map", () =>
  withSession(async (fake, context) => {
    await open(context);
    assert.equal((await open(context)).name, "sda");
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda"]);
  }));

for (
  const { name, state, said } of [
    { name: "takes no scan", state: "deleted", said: /SCSI host 1 takes no scan for 1:0:0:7/ },
    { name: "is being taken away", state: "cancel", said: /takes no scan/ },
  ]
) {
  Deno.test(`openPath() by a SCSI host that ${name} says so`, () =>
    withSession(async (fake, context) => {
      fake.write("/sys/class/scsi_host/host1/state", state);
      const { code, message } = await failureOf(open(context));
      assert.equal(code, "unavailable");
      assert.match(message, said);
      assert.deepEqual(fake.scsi.scans, []);
    }));
}

Deno.test("openPath() says of an empty LUN that the array shows it to this host by no such path", () =>
  withSession(async (fake, context) => {
    fake.scsi.luns.clear();
    assert.match((await failureOf(open(context))).message, /nothing answers at 1:0:0:7.*LUN 7/);
  }));

Deno.test("openPath() takes no disk that does not say which volume it is", () =>
  withSession(async (fake, context) => {
    fake.afterTool = () => {
      if (fake.has(wwidFile("sda"))) fake.remove(wwidFile("sda"));
    };
    const { code, message } = await failureOf(open(context));
    assert.equal(code, "unavailable");
    assert.match(message, /does not say which volume it is/);
  }));

Deno.test("openPath() waits for the block device, which comes after the SCSI device", () =>
  withSession(async (fake, context) => {
    fake.afterTool = () => {
      const block = `/sys/class/scsi_device/${HCTL}/device/block`;
      const aside = `${fake.root}/aside`;
      if (!fake.has(block) || fake.has("/aside")) return;
      Deno.renameSync(fake.root + block, aside);
      setTimeout(() => Deno.renameSync(aside, fake.root + block), 100);
    };
    assert.equal((await open(context)).name, "sda");
  }));

const FLAT_300 = 16_384 + 300;

for (
  const { form, lun, scans } of [
    { form: "flat form", lun: FLAT_300, scans: [`host1 0 0 ${FLAT_300}`] },
    { form: "plain form", lun: 300, scans: [`host1 0 0 ${FLAT_300}`, "host1 0 0 300"] },
  ]
) {
  Deno.test(`openPath() finds LUN 300 in its ${form}, and goes by it the next time without a scan`, () =>
    withSession(async (fake, context) => {
      fake.scsi.luns.set(lun, 7);
      const place = { ...PLACE, lun: 300 };
      for (const _ of [1, 2]) {
        const path = await openPath(context, place, { wwid: wwidOf(7) });
        assert.deepEqual(path, { name: "sda", hctl: `1:0:0:${lun}`, sizeBytes: SIZE_BYTES });
      }
      assert.deepEqual(fake.scsi.scans, scans);
    }));
}

Deno.test("openPath() takes what answers at one form of LUN 300 only by its WWID, and leaves the other", () =>
  withSession(async (fake, context) => {
    fake.scsi.addDisk({ session: 1, lun: FLAT_300, volume: 9 });
    fake.scsi.luns.set(300, 7);
    const path = await openPath(context, { ...PLACE, lun: 300 }, { wwid: wwidOf(7) });
    assert.equal(path.hctl, "1:0:0:300");
    assert.deepEqual(fake.scsi.disksOf(9), ["sda"]);
  }));

Deno.test("openPath() says of LUN 300 what each form showed", () =>
  withSession(async (fake, context) => {
    const { code, message } = await failureOf(
      openPath(context, { ...PLACE, lun: 300 }, { wwid: wwidOf(7) }),
    );
    assert.equal(code, "unavailable");
    assert.match(
      message,
      /nothing answers at 1:0:0:16684: .*no LUN 300 .*nothing answers at 1:0:0:300:/,
    );
    assert.deepEqual(fake.scsi.devices, []);
  }));

Deno.test("openPath() of LUN 300 tries no other form when the scan of one does not end", () =>
  withSession(async (fake, context) => {
    fake.onTool.set("tee", () => ({ hangs: true }));
    const { code } = await failureOf(
      openPath(context, { ...PLACE, lun: 300 }, { wwid: wwidOf(7) }),
    );
    assert.equal(code, "timeout");
    assert.equal(fake.ran("/scan").length, 1);
  }));

Deno.test("openPath() takes a SCSI device away that gets no disk, and finds it when it has one", () =>
  withSession(async (fake, context) => {
    const block = `/sys/class/scsi_device/${HCTL}/device/block`;
    fake.afterTool = () => {
      if (fake.has(block)) fake.remove(block);
    };
    const { code, message } = await failureOf(open(context));
    assert.equal(code, "unavailable");
    assert.match(message, /SCSI device 1:0:0:7 got no disk within 20000 ms and was taken away/);
    assert.deepEqual(fake.scsi.devices, []);
    fake.afterTool = () => {};
    assert.equal((await open(context)).hctl, HCTL);
  }));

Deno.test("commonSize() is the size of all paths, and refuses one that differs with every path's size", async () => {
  const path = (name: string, sizeBytes: number) => ({ name, hctl: "1:0:0:7", sizeBytes });
  assert.equal(commonSize([path("sda", 512), path("sdb", 512)]), 512);
  const differing = () => commonSize([path("sda", 512), path("sdb", 1024)]);
  const { code, message } = await failureOf(Promise.resolve().then(differing));
  assert.equal(code, "unavailable");
  assert.match(message, /sda \(1:0:0:7\) 512, sdb \(1:0:0:7\) 1024/);
});
