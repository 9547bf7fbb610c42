import { Images, removeIfThere } from "./images.ts";
import { exportedTo } from "./nfs_rules.ts";
import type { BlockPlane, FilePlane, Plane, PlaneFileSystem, PlaneHost } from "./plane.ts";
import type { Run } from "../run.ts";

/** Where one host reaches one volume: `hosts/<host>/<name>`. */
interface PlaneLink {
  /** Host object's name (block) or client address, or `any` (file). */
  host: string;
  /** LUN number (block) or name of the file system (file). */
  name: string;
  /** Id of the volume or file system. */
  id: string;
}

/**
 * The local data plane of one array, a folder that nodes on this machine are given by
 * --local-plane:
 *
 *     DIR/<array>/images/<id>            sparse image of a volume, a file system or a
 *                                        snapshot, of the provisioned size
 *     DIR/<array>/hosts/<host>/<lun>     block: link to the image, there exactly while host and
 *                                        volume are connected
 *     DIR/<array>/fs/<id>                file: where the simulator mounts the image of a file
 *                                        system (file_system_images.ts)
 *     DIR/<array>/hosts/<client>/<name>  file: link to that folder for each NFS rule with an IP
 *                                        address as client, and below `any` for the rule `*`. A
 *                                        node looks at its own data address first, then at `any`.
 *
 * Links are relative, so that they hold wherever DIR is bind-mounted. Every method is safe to
 * repeat.
 */
export class LocalPlane implements Plane {
  /** DIR/<array>. */
  readonly root: string;
  readonly images: Images;
  readonly block: BlockPlane;
  readonly files: FilePlane;

  constructor(root: string, options: { array: string; run: Run }) {
    this.root = `${root}/${options.array}`;
    this.images = new Images(this.root, options.run);
    Deno.mkdirSync(`${this.root}/hosts`, { recursive: true });
    this.block = {
      reconcile: (hosts) => this.#reconcile(hosts.flatMap(linksOfHost), "images"),
      show: (hosts, gone) => this.#showHosts(hosts, gone ?? []),
      // The image is what a node attaches: its length is the volume's.
      resized: () => {},
      // Nodes may have the images attached still, as the images themselves stay.
      stop: () => {},
    };
    this.files = {
      reconcile: (all) => Promise.resolve(this.#reconcile(all.flatMap(linksOfFileSystem), "fs")),
      show: (fileSystem) => Promise.resolve(this.#showFileSystem(fileSystem)),
      stop: () =>
        Promise.resolve(this.links().forEach(({ host, name }) => this.unlink(host, name))),
    };
  }

  unlink(host: string, name: string): void {
    removeIfThere(`${this.root}/hosts/${host}/${name}`);
    try {
      Deno.removeSync(`${this.root}/hosts/${host}`);
    } catch {
      // Not empty, or gone already: other connections of this host remain.
    }
  }

  /** The links that exist now. */
  links(): PlaneLink[] {
    const found: PlaneLink[] = [];
    for (const { name: host } of Deno.readDirSync(`${this.root}/hosts`)) {
      for (const name of this.#namesOf(host)) {
        const target = Deno.readLinkSync(`${this.root}/hosts/${host}/${name}`);
        found.push({ host, name, id: target.slice(target.lastIndexOf("/") + 1) });
      }
    }
    return found;
  }

  #namesOf(host: string): string[] {
    try {
      return [...Deno.readDirSync(`${this.root}/hosts/${host}`)].map(({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  #showHosts(hosts: PlaneHost[], gone: string[]): void {
    for (const host of gone) for (const name of this.#namesOf(host)) this.unlink(host, name);
    for (const host of hosts) {
      const wanted = linksOfHost(host);
      const present = new Set(this.#namesOf(host.name));
      // A LUN number is free before it is used again, so that a link of the right name is the right
      // link.
      for (const name of present) {
        if (!wanted.some((link) => link.name === name)) this.unlink(host.name, name);
      }
      for (const link of wanted) if (!present.has(link.name)) this.#link(link, "images");
    }
  }

  #showFileSystem(fileSystem: PlaneFileSystem): void {
    const wanted = linksOfFileSystem(fileSystem);
    const existing = this.links().filter(({ id }) => id === fileSystem.id);
    for (const link of existing) {
      if (!wanted.some((one) => isSame(one, link))) this.unlink(link.host, link.name);
    }
    for (const link of wanted) {
      if (!existing.some((one) => isSame(one, link))) this.#link(link, "fs");
    }
  }

  #reconcile(wanted: PlaneLink[], folder: "images" | "fs"): void {
    const key = ({ host, name, id }: PlaneLink) => `${host}/${name}/${id}`;
    const keep = new Set(wanted.map(key));
    for (const link of this.links()) if (!keep.has(key(link))) this.unlink(link.host, link.name);
    for (const link of wanted) this.#link(link, folder);
  }

  #link(link: PlaneLink, folder: "images" | "fs"): void {
    Deno.mkdirSync(`${this.root}/hosts/${link.host}`, { recursive: true });
    const path = `${this.root}/hosts/${link.host}/${link.name}`;
    removeIfThere(path);
    Deno.symlinkSync(`../../${folder}/${link.id}`, path);
  }
}

function isSame(a: PlaneLink, b: PlaneLink): boolean {
  return a.host === b.host && a.name === b.name && a.id === b.id;
}

function linksOfHost({ name, connections }: PlaneHost): PlaneLink[] {
  return connections.map(({ lun, volume }) => ({ host: name, name: String(lun), id: volume.id }));
}

function linksOfFileSystem({ id, name, rules }: PlaneFileSystem): PlaneLink[] {
  return [...exportedTo(rules)].map((host) => ({ host, name, id }));
}
