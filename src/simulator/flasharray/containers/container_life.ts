import { requireManualEradication } from "../../array_context.ts";
import type { Fields } from "../../body.ts";
import { type Call, csv, flag } from "../../call.ts";
import { refused } from "../../rest_error.ts";
import type { Table } from "../../store.ts";
import { requireContainerName, requireDistinct } from "../names.ts";
import type { FlashArrayState } from "../state.ts";
import { setDestroyed } from "../volumes.ts";
import { type ContainerRecord, partsOf, type VolumeGroupRecord } from "./containers.ts";

/** What tells pods from volume groups, where both live alike. */
export interface ContainerSort<T extends ContainerRecord> {
  /** As it stands in messages: `Pod`. */
  what: string;
  table: Table<T>;
  /** The volume groups in it. */
  groupsIn: (container: T) => VolumeGroupRecord[];
}

/** The names of a POST, each of which is free and can be a container's. */
export function freeNames<T extends ContainerRecord>(
  { what, table }: ContainerSort<T>,
  call: Call,
): string[] {
  const names = csv(call.query, "names");
  if (names === undefined) throw refused("names is required.");
  requireDistinct(names);
  for (const name of names) {
    const holder = table.find(name.toLowerCase());
    if (holder !== undefined && holder.destroyedMs === null) {
      throw refused(`${what} already exists.`, name);
    }
    // Cinder tells by the words whether it may eradicate what holds the name.
    if (holder !== undefined) {
      throw refused(`${what} of that name is destroyed and pending eradication.`, name);
    }
  }
  return names;
}

/** A container that goes or comes back. */
interface Fate<T> {
  container: T;
  destroyed: boolean;
  withContents: boolean;
}

/** Destroys a container, with its contents when the call says so, or recovers both. */
function destroyOrRecover<T extends ContainerRecord>(
  state: FlashArrayState,
  { what, table, groupsIn }: ContainerSort<T>,
  { container, destroyed, withContents }: Fate<T>,
): void {
  if (destroyed && container.destroyedMs !== null) {
    throw refused(`${what} has been destroyed.`, container.name);
  }
  if (!destroyed && container.destroyedMs === null) {
    throw refused(`${what} has not been destroyed.`, container.name);
  }
  const [volumes, groups] = [state.containers.volumesIn(container), groupsIn(container)];
  // What was destroyed before the container stays so when it comes back.
  const { destroyedMs: since } = container;
  const concerned = <R extends { destroyedMs: number | null }>(records: R[]) =>
    records.filter(({ destroyedMs: own }) =>
      since === null ? own === null : own !== null && own >= since
    );
  if (destroyed && !withContents && concerned([...volumes, ...groups]).length > 0) {
    throw refused(`${what} is not empty.`, container.name);
  }
  const destroyedMs = destroyed ? state.context.clock.now() : null;
  if (destroyed) { for (const volume of concerned(volumes)) setDestroyed(state, volume, true); }
  for (const group of concerned(groups)) {
    state.containers.groups.set(group.id, { ...group, destroyedMs });
  }
  table.set(container.id, { ...container, destroyedMs });
  if (!destroyed) { for (const volume of concerned(volumes)) setDestroyed(state, volume, false); }
}

/** Gives a container another name, and with it each volume and volume group in it. */
function rename<T extends ContainerRecord>(
  state: FlashArrayState,
  { what, table, groupsIn }: ContainerSort<T>,
  { container, name }: { container: T; name: string },
): void {
  const holder = table.find(name.toLowerCase());
  if (holder !== undefined && holder.id !== container.id) {
    throw refused(`${what} already exists.`, name);
  }
  const [volumes, groups] = [state.containers.volumesIn(container), groupsIn(container)];
  const renamed = <R extends { name: string }>(record: R): R => ({
    ...record,
    name: name + record.name.slice(container.name.length),
  });
  table.set(container.id, { ...container, name });
  for (const group of groups) state.containers.groups.set(group.id, renamed(group));
  for (const volume of volumes) state.volumes.set(volume.id, renamed(volume));
}

/** A PATCH of containers. */
interface ContainerPatch<T> {
  containers: readonly T[];
  call: Call;
  body: Fields;
}

/** What a PATCH does to a container besides its own fields. */
export function patchLife<T extends ContainerRecord>(
  state: FlashArrayState,
  sort: ContainerSort<T>,
  { containers, call, body }: ContainerPatch<T>,
): void {
  const [destroyed, name] = [body.boolean("destroyed"), body.text("name")];
  if (name !== undefined && containers.length !== 1) {
    throw refused(`Only one ${sort.what.toLowerCase()} can be renamed at a time.`);
  }
  const withContents = flag(call.query, "destroy_contents") === true;
  for (const { id } of containers) {
    const container = sort.table.get(id);
    if (container === undefined) throw new Error(`container ${id} vanished during a change`);
    if (name !== undefined) {
      if (partsOf(name).pod?.toLowerCase() !== partsOf(container.name).pod?.toLowerCase()) {
        throw refused("A rename cannot move anything into another pod.", name);
      }
      requireContainerName(partsOf(name).base, { what: sort.what, name });
      rename(state, sort, { container, name });
    }
    if (destroyed !== undefined) {
      destroyOrRecover(state, sort, { container, destroyed, withContents });
    }
  }
}

/** Eradicates destroyed containers; those with something in them only when the call says so. */
export function eradicate<T extends ContainerRecord>(
  state: FlashArrayState,
  { what, table, groupsIn }: ContainerSort<T>,
  { containers, call }: { containers: readonly T[]; call: Call },
): void {
  requireManualEradication(state.context);
  const withContents = flag(call.query, "eradicate_contents") === true;
  for (const container of containers) {
    if (container.destroyedMs === null) {
      throw refused(`${what} cannot be eradicated: it has not been destroyed.`, container.name);
    }
    const contents = [...state.containers.volumesIn(container), ...groupsIn(container)];
    if (contents.length > 0 && !withContents) {
      throw refused(`Cannot eradicate ${what.toLowerCase()}: it is not empty.`, container.name);
    }
  }
  for (const container of containers) {
    for (const volume of state.containers.volumesIn(container)) state.eradicateVolume(volume);
    state.context.store.change(() => {
      for (const { id } of groupsIn(container)) state.containers.groups.delete(id);
      table.delete(container.id);
    });
  }
}
