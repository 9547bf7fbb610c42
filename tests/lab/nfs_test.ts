/** Shared file systems over a real nfsd. */
import assert from "node:assert/strict";
import { mountCapability } from "../support/test_node.ts";
import { MiB } from "../../src/size.ts";
import { array } from "./array.ts";
import { LabNode, refusal, sh } from "./bed.ts";

await array("start", "nfs");

/** kubelet's own deadline of a call. */
const CALL_MS = 120_000;

function capability(flags: string[]) {
  const { access, mode } = mountCapability("nfs", "multi-node-multi-writer");
  return { access: { ...access, mountFlags: flags }, mode } as const;
}

/** Makes a file system of 256 MiB and exports it; the array takes it back after `work`. */
async function withExport(
  name: string,
  work: (attachment: { protocol: "nfs"; address: string; path: string }) => Promise<void>,
) {
  await array("fs-create", name, "256M");
  await array("export", name);
  try {
    await work({ protocol: "nfs", address: "127.0.0.1", path: name });
  } finally {
    await array("fs-delete", name);
  }
}

for (const { version, type } of [{ version: "4.1", type: "nfs4" }, { version: "3", type: "nfs" }]) {
  Deno.test(`NFS v${version}: stage, publish, write, read, grow, unpublish, unstage; nothing is left`, () =>
    LabNode.leavesNothing((lab) =>
      withExport(`/pvc-v${version.replace(".", "")}`, async (attachment) => {
        const volume = lab.volume(attachment);
        const wanted = { capability: capability(version === "3" ? ["vers=3"] : []) };
        await lab.stage(volume, wanted);
        await lab.publish(volume, wanted);
        assert.match(
          await sh(`findmnt -no FSTYPE,OPTIONS ${volume.targetPath}`),
          new RegExp(`^${type} .*vers=${version}`),
        );
        await sh(`echo data >${volume.targetPath}/file && sync -f ${volume.targetPath}`);
        assert.equal(await sh(`cat ${attachment.path}/file`), "data");
        await array("fs-grow", attachment.path, "512M");
        const stats = await lab.node.stats({
          volumeId: volume.volumeId,
          volumePath: volume.targetPath,
        });
        assert.ok(
          stats.type === "mount" && stats.bytes.total > 400 * MiB,
          `the node sees ${JSON.stringify(stats)}`,
        );
        await lab.takeAway(volume);
        await lab.takeAway(volume); // again, as kubelet does
      })
    ));
}

Deno.test("NFS: a server that is cut off stalls I/O, which goes on without an error when it is back", () =>
  LabNode.leavesNothing((lab) =>
    withExport("/pvc-path", async (attachment) => {
      const volume = lab.volume(attachment);
      const wanted = { capability: capability([]) };
      await lab.stage(volume, wanted);
      await lab.publish(volume, wanted);
      const load = sh(
        `for i in $(seq 20); do dd if=/dev/zero of=${volume.targetPath}/f bs=64k count=4 ` +
          "conv=fsync status=none || exit 1; sleep 0.3; done",
      );
      await sh("sleep 1");
      await array("path", "127.0.0.1", "down");
      await sh("sleep 5");
      await array("path", "127.0.0.1", "up");
      await load;
      await lab.takeAway(volume);
    })
  ));

Deno.test("NFS: a server that is gone holds up neither unpublish nor unstage of a hard mount, and an expand ends", () =>
  LabNode.leavesNothing((lab) =>
    withExport("/pvc-gone", async (attachment) => {
      const volume = lab.volume(attachment);
      const wanted = { capability: capability(["hard"]) };
      await lab.stage(volume, wanted);
      await lab.publish(volume, wanted);
      await sh(`echo data >${volume.targetPath}/kept && sync -f ${volume.targetPath}`);
      await array("path", "127.0.0.1", "down");
      try {
        const { volumeId, targetPath } = volume;
        assert.match(
          await refusal(
            lab.node.expand({ volumeId, volumePath: targetPath }, AbortSignal.timeout(CALL_MS)),
          ),
          /^(timeout|unavailable): /,
        );
        await lab.node.unpublish(volume, AbortSignal.timeout(CALL_MS));
        await lab.node.unstage(volume, AbortSignal.timeout(CALL_MS));
      } finally {
        await array("path", "127.0.0.1", "up");
      }
      // What the kernel still had to tell the server is told now.
      await sh(
        "for i in $(seq 600); do pgrep -x umount >/dev/null || exit 0; sleep 0.2; done; exit 1",
      );
      assert.equal(await sh(`cat ${attachment.path}/kept`), "data");
    })
  ));

Deno.test("NFS: a server that does not answer fails the stage of its volume in bounded time, and no other server's", () =>
  LabNode.leavesNothing((lab) =>
    withExport("/pvc-other", async (attachment) => {
      const dead = lab.volume({ ...attachment, address: "127.0.0.9" });
      await array("path", "127.0.0.9", "down");
      const begun = performance.now();
      const stuck = refusal(
        lab.node.stage(
          { ...dead, capability: capability([]), volumeContext: {} },
          AbortSignal.timeout(20_000),
        ),
      );
      const alive = lab.volume(attachment);
      await lab.stage(alive, { capability: capability([]) });
      await lab.takeAway(alive);
      assert.match(await stuck, /^(timeout|unavailable): /);
      assert.ok(performance.now() - begun < 60_000, "the deadline did not reach mount.nfs");
      await lab.node.unstage(dead);
      await array("path", "127.0.0.9", "up");
    })
  ));

Deno.test("NFS: an export that does not name this node is told as denied, and leaves nothing", () =>
  LabNode.leavesNothing((lab) =>
    withExport("/pvc-denied", async (attachment) => {
      await array("unexport", attachment.path);
      await sh(`exportfs -o rw 192.0.2.1:${attachment.path}`);
      const volume = lab.volume(attachment);
      for (const flags of [[], ["vers=3"]]) {
        assert.match(
          await refusal(lab.stage(volume, { capability: capability(flags) })),
          /^denied: NFS server refuses /,
        );
        await lab.node.unstage(volume);
      }
      await sh(`exportfs -u 192.0.2.1:${attachment.path}`);
    })
  ));
