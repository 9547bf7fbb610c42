import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { readBlockDevice } from "../../host/block_device.ts";
import type { KeyedLock } from "../../async/keyed_lock.ts";
import { pause, withDeadline } from "../../async/wait.ts";
import { Backoff } from "../../async/backoff.ts";
import {
  type Condition,
  lookAt,
  type PathCounts,
  type StorageCondition,
  storageConditions,
  type VolumeLook,
  type Way,
  wayKey,
} from "./condition.ts";
import { blockConnection, isBlock } from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { HostView } from "../../host/host_view.ts";
import { Leftovers } from "./leftovers.ts";
import { connectRoute } from "../nvme/attach.ts";
import { reach } from "../scsi/attach.ts";
import { repairPaths } from "../scsi/repair.ts";
import { Slots } from "../../async/slots.ts";
import type { StageRecord, StageRecords } from "../stage_record.ts";
import { stagedMount } from "../volume_mounts.ts";

/** A lost path is back in half a minute, and 200 volumes cost less than a hundredth of a core. */
const INTERVAL_MS = 15_000;
/** A way or a volume that cannot be healed is tried this often at last. */
const BACKOFF_MAX_MS = 300_000;
/**
 * The volume's lock is held so long at most: kubelet's calls for it are refused as busy meanwhile.
 */
const REPAIR_TIMEOUT_MS = 30_000;
/** Logins to dead portals wait for their time-out, and must not hold up the repair of volumes. */
const LOGINS_AT_ONCE = 4;
const REPAIRS_AT_ONCE = 4;
/**
 * Volumes of which the size is asked in one round, by a process for each path; each shared volume
 * has its turn.
 */
const SIZES_PER_ROUND = 4;
/**
 * Exports that are asked in one round, of each server: a twentieth of them, so that each has its
 * turn within five minutes.
 */
const PROBE_SHARE = 1 / 20;
/** So many volumes are looked at before calls that wait have their turn. */
const SLICE = 20;

/** What a heal was about, and how it ended. */
export type HealEvent = {
  what: "login" | "repair" | "size" | "unstage" | "session";
  outcome: "ok" | "failed";
};

export interface HealerOptions {
  context: NodeContext;
  records: StageRecords;
  /** The locks of the volumes: no heal of a volume runs beside another call for it. */
  locks: KeyedLock;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/**
 * Looks at all staged volumes again and again, reconnects and repairs what is missing, and finishes
 * the unstages that failed. It never logs out of what a volume needs, and never removes what is
 * mounted, open or not known to be ours. What it cannot find out it leaves alone.
 */
export class Healer {
  readonly #context: NodeContext;
  readonly #records: StageRecords;
  readonly #locks: KeyedLock;
  readonly #leftovers: Leftovers;
  readonly #backoff: Backoff;
  readonly #logins = new Slots(LOGINS_AT_ONCE);
  readonly #repairs = new Slots(REPAIRS_AT_ONCE);
  readonly #running = new Map<string, Promise<void>>();
  /** Of the last round, by volume. */
  #looks = new Map<string, VolumeLook>();
  /** Volumes whose server says that their export is gone, by the last probe of each. */
  readonly #stale = new Set<string>();
  #turn = 0;
  #fault: string | undefined;
  #signal: AbortSignal | undefined;
  /** Called at the end of each heal. */
  onHeal: (event: HealEvent) => void = () => {};

  constructor({ context, records, locks, now = () => performance.now() }: HealerOptions) {
    this.#context = context;
    this.#records = records;
    this.#locks = locks;
    this.#backoff = new Backoff({ firstMs: INTERVAL_MS, maxMs: BACKOFF_MAX_MS, now });
    this.#leftovers = new Leftovers({ context, records });
  }

