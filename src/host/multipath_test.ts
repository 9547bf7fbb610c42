import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import {
  dropPath,
  findMap,
  isMultipathRunning,
  mapOfPath,
  readMap,
  removeMap,
  waitForMap,
} from "./multipath.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { wwidOf } from "../../tests/support/fake_scsi.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { failureOf } from "../../tests/support/test_node.ts";

const WWID = wwidOf(7);
/** What multipathd answers when something has a map open. */
const BUSY = { code: 1, stdout: "map or partition in use\n" };

/** A host with the disks sda and sdb, of which these are in the map dm-7 of a volume. */
function withMap(
  { volume, paths }: { volume: number; paths: string[] },
  work: (fake: FakeHost) => Promise<void>,
): Promise<void> {
  return FakeHost.use(async (fake) => {
    for (const session of [1, 2]) fake.scsi.addDisk({ session, lun: 7, volume });
    fake.scsi.addMap("dm-7", volume, { alias: "mpatha" });
    for (const path of paths) fake.scsi.join(path, "dm-7");
    await work(fake);
  });
}

Deno.test("waitForMap() finds the map by whichever of its paths is in it already", () =>
  withMap({ volume: 7, paths: ["sdb"] }, async ({ host, commands }) => {
    const map = await waitForMap(host, { wwid: WWID, paths: ["sda", "sdb"] });
    const found = { name: "dm-7", alias: "mpatha", wwid: WWID, paths: ["sdb"], holders: [] };
    assert.deepEqual(map, found);
    assert.deepEqual(commands, []);
  }));

Deno.test("waitForMap() never takes the map of another volume that holds a path of ours", () =>
  withMap({ volume: 8, paths: ["sda"] }, async ({ host }) => {
    const looking = waitForMap(host, { wwid: WWID, paths: ["sda"] }, AbortSignal.timeout(200));
    await assert.rejects(looking, (error) => isPsoError(error, "timeout"));
  }));

Deno.test("readMap() shows a map's paths and holders, and takes no other device for a map", () =>
  withMap({ volume: 7, paths: ["sda", "sdb"] }, async (fake) => {
    fake.scsi.addHolder("dm-7", { name: "dm-9", uuid: "LVM-a1b2", alias: "vg-data" });
    const found = { name: "dm-7", alias: "mpatha", wwid: WWID, paths: ["sda", "sdb"] };
    assert.deepEqual(await readMap(fake.host, "dm-7"), { ...found, holders: ["dm-9"] });
    for (const other of ["dm-9", "dm-77", "sda"]) {
      assert.equal(await readMap(fake.host, other), undefined, other);
    }
  }));

Deno.test("findMap() finds the map of a WWID only", () =>
  withMap({ volume: 7, paths: ["sda"] }, async ({ host }) => {
    assert.equal((await findMap(host, WWID))?.name, "dm-7");
    assert.equal(await findMap(host, wwidOf(8)), undefined);
  }));

Deno.test("mapOfPath() looks past holders that are no maps", () =>
  withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
    fake.write("/sys/class/block/sda/holders/dm-1", "");
    assert.equal((await mapOfPath(fake.host, "sda"))?.name, "dm-7");
    assert.equal(await mapOfPath(fake.host, "sdb"), undefined);
  }));

Deno.test("isMultipathRunning() asks no daemon that is not installed", () =>
  withMap({ volume: 7, paths: [] }, async (fake) => {
    assert.equal(await isMultipathRunning(fake.host), true);
    fake.remove("/usr/sbin/multipathd");
    assert.equal(await isMultipathRunning(fake.host), false);
    assert.equal(fake.commands.length, 1);
  }));

Deno.test("waitForMap() waits for a map that has paths, and for its link in /dev/mapper", () =>
  withMap({ volume: 7, paths: [] }, async (fake) => {
    fake.remove("/dev/mapper/mpatha");
    await withTestClock(async () => {
      setTimeout(() => fake.scsi.join("sda", "dm-7"), 200);
      setTimeout(() => fake.write("/dev/mapper/mpatha", ""), 2_000);
      await waitForMap(fake.host, { wwid: WWID, paths: ["sda"] });
    });
    assert.ok(fake.has("/dev/mapper/mpatha"));
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda"]);
  }));

Deno.test("waitForMap() finds a map over other paths than ours when it has waited for 3 s", () =>
  withMap({ volume: 7, paths: ["sdb"] }, async (fake) => {
    const waiting = () => waitForMap(fake.host, { wwid: WWID, paths: ["sda"] });
    assert.equal((await withTestClock(waiting)).name, "dm-7");
    assert.deepEqual(fake.commands, [], "multipathd is not asked for what is there");
  }));

Deno.test("dropPath() takes a path out of its map, and is content with one that is in none", () =>
  withMap({ volume: 7, paths: ["sda", "sdb"] }, async (fake) => {
    await dropPath(fake.host, "sda");
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sdb"]);
    await dropPath(fake.host, "sda");
    assert.deepEqual(fake.ran("reload"), []);
  }));

Deno.test("dropPath() has a map reloaded that multipathd forgot to change, and fails when the path stays", () =>
  withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
    fake.onTool.set("multipathd", ([verb]) => {
      if (verb === "reload") fake.scsi.leave("sda", "dm-7");
      return {};
    });
    await dropPath(fake.host, "sda");
    assert.deepEqual(fake.ran("reload"), ["multipathd reload map mpatha"]);
    fake.scsi.join("sda", "dm-7");
    fake.onTool.set("multipathd", () => ({}));
    const { code, message } = await failureOf(withTestClock(() => dropPath(fake.host, "sda")));
    assert.equal(code, "timeout");
    assert.match(message, /sda .*mpatha/);
  }));

