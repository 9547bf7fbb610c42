import { PsoError } from "../errors.ts";
import type { NameIndex } from "./name_index.ts";
import { REST_LIMITS } from "./rest/limits.ts";

/** Between the names of one page; no name that this driver gives has it. */
const BETWEEN = "\n";

/**
 * The names that one listing of an array shows, until it is whole. Kept apart from the index: an
 * array that lists names without end fills no memory for longer than its listing. One text for each
 * page: a text for each name takes half as much again.
 */
export class NameListing {
  readonly #label: string;
  readonly #volumes: string[] = [];
  readonly #snapshots: string[] = [];
  #names = 0;
  #chars = 0;
  #pages = 0;

  constructor(label: string) {
    this.#label = label;
  }

  /** Takes up one page; `unavailable` when the array lists more than any array can hold. */
  add(what: "volumes" | "snapshots", names: readonly string[]): void {
    const { listedNames, listedChars, pages } = REST_LIMITS;
    const page = names.join(BETWEEN);
    if (names.length > 0) (what === "volumes" ? this.#volumes : this.#snapshots).push(page);
    this.#names += names.length;
    this.#chars += page.length;
    this.#pages++;
    if (
      this.#names <= listedNames.value && this.#chars <= listedChars.value &&
      this.#pages <= pages.value
    ) return;
    throw new PsoError(
      "unavailable",
      `array ${this.#label} lists ${this.#names} volumes and snapshots of this cluster on ${this.#pages} ` +
        "pages, and there is no end: check what answers at its address",
    );
  }

  /** Notes all of them. */
  noteIn(index: NameIndex): void {
    for (const page of this.#volumes) page.split(BETWEEN).forEach((name) => index.add(name));
    for (const page of this.#snapshots) {
      page.split(BETWEEN).forEach((name) => index.addSnapshot(name));
    }
  }
}
