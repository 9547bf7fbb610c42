/**
 * A host of files: the sysfs and mountinfo of iSCSI volumes in a folder, and tools that change them
 * as the real ones do. For the tests beside.
 */
import type { Attachment } from "../../src/handoff.ts";
import type { Host } from "../../src/host/host.ts";
import { createLogger } from "../../src/log.ts";
import { PsoError } from "../../src/errors.ts";
import { MiB } from "../../src/size.ts";
import { NodePlugin, type NodePluginOptions } from "../../src/node/node_plugin.ts";
import { type StageRecord, StageRecords } from "../../src/node/stage_record.ts";

export const TARGET = "iqn.2010-06.com.purestorage:flasharray.1";
export const PORTALS = ["192.0.2.1:3260", "192.0.2.2:3260"];
export const SIZE_BYTES = 64 * MiB;
/** Volume 7 is `0…7`. */
const serialOf = (number: number) => String(number).padStart(24, "0");
export const wwidOf = (number: number) => `3624a9370${serialOf(number)}`;

/** What a host needs before it attaches a volume. */
const PREPARED = {
  "/usr/sbin/multipathd": "",
  "/usr/sbin/iscsiadm": "",
  "/usr/sbin/mount.nfs": "",
  "/sys/module/iscsi_tcp/refcnt": "1",
  "/sys/module/nfs/refcnt": "1",
  "/etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1993-08.org.debian:01:n1",
  "/proc/1/net/unix": "0: 00000002 00000000 00010000 0001 01 1354 @ISCSIADM_ABSTRACT_NAMESPACE",
};

interface Disk {
  /** Number of the SCSI host: of an iSCSI session it is that of the session, too. */
  session: number;
  lun: number;
  volume: number;
}

export class FakeHost {
  readonly root: string;
  readonly host: Host;
  readonly records: StageRecords;
  readonly log: string[] = [];
  /** Command lines of the tools, without iscsiadm's settings. */
  readonly commands: string[] = [];
  /** What the array shows at a LUN by every session. */
  readonly luns = new Map<number, number>();
  /** Every scan that was asked for: `host3 0 2 7` is channel 0, target 2, LUN 7. */
  readonly scans: string[] = [];
  readonly deadPortals = new Set<string>();
  /** What stat(1) says of a mount in place of numbers. */
  readonly statFails = new Map<string, PsoError>();
  /**
   * What the kernel learns when it asks a disk anew, by the name of the disk; and what a map
   * becomes by `multipathd resize`.
   */
  readonly onRescan = new Map<string, () => void>();
  onResize: () => void = () => {};
  /** What other tools do to this host. */
  readonly onTool = new Map<string, (args: string[]) => void>();
  nowMs = 0;
  #disks = 0;
  /** By host, channel and target. */
  readonly #remotePorts = new Map<string, string>();
  #mounts: string[] = [];

  private constructor(root: string) {
    this.root = root;
    this.host = {
      root,
      namespaces: "nsenter",
      run: (tool, args, options) => this.#run(tool, args, options?.stdin ?? ""),
    };
    this.records = new StageRecords(`${root}/state`, {
      log: createLogger({ write: (line) => this.log.push(line) }),
    });
  }

  static async use(work: (fake: FakeHost) => Promise<void>): Promise<void> {
    const root = await Deno.makeTempDir({ prefix: "pso-fake-" });
    const fake = new FakeHost(root);
    try {
      fake.#mount();
      for (const [path, text] of Object.entries(PREPARED)) fake.write(path, text);
      Deno.mkdirSync(`${root}/sys/class/scsi_device`, { recursive: true });
      await work(fake);
    } catch (error) {
      Deno.stderr.writeSync(
        new TextEncoder().encode([...fake.log, ...fake.commands, ""].join("\n")),
      );
      throw error;
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  }

  plugin(changes: Partial<NodePluginOptions> = {}): NodePlugin {
    return new NodePlugin({
      name: "n1",
      host: this.host,
      stateDir: `${this.root}/state`,
      dataAddresses: ["192.0.2.9"],
      defaultFsType: "xfs",
      mkfsOptions: [],
      mountFlags: [],
      multipath: true,
      iscsiLoginTimeoutSeconds: 5,
      maxVolumes: 0,
      log: createLogger({ write: (line) => this.log.push(line) }),
      now: () => this.nowMs,
      ...changes,
    });
  }

  /** Log lines with this event. */
  said(event: string): string[] {
    return this.log.filter((line) => line.includes(`"event":"${event}"`));
  }

  write(path: string, text: string): void {
    Deno.mkdirSync(this.root + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(this.root + path, `${text}\n`);
  }

  remove(path: string): void {
    Deno.removeSync(this.root + path, { recursive: true });
  }

  #link(path: string, to: string): void {
    Deno.mkdirSync(this.root + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.symlinkSync(to, this.root + path);
  }

  addSession(
    number: number,
    portal: string,
    { iface = "pure-csi" }: { iface?: string } = {},
  ): void {
    const device =
      `/sys/devices/platform/host${number}/session${number}/iscsi_session/session${number}`;
    const texts = { targetname: TARGET, state: "LOGGED_IN", ifacename: iface, target_id: "0" };
    for (const [file, text] of Object.entries(texts)) this.write(`${device}/${file}`, text);
    this.#link(`/sys/class/iscsi_session/session${number}`, `../..${device.slice("/sys".length)}`);
    const [address = "", port = ""] = portal.split(":");
    this.write(`/sys/class/iscsi_connection/connection${number}:0/persistent_address`, address);
    this.write(`/sys/class/iscsi_connection/connection${number}:0/persistent_port`, port);
    this.write(`/sys/class/scsi_host/host${number}/state`, "running");
  }

  /** Takes a session away, with its disks, as a logout does. */
  removeSession(number: number): void {
    for (const { name } of [...Deno.readDirSync(`${this.root}/sys/class/scsi_device`)]) {
      if (!name.startsWith(`${number}:`)) continue;
      this.#removeDevice(name);
    }
    this.remove(`/sys/class/iscsi_session/session${number}`);
    this.remove(`/sys/class/iscsi_connection/connection${number}:0`);
    this.remove(`/sys/devices/platform/host${number}`);
  }

  #disksAt(hctl: string): string[] {
    return [...Deno.readDirSync(`${this.root}/sys/class/scsi_device/${hctl}/device/block`)].map((
      { name },
    ) => name);
  }

  #removeDevice(hctl: string): void {
    for (const name of this.#disksAt(hctl)) {
      for (const map of this.#mapsOf(name)) this.remove(`/sys/class/block/${map}/slaves/${name}`);
      this.remove(`/sys/class/block/${name}`);
    }
    this.remove(`/sys/class/scsi_device/${hctl}`);
  }

  #mapsOf(disk: string): string[] {
    return [...Deno.readDirSync(`${this.root}/sys/class/block/${disk}/holders`)].map(({ name }) =>
      name
    );
  }

