import type { Metrics } from "./metrics.ts";
import { VERSION } from "../version.ts";

/** Registers what every mode with metrics shows. `locksHeld` is asked at each scrape. */
export function registerProcess(metrics: Metrics, locksHeld: () => number): void {
  metrics.gauge("pso_build_info", {
    help: "Always 1; the version is a label",
    labels: ["version"],
    moves: "Set once, at the start.",
  }).set(1, { version: VERSION });
  metrics.gauge("process_resident_memory_bytes", {
    help: "Resident memory",
    collect: () => Deno.memoryUsage().rss,
    moves: "Read at each scrape.",
    alert: "It comes near the memory limit of the pod.",
  });
  metrics.gauge("pso_locks_held", {
    help: "Volumes and snapshots that a call holds now",
    collect: locksHeld,
    moves:
      "Rises when a call, or a heal, begins to work on a volume or a snapshot, and falls when " +
      "it ends.",
    alert: "It stays above 0 for many minutes although no call begins: a call hangs.",
  });
}
