/**
 * SCSI disks, Fibre Channel and multipath of the fake host: sysfs as the kernel shows it, and
 * multipathd and sysfs writes that change it as the real ones do (tests/transcripts).
 */
import { MiB } from "../../src/size.ts";
import type { HostFiles } from "./host_files.ts";

export const SIZE_BYTES = 64 * MiB;

/** Volume 7 is `0…7`. */
export const serialOf = (number: number) => String(number).padStart(24, "0");
export const wwidOf = (number: number) => `3624a9370${serialOf(number)}`;

/** The volume behind a WWID of wwidOf(). */
const volumeOf = (wwid: string) => Number(wwid.slice(-8));

/** What a tool ends with; 0 and no text when nothing is said. */
export interface Answer {
  code?: number;
  stdout?: string;
  stderr?: string;
  /** What it prints when that is no text. */
  bytes?: Uint8Array;
  /** It does not end, and its time runs out. */
  hangs?: true;
}

interface Disk {
  /** Number of the SCSI host: of an iSCSI session it is that of the session, too. */
  session: number;
  lun: number;
  volume: number;
  target?: number;
  sizeBytes?: number;
}

export class FakeScsi {
  readonly #files: HostFiles;
  /** What the array shows at a LUN by every session and FC port. */
  readonly luns = new Map<number, number>();
  /** The size of a volume on the array, where it is not SIZE_BYTES. */
  readonly sizes = new Map<number, number>();
  /** Every scan that was asked for: `host3 0 2 7` is channel 0, target 2, LUN 7. */
  readonly scans: string[] = [];
  /** What the kernel learns when it asks a disk anew, by the name of the disk. */
  readonly onRescan = new Map<string, () => void>();
  /** udev and multipathd take a new disk into the map of its WWID. */
  joins = true;
  /** `user_friendly_names yes`: new maps are named `mpath7` and not by their WWID. */
  friendlyNames = false;
  multipathdRuns = true;
  #disks = 0;
  /** By host, channel and target. */
  readonly #remotePorts = new Map<string, string>();

  constructor(files: HostFiles) {
    this.#files = files;
  }

  /** SCSI addresses of all disks. */
  get devices(): string[] {
    return this.#files.list("/sys/class/scsi_device");
  }

