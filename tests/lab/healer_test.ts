/**
 * The healer over real sessions, paths, maps and servers: what breaks by hand is said by
 * NodeGetVolumeHealth, and comes back by itself.
 */
import assert from "node:assert/strict";
import { BLOCK_CAPABILITY, mountCapability } from "../support/test_node.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiVolume, nvmeVolume, PORTALS, SUBSYSTEM_NQN, TARGET_IQN } from "./array.ts";
import {
  hostState,
  LabNode,
  type LabVolume,
  mapName,
  mapPath,
  refusal,
  sh,
  SLOW_MS,
} from "./bed.ts";

await array("start", "iscsi", "nvme", "nfs");

const SIZE = 384 * MiB;

/** The disks in a map. */
async function pathsOf({ attachment }: LabVolume): Promise<string[]> {
  const slaves = `/sys/block/$(basename $(readlink ${mapPath(attachment)}))/slaves`;
  return (await sh(`ls ${slaves}`)).split("\n").filter(Boolean);
}

async function sizeOf({ attachment }: LabVolume): Promise<number> {
  return Number(await sh(`blockdev --getsize64 ${mapPath(attachment)}`));
}

async function health(lab: LabNode, { volumeId, targetPath }: LabVolume): Promise<string[]> {
  return (await lab.node.health({ volumeId, volumePath: targetPath })).map(({ status, reason }) =>
    `${status} ${reason}`
  );
}

async function round(lab: LabNode): Promise<void> {
  await lab.node.healer.round();
  await lab.node.healer.idle();
}

/** Rounds of the healer until the volume is healthy. */
async function untilHealthy(lab: LabNode, volume: LabVolume): Promise<void> {
  const end = performance.now() + SLOW_MS;
  while ((await health(lab, volume)).length > 0) {
    if (performance.now() > end) {
      assert.fail(
        JSON.stringify(await lab.node.health({ ...volume, volumePath: volume.targetPath })),
      );
    }
    await round(lab);
  }
}

Deno.test("a lost session, a deleted path, one out of its map and one off line are said as PathsMissing and healed under load", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("heal", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume);
    await lab.publish(volume);
    assert.deepEqual(await health(lab, volume), []);
    const portal = `${PORTALS[1]}:3260`;
    const breaks = [
      () => `iscsiadm -m node -T ${TARGET_IQN} -p ${portal} -I pure-csi --logout >/dev/null`,
      (disk: string) =>
        `multipathd del path ${disk} >/dev/null; echo 1 >/sys/block/${disk}/device/delete`,
      (disk: string) => `multipathd del path ${disk} >/dev/null`,
      (disk: string) => `echo offline >/sys/block/${disk}/device/state`,
    ];
    // In the background: until the end of the test it must meet no error.
    await sh(
      `(while [ ! -e /run/enough ]; do dd if=/dev/zero of=${volume.targetPath}/f bs=64k count=1 oflag=direct conv=notrunc status=none || exit
        sleep 1; done; touch /run/no-error) >/dev/null 2>&1 &`,
    );
    for (const line of breaks) {
      const [disk = ""] = await pathsOf(volume);
      await sh(line(disk));
      assert.deepEqual(await health(lab, volume), ["degraded PathsMissing"], line(disk));
      await untilHealthy(lab, volume);
      assert.equal((await pathsOf(volume)).length, 2, line(disk));
    }
    await sh(
      "touch /run/enough; for i in $(seq 100); do [ -e /run/no-error ] && exit 0; sleep " +
        "0.2; done; exit 1",
    );
    await round(lab);
    assert.deepEqual(lab.node.healer.paths(), { up: 2, down: 0, missing: 0 });
    assert.equal(hostState().sessions.length, 2);
    await lab.takeAway(volume);
    await array("delete", "heal");
  }));

