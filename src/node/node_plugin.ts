import { isPsoError, messageOf } from "../errors.ts";
import type { FlashArraySettings } from "../config/model.ts";
import type { NodeIdentity } from "../handoff.ts";
import type { Protocol } from "../protocols.ts";
import type { Host } from "../host/host.ts";
import { ensureHostNames, missingNames } from "../host/check/initiator_names.ts";
import { KeyedLock } from "../async/keyed_lock.ts";
import type { Logger } from "../log.ts";
import type { Condition, StorageCondition } from "./look.ts";
import { ATTACHABLE } from "./registry.ts";
import type { NodeContext } from "./context.ts";
import { DeviceWork } from "./device_work.ts";
import { expandVolume, volumeAt, volumeStats } from "./calls/growth.ts";
import { probeFileSystem } from "./health/condition.ts";
import { Healer } from "./health/healer.ts";
import {
  type IdentityOptions,
  readAddresses,
  readIdentity,
  withFittingAddresses,
} from "./identity.ts";
import { NfsServers } from "./nfs/servers.ts";
import { volumeKey } from "./protocol.ts";
import { Preparation } from "./preparation.ts";
import { type InlineState, inlineState, unstageInline } from "./calls/inline.ts";
import { publishVolume } from "./calls/publishing.ts";
import { unpublishVolume } from "./calls/unpublishing.ts";
import type {
  ExpandRequest,
  HealthRequest,
  PublishRequest,
  StageRequest,
  StatsRequest,
  UnpublishRequest,
  UnstageRequest,
  VolumeStats,
} from "./requests.ts";
import { StageRecords } from "./stage_record.ts";
import { stageVolume } from "./calls/staging.ts";
import { TargetQueue } from "./target_queue.ts";
import { unstageVolume } from "./calls/unstaging.ts";

/** So many volumes whose last stage failed are remembered, for NodeGetVolumeHealth. */
const FAILED_STAGES_MAX = 100;

/** What a NodePlugin is made of. */
export interface NodePluginOptions {
  /** The Kubernetes node name. */
  name: string;
  host: Host;
  /** Folder of this node's own for its stage records. */
  stateDir: string;
  /** Folder of the simulator's local data plane. */
  localPlane?: string;
  /** Addresses given by --data-address; none: those of the host's own interfaces. */
  dataAddresses: string[];
  /** How block volumes are attached, formatted and mounted. */
  flasharray: FlashArraySettings;
  /** max_volumes_per_node of NodeGetInfo; 0 leaves the limit to the CO. */
  maxVolumesPerNode: number;
  /** Where this node is, as NodeGetInfo answers it; absent: without topology. */
  segments?: () => Promise<Record<string, string>>;
  log: Logger;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/**
 * The node plugin: what CSI asks of one node, in plain values. Every method is safe to repeat, also
 * after a crash at any step, and throws PsoError. Of two calls for one volume at once the second is
 * `busy`. The caller checks that required fields are there and decodes the publish_context.
 */
export class NodePlugin {
  readonly maxVolumesPerNode: number;
  /** As NodePluginOptions.segments. */
  readonly segments: NodePluginOptions["segments"];
  readonly #context: NodeContext;
  readonly #locks = new KeyedLock();
  readonly #identity: IdentityOptions;
  /** An administrator named the addresses: then none of them is left out. */
  readonly #hasChosenAddresses: boolean;
  readonly #preparation: Preparation;
  /** Why the last stage of a volume failed; such a volume has no record. */
  readonly #failedStages = new Map<string, string>();
  /** Looks after what is staged; it does so only while somebody runs it. */
  readonly healer: Healer;

  constructor(options: NodePluginOptions) {
    const { host, dataAddresses, flasharray, log, stateDir, localPlane } = options;
    const addresses = () =>
      dataAddresses.length > 0 ? Promise.resolve(dataAddresses) : readAddresses(host);
    this.#hasChosenAddresses = dataAddresses.length > 0;
    this.maxVolumesPerNode = options.maxVolumesPerNode;
    this.segments = options.segments;
    this.#identity = { name: options.name, host, attachable: ATTACHABLE, localPlane, addresses };
    this.#preparation = new Preparation({ ...this.#identity, multipath: flasharray.multipath });
    this.#context = {
      host,
      stateDir,
      records: new StageRecords(stateDir, { log }),
      localPlane,
      dataAddresses: addresses,
      flasharray,
      chap: new Map(),
      targets: new TargetQueue(),
      deviceWork: new DeviceWork(log),
      requirePrepared: (protocol) => this.#preparation.require(protocol),
      nfs: new NfsServers({ host, log, now: options.now }),
      unknownMountOptions: new Set(),
      log,
    };
    this.healer = new Healer({
      context: this.#context,
      locks: this.#locks,
      now: options.now,
    });
  }

  /** Volumes that are being worked on now. */
  get locksHeld(): number {
    return this.#locks.size;
  }

  /** How many volumes this node has staged, by its records. */
  stagedVolumes(): Promise<number> {
    return this.#context.records.count();
  }

