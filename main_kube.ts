// Connects a process with the API of its cluster.
import type { NodeOptions } from "./src/cli/cli.ts";
import type { KubeOptions } from "./src/cli/kube.ts";
import type { Config } from "./src/config/model.ts";
import { readPlainFile } from "./src/config/plain_file.ts";
import type { ClusterSinks } from "./src/cluster/facts.ts";
import type { ClaimReader, InventoryReader } from "./src/controller/context.ts";
import { IMPORT_PREFIX } from "./src/controller/import/wish.ts";
import { DRIVER_NAME } from "./src/csi/identity_service.ts";
import { inlineInventory } from "./src/ephemeral/inline_inventory.ts";
import type { EphemeralObjects } from "./src/ephemeral/objects.ts";
import { KubeClient } from "./src/kube/client.ts";
import { podServer } from "./src/kube/credentials.ts";
import { ClaimLedger } from "./src/kube/cluster_state/claim_ledger.ts";
import { readClaim } from "./src/kube/cluster_state/claims.ts";
import { followCluster } from "./src/kube/cluster_state/cluster_watch.ts";
import { readInventory } from "./src/kube/cluster_state/inventory.ts";
import { type KubeEvent, KubeEvents } from "./src/kube/events.ts";
import { NodeTopology } from "./src/kube/node_topology.ts";
import type { Logger } from "./src/log.ts";

/** The API of a process' cluster. */
export interface Kube {
  client: KubeClient;
  /** Tells an Event about this pod; nothing where the pod has no known name. */
  tell: (event: KubeEvent) => void;
  /** Closes the connections. */
  close: () => void;
}

/** UsageError when the process does not run in a pod. */
export function kubeOf({ credentials, pod }: KubeOptions, log: Logger): Kube {
  const server = podServer({
    env: (name) => Deno.env.get(name),
    readTextFile: readPlainFile,
    folder: credentials,
  });
  const client = new KubeClient(server);
  const events = pod && new KubeEvents({ kube: client, pod, controller: DRIVER_NAME, log });
  return { client, tell: (event) => events?.tell(event), close: () => server.close() };
}

/** What a controller asks its cluster about volumes. */
export interface ClusterState {
  claims: ClaimReader;
  /** Lists what has a volume, or wants one. */
  inventory: InventoryReader;
  /** Tells the sinks until the signal; for the one that leads, from then on. Never rejects. */
  follow: (sinks: ClusterSinks, signal: AbortSignal) => Promise<void>;
  /** To be called in the moment in which the fleet forgets what was tried on an array. */
  arrayLeaves: () => void;
}

/** What tells whether somebody has a volume that is to be imported. */
const LOOKED_FOR = { driver: DRIVER_NAME, annotations: IMPORT_PREFIX };

/** What the state of a cluster is read with. */
interface StateParts {
  /** Volumes that pods describe themselves; undefined while they are not served. */
  inline: () => EphemeralObjects | undefined;
  log: Logger;
}

/** The cluster of a controller that may lead it. */
export function clusterState({ client }: Kube, { inline, log }: StateParts): ClusterState {
  const ledger = new ClaimLedger({ kube: client, log });
  return {
    claims: async (claim) => {
      const isLater = ledger.look();
      const facts = await readClaim(client, claim);
      if (!facts) return undefined;
      const { uid, isDeleting } = facts;
      const isNew = () => uid !== undefined && !isDeleting && isLater?.(uid) === true;
      return { ...facts, isNew };
    },
    inventory: async (signal) => {
      const objects = inline();
      const pods = objects ? await inlineInventory(objects) : [];
      return { ...await readInventory(client, LOOKED_FOR, signal), inline: pods };
    },
    follow: async (sinks, signal) => {
      const watching = followCluster({ kube: client, driver: DRIVER_NAME, sinks, log }, signal);
      await Promise.all([watching, ledger.run(signal)]);
    },
    arrayLeaves: () => ledger.renew(),
  };
}

/**
 * Where a node is, by its Node object; undefined without storagetopology.enable. Nothing is read
 * before kubelet asks, so that a node without an API serves all else.
 */
export function nodeTopologyOf(
  { nodeName, kubeCredentials: credentials }: NodeOptions,
  { topology: { enable, nodeLabels } }: Config,
  log: Logger,
): { topology: NodeTopology; close: () => void } | undefined {
  if (!enable) return undefined;
  let kube: Kube | undefined;
  const client = () => (kube ??= kubeOf({ credentials }, log)).client;
  const topology = new NodeTopology({ kube: client, node: nodeName, keys: nodeLabels, log });
  return { topology, close: () => kube?.close() };
}
