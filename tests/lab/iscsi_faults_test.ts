/**
 * What goes wrong with SCSI devices, sessions and maps on real hosts; the numbers are those of
 * docs/field-lessons.md.
 */
import assert from "node:assert/strict";
import { BLOCK_CAPABILITY, testRun } from "../support/test_node.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiAttachment, iscsiVolume, NODE_IQN, PORTALS, TARGET_IQN } from "./array.ts";
import { hostState, LabNode, LIE, mapName, mapPath, refusal, runWith, sh, wwidOf } from "./bed.ts";

await array("start", "iscsi");

const SIZE = 384 * MiB;
const RAW = { capability: BLOCK_CAPABILITY };

/** The disks that are paths of a WWID, by sysfs. */
async function pathsOf(wwid: string): Promise<string[]> {
  const text = await sh(
    `grep -il ${wwid.slice(1)} /sys/class/scsi_device/*/device/wwid | cut -d/ -f5 || true`,
  );
  return (await sh(
    `for d in ${text.replaceAll("\n", " ")}; do ls /sys/class/scsi_device/$d/device/block; done`,
  )).split("\n").filter(
    Boolean,
  );
}

Deno.test("rule 1: a LUN that is used again shows the new volume, though map and paths of the old one were left behind", () =>
  LabNode.leavesNothing(async (lab) => {
    const old = lab.volume(await iscsiVolume("old", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(old);
    // a node that lost its state, and a driver that left the devices
    await sh(`umount ${old.stagingPath}; rm -r /var/lib/pso-test`);
    await array("unmap", "old");
    const fresh = lab.volume(await iscsiVolume("fresh", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(fresh, RAW);
    await lab.publish(fresh, RAW);
    await sh(`echo fresh | dd of=${fresh.targetPath} conv=notrunc,fsync status=none`);
    assert.equal(await sh("head -c 5 /var/lib/array/fresh"), "fresh");
    assert.notEqual(await sh("head -c 5 /var/lib/array/old"), "fresh");
    await lab.takeAway(fresh);
    await sh("multipath -F || true");
    for (const name of ["old", "fresh"]) await array("delete", name);
  }));

Deno.test("rule 3: a login attaches nothing by itself, and a stage attaches its own LUN only", () =>
  LabNode.leavesNothing(async (lab) => {
    for (const lun of [2, 3, 4]) await iscsiVolume(`other-${lun}`, { lun, sizeBytes: SIZE });
    const volume = lab.volume(await iscsiVolume("own", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume, RAW);
    assert.deepEqual(await sh("ls /sys/class/scsi_device | cut -d: -f4 | sort -u"), "1");
    await lab.takeAway(volume);
    for (const name of ["own", "other-2", "other-3", "other-4"]) await array("delete", name);
  }));

Deno.test("rule 4: a path of another volume is taken out of the map before the map is used", () =>
  LabNode.leavesNothing(async (lab) => {
    const one = await iscsiVolume("one", { lun: 1, sizeBytes: SIZE });
    const volume = lab.volume(one);
    const other = lab.volume(await iscsiVolume("two", { lun: 2, sizeBytes: SIZE }));
    await lab.stage(volume, RAW);
    await lab.stage(other, RAW);
    const map = mapName(one);
    const [foreign] = await pathsOf(wwidOf(other.attachment));
    await sh(
      `umount ${volume.stagingPath}/*; multipathd del map ${
        mapName(other.attachment)
      } >/dev/null; multipathd del path ${foreign} >/dev/null
      number=$(cat /sys/block/${foreign}/dev)
      own=$(dmsetup table ${map} | grep -o '[0-9]*:[0-9]* [0-9]*' | grep : | cut -d' ' -f1 | tr '\\n' ' ')
      set -- $own
      echo "0 $(blockdev --getsz /dev/mapper/${map}) multipath 0 0 1 1 service-time 0 3 1 $1 1 $2 1 $number 1" | dmsetup load ${map}
      dmsetup resume ${map}`,
    );
    assert.match(
      await sh(`ls /sys/block/$(basename $(readlink /dev/mapper/${map}))/slaves | tr '\\n' ' '`),
      new RegExp(`\\b${foreign}\\b`),
    );
    await lab.stage(volume, RAW);
    assert.doesNotMatch(
      await sh(`ls /sys/block/$(basename $(readlink /dev/mapper/${map}))/slaves | tr '\\n' ' '`),
      new RegExp(`\\b${foreign}\\b`),
    );
    assert.ok(lab.logLines.some((line) => line.includes("path of another volume taken out")));
    await lab.takeAway(volume);
    await sh(`umount ${other.stagingPath}/*`);
    await lab.takeAway(other);
    for (const name of ["one", "two"]) await array("delete", name);
  }));

Deno.test("rule 5: a LUN that shows another, living volume is refused, and that volume's device is left alone", () =>
  LabNode.leavesNothing(async (lab) => {
    const theirs = lab.volume(await iscsiVolume("theirs", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(theirs);
    const before = hostState();
    const wrong = iscsiAttachment({
      serial: "ABCDEF0123456789ABCDEF01",
      lun: 1,
      sizeBytes: SIZE,
      everWritten: false,
    });
    assert.match(
      await refusal(lab.stage(lab.volume(wrong))),
      /^unavailable: .*the device at .* is volume 3624a9370.*, and the array was to show/,
    );
    assert.deepEqual(hostState(), before);
    await sh(`touch ${theirs.stagingPath}/alive && sync -f ${theirs.stagingPath}`);
    await lab.takeAway(theirs);
    await array("delete", "theirs");
  }));

Deno.test("rule 7: unstage succeeds whatever is gone already: mount, map, paths, session", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("gone", { lun: 1, sizeBytes: SIZE });
    const remove = (map: string) =>
      `multipathd del map ${map} >/dev/null; multipath -f ${map} 2>/dev/null || true`;
    const steps = (volume: { stagingPath: string }) => [
      `umount ${volume.stagingPath}`,
      remove(mapName(attachment)),
      "for d in /sys/class/scsi_device/*; do echo 1 >$d/device/delete; done",
      "iscsiadm -m session -u >/dev/null",
    ];
    for (let count = 1; count <= 4; count++) {
      const volume = lab.volume(attachment);
      await lab.stage(volume);
      await sh(steps(volume).slice(0, count).join("\n"));
      await lab.takeAway(volume);
      await lab.takeAway(volume);
      assert.deepEqual(hostState().sessions, []);
      await sh("rm -rf /etc/iscsi/nodes/*");
    }
    await array("delete", "gone");
  }));

Deno.test("rule 10: a map whose paths are dead and that carries partitions is removed, partitions first", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("parts", { lun: 1, sizeBytes: SIZE });
    const volume = lab.volume(attachment);
    await lab.stage(volume, RAW);
    await sh(
      `echo ',,L' | sfdisk -q ${mapPath(attachment)}; kpartx -a -s ${mapPath(attachment)}`,
    );
    assert.equal(hostState().maps.length, 2);
    await array("unmap", "parts");
    await lab.takeAway(volume);
    await array("delete", "parts");
  }));

Deno.test("rule 11: a removal that the kernel did not do is an error of unstage, and the next unstage does it", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("liar", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume);
    lab.restart(
      runWith((tool, args) => tool === "tee" && args[0]?.endsWith("/delete") ? LIE : undefined),
    );
    assert.match(await refusal(lab.takeAway(volume)), /removal of SCSI device/);
    lab.restart();
    await lab.takeAway(volume);
    await array("delete", "liar");
  }));

Deno.test("rule 13: a place where another volume is mounted is refused, and stays as it is", () =>
  LabNode.leavesNothing(async (lab) => {
    const first = lab.volume(await iscsiVolume("first", { lun: 1, sizeBytes: SIZE }));
    const second = {
      ...lab.volume(await iscsiVolume("second", { lun: 2, sizeBytes: SIZE })),
      stagingPath: first.stagingPath,
    };
    await lab.stage(first);
    assert.match(await refusal(lab.stage(second)), /^in_use: .*which is not volume/);
    await lab.takeAway(first);
    for (const name of ["first", "second"]) await array("delete", name);
  }));

Deno.test("rule 14: a map is removed by multipathd, and past it only when it is dead", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("daemon", { lun: 1, sizeBytes: SIZE }));
    const tools: string[] = [];
    lab.restart(runWith((tool, args) => void tools.push([tool, ...args].join(" "))));
    await lab.stage(volume);
    await lab.takeAway(volume);
    assert.ok(
      tools.some((line) => line.startsWith("multipathd del map")) &&
        !tools.some((line) => /^(dmsetup|multipath -f)/.test(line)),
    );
    await lab.stage(volume);
    await sh("killall multipathd; while pidof multipathd; do sleep 0.1; done");
    await lab.takeAway(volume);
    assert.match(
      await refusal(lab.stage(volume)),
      /^unavailable: (this node is not prepared for iscsi: )?multipathd does not run on this node/,
    );
    await sh("multipathd; until multipathd show daemon | grep -q idle; do sleep 0.2; done");
    await array("delete", "daemon");
  }));

