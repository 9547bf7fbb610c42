import { PsoError } from "../errors.ts";
import { partitionsOf, refuseLiveFileSystem } from "./block_device.ts";
import { type Host, listHostFolder, readHostText } from "./host.ts";
import { mountsOfDevice, readMounts } from "./mountinfo.ts";

/** Mappings stand on partitions, and logical volumes on those: no more than a few levels. */
const LEVELS_MAX = 4;

/**
 * Who uses a device by standing on it, for a message, with what to do: `in use by …: stop …`. A
 * logical volume is told by its volume group, as it is most often the one that a guest or pod made
 * on its raw volume, and that LVM of the host has activated.
 */
export async function holderAdvice(host: Host, holder: string): Promise<string> {
  const volume = await logicalVolumeOn(host, holder);
  if (volume !== undefined) {
    const { group, name } = volume;
    return `in use by logical volume ${name} of volume group ${group}, which LVM of this node has ` +
      `activated (${holder}): run vgchange -an ${group} on this node, and keep its LVM off these ` +
      "volumes by the filter in docs/host-preparation.md";
  }
  const alias = await readHostText(host, `/sys/class/block/${holder}/dm/name`) ?? holder;
  const shown = alias === holder ? holder : `${alias} (${holder})`;
  return `in use by ${shown}: stop whatever created it (\`dmsetup info ${alias}\`), then retry`;
}

/**
 * Throws `in_use` while something of this machine mounts a partition of the device, or stands on
 * it: a guest partitions its raw volume, and the host sees what it made.
 */
export async function refuseUsedPartitions(host: Host, name: string): Promise<void> {
  const partitions = await partitionsOf(host, name);
  if (partitions.length === 0) return;
  const mounts = await readMounts(host);
  for (const partition of partitions) {
    const [mounted] = mountsOfDevice(mounts, partition);
    const [holder] = await listHostFolder(host, `/sys/class/block/${partition.name}/holders`);
    const use = mounted
      ? `still mounted at ${mounted.target}: unmount it there first`
      : holder && await holderAdvice(host, holder);
    if (use) throw new PsoError("in_use", `partition ${partition.name} of ${name} is ${use}`);
    await refuseLiveFileSystem(host, partition.name);
  }
}

/** The logical volume that is this device, or stands on it. */
async function logicalVolumeOn(
  host: Host,
  device: string,
  levels = LEVELS_MAX,
): Promise<{ group: string; name: string } | undefined> {
  const folder = `/sys/class/block/${device}`;
  if ((await readHostText(host, `${folder}/dm/uuid`))?.startsWith("LVM-")) {
    return parseLvmName(await readHostText(host, `${folder}/dm/name`) ?? "");
  }
  if (levels === 0) return undefined;
  for (const holder of await listHostFolder(host, `${folder}/holders`)) {
    const found = await logicalVolumeOn(host, holder, levels - 1);
    if (found) return found;
  }
  return undefined;
}

/**
 * Volume group and logical volume in the name of a mapping, `vg-lv`, in which LVM doubles each `-`
 * of the two names.
 */
export function parseLvmName(text: string): { group: string; name: string } | undefined {
  const [, group, name] = /^((?:[^-]|--)+)-((?:[^-]|--).*)$/.exec(text) ?? [];
  if (group === undefined || name === undefined) return undefined;
  return { group: group.replaceAll("--", "-"), name: name.replaceAll("--", "-") };
}
