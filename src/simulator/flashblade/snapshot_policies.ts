import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import type { Row } from "../filter.ts";
import { items, type Listed, named } from "../list.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";
import { listOf } from "./file_systems.ts";
import { arrayReference, NO_REFERENCE, withContext } from "./render.ts";
import type { SnapshotPolicyRecord, SnapshotPolicyRule } from "./records.ts";
import type { FileSystemRecord, FlashBladeState } from "./state.ts";

const NAME = /^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;
/** Of `every` and `keep_for`: 5 minutes to 400 days, which the vendor's ansible collection checks. */
const LEAST_MS = 300_000;
const MOST_MS = 34_560_000_000;
const DAY_MS = 86_400_000;
const MOST_RULES = 100;
const FIELDS = ["enabled", "rules", "retention_lock"];
const POST_MODELLED: Modelled = {
  fields: FIELDS,
  fixed: { policy_type: "snapshot", is_local: true },
  query: ["names"],
};
const PATCH_MODELLED: Modelled = {
  fields: [...FIELDS, "add_rules", "remove_rules", "name"],
  fixed: { policy_type: "snapshot", is_local: true },
  query: ["names", "ids", "destroy_snapshots"],
};
const MEMBERS_MODELLED: Modelled = {
  fields: [],
  query: ["policy_names", "policy_ids", "member_names", "member_ids"],
};

function listedPolicies(state: FlashBladeState, call: Call): Listed<SnapshotPolicyRecord> {
  return {
    what: "Policy",
    all: () => state.snapshotPolicies.values(),
    byName: (name) => state.snapshotPolicyNamed(name),
    byId: (id) => state.snapshotPolicies.get(id),
    keyOf: ({ name }) => name,
    render: (policy) => renderPolicy(state, call, policy),
  };
}

function renderPolicy(state: FlashBladeState, call: Call, policy: SnapshotPolicyRecord): Row {
  return {
    id: policy.id,
    name: policy.name,
    enabled: policy.enabled,
    is_local: true,
    location: arrayReference(state),
    policy_type: "snapshot",
    rules: policy.rules.map(({ at, every, keepFor, timeZone }) => ({
      at,
      every,
      keep_for: keepFor,
      time_zone: timeZone,
    })),
    ...(call.minor >= 10 ? { retention_lock: policy.retentionLock } : {}),
    ...(call.minor >= 19 ? { realms: [] } : {}),
    ...(call.minor >= 23 ? { workload: { ...NO_REFERENCE, configuration: null } } : {}),
    ...withContext(state, call),
  };
}

function ruleOf(fields: Fields): SnapshotPolicyRule {
  const [every, keepFor] = [fields.integer("every"), fields.integer("keep_for")];
  for (const [field, value] of [["every", every], ["keep_for", keepFor]] as const) {
    if (value === undefined || value < LEAST_MS || value > MOST_MS) {
      throw refused(`Invalid value for ${field}: expected ${LEAST_MS} to ${MOST_MS}.`, field);
    }
  }
  const at = fields.integer("at") ?? null;
  if (at !== null && (at < 0 || at >= DAY_MS || (every ?? 0) % DAY_MS !== 0)) {
    throw refused("at needs a time of the day, and every in whole days.", String(at));
  }
  if ((keepFor ?? 0) < (every ?? 0)) {
    throw refused("keep_for must not be less than every.", String(keepFor));
  }
  // Without a time of the day there is no zone, either.
  const timeZone = at === null ? null : fields.text("time_zone") ?? "UTC";
  return { at, every: every ?? 0, keepFor: keepFor ?? 0, timeZone };
}

function rulesOf(body: Fields, field: string): SnapshotPolicyRule[] | undefined {
  return body.objects(field)?.map(ruleOf);
}

function isSame(one: SnapshotPolicyRule, other: SnapshotPolicyRule): boolean {
  return one.at === other.at && one.every === other.every && one.keepFor === other.keepFor &&
    one.timeZone === other.timeZone;
}

