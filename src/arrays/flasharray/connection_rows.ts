import { isRefusal } from "../rest/refusals.ts";
import type { Query } from "../rest/query.ts";
import type { ArrayContext } from "../rest/named_objects.ts";
import { itemsByName, Lookups } from "../rest/lookups/lookups.ts";
import { type ConnectionItem, connectionItem } from "./wire.ts";

/**
 * Names per call: 100 names of 63 characters stay below the 8 KiB that web servers take as a URL.
 */
const NAMES_PER_CALL = 100;

/** Reads which hosts volumes of one FlashArray are connected to. */
export class ConnectionRows {
  readonly #context: ArrayContext;
  readonly #lookups: Lookups<ConnectionItem[]>;

  constructor(context: ArrayContext) {
    this.#context = context;
    this.#lookups = new Lookups({
      path: "connections",
      label: context.label,
      one: (volume, signal) => this.read({ volume_names: volume }, signal),
      many: async (volumes, signal) => {
        const rows = await this.#list({ volume_names: [...volumes] }, signal);
        return itemsByName(volumes, rows, ({ volume }) => volume?.name);
      },
    });
  }

  /** Rows of one volume as they are from now on; none when it is not there. */
  async ofVolume(volume: string, signal?: AbortSignal): Promise<ConnectionItem[]> {
    return await this.#lookups.of(volume, signal);
  }

  /** Rows by query; none when the volume or host is not there. */
  async read(query: Query, signal?: AbortSignal): Promise<ConnectionItem[]> {
    try {
      return await this.#list(query, signal);
    } catch (error) {
      if (isRefusal(error, "missing", "destroyed")) return [];
      throw error;
    }
  }

  /** Host names of each connected volume among `volumes`; what is gone meanwhile is left out. */
  async hostsOf(volumes: string[], signal?: AbortSignal): Promise<Map<string, string[]>> {
    const hosts = new Map<string, string[]>();
    for (let start = 0; start < volumes.length; start += NAMES_PER_CALL) {
      const names = volumes.slice(start, start + NAMES_PER_CALL);
      for (const row of await this.#ofMany(names, signal)) {
        const [volume, host] = [row.volume?.name, row.host?.name];
        if (volume && host) hosts.set(volume, [...new Set([...hosts.get(volume) ?? [], host])]);
      }
    }
    return hosts;
  }

  /**
   * Rows of several volumes. One volume that was destroyed a moment ago makes the array refuse all
   * of the names: it is left out, and the others are asked for again.
   */
  async #ofMany(volumes: string[], signal?: AbortSignal): Promise<ConnectionItem[]> {
    const left = new Set(volumes);
    while (left.size > 0) {
      try {
        return await this.#list({ volume_names: [...left] }, signal);
      } catch (error) {
        if (!isRefusal(error, "missing", "destroyed")) throw error;
        if (left.delete(error.context)) continue;
        const rows: ConnectionItem[] = [];
        for (const name of left) rows.push(...await this.read({ volume_names: name }, signal));
        return rows;
      }
    }
    return [];
  }

  async #list(query: Query, signal?: AbortSignal): Promise<ConnectionItem[]> {
    const path = "connections";
    const call = { path, query, item: connectionItem, lane: "attach", signal } as const;
    return (await Array.fromAsync(this.#context.rest.all<ConnectionItem>(call))).filter(isOwn);
  }
}

/**
 * Whether the connection is the array's own. An array shows what hosts have by another array of a
 * stretched pod as `other:host`: that is the other array's to end.
 */
function isOwn({ host, host_group: group }: ConnectionItem): boolean {
  const isRemote = (name: string) => name.replaceAll("::", "").includes(":");
  return ![host?.name, group?.name].some((name) => name && isRemote(name));
}

/** What holds a connection, as a call that ends it names it: the host group, if it came by one. */
export function holderOf(
  { host, host_group: group }: ConnectionItem,
): { host_names?: string; host_group_names?: string } {
  return group?.name ? { host_group_names: group.name } : { host_names: host?.name ?? "" };
}

/** LUN; for NVMe the namespace, which Purity before 6.6 gives as `lun` too. */
export function lunOf(row: ConnectionItem): number {
  return row.lun ?? row.nsid ?? 0;
}

/** Whom the connections are for, as people read it; each once. */
export function holdersIn(rows: readonly ConnectionItem[]): string {
  const names = rows.map((row) => row.host?.name ?? `host group ${row.host_group?.name}`);
  return [...new Set(names)].join(", ");
}

/** Whether the connection came by a host group by which one of the rows came too. */
export function hasGroupIn(
  rows: readonly ConnectionItem[],
  { host_group: group }: ConnectionItem,
): boolean {
  return Boolean(group?.name) && rows.some((row) => row.host_group?.name === group?.name);
}
