import { HostView } from "../../host/host_view.ts";
import { unstageVolume } from "../calls/unstaging.ts";
import type { NodeContext } from "../context.ts";
import type { VolumeLook } from "../look.ts";
import { BLOCK_CONNECTIONS } from "../registry.ts";
import type { StageRecord } from "../stage_record.ts";
import { lookAt } from "./condition.ts";

/** What a round found that may be taken away now. */
interface Due {
  volumes: StageRecord[];
  /** Some session or connection of ours is for nothing. */
  sessions: boolean;
}

/**
 * What is left of volumes that this node should no longer have. Two things are removed, each when
 * two rounds in turn found it unused: a volume of which an unstage was begun, by that same unstage,
 * and a session of ours without a device. Devices without a record are counted and never touched: a
 * lost record is no proof that nobody needs them.
 */
export class Leftovers {
  readonly #context: NodeContext;
  #volumesBefore = new Set<string>();
  #sessionsBefore = new Set<string>();
  /** By the last find(). */
  counts: Readonly<Record<"volume" | "session" | "device", number>> = {
    volume: 0,
    session: 0,
    device: 0,
  };

  constructor(context: NodeContext) {
    this.#context = context;
  }

  /**
   * Counts what is left, and gives what the round before has seen as well. `looks` are of this
   * round.
   */
  async find(view: HostView, records: StageRecord[], looks: Map<string, VolumeLook>): Promise<Due> {
    const left = records.filter(({ unstaging, volumeId }) => unstaging && looks.has(volumeId));
    const unused = left.filter(({ volumeId }) => looks.get(volumeId)?.isUsed === false);
    for (const connection of BLOCK_CONNECTIONS) await connection.forgetEnded(this.#context);
    const sessions = await this.#idle(view, records);
    this.counts = {
      volume: left.length,
      session: sessions.size,
      device: BLOCK_CONNECTIONS.flatMap((one) => one.unknownDevices({ view, records })).length,
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
    const record = await this.#context.records.find(volumeId);
    if (!record?.unstaging) return false;
    if ((await lookAt(this.#context, await HostView.read(this.#context.host), record)).isUsed) {
      return false;
    }
    await unstageVolume(
      this.#context,
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
    const before = await this.#idle(await HostView.read(host), await this.#context.records.list());
    for (const connection of BLOCK_CONNECTIONS) {
      await connection.tidy(this.#context, await this.#context.records.list(), signal);
    }
    const after = await this.#idle(await HostView.read(host), await this.#context.records.list());
    return [...before].some((name) => !after.has(name));
  }

  /** Names of the sessions and connections of ours that no volume needs. */
  async #idle(view: HostView, records: StageRecord[]): Promise<Set<string>> {
    const found = await Promise.all(
      BLOCK_CONNECTIONS.map((connection) => connection.idle(this.#context, { view, records })),
    );
    return new Set(found.flat());
  }
}
