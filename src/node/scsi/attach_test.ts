/** What is SCSI's own; what it shares with the other protocols is in block_protocols_test.ts. */
import assert from "node:assert/strict";
import { Secret } from "../../secret.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { PORTALS, TARGET } from "../../../tests/support/fake_iscsi.ts";
import { SIZE_BYTES, wwidOf } from "../../../tests/support/fake_scsi.ts";
import { failureOf } from "../../../tests/support/test_node.ts";
import { sizeOf, useOnePath, withNode } from "../../../tests/support/scsi_node.ts";

const [FIRST = "", SECOND = ""] = PORTALS;
/** iscsiadm(8): the target refused the login. */
const REFUSED = 24;

Deno.test("attach() joins the paths by all portals in one map", () =>
  withNode(async (node, fake) => {
    assert.equal((await node.attach(7)).name, "dm-7");
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda", "sdb"]);
    assert.deepEqual(fake.log, []);
  }));

Deno.test("15.11: attach() finds a volume of two arrays at the LUN of each, and joins all paths", () =>
  withNode(async (node, fake) => {
    fake.scsi.luns.set(9, 7);
    const attachment = node.bed.attachment(7);
    const other = { iqn: `${TARGET}.other`, portal: SECOND, lun: 9 };
    const record = node.record(7);
    await node.connection.attach(
      node.context,
      {
        attachment: { ...attachment, targets: [{ iqn: TARGET, portal: FIRST }, other] },
        record,
        note: (facts: object) => Promise.resolve(void Object.assign(record, facts)),
        shared: false,
      } as Parameters<typeof node.connection.attach>[1],
    );
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda", "sdb"]);
    assert.equal(fake.scsi.scans.filter((scan) => scan.endsWith(" 9")).length, 1);
    assert.equal(fake.scsi.scans.length, 2);
  }));

Deno.test("attach() without multipathd is refused before any LUN is scanned, when maps are wanted", () =>
  withNode(async (node, fake) => {
    fake.scsi.multipathdRuns = false;
    const { code, message } = await failureOf(node.attach(7));
    assert.equal(code, "unavailable");
    assert.match(message, /multipathd does not run on this node.*flasharray\.multipath to false/);
    assert.deepEqual(fake.scsi.scans, []);
  }));

Deno.test("attach() says that multipathd is missing, not what failed by it", () =>
  withNode(async (node, fake) => {
    fake.scsi.multipathdRuns = false;
    for (const portal of PORTALS) fake.iscsi.deadPortals.add(portal);
    assert.match((await failureOf(node.attach(7))).message, /multipathd does not run/);
  }));

Deno.test("attach() without multipath opens one path, by the first portal that answers", () =>
  withNode(async (node, fake) => {
    useOnePath(node, fake);
    fake.iscsi.deadPortals.add(FIRST);
    assert.equal((await node.attach(7)).name, "sda");
    assert.deepEqual(fake.iscsi.sessions, ["session2"]);
    fake.iscsi.deadPortals.clear();
    await node.attach(7);
    assert.deepEqual(node.bed.devices(), ["sda", "sdb"]);
    const settings = fake.iscsi.records.get(SECOND);
    assert.equal(settings?.get("node.session.timeo.replacement_timeout"), "120");
  }));

Deno.test("attach() without multipath uses the map that another program made: it holds the disk", () =>
  withNode(async (node, fake) => {
    useOnePath(node, fake);
    assert.equal((await node.attach(7)).name, "sda");
    fake.scsi.addMap("dm-7", 7);
    fake.scsi.join("sda", "dm-7");
    node.records.clear();
    assert.equal((await node.attach(7)).name, "dm-7");
  }));

Deno.test("attach() below multipath lets I/O leave a lost session after 20 s", () =>
  withNode(async (node, fake) => {
    await node.attach(7);
    for (const portal of PORTALS) {
      const settings = fake.iscsi.records.get(portal);
      assert.equal(settings?.get("node.session.timeo.replacement_timeout"), "20");
    }
  }));

