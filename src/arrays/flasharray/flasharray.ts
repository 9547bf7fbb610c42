import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import type { Attachment, NodeIdentity } from "../../handoff.ts";
import type {
  ArrayStatus,
  ConnectOptions,
  CreateVolumeSpec,
  DeleteOptions,
  Feature,
  ListOptions,
  Page,
  Snapshot,
  StorageArray,
  Volume,
  VolumeKind,
} from "../array.ts";
import { Connections } from "./connections.ts";
import { type PortFacts, portFactsOf, servedProtocols } from "./ports.ts";
import {
  type ArrayItem,
  type ControllerItem,
  type InterfaceItem,
  isOwnSnapshot,
  loadOf,
  type PerformanceItem,
  type PortItem,
  type SnapshotItem,
  snapshotOf,
  type VolumeItem,
  volumeOf,
} from "./wire.ts";
import { filterText, type Query, type RestClient } from "../rest/client.ts";
import { isRefusal, RestError } from "../rest/errors.ts";
import type { Dialect } from "../rest/session.ts";

/** REST versions that do not exist (reference arrays, Versions). */
const NO_SUCH_MINORS = [12, 18];
/** Oldest that has all we need: /network-interfaces came with 2.4. */
const OLDEST_MINOR = 4;
const NEWEST_MINOR = 56;
/** First REST 2.N with a feature (reference A13). */
const SINCE = { defaultProtection: 16, tagsInPost: 39 };

export const FLASHARRAY_DIALECT: Dialect = {
  kindName: "FlashArray",
  versionsKey: "version",
  loginPath: (version) => `/api/${version}/login`,
  knows: (minor) =>
    minor >= OLDEST_MINOR && minor <= NEWEST_MINOR && !NO_SUCH_MINORS.includes(minor),
  known: `2.${OLDEST_MINOR} to 2.${NEWEST_MINOR}`,
};

/** How the banner of a simulated array begins, in lower case. */
const SIMULATED = "pso simulated array";

interface Facts {
  arrayName: string;
  simulated: boolean;
  ports: PortFacts;
}

/** A FlashArray over REST 2.x: block volumes. */
export class FlashArray implements StorageArray {
  readonly kind: VolumeKind = "block";
  readonly address: string;
  readonly #rest: RestClient;
  readonly #label: { configured?: string };
  readonly #connections: Connections;
  #facts?: Facts;

