import { allEnded } from "../../async/all_ended.ts";
import { PsoError } from "../../errors.ts";
import { isOwnVolumeName, protectedSnapshot } from "../../names.ts";
import type { DestroyedVolume } from "../rest/admin_array.ts";
import type {
  CreateVolumeSpec,
  DeleteOptions,
  FindOptions,
  Page,
  Volume,
  VolumeChanges,
  VolumeListOptions,
  VolumeTrace,
} from "../array.ts";
import {
  type ArrayContext,
  isAskedFor,
  type Lookup,
  NamedObjects,
  nameFilter,
  refuseSnapshots,
  type Resource,
} from "../rest/named_objects.ts";
import { NAMES_PER_CALL } from "../rest/lookups/lookups.ts";
import { mayBeAboutName } from "../rest/refusals.ts";
import { refuseNotOwn, refuseUntagged, RETAIN } from "../ownership.ts";
import { clustersOf, destroyedTags, groupsOf, ownerOf, tagsOf } from "./cluster_volumes.ts";
import { Attributes } from "./attributes/attributes.ts";
import { refuseMissingContainer } from "./containers.ts";
import type { VolumeGroups } from "./volume_groups.ts";
import type { Snapshots } from "../rest/snapshots.ts";
import {
  destroyedVolumeOf,
  type SnapshotItem,
  type VolumeItem,
  volumeItem,
  volumeOf,
} from "./wire.ts";

const VOLUMES: Resource<VolumeItem> = {
  path: "volumes",
  noun: "volume",
  nameKey: "names",
  item: volumeItem,
  isContained: true,
  together: NAMES_PER_CALL,
  recovery: (name) =>
    `get it back with \`purevol recover ${name}\`, and the claim has it with its data, ` +
    `or free the name with \`purevol eradicate ${name}\` (its data is lost then)`,
};

const VOLUME_CALL = { path: VOLUMES.path, item: volumeItem };

/** What volumes need to know of their snapshots and hosts. */
interface VolumeContext extends ArrayContext {
  snapshots: Snapshots<SnapshotItem>;
  groups: VolumeGroups;
  /** Host names of each connected volume among these. */
  hostsOf: (volumes: string[], signal?: AbortSignal) => Promise<Map<string, string[]>>;
}

/** The volumes of one FlashArray, as StorageArray has them. */
export class Volumes {
  readonly #context: VolumeContext;
  readonly #items: NamedObjects<VolumeItem>;
  readonly #attributes: Attributes;

  constructor(context: VolumeContext) {
    this.#context = context;
    this.#items = new NamedObjects(context, VOLUMES);
    this.#attributes = new Attributes({ ...context, volumes: this.#items });
  }

  /** The live volume of that name as the array shows it; with `destroyed`, also a destroyed one. */
  async findItem(name: string, lookup: Lookup): Promise<VolumeItem | undefined> {
    return await this.#items.find(name, lookup);
  }