Deno.test("rules 4 and 30: a path of another volume in the map is MixedPaths and goes; a shared volume grown elsewhere is seen", () =>
  LabNode.leavesNothing(async (lab) => {
    const raw = { capability: { ...BLOCK_CAPABILITY, mode: "multi-node-multi-writer" as const } };
    const volume = lab.volume(await iscsiVolume("mixed", { lun: 1, sizeBytes: SIZE }));
    const other = lab.volume(await iscsiVolume("beside", { lun: 2, sizeBytes: SIZE }));
    await lab.stage(volume, raw);
    await lab.publish(volume, raw);
    await lab.stage(other, raw);
    const map = mapName(volume.attachment);
    const [one = "", two = ""] = await pathsOf(volume);
    const [foreign = ""] = await pathsOf(other);
    await sh(
      `umount ${other.stagingPath}/*; multipathd del map ${
        mapName(other.attachment)
      } >/dev/null; multipathd del path ${foreign} >/dev/null
      number() { cat /sys/block/$1/dev; }
      echo "0 $(blockdev --getsz /dev/mapper/${map}) multipath 0 0 1 1 service-time 0 3 1 $(number ${one}) 1 $(number ${two}) 1 $(number ${foreign}) 1" |
        dmsetup load ${map}
      dmsetup resume ${map}`,
    );
    assert.ok((await health(lab, volume)).includes("degraded MixedPaths"));
    await untilHealthy(lab, volume);
    assert.deepEqual((await pathsOf(volume)).sort(), [one, two].sort());
    await array("grow", "mixed", 2 * SIZE);
    await round(lab);
    assert.equal(await sizeOf(volume), 2 * SIZE);
    await lab.takeAway(volume);
    await lab.takeAway(other);
    for (const name of ["mixed", "beside"]) await array("delete", name);
  }));

Deno.test("rules 8 and 12: an unstage that failed is finished when the device is let go; what has no unstage, no record or another owner stays", () =>
  LabNode.leavesNothing(async (lab) => {
    let nowMs = 0;
    lab.restart(undefined, { now: () => nowMs });
    const theirs = lab.volume(await iscsiVolume("theirs", { lun: 5, sizeBytes: SIZE }));
    await sh(`iscsiadm -m node -T ${TARGET_IQN} -p ${PORTALS[0]}:3260 -o new >/dev/null
      iscsiadm -m node -T ${TARGET_IQN} -p ${PORTALS[0]}:3260 -l >/dev/null; until [ -e ${
      mapPath(theirs.attachment)
    } ]; do sleep 0.2; done`);
    const before = hostState();
    const volume = lab.volume(await iscsiVolume("left", { lun: 1, sizeBytes: SIZE }));
    const raw = { capability: BLOCK_CAPABILITY };
    await lab.stage(volume, raw);
    await lab.publish(volume, raw);
    await sh(`dmsetup create keep --table "0 1024 linear ${mapPath(volume.attachment)} 0"`);
    assert.match(await refusal(lab.takeAway(volume)), /^in_use: .* is in use by keep/);
    for (let turn = 0; turn < 2; turn++) await round(lab);
    assert.equal(lab.node.healer.leftovers().volume, 1);
    assert.ok(hostState().maps.includes(mapName(volume.attachment)), "a map that is held stays");
    assert.deepEqual(await health(lab, volume), ["inaccessible UnstageUnfinished"]);
    await sh("dmsetup remove --retry keep");
    nowMs += 600_000;
    await round(lab);
    await round(lab);
    assert.deepEqual({ state: hostState(), left: lab.node.healer.leftovers() }, {
      state: before,
      left: { volume: 0, session: 0, device: 0 },
    });
    await sh(
      `multipathd del map ${
        mapName(theirs.attachment)
      } >/dev/null; iscsiadm -m session -u >/dev/null; rm -rf /etc/iscsi/nodes/*
      until [ -z "$(ls /sys/class/scsi_device)" ]; do sleep 0.2; done`,
    );
    for (const name of ["theirs", "left"]) await array("delete", name);
  }));

