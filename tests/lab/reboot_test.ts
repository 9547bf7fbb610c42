/**
 * Second life: the machine has come back with the records of what was staged, and with nothing
 * attached (docs/field-lessons.md, 8 and 25).
 */
import assert from "node:assert/strict";
import { mountCapability } from "../support/test_node.ts";
import { array, NODE_IQN } from "./array.ts";
import { hostState, LabNode, sh } from "./bed.ts";
import { EXPORT, ISCSI, NVME, serialOf, SIZE, volumes } from "./reboot.ts";

await array("start", "iscsi", "nvme", "nfs");
await array("host", NODE_IQN);
// LUNs and namespaces in another order than before: device names of the first life mean other
// volumes now.
for (const [index, name] of [...ISCSI, ...NVME].entries()) {
  await array("create", name, SIZE, serialOf(name));
  if (ISCSI.includes(name)) await array("map", name, NODE_IQN, index + 1);
  else await array("nvme-map", name, 9 - index);
}
await sh(`modprobe loop; mount -o loop /var/lib/array/fs-${EXPORT.slice(1)} ${EXPORT}`);
await array("export", EXPORT);

const shared = { capability: mountCapability("nfs", "multi-node-multi-writer") };

Deno.test("after a reboot the records are there and nothing is attached by itself", async () => {
  const lab = new LabNode();
  assert.equal(await lab.node.stagedVolumes(), 5);
  const { sessions, controllers, maps } = hostState();
  assert.deepEqual({ sessions, controllers, maps }, { sessions: [], controllers: [], maps: [] });
});

for (const name of ["gone-iscsi", "gone-nvme"]) {
  Deno.test(`unstage with no stage in this life of the host: ${name}`, async () => {
    const lab = new LabNode();
    const before = hostState();
    const volume = volumes(true)[name];
    assert.ok(volume);
    await lab.takeAway(volume);
    await lab.takeAway(volume);
    assert.deepEqual(hostState(), before);
    // As ControllerUnpublishVolume does next: a namespace that this node may still use keeps the
    // connection that the other volume makes.
    if (NVME.includes(name)) await array("nvme-unmap", name);
  });
}

for (const name of ["again-nvme", "again-iscsi", "nfs"]) {
  Deno.test(`after a reboot ${name} is staged again and holds what was written before`, async () => {
    const lab = new LabNode();
    const before = hostState();
    const volume = volumes(true)[name];
    assert.ok(volume);
    const wanted = name === "nfs" ? shared : {};
    await lab.stage(volume, wanted);
    await lab.publish(volume, wanted);
    assert.equal(await sh(`cat ${volume.targetPath}/file`), name);
    await lab.takeAway(volume);
    assert.deepEqual(hostState(), before);
  });
}

Deno.test("in the end no record of the first life is left", async () => {
  assert.equal(await new LabNode().node.stagedVolumes(), 0);
});