Deno.test("rule 15: unstage and stage in quick turns leave no orphan map, path or session", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("turns", { lun: 1, sizeBytes: SIZE });
    for (let turn = 0; turn < 4; turn++) {
      const volume = lab.volume(attachment);
      await lab.stage(volume, RAW);
      assert.equal((await pathsOf(wwidOf(attachment))).length, 2);
      await lab.takeAway(volume);
    }
    await array("delete", "turns");
  }));

Deno.test("rule 16: a volume does not grow while one of its paths shows the old size, and does when it is back", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("grow", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume);
    await lab.publish(volume);
    const [stale = ""] = await pathsOf(wwidOf(volume.attachment));
    const hctl = await sh(`basename $(readlink -f /sys/block/${stale}/device)`);
    await array("grow", "grow", 2 * SIZE);
    lab.restart(
      runWith((tool, args) =>
        tool === "tee" && args[0]?.includes(`/${hctl}/device/rescan`) ? LIE : undefined
      ),
    );
    const expand = {
      volumeId: volume.volumeId,
      volumePath: volume.targetPath,
      stagingPath: volume.stagingPath,
      requiredBytes: 2 * SIZE,
    };
    assert.match(
      await refusal(lab.node.expand(expand)),
      /^unavailable: the paths of one volume have different sizes/,
    );
    lab.restart(
      runWith((tool, args) => tool === "multipathd" && args[0] === "resize" ? LIE : undefined),
    );
    assert.match(
      await refusal(lab.node.expand(expand)),
      /^unavailable: multipath map .* has .* bytes and its paths have/,
    );
    lab.restart();
    assert.ok((await lab.node.expand(expand)).sizeBytes > SIZE);
    await lab.takeAway(volume);
    await array("delete", "grow");
  }));

