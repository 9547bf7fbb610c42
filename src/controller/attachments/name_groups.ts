const NONE: ReadonlySet<string> = new Set();

/** Names by what they have in common. */
export class NameGroups {
  readonly #groups = new Map<string, Set<string>>();

  /** The names of a group; none for one that nobody is in. */
  of(group: string): ReadonlySet<string> {
    return this.#groups.get(group) ?? NONE;
  }

  add(group: string, name: string): void {
    const names = this.#groups.get(group);
    if (names) names.add(name);
    else this.#groups.set(group, new Set([name]));
  }

  remove(group: string, name: string): void {
    const names = this.#groups.get(group);
    if (names?.delete(name) && names.size === 0) this.#groups.delete(group);
  }
}
