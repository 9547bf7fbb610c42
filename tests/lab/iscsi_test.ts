/** Block volumes over real iSCSI with two portals, under multipathd. */
import assert from "node:assert/strict";
import { BLOCK_CAPABILITY, mountCapability } from "../support/test_node.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiVolume, PORTALS, TARGET_IQN } from "./array.ts";
import { hostState, LabNode, mapPath, refusal, sh, wwidOf } from "./bed.ts";

await array("start", "iscsi");

const SIZE = 384 * MiB;

const NAMES_OFF = { friendly: "no", find: "off" };
const CONF = "/etc/multipath.conf";

/** Lets multipathd name and find maps like this, and waits until it does. */
async function nameMaps({ friendly, find }: typeof NAMES_OFF): Promise<void> {
  await sh(
    `sed -i 's/user_friendly_names .*/user_friendly_names ${friendly}/; ` +
      `s/find_multipaths .*/find_multipaths ${find}/' ${CONF}; ` +
      "rm -f /etc/multipath/wwids /etc/multipath/bindings; multipathd reconfigure",
  );
  const shown = `multipathd show config | grep -Eq 'find_multipaths "?${find}"?'`;
  await sh(`for i in $(seq 100); do ${shown} && exit 0; sleep 0.2; done; exit 1`);
}

for (
  const { fsType, lun, names = NAMES_OFF } of [
    { fsType: "xfs", lun: 1 },
    { fsType: "ext4", lun: 300 },
    { fsType: "xfs", lun: 2, names: { friendly: "yes", find: "on" } },
    { fsType: "ext4", lun: 3, names: { friendly: "yes", find: "smart" } },
  ]
) {
  const how = names === NAMES_OFF ? "" : `, named mpathX, find_multipaths ${names.find},`;
  Deno.test(`iSCSI with two paths: ${fsType} at LUN ${lun}${how} is staged, written, grown online, taken away; nothing is left`, () =>
    LabNode.leavesNothing(async (lab) => {
      await nameMaps(names);
      const name = `life-${lun}`;
      const attachment = await iscsiVolume(name, { lun, sizeBytes: SIZE });
      const volume = lab.volume(attachment);
      const wanted = { capability: mountCapability(fsType) };
      await lab.stage(volume, wanted);
      await lab.stage(volume, wanted); // again, as kubelet does
      await lab.publish(volume, wanted);
      const [map = "", ...more] = hostState().maps;
      const wwid = wwidOf(attachment);
      assert.match(map, names.friendly === "yes" ? /^mpath[a-z]$/ : new RegExp(`^${wwid}$`));
      assert.deepEqual(more, []);
      assert.equal(hostState().disks.filter((disk) => disk.startsWith("sd")).length, 2);
      await sh(
        `dd if=/dev/urandom of=${volume.targetPath}/file bs=1M count=16 conv=fsync status=none`,
      );
      const sum = await sh(`sha256sum <${volume.targetPath}/file`);
      await array("grow", name, 2 * SIZE);
      const expand = {
        volumeId: volume.volumeId,
        volumePath: volume.targetPath,
        stagingPath: volume.stagingPath,
        requiredBytes: 2 * SIZE,
      };
      assert.equal((await lab.node.expand(expand)).sizeBytes >= 2 * SIZE * 0.9, true);
      assert.equal(await sh(`blockdev --getsize64 /dev/mapper/${map}`), String(2 * SIZE));
      await lab.takeAway(volume);
      await lab.takeAway(volume);
      assert.deepEqual(hostState().sessions, []);
      await lab.stage({
        ...volume,
        attachment: { ...attachment, everWritten: true, sizeBytes: 2 * SIZE },
      }, wanted);
      await lab.publish(volume, wanted);
      assert.equal(await sh(`sha256sum <${volume.targetPath}/file`), sum);
      await lab.takeAway(volume);
      await array("delete", name);
      await nameMaps(NAMES_OFF);
    }));
}

Deno.test("iSCSI: LUN 300 of an array that shows it in flat addressing is found, used, grown and taken away", () =>
  LabNode.leavesNothing(async (lab) => {
    const lun = 300;
    // what Linux makes of the flat form of LUN 300, and so what it asks LIO for
    const flat = 0x4000 + lun;
    const attachment = { ...await iscsiVolume("flat", { lun: flat, sizeBytes: SIZE }), lun };
    const volume = lab.volume(attachment);
    await lab.stage(volume);
    await lab.publish(volume);
    const luns = await sh("ls /sys/class/scsi_device | cut -d: -f4 | sort -u");
    assert.equal(luns, `${flat}`);
    await array("grow", "flat", 2 * SIZE);
    const { volumeId, targetPath: volumePath, stagingPath } = volume;
    const wanted = { volumeId, volumePath, stagingPath, requiredBytes: 2 * SIZE };
    assert.ok((await lab.node.expand(wanted)).sizeBytes >= 2 * SIZE * 0.9);
    await lab.takeAway(volume);
    await array("delete", "flat");
  }));

Deno.test("iSCSI: a raw block volume shows the map, and its data is there again after a second stage", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("raw", { lun: 7, sizeBytes: SIZE });
    const volume = lab.volume(attachment);
    const wanted = { capability: BLOCK_CAPABILITY };
    for (const time of ["first", "second"]) {
      await lab.stage(volume, wanted);
      await lab.publish(volume, wanted);
      if (time === "first") {
        await sh(
          `dd if=/dev/urandom of=${volume.targetPath} bs=1M count=4 conv=notrunc status=none; ` +
            "sha256sum </var/lib/array/raw >/dev/null",
        );
      }
      await sh(`cmp -n ${4 * MiB} ${volume.targetPath} /var/lib/array/raw`);
      await lab.takeAway(volume);
    }
    await array("delete", "raw");
  }));

