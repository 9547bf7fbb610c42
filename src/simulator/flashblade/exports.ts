import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import type { Row } from "../filter.ts";
import { items, type Listed, named } from "../list.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";
import {
  allExports,
  arrayServer,
  nameOfExport,
  requireFreeExport,
  serverById,
} from "./export_table.ts";
import { listOf } from "./file_systems.ts";
import type { ExportRecord } from "./records.ts";
import { NO_REFERENCE, withContext } from "./render.ts";
import { namedServer, serverReference } from "./servers.ts";
import type { FileSystemRecord, FlashBladeState, PolicyRecord } from "./state.ts";

/** First version that has exports as objects. */
const SINCE = { since: 16 };
const EXPORT_NAME = /^[^\s,]{1,255}$/;
const POST_MODELLED: Modelled = {
  fields: ["export_name", "server"],
  query: ["member_names", "member_ids", "policy_names", "policy_ids"],
};
const PATCH_MODELLED: Modelled = {
  fields: ["export_name", "policy", "server"],
  query: ["names", "ids"],
};

/** The objects that an export joins. */
function partsOf(state: FlashBladeState, { fileSystemId, policyId }: ExportRecord) {
  const [member, policy] = [state.fileSystems.get(fileSystemId), state.policies.get(policyId)];
  if (member === undefined || policy === undefined) {
    throw new Error(`file system ${fileSystemId} or policy ${policyId} of an export is not there`);
  }
  return { member, policy };
}

function statusOf(member: FileSystemRecord, policy: PolicyRecord): string | null {
  if (!policy.enabled) return "policy_disabled";
  return member.v3 || member.v41 ? null : "protocol_disabled";
}

function render(state: FlashBladeState, call: Call, one: ExportRecord): Row {
  const { member, policy } = partsOf(state, one);
  const status = statusOf(member, policy);
  const server = serverById(state, one.serverId);
  return {
    id: one.id,
    name: nameOfExport(state, one),
    enabled: status === null,
    export_name: one.exportName,
    member: { id: member.id, name: member.name, resource_type: "file-systems" },
    policy: { id: policy.id, name: policy.name, resource_type: "nfs-export-policies" },
    policy_type: "NFS",
    server: server === undefined ? NO_REFERENCE : serverReference(server),
    share_policy: NO_REFERENCE,
    status,
    ...(call.minor >= 23 ? { workload: { ...NO_REFERENCE, configuration: null } } : {}),
    ...withContext(state, call),
  };
}

function listedExports(state: FlashBladeState, call: Call): Listed<ExportRecord> {
  return {
    what: "File system export",
    all: () => allExports(state),
    byName: (name) => allExports(state).find((one) => nameOfExport(state, one) === name),
    byId: (id) => allExports(state).find((one) => one.id === id),
    keyOf: (one) => nameOfExport(state, one),
    render: (one) => render(state, call, one),
  };
}

/** How a parameter of a call names objects of one sort. */
interface Referring<T> {
  parameter: "member" | "policy";
  missing: string;
  named: (name: string) => T | undefined;
  withId: (id: string) => T | undefined;
}

/** What the names or ids of a parameter mean; RestError 400 for the first that is not there. */
function referred<T>(call: Call, by: Referring<T>): T[] {
  const names = csv(call.query, `${by.parameter}_names`);
  const texts = names ?? csv(call.query, `${by.parameter}_ids`);
  if (texts === undefined) {
    throw refused(`${by.parameter}_names or ${by.parameter}_ids is required.`);
  }
  return texts.map((text) => {
    const found = names === undefined ? by.withId(text) : by.named(text);
    if (found === undefined) throw refused(by.missing, text);
    return found;
  });
}

function membersOf(state: FlashBladeState, call: Call): FileSystemRecord[] {
  const members = referred(call, {
    parameter: "member",
    missing: "File system does not exist.",
    named: (name) => state.fileSystemNamed(name),
    withId: (id) => state.fileSystems.get(id),
  });
  const destroyed = members.find(({ destroyedMs }) => destroyedMs !== null);
  if (destroyed !== undefined) throw refused("File system has been destroyed.", destroyed.name);
  return members;
}

function policiesOf(state: FlashBladeState, call: Call): PolicyRecord[] {
  return referred(call, {
    parameter: "policy",
    missing: "Policy does not exist.",
    named: (name) => state.policyNamed(name),
    withId: (id) => state.policies.get(id),
  });
}

