import { type FcTarget, listFcTargets } from "./fc.ts";
import { type Host, peekHostFolder, peekHostLink, peekHostText } from "./host.ts";
import { type IscsiPortal, type IscsiSession, isSessionTo, listSessions } from "./iscsi.ts";
import { type Mount, mountsOfDevice, readMounts } from "./mountinfo.ts";
import { isSameRoute, listControllers, type NvmeController, type NvmeRoute } from "./nvme.ts";
import { wwidOfText } from "./scsi.ts";

const BLOCK = "/sys/class/block";
const SECTOR_BYTES = 512;

/** A disk of a multipath map, or one that is used without a map, as the kernel shows it now. */
export interface SeenPath {
  /** `sdc` */
  name: string;
  /** `3:0:0:12` */
  hctl: string;
  /** `session4`; absent for other transports than iSCSI. */
  session?: string;
  /** Absent when the kernel does not know it. */
  wwid?: string;
  /** `running`, `offline`, `blocked`, `transport-offline` … */
  state: string;
  sizeBytes: number;
}

/**
 * The storage of this host at one moment, by mountinfo and sysfs alone: no process is started, and
 * each folder is read once however many volumes are looked at. Details of one volume are read when
 * they are asked for.
 */
export class HostView {
  readonly #host: Host;
  readonly mounts: Mount[];
  readonly sessions: IscsiSession[];
  readonly controllers: NvmeController[];
  readonly fcTargets: FcTarget[];
  #maps: Map<string, string> | undefined;
  #scsiDevices: string[] | undefined;
  readonly #found = new Map<string, Promise<unknown>>();
  readonly #sessionsByPortal = new Map<string, IscsiSession | undefined>();

  private constructor(
    host: Host,
    found: {
      mounts: Mount[];
      sessions: IscsiSession[];
      controllers: NvmeController[];
      fcTargets: FcTarget[];
    },
  ) {
    this.#host = host;
    this.mounts = found.mounts;
    this.sessions = found.sessions;
    this.controllers = found.controllers;
    this.fcTargets = found.fcTargets;
  }

  /**
   * Reads what all volumes have in common. `unavailable` when mounts or classes of devices cannot
   * be read: then nothing is known.
   */
  static async read(host: Host): Promise<HostView> {
    const [mounts, sessions, controllers, fcTargets] = await Promise.all([
      readMounts(host),
      listSessions(host),
      listControllers(host),
      listFcTargets(host),
    ]);
    return new HostView(host, { mounts, sessions, controllers, fcTargets });
  }

  /** Addresses of all SCSI devices. */
  get scsiDevices(): string[] {
    return this.#scsiDevices ??= peekHostFolder(this.#host, "/sys/class/scsi_device");
  }

  /** Kernel names of all multipath maps by their WWID. */
  get maps(): Map<string, string> {
    const names = () => peekHostFolder(this.#host, BLOCK).filter((name) => name.startsWith("dm-"));
    const entry = (name: string): [string, string][] => {
      const wwid = this.mapWwid(name);
      return wwid === undefined ? [] : [[wwid, name]];
    };
    return this.#maps ??= new Map(names().flatMap(entry));
  }

  /** The WWID of a multipath map; `undefined` for every other device. */
  mapWwid(name: string): string | undefined {
    const uuid = name.startsWith("dm-")
      ? peekHostText(this.#host, `${BLOCK}/${name}/dm/uuid`)
      : undefined;
    return uuid?.startsWith("mpath-") ? uuid.slice("mpath-".length) : undefined;
  }

  /** The WWID of an NVMe namespace; `undefined` for every other device. */
  namespaceWwid(name: string): string | undefined {
    return /^nvme\d+n\d+$/.test(name)
      ? peekHostText(this.#host, `${BLOCK}/${name}/wwid`)
      : undefined;
  }

  /** What `find` gives, asked once per view: facts that many volumes share. */
  once<T>(key: string, find: () => Promise<T>): Promise<T> {
    const found = this.#found.get(key) as Promise<T> | undefined ?? find();
    this.#found.set(key, found);
    return found;
  }

  /** The session to a portal of a target. */
  sessionTo(target: IscsiPortal): IscsiSession | undefined {
    const key = `${target.iqn} ${target.portal}`;
    if (!this.#sessionsByPortal.has(key)) {
      this.#sessionsByPortal.set(
        key,
        this.sessions.find((one) => isSessionTo(one, target)),
      );
    }
    return this.#sessionsByPortal.get(key);
  }

  /** The connection that leads this way. */
  controllerBy(route: NvmeRoute): NvmeController | undefined {
    return this.controllers.find((one) => one.state !== "deleting" && isSameRoute(one, route));
  }

  /** Bytes of a block device; `undefined` when the kernel has no such device. */
  sizeOf(name: string): number | undefined {
    const sectors = peekHostText(this.#host, `${BLOCK}/${name}/size`);
    return sectors === undefined ? undefined : Number(sectors) * SECTOR_BYTES;
  }

  /** Every mount of a block device. */
  mountsOf(name: string): Mount[] {
    const majorMinor = peekHostText(this.#host, `${BLOCK}/${name}/dev`);
    return majorMinor === undefined ? [] : mountsOfDevice(this.mounts, { name, majorMinor });
  }

  /** The paths that a map holds, those of other volumes too. */
  pathsOf(mapName: string): SeenPath[] {
    return peekHostFolder(this.#host, `${BLOCK}/${mapName}/slaves`).flatMap((name) =>
      this.path(name) ?? []
    );
  }

  /** One disk; `undefined` for what is no SCSI disk (any more). */
  path(name: string): SeenPath | undefined {
    // ../../devices/…/host3/session1/target3:0:0/3:0:0:12/block/sdc
    const link = peekHostLink(this.#host, `${BLOCK}/${name}`);
    const hctl = /\/(\d+:\d+:\d+:\d+)\/block\/[^/]+$/.exec(link ?? "")?.[1];
    if (link === undefined || hctl === undefined) return undefined;
    const read = (file: string) => peekHostText(this.#host, `${BLOCK}/${name}/device/${file}`);
    return {
      name,
      hctl,
      session: /\/(session\d+)\//.exec(link)?.[1],
      wwid: wwidOfText(read("wwid")),
      state: read("state") ?? "unknown",
      sizeBytes: this.sizeOf(name) ?? 0,
    };
  }
}
