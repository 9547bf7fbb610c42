/**
 * File systems that the kernel has stopped, on real devices: no pod is given one, and what can be
 * mounted anew is.
 */
import assert from "node:assert/strict";
import { mountCapability } from "../support/test_node.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiVolume, PORTALS } from "./array.ts";
import { LabNode, type LabVolume, refusal, sh } from "./bed.ts";

await array("start", "iscsi");

const SIZE = 384 * MiB;

/** Both paths away while a program writes and syncs, until it meets an error; then back. */
async function cutAllPaths({ targetPath, stagingPath }: LabVolume): Promise<void> {
  const load = sh(
    `for i in $(seq 1000); do dd if=/dev/urandom of=${targetPath}/load bs=64k count=4 ` +
      "conv=fsync status=none 2>/dev/null || exit 0; sleep 0.2; done; exit 1",
  );
  for (const portal of PORTALS) await array("path", portal, "reset");
  await load;
  // An ext4 gives up with its journal only: let it commit what it has.
  await sh(
    `sync -f ${stagingPath} || true; touch ${stagingPath}/more || true; sleep 6; sync -f ${stagingPath} || true`,
  );
  for (const portal of PORTALS) await array("path", portal, "up");
  await sh(
    'for i in $(seq 600); do [ "$(cat /sys/class/iscsi_session/*/state | grep -c LOGGED_IN)" = 2 ] ' +
      '&& [ "$(multipathd show paths raw format "%t" | grep -c active)" = 2 ] && exit 0; sleep 0.2; done; exit 1',
  );
}

const STOPS = [
  { what: "xfs of which both paths went away under I/O", fsType: "xfs", stop: cutAllPaths },
  { what: "ext4 of which both paths went away under I/O", fsType: "ext4", stop: cutAllPaths },
  {
    what: "xfs after a shutdown",
    fsType: "xfs",
    stop: ({ stagingPath }: LabVolume) => sh(`xfs_io -x -c shutdown ${stagingPath}`),
  },
  {
    what: "ext4 after a shutdown",
    fsType: "ext4",
    stop: ({ stagingPath }: LabVolume) => sh(`xfs_io -x -c shutdown ${stagingPath}`),
  },
  {
    what: "ext4 after an abort of its journal",
    fsType: "ext4",
    stop: ({ stagingPath }: LabVolume) => sh(`mount -o remount,abort ${stagingPath}`),
  },
];

for (const [index, { what, fsType, stop }] of STOPS.entries()) {
  Deno.test(`the next pod never gets an ${what}: refused while a pod has it, then mounted anew, with its data`, () =>
    LabNode.leavesNothing(async (lab) => {
      const name = `stopped-${index}`;
      const volume = lab.volume(await iscsiVolume(name, { lun: index + 1, sizeBytes: SIZE }));
      const next = { ...volume, targetPath: `${volume.targetPath}-next` };
      const wanted = { capability: mountCapability(fsType) };
      await lab.stage(volume, wanted);
      await lab.publish(volume, wanted);
      await sh(`echo kept >${volume.targetPath}/file; sync ${volume.targetPath}/file`);
      await stop(volume);
      await assert.rejects(sh(`echo lost >${volume.targetPath}/new`), /Input\/output|Read-only/);
      lab.restart(); // a process that saw nothing of it
      const health = () =>
        lab.node.health({ volumeId: volume.volumeId, volumePath: volume.targetPath });
      assert.notDeepEqual(await health(), []);
      for (
        const call of [() => lab.publish(next, wanted), () => lab.stage(volume, wanted)]
      ) {
        assert.match(
          await refusal(call()),
          /^in_use: .*the kernel has stopped its .* still shows it: end the pods that use it/,
        );
      }
      await lab.node.unpublish(volume);
      await lab.publish(next, wanted);
      assert.equal(await sh(`cat ${next.targetPath}/file`), "kept");
      await sh(`echo new >${next.targetPath}/new; sync ${next.targetPath}/new`);
      assert.deepEqual(await health(), []);
      await lab.takeAway(next);
      await array("delete", name);
    }));
}
