import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import type { Run } from "../../run.ts";
import type { Images } from "../images.ts";
import type { ExportRule } from "../nfs_rules.ts";
import type { FilePlane, PlaneFileSystem } from "../plane.ts";

/** umount(8): not mounted. */
const NOT_MOUNTED = 32;
/** Options of a rule that nfsd has none for. */
const UNKNOWN_TO_NFSD = new Set(["fileid_32bit", "no_fileid_32bit", "atime", "noatime"]);

/** The file systems to export, and where. */
interface KernelExportsOptions {
  images: Images;
  /** Where the simulator has mounted the file system. */
  mountPath: (id: string) => string;
  run: Run;
  /** Below which `/name` stands: `/`, but for tests. */
  root: string;
}

/**
 * The file systems of one FlashBlade on the host's own NFS server: each that lets somebody in is
 * bound to `/<name>` and exported there to just the clients of its rules, by exportfs(8). What this
 * makes is noted in `exports/<id>` of the array's folder before it is made, so that paths and
 * exports of others are never touched: a `/<name>` that is there already is refused. Methods are
 * safe to repeat; calls must not overlap.
 */
export class KernelExports implements FilePlane {
  readonly #options: KernelExportsOptions;
  readonly #notes: string;
  /** What each client of an id was last given by us. */
  readonly #given = new Map<string, Map<string, string>>();

  constructor(options: KernelExportsOptions) {
    this.#options = options;
    this.#notes = `${options.images.root}/exports`;
  }

  async reconcile(all: PlaneFileSystem[]): Promise<void> {
    const served = new Set(all.filter(({ rules }) => rules.length > 0).map(({ id }) => id));
    for (const { id, name } of this.#noted()) if (!served.has(id)) await this.#takeAway(id, name);
    for (const fileSystem of all) await this.show(fileSystem);
  }

  /** `in_use` when `/<name>` is there already and is not ours. */
  async show(fileSystem: PlaneFileSystem): Promise<void> {
    const { id, name, rules } = fileSystem;
    const noted = this.#noted().find((note) => note.id === id)?.name;
    if (noted !== undefined && (noted !== name || rules.length === 0)) {
      await this.#takeAway(id, noted);
    }
    if (rules.length === 0) return;
    await this.#bind(id, name);
    await this.#export(fileSystem);
  }

  async stop(): Promise<void> {
    for (const { id, name } of this.#noted()) await this.#takeAway(id, name);
  }

  #pathOf(name: string): string {
    return `${this.#options.root}/${name}`.replace("//", "/");
  }

  #noted(): { id: string; name: string }[] {
    try {
      return [...Deno.readDirSync(this.#notes)].map(({ name: id }) => ({
        id,
        name: Deno.readTextFileSync(`${this.#notes}/${id}`),
      }));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  async #bind(id: string, name: string): Promise<void> {
    const [path, source] = [this.#pathOf(name), this.#options.mountPath(id)];
    if (this.#noted().every((note) => note.id !== id)) {
      if (deviceOf(path) !== undefined) {
        throw new PsoError(
          "in_use",
          `file system ${name} cannot be exported as ${path}: this host has that path already; ` +
            "use another name",
        );
      }
      Deno.mkdirSync(this.#notes, { recursive: true });
      // Whole or not at all: an empty note would name the root.
      Deno.writeTextFileSync(`${this.#notes}.new`, name);
      Deno.renameSync(`${this.#notes}.new`, `${this.#notes}/${id}`);
    }
    // Without its mount the folder is one of this host's own file system.
    if (
      deviceOf(source) === undefined || deviceOf(source) === deviceOf(this.#options.images.root)
    ) {
      throw new PsoError(
        "unavailable",
        `file system ${name} cannot be exported: ${source} is not mounted; start the simulator ` +
          "again",
      );
    }
    Deno.mkdirSync(path, { recursive: true });
    if (deviceOf(path) === deviceOf(source)) return;
    await this.#unmount(path); // of an earlier mount of the image
    await this.#options.run("mount", ["--bind", source, path]);
  }

  async #export({ id, name, rules }: PlaneFileSystem): Promise<void> {
    const path = this.#pathOf(name);
    const wanted = new Map(rules.map((rule) => [rule.client, exportOptions(rule, id)]));
    const given = this.#given.get(id);
    for (const client of await this.#clientsOf(path)) {
      // exportfs adds options to those that a client has; only a new export forgets them.
      const isOld = given?.has(client) && given.get(client) !== wanted.get(client);
      if (!wanted.has(client) || isOld) {
        await this.#options.run("exportfs", ["-u", "--", exportName(client, path)]);
      }
    }
    for (const [client, options] of wanted) {
      if (given?.get(client) !== options) {
        await this.#options.run("exportfs", ["-o", options, "--", exportName(client, path)]);
      }
    }
    this.#given.set(id, wanted);
  }

  /** Clients of an export, by `exportfs -s`: `/path  client(options)`. */
  async #clientsOf(path: string): Promise<string[]> {
    const { stdout } = await this.#options.run("exportfs", ["-s"]);
    const rows = stdout.split("\n").map((line) => /^(\S+)\s+(\S+)\(/.exec(line));
    return rows.flatMap((row) => row?.[1] === path ? [row[2] ?? ""] : []);
  }

  async #takeAway(id: string, name: string): Promise<void> {
    const path = this.#pathOf(name);
    for (const client of await this.#clientsOf(path)) {
      await this.#options.run("exportfs", ["-u", "--", exportName(client, path)]);
    }
    this.#given.delete(id);
    await this.#unmount(path);
    try {
      Deno.removeSync(path);
    } catch (error) {
      // Somebody's files stand there: they are not ours to remove.
      if (!(error instanceof Deno.errors.NotFound)) {
        throw new PsoError("unavailable", `cannot remove ${path}: ${messageOf(error)}`, {
          cause: error,
        });
      }
    }
    Deno.removeSync(`${this.#notes}/${id}`);
  }

  /**
   * nfsd may hold files open for a while: an array takes a file system away from its clients all
   * the same.
   */
  async #unmount(path: string): Promise<void> {
    try {
      await this.#options.run("umount", [path], { okCodes: [0] });
    } catch (error) {
      if (!isPsoError(error, "unavailable")) throw error;
      await this.#options.run("umount", ["-l", path], { okCodes: [0, NOT_MOUNTED] });
    }
  }
}

/** The device that a path is on; `undefined` when there is nothing. */
function deviceOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function exportName(client: string, path: string): string {
  return `${/^[^/]*:/.test(client) ? client.replace(/^[^/]+/, "[$&]") : client}:${path}`;
}

/**
 * A rule as exports(5) has it. What a rule does not say is as on a FlashBlade: root is squashed,
 * any source port will do. The file system's id tells it apart: copies of an XFS have one UUID.
 */
export function exportOptions({ options }: ExportRule, id: string): string {
  const has = (name: string) => options.includes(name);
  const known = options.filter((option) => !UNKNOWN_TO_NFSD.has(option));
  const access = has("rw") || has("ro") ? [] : ["ro"];
  const port = has("secure") || has("insecure") ? [] : ["insecure"];
  const squash = has("root_squash") || has("no_root_squash") || has("all_squash")
    ? []
    : ["root_squash"];
  return [...known, ...access, ...port, ...squash, "sync", "no_subtree_check", `fsid=${id}`].join(
    ",",
  );
}
