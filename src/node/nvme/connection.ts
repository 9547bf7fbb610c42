import {
  findNamespace,
  isPureNamespace,
  namespaceWwid,
  nvmeWwidOfSerial,
} from "../../host/nvme.ts";
import type { BlockConnection, NvmeAttachment } from "../protocol.ts";
import { attachNvme, detachNvme, growNvme } from "./attach.ts";
import { lookAtNvme } from "./health.ts";
import { NvmeNotes } from "./notes.ts";
import { endIdleConnections, idleConnectionNames } from "./routes.ts";

/**
 * Volumes by NVMe over Fabrics: one set of connections per array, the paths joined by the kernel's
 * native multipath. Identity is the NGUID alone. A namespace comes and goes with its connection on
 * the array; a host cannot remove one, only disconnect.
 */
export const nvmeBlock: BlockConnection<NvmeAttachment> = {
  attach: attachNvme,
  isDeviceOf: async ({ host }, { attachment, device }) =>
    await namespaceWwid(host, device) === nvmeWwidOfSerial(attachment.serial),
  grow: growNvme,
  devicesOf: async ({ host }, { attachment }) => {
    const namespace = await findNamespace(host, nvmeWwidOfSerial(attachment.serial));
    return namespace ? [namespace.name] : [];
  },
  owns: async ({ host }, deviceName) => isPureNamespace(await namespaceWwid(host, deviceName)),
  detach: detachNvme,
  look: lookAtNvme,
  // look() names no repair: a lost path is a missing route, and the kernel joins what comes back.
  repair: () => Promise.resolve(),
  idle: idleConnectionNames,
  tidy: endIdleConnections,
  forgetEnded: (context) => new NvmeNotes(context).forgetEnded(),
  unknownDevices: () => [], // a namespace is no leftover: it goes with its connection
};