function requireName(state: FlashBladeState, name: string): void {
  if (!NAME.test(name)) throw refused("Invalid policy name.", name);
  if (state.snapshotPolicyNamed(name) !== undefined || state.policyNamed(name) !== undefined) {
    throw refused("Policy already exists.", name);
  }
}

function post(state: FlashBladeState, call: Call): Answer {
  requireModelled(call, POST_MODELLED, state.context.name);
  const names = csv(call.query, "names");
  if (names === undefined) throw refused("names is required.");
  const body = new Fields(call.body);
  const made = names.map((name): SnapshotPolicyRecord => {
    requireName(state, name);
    return {
      id: crypto.randomUUID(),
      name,
      enabled: body.boolean("enabled") ?? true,
      rules: rulesOf(body, "rules") ?? [],
      retentionLock: body.text("retention_lock") ?? "unlocked",
      fileSystemIds: [],
    };
  });
  return kept(state, call, made);
}

function kept(state: FlashBladeState, call: Call, policies: SnapshotPolicyRecord[]): Answer {
  state.context.store.change(() =>
    policies.forEach((policy) => state.snapshotPolicies.set(policy.id, policy))
  );
  return items(policies.map((policy) => renderPolicy(state, call, policy)));
}

function changed(
  state: FlashBladeState,
  body: Fields,
  old: SnapshotPolicyRecord,
): SnapshotPolicyRecord {
  const removed = rulesOf(body, "remove_rules") ?? [];
  const unknown = removed.some((rule) => !old.rules.some((one) => isSame(one, rule)));
  if (unknown) throw refused("Policy rule does not exist.", old.name);
  const rules = [
    ...(rulesOf(body, "rules") ?? old.rules).filter((rule) =>
      !removed.some((one) => isSame(one, rule))
    ),
    ...rulesOf(body, "add_rules") ?? [],
  ];
  if (rules.length > MOST_RULES) throw refused("Maximum number of rules: limit reached.", old.name);
  const name = body.text("name") ?? old.name;
  if (name.toLowerCase() !== old.name.toLowerCase()) requireName(state, name);
  return {
    ...old,
    name,
    rules,
    enabled: body.boolean("enabled") ?? old.enabled,
    retentionLock: body.text("retention_lock") ?? old.retentionLock,
  };
}

function wanted(state: FlashBladeState, call: Call): SnapshotPolicyRecord[] {
  const found = named(call, listedPolicies(state, call));
  if (found === undefined) throw refused("names or ids is required.");
  return found;
}

function patch(state: FlashBladeState, call: Call): Answer {
  requireModelled(call, PATCH_MODELLED, state.context.name);
  const [body, olds] = [new Fields(call.body), wanted(state, call)];
  if (body.has("name") && olds.length > 1) {
    throw refused("Only one policy can be renamed at a time.");
  }
  return kept(state, call, olds.map((old) => changed(state, body, old)));
}

function remove(state: FlashBladeState, call: Call): Answer {
  const found = wanted(state, call);
  state.context.store.change(() => found.forEach(({ id }) => state.snapshotPolicies.delete(id)));
  return {};
}

interface Member {
  policy: SnapshotPolicyRecord;
  fileSystem: FileSystemRecord;
}

/** The policies and file systems that a call about members names; `undefined`: it names none. */
function sides(state: FlashBladeState, call: Call) {
  const read = <T>(
    side: string,
    { byName, byId, what }: Pick<Listed<T>, "byName" | "byId" | "what">,
  ): T[] | undefined => {
    const names = csv(call.query, `${side}_names`);
    return (names ?? csv(call.query, `${side}_ids`))?.map((text) => {
      const found = names === undefined ? byId?.(text) : byName?.(text);
      if (found === undefined) throw refused(`${what} does not exist.`, text);
      return found;
    });
  };
  return {
    policies: read("policy", listedPolicies(state, call)),
    fileSystems: read<FileSystemRecord>("member", {
      what: "File system",
      byName: (name) => state.fileSystemNamed(name),
      byId: (id) => state.fileSystems.get(id),
    }),
  };
}

