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
import type { RestClient } from "../rest/client.ts";
import { Exports } from "./exports.ts";
import { FileSystems } from "./file_systems.ts";
import type { FlashBladeFacts } from "./ports.ts";
import { FileSystemSnapshots } from "./snapshots.ts";
import { type BladeContext, readFlashBlade } from "./status.ts";

/** What the configuration says of one FlashBlade. */
interface FlashBladeOptions {
  address: string;
  /** What people call it; absent: its own name. */
  label?: string;
  serverKey: StorageArray["serverKey"];
  /** Host name or address that nodes mount from; absent: its first data interface. */
  nfsEndpoint?: string;
}

/** A FlashBlade over REST 2.x: file systems. */
export class FlashBlade implements StorageArray {
  readonly kind: VolumeKind = "file";
  readonly address: string;
  readonly serverKey: StorageArray["serverKey"];
  readonly #context: BladeContext;
  readonly #configuredLabel?: string;
  readonly #fileSystems: FileSystems;
  readonly #snapshots: FileSystemSnapshots;
  readonly #exports: Exports;
  #facts?: FlashBladeFacts;

  constructor(rest: RestClient, options: FlashBladeOptions) {
    this.address = options.address;
    this.serverKey = options.serverKey;
    this.#configuredLabel = options.label;
    this.#context = { rest, label: () => this.label, nfsEndpoint: options.nfsEndpoint };
    this.#snapshots = new FileSystemSnapshots(this.#context);
    this.#fileSystems = new FileSystems({ ...this.#context, snapshots: this.#snapshots });
    this.#exports = new Exports({
      ...this.#context,
      facts: async (signal) => this.#facts ?? (await this.#look(signal)).facts,
      find: (name, signal) => this.#fileSystems.findItem(name, { lane: "attach", signal }),
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
  ): Promise<{ status: ArrayStatus; facts: FlashBladeFacts }> {
    const look = await readFlashBlade(this.#context, signal);
    this.#facts = look.facts;
    return look;
  }

  findVolume(
    name: string,
    options: FindOptions = {},
  ): Promise<Volume | undefined> {
    return this.#fileSystems.find(name, options);
  }

  createVolume(spec: CreateVolumeSpec, signal?: AbortSignal): Promise<Volume> {
    return this.#fileSystems.create(spec, signal);
  }

  growVolume(name: string, sizeBytes: number, signal?: AbortSignal): Promise<Volume> {
    return this.#fileSystems.grow(name, sizeBytes, signal);
  }

  deleteVolume(name: string, options?: DeleteOptions): Promise<boolean> {
    return this.#fileSystems.delete(name, options);
  }

  listVolumes(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<Volume>> {
    return this.#fileSystems.list(options, signal);
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
    return this.#exports.connect(volume, node, options);
  }

  disconnect(
    volume: string,
    node: NodeIdentity | "all",
    options?: NodeOptions,
  ): Promise<boolean> {
    return this.#exports.disconnect(volume, node, options);
  }

  holds(volume: string, node: NodeIdentity, options?: NodeOptions): Promise<boolean> {
    return this.#exports.holds(volume, node, options);
  }

  hostNamesOf(): string[] {
    return [];
  }
}
