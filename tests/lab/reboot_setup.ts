/**
 * First life: volumes of each protocol are staged, published and written; then the machine dies
 * with all of them in use.
 */
import { mountCapability } from "../support/test_node.ts";
import { array, NODE_IQN } from "./array.ts";
import { LabNode, sh } from "./bed.ts";
import { EXPORT, ISCSI, NVME, serialOf, SIZE, volumes } from "./reboot.ts";

await array("start", "iscsi", "nvme", "nfs");
await array("host", NODE_IQN);
for (const [index, name] of [...ISCSI, ...NVME].entries()) {
  await array("create", name, SIZE, serialOf(name));
  if (ISCSI.includes(name)) await array("map", name, NODE_IQN, index + 1);
  else await array("nvme-map", name, index + 1);
}
await array("fs-create", EXPORT, "256M");
await array("export", EXPORT);

const lab = new LabNode();
for (const [name, volume] of Object.entries(volumes(false))) {
  await lab.stage(
    volume,
    name === "nfs" ? { capability: mountCapability("nfs", "multi-node-multi-writer") } : {},
  );
  await lab.publish(
    volume,
    name === "nfs" ? { capability: mountCapability("nfs", "multi-node-multi-writer") } : {},
  );
  await sh(`echo ${name} >${volume.targetPath}/file && sync -f ${volume.targetPath}`);
}
await sh("sync"); // the array's own disks; nothing of the node is ended
