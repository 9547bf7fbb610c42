import type { ArrayStatus, FindOptions, StorageArray, Volume, VolumeKind } from "../array.ts";
import type { AdminArray } from "./admin_array.ts";
import { readAlerts } from "./alerts.ts";
import type { RestClient } from "./client.ts";
import type { ArrayContext } from "./named_objects.ts";

/**
 * What the configuration says of one array, and how its server proves its key. Read at each use:
 * another entry may come to stand for the array.
 */
export interface RestArrayOptions {
  address: string;
  /** What people call it; absent: its own name. */
  label?: string;
  serverKey: StorageArray["serverKey"];
  /** Set by the array: to be called when any of this is another's, so that it is asked anew. */
  changed?: () => void;
}

/** One look at an array: what everybody may know, and what only its client needs. */
interface Look<F> {
  status: ArrayStatus;
  facts: F;
}

/** What the parts of one array share. */
export interface PartsContext<F> extends ArrayContext {
  /** Of the last look; asked for when this process has none yet. */
  facts: (signal?: AbortSignal) => Promise<F>;
}

/** The resources of one kind of array, which do what StorageArray promises. */
export interface ArrayParts<F> {
  look: (signal?: AbortSignal) => Promise<Look<F>>;
  modify: StorageArray["modifyVolume"];
  takeGroup: StorageArray["createGroupSnapshot"];
  openBlocks: StorageArray["openBlocks"];
  volumes: {
    find: (name: string, options: FindOptions) => Promise<Volume | undefined>;
    trace: StorageArray["traceVolume"];
    create: StorageArray["createVolume"];
    grow: StorageArray["growVolume"];
    delete: StorageArray["deleteVolume"];
    list: StorageArray["listVolumes"];
    tags: StorageArray["tagsOf"];
    clusters: StorageArray["clustersOf"];
    listDestroyed: AdminArray["listDestroyed"];
    destroyedTags: AdminArray["destroyedTags"];
    recover: AdminArray["recoverVolume"];
    groups: StorageArray["groupsOf"];
  };
  snapshots: {
    find: StorageArray["findSnapshot"];
    create: StorageArray["createSnapshot"];
    delete: StorageArray["deleteSnapshot"];
    list: StorageArray["listSnapshots"];
  };
  attachments: Pick<
    AdminArray,
    "connect" | "disconnect" | "holds" | "nodeOf" | "lookAtHosts" | "listHosts"
  >;
}

/** How an array is made of its parts. */
interface ArrayKind<F> {
  told: RestArrayOptions;
  kind: VolumeKind;
  partsOf: (context: PartsContext<F>) => ArrayParts<F>;
}

/** The array behind `rest`; every call goes to the part that it is about. */
export function restArray<F extends { arrayName: string }>(
  rest: RestClient,
  { told, kind, partsOf }: ArrayKind<F>,
): AdminArray {
  let known: F | undefined;
  let changes = 0;
  told.changed = () => {
    changes++;
    known = undefined;
  };
  const shown = () => told.label ?? known?.arrayName ?? told.address;
  const look = async (signal?: AbortSignal) => {
    const before = changes;
    const seen = await parts.look(signal);
    if (before === changes) known = seen.facts;
    return seen;
  };
  const facts = async (signal?: AbortSignal): Promise<F> => known ?? (await look(signal)).facts;
  const parts = partsOf({ rest, label: shown, facts });
  const { volumes, snapshots, attachments } = parts;
  return {
    kind,
    get address() {
      return told.address;
    },
    serverKey: () => told.serverKey(),
    get label() {
      return shown();
    },
    get configuredName() {
      return told.label ?? told.address;
    },
    get silence() {
      return rest.silence;
    },
    get crowding() {
      return rest.crowding;
    },
    status: async (signal) => (await look(signal)).status,
    findVolume: (name, options = {}) => volumes.find(name, options),
    traceVolume: (name, signal) => volumes.trace(name, signal),
    createVolume: (spec, signal) => volumes.create(spec, signal),
    growVolume: (name, sizeBytes, signal) => volumes.grow(name, sizeBytes, signal),
    modifyVolume: (name, changes, signal) => parts.modify(name, changes, signal),
    deleteVolume: (name, options) => volumes.delete(name, options),
    listVolumes: (options, signal) => volumes.list(options, signal),
    tagsOf: (name, signal) => volumes.tags(name, signal),
    clustersOf: (names, signal) => volumes.clusters(names, signal),
    listDestroyed: (options, signal) => volumes.listDestroyed(options, signal),
    destroyedTags: (names, signal) => volumes.destroyedTags(names, signal),
    recoverVolume: (volume, signal) => volumes.recover(volume, signal),
    groupsOf: (signal) => volumes.groups(signal),
    findSnapshot: (name, signal) => snapshots.find(name, signal),
    createSnapshot: (volume, suffix, signal) => snapshots.create(volume, suffix, signal),
    createGroupSnapshot: (volumes, suffix, signal) => parts.takeGroup(volumes, suffix, signal),
    deleteSnapshot: (name, options) => snapshots.delete(name, options),
    listSnapshots: (options, signal) => snapshots.list(options, signal),
    openBlocks: (query, signal) => parts.openBlocks(query, signal),
    connect: (volume, node, options) => attachments.connect(volume, node, options),
    disconnect: (volume, node, options) => attachments.disconnect(volume, node, options),
    holds: (volume, node, options) => attachments.holds(volume, node, options),
    nodeOf: (hostName) => attachments.nodeOf(hostName),
    lookAtHosts: (signal) => attachments.lookAtHosts(signal),
    listAlerts: (signal) => readAlerts({ rest, label: shown }, signal),
    listHosts: (signal) => attachments.listHosts(signal),
  };
}
