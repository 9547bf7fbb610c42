/** What a program of this host has open is never taken away below it. */
import assert from "node:assert/strict";
import { BLOCK_CAPABILITY } from "../support/test_node.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiVolume, nvmeVolume, SUBSYSTEM_NQN } from "./array.ts";
import { hostState, LabNode, refusal, sh } from "./bed.ts";

await array("start", "iscsi", "nvme");

const SIZE = 384 * MiB;

/** The namespace of a volume, by its NGUID as a FlashArray makes it of a serial number. */
function namespaceOf(serial: string): string {
  const digits = serial.toLowerCase();
  return `/dev/disk/by-id/nvme-eui.00${digits.slice(0, 14)}24a937${digits.slice(14)}`;
}

/** A program that has this device open until it is disposed of, and can still read it then. */
async function hold(device: string): Promise<AsyncDisposable & { pid: number }> {
  const path = await sh(`readlink -f ${device}`);
  const program = new Deno.Command("sh", {
    args: ["-c", 'exec sleep 3600 <"$0"', path],
    stdin: "null",
  }).spawn();
  await sh(
    `for i in $(seq 100); do [ "$(readlink /proc/${program.pid}/fd/0)" = ${path} ] && exit 0; ` +
      "sleep 0.1; done; exit 1",
  );
  return {
    pid: program.pid,
    async [Symbol.asyncDispose]() {
      program.kill("SIGKILL");
      await program.status;
    },
  };
}

Deno.test("NVMe/TCP: the connections stay while the array shows a namespace that is not ours, open or not", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await nvmeVolume("ours", { nsid: 1, sizeBytes: SIZE });
    const ours = lab.volume(attachment);
    const { serial } = await nvmeVolume("theirs", { nsid: 2, sizeBytes: SIZE });
    await lab.stage(ours);
    await lab.publish(ours);
    const device = namespaceOf(serial);
    const read = `dd if=${device} of=/dev/null bs=4k count=1 iflag=direct status=none`;
    {
      await using _program = await hold(device);
      await lab.takeAway(ours);
      assert.equal(hostState().controllers.length, 2, "a program reads by them");
      await sh(read);
    }
    await lab.stage({ ...ours, attachment: { ...attachment, everWritten: true } });
    await lab.takeAway(ours);
    assert.equal(hostState().controllers.length, 2, "this driver never let go of that namespace");
    await sh(read);
    await sh(`nvme disconnect -n ${SUBSYSTEM_NQN}`);
    for (const name of ["ours", "theirs"]) await array("delete", name);
  }));

const RAW = [
  { by: "NVMe/TCP", multipath: true },
  { by: "iSCSI without multipath", multipath: false },
  { by: "iSCSI with multipath", multipath: true },
];

for (const { by, multipath } of RAW) {
  Deno.test(`a raw volume that a process still has open is not taken away below it: ${by}`, () =>
    LabNode.leavesNothing(async (lab) => {
      if (!multipath) {
        await sh("multipathd shutdown; until ! pgrep -x multipathd; do sleep 0.2; done");
      }
      lab.restart(undefined, { flasharray: { multipath } });
      const volume = lab.volume(
        by === "NVMe/TCP"
          ? await nvmeVolume("open", { nsid: 1, sizeBytes: SIZE })
          : await iscsiVolume("open", { lun: 1, sizeBytes: SIZE }),
      );
      const wanted = { capability: BLOCK_CAPABILITY };
      await lab.stage(volume, wanted);
      await lab.publish(volume, wanted);
      const number = await sh(`stat -c '%Hr:%Lr' ${volume.targetPath}`);
      const device = `/dev/${await sh(`basename $(readlink /sys/dev/block/${number})`)}`;
      {
        await using program = await hold(device);
        await lab.node.unpublish(volume);
        const before = hostState();
        const said = await refusal(lab.node.unstage(volume));
        assert.match(
          said,
          by === "iSCSI with multipath"
            ? /^in_use: multipath map \S+ \(dm-\d+\) cannot be removed, something has it open: .*fuser -v \/dev\/dm-\d+ /
            : new RegExp(
              `^in_use: device \\S+ is still open in process ${program.pid} \\(sleep\\)`,
            ),
        );
        const { disks, maps, sessions, controllers } = hostState();
        assert.deepEqual(
          { disks, maps, sessions, controllers },
          {
            disks: before.disks,
            maps: before.maps,
            sessions: before.sessions,
            controllers: before.controllers,
          },
        );
        await sh(`dd if=${device} of=/dev/null bs=4k count=1 iflag=direct status=none`);
      }
      await lab.node.unstage(volume);
      await array("delete", "open");
      if (!multipath) {
        await sh("multipathd; until multipathd show daemon | grep -q ^pid; do sleep 0.2; done");
      }
    }));
}

Deno.test("LVM of a guest on its raw volume, active on the host: the refusal names the volume group and its cure, and the cure works", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("lvm", { lun: 1, sizeBytes: SIZE }));
    const wanted = { capability: BLOCK_CAPABILITY };
    await lab.stage(volume, wanted);
    await lab.publish(volume, wanted);
    const [map = ""] = hostState().maps;
    // as the guest does by its own name of the disk; the host sees the same bytes
    await sh(
      `pvcreate -q /dev/mapper/${map} && vgcreate -q db-data /dev/mapper/${map} && ` +
        "lvcreate -q -n log -L 64M db-data && udevadm settle",
    );
    await lab.node.unpublish(volume);
    const said = await refusal(lab.node.unstage(volume));
    assert.match(
      said,
      /^in_use: .* is in use by logical volume log of volume group db-data, which LVM of this node has activated \(dm-\d+\): run vgchange -an db-data on this node/,
    );
    await sh(/run (vgchange -an \S+)/.exec(said)?.[1] ?? "false");
    await lab.node.unstage(volume);
    await array("delete", "lvm");
  }));