  /** As StorageArray.findVolume. */
  async find(
    name: string,
    { hosts, signal }: FindOptions,
  ): Promise<Volume | undefined> {
    const item = await this.#items.find(name, { signal });
    if (!item) return undefined;
    return volumeOf(item, hosts ? await this.#hostsOf(item, signal) : undefined);
  }

  /** As StorageArray.traceVolume. */
  async trace(name: string, signal?: AbortSignal): Promise<VolumeTrace | undefined> {
    const item = await this.#items.find(name, { signal, destroyed: true });
    return item && { isLive: !item.destroyed, serial: volumeOf(item).serial };
  }

  async #hostsOf(item: VolumeItem, signal?: AbortSignal): Promise<string[]> {
    const name = item.name ?? "";
    if ((item.connection_count ?? 0) === 0) return [];
    return (await this.#context.hostsOf([name], signal)).get(name) ?? [];
  }

  /** As StorageArray.createVolume. */
  async create(spec: CreateVolumeSpec, signal?: AbortSignal): Promise<Volume> {
    const { name, sizeBytes, newGroup } = spec;
    if (newGroup) await this.#context.groups.make(newGroup, signal);
    const minor = await this.#context.rest.minor(signal);
    const source = sourceName(spec);
    const item = await this.#post(spec, { minor, signal });
    await this.#attributes.afterCreate(spec, { minor, isCopy: source !== undefined, signal });
    if (source !== undefined && (item.provisioned ?? 0) < sizeBytes && isFrom(item, source)) {
      return await this.grow(name, sizeBytes, signal);
    }
    return volumeOf(item);
  }

  /** The volume that was created, or that bears the name already. */
  async #post(
    spec: CreateVolumeSpec,
    { minor, signal }: { minor: number; signal?: AbortSignal },
  ): Promise<VolumeItem> {
    const source = sourceName(spec);
    const { body: own, query: more } = this.#attributes.inCreate(spec, minor);
    const content = source === undefined
      ? { provisioned: spec.sizeBytes }
      : { source: { name: source } };
    const [query, body] = [{ names: spec.name, ...more }, { ...content, ...own }];
    const call = { ...VOLUME_CALL, query, body, signal };
    let item: VolumeItem | undefined;
    try {
      item = (await this.#context.rest.create<VolumeItem>(call)).items[0];
    } catch (error) {
      return await this.#afterRefusal(spec, error, signal);
    }
    if (item) return item;
    throw this.#items.returnedNothing(spec.name);
  }

  /** The volume that bears the name already; what the create misses is told by its name. */
  async #afterRefusal(
    spec: CreateVolumeSpec,
    error: unknown,
    signal?: AbortSignal,
  ): Promise<VolumeItem> {
    if (spec.newGroup) this.#context.groups.forget();
    refuseMissingContainer(this.#context, { volume: spec.name, error });
    const source = sourceName(spec);
    const missing = source === undefined
      ? undefined
      : `the source ${source} of volume ${spec.name}`;
    try {
      return await this.#items.afterRefusedCreate(spec.name, { error, missing, signal });
    } catch (refused) {
      this.#attributes.refuseMissing(spec, error);
      throw refused;
    }
  }

  /** As StorageArray.modifyVolume. */
  modify(name: string, changes: VolumeChanges, signal?: AbortSignal): Promise<void> {
    return this.#attributes.change(name, changes, signal);
  }

  /** As StorageArray.growVolume. */
  async grow(name: string, sizeBytes: number, signal?: AbortSignal): Promise<Volume> {
    // Without `truncate` in its query, this call never makes a volume smaller.
    const query = { names: name };
    const body = { provisioned: sizeBytes };
    const call = { ...VOLUME_CALL, method: "PATCH", query, body, signal } as const;
    try {
      const item = (await this.#context.rest.call<VolumeItem>(call)).items[0];
      if (item) return volumeOf(item);
    } catch (error) {
      if (!mayBeAboutName(error)) throw error;
      const item = await this.#items.need(name, { signal, cause: error });
      if ((item.provisioned ?? 0) < sizeBytes) throw error;
      return volumeOf(item);
    }
    return volumeOf(await this.#items.need(name, { signal }));
  }

  /**
   * As StorageArray.deleteVolume. The snapshots are read first: destroying the volume would take
   * them along. So are the connections, but for a volume that the caller made and knows to be
   * nowhere. The array judges them once more itself, so that no connect can come between; what it
   * refuses is read for the names of the hosts, whatever its words are.
   */
  async delete(name: string, options: DeleteOptions = {}): Promise<boolean> {
    const { cluster, rights, onlyTagged, publishedTo = [], isWatched, signal } = options;
    const shown = `volume ${name} on array ${this.#context.label()}`;
    const refuseConnected = async (item: VolumeItem) => {
      const hosts = await this.#hostsOf(item, signal);
      if ((item.connection_count ?? 0) === 0) return;
      const names = hosts.length > 0 ? hosts : ["a host"];
      throw new PsoError(
        "in_use",
        `${shown} is connected to ${names.join(", ")}: detach it first`,
      );
    };
    const isOwn = !onlyTagged && isOwnVolumeName(cluster, name);
    const isNowhere = isOwn && isWatched && publishedTo.length === 0;
    const [item, kept, owner] = await allEnded([
      isNowhere ? undefined : this.#items.find(name, { signal }),
      this.#context.snapshots.keptOf(name, signal),
      onlyTagged || (!isOwn && rights) ? ownerOf(this.#context, name, signal) : undefined,
    ]);
    if (item) await refuseConnected(item);
    if (item && !isOwn) {
      const judged = { shown, cluster, owner, rights, otherwise: RETAIN.volume };
      if (onlyTagged) refuseUntagged(judged);
      refuseNotOwn(judged);
    }
    // Of what is judged by its tag nothing may be destroyed that came to be after the look.
    if (!item && !isOwn) return false;
    refuseSnapshots(shown, kept);
    const id = item?.id;
    const eradication = isOwn ? options.eradication : undefined;
    const onRefused = refuseConnected;
    return await this.#items.destroy(name, { id, onRefused, eradication, signal });
  }

  /** As StorageArray.tagsOf. */
  tags(name: string, signal?: AbortSignal): Promise<Map<string, string>> {
    return tagsOf(this.#context, name, signal);
  }

  /** As StorageArray.clustersOf. */
  clusters(names: readonly string[], signal?: AbortSignal): Promise<Map<string, string>> {
    return clustersOf(this.#context, names, signal);
  }

  /** As AdminArray.listDestroyed. */
  async listDestroyed(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<DestroyedVolume>> {
    const page = await this.#items.listDestroyed(options, signal);
    return { ...page, items: page.items.map(destroyedVolumeOf) };
  }

  /** As AdminArray.destroyedTags. */
  destroyedTags(
    names: readonly string[],
    signal?: AbortSignal,
  ): Promise<Map<string, Map<string, string>>> {
    return destroyedTags(this.#context, names, signal);
  }

  /** As AdminArray.recoverVolume. */
  async recover(
    volume: Pick<DestroyedVolume, "id" | "name">,
    signal?: AbortSignal,
  ): Promise<Volume> {
    return volumeOf(await this.#items.recover(volume, signal));
  }

  /** As StorageArray.groupsOf. */
  groups(signal?: AbortSignal): Promise<Map<string, string>> {
    return groupsOf(this.#context, signal);
  }

  /** As StorageArray.listVolumes. */
  async list(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<Volume>> {
    const query = { destroyed: false, filter: nameFilter(options, VOLUMES) };
    const call = { ...VOLUME_CALL, query, signal };
    const page = await this.#context.rest.page<VolumeItem>(call, options);
    const asked = page.items.filter((item) => isAskedFor(item, options));
    if (!options.hosts) return { ...page, items: asked.map((item) => volumeOf(item)) };
    const connected = asked.filter((item) => (item.connection_count ?? 0) > 0);
    const hosts = await this.#context.hostsOf(connected.flatMap(({ name }) => name ?? []), signal);
    const items = asked.map((item) => volumeOf(item, hosts.get(item.name ?? "") ?? []));
    return { ...page, items };
  }
}

function sourceName({ source }: CreateVolumeSpec): string | undefined {
  if (source === undefined) return undefined;
  return "volume" in source ? source.volume : source.snapshot;
}

/** An array may name the snapshot or its volume as the source of a clone. */
function isFrom(item: VolumeItem, source: string): boolean {
  const from = item.source?.name;
  return from === source || from === (protectedSnapshot(source)?.volume ?? source.split(".")[0]);
}
