import { SingleFlight } from "../async/single_flight.ts";
import { isPsoError, messageOf, PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";

/** Work that runs on a device until it ends by itself: a format, a check, a growth. */
interface LongWork<T> {
  /** Kernel name of the device. */
  device: string;
  /** What it is, for messages: `mkfs.xfs`. */
  what: string;
  work: () => Promise<T>;
}

/**
 * Work on devices that takes as long as it takes. Ended at its caller's deadline it would be begun
 * again with the next call, and never come to its end. So it goes on without its caller, and the
 * next call waits for it.
 */
export class DeviceWork {
  readonly #flights = new SingleFlight<string, unknown>();
  readonly #running = new Map<string, string>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** What runs on the device now; `undefined` when nothing does. */
  on(device: string): string | undefined {
    return this.#running.get(device);
  }

  /**
   * Runs the work, once nothing else runs on the device, and gives its result. A caller whose `signal` fires gets
   * `timeout`, and the work goes on.
   */
  async run<T>({ device, what, work }: LongWork<T>, signal?: AbortSignal): Promise<T> {
    while (this.#running.has(device)) await this.settled(device, signal);
    const guarded = async () => {
      this.#running.set(device, what);
      try {
        const result = await work();
        if (signal?.aborted) this.#log.info("work on a device ended", { device, what });
        return result;
      } catch (error) {
        if (signal?.aborted) {
          this.#log.warn("work on a device failed", { device, what, reason: messageOf(error) });
        }
        throw error;
      } finally {
        this.#running.delete(device);
      }
    };
    return await this.#waitFor(device, guarded, signal) as T;
  }

  /** Waits until nothing runs on the device, well or not; `timeout` when the signal fires before. */
  async settled(device: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.#waitFor(device, () => Promise.resolve(), signal);
    } catch (error) {
      if (signal?.aborted) throw error;
      // Its caller has been told, and whoever waits here looks at the device anew.
    }
  }

  /** `in_use` while something runs on the device: taken away now, it would be left half done. */
  refuse(device: string): void {
    const what = this.#running.get(device);
    if (what === undefined) return;
    throw new PsoError(
      "in_use",
      `${what} is still running on ${device} of this node, and the device stays until it ends: ` +
        "wait for it; kubelet will try again",
    );
  }

  async #waitFor(
    device: string,
    work: () => Promise<unknown>,
    signal?: AbortSignal,
  ): Promise<unknown> {
    try {
      return await this.#flights.run(device, work, signal);
    } catch (error) {
      const what = this.#running.get(device);
      if (!signal?.aborted || what === undefined || !isPsoError(error, "timeout")) throw error;
      throw new PsoError(
        "timeout",
        `${what} is still running on ${device} of this node, and goes on: wait for it; the next ` +
          "call goes on from there",
        { cause: error },
      );
    }
  }
}
