import type { Fleet, FleetMember } from "../arrays/fleet.ts";
import { PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { snapshotSuffixFor, volumeNameFor } from "../names.ts";
import { capabilitiesFault } from "./capability_check.ts";
import type { ControllerContext } from "./context.ts";
import { listAcross } from "./calls/listing.ts";
import { NodeRegistry } from "./node_registry.ts";
import { PageTokens } from "./page_token.ts";
import { parseParameters } from "./parameters.ts";
import type { ProvisionerOptions } from "./provisioner_options.ts";
import { Publishing } from "./calls/publishing.ts";
import { RecentPlacements } from "./recent_placements.ts";
import type {
  CapacityAnswer,
  CapacityRequest,
  CreateSnapshotRequest,
  CreateVolumeRequest,
  ExpandAnswer,
  ExpandRequest,
  ListRequest,
  ListSnapshotsRequest,
  PublishedVolume,
  PublishRequest,
  SnapshotAnswer,
  SnapshotPage,
  UnpublishRequest,
  ValidateAnswer,
  ValidateRequest,
  VolumeAnswer,
  VolumePage,
} from "./requests.ts";
import { Snapshots } from "./calls/snapshots.ts";
import { accessibleTopologyOf } from "./topology.ts";
import { parseSnapshotId, parseVolumeId } from "./volume_id.ts";
import { VolumeCreation } from "./calls/creation.ts";
import { type LocatedVolume, VolumeLocator } from "./volume_locator.ts";
import { grownSize } from "./volume_size.ts";

export interface ProvisionerSetup {
  fleet: Fleet;
  /** Read at each use, so that a changed configuration holds from the next call on. */
  options: () => ProvisionerOptions;
  log: Logger;
  now?: () => number;
}

/**
 * The Controller service of CSI 1.13 in plain values: decides what to do on which array. It keeps
 * no state that must survive; every method is safe to repeat, also after a crash in its middle.
 * Errors are PsoError: `unavailable`, `timeout`, `busy` and `denied` whenever the outcome may be
 * unclear, and what each method names. Two calls for one volume at once are kept apart by the
 * caller with `lockKey`.
 */
export class Provisioner {
  readonly #context: ControllerContext;
  readonly #creation: VolumeCreation;
  readonly #publishing: Publishing;
  readonly #snapshots: Snapshots;

  constructor({ fleet, options, log, now }: ProvisionerSetup) {
    const context: ControllerContext = {
      fleet,
      options,
      log,
      locator: new VolumeLocator(fleet),
      nodes: new NodeRegistry(now),
      recent: new RecentPlacements(now),
      tokens: new PageTokens(),
    };
    this.#context = context;
    this.#creation = new VolumeCreation(context);
    this.#publishing = new Publishing(context);
    this.#snapshots = new Snapshots(context);
  }

  /**
   * What a call holds while it runs: the name on the array, the same for a CSI name and for every
   * handle of what it names.
   */
  lockKey(
    of: { volumeName: string } | { volumeId: string } | { snapshotName: string } | {
      snapshotId: string;
    },
  ): string {
    if ("volumeName" in of) {
      return `volume ${volumeNameFor(this.#context.options().prefix, of.volumeName)}`;
    }
    if ("volumeId" in of) return `volume ${parseVolumeId(of.volumeId).names[0] ?? of.volumeId}`;
    if ("snapshotName" in of) return `snapshot ${snapshotSuffixFor(of.snapshotName)}`;
    const name = parseSnapshotId(of.snapshotId)?.name ?? of.snapshotId;
    return `snapshot ${name.slice(name.lastIndexOf(".") + 1)}`;
  }

  /**
   * Creates the volume on the array that placement chooses, or answers with the one that bears the
   * name; finishes a clone that was not grown yet. Warm and new: one REST call. `invalid`
   * (parameters, capabilities, source of the other kind), `out_of_range`, `not_found` (source),
   * `conflict` (the name belongs to another volume), `unsupported` (the source's array cannot
   * clone), `exhausted` (no array fits; the message says why for each).
   */
  createVolume(request: CreateVolumeRequest, signal: AbortSignal): Promise<VolumeAnswer> {
    return this.#creation.create(request, signal);
  }

  /**
   * Destroys the volume; gone already is success once every array that could hold it has answered.
   * `in_use` while a node or a snapshot holds it. A handle of ours: two REST calls.
   */
  async deleteVolume(volumeId: string, signal: AbortSignal): Promise<void> {
    const { fleet, locator } = this.#context;
    const hinted = locator.hinted(volumeId);
    if (
      hinted && fleet.mayHold(hinted.member, hinted.name) && await this.#destroy(hinted, signal)
    ) return;
    // Not where the handle says: it may have been moved, or be gone.
    const found = await locator.find(volumeId, signal);
    if (found) await this.#destroy({ member: found.member, name: found.volume.name }, signal);
  }

  async #destroy(
    { member, name }: { member: FleetMember; name: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { fleet, nodes } = this.#context;
    const isNode = (client: string) => nodes.knows(client);
    const destroyed = await member.array.deleteVolume(name, {
      mayHaveSnapshots: fleet.mayHaveSnapshots(member, name),
      isNode,
      signal,
    });
    fleet.deleted(member, name);
    return destroyed;
  }

  /**
   * Connects the volume to the node and answers publish_context. `not_found` (volume, node),
   * `invalid` (capability), `conflict` (published to this node in another way), `in_use` (held by
   * another node and not to be taken from it; an initiator name that two nodes share),
   * `unsupported` (no common protocol), `exhausted` (the node holds all it can).
   */
  publishVolume(request: PublishRequest, signal: AbortSignal): Promise<Record<string, string>> {
    return this.#publishing.publish(request, signal);
  }

  /**
   * Takes the volume away from the node, or from all. Unknown volume is success; unknown node too
   * once no host holds the volume, else `not_found`.
   */
  unpublishVolume(request: UnpublishRequest, signal: AbortSignal): Promise<void> {
    return this.#publishing.unpublish(request, signal);
  }

  /**
   * Whether the volume can be used in all of these ways, and the parameters are known. `not_found`.
   */
  async validateCapabilities(
    request: ValidateRequest,
    signal: AbortSignal,
  ): Promise<ValidateAnswer> {
    const { member } = await this.#context.locator.need(request.volumeId, signal);
    const fault = capabilitiesFault(request.capabilities, member.array.kind);
    if (fault !== undefined) return { confirmed: false, message: fault };
    try {
      const { kind } = parseParameters(request.parameters);
      if (kind === undefined || kind === member.array.kind) return { confirmed: true };
      return {
        confirmed: false,
        message: `backend ${kind} is asked for and the volume is a ${member.array.kind} volume`,
      };
    } catch (error) {
      if (error instanceof PsoError && error.code === "invalid") {
        return { confirmed: false, message: error.message };
      }
      throw error;
    }
  }

  /**
   * A page of the volumes with this cluster's prefix and of the nodes that each is published to.
   * `stale_token`; `unavailable` while an array does not answer: a list without its volumes would
   * say that they are gone. volume_context is left out: arrays do not keep it.
   */
  async listVolumes(request: ListRequest, signal: AbortSignal): Promise<VolumePage> {
    const { locator, options, tokens } = this.#context;
    const prefix = `${options().prefix}-`;
    const { items, nextToken } = await listAcross(
      request,
      { arrays: locator.listOrder(), tokens },
      ({ member }, part) => member.array.listVolumes({ prefix, hosts: true, ...part }, signal),
    );
    return {
      entries: items.map(({ listed, item }) =>
        this.#published({ member: listed.member, volume: item }, listed.arrayId)
      ),
      nextToken,
    };
  }

  /** The volume and the nodes that it is published to. `not_found`. */
  async getVolume(volumeId: string, signal: AbortSignal): Promise<PublishedVolume> {
    const located = await this.#context.locator.need(volumeId, signal, { hosts: true });
    const { id } = await this.#context.locator.statusOf(located.member, signal);
    const { volume, publishedNodeIds } = this.#published(located, id);
    return { volume: { ...volume, volumeId }, publishedNodeIds };
  }

  /**
   * Room for new volumes of a class, by each array's last check; no REST call. `invalid` for wrong
   * parameters.
   */
  getCapacity(request: CapacityRequest): CapacityAnswer {
    return this.#creation.capacity(request);
  }

  /**
   * Snapshots the volume. `invalid` (class parameters), `not_found` (volume), `conflict` (the name
   * is a snapshot of another volume). One REST call.
   */
  createSnapshot(request: CreateSnapshotRequest, signal: AbortSignal): Promise<SnapshotAnswer> {
    return this.#snapshots.create(request, signal);
  }

  /**
   * Destroys the snapshot; gone already is success once every array that could hold it has
   * answered.
   */
  deleteSnapshot(snapshotId: string, signal: AbortSignal): Promise<void> {
    return this.#snapshots.delete(snapshotId, signal);
  }

  /**
   * A page of snapshots: of one handle, of one volume, or of all volumes with this cluster's
   * prefix. Unknown handles give an empty page. `stale_token`.
   */
  listSnapshots(request: ListSnapshotsRequest, signal: AbortSignal): Promise<SnapshotPage> {
    return this.#snapshots.list(request, signal);
  }

  /** The snapshot. `not_found`. */
  getSnapshot(snapshotId: string, signal: AbortSignal): Promise<SnapshotAnswer> {
    return this.#snapshots.get(snapshotId, signal);
  }

  /**
   * Grows the volume to the range; one that is large enough is answered as it is. The node must
   * follow for block volumes, raw ones too: its device has to be read again. `not_found`,
   * `out_of_range`, `invalid` (capability).
   */
  async expandVolume(
    { volumeId, capacityRange, capability }: ExpandRequest,
    signal: AbortSignal,
  ): Promise<ExpandAnswer> {
    const { member, volume } = await this.#context.locator.need(volumeId, signal);
    const { kind } = member.array;
    const fault = capability && capabilitiesFault([capability], kind);
    if (fault !== undefined) throw new PsoError("invalid", `Cannot grow ${volume.name}: ${fault}`);
    const nodeExpansionRequired = kind === "block";
    const sizeBytes = grownSize(capacityRange, kind, volume.sizeBytes);
    if (sizeBytes <= volume.sizeBytes) {
      return { capacityBytes: volume.sizeBytes, nodeExpansionRequired };
    }
    const grown = await member.array.growVolume(volume.name, sizeBytes, signal);
    return { capacityBytes: grown.sizeBytes, nodeExpansionRequired };
  }

  #published({ member, volume }: LocatedVolume, arrayId: string): PublishedVolume {
    const { locator, nodes } = this.#context;
    return {
      volume: {
        volumeId: locator.idOf(arrayId, volume.name),
        capacityBytes: volume.sizeBytes,
        volumeContext: {},
        accessibleTopology: accessibleTopologyOf(member.labels),
      },
      publishedNodeIds: nodes.nodeIdsOf(volume.hosts ?? []),
    };
  }
}
