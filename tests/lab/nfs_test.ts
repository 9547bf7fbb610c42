/** Shared file systems over a real nfsd. */
import assert from "node:assert/strict";
import { mountCapability } from "../../src/node/testing_node.ts";
import { MiB } from "../../src/size.ts";
import { array } from "./array.ts";
import { LabNode, sh } from "./bed.ts";

await array("start", "nfs");

function capability(flags: string[]) {
  const { access, mode } = mountCapability("nfs", "multi-node-multi-writer");
  return { access: { ...access, mountFlags: flags }, mode } as const;
}

/** Makes a file system of 256 MiB and exports it; the array takes it back after `work`. */
async function withExport(name: string, work: (attachment: { protocol: "nfs"; address: string; path: string }) => Promise<void>) {
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
        assert.match(await sh(`findmnt -no FSTYPE,OPTIONS ${volume.targetPath}`), new RegExp(`^${type} .*vers=${version}`));
        await sh(`echo data >${volume.targetPath}/file && sync -f ${volume.targetPath}`);
        assert.equal(await sh(`cat ${attachment.path}/file`), "data");
        await array("fs-grow", attachment.path, "512M");
        const stats = await lab.node.stats({ volumeId: volume.volumeId, volumePath: volume.targetPath });
        assert.ok(stats.type === "mount" && stats.bytes.total > 400 * MiB, `the node sees ${JSON.stringify(stats)}`);
        await lab.takeAway(volume);
        await lab.takeAway(volume); // again, as kubelet does
      })
    ));
}
