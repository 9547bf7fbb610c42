/** What both lives of the guest of the reboot test know. */
import { type Attachment } from "../../src/handoff.ts";
import { MiB } from "../../src/size.ts";
import { iscsiAttachment, nvmeAttachment } from "./array.ts";
import { type LabVolume } from "./bed.ts";

export const SIZE = 384 * MiB;
/** Two of each protocol: one is staged again after the reboot, the other only unstaged. */
export const ISCSI = ["again-iscsi", "gone-iscsi"];
export const NVME = ["again-nvme", "gone-nvme"];
export const EXPORT = "/pvc-reboot";

/** A serial number of its own for each volume, which the array keeps over its own restart. */
export function serialOf(name: string): string {
  const index = [...ISCSI, ...NVME].indexOf(name);
  return `1234567890ABCDEF0003300${index}`;
}

function volume(name: string, attachment: Attachment): LabVolume {
  return {
    volumeId: `0badcafe/k8s-${name}`,
    attachment,
    stagingPath: `/var/lib/kubelet/plugins/${name}`,
    targetPath: `/var/lib/kubelet/pods/${name}/mount`,
  };
}

/** The volumes as the controller publishes them, in both lives alike. */
export function volumes(everWritten: boolean): Record<string, LabVolume> {
  const block = { sizeBytes: SIZE, everWritten };
  return Object.fromEntries([
    ...ISCSI.map((
      name,
      index,
    ) => [
      name,
      volume(name, iscsiAttachment({ serial: serialOf(name), lun: index + 1, ...block })),
    ]),
    ...NVME.map((
      name,
    ) => [name, volume(name, nvmeAttachment({ serial: serialOf(name), ...block }))]),
    ["nfs", volume("nfs", { protocol: "nfs", address: "127.0.0.1", path: EXPORT })],
  ]);
}