function renderMember(state: FlashBladeState, call: Call, { policy, fileSystem }: Member): Row {
  return {
    member: { id: fileSystem.id, name: fileSystem.name, resource_type: "file-systems" },
    policy: { id: policy.id, name: policy.name, resource_type: "policies" },
    ...withContext(state, call),
  };
}

function listMembers(state: FlashBladeState, call: Call): Answer {
  const { policies = [...state.snapshotPolicies.values()], fileSystems } = sides(state, call);
  return listOf(state, call, {
    what: "Policy member",
    all: () =>
      policies.flatMap((policy) =>
        policy.fileSystemIds.flatMap((id): Member[] => {
          const fileSystem = state.fileSystems.get(id);
          const isWanted = fileSystems === undefined ||
            fileSystems.some((one) => one.id === id);
          return fileSystem === undefined || !isWanted ? [] : [{ policy, fileSystem }];
        })
      ),
    keyOf: ({ policy, fileSystem }) => `${policy.name}/${fileSystem.name}`,
    render: (member) => renderMember(state, call, member),
  });
}

/** The pairs of a change: each policy with each file system. */
function pairs(state: FlashBladeState, call: Call): Member[] {
  requireModelled(call, MEMBERS_MODELLED, state.context.name);
  const { policies, fileSystems } = sides(state, call);
  if (policies === undefined || fileSystems === undefined) {
    throw refused("A policy and a member are required.");
  }
  return policies.flatMap((policy) => fileSystems.map((fileSystem) => ({ policy, fileSystem })));
}

function changeMembers(state: FlashBladeState, members: Member[], isAdded: boolean): void {
  state.context.store.change(() => {
    for (const { policy: { id }, fileSystem } of members) {
      const policy = state.snapshotPolicies.get(id);
      if (policy === undefined) continue;
      const others = policy.fileSystemIds.filter((one) => one !== fileSystem.id);
      const fileSystemIds = isAdded ? [...others, fileSystem.id] : others;
      state.snapshotPolicies.set(id, { ...policy, fileSystemIds });
    }
  });
}

function addMembers(state: FlashBladeState, call: Call): Answer {
  const members = pairs(state, call);
  const there = members.find(({ policy, fileSystem }) =>
    policy.fileSystemIds.includes(fileSystem.id)
  );
  if (there !== undefined) {
    throw refused("File system already has the policy.", there.fileSystem.name);
  }
  changeMembers(state, members, true);
  return items(members.map((member) => renderMember(state, call, member)));
}

function removeMembers(state: FlashBladeState, call: Call): Answer {
  const members = pairs(state, call);
  const stranger = members.find(({ policy, fileSystem }) =>
    !policy.fileSystemIds.includes(fileSystem.id)
  );
  if (stranger !== undefined) {
    throw refused("Policy member does not exist.", stranger.fileSystem.name);
  }
  changeMembers(state, members, false);
  return {};
}

/** Serves /policies (snapshot policies; nobody takes snapshots by them) and their file systems. */
export function addSnapshotPolicyRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  const turn = (work: (state: FlashBladeState, call: Call) => Answer) => (call: Call) =>
    state.turns.take(() => work(state, call));
  routes.on("GET /policies", (call) => listOf(state, call, listedPolicies(state, call)));
  routes.on("POST /policies", turn(post));
  routes.on("PATCH /policies", turn(patch));
  routes.on("DELETE /policies", turn(remove));
  for (const path of ["/policies/file-systems", "/file-systems/policies"] as const) {
    routes.on(`GET ${path}`, (call) => listMembers(state, call));
    routes.on(`POST ${path}`, turn(addMembers));
    routes.on(`DELETE ${path}`, turn(removeMembers));
  }
}