Deno.test("rule 41: an NVMe path that was disconnected is PathsMissing and is connected again", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await nvmeVolume("lost", { nsid: 1, sizeBytes: SIZE }));
    await lab.stage(volume);
    await lab.publish(volume);
    await sh("nvme disconnect -d nvme1 >/dev/null");
    assert.deepEqual(await health(lab, volume), ["degraded PathsMissing"]);
    await untilHealthy(lab, volume);
    assert.equal(await sh(`cat /sys/class/nvme/*/subsysnqn`), `${SUBSYSTEM_NQN}\n${SUBSYSTEM_NQN}`);
    await lab.takeAway(volume);
    assert.deepEqual(
      hostState().controllers,
      [],
      "a connection that the healer made is one of ours",
    );
    await array("delete", "lost");
  }));

const NFS = { capability: mountCapability("nfs", "multi-node-multi-writer") };

Deno.test("rule 45: a stale NFS mount is told and refused while a pod has it, and mounted anew when none has", () =>
  LabNode.leavesNothing(async (lab) => {
    const path = "/pvc-stale";
    const renew = async () => {
      await array("fs-delete", path);
      await array("fs-create", path, "64M");
      await array("export", path);
      await sh(`echo new >${path}/file`);
    };
    await array("fs-create", path, "64M");
    await array("export", path);
    const volume = lab.volume({ protocol: "nfs", address: "127.0.0.1", path });
    const second = { ...volume, targetPath: `${volume.targetPath}-2` };
    await lab.stage(volume, NFS);
    await lab.publish(volume, NFS);
    await sh(`echo old >${volume.targetPath}/file`);
    await renew();
    await round(lab);
    assert.deepEqual(await health(lab, volume), ["inaccessible StaleFileHandle"]);
    assert.match(
      await refusal(lab.publish(second, NFS)),
      /^in_use: .*it is stale: .*end the pods that use it/,
    );
    await lab.node.unpublish(volume);
    await lab.publish(second, NFS);
    assert.equal(await sh(`cat ${second.targetPath}/file`), "new");
    await round(lab);
    assert.deepEqual(await health(lab, second), []);
    await lab.node.unpublish(second);
    await renew();
    await lab.stage(volume, NFS);
    await lab.publish(volume, NFS);
    assert.equal(await sh(`cat ${volume.targetPath}/file`), "new");
    await lab.takeAway(volume);
    await array("fs-delete", path);
  }));

Deno.test("rule 44: of a server that hangs the second mount fails at once with the reason, another server's works, and it is tried again", () =>
  LabNode.leavesNothing(async (lab) => {
    await array("fs-create", "/pvc-alive", "64M");
    await array("export", "/pvc-alive");
    let skippedMs = 0;
    lab.restart(undefined, { now: () => performance.now() + skippedMs });
    const alive = lab.volume({ protocol: "nfs", address: "127.0.0.1", path: "/pvc-alive" });
    const dead = [1, 2].map(() =>
      lab.volume({ protocol: "nfs", address: "127.0.0.9", path: "/pvc-alive" })
    );
    const [first, second] = dead;
    assert.ok(first && second);
    await array("path", "127.0.0.9", "down");
    const request = { ...first, ...NFS, volumeContext: {} };
    assert.match(await refusal(lab.node.stage(request, AbortSignal.timeout(15_000))), /^timeout: /);
    assert.match(
      await refusal(lab.stage(second, NFS)),
      /^unavailable: NFS server 127\.0\.0\.9 has not answered this node for/,
    );
    assert.deepEqual(lab.node.storageHealth().map(({ reason }) => reason), ["ServerNotAnswering"]);
    await lab.stage(alive, NFS);
    await lab.publish(alive, NFS);
    await lab.takeAway(alive);
    await array("path", "127.0.0.9", "up");
    skippedMs += 60_000;
    await lab.stage(second, NFS);
    assert.deepEqual(lab.node.storageHealth(), []);
    for (const volume of dead) await lab.node.unstage(volume);
    await array("fs-delete", "/pvc-alive");
  }));
