import { isPureWwid, wwidOfSerial } from "../../host/scsi.ts";
import { lookAt, type VolumeLook } from "./condition.ts";
import { isBlock } from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { HostView } from "../../host/host_view.ts";
import { nvmeBlock } from "../nvme/attach.ts";
import { NvmeNotes } from "../nvme/notes.ts";
import { isWantedBy, scsiBlock } from "../scsi/attach.ts";
import type { StageRecord, StageRecords } from "../stage_record.ts";
import { unstageVolume } from "../calls/unstaging.ts";

/** What a round found that may be taken away now. */
export interface Due {
  volumes: StageRecord[];
  /** Some session or connection of ours is for nothing. */
  sessions: boolean;
}

/**
 * What is left of volumes that this node should no longer have. Removed are only volumes of which
 * an unstage was begun, by that same unstage, and sessions of ours without a device; both when two
 * rounds in turn found them unused (field lessons 6 and 8). Devices without a record are counted
 * and never touched: a lost record is no proof that nobody needs them.
 */
export class Leftovers {
  readonly #context: NodeContext;
  readonly #records: StageRecords;
  #volumesBefore = new Set<string>();
  #sessionsBefore = new Set<string>();
  /** By the last find(). */
  counts: Readonly<Record<"volume" | "session" | "device", number>> = {
    volume: 0,
    session: 0,
    device: 0,
  };

  constructor({ context, records }: { context: NodeContext; records: StageRecords }) {
    this.#context = context;
    this.#records = records;
  }

  /**
   * Counts what is left, and gives what the round before has seen as well. `looks` are of this
   * round.
   */
  async find(view: HostView, records: StageRecord[], looks: Map<string, VolumeLook>): Promise<Due> {
    const left = records.filter(({ unstaging, volumeId }) => unstaging && looks.has(volumeId));
    const unused = left.filter(({ volumeId }) => looks.get(volumeId)?.isUsed === false);
    await new NvmeNotes(this.#context).forgetEnded();
    const sessions = await this.#idle(view, records);
    this.counts = {
      volume: left.length,
      session: sessions.size,
      device: this.#unknownMaps(view, records),
    };
    const volumes = unused.filter(({ volumeId }) => this.#volumesBefore.has(volumeId));
    const isIdleTwice = [...sessions].some((name) => this.#sessionsBefore.has(name));
    this.#volumesBefore = new Set(unused.map(({ volumeId }) => volumeId));
    this.#sessionsBefore = sessions;
    return { volumes, sessions: isIdleTwice };
  }

  /**
   * Finishes an unstage that was begun; the caller holds the volume's lock. `false` when the CO has
   * it staged again, or something mounts it.
   */
  async unstage(volumeId: string, signal?: AbortSignal): Promise<boolean> {
    const record = await this.#records.find(volumeId);
    if (!record?.unstaging) return false;
    if ((await lookAt(this.#context, await HostView.read(this.#context.host), record)).isUsed) {
      return false;
    }
    await unstageVolume(
      this.#context,
      this.#records,
      { volumeId, stagingPath: record.stagingPath },
      signal,
    );
    return true;
  }

  /**
   * Ends sessions and connections of ours that no volume needs. `false` when all are needed by now.
   */
  async endSessions(signal?: AbortSignal): Promise<boolean> {
    const { host } = this.#context;
    const before = await this.#idle(await HostView.read(host), await this.#records.list());
    for (const connection of [scsiBlock, nvmeBlock]) {
      await connection.tidy?.(this.#context, await this.#records.list(), signal);
    }
    const after = await this.#idle(await HostView.read(host), await this.#records.list());
    return [...before].some((name) => !after.has(name));
  }

  async #idle(view: HostView, records: StageRecord[]): Promise<Set<string>> {
    const { targets } = this.#context;
    const sessions = view.sessions.filter((session) =>
      session.isOurs && !targets.isUsed(session.iqn) && !view.scsiDevices.some((hctl) =>
        hctl.startsWith(`${session.scsiHost}:`)
      ) &&
      !records.some((record) => isWantedBy(session, record))
    );
    const ours = view.controllers.length > 0
      ? await new NvmeNotes(this.#context).ours(view.controllers)
      : [];
    const controllers = ours.filter(({ nqn }) =>
      !targets.isUsed(nqn) &&
      !records.some(({ attachment }) => "nqn" in attachment && attachment.nqn === nqn)
    );
    return new Set([...sessions, ...controllers].map(({ name }) => name));
  }

  /** Maps of FlashArray volumes over sessions of ours that no record names and nothing mounts. */
  #unknownMaps(view: HostView, records: StageRecord[]): number {
    const known = new Set(records.flatMap(({ attachment }) => scsiWwid(attachment) ?? []));
    const ours = new Set(view.sessions.filter(({ isOurs }) => isOurs).map(({ name }) => name));
    const unknown = [...view.maps].filter(([wwid, map]) =>
      isPureWwid(wwid) && !known.has(wwid) && view.mountsOf(map).length === 0 &&
      view.pathsOf(map).some(({ session }) => session !== undefined && ours.has(session))
    );
    return unknown.length;
  }
}

function scsiWwid(attachment: StageRecord["attachment"]): string | undefined {
  const isScsi = isBlock(attachment) &&
    (attachment.protocol === "iscsi" || attachment.protocol === "fc");
  return isScsi ? wwidOfSerial(attachment.serial) : undefined;
}
