import type { Attachment, NodeIdentity } from "../../handoff.ts";
import type {
  ArrayStatus,
  ConnectOptions,
  CreateVolumeSpec,
  DeleteOptions,
  FindOptions,
  NodeOptions,
  Page,
  Snapshot,
  SnapshotListOptions,
  StorageArray,
  Volume,
  VolumeKind,
  VolumeListOptions,
} from "../array.ts";
import type { Logger } from "../../log.ts";
import type { RestClient } from "../rest/client.ts";
import type { ArrayContext } from "../rest/named_objects.ts";
import { Connections } from "./connections.ts";
import type { FlashArrayFacts } from "./ports.ts";
import { VolumeSnapshots } from "./snapshots.ts";
import { readFlashArray } from "./status.ts";
import { Volumes } from "./volumes.ts";

/** What the configuration says of one FlashArray. */
interface FlashArrayOptions {
  address: string;
  /** What people call it; absent: its own name. */
  label?: string;
  serverKey: StorageArray["serverKey"];
  log: Logger;
}

/** A FlashArray over REST 2.x: block volumes. */
export class FlashArray implements StorageArray {
  readonly kind: VolumeKind = "block";
  readonly address: string;
  readonly serverKey: StorageArray["serverKey"];
  readonly #context: ArrayContext;
  readonly #configuredLabel?: string;
  readonly #volumes: Volumes;
  readonly #snapshots: VolumeSnapshots;
  readonly #connections: Connections;
  #facts?: FlashArrayFacts;

  constructor(rest: RestClient, options: FlashArrayOptions) {
    this.address = options.address;
    this.serverKey = options.serverKey;
    this.#configuredLabel = options.label;
    this.#context = { rest, label: () => this.label };
    this.#snapshots = new VolumeSnapshots(this.#context);
    this.#volumes = new Volumes({
      ...this.#context,
      snapshots: this.#snapshots,
      hostsOf: (volumes, signal) => this.#connections.hostsOf(volumes, signal),
    });
    this.#connections = new Connections({
      ...this.#context,
      log: options.log,
      facts: async (signal) => this.#facts ?? (await this.#look(signal)).facts,
      find: (name, signal) => this.#volumes.findItem(name, { lane: "attach", signal }),
    });
  }

  get configuredName(): string {
    return this.#configuredLabel ?? this.address;
  }

  get label(): string {
    return this.#configuredLabel ?? this.#facts?.arrayName ?? this.address;
  }

  async status(signal?: AbortSignal): Promise<ArrayStatus> {
    return (await this.#look(signal)).status;
  }

  async #look(
    signal?: AbortSignal,
  ): Promise<{ status: ArrayStatus; facts: FlashArrayFacts }> {
    const look = await readFlashArray(this.#context, signal);
    this.#facts = look.facts;
    return look;
  }

  findVolume(
    name: string,
    options: FindOptions = {},
  ): Promise<Volume | undefined> {
    return this.#volumes.find(name, options);
  }

  createVolume(spec: CreateVolumeSpec, signal?: AbortSignal): Promise<Volume> {
    return this.#volumes.create(spec, signal);
  }

  growVolume(name: string, sizeBytes: number, signal?: AbortSignal): Promise<Volume> {
    return this.#volumes.grow(name, sizeBytes, signal);
  }

  deleteVolume(name: string, options?: DeleteOptions): Promise<boolean> {
    return this.#volumes.delete(name, options);
  }

  listVolumes(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<Volume>> {
    return this.#volumes.list(options, signal);
  }

  findSnapshot(name: string, signal?: AbortSignal): Promise<Snapshot | undefined> {
    return this.#snapshots.find(name, signal);
  }

  createSnapshot(volume: string, suffix: string, signal?: AbortSignal): Promise<Snapshot> {
    return this.#snapshots.create(volume, suffix, signal);
  }

  deleteSnapshot(name: string, signal?: AbortSignal): Promise<void> {
    return this.#snapshots.delete(name, signal);
  }

  listSnapshots(
    options: SnapshotListOptions,
    signal?: AbortSignal,
  ): Promise<Page<Snapshot>> {
    return this.#snapshots.list(options, signal);
  }

  connect(
    volume: string,
    node: NodeIdentity,
    options: ConnectOptions,
  ): Promise<Attachment> {
    return this.#connections.connect(volume, node, options);
  }

  disconnect(
    volume: string,
    node: NodeIdentity | "all",
    options?: NodeOptions,
  ): Promise<boolean> {
    return this.#connections.disconnect(volume, node, options);
  }

  holds(volume: string, node: NodeIdentity, options?: NodeOptions): Promise<boolean> {
    return this.#connections.holds(volume, node, options);
  }

  hostNamesOf(node: NodeIdentity): string[] {
    return this.#connections.hostNamesOf(node);
  }
}