function nameIn(body: Fields): string | undefined {
  const name = body.text("export_name");
  if (name !== undefined && !EXPORT_NAME.test(name)) {
    throw refused("Invalid file system export name.", name);
  }
  return name;
}

/** Inside change(): the export in its place, which is the file system itself for its own name. */
function put(state: FlashBladeState, one: ExportRecord): void {
  const { member, policy } = partsOf(state, one);
  if (one.serverId !== arrayServer(state).id || one.exportName !== member.name) {
    state.exports.set(one.id, one);
    return;
  }
  const access = { policyId: policy.id, exportId: one.id, rules: null };
  state.fileSystems.set(member.id, { ...member, ...access });
}

/** Inside change(). */
function takeAway(state: FlashBladeState, one: ExportRecord): void {
  if (state.exports.get(one.id) !== undefined) return state.exports.delete(one.id);
  const { member } = partsOf(state, one);
  const access = { policyId: null, exportId: undefined, rules: "" };
  state.fileSystems.set(member.id, { ...member, ...access });
}

/** What a call makes of exports. */
interface ExportChange {
  gone?: ExportRecord[];
  kept?: ExportRecord[];
}

/** Stores exports in the place of others, and shows clients what became of their file systems. */
async function keep(
  state: FlashBladeState,
  { gone = [], kept = [] }: ExportChange,
): Promise<void> {
  // All or none, and none beside another one that comes with it.
  state.context.store.change(() => {
    for (const one of gone) takeAway(state, one);
    for (const one of kept) {
      requireFreeExport(state, one);
      put(state, one);
    }
  });
  const ids = new Set([...kept, ...gone].map(({ fileSystemId }) => fileSystemId));
  await state.showExports([...state.fileSystems.values()].filter(({ id }) => ids.has(id)));
}

async function post(state: FlashBladeState, call: Call): Promise<Answer> {
  requireModelled(call, POST_MODELLED, state.context.name);
  const body = new Fields(call.body);
  const policies = policiesOf(state, call);
  const server = namedServer(state, body.object("server")) ?? arrayServer(state);
  const made = membersOf(state, call).flatMap((member) =>
    policies.map((policy): ExportRecord => ({
      ...{ id: crypto.randomUUID(), fileSystemId: member.id, policyId: policy.id },
      ...{ serverId: server.id, exportName: nameIn(body) ?? member.name },
    }))
  );
  await keep(state, { kept: made });
  return items(made.map((one) => render(state, call, one)));
}

function wanted(state: FlashBladeState, call: Call): ExportRecord[] {
  const found = named(call, listedExports(state, call));
  if (found === undefined) throw refused("names or ids is required.");
  return found;
}

function policyIn(state: FlashBladeState, body: Fields): PolicyRecord | undefined {
  const sent = body.object("policy");
  const [name, id] = [sent?.text("name"), sent?.text("id")];
  if (name === undefined && id === undefined) return undefined;
  const found = name === undefined ? state.policies.get(id ?? "") : state.policyNamed(name);
  if (found === undefined) throw refused("Policy does not exist.", name ?? id ?? null);
  return found;
}

async function patch(state: FlashBladeState, call: Call): Promise<Answer> {
  requireModelled(call, PATCH_MODELLED, state.context.name);
  const body = new Fields(call.body);
  const [policy, server] = [policyIn(state, body), namedServer(state, body.object("server"))];
  const olds = wanted(state, call);
  const records = olds.map((old) => ({
    ...old,
    policyId: policy?.id ?? old.policyId,
    serverId: server?.id ?? old.serverId,
    exportName: nameIn(body) ?? old.exportName,
  }));
  await keep(state, { gone: olds, kept: records });
  return items(records.map((one) => render(state, call, one)));
}

async function remove(state: FlashBladeState, call: Call): Promise<Answer> {
  await keep(state, { gone: wanted(state, call) });
  return {};
}

/**
 * Serves /file-system-exports: an export under the file system's own name on the array's server is
 * `nfs.export_policy`, and lets its clients in; others are stored and shown.
 */
export function addExportRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  const path = "/file-system-exports";
  const turn = (work: () => Promise<Answer>) => state.turns.take(work);
  routes.on(`GET ${path}`, (call) => listOf(state, call, listedExports(state, call)), SINCE);
  routes.on(`POST ${path}`, (call) => turn(() => post(state, call)), SINCE);
  routes.on(`PATCH ${path}`, (call) => turn(() => patch(state, call)), SINCE);
  routes.on(`DELETE ${path}`, (call) => turn(() => remove(state, call)), SINCE);
}