Deno.test("iSCSI under load: one of two paths cut, no I/O error; the session goes with the last volume only", () =>
  LabNode.leavesNothing(async (lab) => {
    const volumes = [];
    for (const lun of [1, 2]) {
      volumes.push(lab.volume(await iscsiVolume(`load-${lun}`, { lun, sizeBytes: SIZE })));
    }
    const [busy, idle] = volumes;
    assert.ok(busy && idle);
    await Promise.all(volumes.map((volume) => lab.stage(volume)));
    await lab.publish(busy);
    const load = sh(
      `cd ${busy.targetPath}; for i in $(seq 60); do dd if=/dev/zero of=f bs=1M count=2 ` +
        "oflag=direct conv=notrunc status=none || exit 1; sleep 0.5; done",
    );
    await array("path", PORTALS[1] ?? "", "reset");
    await load;
    const loggedIn = "cat /sys/class/iscsi_session/*/state | grep -c LOGGED_IN";
    assert.equal(await sh(loggedIn), "1", "one path was lost under the load");
    await array("path", PORTALS[1] ?? "", "up");
    await sh(`for i in $(seq 300); do [ "$(${loggedIn})" = 2 ] && exit 0; sleep 0.1; done; exit 1`);
    await lab.takeAway(idle);
    assert.equal(hostState().sessions.length, 2, "the other volume still needs the sessions");
    await lab.takeAway(busy);
    for (const lun of [1, 2]) await array("delete", `load-${lun}`);
  }));

Deno.test("iSCSI by IPv6 portals: logged in to, used and left, also where the array spells an address in another way", () =>
  LabNode.leavesNothing(async (lab) => {
    await sh("ip addr add fd00::2/128 dev lo; ARRAY_PORTALS='[::1] [fd00::2]' array start iscsi");
    const targets = ["[::1]:3260", "[FD00:0::2]:3260"].map((portal) => ({
      iqn: TARGET_IQN,
      portal,
    }));
    const volume = lab.volume({
      ...await iscsiVolume("six", { lun: 4, sizeBytes: SIZE }),
      targets,
    });
    await lab.stage(volume);
    await lab.stage(volume);
    assert.equal(
      (await sh("cat /sys/class/iscsi_connection/*/persistent_address | sort")).toLowerCase(),
      "::1\nfd00:0::2",
    );
    assert.equal(hostState().disks.filter((disk) => disk.startsWith("sd")).length, 2);
    await lab.publish(volume);
    await sh(`echo data >${volume.targetPath}/file; sync -f ${volume.targetPath}`);
    await lab.takeAway(volume);
    assert.equal(
      await sh("find /etc/iscsi/nodes /var/lib/iscsi/nodes -type f 2>/dev/null || true"),
      "",
      "records go with the sessions",
    );
    await array("delete", "six");
  }));

Deno.test("iSCSI: a read-only publish takes no write, mounted or raw, and a writable one after it does", () =>
  LabNode.leavesNothing(async (lab) => {
    for (const capability of [mountCapability(), BLOCK_CAPABILITY]) {
      const name = `reader-${capability.access.type}`;
      const attachment = await iscsiVolume(name, { lun: 3, sizeBytes: SIZE });
      const volume = lab.volume(attachment);
      const isRaw = capability.access.type === "block";
      const write = `dd if=/dev/urandom of=${volume.targetPath}${
        isRaw ? "" : "/file"
      } bs=4k count=1 oflag=direct conv=notrunc status=none`;
      await lab.stage(volume, { capability });
      for (const readOnly of [true, false]) {
        await lab.publish(volume, { capability, readOnly });
        const isReadOnly = await sh(
          `blockdev --getro ${mapPath(attachment)}`,
        );
        if (isRaw) assert.equal(isReadOnly, readOnly ? "1" : "0");
        if (readOnly) {
          assert.match(await refusal(sh(write)), /Read-only file system|Operation not permitted/);
        } else await sh(write);
        await lab.node.unpublish(volume);
      }
      await lab.takeAway(volume);
      await array("delete", name);
    }
  }));

Deno.test("iSCSI: a deleted file gives its blocks back to the array, and a published path can be frozen", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("trim", { lun: 5, sizeBytes: SIZE }));
    await lab.stage(volume);
    await lab.publish(volume);
    const usedBytes = async () => Number(await sh("stat -c %b /var/lib/array/trim")) * 512;
    const before = await usedBytes();
    await sh(
      `dd if=/dev/urandom of=${volume.targetPath}/file bs=1M count=64 conv=fsync status=none`,
    );
    assert.ok(await usedBytes() >= before + 60 * MiB);
    // a freeze commits the journal, and `discard` goes with that
    await sh(`rm ${volume.targetPath}/file; fsfreeze -f ${volume.targetPath}`);
    assert.match(await refusal(sh(`fsfreeze -f ${volume.targetPath}`)), /busy/i);
    await sh(`fsfreeze -u ${volume.targetPath}; fstrim ${volume.targetPath}`);
    assert.ok(
      await usedBytes() < before + 8 * MiB,
      `${await usedBytes()} bytes are used, ${before} were before`,
    );
    await sh(`echo data >${volume.targetPath}/file; sync -f ${volume.targetPath}`);
    await lab.takeAway(volume);
    await array("delete", "trim");
  }));
