import {
  attribute,
  endObject,
  ensureAttribute,
  linkObject,
  linksIn,
  makeObject,
  objectsIn,
  setAttribute,
} from "./configfs.ts";
import type { PlaneHost, PlaneVolume } from "../plane.ts";

/** IANA's number for NVMe/TCP. */
const NVME_PORT = "4420";
/**
 * Ports that simulators make have numbers from here on, so that each knows the others'; an address
 * has one port for all arrays.
 */
const FIRST_PORT = 24_937;
const MOST_PORTS = 256;

/** What identifies an array to NVMe hosts, and where it is served. */
interface NvmetSubsystemOptions {
  configfs: string;
  nqn: string;
  /** Serial number of the array. */
  serial: string;
  portals: readonly string[];
  imagePath: (id: string) => string;
}

/**
 * The NVMe subsystem of one array in the kernel's nvmet, over TCP: a namespace for each volume that
 * is connected to an NVMe host, with Pure's NGUID. nvmet shows all namespaces of a subsystem to
 * every host that it lets in, where a FlashArray shows each host its own; hosts without any
 * connection are not let in. Only what bears the array's NQN and ports of simulators are ever
 * touched. Methods are safe to repeat.
 */
export class NvmetSubsystem {
  readonly #options: NvmetSubsystemOptions;
  readonly #nvmet: string;
  readonly #subsystem: string;

  constructor(options: NvmetSubsystemOptions) {
    this.#options = options;
    this.#nvmet = `${options.configfs}/nvmet`;
    this.#subsystem = `${this.#nvmet}/subsystems/${options.nqn}`;
  }

  /** Makes the subsystem equal to what these hosts, all of the array's, may reach. */
  show(hosts: PlaneHost[]): void {
    const connected = hosts.filter(({ nqns, connections }) =>
      nqns.length > 0 && connections.length > 0
    );
    const volumes = new Map(
      connected.flatMap(({ connections }) => connections).map((
        { volume },
      ) => [nsidOf(volume), volume]),
    );
    const nqns = new Set(connected.flatMap((host) => host.nqns));
    for (const nqn of linksIn(`${this.#subsystem}/allowed_hosts`)) {
      if (!nqns.has(nqn)) this.#shutOut(nqn);
    }
    for (const nsid of objectsIn(`${this.#subsystem}/namespaces`)) {
      const volume = volumes.get(nsid);
      if (volume === undefined || !this.#isRight(nsid, volume)) this.#drop(nsid);
    }
    this.#prepare();
    for (const [nsid, volume] of volumes) this.#serve(nsid, volume);
    for (const nqn of nqns) {
      makeObject(`${this.#nvmet}/hosts/${nqn}`);
      linkObject(`${this.#nvmet}/hosts/${nqn}`, `${this.#subsystem}/allowed_hosts/${nqn}`);
    }
    // Last, so that no host that comes back after a restart sees half of its namespaces.
    for (const portal of this.#options.portals) {
      linkObject(
        this.#subsystem,
        `${this.#nvmet}/ports/${this.#portFor(portal)}/subsystems/${this.#options.nqn}`,
      );
    }
  }

  /**
   * Tells the hosts that have the volume that its size is another. One that is not served changes
   * nothing.
   */
  resized(volume: PlaneVolume): void {
    const namespace = `${this.#subsystem}/namespaces/${nsidOf(volume)}`;
    if (attribute(`${namespace}/enable`) === "1") setAttribute(`${namespace}/revalidate_size`, "1");
  }

  /** Takes away everything that show() makes; a port when no array uses it any more. */
  stop(): void {
    for (const port of objectsIn(`${this.#nvmet}/ports`)) {
      endObject(`${this.#nvmet}/ports/${port}/subsystems/${this.#options.nqn}`);
      if (isOurs(port) && linksIn(`${this.#nvmet}/ports/${port}/subsystems`).length === 0) {
        endObject(`${this.#nvmet}/ports/${port}`);
      }
    }
    for (const nqn of linksIn(`${this.#subsystem}/allowed_hosts`)) this.#shutOut(nqn);
    for (const nsid of objectsIn(`${this.#subsystem}/namespaces`)) this.#drop(nsid);
    endObject(this.#subsystem);
  }

  #prepare(): void {
    if (attribute(`${this.#subsystem}/attr_allow_any_host`) === undefined) {
      makeObject(this.#subsystem);
      setAttribute(`${this.#subsystem}/attr_model`, "Pure Storage FlashArray");
      setAttribute(`${this.#subsystem}/attr_serial`, this.#options.serial);
    }
    ensureAttribute(`${this.#subsystem}/attr_allow_any_host`, "0");
  }

  /**
   * The host's own object goes with its last subsystem: the kernel keeps one that another still
   * lets in.
   */
  #shutOut(nqn: string): void {
    endObject(`${this.#subsystem}/allowed_hosts/${nqn}`);
    const isUsed = objectsIn(`${this.#nvmet}/subsystems`).some((one) =>
      linksIn(`${this.#nvmet}/subsystems/${one}/allowed_hosts`).includes(nqn)
    );
    if (!isUsed) endObject(`${this.#nvmet}/hosts/${nqn}`);
  }

  #isRight(nsid: string, { id, serial }: PlaneVolume): boolean {
    const namespace = `${this.#subsystem}/namespaces/${nsid}`;
    return attribute(`${namespace}/enable`) === "1" &&
      attribute(`${namespace}/device_path`) === this.#options.imagePath(id) &&
      attribute(`${namespace}/device_nguid`)?.replaceAll("-", "") === nguidOf(serial);
  }

  #drop(nsid: string): void {
    const namespace = `${this.#subsystem}/namespaces/${nsid}`;
    ensureAttribute(`${namespace}/enable`, "0");
    endObject(namespace);
  }

