import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import type { Row } from "../filter.ts";
import { items } from "../list.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";
import { type OwnedBytes, ownedBytes } from "../space/file_owners.ts";
import { listOf } from "./file_systems.ts";
import type { QuotaRecord } from "./records.ts";
import { withContext } from "./render.ts";
import type { FileSystemRecord, FlashBladeState } from "./state.ts";

/** Whose quota it is, and how a call and an answer say so. */
const SORTS = {
  users: { field: "user", ids: "uids", names: "user_names" },
  groups: { field: "group", ids: "gids", names: "group_names" },
} as const;
type Sort = keyof typeof SORTS;

/** What one owner of files has in a file system, and what it may have. */
interface Share {
  sort: Sort;
  fileSystem: FileSystemRecord;
  owner: number | string;
  /** Of its own; `null`: that of the file system holds for it. */
  quota: number | null;
  usage: number;
}

function modelled(sort: Sort): Modelled {
  const { ids, names } = SORTS[sort];
  return {
    fields: ["quota"],
    query: ["file_system_names", "file_system_ids", "names", ids, names],
  };
}

function nameOf({ fileSystem, owner }: Pick<Share, "fileSystem" | "owner">): string {
  return `${fileSystem.name}/${owner}`;
}

function defaultQuota({ defaultUserQuota, defaultGroupQuota }: FileSystemRecord, sort: Sort) {
  return (sort === "users" ? defaultUserQuota : defaultGroupQuota) || null;
}

