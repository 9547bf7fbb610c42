import { type Host, listHostFolder, readHostText } from "./host.ts";
import type { NvmeRoute } from "./nvme.ts";
import type { ScsiPlace } from "./scsi.ts";

const REMOTE_PORTS = "/sys/class/fc_remote_ports";

/** A port of a target that this host sees by one of its FC ports. */
export interface FcTarget {
  host: number;
  channel: number;
  target: number;
  /** 16 lower-case hex digits. */
  wwpn: string;
  /**
   * `false` for a port that is lost: the kernel keeps it and its target number (`Not Present`), and
   * takes its disks away (dev_loss_tmo).
   */
  isOnline: boolean;
}

/**
 * All remote ports that have a SCSI target, those that are lost too (sysfs class fc_remote_ports,
 * `rport-<host>:<channel>-<number>`).
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
    // -1: the port is no target, or has just come and was not scanned yet.
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
 * Where a LUN can answer over Fibre Channel: one place for each remote port of these WWPNs that is
 * on line, by every FC port of this host.
 */
export async function fcPlaces(
  host: Host,
  { wwpns, lun }: { wwpns: string[]; lun: number },
): Promise<ScsiPlace[]> {
  const targets = (await listFcTargets(host)).filter(({ wwpn, isOnline }) =>
    isOnline && wwpns.includes(wwpn)
  );
  return targets.map(({ host: scsiHost, channel, target }) => ({
    host: scsiHost,
    channel,
    target,
    lun,
  }));
}

/**
 * The WWPN (16 lower-case hex digits) of the remote port that a SCSI device's route in sysfs goes
 * by; `undefined` for other transports.
 */
export async function fcPortOf(host: Host, route: string): Promise<string | undefined> {
  const rport = /\/(rport-\d+:\d+-\d+)\//.exec(route)?.[1];
  return rport && plainWwpn(await readHostText(host, `${REMOTE_PORTS}/${rport}/port_name`));
}

function plainWwpn(portName: string | undefined): string | undefined {
  return portName?.toLowerCase().replace(/^0x/, "");
}

/**
 * Every way over NVMe/FC from a port of this host to one of these WWPNs of the subsystem, as
 * nvme-connect(1) writes addresses.
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
