import { KeyedQueue } from "../async/keyed_queue.ts";

/**
 * Knows which targets running attaches need (`using`, `isUsed`): tidy() must not end a session that
 * an attach is about to use. Also runs the work of one key in turn (`inTurn`), because two iscsiadm
 * or nvme commands to one portal disturb each other, and so do two scans of one SCSI host.
 */
export class TargetQueue {
  readonly #users = new Map<string, number>();
  readonly #turns = new KeyedQueue();

  /** Runs `work`; isUsed() is true of these targets until `work` has ended, well or not. */
  async using<T>(targets: string[], work: () => Promise<T>): Promise<T> {
    for (const target of targets) this.#users.set(target, (this.#users.get(target) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const target of targets) {
        const left = (this.#users.get(target) ?? 1) - 1;
        if (left > 0) this.#users.set(target, left);
        else this.#users.delete(target);
      }
    }
  }

  /** Whether an attach is going on that needs this target. */
  isUsed(target: string): boolean {
    return this.#users.has(target);
  }

  /** As KeyedQueue.inTurn(). */
  inTurn<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#turns.inTurn(key, work, signal);
  }

  /** As KeyedQueue.inTurnUnlessHung(). */
  inTurnUnlessHung<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#turns.inTurnUnlessHung(key, work, signal);
  }
}
