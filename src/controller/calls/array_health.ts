import type { HostObject, Volume } from "../../arrays/array.ts";
import type { FleetMember } from "../../arrays/fleet.ts";
import { allEnded } from "../../async/all_ended.ts";
import { nameKey } from "../../names.ts";
import type { HealthFinding } from "../requests.ts";

/** How an array is, as far as its volumes are concerned. */
export interface ArrayHealth {
  /** What the array calls critical. */
  alerts: readonly string[];
  /** Host objects that have too few paths, by their names in lower case. */
  paths: ReadonlyMap<string, HostObject>;
}

/** Share of the capacity above which an array is nearly full: writes end when nothing is left. */
const NEARLY_FULL = 0.9;
/** Alerts that a message tells; the others are counted. */
const ALERTS_TOLD = 3;

/** Asks the array: two calls, one for files. */
export async function arrayHealth(
  { array }: FleetMember,
  signal: AbortSignal,
): Promise<ArrayHealth> {
  const [alerts, hosts] = await allEnded([array.listAlerts(signal), array.listHosts(signal)]);
  const bad = hosts.filter(({ paths }) => paths !== undefined);
  return { alerts, paths: new Map(bad.map((host) => [nameKey(host.name), host])) };
}

/**
 * What is wrong with every volume of the array. One that does not answer makes them degraded only:
 * pods go on as long as its data ports serve them, and nodes tell when they do not.
 */
export function arrayFindings(
  { array: { label }, problem, status }: FleetMember,
  { alerts }: ArrayHealth,
): HealthFinding[] {
  const findings: HealthFinding[] = [];
  const add = (reason: string, message: string) =>
    findings.push({ status: "degraded", reason, message: `array ${label} ${message}` });
  if (problem) add("ArrayUnreachable", `cannot be managed now: ${problem.message}`);
  if (alerts.length > 0) {
    const more = alerts.length > ALERTS_TOLD ? ` and ${alerts.length - ALERTS_TOLD} more` : "";
    add("ArrayAlert", `has critical alerts: ${alerts.slice(0, ALERTS_TOLD).join("; ")}${more}`);
  }
  const { usedBytes = 0, capacityBytes = 0 } = status ?? {};
  if (capacityBytes > 0 && usedBytes / capacityBytes >= NEARLY_FULL) {
    const percent = Math.floor(usedBytes / capacityBytes * 100);
    add("ArrayNearlyFull", `is ${percent} % full: free or add space before writes fail`);
  }
  return findings;
}

/** What the array finds wrong with the ways to the hosts that the volume is connected to. */
export function pathFindings(
  { name, hosts = [] }: Volume,
  { paths }: ArrayHealth,
): HealthFinding[] {
  const bad = hosts.flatMap((host) => paths.get(nameKey(host)) ?? []);
  const named = (wanted: HostObject["paths"]) =>
    bad.filter((host) => host.paths === wanted).map((host) => host.name).join(", ");
  const [none, few] = [named("none"), named("few")];
  return [
    ...(none === "" ? [] : [{
      status: "inaccessible" as const,
      reason: "NoPaths",
      message: `the array sees no path to ${none}, where ${name} is connected: look at that host`,
    }]),
    ...(few === "" ? [] : [{
      status: "degraded" as const,
      reason: "FewPaths",
      message: `the array sees too few paths to ${few}, where ${name} is connected: ` +
        "look at its ports, switches and sessions",
    }]),
  ];
}
