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
  /** Called when the content is good again, before `onConfig` and also when nothing is new. */
  onMended?: () => void;
  /** Ends the watch. */
  signal: AbortSignal;
  /** Default 10 s. */
  intervalMs?: number;
  /** Waits until it is time to look again. Default: pause() of wait.ts. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Takes up changes of the configuration until the signal fires, then resolves. Contents are
 * compared, not times: a mounted Secret is swapped by a link whose target may be older. `current`
 * is what is in use at the start; without one the first good configuration is given too.
 */
export async function watchConfig(
  current: LoadedConfig | undefined,
  options: WatchOptions,
): Promise<void> {
  const { intervalMs = INTERVAL_MS, wait = pause, signal } = options;
  const { load, onConfig, onProblem, onMended } = options;
  let taken = current?.digest;
  let reported = "";
  while (await waited(() => wait(intervalMs, signal), signal)) {
    try {
      const loaded = await load();
      if (reported !== "") onMended?.();
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
