import { Fields } from "../../body.ts";
import type { Answer, ArrayRoutes, Call } from "../../call.ts";
import type { Row } from "../../filter.ts";
import { items } from "../../list.ts";
import { refused } from "../../rest_error.ts";
import type { ProtectionGroupRecord } from "../protection/protection_state.ts";
import { withContext } from "../render.ts";
import type { FlashArrayState } from "../state.ts";
import { partsOf } from "./containers.ts";

/** A container that may add protection to its new volumes: a pod, or the array itself. */
interface Protected {
  /** Empty for the array. */
  name: string;
  row: Row;
}

/** The pods that `names` names, and the array for an empty one; all without it. */
function protectedContainers(state: FlashArrayState, call: Call): Protected[] {
  const all: Protected[] = [
    { name: "", row: { id: null, name: null, type: null } },
    ...[...state.containers.pods.values()].map(({ id, name }) => ({
      name,
      row: { id, name, type: "pod" },
    })),
  ];
  const wanted = call.query.get("names")?.split(",");
  return wanted?.map((text) => {
    const found = all.find(({ name }) => name.toLowerCase() === text.toLowerCase());
    if (found === undefined) throw refused("Pod does not exist.", text);
    return found;
  }) ?? all;
}

/** The groups that every new volume outside of pods joins, unless its create says otherwise. */
export function defaultGroupsFor(state: FlashArrayState, name: string): ProtectionGroupRecord[] {
  if (partsOf(name).pod !== undefined) return [];
  return (state.containers.defaults.get("array")?.groupIds ?? []).flatMap((id) =>
    state.protection.groups.get(id) ?? []
  ).filter(({ destroyedMs }) => destroyedMs === null);
}

function render(state: FlashArrayState, call: Call, { name, row }: Protected): Row {
  const groups = name === "" ? defaultGroupsFor(state, "") : [];
  return {
    ...row,
    default_protections: groups.map(({ id, name }) => ({ id, name, type: "protection_group" })),
    ...withContext(state, call),
  };
}

function getDefaults(state: FlashArrayState, call: Call): Answer {
  const found = protectedContainers(state, call);
  return state.list(call, {
    what: "Pod",
    all: () => found,
    keyOf: ({ name }) => name,
    render: (container) => render(state, call, container),
  });
}

/** Protection groups of pods are not served, so that a pod takes an empty list only. */
function patchDefaults(state: FlashArrayState, call: Call): Answer {
  const containers = protectedContainers(state, call);
  const groupIds = (new Fields(call.body).objects("default_protections") ?? []).map((sent) => {
    const name = sent.text("name") ?? "";
    const group = state.protection.groupNamed(name);
    if (group === undefined) throw refused("Protection group does not exist.", name);
    if (containers.some((container) => container.name !== "")) {
      throw refused("Default protection is not supported by this array.", name);
    }
    return group.id;
  });
  if (containers.some(({ name }) => name === "")) {
    state.context.store.change(() =>
      state.containers.defaults.set("array", { container: "array", groupIds })
    );
  }
  return items(containers.map((one) => render(state, call, one)));
}

/** Serves /container-default-protections, one change after the other. */
export function addDefaultProtectionRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const path = "/container-default-protections" as const;
  const modelled = { fields: ["default_protections"], query: ["names"] };
  routes.on(`GET ${path}`, (call) => getDefaults(state, call), { since: 16 });
  routes.on(`PATCH ${path}`, state.changing(modelled, patchDefaults), { since: 16 });
}