  #serve(nsid: string, volume: PlaneVolume): void {
    const namespace = `${this.#subsystem}/namespaces/${nsid}`;
    if (attribute(`${namespace}/enable`) === "1") return;
    makeObject(namespace);
    setAttribute(`${namespace}/device_path`, this.#options.imagePath(volume.id));
    setAttribute(`${namespace}/buffered_io`, "1");
    // A FlashArray has no UUID for its namespaces, and hosts would take one before the NGUID.
    setAttribute(`${namespace}/device_uuid`, "00000000-0000-0000-0000-000000000000");
    setAttribute(`${namespace}/device_nguid`, nguidOf(volume.serial));
    setAttribute(`${namespace}/enable`, "1");
  }

  /** The port at this address, made when there is none. */
  #portFor(portal: string): string {
    const ports = objectsIn(`${this.#nvmet}/ports`);
    const read = (port: string, name: string) =>
      attribute(`${this.#nvmet}/ports/${port}/addr_${name}`);
    const existing = ports.find((port) =>
      read(port, "trtype") === "tcp" && read(port, "traddr") === portal &&
      read(port, "trsvcid") === NVME_PORT
    );
    if (existing !== undefined) return existing;
    // One without an address is what a crash left of making it.
    const half = ports.find((port) => isOurs(port) && read(port, "trsvcid") !== NVME_PORT);
    const free = half ??
      String(
        Array.from({ length: MOST_PORTS }, (_, at) => FIRST_PORT + at).find((port) =>
          !ports.includes(String(port))
        ),
      );
    const path = `${this.#nvmet}/ports/${free}`;
    makeObject(path);
    setAttribute(`${path}/addr_trtype`, "tcp");
    setAttribute(`${path}/addr_adrfam`, portal.includes(":") ? "ipv6" : "ipv4");
    setAttribute(`${path}/addr_traddr`, portal);
    setAttribute(`${path}/addr_trsvcid`, NVME_PORT);
    return free;
  }
}

function isOurs(port: string): boolean {
  return Number(port) >= FIRST_PORT && Number(port) < FIRST_PORT + MOST_PORTS;
}

/**
 * The array's own count in the serial number, which is never given twice: nvmet knows one number
 * for all hosts, and nodes go by the NGUID.
 */
function nsidOf({ serial }: PlaneVolume): string {
  return String(parseInt(serial.slice(-8), 16));
}

/** 00, the first 14 digits of the serial number, Pure's 24a937, and the last 10. */
function nguidOf(serial: string): string {
  const digits = serial.toLowerCase();
  return `00${digits.slice(0, 14)}24a937${digits.slice(14)}`;
}
