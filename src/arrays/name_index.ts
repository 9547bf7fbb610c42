import { baseNameOf, nameKey } from "../names.ts";

/** `volume.suffix` → its two parts; the volume's name holds no dot. */
function splitSnapshotName(name: string): { volume: string; suffix: string } {
  const dot = name.indexOf(".");
  return dot < 0
    ? { volume: name, suffix: "" }
    : { volume: name.slice(0, dot), suffix: name.slice(dot + 1) };
}

/**
 * What one array may hold, as far as this process knows: every name that a complete listing showed,
 * that we created, or that we tried to create with an unclear outcome. A name too many costs a
 * look-up. A name too few could make a second volume: once the index is complete, none is missing.
 */
export class NameIndex {
  readonly #volumes = new Set<string>();
  /** Name without pod and volume group → whole names; only of volumes that are in one. */
  readonly #contained = new Map<string, Set<string>>();
  /** Volume → suffixes. Suffixes and not a count: a note that comes twice must change nothing. */
  readonly #snapshots = new Map<string, Set<string>>();
  /** Volume → its group, and group → its volumes. */
  readonly #groupOf = new Map<string, string>();
  readonly #groups = new Map<string, Set<string>>();
  #complete = false;
  /** Counts resets and doubts: a listing that one of them came into is not whole. */
  #doubts = 0;

  /** True when the array was listed completely since the last reset or doubt. */
  get complete(): boolean {
    return this.#complete;
  }

  /**
   * A listing begins. To be called once every name was noted that it showed: the index is complete
   * then, unless a reset or a doubt came between.
   */
  beginListing(): () => void {
    const doubts = this.#doubts;
    return () => this.#complete = doubts === this.#doubts;
  }

  /** How many volumes' names (in lower case) are accepted. */
  count(counts: (name: string) => boolean): number {
    let found = 0;
    for (const name of this.#volumes) if (counts(name)) found++;
    return found;
  }

  /** Every volume's name, in lower case. */
  names(): string[] {
    return [...this.#volumes];
  }

  add(name: string): void {
    const key = nameKey(name);
    this.#volumes.add(key);
    const base = baseNameOf(key);
    if (base === key) return;
    const names = this.#contained.get(base);
    if (names) names.add(key);
    else this.#contained.set(base, new Set([key]));
  }

  /** Adds all that another index of the same array knows. */
  addAll(other: NameIndex): void {
    for (const volume of other.#volumes) this.add(volume);
    for (const [volume, group] of other.#groupOf) this.setGroup(volume, group);
    for (const [volume, suffixes] of other.#snapshots) {
      for (const suffix of suffixes) this.addSnapshot(`${volume}.${suffix}`);
    }
  }

  /** Volumes of that name in whatever pod or volume group, or in none; whole, in lower case. */
  namesLike(name: string): string[] {
    const base = baseNameOf(nameKey(name));
    return [...(this.#volumes.has(base) ? [base] : []), ...this.#contained.get(base) ?? []];
  }

  /** Puts a volume into a group of volumes, in place of any other; only one that may be there. */
  setGroup(name: string, group: string): void {
    const volume = nameKey(name);
    if (!this.#volumes.has(volume)) return;
    this.#leaveGroup(volume);
    this.#groupOf.set(volume, group);
    const volumes = this.#groups.get(group);
    if (volumes) volumes.add(volume);
    else this.#groups.set(group, new Set([volume]));
  }

  /** How many volumes of the group may be there. */
  countGroup(group: string): number {
    return this.#groups.get(group)?.size ?? 0;
  }

  #leaveGroup(volume: string): void {
    const group = this.#groupOf.get(volume);
    if (group === undefined) return;
    this.#groupOf.delete(volume);
    const volumes = this.#groups.get(group);
    if (volumes?.delete(volume) && volumes.size === 0) this.#groups.delete(group);
  }

  /** Forgets the volume and, with it, its snapshots and its place in a group. */
  remove(name: string): void {
    const key = nameKey(name);
    this.#leaveGroup(key);
    this.#volumes.delete(key);
    this.#snapshots.delete(key);
    const names = this.#contained.get(baseNameOf(key));
    if (names?.delete(key) && names.size === 0) this.#contained.delete(baseNameOf(key));
  }

  has(name: string): boolean {
    return this.#volumes.has(nameKey(name));
  }

  addSnapshot(name: string): void {
    const { volume, suffix } = splitSnapshotName(nameKey(name));
    const suffixes = this.#snapshots.get(volume);
    if (suffixes) suffixes.add(suffix);
    else this.#snapshots.set(volume, new Set([suffix]));
  }

  removeSnapshot(name: string): void {
    const { volume, suffix } = splitSnapshotName(nameKey(name));
    const suffixes = this.#snapshots.get(volume);
    if (suffixes?.delete(suffix) && suffixes.size === 0) this.#snapshots.delete(volume);
  }

  /** Volumes that have a snapshot with that suffix, in the index's spelling (lower case). */
  volumesWithSnapshot(suffix: string): string[] {
    const wanted = nameKey(suffix);
    return [...this.#snapshots].flatMap(([volume, suffixes]) =>
      suffixes.has(wanted) ? [volume] : []
    );
  }

  /** Full names of the snapshots whose suffix is accepted, in lower case. */
  snapshotsWith(accepts: (suffix: string) => boolean): string[] {
    return [...this.#snapshots].flatMap(([volume, suffixes]) =>
      [...suffixes].filter(accepts).map((suffix) => `${volume}.${suffix}`)
    );
  }

  /** Forgets everything, as for another array or after another process was the leader. */
  reset(): void {
    this.#volumes.clear();
    this.#contained.clear();
    this.#groupOf.clear();
    this.#groups.clear();
    this.#snapshots.clear();
    this.doubt();
  }

  /**
   * The array must be listed again, because another one may have answered. What is known stays: a
   * create of ours may be on its way.
   */
  doubt(): void {
    this.#doubts++;
    this.#complete = false;
  }
}
