import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import type { Row } from "../filter.ts";
import { items } from "../list.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";
import { listOf } from "./file_systems.ts";
import { withContext } from "./render.ts";
import type { FileSystemRecord, FlashBladeState, QuotaRecord } from "./state.ts";

/** Whose quota it is, and how a call and an answer say so. */
const SORTS = {
  users: { field: "user", ids: "uids", names: "user_names" },
  groups: { field: "group", ids: "gids", names: "group_names" },
} as const;
type Sort = keyof typeof SORTS;

function modelled(sort: Sort): Modelled {
  const { ids, names } = SORTS[sort];
  return {
    fields: ["quota"],
    query: ["file_system_names", "file_system_ids", "names", ids, names],
  };
}

function nameOf(state: FlashBladeState, { fileSystemId, owner }: QuotaRecord): string {
  return `${state.fileSystems.get(fileSystemId)?.name}/${owner}`;
}

function render(state: FlashBladeState, call: Call, quota: QuotaRecord): Row {
  const fileSystem = state.fileSystems.get(quota.fileSystemId);
  const isUser = quota.sort === "users";
  const owner = typeof quota.owner === "number"
    ? { id: quota.owner, name: null }
    : { id: null, name: quota.owner };
  return {
    name: nameOf(state, quota),
    file_system: {
      id: quota.fileSystemId,
      name: fileSystem?.name ?? null,
      resource_type: "file-systems",
    },
    file_system_default_quota:
      (isUser ? fileSystem?.defaultUserQuota : fileSystem?.defaultGroupQuota) || null,
    quota: quota.bytes,
    usage: 0,
    [SORTS[quota.sort].field]: owner,
    ...withContext(state, call),
  };
}

/** The file systems that the call names; `undefined`: it names none. */
function fileSystemsOf(state: FlashBladeState, call: Call): FileSystemRecord[] | undefined {
  const names = csv(call.query, "file_system_names");
  return (names ?? csv(call.query, "file_system_ids"))?.map((text) => {
    const found = names === undefined ? state.fileSystems.get(text) : state.fileSystemNamed(text);
    if (found === undefined) throw refused("File system does not exist.", text);
    return found;
  });
}

function ownersOf({ query }: Call, sort: Sort): (number | string)[] | undefined {
  const { ids, names } = SORTS[sort];
  const numbers = csv(query, ids)?.map((text) => {
    if (!/^\d{1,10}$/.test(text)) {
      throw refused(`Invalid value for ${ids}: expected numbers.`, text);
    }
    return Number(text);
  });
  return numbers ?? csv(query, names);
}

/** The quotas that the call means, of file systems that are still there. */
function selected(state: FlashBladeState, call: Call, sort: Sort): QuotaRecord[] {
  const [fileSystems, owners] = [fileSystemsOf(state, call), ownersOf(call, sort)];
  const names = csv(call.query, "names");
  return [...state.quotas.values()].filter((quota) =>
    quota.sort === sort && state.fileSystems.get(quota.fileSystemId) !== undefined &&
    (fileSystems?.some(({ id }) => id === quota.fileSystemId) ?? true) &&
    (owners?.includes(quota.owner) ?? true) && (names?.includes(nameOf(state, quota)) ?? true)
  );
}

function bytesOf(call: Call): number {
  const bytes = new Fields(call.body).integer("quota");
  if (bytes === undefined || bytes <= 0) throw refused("quota must be a number above 0.", "quota");
  return bytes;
}

function keep(state: FlashBladeState, call: Call, quotas: QuotaRecord[]): Answer {
  state.context.store.change(() => quotas.forEach((quota) => state.quotas.set(quota.id, quota)));
  return items(quotas.map((quota) => render(state, call, quota)));
}

function post(state: FlashBladeState, call: Call, sort: Sort): Answer {
  requireModelled(call, modelled(sort), state.context.name);
  const [fileSystems, owners] = [fileSystemsOf(state, call), ownersOf(call, sort)];
  if (fileSystems === undefined || owners === undefined) {
    throw refused(`A file system and one of ${SORTS[sort].ids} are required.`);
  }
  const bytes = bytesOf(call);
  const [there] = selected(state, call, sort);
  if (there !== undefined) throw refused("Quota already exists.", nameOf(state, there));
  const made = fileSystems.flatMap(({ id }) =>
    owners.map((owner) => ({ id: crypto.randomUUID(), sort, fileSystemId: id, owner, bytes }))
  );
  return keep(state, call, made);
}

function wanted(state: FlashBladeState, call: Call, sort: Sort): QuotaRecord[] {
  requireModelled(call, modelled(sort), state.context.name);
  const found = selected(state, call, sort);
  if (found.length === 0) throw refused("Quota does not exist.");
  return found;
}

/** Serves /quotas/users and /quotas/groups: stored and shown, enforced on nobody. */
export function addQuotaRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  for (const sort of ["users", "groups"] as const) {
    const turn = (work: (call: Call) => Answer) => (call: Call) =>
      state.turns.take(() => work(call));
    routes.on(`GET /quotas/${sort}`, (call) =>
      listOf(state, call, {
        what: "Quota",
        all: () => selected(state, call, sort),
        keyOf: (quota) => nameOf(state, quota),
        render: (quota) => render(state, call, quota),
      }));
    routes.on(`POST /quotas/${sort}`, turn((call) => post(state, call, sort)));
    routes.on(
      `PATCH /quotas/${sort}`,
      turn((call) => {
        const bytes = bytesOf(call);
        return keep(state, call, wanted(state, call, sort).map((quota) => ({ ...quota, bytes })));
      }),
    );
    routes.on(
      `DELETE /quotas/${sort}`,
      turn((call) => {
        const gone = wanted(state, call, sort);
        state.context.store.change(() => gone.forEach(({ id }) => state.quotas.delete(id)));
        return {};
      }),
    );
  }
}