  /** NodeStageVolume. */
  async stage(request: StageRequest, signal?: AbortSignal): Promise<void> {
    const { volumeId } = request;
    try {
      // Two ids may name one volume: it must not be attached and formatted for both at once.
      await this.#locks.tryRun(
        [volumeId, volumeKey(request.attachment)],
        "stage",
        () => stageVolume(this.#context, request, signal),
      );
      this.#failedStages.delete(volumeId);
    } catch (error) {
      if (!isPsoError(error, "busy")) this.#noteFailure(volumeId, messageOf(error));
      throw error;
    }
  }

  #noteFailure(volumeId: string, reason: string): void {
    this.#failedStages.delete(volumeId);
    this.#failedStages.set(volumeId, reason);
    const [oldest] = this.#failedStages.keys();
    if (this.#failedStages.size > FAILED_STAGES_MAX && oldest !== undefined) {
      this.#failedStages.delete(oldest);
    }
  }

  /** NodeUnstageVolume. */
  async unstage(request: UnstageRequest, signal?: AbortSignal): Promise<void> {
    await this.#locked(
      request.volumeId,
      "unstage",
      () => unstageVolume(this.#context, request, signal),
    );
    this.#failedStages.delete(request.volumeId);
  }

  /** NodePublishVolume. */
  async publish(request: PublishRequest, signal?: AbortSignal): Promise<void> {
    await this.#locked(
      request.volumeId,
      "publish",
      () => publishVolume(this.#context, request, signal),
    );
    // What is published is staged and lives: it may have been mounted anew for this pod.
    this.#failedStages.delete(request.volumeId);
  }

  /** NodeUnpublishVolume. */
  unpublish(request: UnpublishRequest, signal?: AbortSignal): Promise<void> {
    return this.#locked(
      request.volumeId,
      "unpublish",
      () => unpublishVolume(this.#context, request, signal),
    );
  }

  /** What this node has of a volume that a pod describes itself. */
  inlineState(volumeId: string): Promise<InlineState> {
    return inlineState(this.#context, volumeId);
  }

  /**
   * Unstages a volume that a pod described itself, and forgets it. `in_use` while it is published.
   */
  async unstageInline(request: UnstageRequest, signal?: AbortSignal): Promise<void> {
    await this.#locked(
      request.volumeId,
      "unstage",
      () => unstageInline(this.#context, request, signal),
    );
    this.#failedStages.delete(request.volumeId);
  }

  /** NodeExpandVolume. */
  expand(request: ExpandRequest, signal?: AbortSignal): Promise<{ sizeBytes: number }> {
    return this.#locked(
      request.volumeId,
      "expand",
      () => expandVolume(this.#context, request, signal),
    );
  }

  /** NodeGetVolumeStats. */
  stats(request: StatsRequest, signal?: AbortSignal): Promise<VolumeStats> {
    return volumeStats(this.#context, request, signal);
  }

  /**
   * NodeGetVolumeHealth: what is wrong with a volume now; nothing means healthy. Also of a volume
   * whose stage failed. `not_found` when this node knows nothing of it.
   */
  async health(request: HealthRequest): Promise<Condition[]> {
    const { volumeId, volumePath, stagingPath } = request;
    const record = await this.#context.records.find(volumeId);
    const failure = this.#failedStages.get(volumeId);
    const failed: Condition[] = failure === undefined
      ? []
      : [{ status: "inaccessible", reason: "StageFailed", message: failure }];
    if (record) {
      const found = await this.healer.conditionsOf(record);
      return [...failed, ...found, ...await probeFileSystem(this.#context, record)];
    }
    if (failed.length === 0) {
      await volumeAt(this.#context, { volumeId, volumePath, stagingPath });
    }
    return failed;
  }

  /**
   * NodeGetStorageHealth: what is wrong with the arrays and servers behind the volumes of this
   * node, by the healer's last round.
   */
  storageHealth(): StorageCondition[] {
    return this.healer.storageConditions();
  }

  /** NodeGetInfo: who this node is to the arrays. */
  async identity(): Promise<NodeIdentity> {
    await this.#lookAtNames();
    const whole = await readIdentity(this.#identity);
    if (this.#hasChosenAddresses) return whole;
    const { iscsiAllowedCidrs } = this.#context.flasharray;
    const { identity, leftOut } = withFittingAddresses(whole, iscsiAllowedCidrs);
    if (leftOut.length > 0) {
      this.#context.log.warn("addresses of this node left out, because CSI has no room for them", {
        kept: identity.addresses.join(", "),
        leftOut: leftOut.join(", "),
        fix: "name the addresses in storage networks with --data-address",
      });
    }
    return identity;
  }

  /** Writes the host's NVMe names if it has none, and says each name that is missing all the same. */
  async #lookAtNames(): Promise<void> {
    const { host, log } = this.#context;
    let said: string | undefined;
    try {
      await ensureHostNames(host, log);
    } catch (error) {
      said = messageOf(error);
      log.warn("host has no NVMe names, and none could be written", { reason: said });
    }
    for (const reason of await missingNames(host)) {
      if (reason === said) continue;
      log.warn(
        "this host has no initiator name that can be used, and registers without its protocols",
        { reason },
      );
    }
  }

  /** Why a protocol cannot be used on this host, for readiness; those that can are left out. */
  protocolReasons(): Promise<Partial<Record<Protocol, string>>> {
    return this.#preparation.reasons();
  }

  #locked<T>(volumeId: string, operation: string, work: () => Promise<T>): Promise<T> {
    return this.#locks.tryRun([volumeId], operation, work);
  }
}
