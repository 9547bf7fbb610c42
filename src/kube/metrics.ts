import type { Metrics } from "../metrics/metrics.ts";

/** Registers whether this process may change the arrays. */
export function registerLeader(metrics: Metrics, leads: () => boolean): void {
  metrics.gauge("pso_leader", {
    help: "1 when this controller may change the arrays, 0 when it waits as a standby",
    collect: () => leads() ? 1 : 0,
    moves:
      "When the controller takes, loses or gives back the lease, and when it cannot renew it " +
      "for 10 seconds. Without `--lease` it is always 1.",
    alert:
      "The sum over all controllers is 0 for 1 minute: volumes are neither made nor attached. " +
      "`/readyz` on `admin.sock` tells why.",
  });
}

/** Registers how many labels of its Node a node plugin is not registered with. */
export function registerNodeTopology(metrics: Metrics, missing: () => number): void {
  metrics.gauge("pso_node_topology_missing", {
    help: "Topology labels of the Node that came after the driver was registered there",
    collect: missing,
    moves: "At a look at the Node, every 5 minutes with `storagetopology.enable`, and at each " +
      "registration.",
    alert: "It is more than 0 for 15 minutes: restart the node-plugin pod of that node.",
  });
}
