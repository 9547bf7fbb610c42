/** Lives of claims beside what a test changes. */
import { deepEqual } from "node:assert/strict";
import { claimNameOf } from "../../scripts/claim.ts";
import { messageOf } from "../../src/errors.ts";
import type { LiveBed } from "./live_bed.ts";

/** Lives of claims at once, and how many must have ended between two changes. */
const WORKERS = 12;
const BETWEEN = 24;

/** Lives of claims beside what a test does: create, publish, unpublish, delete, over and over. */
export class Load {
  readonly failures: string[] = [];
  lives = 0;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void[]>;

  constructor(readonly bed: LiveBed) {
    this.#ended = Promise.all(Array.from({ length: WORKERS }, (_, worker) => this.#work(worker)));
  }

  /** Waits until so many lives have ended since, on a fleet as it is now. */
  async goesOn(): Promise<void> {
    const from = this.lives;
    await this.bed.until(
      "lives under load",
      () => this.lives >= from + BETWEEN || this.failures.length > 0,
    );
    deepEqual(this.failures, []);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    deepEqual(this.failures, []);
  }

  async #work(worker: number): Promise<void> {
    for (let turn = 0; !this.#stop.signal.aborted; turn++) {
      const { bed } = this;
      let step = "create";
      try {
        const volumeId = await bed.create(claimNameOf(`live-${worker}-${turn}`));
        step = "publish";
        await bed.publish(volumeId);
        step = "list";
        if (turn % 4 === 0) {
          await bed.provisioner.listVolumes({ maxEntries: 0, startingToken: "" }, bed.signal);
        }
        step = "unpublish";
        await bed.unpublish(volumeId);
        step = "delete";
        await bed.delete(volumeId);
        this.lives++;
      } catch (error) {
        this.failures.push(`${step}: ${messageOf(error)}`);
        return;
      }
    }
  }
}
