/**
 * NVMe over Fabrics of the fake host, as the kernel's native multipath shows it in sysfs: a
 * controller per path, a subsystem per array, and per namespace one head (`nvme0n1`) beside a
 * hidden device per path (`nvme0c1n1`). `nvme` answers as nvme-cli does (tests/transcripts).
 */
import type { NvmeRoute } from "../../src/host/nvme.ts";
import { type Answer, serialOf, SIZE_BYTES } from "./fake_scsi.ts";
import type { HostFiles } from "./host_files.ts";

export const NQN = "nqn.2010-06.com.purestorage:flasharray.1";
export const NVME_PORTALS = ["192.0.2.1:4420", "192.0.2.2:4420"];

const CONTROLLERS = "/sys/class/nvme";
const SUBSYSTEMS = "/sys/class/nvme-subsystem";

/** What the kernel shows as the identity of volume 7, by its NGUID. */
export function nguidOf(number: number): string {
  const serial = serialOf(number);
  return `eui.00${serial.slice(0, 14)}24a937${serial.slice(14)}`;
}

interface Shown {
  volume: number;
  sizeBytes: number;
  /** Number of the namespace in its subsystem. */
  id: number;
}

export interface ControllerFacts extends NvmeRoute {
  state?: string;
}

export class FakeNvme {
  readonly #files: HostFiles;
  /** What each subsystem shows to this host. */
  readonly #shown = new Map<string, Shown[]>();
  readonly #subsystems: string[] = [];
  #controllers = 0;
  #namespaces = 0;
  #devices = 0;
  /** Addresses at which nothing answers. */
  readonly deadAddresses = new Set<string>();
  /** The kernel hears from the array when a namespace comes, goes or grows. */
  hears = true;

  constructor(files: HostFiles) {
    this.#files = files;
  }

  get controllers(): string[] {
    return this.#files.list(CONTROLLERS);
  }

  /** Names of the heads, without the paths below them. */
  get namespaces(): string[] {
    return this.#files.list("/sys/class/block").filter((name) => /^nvme\d+n\d+$/.test(name));
  }

  /** The array shows a volume to this host, or shows it in another size. */
  publish(volume: number, { nqn = NQN, sizeBytes = SIZE_BYTES } = {}): void {
    const shown = this.#shown.get(nqn) ?? [];
    this.#shown.set(nqn, shown);
    const before = shown.find((one) => one.volume === volume);
    if (before) before.sizeBytes = sizeBytes;
    else shown.push({ volume, sizeBytes, id: ++this.#namespaces });
    if (this.hears) this.#scan(nqn);
  }

  /** The array shows the volume no longer. */
  unpublish(volume: number, { nqn = NQN } = {}): void {
    this.#shown.set(nqn, (this.#shown.get(nqn) ?? []).filter((one) => one.volume !== volume));
    if (this.hears) this.#scan(nqn);
  }

  /** Connects a path, whoever did it, and gives the name of its controller. */
  addController({ state = "live", ...route }: ControllerFacts): string {
    const name = `nvme${this.#controllers++}`;
    const { transport, nqn, traddr, trsvcid = "none", hostTraddr } = route;
    const host = hostTraddr === undefined ? "" : `,host_traddr=${hostTraddr}`;
    const service = transport === "fc" ? "" : `,trsvcid=${trsvcid}`;
    const address = `traddr=${traddr}${service}${host}`;
    const texts = { transport, subsysnqn: nqn, address, state };
    for (const [file, text] of Object.entries(texts)) {
      this.#files.write(`${CONTROLLERS}/${name}/${file}`, text);
    }
    if (!this.#subsystems.includes(nqn)) this.#subsystems.push(nqn);
    const subsystem = this.#folderOf(nqn);
    this.#files.write(`${subsystem}/subsysnqn`, nqn);
    this.#files.link(`${subsystem}/${name}`, `../../nvme/${name}`);
    this.#scan(nqn);
    return name;
  }

  setState(name: string, state: string): void {
    this.#files.write(`${CONTROLLERS}/${name}/state`, state);
    if (state === "live") this.#scan(this.#nqnOf(name));
  }

  /** Ends a path; with the last one the subsystem and its namespaces go. */
  removeController(name: string): void {
    const nqn = this.#nqnOf(name);
    const subsystem = this.#folderOf(nqn);
    this.#files.remove(`${CONTROLLERS}/${name}`);
    this.#files.remove(`${subsystem}/${name}`);
    for (const device of this.#files.list("/sys/class/block")) {
      if (device.startsWith(`nvme${this.#numberOf(nqn)}c${name.slice("nvme".length)}n`)) {
        this.#files.remove(`/sys/class/block/${device}`);
      }
    }
    if (this.#controllersOf(nqn).length > 0) return;
    for (const head of this.#headsOf(nqn)) this.#removeNamespace(nqn, head);
    this.#files.remove(subsystem);
  }

  /** The kernel asks a path again for what its subsystem shows. */
  rescan(name: string): void {
    this.#scan(this.#nqnOf(name));
  }

  /** `nvme connect` and `nvme disconnect`. */
  tool([verb, ...args]: string[]): Answer {
    const value = (option: string) => {
      const at = args.indexOf(option);
      return at < 0 ? undefined : args[at + 1];
    };
    if (verb === "disconnect") {
      const name = value("-d") ?? "";
      if (!this.controllers.includes(name)) return { stderr: `Did not find device ${name}\n` };
      this.removeController(name);
      return {};
    }
    const traddr = value("-a") ?? "";
    if (this.deadAddresses.has(traddr)) {
      return { code: 1, stderr: "could not add new controller: connection refused\n" };
    }
    const transport = (["tcp", "rdma", "fc"] as const).find((one) => one === value("-t")) ?? "tcp";
    const nqn = value("-n") ?? "";
    const trsvcid = value("-s");
    const isThere = this.#controllersOf(nqn).some((name) =>
      this.#files.read(`${CONTROLLERS}/${name}/address`).split(",")[0] === `traddr=${traddr}`
    );
    if (isThere) return { code: 1, stderr: "already connected\n" };
    const name = this.addController({ transport, nqn, traddr, trsvcid, hostTraddr: value("-w") });
    return { stdout: `connecting to device: ${name}\n` };
  }

  #nqnOf(controller: string): string {
    return this.#files.read(`${CONTROLLERS}/${controller}/subsysnqn`);
  }

  #numberOf(nqn: string): number {
    return this.#subsystems.indexOf(nqn);
  }

  #folderOf(nqn: string): string {
    return `${SUBSYSTEMS}/nvme-subsys${this.#numberOf(nqn)}`;
  }

  #controllersOf(nqn: string): string[] {
    return this.controllers.filter((name) => this.#nqnOf(name) === nqn);
  }

  #headsOf(nqn: string): string[] {
    return this.namespaces.filter((name) => name.startsWith(`nvme${this.#numberOf(nqn)}n`));
  }