  /** Adds an FC port of this host that sees one port of an array as SCSI target `target`. */
  addRemotePort(scsiHost: number, { wwpn, target }: { wwpn: string; target: number }): void {
    const name = `rport-${scsiHost}:0-${target}`;
    const texts = { port_name: `0x${wwpn}`, port_state: "Online", scsi_target_id: String(target) };
    for (const [file, text] of Object.entries(texts)) {
      this.write(`/sys/class/fc_remote_ports/${name}/${file}`, text);
    }
    this.write(`/sys/class/fc_host/host${scsiHost}/port_name`, `0x21000000000000${scsiHost}0`);
    this.write(`/sys/class/scsi_host/host${scsiHost}/state`, "running");
    this.#remotePorts.set(`${scsiHost}:0:${target}`, name);
  }

  /** Adds a disk, which is in no map yet, and gives its name. */
  addDisk({ session, lun, volume, target = 0 }: Disk & { target?: number }): string {
    const name = `sd${letters(this.#disks++)}`;
    const place = `${session}:0:${target}`;
    const hctl = `${place}:${lun}`;
    const device = `/devices/platform/host${session}/${
      this.#remotePorts.get(place) ?? `session${session}`
    }/target${place}/${hctl}`;
    this.write(`/sys${device}/wwid`, `naa.${wwidOf(volume).slice(1)}`);
    this.write(`/sys${device}/state`, "running");
    this.#block(`/sys${device}/block/${name}`, `8:${this.#disks}`);
    this.#link(`/sys${device}/block/${name}/device`, `../../../${hctl}`);
    this.#link(`/sys${device}/scsi_device/${hctl}/device`, `../../../${hctl}`);
    this.#link(`/sys/class/scsi_device/${hctl}`, `../..${device}/scsi_device/${hctl}`);
    this.#link(`/sys/class/block/${name}`, `../..${device}/block/${name}`);
    return name;
  }

