import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import { nameOfExport } from "./export_table.ts";
import { listOf } from "./file_systems.ts";
import { renderPolicy, renderRule } from "./render.ts";
import type { FlashBladeState, PolicyRecord, PolicyRule } from "./state.ts";
import { items, type Listed, named } from "../list.ts";
import { parseRules } from "../nfs_rules.ts";
import { refused, RestError } from "../rest_error.ts";

/** First version that has NFS export policies. */
const SINCE = { since: 3 };
const NAME = /^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;
const ACCESS = ["root-squash", "all-squash", "no-squash"];
const PERMISSIONS = ["rw", "ro"];
const SECURITY = ["sys", "krb5", "krb5i", "krb5p"];
const TRANSPORT = ["none", "tls", "mutual-tls"];

interface PlacedRule {
  policy: PolicyRecord;
  rule: PolicyRule;
}

function listedPolicies(state: FlashBladeState, call: Call): Listed<PolicyRecord> {
  return {
    what: "NFS export policy",
    all: () => state.policies.values(),
    byName: (name) => state.policyNamed(name),
    byId: (id) => state.policies.get(id),
    keyOf: ({ name }) => name,
    render: (policy) => renderPolicy(state, call, policy),
  };
}

function* allRules(state: FlashBladeState): Generator<PlacedRule> {
  for (const policy of state.policies.values()) {
    for (const rule of policy.rules) yield { policy, rule };
  }
}

function listedRules(state: FlashBladeState, call: Call): Listed<PlacedRule> {
  const find = (matches: (placed: PlacedRule) => boolean) => [...allRules(state)].find(matches);
  const policies = csv(call.query, "policy_names")?.map((name) => name.toLowerCase());
  const ids = csv(call.query, "policy_ids");
  return {
    what: "NFS export policy rule",
    all: () =>
      [...allRules(state)].filter(({ policy }) =>
        (policies === undefined || policies.includes(policy.name.toLowerCase())) &&
        (ids === undefined || ids.includes(policy.id))
      ),
    byName: (name) =>
      find(({ policy, rule }) =>
        `${policy.name}.${rule.number}`.toLowerCase() === name.toLowerCase()
      ),
    byId: (id) => find(({ rule }) => rule.id === id),
    // Places inside a policy: the order of evaluation is the order of the list.
    keyOf: ({ policy, rule }) =>
      `${policy.name}.${String(policy.rules.indexOf(rule)).padStart(6, "0")}`,
    render: ({ policy, rule }) => renderRule(state, call, { policy, rule, listed: true }),
  };
}

/** RestError 412 when `versions` in the call names another version than the policies have. */
function requireVersions(call: Call, policies: PolicyRecord[]): void {
  const versions = csv(call.query, "versions");
  if (versions === undefined) return;
  const stale = policies.find((policy, at) => policy.version !== (versions[at] ?? versions.at(-1)));
  if (stale !== undefined) {
    throw new RestError(412, "Precondition failed: the policy has another version.", stale.name);
  }
}

function oneOf(body: Fields, field: string, allowed: string[]): string | undefined {
  const value = body.text(field);
  if (value !== undefined && !allowed.includes(value)) {
    throw refused(`Invalid value for ${field}: expected ${allowed.join(", ")}.`, value);
  }
  return value;
}

/** Ids are text before 2.22 and numbers from then on; both are taken. */
function anonymousId(body: Fields, field: string, old: string | null): string | null {
  if (!body.has(field)) return old;
  try {
    return body.text(field) ?? null;
  } catch {
    return String(body.integer(field) ?? "");
  }
}

function changedRule(body: Fields, old: PolicyRule): PolicyRule {
  const client = body.text("client") ?? old.client;
  if (parseRules(client).length !== 1) throw refused("A rule has exactly one client.", client);
  const security = body.texts("security") ?? old.security;
  const unknown = security.find((one) => !SECURITY.includes(one));
  if (unknown !== undefined) {
    throw refused(`Invalid value for security: expected ${SECURITY.join(", ")}.`, unknown);
  }
  return {
    ...old,
    client,
    access: oneOf(body, "access", ACCESS) ?? old.access,
    permission: oneOf(body, "permission", PERMISSIONS) ?? old.permission,
    anonuid: anonymousId(body, "anonuid", old.anonuid),
    anongid: anonymousId(body, "anongid", old.anongid),
    atime: body.boolean("atime") ?? old.atime,
    fileid32bit: body.boolean("fileid_32bit") ?? old.fileid32bit,
    secure: body.boolean("secure") ?? old.secure,
    security,
    transportSecurity: oneOf(body, "required_transport_security", TRANSPORT) ??
      old.transportSecurity,
  };
}

