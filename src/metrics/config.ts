import type { Metrics } from "./metrics.ts";

/** Registers whether the configuration in use is what its source holds. */
export function registerConfig(metrics: Metrics, isCurrent: () => boolean): void {
  metrics.gauge("pso_config_current", {
    help: "1 when the configuration in use is what the files or objects hold that it is read from",
    collect: () => isCurrent() ? 1 : 0,
    moves: "When a changed configuration is taken up or refused, as a whole or the entry of one " +
      "array, and when the source is deleted or cannot be read.",
    alert:
      "It is 0 for 5 minutes: the last good configuration stays in use. The log and an Event " +
      "name the problem.",
  });
}
