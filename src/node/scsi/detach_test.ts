// How a volume grows and goes: growth by every path, and detach of exactly what is the volume's.
import assert from "node:assert/strict";
import { PORTALS } from "../../../tests/support/fake_iscsi.ts";
import { SIZE_BYTES, wwidOf } from "../../../tests/support/fake_scsi.ts";
import { failureOf } from "../../../tests/support/test_node.ts";
import { sizeOf, slowSysfs, useOnePath, withNode } from "../../../tests/support/scsi_node.ts";

const [FIRST = ""] = PORTALS;

Deno.test("grow() refuses a path that is no disk, and sizes that differ when one path takes no rescan", () =>
  withNode(async (node, fake) => {
    const { name } = await node.attach(7);
    node.bed.publish(7, 2 * SIZE_BYTES);
    const grow = () => node.connection.grow(node.context, name);
    fake.onTool.set("tee", (args) => args[0]?.includes("1:0:0:7") ? { code: 1 } : undefined);
    assert.match((await failureOf(grow())).message, /different sizes/);
    assert.equal(sizeOf(fake, name), SIZE_BYTES);
    assert.equal(fake.said("path not rescanned").length, 1);
    fake.onTool.clear();
    fake.write(`/sys/class/block/${name}/slaves/loop1`, "");
    assert.match((await failureOf(grow())).message, /path loop1 of .* is no SCSI device/);
  }));

Deno.test("grow() and detach() fail only when nothing that they began goes on", () =>
  withNode(async (node, fake) => {
    const { name } = await node.attach(7);
    fake.write(`/sys/class/block/${name}/slaves/loop1`, "");
    const slow = slowSysfs(fake, "1:0:0:7");
    await failureOf(node.connection.grow(node.context, name));
    assert.deepEqual(slow, { begun: 1, ended: 1 });
    await Deno.remove(`${fake.root}/sys/class/block/${name}/slaves/loop1`);
    const last = slowSysfs(fake, "1:0:0:7", (path) => path.includes("2:0:0:7"));
    await failureOf(node.connection.detach(node.context, name));
    assert.deepEqual(last, { begun: 1, ended: 1 });
  }));

Deno.test("grow() of a disk without a map rescans it alone", () =>
  withNode(async (node, fake) => {
    useOnePath(node, fake);
    const { name } = await node.attach(7);
    node.bed.publish(7, 2 * SIZE_BYTES);
    await node.connection.grow(node.context, name);
    assert.equal(sizeOf(fake, name), 2 * SIZE_BYTES);
    assert.deepEqual(fake.ran("resize"), []);
  }));

Deno.test("devicesOf() refuses while another array shows the volume too", () =>
  withNode(async (node) => {
    await node.attach(7);
    node.bed.showByOtherArray?.(7);
    assert.equal((await failureOf(node.devicesOf(7))).code, "in_use");
  }));

Deno.test("devicesOf() names every disk of a volume that has no map", () =>
  withNode(async (node, fake) => {
    useOnePath(node, fake);
    for (const session of [1, 2]) fake.iscsi.addSession(session, PORTALS[session - 1] ?? "");
    for (const session of [1, 2]) fake.scsi.addDisk({ session, lun: 7, volume: 7 });
    assert.deepEqual(await node.devicesOf(7), ["sda", "sdb"]);
  }));

Deno.test("detach() refuses while a disk below the map is mounted, and touches nothing", () =>
  withNode(async (node, fake) => {
    const { name } = await node.attach(7);
    fake.mountDevice("sdb", "/srv/theirs");
    const before = [...fake.commands];
    const { code, message } = await failureOf(node.connection.detach(node.context, name));
    assert.equal(code, "in_use");
    assert.match(message, /sdb .*mounted at \/srv\/theirs/);
    assert.deepEqual(fake.commands, before);
  }));

Deno.test("detach() refuses while something stands on a disk, and deletes none", () =>
  withNode(async (node, fake) => {
    useOnePath(node, fake);
    const { name } = await node.attach(7);
    fake.write(`/sys/class/block/${name}/holders/dm-90`, "");
    const { code, message } = await failureOf(node.connection.detach(node.context, name));
    assert.equal(code, "in_use");
    assert.match(message, /sda .*dm-90/);
    assert.deepEqual(node.bed.devices(), ["sda"]);
  }));