Deno.test("attach() goes on by the portal that answers, and says why the other one has no path", () =>
  withNode(async (node, fake) => {
    fake.iscsi.deadPortals.add(SECOND);
    await node.attach(7);
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda"]);
    const [line = ""] = fake.said("volume has fewer paths than the array offers");
    assert.match(line, /"paths":1/);
    assert.match(line, /portal 192\.0\.2\.2:3260 of target .* does not answer/);
  }));

for (
  const { name, codes, code } of [
    { name: "every portal refuses", codes: [REFUSED, REFUSED], code: "denied" },
    { name: "one refuses and one fails", codes: [REFUSED, 4], code: "unavailable" },
  ]
) {
  Deno.test(`attach() is ${code} when ${name}, with both reasons`, () =>
    withNode(async (node, fake) => {
      PORTALS.forEach((portal, index) => fake.iscsi.loginCodes.set(portal, codes[index] ?? 0));
      const failure = await failureOf(node.attach(7));
      assert.equal(failure.code, code);
      for (const portal of PORTALS) assert.ok(failure.message.includes(portal), failure.message);
    }));
}

Deno.test("attach() gives CHAP credentials to each portal of the target, and keeps them for later", () =>
  withNode(async (node, fake) => {
    const chap = { host: { user: "node", password: new Secret("given-now-1234") } };
    await node.attach(7, { chap });
    for (const portal of PORTALS) {
      const settings = fake.iscsi.records.get(portal);
      assert.equal(settings?.get("node.session.auth.password"), "given-now-1234");
    }
    assert.deepEqual([...node.context.chap.keys()], [TARGET]);
  }));

Deno.test("attach() of a volume that was attached before a restart keeps the CHAP credentials of open-iscsi's record", () =>
  withNode(async (node, fake) => {
    const chap = { host: { user: "node", password: new Secret("given-now-1234") } };
    await node.attach(7, { chap });
    fake.iscsi.removeSession(2);
    node.restart();
    await node.attach(7); // as a publish does in place of a dead mount: it is given no secret
    assert.equal(fake.iscsi.sessions.length, 2);
    const settings = fake.iscsi.records.get(SECOND);
    assert.equal(settings?.get("node.session.auth.password"), "given-now-1234");
  }));

/** Another array's path of volume 7 comes up while the paths of ours are being opened. */
function addStrangerDuringScan(fake: FakeHost): void {
  fake.afterTool = () => {
    if (fake.scsi.scans.length === 0 || fake.iscsi.sessions.includes("session9")) return;
    fake.iscsi.addSession(9, "192.0.2.9:3260", { target: `${TARGET}0`, iface: "default" });
    fake.scsi.addDisk({ session: 9, lun: 3, volume: 7 });
  };
}

Deno.test("attach() takes its own paths away, and only them, when another array's came up meanwhile", () =>
  withNode(async (node, fake) => {
    addStrangerDuringScan(fake);
    assert.equal((await failureOf(node.attach(7))).code, "in_use");
    assert.deepEqual(fake.scsi.devices, ["9:0:0:3"]);
  }));

Deno.test("attach() leaves the paths of a volume that this node has had before: it may be in use", () =>
  withNode(async (node, fake) => {
    node.record(7).device = "dm-7";
    addStrangerDuringScan(fake);
    assert.equal((await failureOf(node.attach(7))).code, "in_use");
    assert.equal(fake.scsi.devices.length, 3);
  }));

Deno.test("attach() asks multipathd for a path that udev did not tell it of, once", () =>
  withNode(async (node, fake) => {
    fake.scsi.joins = false;
    fake.scsi.addMap("dm-7", 7);
    const join = () => {
      if (fake.scsi.disksOf(7).length === 2 && fake.scsi.pathsOf("dm-7").length === 0) {
        fake.scsi.join("sda", "dm-7");
      }
    };
    fake.afterTool = join;
    await node.attach(7);
    assert.deepEqual(fake.ran("add path"), ["multipathd add path sdb"]);
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda", "sdb"]);
  }));