function render(state: FlashBladeState, call: Call, share: Share): Row {
  const { fileSystem, owner, quota, sort, usage } = share;
  return {
    name: nameOf(share),
    file_system: { id: fileSystem.id, name: fileSystem.name, resource_type: "file-systems" },
    file_system_default_quota: defaultQuota(fileSystem, sort),
    quota,
    usage,
    [SORTS[sort].field]: typeof owner === "number"
      ? { id: owner, name: null }
      : { id: null, name: owner },
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

function fileSystemOf(state: FlashBladeState, { fileSystemId }: QuotaRecord): FileSystemRecord {
  const found = state.fileSystems.get(fileSystemId);
  if (found === undefined) throw new Error(`file system ${fileSystemId} of a quota is not there`);
  return found;
}

/** The quotas that the call means. */
function selected(state: FlashBladeState, call: Call, sort: Sort): QuotaRecord[] {
  const [fileSystems, owners] = [fileSystemsOf(state, call), ownersOf(call, sort)];
  const names = csv(call.query, "names");
  const nameOfQuota = (quota: QuotaRecord) =>
    nameOf({ fileSystem: fileSystemOf(state, quota), owner: quota.owner });
  return [...state.quotas.values()].filter((quota) =>
    quota.sort === sort &&
    (fileSystems?.some(({ id }) => id === quota.fileSystemId) ?? true) &&
    (owners?.includes(quota.owner) ?? true) && (names?.includes(nameOfQuota(quota)) ?? true)
  );
}

/** Who owns what in these file systems, by their ids. */
async function ownedIn(
  state: FlashBladeState,
  fileSystems: Iterable<FileSystemRecord>,
): Promise<Map<string, OwnedBytes>> {
  const owned = new Map<string, OwnedBytes>();
  for (const { id } of new Set(fileSystems)) {
    if (state.images !== undefined) owned.set(id, await ownedBytes(state.images.mountPath(id)));
  }
  return owned;
}

/** Names of owners that are no numbers mean nobody: there is no directory service. */
function usageOf(owned: OwnedBytes | undefined, sort: Sort, owner: number | string): number {
  return typeof owner === "number" ? owned?.[sort].get(owner) ?? 0 : 0;
}

async function sharesOf(
  state: FlashBladeState,
  sort: Sort,
  quotas: QuotaRecord[],
): Promise<Share[]> {
  const owned = await ownedIn(state, quotas.map((quota) => fileSystemOf(state, quota)));
  return quotas.map((quota) => ({
    sort,
    fileSystem: fileSystemOf(state, quota),
    owner: quota.owner,
    quota: quota.bytes,
    usage: usageOf(owned.get(quota.fileSystemId), sort, quota.owner),
  }));
}

/** Everybody whom a quota holds, of its own or of the file system, with what it stores. */
async function heldOwners(state: FlashBladeState, call: Call, sort: Sort): Promise<Share[]> {
  const named = fileSystemsOf(state, call);
  const owners = ownersOf(call, sort);
  const fileSystems = named ??
    [...state.fileSystems.values()].filter(({ destroyedMs }) => destroyedMs === null);
  const quotas = [...state.quotas.values()].filter((quota) => quota.sort === sort);
  const owned = await ownedIn(state, fileSystems);
  return fileSystems.flatMap((fileSystem): Share[] => {
    const there = owned.get(fileSystem.id);
    const own = new Map(
      quotas.filter(({ fileSystemId }) => fileSystemId === fileSystem.id)
        .map(({ owner, bytes }) => [owner, bytes]),
    );
    const everybody = defaultQuota(fileSystem, sort) === null ? [] : there?.[sort].keys() ?? [];
    return [...new Set([...own.keys(), ...everybody])]
      .filter((owner) => owners?.includes(owner) ?? true)
      .map((owner) => ({
        sort,
        fileSystem,
        owner,
        quota: own.get(owner) ?? null,
        usage: usageOf(there, sort, owner),
      }));
  });
}

function bytesOf(call: Call): number {
  const bytes = new Fields(call.body).integer("quota");
  if (bytes === undefined || bytes <= 0) throw refused("quota must be a number above 0.", "quota");
  return bytes;
}

/** The calls for the quotas of one sort of owner. */
class Quotas {
  readonly #state: FlashBladeState;
  readonly #sort: Sort;

  constructor(state: FlashBladeState, sort: Sort) {
    this.#state = state;
    this.#sort = sort;
  }

  async list(call: Call): Promise<Answer> {
    const quotas = selected(this.#state, call, this.#sort);
    return this.#listed(call, await sharesOf(this.#state, this.#sort, quotas));
  }

  async usage(call: Call): Promise<Answer> {
    return this.#listed(call, await heldOwners(this.#state, call, this.#sort));
  }

  async post(call: Call): Promise<Answer> {
    requireModelled(call, modelled(this.#sort), this.#state.context.name);
    const [fileSystems, owners] = [fileSystemsOf(this.#state, call), ownersOf(call, this.#sort)];
    if (fileSystems === undefined || owners === undefined) {
      throw refused(`A file system and one of ${SORTS[this.#sort].ids} are required.`);
    }
    const bytes = bytesOf(call);
    const [there] = selected(this.#state, call, this.#sort);
    if (there !== undefined) {
      const fileSystem = fileSystemOf(this.#state, there);
      throw refused("Quota already exists.", nameOf({ fileSystem, owner: there.owner }));
    }
    const made = fileSystems.flatMap(({ id }) =>
      owners.map((owner) => ({
        ...{ id: crypto.randomUUID(), fileSystemId: id },
        ...{ sort: this.#sort, owner, bytes },
      }))
    );
    return await this.#keep(call, made);
  }

  async patch(call: Call): Promise<Answer> {
    const bytes = bytesOf(call);
    return await this.#keep(call, this.#wanted(call).map((quota) => ({ ...quota, bytes })));
  }

  delete(call: Call): Answer {
    const gone = this.#wanted(call);
    const { context, quotas } = this.#state;
    context.store.change(() => gone.forEach(({ id }) => quotas.delete(id)));
    return {};
  }

  #listed(call: Call, shares: Share[]): Answer {
    return listOf(this.#state, call, {
      what: "Quota",
      all: () => shares,
      keyOf: nameOf,
      render: (share) => render(this.#state, call, share),
    });
  }

  async #keep(call: Call, kept: QuotaRecord[]): Promise<Answer> {
    const { context, quotas } = this.#state;
    context.store.change(() => kept.forEach((quota) => quotas.set(quota.id, quota)));
    const shares = await sharesOf(this.#state, this.#sort, kept);
    return items(shares.map((share) => render(this.#state, call, share)));
  }

  #wanted(call: Call): QuotaRecord[] {
    requireModelled(call, modelled(this.#sort), this.#state.context.name);
    const found = selected(this.#state, call, this.#sort);
    if (found.length === 0) throw refused("Quota does not exist.");
    return found;
  }
}

/**
 * Serves /quotas and /usage of users and groups: what they store is counted by the owners of the
 * files, and nobody is held back.
 */
export function addQuotaRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  for (const sort of ["users", "groups"] as const) {
    const quotas = new Quotas(state, sort);
    const turn = (work: (call: Call) => Promise<Answer> | Answer) => (call: Call) =>
      state.turns.take(() => work(call));
    routes.on(`GET /quotas/${sort}`, (call) => quotas.list(call));
    routes.on(`POST /quotas/${sort}`, turn((call) => quotas.post(call)));
    routes.on(`PATCH /quotas/${sort}`, turn((call) => quotas.patch(call)));
    routes.on(`DELETE /quotas/${sort}`, turn((call) => quotas.delete(call)));
    routes.on(`GET /usage/${sort}`, (call) => quotas.usage(call));
  }
}