  #block(folder: string, majorMinor: string): void {
    this.write(`/sys/dev/block/${majorMinor}/uevent`, `DEVNAME=${folder.split("/").at(-1)}`);
    this.write(`${folder}/size`, String(SIZE_BYTES / 512));
    this.write(`${folder}/dev`, majorMinor);
    Deno.mkdirSync(`${this.root}${folder}/holders`, { recursive: true });
  }

  /** A map with the WWID of a volume. */
  addMap(name: string, volume: number): void {
    const folder = `/sys/class/block/${name}`;
    this.#block(folder, `254:${name.slice(3)}`);
    Deno.mkdirSync(`${this.root}${folder}/slaves`, { recursive: true });
    this.write(`${folder}/dm/uuid`, `mpath-${wwidOf(volume)}`);
    this.write(`${folder}/dm/name`, wwidOf(volume));
    this.write(`/dev/mapper/${wwidOf(volume)}`, "");
  }

  join(disk: string, map: string): void {
    this.write(`/sys/class/block/${map}/slaves/${disk}`, "");
    this.write(`/sys/class/block/${disk}/holders/${map}`, "");
  }

  leave(disk: string, map: string): void {
    this.remove(`/sys/class/block/${map}/slaves/${disk}`);
    this.remove(`/sys/class/block/${disk}/holders/${map}`);
  }

  pathsOf(map: string): string[] {
    return [...Deno.readDirSync(`${this.root}/sys/class/block/${map}/slaves`)].map(({ name }) =>
      name
    ).sort();
  }

  /** Mounts a device by its number, or an NFS export by its source. */
  mount(target: string, { number, type = "xfs", source = "dev", options = "rw" }: {
    number: string;
    type?: string;
    source?: string;
    options?: string;
  }): void {
    this.#mount(
      `${this.#mounts.length + 1} 1 ${number} / ${target} rw - ${type} ${source} ${options}`,
    );
  }

  unmount(target: string): void {
    this.#mounts = this.#mounts.filter((line) => line.split(" ")[4] !== target);
    this.#mount();
  }

  #mount(...lines: string[]): void {
    this.#mounts.push(...lines);
    this.write("/proc/1/mountinfo", this.#mounts.join("\n"));
  }

  /** A record of a volume with a map, staged over both portals by sessions 1 and 2, and mounted. */
  async stagedVolume(number: number, changes: Partial<StageRecord> = {}): Promise<StageRecord> {
    const map = `dm-${number}`;
    this.luns.set(number, number);
    this.addMap(map, number);
    for (const session of [1, 2]) {
      this.join(this.addDisk({ session, lun: number, volume: number }), map);
    }
    const record = {
      volumeId: `v${number}`,
      stagingPath: `/stage/${number}`,
      attachment: attachment(number),
      device: map,
      published: [],
    };
    await this.records.write({ ...record, ...changes });
    this.mount(record.stagingPath, { number: `254:${number}` });
    return { ...record, ...changes };
  }

  #run(
    tool: string,
    args: string[],
    stdin: string,
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    this.commands.push([tool, ...args].join(" ").trim());
    const failure = tool === "iscsiadm" ? this.#iscsiadm(args) : undefined;
    if (failure) return Promise.reject(failure);
    this.onTool.get(tool)?.(args);
    if (tool === "tee") this.#tee(args[0] ?? "", stdin.trim());
    if (tool === "multipathd") this.#multipathd(args);
    const stat = tool === "stat" ? this.statFails.get(args.at(-1) ?? "") : undefined;
    if (stat) return Promise.reject(stat);
    const answers: Record<string, string> = {
      stat: "4096 100 50 50 10 5",
      multipathd: args[0] === "show" ? "pid 9 idle" : "ok",
    };
    return Promise.resolve({ code: 0, stdout: answers[tool] ?? "", stderr: "" });
  }

  #iscsiadm(args: string[]): PsoError | undefined {
    const portal = args[args.indexOf("-p") + 1] ?? "";
    const found = PORTALS.indexOf(portal) + 1;
    if (args.includes("--login") && this.deadPortals.has(portal)) {
      return new PsoError("unavailable", `${portal} does not answer`);
    }
    if (args.includes("--login")) this.addSession(found, portal);
    if (args.includes("--logout")) this.removeSession(found);
    return undefined;
  }

  #tee(path: string, value: string): void {
    if (path.endsWith("/state")) this.write(path, value);
    if (path.endsWith("/rescan")) {
      for (const disk of this.#disksAt(path.split("/").at(-3) ?? "")) this.onRescan.get(disk)?.();
    }
    if (path.endsWith("/delete")) this.#removeDevice(path.split("/").at(-3) ?? "");
    const session = Number(/host(\d+)\/scan$/.exec(path)?.[1]);
    if (session) this.scans.push(`host${session} ${value}`);
    const [, target = 0, lun = 0] = value.split(" ").map(Number);
    const volume = this.luns.get(lun);
    if (!session || volume === undefined) return;
    // udev and multipathd do so
    this.join(this.addDisk({ session, lun, volume, target }), `dm-${volume}`);
  }

  #multipathd([verb, what, name = ""]: string[]): void {
    const number = (wwid: string) => Number(wwid.slice(-8));
    if (verb === "resize") this.onResize();
    if (what === "map" && verb === "del") this.#removeMap(`dm-${number(name)}`);
    if (what !== "path") return;
    if (verb === "del") { for (const map of this.#mapsOf(name)) this.leave(name, map); }
    const wwid = () =>
      Deno.readTextFileSync(`${this.root}/sys/class/block/${name}/device/wwid`).trim();
    if (verb === "add") this.join(name, `dm-${number(wwid())}`);
  }

  #removeMap(map: string): void {
    for (const disk of this.pathsOf(map)) this.leave(disk, map);
    this.remove(`/sys/class/block/${map}`);
  }
}

export function attachment(number: number): Attachment {
  const targets = PORTALS.map((portal) => ({ iqn: TARGET, portal }));
  return {
    protocol: "iscsi",
    lun: number,
    targets,
    serial: serialOf(number),
    sizeBytes: SIZE_BYTES,
    everWritten: true,
  };
}

/** a … z, aa … as the kernel names disks. */
function letters(index: number): string {
  const rest = Math.floor(index / 26);
  return (rest > 0 ? letters(rest - 1) : "") + String.fromCharCode(97 + index % 26);
}