  /** Makes sysfs show what the array shows, if any path of the subsystem is live. */
  #scan(nqn: string): void {
    const live = this.#controllersOf(nqn).filter((name) =>
      this.#files.read(`${CONTROLLERS}/${name}/state`) === "live"
    );
    if (live.length === 0) return;
    const shown = this.#shown.get(nqn) ?? [];
    const nameOf = ({ id }: Shown) => `nvme${this.#numberOf(nqn)}n${id}`;
    for (const head of this.#headsOf(nqn)) {
      if (!shown.some((one) => nameOf(one) === head)) this.#removeNamespace(nqn, head);
    }
    for (const one of shown) {
      const head = nameOf(one);
      if (!this.namespaces.includes(head)) this.#addNamespace(nqn, head, one.volume);
      this.#files.write(`/sys/class/block/${head}/size`, String(one.sizeBytes / 512));
      for (const name of live) this.#addPath(nqn, name, one);
    }
  }

  #addNamespace(nqn: string, head: string, volume: number): void {
    const folder = `${this.#folderOf(nqn)}/${head}`;
    this.#files.blockDevice(folder, { number: `259:${this.#devices++}`, sizeBytes: 0 });
    this.#files.write(`${folder}/wwid`, nguidOf(volume));
    this.#files.write(`${folder}/nguid`, nguidOf(volume).slice("eui.".length));
    this.#files.link(
      `/sys/class/block/${head}`,
      `../nvme-subsystem/${folder.split("/").at(-2)}/${head}`,
    );
  }

  /** A path's own device is hidden: it has an identity, and no number to open it by. */
  #addPath(nqn: string, controller: string, { volume, sizeBytes, id }: Shown): void {
    const name = `nvme${this.#numberOf(nqn)}c${controller.slice("nvme".length)}n${id}`;
    this.#files.write(`/sys/class/block/${name}/wwid`, nguidOf(volume));
    this.#files.write(`/sys/class/block/${name}/size`, String(sizeBytes / 512));
  }

  #removeNamespace(nqn: string, head: string): void {
    const number = this.#files.read(`/sys/class/block/${head}/dev`);
    this.#files.remove(`/sys/dev/block/${number}`);
    this.#files.remove(`${this.#folderOf(nqn)}/${head}`);
    this.#files.remove(`/sys/class/block/${head}`);
    const id = head.slice(head.indexOf("n", 1));
    for (const device of this.#files.list("/sys/class/block")) {
      const isPath = device.startsWith(`nvme${this.#numberOf(nqn)}c`) && device.endsWith(id);
      if (isPath) this.#files.remove(`/sys/class/block/${device}`);
    }
  }
}
