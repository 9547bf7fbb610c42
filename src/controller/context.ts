import type { Fleet } from "../arrays/fleet.ts";
import type { Logger } from "../log.ts";
import type { NodeRegistry } from "./node_registry.ts";
import type { PageTokens } from "./page_token.ts";
import type { ProvisionerOptions } from "./provisioner_options.ts";
import type { RecentPlacements } from "./recent_placements.ts";
import type { VolumeLocator } from "./volume_locator.ts";

/** What the parts of the provisioner share. */
export interface ControllerContext {
  fleet: Fleet;
  locator: VolumeLocator;
  /** Read at each use: a configuration that changed holds from the next call on. */
  options: () => ProvisionerOptions;
  log: Logger;
  nodes: NodeRegistry;
  recent: RecentPlacements;
  tokens: PageTokens;
}
