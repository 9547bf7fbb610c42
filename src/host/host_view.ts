import { type FcTarget, listFcTargets } from "./fc.ts";
import { type Host, peekHostFolder, peekHostLink, peekHostText } from "./host.ts";
import type { IscsiPortal } from "../handoff.ts";
import { type IscsiSession, isSessionTo, listSessions } from "./iscsi.ts";
import { type Mount, mountsOfDevice, readMounts } from "./mountinfo.ts";
import { isSameRoute, listControllers, type NvmeController, type NvmeRoute } from "./nvme.ts";
import { wwidOfText } from "./scsi.ts";

const BLOCK = "/sys/class/block";
const SECTOR_BYTES = 512;

/** A SCSI disk, in a multipath map or not, as the kernel shows it now. */
export interface SeenPath {
  /** `sdc` */
  name: string;
  /** `3:0:0:12` */
  hctl: string;
  /** `session4`; absent unless the transport is iSCSI. */
  session?: string;
  /** Absent when the kernel does not know it. */
  wwid?: string;
  /** `running`, `offline`, `blocked`, `transport-offline` … */
  state: string;
  sizeBytes: number;
}

/** What a HostView reads at once, because all volumes need it. */
interface SharedFacts {
  mounts: Mount[];
  sessions: IscsiSession[];
  controllers: NvmeController[];
  fcTargets: FcTarget[];
}

/**
 * The storage of this host at one moment, read from mountinfo and sysfs without starting a process.
 * Each folder is read once, however many volumes are looked at. Details of one volume are read when
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

  private constructor(host: Host, found: SharedFacts) {
    this.#host = host;
    this.mounts = found.mounts;
    this.sessions = found.sessions;
    this.controllers = found.controllers;
    this.fcTargets = found.fcTargets;
  }

  /**
   * Reads what all volumes have in common: mounts, sessions, controllers, FC ports. `unavailable`
   * when one of them cannot be read.
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

  /** Addresses of all SCSI devices: `3:0:0:12`. */
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

  /** What `find` returned when first asked under this key: for facts that many volumes share. */
  once<T>(key: string, find: () => Promise<T>): Promise<T> {
    const found = this.#found.get(key) as Promise<T> | undefined ?? find();
    this.#found.set(key, found);
    return found;
  }

  /** The session to a portal of a target; `undefined` when there is none. */
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

  /** The controller that is connected by this route; `undefined` when there is none. */
  controllerBy(route: NvmeRoute): NvmeController | undefined {
    return this.controllers.find((one) => one.state !== "deleting" && isSameRoute(one, route));
  }

  /** Bytes of a block device; `undefined` when the kernel has no such device. */
  sizeOf(name: string): number | undefined {
    const sectors = peekHostText(this.#host, `${BLOCK}/${name}/size`);
    return sectors === undefined ? undefined : Number(sectors) * SECTOR_BYTES;
  }

  /** Every mount of a block device, by its kernel name: see mountsOfDevice(). */
  mountsOf(name: string): Mount[] {
    const majorMinor = peekHostText(this.#host, `${BLOCK}/${name}/dev`);
    return majorMinor === undefined ? [] : mountsOfDevice(this.mounts, { name, majorMinor });
  }

  /** The paths that a map holds, also those that belong to another volume. */
  pathsOf(mapName: string): SeenPath[] {
    return peekHostFolder(this.#host, `${BLOCK}/${mapName}/slaves`).flatMap((name) =>
      this.path(name) ?? []
    );
  }

  /** The SCSI disk with this kernel name; `undefined` when it has gone, or is no SCSI disk. */
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
