import type { Metrics } from "../../metrics.ts";
import type { Healer } from "./healer.ts";

/**
 * Registers what the healer knows: paths, unhealthy volumes and leftovers by its last round, heals
 * as they end.
 */
export function registerHealth(metrics: Metrics, healer: Healer): void {
  const rows = <Label extends string>(label: Label, counts: Iterable<[string, number]>) =>
    [...counts].map(([value, count]) => [{ [label]: value }, count] as const);
  metrics.gauge("pso_volume_paths", {
    help:
      "Paths of the volumes staged on this node: up carries I/O, down is there and does not, missing is offered by the array only",
    labels: ["state"],
    collect: () => rows("state", Object.entries(healer.paths())),
  });
  metrics.gauge("pso_volumes_unhealthy", {
    help:
      "Volumes staged on this node with something wrong, by reason; the reasons are those of NodeGetVolumeHealth",
    labels: ["reason"],
    collect: () => rows("reason", healer.reasons()),
  });
  metrics.gauge("pso_leftovers", {
    help:
      "What is left of volumes that this node should no longer have: volumes not unstaged to the end, sessions for nothing, unknown devices",
    labels: ["kind"],
    collect: () => rows("kind", Object.entries(healer.leftovers())),
  });
  const heals = metrics.counter("pso_heals_total", {
    help: "Repairs of sessions, paths, sizes and leftovers that this node began by itself",
    labels: ["what", "outcome"],
  });
  healer.onHeal = (event) => heals.add(event);
}
