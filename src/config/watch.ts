import { ConfigError } from "./problems.ts";
import type { LoadedConfig } from "./load.ts";
import { messageOf } from "../errors.ts";
import { pause } from "../async/wait.ts";

const INTERVAL_MS = 10_000;

/** What watchConfig() reads, and whom it tells. */
export interface WatchOptions {
  /** Reads everything again: loadConfig() with the options of the start. */
  load: () => Promise<LoadedConfig>;
  /**
   * Called with each new and good configuration. What it throws is given to `onProblem`; the
   * configuration counts as taken.
   */
  onConfig: (loaded: LoadedConfig) => void | Promise<void>;
  /** Called once for each new bad content; what was good before stays in use. */
  onProblem: (message: string) => void;
  /** Ends the watch. */
  signal: AbortSignal;
  /** Default 10 s. */
  intervalMs?: number;
  /** Default: pause() of wait.ts. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Takes up changes of the configuration until the signal fires, then resolves. Contents are
 * compared, not times: a mounted Secret is swapped by a link whose target may be older. `current`
 * is what is in use at the start.
 */
export async function watchConfig(current: LoadedConfig, options: WatchOptions): Promise<void> {
  const { intervalMs = INTERVAL_MS, wait = pause, signal, load, onConfig, onProblem } = options;
  let taken = current.digest;
  let reported = "";
  while (await waited(() => wait(intervalMs, signal), signal)) {
    try {
      const loaded = await load();
      reported = "";
      if (loaded.digest === taken) continue;
      taken = loaded.digest;
      await onConfig(loaded);
    } catch (error) {
      const content = error instanceof ConfigError ? error.digest : messageOf(error);
      if (content !== reported) onProblem(messageOf(error));
      reported = content;
    }
  }
}

/** True after the wait, false when the signal has ended it. */
async function waited(wait: () => Promise<void>, signal: AbortSignal): Promise<boolean> {
  try {
    await wait();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return !signal.aborted;
}
