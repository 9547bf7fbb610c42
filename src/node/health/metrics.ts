import type { Metrics } from "../../metrics/metrics.ts";
import type { Healer } from "./healer.ts";

/**
 * Registers what the healer knows: paths, unhealthy volumes and leftovers by its last round, heals
 * as they end.
 */
export function registerHealth(metrics: Metrics, healer: Healer): void {
  const rows = <Label extends string>(label: Label, counts: Iterable<[string, number]>) =>
    [...counts].map(([value, count]) => [{ [label]: value }, count] as const);
  metrics.gauge("pso_volume_paths", {
    help: "Paths of the volumes staged on this node: up carries I/O, down is there and does not, " +
      "missing is offered by the array only",
    labels: ["state"],
    moves: "At each round of the healer, every 15 seconds.",
    alert: "`down` or `missing` is above 0 for 10 minutes: the volumes still work, with fewer " +
      "paths than they should have.",
    collect: () => rows("state", Object.entries(healer.paths())),
  });
  metrics.gauge("pso_volumes_unhealthy", {
    help: "Volumes staged on this node with something wrong, by reason; the reasons are those of " +
      "NodeGetVolumeHealth",
    labels: ["reason"],
    moves: "At each round of the healer, every 15 seconds. A reason without volumes is not shown.",
    alert: "It is above 0 for 5 minutes: the healer did not repair it. The log names the volume.",
    collect: () => rows("reason", healer.reasons()),
  });
  metrics.gauge("pso_leftovers", {
    help:
      "What is left of volumes that this node should no longer have: volumes not unstaged to the " +
      "end, sessions for nothing, unknown devices",
    labels: ["kind"],
    moves: "At each round of the healer, every 15 seconds. The kinds are `volume`, `session` and " +
      "`device`.",
    alert: "It is above 0 for an hour. The healer ends volumes and sessions itself and never " +
      "touches an unknown device: a person must look at it.",
    collect: () => rows("kind", Object.entries(healer.leftovers())),
  });
  const heals = metrics.counter("pso_heals_total", {
    help: "Repairs of sessions, paths, sizes and leftovers that this node began by itself",
    labels: ["what", "outcome"],
    moves: "When a repair ends. `what` is `login`, `repair`, `size`, `unstage` or `session`; " +
      "`outcome` is `ok` or `failed`.",
    alert: "`failed` grows for 15 minutes.",
  });
  healer.onHeal = (event) => heals.add(event);
}

/**
 * Registers the number of staged volumes. The function returned counts them by their records: call
 * it before each scrape.
 */
export function registerStaged(
  metrics: Metrics,
  stagedVolumes: () => Promise<number>,
): () => Promise<void> {
  const staged = metrics.gauge("pso_staged_volumes", {
    help: "Volumes staged on this node",
    moves: "Counted at each scrape: the stage records of this node.",
  });
  return async () => staged.set(await stagedVolumes());
}
