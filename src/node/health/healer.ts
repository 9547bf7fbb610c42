import { messageOf, PsoError } from "../../errors.ts";
import { readBlockDevice } from "../../host/block_device.ts";
import { HostView } from "../../host/host_view.ts";
import { readMounts } from "../../host/mountinfo.ts";
import type { KeyedLock } from "../../async/keyed_lock.ts";
import { Slots } from "../../async/slots.ts";
import { pause, withDeadline } from "../../async/wait.ts";
import type { NodeContext } from "../context.ts";
import type { Condition, MissingRoute, PathCounts, StorageCondition, VolumeLook } from "../look.ts";
import { isBlock, isBlockRecord } from "../protocol.ts";
import { blockConnection, fileConnection } from "../registry.ts";
import { nextInTurn } from "../rounds.ts";
import type { StageRecord } from "../stage_record.ts";
import { stagedMount } from "../volume_mounts.ts";
import { lookAt, storageConditions } from "./condition.ts";
import { type Heal, type HealEvent, Heals } from "./heals.ts";
import { Leftovers } from "./leftovers.ts";

/** A lost path is back in half a minute, and 200 volumes cost less than a hundredth of a core. */
const INTERVAL_MS = 15_000;
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
/** So many volumes are looked at before calls that wait have their turn. */
const SLICE = 20;

/** What a Healer works with. */
interface HealerOptions {
  context: NodeContext;
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
  readonly #locks: KeyedLock;
  readonly #leftovers: Leftovers;
  readonly #heals: Heals;
  readonly #logins = new Slots(LOGINS_AT_ONCE);
  readonly #repairs = new Slots(REPAIRS_AT_ONCE);
  /** Of the last round, by volume. */
  #looks = new Map<string, VolumeLook>();
  #turn = 0;
  #fault: string | undefined;
  #signal: AbortSignal | undefined;

  constructor({ context, locks, now = () => performance.now() }: HealerOptions) {
    this.#context = context;
    this.#locks = locks;
    this.#heals = new Heals({ log: context.log, firstMs: INTERVAL_MS, now });
    this.#leftovers = new Leftovers(context);
  }