/** Defaults of a rule: read-only for everybody, root squashed. */
function newRule(body: Fields, number: number): PolicyRule {
  return changedRule(body, {
    id: crypto.randomUUID(),
    number,
    client: "*",
    access: "root-squash",
    permission: "ro",
    anonuid: null,
    anongid: null,
    atime: true,
    fileid32bit: false,
    secure: false,
    security: ["sys"],
    transportSecurity: "none",
  });
}

/** IP addresses are looked at before names and networks, and those before `*`. */
function ordered(rules: PolicyRule[]): PolicyRule[] {
  const group = ({ client }: PolicyRule) =>
    client === "*" ? 2 : /^[0-9a-fA-F.:]+$/.test(client) ? 0 : 1;
  return rules.toSorted((a, b) => group(a) - group(b));
}

/**
 * Stores changed policies under fresh versions and shows the exports of the file systems that use
 * them.
 */
async function keep(state: FlashBladeState, policies: PolicyRecord[]): Promise<PolicyRecord[]> {
  const kept = policies.map((policy) => ({
    ...policy,
    rules: ordered(policy.rules),
    version: crypto.randomUUID(),
  }));
  state.context.store.change(() => kept.forEach((policy) => state.policies.set(policy.id, policy)));
  const ids = new Set(kept.map(({ id }) => id));
  await state.showExports(
    [...state.fileSystems.values()].filter(({ policyId }) =>
      policyId !== null && ids.has(policyId)
    ),
  );
  return kept;
}

function wanted<T>(call: Call, listed: Listed<T>): T[] {
  const found = named(call, listed);
  if (found === undefined) throw refused("names or ids is required.");
  return found;
}

async function postPolicies(state: FlashBladeState, call: Call): Promise<Answer> {
  const body = new Fields(call.body);
  const made = (csv(call.query, "names") ?? []).map((name): PolicyRecord => {
    if (!NAME.test(name)) throw refused("Invalid NFS export policy name.", name);
    if (state.policyNamed(name) !== undefined) {
      throw refused("NFS export policy already exists.", name);
    }
    const rules = (body.objects("rules") ?? []).map((rule, at) => newRule(rule, at + 1));
    return {
      id: crypto.randomUUID(),
      name,
      enabled: body.boolean("enabled") ?? true,
      rules,
      nextRule: rules.length + 1,
      version: "",
    };
  });
  if (made.length === 0) throw refused("names is required.");
  return items((await keep(state, made)).map((policy) => renderPolicy(state, call, policy)));
}

async function patchPolicies(state: FlashBladeState, call: Call): Promise<Answer> {
  const body = new Fields(call.body);
  const olds = wanted(call, listedPolicies(state, call));
  requireVersions(call, olds);
  const name = body.text("name");
  if (name !== undefined && (!NAME.test(name) || olds.length > 1)) {
    throw refused("Invalid NFS export policy name.", name);
  }
  const changed = olds.map((old): PolicyRecord => {
    const holder = name === undefined ? undefined : state.policyNamed(name);
    if (holder !== undefined && holder.id !== old.id) {
      throw refused("NFS export policy already exists.", name);
    }
    const rules = body.objects("rules")?.map((rule, at) => newRule(rule, old.nextRule + at));
    return {
      ...old,
      name: name ?? old.name,
      enabled: body.boolean("enabled") ?? old.enabled,
      rules: rules ?? old.rules,
      nextRule: old.nextRule + (rules?.length ?? 0),
    };
  });
  return items((await keep(state, changed)).map((policy) => renderPolicy(state, call, policy)));
}

function deletePolicies(state: FlashBladeState, call: Call): Answer {
  const found = wanted(call, listedPolicies(state, call));
  requireVersions(call, found);
  for (const { id, name } of found) {
    const user = [...state.fileSystems.values()].find(({ policyId }) => policyId === id);
    if (user !== undefined) {
      throw refused(`NFS export policy is in use by file system ${user.name}.`, name);
    }
    const shown = [...state.exports.values()].find(({ policyId }) => policyId === id);
    if (shown !== undefined) {
      const used = nameOfExport(state, shown);
      throw refused(`NFS export policy is in use by file system export ${used}.`, name);
    }
  }
  state.context.store.change(() => found.forEach(({ id }) => state.policies.delete(id)));
  return {};
}