Deno.test("removeMap() lets I/O of a map fail first, then has multipathd remove it; its paths stay", () =>
  withMap({ volume: 7, paths: ["sda", "sdb"] }, async (fake) => {
    await removeMap(fake.host, "dm-7");
    assert.deepEqual(fake.commands, [
      "multipathd show daemon",
      "multipathd disablequeueing map mpatha",
      "multipathd del map mpatha",
    ]);
    assert.deepEqual(fake.scsi.disksOf(7), ["sda", "sdb"]);
    assert.equal(fake.has("/sys/class/block/dm-7"), false);
    await removeMap(fake.host, "dm-7");
    assert.equal(fake.commands.length, 3, "gone already is success");
  }));

Deno.test("removeMap() goes past a multipathd that is dead", () =>
  withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
    fake.scsi.multipathdRuns = false;
    await removeMap(fake.host, "dm-7");
    assert.deepEqual(fake.commands.slice(1), [
      "dmsetup message mpatha 0 fail_if_no_path",
      "multipath -f mpatha",
    ]);
    assert.equal(fake.has("/sys/class/block/dm-7"), false);
  }));

Deno.test("removeMap() of a map that is open is in_use after half a minute, and queueing is as it was", () =>
  withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
    fake.onTool.set("multipathd", ([verb]) => verb === "del" ? BUSY : undefined);
    const { code, message } = await failureOf(
      withTestClock(() => removeMap(fake.host, "dm-7")),
    );
    assert.equal(code, "in_use");
    assert.match(message, /mpatha \(dm-7\).*map or partition in use/);
    assert.ok(fake.ran("del map").length > 50);
    assert.equal(fake.commands.at(-1), "multipathd restorequeueing map mpatha");
    assert.ok(fake.has("/sys/class/block/dm-7"));
  }));

Deno.test("removeMap() whose caller goes away ends as the caller's, and queueing is as it was", () =>
  withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
    const caller = new AbortController();
    fake.onTool.set("multipathd", ([verb]) => {
      if (verb !== "del") return undefined;
      caller.abort();
      return BUSY;
    });
    const { code } = await failureOf(removeMap(fake.host, "dm-7", caller.signal));
    assert.equal(code, "timeout");
    assert.equal(fake.commands.at(-1), "multipathd restorequeueing map mpatha");
  }));

Deno.test("removeMap() leaves a map that has become another volume's meanwhile", () =>
  withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
    fake.onTool.set("multipathd", ([verb]) => {
      if (verb === "disablequeueing") {
        fake.write("/sys/class/block/dm-7/dm/uuid", `mpath-${wwidOf(8)}`);
      }
    });
    await removeMap(fake.host, "dm-7");
    assert.deepEqual(fake.ran("del map"), []);
    assert.ok(fake.has("/sys/class/block/dm-7"));
  }));

for (
  const { name, uuid } of [
    { name: "of LVM", uuid: "LVM-a1b2" },
    { name: "that is a partition of another map", uuid: `part1-mpath-${wwidOf(8)}` },
    { name: "that only ends as a partition does", uuid: `CRYPT-mpath-${WWID}` },
  ]
) {
  Deno.test(`removeMap() refuses a map that carries a device ${name}, and touches nothing`, () =>
    withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
      fake.scsi.addHolder("dm-7", { name: "dm-9", uuid, alias: "theirs" });
      const { code, message } = await failureOf(removeMap(fake.host, "dm-7"));
      assert.equal(code, "in_use");
      assert.match(message, /mpatha \(dm-7\) .*theirs/);
      assert.deepEqual(fake.commands, []);
    }));
}

Deno.test("removeMap() takes partitions away first, and refuses when one is in use", () =>
  withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
    const part = { name: "dm-9", uuid: `part1-mpath-${WWID}`, alias: "mpatha-part1" };
    fake.scsi.addHolder("dm-7", part);
    fake.write("/sys/class/block/dm-9/holders/dm-10", "");
    const { code, message } = await failureOf(removeMap(fake.host, "dm-7"));
    assert.equal(code, "in_use");
    assert.match(message, /partition mpatha-part1 .*Device or resource busy/);
    assert.deepEqual(fake.ran("del map"), []);
    fake.remove("/sys/class/block/dm-9/holders/dm-10");
    await removeMap(fake.host, "dm-7");
    assert.equal(fake.has("/sys/class/block/dm-9"), false);
    assert.equal(fake.has("/sys/class/block/dm-7"), false);
  }));

Deno.test("removeMap() is not held up by a holder that has gone meanwhile", () =>
  withMap({ volume: 7, paths: ["sda"] }, async (fake) => {
    fake.write("/sys/class/block/dm-7/holders/dm-9", "");
    fake.afterTool = () => {
      if (fake.has("/sys/class/block/dm-7/holders/dm-9")) {
        fake.remove("/sys/class/block/dm-7/holders/dm-9");
      }
    };
    await removeMap(fake.host, "dm-7");
    assert.equal(fake.has("/sys/class/block/dm-7"), false);
  }));
