import { type Host, listHostFolder, readHostText } from "./host.ts";
import type { NvmeRoute } from "./nvme.ts";
import type { ScsiPlace } from "./scsi.ts";

const REMOTE_PORTS = "/sys/class/fc_remote_ports";

/** A target's port, as one FC port of this host sees it. */
export interface FcTarget {
  host: number;
  channel: number;
  target: number;
  /** 16 lower-case hex digits. */
  wwpn: string;
  /**
   * False for a lost port: the kernel keeps the port and its target number (`Not Present`), and
   * removes its disks after dev_loss_tmo.
   */
  isOnline: boolean;
}

/**
 * All remote ports that have a SCSI target, lost ones included. Read from the sysfs class
 * fc_remote_ports, whose names are `rport-<host>:<channel>-<number>`.
 */
export async function listFcTargets(host: Host): Promise<FcTarget[]> {
  const targets: FcTarget[] = [];
  for (const name of await listHostFolder(host, REMOTE_PORTS)) {
    const [, scsiHost, channel] = /^rport-(\d+):(\d+)-\d+$/.exec(name) ?? [];
    if (scsiHost === undefined || channel === undefined) continue;
    const read = (file: string) => readHostText(host, `${REMOTE_PORTS}/${name}/${file}`);
    const [portName, state, target] = await Promise.all([
      read("port_name"),
      read("port_state"),
      read("scsi_target_id"),
    ]);
    const wwpn = plainWwpn(portName);
    // The kernel writes -1 for a port that is no target, or that it has not scanned yet.
    if (wwpn === undefined || !/^\d+$/.test(target ?? "")) continue;
    targets.push({
      host: Number(scsiHost),
      channel: Number(channel),
      target: Number(target),
      wwpn,
      isOnline: state === "Online",
    });
  }
  return targets;
}

/**
 * The addresses at which a LUN can answer over Fibre Channel: one for each pair of an FC port of
 * this host and a remote port with one of these WWPNs that is on line.
 */
export async function fcPlaces(
  host: Host,
  { wwpns, lun, luns = [] }: { wwpns: string[]; lun: number; luns?: number[] },
): Promise<ScsiPlace[]> {
  const targets = (await listFcTargets(host)).filter(({ wwpn, isOnline }) =>
    isOnline && wwpns.includes(wwpn)
  );
  return targets.map(({ host: scsiHost, channel, target, wwpn }) => ({
    host: scsiHost,
    channel,
    target,
    lun: luns[wwpns.indexOf(wwpn)] ?? lun,
  }));
}

/**
 * The WWPN (16 lower-case hex digits) of the remote port in a SCSI device's `route`; `undefined`
 * for a device of another transport, or when the port has gone.
 */
export async function fcPortOf(host: Host, route: string): Promise<string | undefined> {
  const rport = /\/(rport-\d+:\d+-\d+)\//.exec(route)?.[1];
  return rport && plainWwpn(await readHostText(host, `${REMOTE_PORTS}/${rport}/port_name`));
}

function plainWwpn(portName: string | undefined): string | undefined {
  return portName?.toLowerCase().replace(/^0x/, "");
}

/**
 * Every NVMe/FC route from an FC port of this host to a remote port of the subsystem with one of
 * these WWPNs, if that port is on line. Addresses are written as nvme-connect(1) wants them.
 */
export async function fcRoutes(
  host: Host,
  { nqn, wwpns }: { nqn: string; wwpns: string[] },
): Promise<NvmeRoute[]> {
  const routes: NvmeRoute[] = [];
  for (const name of await listHostFolder(host, REMOTE_PORTS)) {
    const scsiHost = /^rport-(\d+):/.exec(name)?.[1];
    const read = (file: string) => readHostText(host, `${REMOTE_PORTS}/${name}/${file}`);
    const readOwn = (file: string) =>
      readHostText(host, `/sys/class/fc_host/host${scsiHost}/${file}`);
    const [port, node, state, ownPort, ownNode] = await Promise.all([
      ...["port_name", "node_name", "port_state"].map(read),
      ...["port_name", "node_name"].map(readOwn),
    ]);
    if (
      !port || !node || !ownPort || !ownNode || state !== "Online" ||
      !wwpns.includes(plainWwpn(port) ?? "")
    ) continue;
    routes.push({
      transport: "fc",
      nqn,
      traddr: `nn-${node}:pn-${port}`,
      hostTraddr: `nn-${ownNode}:pn-${ownPort}`,
    });
  }
  return routes;
}
