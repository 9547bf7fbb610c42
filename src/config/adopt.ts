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

/** What a running controller uses of a changed configuration. */
interface AdoptedConfig {
  config: Config;
  /** Sections that stay as they were at the start, each with what to do; mostly none. */
  kept: readonly string[];
}

/**
 * The configuration that a running controller takes up when the files have changed. Three things
 * stay as they were at the start: clusterID, because the names of all volumes begin with it and would
 * not be found again; the topology keys, because the sidecars ask for the driver's capabilities
 * only once; and ephemeral.enabled, because rights come and go with it. Logs the warnings, an error
 * for another clusterID, and a warning for other topology keys.
 */
export function adoptConfig({ current, changed }: ConfigChange, log: Logger): AdoptedConfig {
  const kept: string[] = [];
  logWarnings(changed, log);
  const { clusterId, topology } = current;
  if (changed.config.clusterId !== clusterId) {
    log.error("clusterID changed and is not taken up", {
      clusterId,
      reason: "the names of all volumes begin with it",
      fix: `set clusterID to ${clusterId} again`,
    });
    kept.push(`clusterID: set it to ${clusterId} again`);
  }
  if (JSON.stringify(changed.config.topology) !== JSON.stringify(topology)) {
    log.warn("storagetopology changed and is not taken up", {
      reason: "the sidecars have asked for the driver's capabilities already",
      fix: "restart the controller and the nodes",
    });
    kept.push("storagetopology: restart the controller and the nodes");
  }
  const { enable } = current.ephemeral;
  if (changed.config.ephemeral.enable !== enable) {
    kept.push("ephemeral.enabled: restart the controller and the nodes");
  }
  const ephemeral = { ...changed.config.ephemeral, enable };
  return { config: { ...changed.config, clusterId, topology, ephemeral }, kept };
}
