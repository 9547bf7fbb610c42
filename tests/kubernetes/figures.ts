/** How long people wait for Kubernetes with this driver, and what of it the arrays took. */
import { say } from "../../scripts/shell.ts";
import type { ArrayWork, Fleet } from "./fleet.ts";

/** What one measurement is called. */
export interface FigureName {
  what: string;
  /** The most that it should take. */
  barS?: number;
}

interface Measured {
  ms: number;
  array: ArrayWork;
}

/** Keeps what was measured, for one table at the end. */
export class Figures {
  readonly #rows: string[] = [];

  constructor(readonly fleet: () => Fleet) {}

  /** Measures one wait. */
  async one<T>(name: FigureName, work: () => Promise<T>): Promise<T> {
    const { result, measured } = await this.#measured(work);
    this.#add(name, measured);
    return result;
  }

  /** Measures the same wait for each of these, one after the other; the middle one counts. */
  async middle(
    { what, barS }: FigureName,
    names: readonly string[],
    work: (name: string) => Promise<void>,
  ): Promise<void> {
    const all: Measured[] = [];
    for (const name of names) all.push((await this.#measured(() => work(name))).measured);
    const found = all.toSorted((one, other) => one.ms - other.ms)[Math.floor(all.length / 2)];
    if (found) this.#add({ what: `${what}, p50 of ${names.length}`, barS }, found);
  }

  async #measured<T>(work: () => Promise<T>): Promise<{ result: T; measured: Measured }> {
    const [began, beganAt] = [performance.now(), Date.now()];
    const result = await work();
    const ms = performance.now() - began;
    return { result, measured: { ms, array: await this.fleet().workSince(beganAt) } };
  }

  #add({ what, barS }: FigureName, { ms, array }: Measured): void {
    const bar = barS === undefined
      ? ""
      : `  (at most ${barS} s${ms > barS * 1000 ? ": OVER" : ""})`;
    const [all, busy] = [array.sumMs, array.busyMs].map((one) =>
      `${one.toFixed(0)} ms`.padStart(8)
    );
    const calls = `${array.isWhole ? "" : ">"}${array.calls}`;
    this.#rows.push(
      `${(ms / 1000).toFixed(2).padStart(8)} s ${busy} ${all} ${calls.padStart(5)}  ` +
        `${what}${bar}`,
    );
  }

  /** A row of another kind. */
  line(text: string): void {
    this.#rows.push(text);
  }

  print(): void {
    say("\n      in all   arrays      sum calls  (arrays: at least one call was under way)");
    for (const row of this.#rows) say(row);
  }
}
