import { PsoError } from "../errors.ts";
import type { NameIndex } from "./name_index.ts";
import { REST_LIMITS } from "./rest/limits.ts";

/**
 * The names that one listing of an array shows, until it is whole. Kept apart from the index: an
 * array that lists names without end fills no memory for longer than its listing.
 */
export class NameListing {
  readonly #label: string;
  readonly #volumes: string[] = [];
  readonly #snapshots: string[] = [];
  #chars = 0;
  #pages = 0;

  constructor(label: string) {
    this.#label = label;
  }

  /** Takes up one page; `unavailable` when the array lists more than any array can hold. */
  add(what: "volumes" | "snapshots", names: readonly string[]): void {
    const { listedNames, listedChars, pages } = REST_LIMITS;
    (what === "volumes" ? this.#volumes : this.#snapshots).push(...names);
    for (const name of names) this.#chars += name.length;
    this.#pages++;
    const count = this.#volumes.length + this.#snapshots.length;
    if (
      count <= listedNames.value && this.#chars <= listedChars.value && this.#pages <= pages.value
    ) return;
    throw new PsoError(
      "unavailable",
      `array ${this.#label} lists ${count} volumes and snapshots of this cluster on ${this.#pages} ` +
        "pages, and there is no end: check what answers at its address",
    );
  }

  /** Notes all of them. */
  noteIn(index: NameIndex): void {
    for (const name of this.#volumes) index.add(name);
    for (const name of this.#snapshots) index.addSnapshot(name);
  }
}