  /** Goes on until the signal fires, and returns when all that was begun has ended. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    while (!signal.aborted) {
      // Nodes that started together must not ask one array at the same moment for ever.
      await pause(INTERVAL_MS * (0.9 + 0.2 * Math.random()), signal).catch(() => {});
      if (!signal.aborted) await this.round();
    }
    await this.idle();
  }

  /**
   * One look at everything; what it finds to do goes on after it returns. Never throws: what cannot
   * be looked at is logged, and nothing is done.
   */
  async round(): Promise<void> {
    try {
      const records = await this.#records.list();
      const view = await HostView.read(this.#context.host);
      const fresh = await this.#look(view, records);
      await this.#probe(view, records.filter(({ volumeId }) => fresh.get(volumeId)?.isUsed));
      const looks = this.#complete(records, fresh);
      this.#report(looks);
      this.#heal(records, looks);
      await this.#cleanUp(view, records);
      if (this.#fault !== undefined) {
        this.#context.log.info("storage of this node is looked at again");
      }
      this.#fault = undefined;
    } catch (error) {
      const said = messageOf(error);
      if (said !== this.#fault) {
        this.#context.log.warn("storage of this node cannot be looked at: nothing is healed", {
          reason: said,
        });
      }
      this.#fault = said;
    }
  }