Deno.test("attach() goes on with the paths that are in the map when another one never joins, and says so", () =>
  withNode(async (node, fake) => {
    fake.onTool.set("multipathd", (args) => args[1] === "path" ? { code: 1 } : undefined);
    fake.afterTool = () => {
      if (fake.scsi.pathsOf("dm-7").length === 2) fake.scsi.leave("sdb", "dm-7");
    };
    await node.attach(7);
    assert.equal(fake.ran("add path").length, 1);
    assert.equal(fake.said("multipath map lacks paths").length, 1);
  }));

Deno.test("attach() fails when multipathd makes no map, after it was asked for one", () =>
  withNode(async (node, fake) => {
    fake.scsi.joins = false;
    const { code, message } = await failureOf(node.attach(7));
    assert.equal(code, "unavailable");
    assert.match(message, /multipathd made no map of .*blacklist/);
    assert.ok(fake.ran(`multipathd add map ${wwidOf(7)}`).length > 1);
    assert.equal(node.record(7).device, undefined);
  }));

Deno.test("attach() takes the path of another volume out of the map, and refuses a map that keeps it", () =>
  withNode(async (node, fake) => {
    await node.attach(7);
    fake.scsi.join(fake.scsi.addDisk({ session: 1, lun: 9, volume: 9 }), "dm-7");
    await node.attach(7);
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda", "sdb"]);
    assert.match(
      fake.said("path of another volume taken out of a multipath map")[0] ?? "",
      new RegExp(`"path":"sdc","is":"${wwidOf(9)}"`),
    );
    fake.scsi.join("sdc", "dm-7");
    fake.onTool.set("multipathd", (args) => args[0] === "del" ? { stdout: "ok\n" } : undefined);
    const { message } = await failureOf(node.attach(7));
    assert.match(message, /sdc/);
    assert.deepEqual(fake.scsi.pathsOf("dm-7"), ["sda", "sdb", "sdc"]);
  }));

Deno.test("attach() refuses paths that show one volume in different sizes", () =>
  withNode(async (node, fake) => {
    await node.attach(7);
    fake.scsi.sizes.delete(7);
    fake.write("/sys/class/block/sdb/size", String(SIZE_BYTES / 256));
    const { code, message } = await failureOf(node.attach(7));
    assert.equal(code, "unavailable");
    assert.match(message, /different sizes/);
    for (const sizeBytes of [SIZE_BYTES, 2 * SIZE_BYTES]) {
      assert.ok(message.includes(String(sizeBytes)), message);
    }
  }));

Deno.test("attach() lets an old map take the size of its paths", () =>
  withNode(async (node, fake) => {
    await node.attach(7);
    node.bed.publish(7, 2 * SIZE_BYTES);
    assert.equal((await node.attach(7)).sizeBytes, 2 * SIZE_BYTES);
    assert.equal(sizeOf(fake, "dm-7"), 2 * SIZE_BYTES);
  }));

for (
  const { name, uuid, use } of [
    { name: "a partition of the volume that is mounted", use: "mount" },
    { name: "a partition of the volume on which a device stands", use: "hold" },
    { name: "a partition of another volume", uuid: `part1-mpath-${wwidOf(8)}` },
    { name: "what only ends like a partition", uuid: `LVM-mpath-${wwidOf(7)}` },
  ]
) {
  Deno.test(`attach() refuses a volume whose map carries ${name}`, () =>
    withNode(async (node, fake) => {
      await node.attachedBySomebody(7);
      const part = { name: "dm-70", uuid: uuid ?? `part1-mpath-${wwidOf(7)}`, alias: "p1" };
      fake.scsi.addHolder("dm-7", part);
      if (use === "mount") fake.mountDevice("dm-70", "/srv/theirs");
      if (use === "hold") fake.write("/sys/class/block/dm-70/holders/dm-71", "");
      const { code, message } = await failureOf(node.attach(7));
      assert.equal(code, "in_use");
      assert.match(message, /dm-70/);
    }));
}

Deno.test("attach() refuses a volume of which somebody mounts one disk, when it has no map", () =>
  withNode(async (node, fake) => {
    useOnePath(node, fake);
    const name = await node.attachedBySomebody(7);
    fake.mountDevice(name, "/srv/theirs");
    assert.match((await failureOf(node.attach(7))).message, /sda is mounted at \/srv\/theirs/);
  }));
