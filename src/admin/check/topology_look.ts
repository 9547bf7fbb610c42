// Whether the labels of nodes let csi-provisioner make volumes.
import { TOPOLOGY_PREFIX } from "../../config/arrays/topology_labels.ts";
import { CHART } from "./cluster.ts";
import { counted, type FoundList } from "./found.ts";
import { namesText } from "./kube_object.ts";
import type { NodeFacts } from "./node_look.ts";

/** What labels are compared with. */
interface TopologyScope {
  found: FoundList;
  /** Where the node plugin is installed. */
  namespace: string;
  /** Labels that count beside PSO's. */
  keys: readonly string[];
  /** A label that some array has, as `KEY=VALUE`, for the command that labels a node. */
  example?: string;
}

const EXAMPLE = `${TOPOLOGY_PREFIX}zone=ZONE`;

/**
 * Tells what csi-provisioner lacks while topology is on. It takes the keys of one node that is
 * registered, and makes nothing while none has any; a node that lacks one of the keys is left out.
 */
export function tellTopology(nodes: readonly NodeFacts[], scope: TopologyScope): void {
  const { found, keys } = scope;
  const registered = nodes.filter((node) => node.registered);
  const known = registered.length > 0 ? registered : nodes;
  const bare = known.filter(({ topologyKeys = [] }) => topologyKeys.length === 0);
  if (known.length === 0) return;
  if (bare.length === known.length) {
    found.fail(
      "topology",
      `storagetopology.enable is on, and no node has a label that counts (${
        [`${TOPOLOGY_PREFIX}…`, ...keys].join(", ")
      }): csi-provisioner makes no volume at all`,
      `label every node, then restart its pods: ${labelCommands(bare, scope)}`,
    );
    return;
  }
  if (bare.length > 0) {
    found.warn(
      "topology",
      `${namesText(bare.map(({ name }) => name))} of ${counted(known.length, "node")} ${
        bare.length === 1 ? "has" : "have"
      } no label that counts, and no new volume is reached from there`,
      `label them as the others, then restart the pods: ${labelCommands(bare, scope)}`,
    );
  }
  tellDifferences(known.filter((node) => !bare.includes(node)), found);
}

function labelCommands(
  [first]: readonly NodeFacts[],
  { namespace, example = EXAMPLE }: TopologyScope,
): string {
  return `kubectl label node ${first?.name ?? "NODE"} ${example}; kubectl -n ${namespace} ` +
    `rollout restart daemonset ${CHART.nodeApp}`;
}

function tellDifferences(labelled: readonly NodeFacts[], found: FoundList): void {
  const groups = [...Map.groupBy(labelled, ({ topologyKeys = [] }) => topologyKeys.join(", "))];
  const shown = groups.map(([keys, nodes]) =>
    `${namesText(nodes.map(({ name }) => name))}: ${keys}`
  );
  if (groups.length === 1) found.ok("topology", `labels of ${shown[0]}`);
  else {
    found.warn(
      "topology",
      `nodes have labels with different keys (${
        shown.join("; ")
      }): csi-provisioner takes those of ` +
        "one node and leaves out nodes that lack any of them",
      "give all nodes the same keys",
    );
  }
}

/**
 * Tells nodes that got labels after kubelet was told theirs: Kubernetes knows nothing of those keys
 * yet.
 */
export function tellNewKeys(
  nodes: readonly NodeFacts[],
  { found, namespace }: Pick<TopologyScope, "found" | "namespace">,
): void {
  for (const { name, newKeys, pod } of nodes) {
    if (newKeys.length === 0) continue;
    found.warn(
      "topology",
      `node ${name} has got labels with the new keys ${
        newKeys.join(", ")
      }, which Kubernetes does not know of it yet`,
      `restart its node-plugin pod: kubectl -n ${namespace} delete pod ${pod ?? ""}`.trimEnd(),
    );
  }
}
