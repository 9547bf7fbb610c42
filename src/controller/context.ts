import type { Snapshot } from "../arrays/array.ts";
import type { Fleet } from "../arrays/fleet.ts";
import type { ChangeFence } from "../async/fence.ts";
import type { ImportMemory } from "./import/import_memory.ts";
import type { Inventory } from "./import/rules.ts";
import type { ClaimFacts } from "./placement/spread_group.ts";
import type { Logger } from "../log.ts";
import type { DeleteMemory } from "./delete_memory.ts";
import type { KeptParts, ListedVolume } from "./kept_parts.ts";
import type { ClusterView } from "./attachments/cluster_view.ts";
import type { NodeRegistry } from "./attachments/node_registry.ts";
import type { PageTokens } from "./page_token.ts";
import type { ProvisionerOptions } from "./provisioner_options.ts";
import type { PublishMemory } from "./attachments/publish_memory.ts";
import type { RecentPlacements } from "./placement/recent_placements.ts";
import type { VolumeLocator } from "./volume_locator.ts";

/** Reads a claim as it is now; throws when nobody can tell. */
export type ClaimReader = (
  claim: { namespace: string; name: string },
) => Promise<ClaimFacts | undefined>;

/** Reads every PersistentVolume and claim of the cluster; throws when nobody can tell. */
export type InventoryReader = (signal: AbortSignal) => Promise<Inventory>;

/**
 * What the calls of the controller share. Nothing in here must survive: all that is remembered is a
 * cache, which costs REST calls when it is lost.
 */
export interface ControllerContext {
  fleet: Fleet;
  /** Whether this process leads, and so may make what it does not find. */
  fence: Pick<ChangeFence, "settled" | "heldForMs">;
  locator: VolumeLocator;
  /** Read at each use: a configuration that changed holds from the next call on. */
  options: () => ProvisionerOptions;
  log: Logger;
  /** Which node stands behind a host name or client address. */
  nodes: NodeRegistry;
  /** How volumes were published, by this process. */
  published: PublishMemory;
  /** Who uses what by Kubernetes; knows nothing where there is none. */
  cluster: ClusterView;
  /** What was destroyed by which handle, by this process. */
  deleted: DeleteMemory;
  /** Bytes placed lately, which arrays do not show yet. */
  recent: RecentPlacements;
  tokens: PageTokens;
  /** What lists that go on in small pages have read ahead. */
  ahead: { volumes: KeptParts<ListedVolume>; snapshots: KeptParts<Snapshot> };
  /** Reads a claim from Kubernetes; absent where there is no API. Undefined when it is gone. */
  claims?: ClaimReader;
  /** Absent where there is no API: nothing is imported then. */
  inventory?: InventoryReader;
  /** What this process imported. */
  imports: ImportMemory;
}
