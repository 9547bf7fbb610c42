import { timeRemaining } from "../../array_context.ts";
import { Fields } from "../../body.ts";
import type { Answer, ArrayRoutes, Call } from "../../call.ts";
import type { Row } from "../../filter.ts";
import { items, type Listed, named } from "../../list.ts";
import type { Modelled } from "../../modelled.ts";
import { refused } from "../../rest_error.ts";
import { requireContainerName } from "../names.ts";
import { arrayReferred } from "../replication/array_connections.ts";
import { membersOf, renderMembers } from "../replication/pod_members.ts";
import { volumesTotal, withContext } from "../render.ts";
import type { FlashArrayState } from "../state.ts";
import { type ContainerSort, eradicate, freeNames, patchLife } from "./container_life.ts";
import type { PodRecord } from "./containers.ts";

const QUOTA = { least: 1_048_576, most: 4_503_599_627_370_496, step: 512 };
const POST_MODELLED: Modelled = {
  fields: ["quota_limit", "failover_preferences"],
  query: ["names"],
};
const PATCH_MODELLED: Modelled = {
  fields: [
    "name",
    "destroyed",
    "quota_limit",
    "ignore_usage",
    "mediator",
    "failover_preferences",
  ],
  fixed: { requested_promotion_state: "promoted" },
  query: ["names", "ids", "destroy_contents"],
};

function sortOf({ containers }: FlashArrayState): ContainerSort<PodRecord> {
  return {
    what: "Pod",
    table: containers.pods,
    groupsIn: (pod) => containers.groupsIn(pod),
  };
}

/** The quota of a body over the one that the pod has; `""` unsets it. */
function quotaOf(body: Fields, old: number | null): number | null {
  const sent = body.limit("quota_limit");
  if (sent === undefined || sent === "") return sent === "" ? null : old;
  if (sent < QUOTA.least || sent > QUOTA.most || sent % QUOTA.step !== 0) {
    throw refused(
      `Invalid value for quota_limit: ${sent} is no multiple of ${QUOTA.step} within ` +
        `${QUOTA.least} and ${QUOTA.most}.`,
      "quota_limit",
    );
  }
  return sent;
}

/** The arrays that are to stay online if they lose each other; RestError 400 for others. */
function preferencesOf(
  state: FlashArrayState,
  body: Fields,
  old: PodRecord["failoverPreferences"],
) {
  const sent = body.objects("failover_preferences");
  return sent === undefined ? old : sent.map((one) => arrayReferred(state, one));
}

/** A pod as GET /pods shows it. */
function renderPod(state: FlashArrayState, call: Call, pod: PodRecord): Row {
  const volumes = () => state.containers.volumesIn(pod).filter((one) => one.destroyedMs === null);
  return {
    id: pod.id,
    name: pod.name,
    ...(call.minor >= 3 ? { array_count: membersOf(state, pod).length } : {}),
    arrays: renderMembers(state, pod),
    destroyed: pod.destroyedMs !== null,
    failover_preferences: pod.failoverPreferences ?? [],
    get footprint() {
      return volumesTotal(state, call, volumes()).space.total_physical;
    },
    link_source_count: 0,
    link_target_count: 0,
    mediator: pod.mediator ?? "purestorage",
    mediator_version: "1.0",
    promotion_status: "promoted",
    ...(call.minor >= 23 ? { quota_limit: pod.quotaBytes } : {}),
    requested_promotion_state: "promoted",
    source: { name: null, id: null },
    get space() {
      const { space } = volumesTotal(state, call, volumes());
      return call.minor >= 23
        ? { ...space, used_provisioned: state.containers.usedOf(pod) }
        : space;
    },
    time_remaining: timeRemaining(state, pod.destroyedMs),
    ...withContext(state, call),
  };
}

function listedPods(state: FlashArrayState, call: Call): Listed<PodRecord> {
  const { pods } = state.containers;
  return {
    what: "Pod",
    all: () => pods.values(),
    byName: (name) => pods.find(name.toLowerCase()),
    byId: (id) => pods.get(id),
    keyOf: ({ name }) => name,
    destroyed: ({ destroyedMs }) => destroyedMs !== null,
    render: (pod) => renderPod(state, call, pod),
  };
}

function postPods(state: FlashArrayState, call: Call): Answer {
  const names = freeNames(sortOf(state), call);
  const body = new Fields(call.body);
  const quotaBytes = quotaOf(body, null);
  const failoverPreferences = preferencesOf(state, body, undefined);
  for (const name of names) requireContainerName(name, { what: "Pod", name });
  const made = state.context.store.change(() =>
    names.map((name) => {
      const pod = {
        id: crypto.randomUUID(),
        name,
        destroyedMs: null,
        quotaBytes,
        failoverPreferences,
      };
      state.containers.pods.set(pod.id, pod);
      return pod;
    })
  );
  return items(made.map((pod) => renderPod(state, call, pod)));
}

function patchPods(state: FlashArrayState, call: Call): Answer {
  const pods = named(call, listedPods(state, call));
  if (pods === undefined) throw refused("names or ids is required.");
  const body = new Fields(call.body);
  const ignoresUsage = body.boolean("ignore_usage") === true;
  const stretched = pods.find(({ members }) => members !== undefined);
  if (body.boolean("destroyed") === true && stretched !== undefined) {
    throw refused("Stretched pod cannot be destroyed.", stretched.name);
  }
  state.context.store.change(() => {
    for (const pod of pods) {
      const quotaBytes = quotaOf(body, pod.quotaBytes);
      const isSmaller = quotaBytes !== null && quotaBytes !== pod.quotaBytes &&
        quotaBytes < state.containers.usedOf(pod);
      if (isSmaller && !ignoresUsage) {
        throw refused("Pod quota limit is less than the current usage.", pod.name);
      }
      const failoverPreferences = preferencesOf(state, body, pod.failoverPreferences);
      const mediator = body.text("mediator") ?? pod.mediator;
      state.containers.pods.set(pod.id, { ...pod, quotaBytes, mediator, failoverPreferences });
    }
    patchLife(state, sortOf(state), { containers: pods, call, body });
  });
  return items(pods.flatMap(({ id }) => {
    const pod = state.containers.pods.get(id);
    return pod === undefined ? [] : [renderPod(state, call, pod)];
  }));
}

function deletePods(state: FlashArrayState, call: Call): Answer {
  const pods = named(call, listedPods(state, call));
  if (pods === undefined) throw refused("names or ids is required.");
  eradicate(state, sortOf(state), { containers: pods, call });
  return {};
}

/** Serves /pods, one change after the other. */
export function addPodRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const since = { since: 1 };
  routes.on("GET /pods", (call) => state.list(call, listedPods(state, call)), since);
  routes.on("POST /pods", state.changing(POST_MODELLED, postPods), since);
  routes.on("PATCH /pods", state.changing(PATCH_MODELLED, patchPods), since);
  routes.on("DELETE /pods", (call) => state.turns.take(() => deletePods(state, call)), since);
}
