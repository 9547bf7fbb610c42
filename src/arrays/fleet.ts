import { pause } from "../async/wait.ts";
import { PsoError } from "../errors.ts";
import { type ChangeFence, NO_FENCE } from "../async/fence.ts";
import type { Logger } from "../log.ts";
import { baseNameOf, isOwnVolumeName, nameKey } from "../names.ts";
import type { Snapshot, Volume } from "./array.ts";
import { FleetChecks } from "./fleet_check.ts";
import { type FleetClients, type FleetEntry, type FleetNotice, Roster } from "./live/roster.ts";
import { arrayHintOf, type FleetMember, isIdentityProblem, Member } from "./fleet_member.ts";
import {
  type BareHandle,
  type BareOptions,
  certainHits,
  findAtHome,
  findBare,
  memberByHint,
  onlyHit,
  type SearchedFleet,
} from "./search/fleet_search.ts";
import { type Hit, type HomeHandle, snapshotQuestion, volumeQuestion } from "./search/question.ts";

export {
  arrayHintOf,
  type FleetMember,
  isIdentityProblem,
  memberKey,
  nameInFleet,
  unusableState,
} from "./fleet_member.ts";
export {
  containerMend,
  containerNamed,
  containerRoomFault,
  containerStateFault,
  hasContainers,
  podNamed,
} from "./containers/container_state.ts";
export {
  absentContainerFault,
  containerLimitsFault,
  containerLimitsMend,
  groupToMake,
  type WantedContainer,
  type WantedLimits,
} from "./containers/group_limits.ts";
export { podArrays, type Stretch, stretchOf } from "./containers/stretch.ts";
export { handlesText, severalError } from "./search/fleet_search.ts";
export type { Hit, HomeHandle } from "./search/question.ts";
export type { FleetEntry } from "./live/roster.ts";

/** How a fleet is watched. */
interface FleetOptions {
  log: Logger;
  now?: () => number;
  /**
   * This cluster's prefix (`k8s`): only names that begin with it and `-` are indexed, behind pod
   * and volume group. Absent: all.
   */
  cluster?: string;
  /** Longest wait for one array's facts (default 30 s); a listing has it per page. */
  timeoutMs?: number;
  /** Whether this process alone makes volumes, so that it knows of all; default: always. */
  fence?: Pick<ChangeFence, "isOpen" | "isSettled">;
  /** Who has the members' clients, and ends them. */
  clients?: FleetClients;
  /** Told what a changed configuration made of the fleet. */
  tell?: (notice: FleetNotice) => void;
  /**
   * Names of volumes that the cluster may have on an array, whatever they are called; undefined
   * while that cannot be told. Default: none but those that bear its prefix.
   */
  meantOn?: (member: FleetMember) => readonly string[] | undefined;
}

/**
 * Pause before the next check of an array that was not listed yet, or that had a problem: the one
 * costs look-ups, and creates wait for it when it does not answer; the other gets no new volume,
 * and should get them soon after it is well again.
 */
const UNSETTLED_INTERVAL_MS = 5_000;

/**
 * All configured arrays, and those that were taken out of the configuration and still hold
 * something: their health, where a name may be, and where it is.
 */
export class Fleet {
  readonly #roster: Roster;
  readonly #cluster: string | undefined;
  /** `k8s-`: names that this cluster gives begin so, and perhaps some of other clusters. */
  readonly #prefix: string;
  readonly #checks: FleetChecks;
  readonly #fence: Pick<ChangeFence, "isOpen" | "isSettled">;
  readonly #meantOn: NonNullable<FleetOptions["meantOn"]>;
  /** Begins to watch a member that came later; nothing while run() does not run. */
  #watch: (member: Member) => void = () => {};

  constructor(members: FleetEntry[], options: FleetOptions) {
    const { log, now = Date.now, cluster, timeoutMs = 30_000, fence = NO_FENCE } = options;
    const { clients, tell, meantOn = () => [] } = options;
    const prefix = cluster === undefined ? "" : `${cluster}-`;
    this.#cluster = cluster;
    this.#prefix = prefix;
    this.#fence = fence;
    this.#meantOn = meantOn;
    const roster = new Roster({ log, now, cluster, clients, tell });
    this.#roster = roster;
    this.#checks = new FleetChecks(() => this.#members, { log, now, prefix, timeoutMs, roster });
    roster.take(members, { joins: false });
  }

  get members(): readonly FleetMember[] {
    return this.#members;
  }