  /** Adds an FC port of this host that sees one port of an array as SCSI target `target`. */
  addRemotePort(
    scsiHost: number,
    { wwpn, target, state = "Online" }: { wwpn: string; target: number; state?: string },
  ): void {
    const name = `rport-${scsiHost}:0-${target}`;
    const texts = {
      port_name: `0x${wwpn}`,
      node_name: `0x${wwpn.slice(0, 14)}00`,
      port_state: state,
      scsi_target_id: String(target),
    };
    for (const [file, text] of Object.entries(texts)) {
      this.#files.write(`/sys/class/fc_remote_ports/${name}/${file}`, text);
    }
    this.#files.write(
      `/sys/class/fc_host/host${scsiHost}/port_name`,
      `0x21000000000000${scsiHost}0`,
    );
    this.#files.write(
      `/sys/class/fc_host/host${scsiHost}/node_name`,
      `0x20000000000000${scsiHost}0`,
    );
    this.#files.write(`/sys/class/scsi_host/host${scsiHost}/state`, "running");
    this.#remotePorts.set(`${scsiHost}:0:${target}`, name);
  }

  /** Adds a disk, which is in no map yet, and gives its name. */
  addDisk({ session, lun, volume, target = 0, sizeBytes }: Disk): string {
    const name = `sd${letters(this.#disks++)}`;
    const place = `${session}:0:${target}`;
    const hctl = `${place}:${lun}`;
    const device = `/devices/platform/host${session}/${
      this.#remotePorts.get(place) ?? `session${session}`
    }/target${place}/${hctl}`;
    this.#files.write(`/sys${device}/wwid`, `naa.${wwidOf(volume).slice(1)}`);
    this.#files.write(`/sys${device}/state`, "running");
    this.#files.blockDevice(`/sys${device}/block/${name}`, {
      number: `8:${this.#disks}`,
      sizeBytes: sizeBytes ?? this.sizes.get(volume) ?? SIZE_BYTES,
    });
    this.#files.link(`/sys${device}/block/${name}/device`, `../../../${hctl}`);
    this.#files.link(`/sys${device}/scsi_device/${hctl}/device`, `../../../${hctl}`);
    this.#files.link(`/sys/class/scsi_device/${hctl}`, `../..${device}/scsi_device/${hctl}`);
    this.#files.link(`/sys/class/block/${name}`, `../..${device}/block/${name}`);
    return name;
  }

  /** Adds a map of a volume, without a path. */
  addMap(name: string, volume: number, { alias = wwidOf(volume) } = {}): void {
    const folder = `/sys/class/block/${name}`;
    this.#files.blockDevice(folder, {
      number: `254:${name.slice(3)}`,
      sizeBytes: this.sizes.get(volume) ?? SIZE_BYTES,
    });
    this.#files.folder(`${folder}/slaves`);
    this.#files.write(`${folder}/dm/uuid`, `mpath-${wwidOf(volume)}`);
    this.#files.write(`${folder}/dm/name`, alias);
    this.#files.write(`/dev/mapper/${alias}`, "");
  }

  join(disk: string, map: string): void {
    this.#files.write(`/sys/class/block/${map}/slaves/${disk}`, "");
    this.#files.write(`/sys/class/block/${disk}/holders/${map}`, "");
  }

  leave(disk: string, map: string): void {
    this.#files.remove(`/sys/class/block/${map}/slaves/${disk}`);
    this.#files.remove(`/sys/class/block/${disk}/holders/${map}`);
  }

  pathsOf(map: string): string[] {
    return this.#files.list(`/sys/class/block/${map}/slaves`);
  }

  /** Names of the disks of a volume, in whichever map. */
  disksOf(volume: number): string[] {
    return this.devices.flatMap((hctl) =>
      this.#wwidAt(hctl) === wwidOf(volume) ? this.#disksAt(hctl) : []
    );
  }

  removeDevice(hctl: string): void {
    for (const name of this.#disksAt(hctl)) {
      for (const map of this.#holdersOf(name)) {
        const slave = `/sys/class/block/${map}/slaves/${name}`;
        if (this.#files.has(slave)) this.#files.remove(slave);
      }
      this.#files.remove(`/sys/class/block/${name}`);
    }
    const device = Deno.realPathSync(`${this.#files.root}/sys/class/scsi_device/${hctl}/device`);
    Deno.removeSync(device, { recursive: true });
    this.#files.remove(`/sys/class/scsi_device/${hctl}`);
  }

  #wwidAt(hctl: string): string {
    return `3${this.#files.read(`/sys/class/scsi_device/${hctl}/device/wwid`).slice(4)}`;
  }

  #disksAt(hctl: string): string[] {
    return this.#files.list(`/sys/class/scsi_device/${hctl}/device/block`);
  }

  #holdersOf(disk: string): string[] {
    return this.#files.list(`/sys/class/block/${disk}/holders`);
  }

  /** A write to a SCSI file of sysfs. */
  tee(path: string, value: string): void {
    const hctl = path.split("/").at(-3) ?? "";
    if (path.endsWith("/state")) this.#files.write(path, value);
    if (path.endsWith("/rescan")) {
      for (const disk of this.#disksAt(hctl)) this.#rescan(disk, this.#wwidAt(hctl));
    }
    if (path.endsWith("/delete")) this.removeDevice(hctl);
    const session = Number(/host(\d+)\/scan$/.exec(path)?.[1]);
    if (!session) return;
    this.scans.push(`host${session} ${value}`);
    const [, target = 0, lun = 0] = value.split(" ").map(Number);
    const volume = this.luns.get(lun);
    if (volume === undefined) return;
    const disk = this.addDisk({ session, lun, volume, target });
    if (this.joins && this.multipathdRuns) this.#joinOwnMap(disk);
  }

  #rescan(disk: string, wwid: string): void {
    const sizeBytes = this.sizes.get(volumeOf(wwid));
    if (sizeBytes !== undefined) {
      this.#files.write(`/sys/class/block/${disk}/size`, String(sizeBytes / 512));
    }
    this.onRescan.get(disk)?.();
  }

  #joinOwnMap(disk: string): void {
    const wwid = `3${this.#files.read(`/sys/class/block/${disk}/device/wwid`).slice(4)}`;
    const map = `dm-${volumeOf(wwid)}`;
    if (!this.#files.has(`/sys/class/block/${map}`)) {
      const volume = volumeOf(wwid);
      this.addMap(map, volume, this.friendlyNames ? { alias: `mpath${volume}` } : {});
    }
    this.join(disk, map);
  }

  multipathd(args: string[]): Answer {
    if (!this.multipathdRuns) return { code: 1, stderr: "ERROR: failed to connect to multipathd" };
    const [verb, what, name = ""] = args;
    if (verb === "show" && what === "daemon") return { stdout: "pid 9 idle\n" };
    if (verb === "show" && what === "paths") {
      const wwids = this.devices.map((hctl) => this.#wwidAt(hctl));
      return { stdout: `${wwids.join("\n")}\n` };
    }
    if (what === "map" && verb !== "add") {
      const map = this.#mapNamed(name);
      if (map === undefined) return { code: 1, stdout: "fail\n" };
      if (verb === "resize") this.#resize(map);
      if (verb === "del") return this.removeMap(map);
    }
    if (what === "path" && verb === "del") {
      for (const holder of this.#holdersOf(name)) this.leave(name, holder);
    }
    if (what === "path" && verb === "add") this.#joinOwnMap(name);
    return { stdout: "ok\n" };
  }

  #resize(map: string): void {
    const [disk] = this.pathsOf(map);
    if (disk === undefined) return;
    const sectors = this.#files.read(`/sys/class/block/${disk}/size`);
    this.#files.write(`/sys/class/block/${map}/size`, sectors);
  }

  /** Adds what kpartx makes of a partition of a map, or anything else that stands on it. */
  addHolder(
    map: string,
    { name, uuid, alias }: { name: string; uuid: string; alias: string },
  ): void {
    const folder = `/sys/class/block/${name}`;
    this.#files.blockDevice(folder, { number: `254:${name.slice(3)}`, sizeBytes: SIZE_BYTES });
    this.#files.write(`${folder}/dm/uuid`, uuid);
    this.#files.write(`${folder}/dm/name`, alias);
    this.#files.write(`/sys/class/block/${map}/holders/${name}`, "");
  }

  /** `dmsetup remove --retry ALIAS`, which a device that something stands on refuses. */
  dmsetup(args: string[]): Answer {
    if (args[0] !== "remove") return {};
    const alias = args.at(-1) ?? "";
    for (const name of this.#files.list("/sys/class/block")) {
      const file = `/sys/class/block/${name}/dm/name`;
      if (!this.#files.has(file) || this.#files.read(file) !== alias) continue;
      if (this.#holdersOf(name).length > 0) return { code: 1, stderr: "Device or resource busy\n" };
      this.#files.remove(`/sys/class/block/${name}`);
      for (const below of this.#files.list("/sys/class/block")) {
        const holder = `/sys/class/block/${below}/holders/${name}`;
        if (this.#files.has(holder)) this.#files.remove(holder);
      }
    }
    return {};
  }

  /** multipathd and multipath know a map by its name, and by its WWID only if that is its name. */
  #mapNamed(alias: string): string | undefined {
    const file = (name: string) => `/sys/class/block/${name}/dm/name`;
    return this.#files.list("/sys/class/block").find((name) =>
      this.#files.has(file(name)) && this.#files.read(file(name)) === alias
    );
  }

  /** `multipath -f ALIAS` */
  flush(alias: string): Answer {
    const map = this.#mapNamed(alias);
    return map === undefined ? { code: 1, stdout: "device not found\n" } : this.removeMap(map);
  }

  /** Takes a map away, unless something stands on it. */
  removeMap(map: string): Answer {
    if (this.#holdersOf(map).length > 0) return { code: 1, stdout: "map or partition in use\n" };
    for (const disk of this.pathsOf(map)) this.leave(disk, map);
    this.#files.remove(`/sys/class/block/${map}`);
    return { stdout: "ok\n" };
  }
}

/** a … z, aa … as the kernel names disks. */
function letters(index: number): string {
  const rest = Math.floor(index / 26);
  return (rest > 0 ? letters(rest - 1) : "") + String.fromCharCode(97 + index % 26);
}
