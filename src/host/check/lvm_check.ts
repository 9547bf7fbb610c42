import { hasTool } from "../tools/command.ts";
import { type Host, listHostFolder, readHostText } from "../host.ts";
import type { Finding } from "./finding.ts";

const CONF = "/etc/lvm/lvm.conf";
const DEVICES_FOLDER = "/etc/lvm/devices";

/**
 * Whether LVM of the host keeps off FlashArray volumes. Else it activates the volume groups that a
 * guest or pod made on its raw volume, and the volume can be taken from this node no more. No
 * finding on a host without LVM.
 */
export async function lvmFindings(host: Host): Promise<Finding[]> {
  if (!await hasTool(host, "vgchange")) return [];
  const lines = (await readHostText(host, CONF) ?? "").split("\n");
  const conf = lines.filter((line) => !/^\s*#/.test(line)).join("\n");
  const filters = [...conf.matchAll(/\b(?:global_)?filter\s*=\s*\[([^\]]*)/g)];
  const isFiltered = filters.some(([, list = ""]) => /"r[|/][^"]*(3624a9370|\.\*)/.test(list));
  // With a file of devices LVM uses no device that is not listed (lvmdevices(8)).
  const hasList = !/\buse_devicesfile\s*=\s*0/.test(conf) &&
    (await listHostFolder(host, DEVICES_FOLDER)).some((name) => name.endsWith(".devices"));
  if (isFiltered || hasList) {
    return [{ area: "host", level: "ok", what: "LVM of this host keeps off FlashArray volumes" }];
  }
  return [{
    area: "host",
    level: "warn",
    what: "LVM of this host activates the volume groups inside of raw volumes, which then cannot " +
      "be taken from this node",
    fix: `set global_filter in the section devices of ${CONF}: ["r|3624a9370|", ` +
      '"r|nvme-eui.*24a937|", "a|.*|"]',
  }];
}