function withRule(call: Call, policy: PolicyRecord, rule: PolicyRule): PolicyRule[] {
  const [name, id] = [call.query.get("before_rule_name"), call.query.get("before_rule_id")];
  const others = policy.rules.filter((one) => one.id !== rule.id);
  if (!name && !id) return policy.rules.includes(rule) ? policy.rules : [...others, rule];
  const at = others.findIndex((one) => one.id === id || `${policy.name}.${one.number}` === name);
  if (at < 0) throw refused("NFS export policy rule does not exist.", name ?? id);
  return others.toSpliced(at, 0, rule);
}

async function postRules(state: FlashBladeState, call: Call): Promise<Answer> {
  const names = csv(call.query, "policy_names");
  const policies = (names ?? csv(call.query, "policy_ids") ?? []).map((text) => {
    const policy = names === undefined ? state.policies.get(text) : state.policyNamed(text);
    if (policy === undefined) throw refused("NFS export policy does not exist.", text);
    return policy;
  });
  if (policies.length === 0) throw refused("policy_names or policy_ids is required.");
  requireVersions(call, policies);
  const added = policies.map((policy) => ({
    policy,
    rule: newRule(new Fields(call.body), policy.nextRule),
  }));
  const kept = await keep(
    state,
    added.map(({ policy, rule }) => ({
      ...policy,
      rules: withRule(call, policy, rule),
      nextRule: policy.nextRule + 1,
    })),
  );
  return items(kept.flatMap((policy, at) => {
    const rule = added[at]?.rule;
    return rule === undefined ? [] : [renderRule(state, call, { policy, rule, listed: true })];
  }));
}

/** Rules by policy, so that each policy changes once. */
function rulesByPolicy(state: FlashBladeState, call: Call): Map<PolicyRecord, PolicyRule[]> {
  const byPolicy = new Map<PolicyRecord, PolicyRule[]>();
  for (const { policy, rule } of wanted(call, listedRules(state, call))) {
    byPolicy.set(policy, [...byPolicy.get(policy) ?? [], rule]);
  }
  requireVersions(call, [...byPolicy.keys()]);
  return byPolicy;
}

async function patchRules(state: FlashBladeState, call: Call): Promise<Answer> {
  const body = new Fields(call.body);
  const byPolicy = rulesByPolicy(state, call);
  const changed = [...byPolicy].map(([policy, rules]) => {
    let next = policy;
    for (const old of rules) {
      const rule = changedRule(body, old);
      next = { ...next, rules: next.rules.map((one) => one.id === rule.id ? rule : one) };
      next = { ...next, rules: withRule(call, next, rule) };
    }
    return next;
  });
  const ids = new Set([...byPolicy.values()].flat().map(({ id }) => id));
  const kept = await keep(state, changed);
  return items(
    kept.flatMap((policy) =>
      policy.rules.filter(({ id }) => ids.has(id)).map((rule) =>
        renderRule(state, call, { policy, rule, listed: true })
      )
    ),
  );
}

async function deleteRules(state: FlashBladeState, call: Call): Promise<Answer> {
  const byPolicy = rulesByPolicy(state, call);
  await keep(
    state,
    [...byPolicy].map(([policy, gone]) => ({
      ...policy,
      rules: policy.rules.filter((rule) => !gone.includes(rule)),
    })),
  );
  return {};
}

/** Serves /nfs-export-policies and /nfs-export-policies/rules, one change after the other. */
export function addExportPolicyRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  routes.on(
    "GET /nfs-export-policies",
    (call) => listOf(state, call, listedPolicies(state, call)),
    SINCE,
  );
  routes.on(
    "POST /nfs-export-policies",
    (call) => state.turns.take(() => postPolicies(state, call)),
    SINCE,
  );
  routes.on(
    "PATCH /nfs-export-policies",
    (call) => state.turns.take(() => patchPolicies(state, call)),
    SINCE,
  );
  routes.on(
    "DELETE /nfs-export-policies",
    (call) => state.turns.take(() => deletePolicies(state, call)),
    SINCE,
  );
  routes.on(
    "GET /nfs-export-policies/rules",
    (call) => listOf(state, call, listedRules(state, call)),
    SINCE,
  );
  routes.on(
    "POST /nfs-export-policies/rules",
    (call) => state.turns.take(() => postRules(state, call)),
    SINCE,
  );
  routes.on(
    "PATCH /nfs-export-policies/rules",
    (call) => state.turns.take(() => patchRules(state, call)),
    SINCE,
  );
  routes.on(
    "DELETE /nfs-export-policies/rules",
    (call) => state.turns.take(() => deleteRules(state, call)),
    SINCE,
  );
}
