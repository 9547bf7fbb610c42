import type { Logger } from "../log.ts";
import type { LoadedConfig } from "./load.ts";
import type { Config } from "./model.ts";
import { problemText } from "./problems.ts";

/** Logs each warning of a configuration; done at every start and at every change. */
export function logWarnings({ warnings }: Pick<LoadedConfig, "warnings">, log: Logger): void {
  for (const problem of warnings) log.warn("configuration", { problem: problemText(problem) });
}

/** The configuration in use, and the one that the files hold now. */
interface ConfigChange {
  current: Config;
  changed: LoadedConfig;
}

/**
 * The configuration that a running controller takes up when the files have changed: all of it but
 * clusterID, because the names of all volumes begin with it and would not be found again. Logs the
 * warnings, and an error when clusterID is another one.
 */
export function adoptConfig({ current, changed }: ConfigChange, log: Logger): Config {
  logWarnings(changed, log);
  const { clusterId } = current;
  if (changed.config.clusterId !== clusterId) {
    log.error("clusterID changed and is not taken up", {
      clusterId,
      reason: "the names of all volumes begin with it",
      fix: `set clusterID to ${clusterId} again`,
    });
  }
  return { ...changed.config, clusterId };
}