Deno.test("rule 42: a broken open-iscsi record of somebody else stops nothing", () =>
  LabNode.leavesNothing(async (lab) => {
    const broken = "/etc/iscsi/nodes/iqn.2001-01.com.example:broken/1.2.3.4,3260,1";
    await sh(`mkdir -p ${broken}; echo 'garbage = here' >${broken}/default`);
    const volume = lab.volume(await iscsiVolume("record", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume);
    await lab.takeAway(volume);
    await sh("rm -r /etc/iscsi/nodes/iqn.2001-01.com.example:broken");
    await array("delete", "record");
  }));

Deno.test("a portal that refuses at stage costs a path, not the volume, and the log says which", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("half", { lun: 1, sizeBytes: SIZE });
    const volume = lab.volume(attachment);
    await array("path", PORTALS[1] ?? "", "reset");
    lab.restart(undefined, { flasharray: { iscsiLoginTimeoutSeconds: 8 } });
    await lab.stage(volume);
    await array("path", PORTALS[1] ?? "", "up");
    assert.equal((await pathsOf(wwidOf(attachment))).length, 1);
    assert.ok(lab.logLines.some((line) => line.includes("fewer paths")));
    await lab.takeAway(volume);
    await array("delete", "half");
  }));

Deno.test("a target that refuses this host is told as denied, with no record or session left", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("denied", { lun: 1, sizeBytes: SIZE });
    await array("unmap", "denied", NODE_IQN);
    await sh(`rmdir /sys/kernel/config/target/iscsi/${TARGET_IQN}/tpgt_1/acls/${NODE_IQN}`);
    assert.match(await refusal(lab.stage(lab.volume(attachment))), /^denied: .*refused the login/);
    assert.equal(await sh("find /etc/iscsi/nodes -type f -name default | wc -l"), "0");
    await array("delete", "denied");
  }));

Deno.test("a size below what the array said, and a volume that the array does not show, are refused and leave nothing", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("small", { lun: 1, sizeBytes: SIZE });
    assert.match(
      await refusal(lab.stage(lab.volume({ ...attachment, sizeBytes: 2 * SIZE }))),
      /^unavailable: .*and the array said/,
    );
    assert.match(
      await refusal(lab.stage(lab.volume({ ...attachment, lun: 9 }))),
      /^unavailable: .*shows no LUN 9 to this host/,
    );
    await array("delete", "small");
  }));