  /** Resolves when no heal is going on. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** What is wrong with a volume that has a record, looked at now. */
  async conditionsOf(record: StageRecord): Promise<Condition[]> {
    const view = await HostView.read(this.#context.host);
    const look = await lookAt(this.#context, view, record);
    return [...look.conditions, ...this.#nfsConditions(record)];
  }

  /** What is wrong with the arrays and servers behind the volumes, by the last round. */
  storageConditions(): StorageCondition[] {
    return storageConditions([...this.#looks.values()], this.#context.nfs.silent());
  }

  /** Paths of all volumes, by the last round. */
  paths(): PathCounts {
    const sum = { up: 0, down: 0, missing: 0 };
    for (const { paths } of this.#looks.values()) {
      for (const state of ["up", "down", "missing"] as const) {
        sum[state] += paths[state];
      }
    }
    return sum;
  }

  /** How many volumes each reason concerns, by the last round. */
  reasons(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { conditions } of this.#looks.values()) {
      for (const { reason } of conditions) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    return counts;
  }

  /** What is left of volumes that this node should no longer have, by kind and the last round. */
  leftovers(): Record<"volume" | "session" | "device", number> {
    return this.#leftovers.counts;
  }

  /** Looks at each volume that no call works with just now. */
  async #look(view: HostView, records: StageRecord[]): Promise<Map<string, VolumeLook>> {
    const looks = new Map<string, VolumeLook>();
    for (const [index, record] of records.entries()) {
      if (index % SLICE === SLICE - 1) await pause(0);
      if (!this.#locks.isHeld(record.volumeId)) {
        looks.set(record.volumeId, await lookAt(this.#context, view, record));
      }
    }
    return looks;
  }

  /**
   * With what the servers said, and with the last look at a volume that a call is changing: what is
   * seen of it now may be no fault.
   */
  #complete(records: StageRecord[], fresh: Map<string, VolumeLook>): Map<string, VolumeLook> {
    const looks = new Map<string, VolumeLook>();
    for (const record of records) {
      const look = fresh.get(record.volumeId);
      const before = this.#looks.get(record.volumeId);
      if (look) {
        looks.set(record.volumeId, {
          ...look,
          conditions: [...look.conditions, ...this.#nfsConditions(record)],
        });
      } else if (before) looks.set(record.volumeId, before);
    }
    return looks;
  }

  #nfsConditions({ attachment, volumeId }: StageRecord): Condition[] {
    if (attachment.protocol !== "nfs") return [];
    const silent = this.#context.nfs.silent().find(({ server }) => server === attachment.address);
    if (silent) {
      const message = `NFS server ${silent.server} does not answer this node: ${silent.reason}`;
      return [{ status: "inaccessible", reason: "ServerNotAnswering", message }];
    }
    if (!this.#stale.has(volumeId)) return [];
    const message =
      `NFS server ${attachment.address} says that ${attachment.path} is no longer what is mounted (stale file handle): ` +
      "pods that use it must end, then it is mounted anew";
    return [{ status: "inaccessible", reason: "StaleFileHandle", message }];
  }

  /**
   * Asks each NFS server for some of what is mounted from it, one after another, and no further
   * when it does not answer.
   */
  async #probe({ mounts }: HostView, used: StageRecord[]): Promise<void> {
    const byServer = Map.groupBy(
      used,
      ({ attachment }) => attachment.protocol === "nfs" ? attachment.address : undefined,
    );
    byServer.delete(undefined);
    await Promise.all([...byServer].map(async ([server = "", records]) => {
      for (
        const record of turnOf(records, {
          turn: this.#turn,
          count: Math.ceil(records.length * PROBE_SHARE),
        })
      ) {
        const target = stagedMount(mounts, record.stagingPath)?.target;
        if (target === undefined) continue;
        const found = await this.#context.nfs.probe(server, {
          target,
          again: true,
          signal: this.#signal,
        }).catch(() => undefined);
        if (found === undefined) return;
        if (found === "stale") this.#stale.add(record.volumeId);
        else this.#stale.delete(record.volumeId);
      }
    }));
    const known = new Set(used.map(({ volumeId }) => volumeId));
    for (const volumeId of this.#stale) if (!known.has(volumeId)) this.#stale.delete(volumeId);
  }

  /** Says what has changed since the last round, a line for each volume. */
  #report(looks: Map<string, VolumeLook>): void {
    for (const [volume, { conditions }] of looks) {
      const reasons = conditions.map(({ reason }) => reason).join(" ");
      const before = this.#looks.get(volume)?.conditions.map(({ reason }) => reason).join(" ") ??
        "";
      if (reasons === before) continue;
      if (reasons === "") {
        this.#context.log.info("volume is healthy again", { volume, was: before });
      } else {this.#context.log.warn("volume is not healthy", {
          volume,
          reasons,
          found: conditions.map(({ message }) => message).join("; "),
        });}
    }
    this.#looks = looks;
  }

  #heal(records: StageRecord[], looks: Map<string, VolumeLook>): void {
    const wanted = new Set<string>();
    const ways = new Map<string, Way>();
    for (const { lacking } of looks.values()) for (const way of lacking) ways.set(wayKey(way), way);
    for (const [key, way] of ways) {
      wanted.add(key);
      this.#start(key, { what: "login", slots: this.#logins, work: () => this.#reconnect(way) });
    }
    for (const record of records) {
      const repair = looks.get(record.volumeId)?.repair;
      if (repair === undefined) continue;
      const key = `repair ${record.volumeId}`;
      wanted.add(key);
      this.#start(key, {
        what: "repair",
        slots: this.#repairs,
        work: () => this.#repair(record.volumeId),
      });
    }
    const shared = records.filter((record) =>
      record.shared && isBlock(record.attachment) && looks.get(record.volumeId)?.isUsed
    );
    for (const { volumeId } of shared) wanted.add(`size ${volumeId}`);
    for (const { volumeId } of turnOf(shared, { turn: this.#turn, count: SIZES_PER_ROUND })) {
      this.#start(`size ${volumeId}`, {
        what: "size",
        slots: this.#repairs,
        work: () => this.#resize(volumeId),
      });
    }
    for (const { volumeId } of records) wanted.add(`unstage ${volumeId}`);
    wanted.add("session");
    this.#backoff.keepOnly(wanted);
    this.#turn++;
  }

  /** Begins a heal, unless it is going on or must wait. `work` says whether it changed anything. */
  #start(
    key: string,
    { what, slots, work }: { what: HealEvent["what"]; slots: Slots; work: () => Promise<boolean> },
  ): void {
    if (this.#running.has(key) || !this.#backoff.isDue(key) || this.#signal?.aborted) return;
    const task = slots.run(async () => {
      try {
        const isChanged = await work();
        this.#backoff.worked(key);
        if (!isChanged) return;
        this.#context.log.info("healed", { what, of: key });
        this.onHeal({ what, outcome: "ok" });
      } catch (error) {
        // the next round tries again
        if (isPsoError(error, "busy") || this.#signal?.aborted) return;
        const said = messageOf(error);
        const isNews = this.#backoff.failed(key, said);
        (isNews ? this.#context.log.warn : this.#context.log.debug)("not healed", {
          what,
          of: key,
          reason: said,
        });
        this.onHeal({ what, outcome: "failed" });
      } finally {
        this.#running.delete(key);
      }
    });
    this.#running.set(key, task);
  }

  /**
   * By the code of attach, in the same queue; a session that no volume wants any more when it is
   * there ends as an idle one.
   */
  async #reconnect(way: Way): Promise<boolean> {
    const { targets, flasharray: { multipath } } = this.#context;
    if (way.kind === "nvme") {
      await targets.using(
        [way.route.nqn],
        () => connectRoute(this.#context, way.route, this.#signal),
      );
      return true;
    }
    await targets.using(
      [way.target.iqn],
      () => reach(this.#context, { target: way.target, multipath, isAgain: true }, this.#signal),
    );
    return true;
  }

  /**
   * Under the volume's lock, on a fresh look: what a round saw may have been put right, or taken
   * away, since.
   */
  async #repair(volumeId: string): Promise<boolean> {
    return await this.#locks.tryRun([volumeId], "repair", async () => {
      const record = await this.#records.find(volumeId);
      if (!record || record.unstaging) return false;
      const look = await lookAt(this.#context, await HostView.read(this.#context.host), record);
      if (!look.isUsed || look.repair === undefined) return false;
      const limits = { timeoutMs: REPAIR_TIMEOUT_MS, signal: this.#signal };
      await withDeadline(
        `repair of ${volumeId} (${look.repair})`,
        limits,
        (own) => repairPaths(this.#context, record, own),
      );
      const after = await lookAt(this.#context, await HostView.read(this.#context.host), record);
      if (after.repair === undefined) return true;
      throw new PsoError("unavailable", `volume ${volumeId} still needs a repair: ${after.repair}`);
    });
  }

  /** A shared volume grows on its array by an order of which other nodes hear (field lesson 30). */
  async #resize(volumeId: string): Promise<boolean> {
    return await this.#locks.tryRun([volumeId], "size check", async () => {
      const record = await this.#records.find(volumeId);
      if (
        !record || record.unstaging || record.device === undefined || !isBlock(record.attachment)
      ) return false;
      const { device, attachment } = record;
      const { host, log } = this.#context;
      const view = await HostView.read(host);
      if (
        !(await lookAt(this.#context, view, record)).isUsed || view.sizeOf(device) === undefined
      ) return false;
      // The name is from when it was staged: after a reboot it may be another's.
      if (
        !await blockConnection(attachment.protocol).isDeviceOf(this.#context, attachment, device)
      ) return false;
      const before = await readBlockDevice(host, device);
      const limits = { timeoutMs: REPAIR_TIMEOUT_MS, signal: this.#signal };
      const connection = blockConnection(attachment.protocol);
      await withDeadline(
        `size check of ${volumeId}`,
        limits,
        (own) => connection.grow(this.#context, device, own),
      );
      const after = await readBlockDevice(host, device);
      if (after.sizeBytes === before.sizeBytes) return false;
      log.info("shared volume has a new size", {
        volume: volumeId,
        device,
        was: before.sizeBytes,
        is: after.sizeBytes,
      });
      return true;
    });
  }

  async #cleanUp(view: HostView, records: StageRecord[]): Promise<void> {
    const due = await this.#leftovers.find(view, records, this.#looks);
    for (const { volumeId } of due.volumes) {
      const work = () =>
        this.#locks.tryRun(
          [volumeId],
          "unstage",
          () => this.#leftovers.unstage(volumeId, this.#signal),
        );
      this.#start(`unstage ${volumeId}`, { what: "unstage", slots: this.#repairs, work });
    }
    if (due.sessions) {
      this.#start("session", {
        what: "session",
        slots: this.#logins,
        work: () => this.#leftovers.endSessions(this.#signal),
      });
    }
  }
}

/** `count` of a list, others in each turn, until all had theirs. */
function turnOf<T>(list: T[], { turn, count }: { turn: number; count: number }): T[] {
  if (list.length <= count) return list;
  return Array.from({ length: count }, (_, index) => list[(turn * count + index) % list.length])
    .filter((one) => one !== undefined);
}
