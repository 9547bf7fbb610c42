import { type Labels, type Metrics, REST_BUCKETS } from "../metrics/metrics.ts";
import type { Fleet, FleetMember } from "./fleet.ts";
import type { PodArray } from "./containers/container_state.ts";
import { nameInFleet } from "./fleet_member.ts";
import type { ArrayCall } from "./open.ts";

const AT_CHECKS = "At each check of the array, every 30 seconds.";

/**
 * Registers what the controller knows of its arrays. The function returned takes every REST call as
 * a sample.
 */
export function registerFleet(
  metrics: Metrics,
  fleet: Fleet,
  now: () => number = Date.now,
): (call: ArrayCall) => void {
  const age = (sinceMs: number | undefined) =>
    sinceMs === undefined ? undefined : Math.max(0, Math.round((now() - sinceMs) / 1000));
  const perArray = (value: (member: FleetMember) => number | undefined) => () =>
    fleet.members.flatMap((member): [Labels, number][] => {
      const found = value(member);
      return found === undefined ? [] : [[{ array: nameInFleet(fleet, member.array) }, found]];
    });
  const labels = ["array"];
  metrics.gauge("pso_arrays_configured", {
    help: "Arrays that the configuration lists",
    collect: () => fleet.members.filter(({ draining }) => !draining).length,
    moves: "When a changed configuration is taken up.",
    alert: "It is 0 for 15 minutes: no volume can be made or attached. Add an array to `arrays`.",
  });
  metrics.gauge("pso_array_up", {
    help: "1 when the last check of the array went well",
    labels,
    collect: perArray((member) => member.status && !member.problem ? 1 : 0),
    moves: AT_CHECKS,
    alert:
      "It is 0 for 5 minutes: the array does not answer, or refuses. No volume is placed on it.",
  });
  metrics.gauge("pso_array_draining", {
    help: "1 while the array is out of the configuration and still holds volumes of this cluster",
    labels,
    collect: perArray(({ draining }) => draining ? 1 : 0),
    moves: "When an array is taken out of the configuration or put in again. The series of an " +
      "array ends with its last volume.",
  });
  metrics.gauge("pso_array_refuses", {
    help: "1 when the array answers and refused the last create, for example for the user's role",
    labels,
    collect: perArray(({ refusal }) => refusal ? 1 : 0),
    moves: "When an array refuses or takes a create, and at each check after a refusal.",
    alert: "It is 1 for 5 minutes: the log of the controller and `pso-bin admin check` tell why. " +
      "New volumes go to other arrays.",
  });
  metrics.gauge("pso_array_capacity_bytes", {
    help: "Physical capacity",
    labels,
    collect: perArray(({ status }) => status?.capacityBytes),
    moves: AT_CHECKS,
  });
  metrics.gauge("pso_array_used_bytes", {
    help: "Physical bytes in use",
    labels,
    collect: perArray(({ status }) => status?.usedBytes),
    moves: AT_CHECKS,
    alert:
      "It is above 90 % of `pso_array_capacity_bytes`. Placement keeps `placement.headroom` of an array free.",
  });
  metrics.gauge("pso_array_look_age_seconds", {
    help: "Seconds since the array told its capacity, load and ports, by which volumes are placed",
    labels,
    collect: perArray(({ statusMs }) => age(statusMs)),
    moves: "Read at each scrape; each look that goes well begins anew.",
    alert: "It is above 120: the array has not answered for so long.",
  });
  metrics.gauge("pso_array_list_age_seconds", {
    help: "Seconds since all volumes of the array were listed; what this controller made and " +
      "deleted since is noted",
    labels,
    collect: perArray(({ warm, listedMs }) => warm ? age(listedMs) : undefined),
    moves: "Read at each scrape. An array is listed when a controller starts or begins to lead.",
  });
  metrics.gauge("pso_array_volumes", {
    help: "Volumes of this cluster on the array",
    labels,
    collect: perArray((member) => member.warm ? fleet.indexedVolumes(member) : undefined),
    moves:
      "When a volume is created or deleted, and when the volumes of the array are listed. It " +
      "is not shown before the first list is complete.",
  });
  metrics.gauge("pso_array_pods_not_in_sync", {
    help:
      "Stretched pods of the array, by its own word, that are not online on all of their arrays",
    labels,
    collect: perArray(({ status }) => {
      const pods = [...status?.containers?.pod?.values() ?? []];
      const isAway = ({ status }: PodArray) => status !== "online";
      return pods.filter(({ arrays }) => arrays?.some(isAway)).length;
    }),
    moves: AT_CHECKS,
    alert: "It is above 0 for 15 minutes: the volumes of these pods have one array alone. " +
      "`pso-bin admin check` names the pods.",
  });
  const samples = metrics.histogram("pso_rest_request_seconds", {
    help:
      "REST calls to arrays, in seconds, by method, path and HTTP status (0 = no answer, other = an odd one)",
    labels: ["array", "method", "path", "code"],
    buckets: REST_BUCKETS,
    moves: "At the end of each REST call. `_count` is the number of calls.",
    alert: "The codes 429, 503 or 0 grow for 10 minutes: the array is overloaded or does not " +
      "answer. The code 401 that keeps growing means a token that the array refuses.",
  });
  return ({ array: configuredName, address, method, path, status, ms }) => {
    const array = nameInFleet(fleet, { configuredName, address });
    samples.observe(ms / 1000, { array, method, path, code: codeLabel(status) });
  };
}

/** Statuses with a label of their own: an array that answers odd ones makes no new series. */
const STATUSES = [
  0,
  200,
  201,
  202,
  204,
  400,
  401,
  403,
  404,
  405,
  409,
  413,
  415,
  422,
  429,
  500,
  502,
  503,
  504,
];

function codeLabel(status: number): string {
  return STATUSES.includes(status) ? `${status}` : "other";
}
