/** Block volumes over real NVMe/TCP with two portals, under the kernel's native multipath. */
import assert from "node:assert/strict";
import { BLOCK_CAPABILITY, mountCapability } from "../support/test_node.ts";
import { MiB } from "../../src/size.ts";
import { array, nvmeVolume, PORTALS, SUBSYSTEM_NQN } from "./array.ts";
import { hostState, LabNode, sh } from "./bed.ts";

await array("start", "nvme");

const SIZE = 384 * MiB;

for (const fsType of ["xfs", "ext4"]) {
  Deno.test(`NVMe/TCP with two paths: ${fsType} is staged, written, grown online, taken away; nothing is left`, () =>
    LabNode.leavesNothing(async (lab) => {
      const name = `life-${fsType}`;
      const attachment = await nvmeVolume(name, { nsid: 1, sizeBytes: SIZE });
      const volume = lab.volume(attachment);
      const wanted = { capability: mountCapability(fsType) };
      await lab.stage(volume, wanted);
      await lab.stage(volume, wanted); // again, as kubelet does
      await lab.publish(volume, wanted);
      assert.equal(hostState().controllers.length, 2);
      assert.equal(await sh("cat /sys/class/nvme/nvme0/ctrl_loss_tmo"), "off");
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
      assert.ok((await lab.node.expand(expand)).sizeBytes >= 2 * SIZE * 0.9);
      await lab.takeAway(volume);
      await lab.takeAway(volume);
      assert.deepEqual(hostState().controllers, [], "the last volume takes the connections along");
      await lab.stage({
        ...volume,
        attachment: { ...attachment, everWritten: true, sizeBytes: 2 * SIZE },
      }, wanted);
      await lab.publish(volume, wanted);
      assert.equal(await sh(`sha256sum <${volume.targetPath}/file`), sum);
      await lab.takeAway(volume);
      await array("delete", name);
    }));
}

Deno.test("NVMe/TCP under load: one of two paths cut, no I/O error, the kernel brings it back; the other volume keeps the connections", () =>
  LabNode.leavesNothing(async (lab) => {
    const busy = lab.volume(await nvmeVolume("busy", { nsid: 1, sizeBytes: SIZE }));
    const raw = lab.volume(await nvmeVolume("raw", { nsid: 2, sizeBytes: SIZE }));
    await Promise.all([lab.stage(busy), lab.stage(raw, { capability: BLOCK_CAPABILITY })]);
    await lab.publish(busy);
    const load = sh(
      `cd ${busy.targetPath}; for i in $(seq 40); do dd if=/dev/zero of=f bs=1M count=2 ` +
        "oflag=direct conv=notrunc status=none || exit 1; sleep 0.5; done",
    );
    await array("path", PORTALS[1] ?? "", "reset");
    await load;
    await array("path", PORTALS[1] ?? "", "up");
    await sh(
      'for i in $(seq 300); do [ "$(cat /sys/class/nvme/nvme*/state | grep -c live)" = 2 ] ' +
        "&& exit 0; sleep 0.1; done; exit 1",
    );
    await lab.takeAway(raw);
    assert.equal(hostState().controllers.length, 2, "the other volume still needs them");
    await lab.takeAway(busy);
    for (const name of ["busy", "raw"]) await array("delete", name);
  }));

Deno.test("NVMe/TCP, both portals dropped: every call ends by its deadline, no lock stays, and all goes on when they are back", () =>
  LabNode.leavesNothing(async (lab) => {
    const old = lab.volume(await nvmeVolume("old", { nsid: 1, sizeBytes: SIZE }));
    const young = lab.volume(await nvmeVolume("young", { nsid: 2, sizeBytes: SIZE }));
    await lab.stage(old);
    await lab.publish(old);
    await sh(`echo kept >${old.targetPath}/file; sync ${old.targetPath}/file`);
    for (const portal of PORTALS) await array("path", portal, "down");
    await sh(
      "for i in $(seq 600); do cat /sys/class/nvme/nvme*/state | grep -q live || exit 0; " +
        "sleep 0.1; done; exit 1",
    );
    const { volumeId, stagingPath, targetPath, attachment } = old;
    const calls: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
      stage: (signal) =>
        lab.node.stage({
          ...young,
          capability: mountCapability(),
          volumeContext: {},
        }, signal),
      expand: (signal) =>
        lab.node.expand({ volumeId, volumePath: targetPath, stagingPath }, signal),
      unpublish: (signal) => lab.node.unpublish({ volumeId, targetPath }, signal),
      unstage: (signal) => lab.node.unstage({ volumeId, stagingPath }, signal),
      "stage again": (signal) =>
        lab.node.stage({
          volumeId,
          stagingPath,
          attachment,
          capability: mountCapability(),
          volumeContext: {},
        }, signal),
    };
    for (const [name, call] of Object.entries(calls)) {
      const begun = performance.now();
      await call(AbortSignal.timeout(20_000)).catch(() => {});
      const seconds = (performance.now() - begun) / 1000;
      assert.ok(seconds < 30, `${name} took ${seconds} s`);
      assert.equal(lab.node.locksHeld, 0, name);
    }
    for (const portal of PORTALS) await array("path", portal, "up");
    await sh(
      'for i in $(seq 600); do [ "$(cat /sys/class/nvme/nvme*/state | grep -c live)" = 2 ] ' +
        "&& exit 0; sleep 0.1; done; exit 1",
    );
    // What was given up in the kernel ends now; until then the volume is said to be in use.
    await sh(
      "for i in $(seq 300); do pgrep -x umount >/dev/null || exit 0; sleep 0.1; done; exit 1",
    );
    await lab.takeAway(old);
    const kept = { ...old, attachment: { ...attachment, everWritten: true } };
    await lab.stage(kept);
    await lab.publish(kept);
    assert.equal(await sh(`cat ${targetPath}/file`), "kept");
    await lab.takeAway(kept);
    await lab.takeAway(young);
    for (const name of ["old", "young"]) await array("delete", name);
  }));

Deno.test("NVMe/TCP: a connection that somebody else made is used, and stays after the last volume", () =>
  LabNode.leavesNothing(async (lab) => {
    await sh(`nvme connect -t tcp -a 127.0.0.1 -s 4420 -n ${SUBSYSTEM_NQN}`);
    const volume = lab.volume(await nvmeVolume("guest", { nsid: 3, sizeBytes: SIZE }));
    await lab.stage(volume);
    assert.equal(hostState().controllers.length, 2);
    await lab.takeAway(volume);
    assert.equal(
      await sh("cat /sys/class/nvme/nvme*/address"),
      "traddr=127.0.0.1,trsvcid=4420,src_addr=127.0.0.1",
    );
    await array("delete", "guest");
    await sh(`nvme disconnect -n ${SUBSYSTEM_NQN}`);
  }));