Deno.test("a raw volume that a process holds open is not taken away, and goes when it is closed", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("open", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume, RAW);
    await lab.publish(volume, RAW);
    const open = await Deno.open(volume.targetPath, { read: true });
    assert.match(await refusal(lab.takeAway(volume)), /^in_use: /);
    assert.equal(hostState().maps.length, 1);
    open.close();
    await lab.takeAway(volume);
    await array("delete", "open");
  }));

Deno.test("with flasharray.multipath off a volume is used by one path, without multipathd", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("single", { lun: 1, sizeBytes: SIZE });
    await sh("killall multipathd; while pidof multipathd; do sleep 0.1; done");
    lab.restart(undefined, { flasharray: { multipath: false } });
    const volume = lab.volume(attachment);
    await lab.stage(volume);
    await lab.publish(volume);
    assert.equal(hostState().sessions.length, 1);
    assert.match(await sh(`findmnt -no SOURCE ${volume.targetPath}`), /^\/dev\/sd/);
    await lab.takeAway(volume);
    await sh("multipathd; until multipathd show daemon | grep -q idle; do sleep 0.2; done");
    await array("delete", "single");
  }));

Deno.test("rule 43: a SCSI host that goes away in the middle of a stage costs its own path alone", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("dying", { lun: 1, sizeBytes: SIZE });
    const volume = lab.volume(attachment);
    let died = "";
    lab.restart(async (tool, args, options) => {
      const scsiHost = /\/(host\d+)\/scan$/.exec(args[0] ?? "")?.[1];
      if (tool === "tee" && scsiHost !== undefined && died === "") {
        died = scsiHost;
        await sh(
          `session=$(basename /sys/class/scsi_host/${scsiHost}/device/session*); iscsiadm -m ` +
            `session -r ${"$"}{session#session} -u >/dev/null`,
        );
      }
      return await testRun(tool, args, options);
    });
    await lab.stage(volume, RAW);
    assert.notEqual(died, "");
    assert.equal((await pathsOf(wwidOf(attachment))).length, 1);
    assert.match(lab.logLines.join("\n"), /volume has fewer paths.*takes no scan/);
    lab.restart();
    await lab.publish(volume, RAW);
    await sh(
      `dd if=/dev/zero of=${volume.targetPath} bs=1M count=1 oflag=direct conv=notrunc status=none`,
    );
    await lab.takeAway(volume);
    await array("delete", "dying");
  }));

Deno.test("sessions, maps and mounts of somebody else stay as they are beside ours", () =>
  LabNode.leavesNothing(async (lab) => {
    const theirs = await iscsiVolume("foreign", { lun: 5, sizeBytes: SIZE });
    const portal = `${PORTALS[0]}:3260`;
    await sh(
      `iscsiadm -m node -T ${TARGET_IQN} -p ${portal} -o new >/dev/null; iscsiadm -m node -T ${TARGET_IQN} -p ${portal} -l >/dev/null
      until [ -e ${mapPath(theirs)} ]; do sleep 0.2; done; mkfs.ext4 -q ${
        mapPath(theirs)
      }; mkdir -p /boot-like; mount ${mapPath(theirs)} /boot-like; echo here >/boot-like/file`,
    );
    const before = hostState();
    const volume = lab.volume(await iscsiVolume("ours", { lun: 6, sizeBytes: SIZE }));
    await lab.stage(volume);
    await lab.publish(volume);
    await lab.takeAway(volume);
    assert.deepEqual(hostState(), before);
    assert.match(await refusal(lab.stage(lab.volume(theirs))), /^in_use: .*mounted at \/boot-like/);
    assert.deepEqual(hostState(), before);
    assert.equal(await sh("cat /boot-like/file"), "here");
    await sh(
      `umount /boot-like; multipathd del map ${
        mapName(theirs)
      } >/dev/null; iscsiadm -m session -u >/dev/null; rm -rf /etc/iscsi/nodes/*`,
    );
    await sh('until [ -z "$(ls /sys/class/scsi_device)" ]; do sleep 0.2; done');
    for (const name of ["foreign", "ours"]) await array("delete", name);
  }));