Deno.test("detach() takes a map away that multipathd made while nothing was found open", () =>
  withNode(async (node, fake) => {
    useOnePath(node, fake);
    const { name } = await node.attach(7);
    const before = fake.commands.length;
    fake.afterTool = () => {
      if (!fake.commands.slice(before).some((shown) => shown.includes("/proc"))) return;
      fake.afterTool = () => {};
      fake.scsi.multipathdRuns = true;
      fake.scsi.addMap("dm-0", 7);
      fake.scsi.join(name, "dm-0");
    };
    await node.connection.detach(node.context, name);
    assert.equal(fake.scsi.multipathdRuns, true, "the map came up");
    assert.deepEqual(node.bed.devices(), []);
  }));

Deno.test("detach() takes every disk of the volume, also one in no map, and leaves another volume's in the map", () =>
  withNode(async (node, fake) => {
    const { name } = await node.attach(7);
    fake.scsi.leave("sdb", name);
    fake.scsi.join(fake.scsi.addDisk({ session: 1, lun: 9, volume: 9 }), name);
    await node.connection.detach(node.context, name);
    assert.deepEqual(node.bed.devices(), ["sdc"]);
  }));

Deno.test("detach() takes partitions of a pod's raw volume away with its map", () =>
  withNode(async (node, fake) => {
    const { name } = await node.attach(7);
    const part = { name: "dm-70", uuid: `part1-mpath-${wwidOf(7)}`, alias: "part1" };
    fake.scsi.addHolder(name, part);
    await node.connection.detach(node.context, name);
    assert.deepEqual(node.bed.devices(), []);
  }));

Deno.test("detach() waits until multipathd has forgotten the disks, and asks none that is dead", () =>
  withNode(async (node, fake) => {
    const { name } = await node.attach(7);
    let left = 3;
    fake.onTool.set(
      "multipathd",
      (args) => args[1] === "paths" && left-- > 0 ? { stdout: `x\n ${wwidOf(7)}\n` } : undefined,
    );
    await node.connection.detach(node.context, name);
    assert.equal(fake.ran("show paths").length, 4);
    await node.attach(7);
    fake.scsi.multipathdRuns = false;
    await node.connection.detach(node.context, name);
    assert.deepEqual(node.bed.devices(), []);
    assert.equal(fake.ran("show paths").length, 4);
    assert.deepEqual(fake.ran("multipath -f"), [`multipath -f ${wwidOf(7)}`]);
  }));

Deno.test("detach() goes on when what is cached cannot be written back, with the reason in the log", () =>
  withNode(async (node, fake) => {
    const { name } = await node.attach(7);
    fake.onTool.set("blockdev", () => ({ code: 1, stderr: "Input/output error" }));
    await node.connection.detach(node.context, name);
    assert.match(fake.said("device not flushed before its removal")[0] ?? "", /Input\/output/);
    assert.deepEqual(node.bed.devices(), []);
  }));

Deno.test("tidy() ends a session of a volume that is not attached by its portal, and keeps the others", () =>
  withNode(async (node, fake) => {
    for (const session of [1, 2]) fake.iscsi.addSession(session, PORTALS[session - 1] ?? "");
    const { attachment } = node.record(7);
    assert.ok("targets" in attachment);
    const targets = attachment.targets.slice(0, 1);
    await node.tidy({ ...node.record(7), attachment: { ...attachment, targets }, device: "dm-7" });
    assert.deepEqual(fake.iscsi.sessions, ["session1"]);
    await node.tidy(node.record(7)); // never attached: it has no device
    assert.deepEqual(fake.iscsi.sessions, []);
  }));

Deno.test("tidy() keeps a session on which a disk has come up since it was seen to be idle", () =>
  withNode(async (node, fake) => {
    fake.iscsi.addSession(1, FIRST);
    let isFirst = true;
    node.context.targets.inTurn = (_key, work) => {
      if (isFirst) fake.scsi.addDisk({ session: 1, lun: 9, volume: 9 });
      isFirst = false;
      return work();
    };
    await node.tidy();
    assert.deepEqual(fake.iscsi.sessions, ["session1"]);
  }));
