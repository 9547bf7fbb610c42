import { createHash, randomUUID } from "node:crypto";
import { messageOf, PsoError } from "../errors.ts";
import type { FsType } from "../file_systems.ts";
import { type Attachment, shapedAttachment } from "../handoff.ts";
import type { Logger } from "../log.ts";

const RECORD_VERSION = 1;

const READABLE = "make the node's --state-dir readable";
const WRITABLE = "make the node's --state-dir writable";

/**
 * A format that this node began. Its UUID was chosen first, so what an interrupted mkfs left is
 * known again as our own.
 */
export interface FormatRecord {
  state: "started" | "finished";
  type: FsType;
  uuid: string;
}

/**
 * What this node meant to do with one volume, written before it did anything. Facts are in
 * mountinfo and sysfs.
 */
export interface StageRecord<A extends Attachment = Attachment> {
  volumeId: string;
  stagingPath: string;
  attachment: A;
  /** Kernel name of the device that this node attached; absent until it is known. */
  device?: string;
  /**
   * Local plane: the file behind the device, to find a device whose name a crash kept from being
   * written down.
   */
  image?: { path: string; majorMinor: string; inode: number };
  format?: FormatRecord;
  /** Other nodes may have the volume at the same time. */
  shared?: boolean;
  /** A pod describes the volume itself: it ends with its pod. */
  inline?: true;
  /**
   * An unstage was begun: from here on the CO does not want the volume on this node, until it
   * stages it again.
   */
  unstaging?: boolean;
  /**
   * A dead mount of the volume is being replaced: until a new one is there, a publish may make it.
   */
  remounting?: boolean;
  published: { targetPath: string; readOnly: boolean }[];
}

/** Whether a value read from a file has what every record has; its attachment is not looked at. */
function isRecord(value: Partial<StageRecord> | undefined): value is StageRecord {
  return typeof value?.volumeId === "string" && typeof value.stagingPath === "string" &&
    Array.isArray(value.published) &&
    value.published.every((one) => typeof one?.targetPath === "string");
}

/** A UUID for a new file system. */
export function newUuid(): string {
  return randomUUID();
}

/**
 * The stage records of this node: one JSON file per volume in `<state-dir>/volumes`, replaced whole
 * and synced.
 */
export class StageRecords {
  readonly #folder: string;
  readonly #log: Logger;
  /** What was said of a broken record, by its path: rounds look at all of them again and again. */
  readonly #said = new Map<string, string>();

  constructor(stateDir: string, options: { log: Logger }) {
    this.#folder = `${stateDir}/volumes`;
    this.#log = options.log;
  }

  #path(volumeId: string): string {
    // Volume ids hold slashes and may be longer than a file name.
    return `${this.#folder}/${
      createHash("sha256").update(volumeId).digest("hex").slice(0, 40)
    }.json`;
  }

  /**
   * The record of a volume. A missing or broken one is `undefined`, as the node copes without; a
   * broken one is logged.
   */
  async find(volumeId: string): Promise<StageRecord | undefined> {
    const path = this.#path(volumeId);
    const record = await this.#read(path);
    if (!record || record.volumeId === volumeId) return record;
    this.#ignore(path, `it is of volume ${record.volumeId} and not of ${volumeId}`);
    return undefined;
  }

  async #read(path: string): Promise<StageRecord | undefined> {
    try {
      const { version, record } = JSON.parse(await Deno.readTextFile(path)) ?? {};
      const attachment = shapedAttachment(record?.attachment);
      if (version !== RECORD_VERSION || !isRecord(record)) {
        this.#ignore(path, "not of this version");
      } else if (typeof attachment === "string") this.#ignore(path, `its attachment ${attachment}`);
      else {
        this.#said.delete(path);
        return { ...record, attachment };
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) this.#ignore(path, messageOf(error));
    }
    return undefined;
  }

  #ignore(path: string, reason: string): void {
    if (this.#said.get(path) === reason) return;
    this.#said.set(path, reason);
    this.#log.warn("stage record ignored", { path, reason });
  }

  /** All records that can be read. */
  async list(): Promise<StageRecord[]> {
    const found: StageRecord[] = [];
    try {
      for await (const { name } of Deno.readDir(this.#folder)) {
        if (!name.endsWith(".json")) continue;
        const record = await this.#read(`${this.#folder}/${name}`);
        if (record) found.push(record);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw new PsoError(
          "unavailable",
          `stage records in ${this.#folder} cannot be listed: ${messageOf(error)}; ${READABLE}`,
          { cause: error },
        );
      }
    }
    return found;
  }

  /** How many volumes have a record. */
  async count(): Promise<number> {
    let count = 0;
    try {
      for await (const { name } of Deno.readDir(this.#folder)) if (name.endsWith(".json")) count++;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw new PsoError(
          "unavailable",
          `stage records in ${this.#folder} cannot be counted: ${messageOf(error)}; ${READABLE}`,
          { cause: error },
        );
      }
    }
    return count;
  }

  /**
   * Writes the record; it survives a crash of the host once this returns. `unavailable` when it
   * cannot: then nothing may begin.
   */
  async write(record: StageRecord): Promise<void> {
    const path = this.#path(record.volumeId);
    const fresh = `${path}.new`; // a left-over one is written over
    try {
      await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await this.#writeSynced(
        fresh,
        JSON.stringify({ version: RECORD_VERSION, record }, undefined, 2) + "\n",
      );
      await Deno.rename(fresh, path);
      await this.#syncFolder();
    } catch (error) {
      throw new PsoError(
        "unavailable",
        `stage record ${path} cannot be written: ${messageOf(error)}; ${WRITABLE}`,
        { cause: error },
      );
    }
  }

  async #writeSynced(path: string, text: string): Promise<void> {
    using file = await Deno.open(path, { write: true, create: true, truncate: true, mode: 0o600 });
    const bytes = new TextEncoder().encode(text);
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written));
    }
    await file.sync();
  }

  async #syncFolder(): Promise<void> {
    using folder = await Deno.open(this.#folder);
    await folder.sync();
  }

  /**
   * Forgets the devices of a volume, and the volume with them, unless this node must still know of
   * a format that it began.
   */
  async release(record: StageRecord, { keepFormat }: { keepFormat: boolean }): Promise<void> {
    if (!keepFormat) return await this.remove(record.volumeId);
    await this.write({
      ...record,
      device: undefined,
      image: undefined,
      unstaging: undefined,
      remounting: undefined,
      published: [],
    });
  }

  /** Forgets a volume. Not there is success. */
  async remove(volumeId: string): Promise<void> {
    for (const path of [`${this.#path(volumeId)}.new`, this.#path(volumeId)]) {
      try {
        await Deno.remove(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) continue;
        throw new PsoError(
          "unavailable",
          `stage record ${path} cannot be removed: ${messageOf(error)}; ${WRITABLE}`,
          { cause: error },
        );
      }
    }
  }
}