  constructor(rest: RestClient, options: { address: string; label?: string }) {
    this.#rest = rest;
    this.address = options.address;
    this.#label = { configured: options.label };
    this.#connections = new Connections({
      rest,
      label: () => this.label,
      facts: (signal) => this.#knownFacts(signal),
      find: (name, signal) => this.#find(name, { lane: "attach", signal }),
    });
  }

  get label(): string {
    return this.#label.configured ?? this.#facts?.arrayName ?? this.address;
  }

  async status(signal?: AbortSignal): Promise<ArrayStatus> {
    const minor = await this.#rest.negotiate(signal);
    const [array, facts, samples] = await Promise.all([
      this.#array(signal),
      this.#portFacts(signal),
      this.#samples(signal),
    ]);
    const simulated = (array.banner ?? "").toLowerCase().includes(SIMULATED);
    this.#facts = { arrayName: array.name ?? this.address, simulated, ports: facts };
    const load = loadOf(samples);
    return {
      id: array.id ?? "",
      name: array.name ?? "",
      kind: this.kind,
      version: array.version ?? "",
      restVersion: `2.${minor}`,
      capacityBytes: array.capacity ?? 0,
      usedBytes: array.space?.total_physical ?? array.space?.total_used ?? 0,
      features: new Set<Feature>(["clone", "qos"]),
      protocols: servedProtocols(facts, simulated),
      ...(load ? { load } : {}),
    };
  }

  async findVolume(
    name: string,
    options: { hosts?: boolean; signal?: AbortSignal } = {},
  ): Promise<Volume | undefined> {
    const item = await this.#find(name, options);
    if (!item) return undefined;
    if (!options.hosts) return volumeOf(item);
    const hosts = (item.connection_count ?? 0) > 0
      ? await this.#connections.hostsOf([name], options.signal)
      : undefined;
    return volumeOf(item, hosts?.get(item.name ?? name) ?? []);
  }

  async createVolume(spec: CreateVolumeSpec, signal?: AbortSignal): Promise<Volume> {
    const minor = await this.#rest.minor(signal);
    const source = sourceName(spec);
    const body = {
      ...(source === undefined ? { provisioned: spec.sizeBytes } : { source: { name: source } }),
      ...(spec.tags && minor >= SINCE.tagsInPost ? { tags: tagItems(spec.tags) } : {}),
      ...(spec.qos
        ? { qos: { iops_limit: spec.qos.iopsLimit, bandwidth_limit: spec.qos.bandwidthLimitBytes } }
        : {}),
    };
    // Default protection (SafeMode) would put the volume into groups of the administrator's and
    // keep it from being eradicated.
    const query = {
      names: spec.name,
      with_default_protection: minor >= SINCE.defaultProtection ? false : undefined,
    };
    let item: VolumeItem | undefined;
    try {
      item = (await this.#rest.call<VolumeItem>({
        method: "POST",
        path: "volumes",
        query,
        body,
        signal,
      })).items[0];
    } catch (error) {
      item = await this.#afterRefusedCreate(spec, error, signal);
    }
    if (!item) {
      throw new PsoError(
        "unavailable",
        `array ${this.label} created volume ${spec.name} and returned nothing; try again`,
      );
    }
    // A clone's source was looked up already: with a call for tags and one to grow, it would cost
    // four. Older releases leave clones without tags.
    if (spec.tags && minor < SINCE.tagsInPost && source === undefined) {
      await this.#tag(spec.name, spec.tags, signal);
    }
    if (source !== undefined && (item.provisioned ?? 0) < spec.sizeBytes && isFrom(item, source)) {
      return await this.growVolume(spec.name, spec.sizeBytes, signal);
    }
    return volumeOf(item);
  }

  /**
   * The volume that has the name already; else the reason why there is none, in words of the
   * request.
   */
  async #afterRefusedCreate(
    spec: CreateVolumeSpec,
    error: unknown,
    signal?: AbortSignal,
  ): Promise<VolumeItem> {
    if (
      !(error instanceof RestError) || error.status !== 400 || isRefusal(error, "limit", "space")
    ) throw error;
    // Not by the text: that of a name taken by a destroyed volume differs between releases.
    const item = await this.#find(spec.name, { signal, destroyed: true });
    if (item && !item.destroyed) return item;
    if (item) {
      throw new PsoError(
        "conflict",
        `volume ${spec.name} on array ${this.label} was destroyed and still holds its name: get it back with \`purevol recover ${spec.name}\`, ` +
          `or free the name with \`purevol eradicate ${spec.name}\` (its data is lost then)`,
        { cause: error },
      );
    }
    const source = sourceName(spec);
    if (source !== undefined && isRefusal(error, "missing", "destroyed")) {
      throw new PsoError(
        "not_found",
        `the source ${source} of volume ${spec.name} is not on array ${this.label}`,
        { cause: error },
      );
    }
    throw error;
  }

  async growVolume(name: string, sizeBytes: number, signal?: AbortSignal): Promise<Volume> {
    try {
      // Without `truncate` the array never makes a volume smaller.
      const query = { names: name };
      const body = await this.#rest.call<VolumeItem>({
        method: "PATCH",
        path: "volumes",
        query,
        body: { provisioned: sizeBytes },
        signal,
      });
      if (body.items[0]) return volumeOf(body.items[0]);
    } catch (error) {
      if (
        !(error instanceof RestError) || error.status !== 400 || isRefusal(error, "limit", "space")
      ) throw error;
      const item = await this.#find(name, { signal });
      if (!item) {
        throw new PsoError("not_found", `volume ${name} is not on array ${this.label}`, {
          cause: error,
        });
      }
      if ((item.provisioned ?? 0) < sizeBytes) throw error;
      return volumeOf(item);
    }
    const item = await this.#find(name, { signal });
    if (!item) throw new PsoError("not_found", `volume ${name} is not on array ${this.label}`);
    return volumeOf(item);
  }

  async deleteVolume(name: string, options: DeleteOptions): Promise<boolean> {
    const { signal } = options;
    const item = await this.#find(name, { signal, destroyed: true });
    if (!item || item.destroyed) return false;
    if ((item.connection_count ?? 0) > 0) {
      const hosts = (await this.#connections.hostsOf([name], signal)).get(item.name ?? name) ??
        ["a host"];
      throw new PsoError(
        "in_use",
        `volume ${name} on array ${this.label} is connected to ${
          hosts.join(", ")
        }: detach it first`,
      );
    }
    if (options.mayHaveSnapshots || (item.space?.snapshots ?? 0) > 0) {
      await this.#refuseSnapshots(name, signal);
    }
    try {
      await this.#rest.call({
        method: "PATCH",
        path: "volumes",
        query: { names: name },
        body: { destroyed: true },
        signal,
      });
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
      return false; // somebody else was faster
    }
    return true;
  }

  async listVolumes(
    options: ListOptions & { hosts?: boolean },
    signal?: AbortSignal,
  ): Promise<Page<Volume>> {
    const query = { destroyed: false, filter: prefixFilter(options.prefix) };
    const page = await this.#rest.page<VolumeItem>({ path: "volumes", query, signal }, options);
    const connected = options.hosts
      ? page.items.filter((item) => (item.connection_count ?? 0) > 0).flatMap((item) =>
        item.name ?? []
      )
      : [];
    const hosts = await this.#connections.hostsOf(connected, signal);
    const items = page.items.map((item) =>
      volumeOf(item, options.hosts ? hosts.get(item.name ?? "") ?? [] : undefined)
    );
    return { items, ...(page.nextToken === undefined ? {} : { nextToken: page.nextToken }) };
  }

  async findSnapshot(name: string, signal?: AbortSignal): Promise<Snapshot | undefined> {
    const item = await this.#findByName<SnapshotItem>("volume-snapshots", name, { signal });
    return item && snapshotOf(item);
  }

  async createSnapshot(volume: string, suffix: string, signal?: AbortSignal): Promise<Snapshot> {
    const name = `${volume}.${suffix}`;
    try {
      const query = { source_names: volume };
      const body = await this.#rest.call<SnapshotItem>({
        method: "POST",
        path: "volume-snapshots",
        query,
        body: { suffix },
        signal,
      });
      if (body.items[0]) return snapshotOf(body.items[0]);
      throw new PsoError(
        "unavailable",
        `array ${this.label} created snapshot ${name} and returned nothing; try again`,
      );
    } catch (error) {
      if (
        !(error instanceof RestError) || error.status !== 400 || isRefusal(error, "limit", "space")
      ) throw error;
      const item = await this.#findByName<SnapshotItem>("volume-snapshots", name, {
        signal,
        destroyed: true,
      });
      if (item && !item.destroyed) return snapshotOf(item);
      if (item) {
        throw new PsoError(
          "conflict",
          `snapshot ${name} on array ${this.label} was destroyed and still holds its name: get it back with \`purevol recover ${name}\`, ` +
            `or free the name with \`purevol eradicate ${name}\``,
          { cause: error },
        );
      }
      if (!isRefusal(error, "missing", "destroyed")) throw error;
      throw new PsoError("not_found", `volume ${volume} is not on array ${this.label}`, {
        cause: error,
      });
    }
  }

  async deleteSnapshot(name: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.#rest.call({
        method: "PATCH",
        path: "volume-snapshots",
        query: { names: name },
        body: { destroyed: true },
        signal,
      });
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
    }
  }

  async listSnapshots(
    options: ListOptions & { volume?: string },
    signal?: AbortSignal,
  ): Promise<Page<Snapshot>> {
    const query: Query = {
      destroyed: false,
      filter: prefixFilter(options.prefix),
      source_names: options.volume,
    };
    try {
      const page = await this.#rest.page<SnapshotItem>(
        { path: "volume-snapshots", query, signal },
        options,
      );
      return { ...page, items: page.items.filter(isOwnSnapshot).map(snapshotOf) };
    } catch (error) {
      if (options.volume !== undefined && isRefusal(error, "missing", "destroyed")) {
        return { items: [] };
      }
      throw error;
    }
  }

  async connect(
    volume: string,
    node: NodeIdentity,
    options: ConnectOptions & { signal?: AbortSignal },
  ): Promise<Attachment> {
    return await this.#connections.connect(volume, node, options);
  }

  async disconnect(
    volume: string,
    node: NodeIdentity | "all",
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#connections.disconnect(volume, node, { signal });
  }

  async #find(
    name: string,
    options: { signal?: AbortSignal; destroyed?: boolean; lane?: "attach" },
  ): Promise<VolumeItem | undefined> {
    return await this.#findByName<VolumeItem>("volumes", name, options);
  }

  /**
   * The live object of that name; with `destroyed`, also one that is destroyed. A name that is not
   * there is status 400 here.
   */
  async #findByName<T>(
    path: string,
    name: string,
    { signal, destroyed, lane }: { signal?: AbortSignal; destroyed?: boolean; lane?: "attach" },
  ): Promise<T | undefined> {
    const query = { names: name, destroyed: destroyed ? undefined : false };
    try {
      return (await this.#rest.call<T>({ method: "GET", path, query, lane, signal })).items[0];
    } catch (error) {
      // The text for "it is destroyed" when live ones are asked for is not known; that it is about
      // this name is enough.
      const aboutName = error instanceof RestError && error.status === 400 &&
        error.context === name;
      if (aboutName || isRefusal(error, "missing", "destroyed")) return undefined;
      throw error;
    }
  }

  async #tag(volume: string, tags: Record<string, string>, signal?: AbortSignal): Promise<void> {
    const query = { resource_names: volume };
    try {
      await this.#rest.call({
        method: "PUT",
        path: "volumes/tags/batch",
        query,
        body: tagItems(tags),
        signal,
      });
    } catch (error) {
      if (isPsoError(error, "unavailable", "timeout", "busy", "denied")) throw error;
      // The volume exists by now: a final code would make the caller forget it.
      throw new PsoError(
        "unavailable",
        `volume ${volume} on array ${this.label} was created and cannot be tagged: ${
          messageOf(error)
        }`,
        {
          cause: error,
        },
      );
    }
  }

  /**
   * Snapshots that somebody asked for keep their volume; numbered ones and those of protection
   * groups belong to schedules.
   */
  async #refuseSnapshots(volume: string, signal?: AbortSignal): Promise<void> {
    const found: string[] = [];
    const query = { source_names: volume, destroyed: false };
    try {
      for await (
        const item of this.#rest.all<SnapshotItem>({ path: "volume-snapshots", query, signal })
      ) {
        const suffix = item.name?.split(".")[1] ?? "";
        if (isOwnSnapshot(item) && !/^\d+$/.test(suffix)) found.push(item.name ?? "");
        if (found.length === 4) break;
      }
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
    }
    if (found.length === 0) return;
    const names = found.slice(0, 3).join(", ") + (found.length > 3 ? " and more" : "");
    throw new PsoError(
      "in_use",
      `volume ${volume} on array ${this.label} has snapshots: ${names}; delete them first`,
    );
  }

  async #knownFacts(signal?: AbortSignal): Promise<Facts> {
    if (!this.#facts) await this.status(signal);
    if (this.#facts) return this.#facts;
    throw new PsoError("unavailable", `array ${this.label} gives no facts about itself`);
  }

  async #array(signal?: AbortSignal): Promise<ArrayItem> {
    const item =
      (await this.#rest.call<ArrayItem>({ method: "GET", path: "arrays", signal })).items[0];
    if (item?.id && item.name) return item;
    throw new PsoError(
      "unavailable",
      `array ${this.label} does not say who it is: GET arrays returned no id and name`,
    );
  }

  async #portFacts(signal?: AbortSignal): Promise<PortFacts> {
    const [ports, interfaces, controllers] = await Promise.all([
      this.#list<PortItem>("ports", signal),
      this.#list<InterfaceItem>("network-interfaces", signal),
      this.#list<ControllerItem>("controllers", signal),
    ]);
    return portFactsOf(ports, interfaces, controllers);
  }

  async #list<T>(path: string, signal?: AbortSignal): Promise<T[]> {
    return await Array.fromAsync(this.#rest.all<T>({ path, signal }));
  }

  /**
   * The load is welcome, not needed: a role that may not read it must not make the array unusable.
   */
  async #samples(signal?: AbortSignal): Promise<PerformanceItem[]> {
    try {
      return (await this.#rest.call<PerformanceItem>({
        method: "GET",
        path: "arrays/performance",
        signal,
      })).items;
    } catch (error) {
      if (isPsoError(error, "timeout", "unavailable")) throw error;
      return [];
    }
  }
}

function sourceName(spec: CreateVolumeSpec): string | undefined {
  if (spec.source === undefined) return undefined;
  return "volume" in spec.source ? spec.source.volume : spec.source.snapshot;
}

/** An array may name the snapshot or its volume as the source of a clone. */
function isFrom(item: VolumeItem, source: string): boolean {
  const from = item.source?.name;
  return from === source || from === source.split(".")[0];
}

function tagItems(
  tags: Record<string, string>,
): { key: string; value: string; copyable: boolean }[] {
  // Not copyable: a clone belongs to another claim.
  return Object.entries(tags).map(([key, value]) => ({ key, value, copyable: false }));
}

function prefixFilter(prefix: string | undefined): string | undefined {
  return prefix === undefined || prefix === "" ? undefined : `name=${filterText(`${prefix}*`)}`;
}