  /** Calls `listener` at the end of each heal, in place of the listener before. */
  set onHeal(listener: (event: HealEvent) => void) {
    this.#heals.onHeal = listener;
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
      await this.#probe(await this.#context.records.list());
      // Read after the probes, which may take seconds when a server hangs.
      const records = await this.#context.records.list();
      const view = await HostView.read(this.#context.host);
      const looks = await this.#look(view, records);
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
  idle(): Promise<void> {
    return this.#heals.idle();
  }

  /** What is wrong with a volume that has a record, looked at now. */
  async conditionsOf(record: StageRecord): Promise<Condition[]> {
    const view = await HostView.read(this.#context.host);
    return (await lookAt(this.#context, view, record)).conditions;
  }

  /** What is wrong with the arrays and servers behind the volumes, by the last round. */
  storageConditions(): StorageCondition[] {
    return storageConditions(this.#context, [...this.#looks.values()]);
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

  /**
   * Looks at each volume. One that a call is changing now keeps its last look: what would be seen
   * of it may be no fault.
   */
  async #look(view: HostView, records: StageRecord[]): Promise<Map<string, VolumeLook>> {
    const looks = new Map<string, VolumeLook>();
    for (const [index, record] of records.entries()) {
      if (index % SLICE === SLICE - 1) await pause(0);
      const { volumeId } = record;
      const look = this.#locks.isHeld(volumeId)
        ? this.#looks.get(volumeId)
        : await lookAt(this.#context, view, record);
      if (look) looks.set(volumeId, look);
    }
    return looks;
  }

  /** Asks the servers of the mounted file systems whether they answer. */
  async #probe(records: StageRecord[]): Promise<void> {
    const mounts = await readMounts(this.#context.host);
    const volumes = records.flatMap(({ attachment, stagingPath, volumeId }) => {
      const target = stagedMount(mounts, stagingPath)?.target;
      if (target === undefined || this.#locks.isHeld(volumeId) || isBlock(attachment)) return [];
      return [{ attachment, target }];
    });
    const byConnection = Map.groupBy(volumes, ({ attachment }) => fileConnection(attachment));
    await Promise.all(
      [...byConnection].map(([connection, those]) =>
        connection.probe(this.#context, { volumes: those, turn: this.#turn }, this.#signal)
      ),
    );
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
        continue;
      }
      const found = conditions.map(({ message }) => message).join("; ");
      this.#context.log.warn("volume is not healthy", { volume, reasons, found });
    }
    this.#looks = looks;
  }

  #heal(records: StageRecord[], looks: Map<string, VolumeLook>): void {
    const wanted = new Set(["session"]);
    const routes = new Map<string, MissingRoute>();
    for (const { missingRoutes } of looks.values()) {
      for (const route of missingRoutes) routes.set(route.key, route);
    }
    for (const [key, route] of routes) {
      wanted.add(key);
      const work = async () => {
        await route.reconnect(this.#signal);
        return true;
      };
      this.#heals.start(key, { what: "login", slots: this.#logins, work }, this.#signal);
    }
    for (const { volumeId } of records) {
      wanted.add(`unstage ${volumeId}`);
      if (looks.get(volumeId)?.repair === undefined) continue;
      wanted.add(`repair ${volumeId}`);
      this.#startFor(volumeId, { what: "repair", work: () => this.#repair(volumeId) });
    }
    const shared = records.filter((record) =>
      record.shared && isBlockRecord(record) && looks.get(record.volumeId)?.isUsed
    );
    for (const { volumeId } of shared) wanted.add(`size ${volumeId}`);
    for (const { volumeId } of nextInTurn(shared, { turn: this.#turn, count: SIZES_PER_ROUND })) {
      this.#startFor(volumeId, { what: "size", work: () => this.#resize(volumeId) });
    }
    this.#heals.keepOnly(wanted);
    this.#turn++;
  }

  /** Begins a heal of one volume. */
  #startFor(volumeId: string, { what, work }: Omit<Heal, "slots">): void {
    this.#heals.start(`${what} ${volumeId}`, { what, slots: this.#repairs, work }, this.#signal);
  }

  /**
   * Repairs a volume under its lock and on a fresh look: what a round saw may have been repaired,
   * or taken away, since. `unavailable` when something still needs a repair afterwards.
   */
  async #repair(volumeId: string): Promise<boolean> {
    return await this.#locks.tryRun([volumeId], "repair", async () => {
      const record = await this.#context.records.find(volumeId);
      if (!record || record.unstaging || !isBlockRecord(record)) return false;
      const look = await this.#lookNow(record);
      if (!look.isUsed || look.repair === undefined) return false;
      await withDeadline(
        `repair of ${volumeId} (${look.repair})`,
        { timeoutMs: REPAIR_TIMEOUT_MS, signal: this.#signal },
        (own) => blockConnection(record.attachment).repair(this.#context, record, own),
      );
      const after = await this.#lookNow(record);
      if (after.repair === undefined) return true;
      throw new PsoError(
        "unavailable",
        `volume ${volumeId} still needs a repair: ${after.repair}; check the paths to the array`,
      );
    });
  }

  async #lookNow(record: StageRecord): Promise<VolumeLook> {
    return await lookAt(this.#context, await HostView.read(this.#context.host), record);
  }

  /**
   * Lets the device of a shared volume take its size under the volume's lock. The volume grows on
   * its array by an order to one node, of which the others are not told.
   */
  async #resize(volumeId: string): Promise<boolean> {
    return await this.#locks.tryRun([volumeId], "size check", async () => {
      const record = await this.#context.records.find(volumeId);
      if (!record || record.unstaging || !isBlockRecord(record)) return false;
      const { device, attachment } = record;
      if (device === undefined) return false;
      const { host, log } = this.#context;
      const view = await HostView.read(host);
      const { isUsed } = await lookAt(this.#context, view, record);
      if (!isUsed || view.sizeOf(device) === undefined) return false;
      const connection = blockConnection(attachment);
      // The name is from when the volume was staged: after a reboot it may be another volume's.
      if (!await connection.isDeviceOf(this.#context, { attachment, device })) return false;
      const before = await readBlockDevice(host, device);
      await withDeadline(
        `size check of ${volumeId}`,
        { timeoutMs: REPAIR_TIMEOUT_MS, signal: this.#signal },
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
      const unstage = () => this.#leftovers.unstage(volumeId, this.#signal);
      const work = () => this.#locks.tryRun([volumeId], "unstage", unstage);
      this.#startFor(volumeId, { what: "unstage", work });
    }
    if (!due.sessions) return;
    const work = () => this.#leftovers.endSessions(this.#signal);
    this.#heals.start("session", { what: "session", slots: this.#logins, work }, this.#signal);
  }
}