  get #members(): readonly Member[] {
    return this.#roster.members;
  }

  /** Every array once: without entries that another one stands for. */
  get #used(): Member[] {
    return this.#members.filter(({ twin }) => !twin);
  }

  /**
   * Asks every array once, all at the same time, for its facts, and lists those that are not warm.
   * A bad array only gets a `problem`.
   */
  async refresh(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#ask(member, signal)));
  }

  /** Keeps asking until the signal; a slow array delays only itself. Never throws. */
  async run(signal: AbortSignal, options: { intervalMs: number }): Promise<void> {
    const watches: Promise<void>[] = [];
    this.#watch = (member) =>
      watches.push(this.#keepAsking(member, { signal, intervalMs: options.intervalMs }));
    for (const member of this.#members) {
      this.#watch(member);
      if (member.successor) this.#watch(member.successor);
    }
    await new Promise<void>((resolve) =>
      signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true })
    );
    await Promise.all(watches);
  }

  /**
   * Takes up a changed configuration, as `Roster` says. An array whose entry leads to the same
   * array keeps all that is known of it. A new one begins cold, so that names are looked up on it
   * until it was listed; one that comes while this process leads is waited for only once it has
   * answered.
   */
  replace(entries: FleetEntry[]): void {
    const joins = this.#fence.isOpen && this.#fence.isSettled;
    this.#roster.take(entries, { joins }).forEach(this.#watch);
    // Perhaps the array for which another entry stood so far.
    for (const member of this.#members) if (member.twin) void this.#checks.check(member);
  }

  async #keepAsking(
    member: Member,
    { signal, intervalMs }: { signal: AbortSignal; intervalMs: number },
  ): Promise<void> {
    while (!signal.aborted && this.#roster.isAsked(member)) {
      await this.#ask(member, signal);
      const isSettled = member.warm && member.problem === undefined && !this.#isIdle(member);
      const nextMs = isSettled ? intervalMs : Math.min(UNSETTLED_INTERVAL_MS, intervalMs);
      // A fifth of spread, so that many arrays are not all asked in the same moment.
      await pause(nextMs * (0.9 + Math.random() * 0.2), signal).catch(() => {});
    }
  }

  /** Checks one array, and lets it go if it was taken out and holds nothing more. */
  async #ask(member: Member, signal?: AbortSignal): Promise<void> {
    await this.#checks.check(member, signal);
    const { array, index, drain, warm, problem } = member;
    const meant = drain && this.#meantOn(member);
    if (!drain || !meant || !warm || problem) return;
    const isOver = await drain.isOver({ array, index, meant }, signal).catch(() => false);
    // Its entry may have come back meanwhile.
    if (isOver && member.drain === drain) this.#roster.leave(member);
  }

  /** Whether memory knows of nothing that keeps an array that was taken out. */
  #isIdle({ drain, index }: Member): boolean {
    return drain?.left(index) === 0;
  }

  /** How many volumes keep an array that was taken out of the configuration; 0 for any other. */
  keptBy(member: FleetMember): number {
    const { drain, index } = this.#own(member);
    return drain?.left(index) ?? 0;
  }

  /**
   * Whether a volume of that name may be on the array. `false` only if the array was listed
   * completely, the name was not in that list, and no call of this process created it or tried to
   * with an unclear outcome; for an entry that another one stands for; and for an array that nobody
   * waits for: one that is joining, and one that was taken out and is unwell, unless its list or a
   * call of this process shows the name. While another process may make volumes, only for these.
   */
  mayHold(member: FleetMember, volumeName: string): boolean {
    const { index, joining, draining, problem } = this.#own(member);
    if (joining || (draining && problem && !index.has(volumeName))) return false;
    return this.#mayShow(member, volumeName);
  }

  /** As `mayHold`, also for arrays that nobody waits for. */
  #mayShow(member: FleetMember, volumeName: string): boolean {
    const { index, warm, twin } = this.#own(member);
    if (twin) return false;
    if (!this.#fence.isOpen || !this.#fence.isSettled) return true;
    return !warm || !volumeName.startsWith(this.#prefix) || index.has(volumeName);
  }

  /**
   * Whole names under which the array may have a volume that this cluster made by that name: in
   * another pod too, or in none. Without `isWhole`, it may be under one that nobody knows.
   */
  namesLike(
    member: FleetMember,
    volumeName: string,
  ): { names: readonly string[]; isWhole: boolean } {
    const { index, warm, twin, joining, draining, problem } = this.#own(member);
    const known = index.namesLike(volumeName);
    const isGone = draining && problem !== undefined && known.length === 0;
    if (twin || joining || isGone) return { names: [], isWhole: true };
    const isWhole = this.#fence.isOpen && this.#fence.isSettled && warm &&
      baseNameOf(volumeName).startsWith(this.#prefix);
    const isKnown = isWhole || known.includes(nameKey(volumeName));
    return { names: isKnown ? known : [volumeName, ...known], isWhole };
  }

  /** As `mayHold`, of a name that this cluster gives, in whatever pod. */
  mayHaveMade(member: FleetMember, volumeName: string): boolean {
    return this.namesLike(member, volumeName).names.length > 0;
  }

  /**
   * Where a snapshot of that suffix may be, by listings and our own creations; names in lower case.
   * Nothing is known of arrays that are not warm.
   */
  volumesWithSnapshot(suffix: string): { member: FleetMember; volume: string }[] {
    return this.#used.flatMap((member) =>
      member.index.volumesWithSnapshot(suffix).map((volume) => ({ member, volume }))
    );
  }

  /** As volumesWithSnapshot(), of every suffix that is accepted, by the snapshots' full names. */
  snapshotsWith(
    accepts: (suffix: string) => boolean,
  ): { member: FleetMember; name: string }[] {
    return this.#used.flatMap((member) =>
      member.index.snapshotsWith(accepts).map((name) => ({ member, name }))
    );
  }

  /** Names of this cluster's volumes that the array may hold, in lower case; no call. */
  ownNames(member: FleetMember): string[] {
    return this.#own(member).index.names().filter((name) =>
      this.#cluster === undefined || isOwnVolumeName(this.#cluster, name)
    );
  }

  /** How many volumes of this cluster are indexed for the array, by their names. */
  indexedVolumes(member: FleetMember): number {
    return this.#own(member).index.count((name) =>
      this.#cluster === undefined || isOwnVolumeName(this.#cluster, name)
    );
  }

  /**
   * Whether the array showed the name, in whatever pod, or this process tried to make a volume of
   * it there.
   */
  isIndexed(member: FleetMember, volumeName: string): boolean {
    return this.#own(member).index.namesLike(volumeName).length > 0;
  }

  /**
   * To be noted before or right after a volume came to be. Repeating it changes nothing, as with
   * all notes below.
   */
  created(member: FleetMember, volumeName: string): void {
    this.#own(member).index.add(volumeName);
  }

  /** To be noted with `unclear`: the volume belongs to a group of volumes. */
  grouped(member: FleetMember, volumeName: string, group: string): void {
    this.#own(member).index.setGroup(volumeName, group);
  }

  /** How many volumes of the group the array may hold, by its tags and by our own creates. */
  groupedVolumes(member: FleetMember, group: string): number {
    return this.#own(member).index.countGroup(group);
  }

  /**
   * To be noted when a create was sent and its outcome is not known: the name is looked up from now
   * on.
   */
  unclear(member: FleetMember, volumeName: string): void {
    this.#own(member).index.add(volumeName);
  }

  /**
   * To be noted when the array refused a create and surely made nothing; without a reason, when it
   * took one. `problem` tells whether the array is there, this whether it may be changed.
   */
  refusedCreate(member: FleetMember, refusal?: PsoError): void {
    this.#own(member).refusal = refusal;
  }

  /**
   * To be noted when a call showed that the array has the volume: from now on its silence is no
   * "no".
   */
  seen(member: FleetMember, volumeName: string): void {
    this.#own(member).index.add(volumeName);
  }

  /** To be noted after the array confirmed that the volume is destroyed or gone. */
  deleted(member: FleetMember, volumeName: string): void {
    this.#own(member).index.remove(volumeName);
  }

  /** To be noted before a snapshot `volume.suffix` is asked for (its outcome may stay unclear). */
  snapshotCreated(member: FleetMember, snapshotName: string): void {
    this.#own(member).index.addSnapshot(snapshotName);
  }

  /** To be noted after the array confirmed that the snapshot is destroyed or gone. */
  snapshotDeleted(member: FleetMember, snapshotName: string): void {
    this.#own(member).index.removeSnapshot(snapshotName);
  }

  /**
   * Forgets every name. To be called when another process was the leader meanwhile and may have
   * made some; what was published is in doubt then too (`coolDown` of the Provisioner).
   */
  coolDown(): void {
    for (const member of this.#members) {
      member.index.reset();
      // The leader before may have made some there.
      member.joining = false;
    }
  }

  /** Whether this cluster's names begin so: what stands before `/` in PSO's handles. */
  isPrefix(text: string): boolean {
    return this.#cluster?.toLowerCase() === text.toLowerCase();
  }

  /**
   * The array whose id begins so; `undefined` for a strange id, while the array has not answered
   * yet, or when another answers in its place.
   */
  memberByHint(hint: string): FleetMember | undefined {
    const member = memberByHint(this.#members, hint);
    return member && !isIdentityProblem(member) ? member : undefined;
  }

  /** As `memberByHint`, and right after the start only once the array has said its id. */
  async identify(hint: string): Promise<FleetMember | undefined> {
    await this.#identify(hint);
    return this.memberByHint(hint);
  }

  /** Labels of the arrays that may hold the name, without the one whose id begins so. */
  namesakesOf({ arrayHint, name }: HomeHandle): string[] {
    return this.#members.filter(({ id, index }) =>
      id !== undefined && arrayHintOf(id) !== arrayHint && index.has(name)
    ).map(({ array }) => array.label);
  }

  /**
   * The volume behind a handle that names its array. That array's answer is final: another array's
   * volume counts only when it has the same name and the same serial, or, where the named array
   * cannot say the serial, one that begins with the handle's digits (see `findAtHome`).
   * `unavailable` when the named array does not answer, or is not configured and nothing is proven.
   */
  async find(
    handle: HomeHandle,
    signal?: AbortSignal,
    options: { hosts?: boolean } = {},
  ): Promise<Hit<Volume> | undefined> {
    await this.#identify(handle.arrayHint);
    return await findAtHome(this.#searched, handle, volumeQuestion({ ...options, signal }));
  }

  /**
   * Every volume that bears one of the names. `unavailable` when an array that may hold another one
   * does not answer and the rule of `trust` does not allow to go on without it.
   */
  async findAll(
    handle: BareHandle,
    signal?: AbortSignal,
    options: BareOptions = {},
  ): Promise<Hit<Volume>[]> {
    await this.#identifyAll();
    const question = volumeQuestion({ ...options, signal });
    const finding = await findBare(this.#searched, handle, question);
    return certainHits(finding, { handle, what: "volume", trusted: this.#trusted(options) });
  }

  /** The one volume that bears one of the names; `ambiguous` when several do. */
  async findOnly(
    handle: BareHandle,
    signal?: AbortSignal,
    options: BareOptions = {},
  ): Promise<Hit<Volume> | undefined> {
    return onlyHit("volume", await this.findAll(handle, signal, options));
  }

  /** The snapshot `volume.suffix` behind a handle that names its array, by the rules of `find`. */
  async findSnapshot(
    handle: HomeHandle,
    signal?: AbortSignal,
  ): Promise<Hit<Snapshot> | undefined> {
    await this.#identify(handle.arrayHint);
    return await findAtHome(this.#searched, handle, snapshotQuestion(signal));
  }

  /** The one snapshot `volume.suffix` of that name; `ambiguous` when several arrays have one. */
  async findOnlySnapshot(
    handle: BareHandle,
    signal?: AbortSignal,
    options: BareOptions = {},
  ): Promise<Hit<Snapshot> | undefined> {
    await this.#identifyAll();
    const finding = await findBare(this.#searched, handle, snapshotQuestion(signal));
    const what = "snapshot";
    return onlyHit(what, certainHits(finding, { handle, what, trusted: this.#trusted(options) }));
  }

  /** Whose names may be taken as this cluster's own, though an array did not answer. */
  #trusted({ complete }: BareOptions): string | undefined {
    return complete ? undefined : this.#cluster;
  }

  get #searched(): SearchedFleet {
    return {
      members: this.#members,
      mayHold: (member, volumeName) => this.#mayShow(member, volumeName),
      leftLabel: (hint) => this.#roster.leftLabel(hint),
    };
  }

  /**
   * Waits until the array of that id has answered, right after the start: ids say nothing before.
   * Once it did, an array that is silent delays nobody.
   */
  async #identify(hint: string): Promise<void> {
    const isKnown = () => memberByHint(this.#members, hint) !== undefined;
    if (isKnown()) return;
    await new Promise<void>((resolve) => {
      const first = this.#firstChecks();
      for (const check of first) void check.then(() => isKnown() && resolve());
      void Promise.all(first).then(() => resolve());
    });
  }

  async #identifyAll(): Promise<void> {
    await Promise.all(this.#firstChecks());
  }

  /** The checks of the arrays that were never asked before. */
  #firstChecks(): Promise<void>[] {
    const unknown = this.#members.filter(({ checkedMs }) => checkedMs === undefined);
    return unknown.map((member) => this.#checks.check(member));
  }

  #own(member: FleetMember): Member {
    if (member instanceof Member) return member;
    throw new PsoError("invalid", `array ${member.array.label} is no member of this fleet`);
  }
}
