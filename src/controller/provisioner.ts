import type { Fleet, FleetMember } from "../arrays/fleet.ts";
import { type ChangeFence, NO_FENCE } from "../async/fence.ts";
import type { Logger } from "../log.ts";
import {
  baseNameOf,
  groupBaseFor,
  groupBaseOf,
  nameKey,
  snapshotSuffixFor,
  volumeNameFor,
} from "../names.ts";
import { getCapacity } from "./calls/capacity.ts";
import { deleteVolume } from "./calls/deletion.ts";
import { expandVolume } from "./calls/growth.ts";
import { getVolume, listVolumes, validateCapabilities, volumeIdsNamed } from "./calls/inquiry.ts";
import { getVolumeHealth, listVolumeHealth } from "./calls/health.ts";
import { modifyVolume } from "./calls/modification.ts";
import { publishVolume } from "./calls/publishing.ts";
import { createSnapshot, deleteSnapshot, getSnapshot, listSnapshots } from "./calls/snapshots.ts";
import { unpublishVolume } from "./calls/unpublishing.ts";
import { readBlocks } from "./changed_blocks/reading.ts";
import { createGroupSnapshot } from "./group_snapshots/creation.ts";
import { groupKeyOf } from "./group_snapshots/group_id.ts";
import { deleteGroupSnapshot, getGroupSnapshot } from "./group_snapshots/made_groups.ts";
import type { ClaimReader, ControllerContext, InventoryReader } from "./context.ts";
import { DeleteMemory } from "./delete_memory.ts";
import { KeptParts } from "./kept_parts.ts";
import type { ClusterSinks } from "../cluster/facts.ts";
import { ClusterView } from "./attachments/cluster_view.ts";
import { NodeRegistry } from "./attachments/node_registry.ts";
import { ImportMemory } from "./import/import_memory.ts";
import { createOrImport } from "./import/importing.ts";
import { PageTokens } from "./page_token.ts";
import type { ProvisionerOptions } from "./provisioner_options.ts";
import { PublishMemory } from "./attachments/publish_memory.ts";
import {
  type PlacementQuestion,
  type PlacementView,
  placementView,
} from "./placement/placement_view.ts";
import { RecentPlacements } from "./placement/recent_placements.ts";
import type {
  BlocksPart,
  BlocksRequest,
  CapacityAnswer,
  CapacityRequest,
  CreateGroupSnapshotRequest,
  CreateSnapshotRequest,
  CreateVolumeRequest,
  ExpandAnswer,
  ExpandRequest,
  GroupSnapshotAnswer,
  GroupSnapshotRequest,
  HealthPage,
  ListRequest,
  ListSnapshotsRequest,
  ModifyRequest,
  PublishedVolume,
  PublishRequest,
  SnapshotAnswer,
  SnapshotPage,
  UnpublishRequest,
  ValidateAnswer,
  ValidateRequest,
  VolumeAnswer,
  VolumeHealth,
  VolumePage,
} from "./requests.ts";
import { type Handle, parseSnapshotId, parseVolumeId } from "./volume_id.ts";
import { VolumeLocator } from "./volume_locator.ts";

/** What a Provisioner is made of. */
interface ProvisionerSetup {
  fleet: Fleet;
  /** Read at each use, so that a changed configuration holds from the next call on. */
  options: () => ProvisionerOptions;
  log: Logger;
  /** Default: this process always leads. */
  fence?: Pick<ChangeFence, "settled" | "heldForMs">;
  now?: () => number;
  /** Default: nobody can ask, and no volume has a group. */
  claims?: ClaimReader;
  /** Default: nobody can ask, and nothing is imported. */
  inventory?: InventoryReader;
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

  constructor(setup: ProvisionerSetup) {
    const { fleet, options, log, fence = NO_FENCE, now, claims, inventory } = setup;
    const nodes = new NodeRegistry(now);
    this.#context = {
      fleet,
      options,
      log,
      fence,
      locator: new VolumeLocator(fleet),
      nodes,
      published: new PublishMemory(),
      cluster: new ClusterView({ fleet, nodes }),
      deleted: new DeleteMemory(),
      recent: new RecentPlacements(now),
      tokens: new PageTokens(),
      ahead: {
        volumes: new KeptParts(({ volume: { name } }) => name, now),
        snapshots: new KeptParts(({ name }) => name, now),
      },
      claims,
      inventory,
      imports: new ImportMemory(),
    };
  }

  /**
   * Forgets every "no" that memory knows: no such volume, nobody else has it. To be called when
   * another process led meanwhile, or what it sent may have come to be.
   */
  coolDown(): void {
    this.#context.fleet.coolDown();
    this.#context.published.doubt();
  }

  /**
   * Who is to be told of nodes, volumes and attachments as Kubernetes has them. From now on nothing
   * is taken from a node before all of them were told, and nothing that an attachment needs.
   */
  followCluster(): ClusterSinks {
    return this.#context.cluster.follow();
  }

  /**
   * Names of volumes that the cluster may have on that array, whatever they are called; none without
   * Kubernetes, undefined while it has not told all.
   */
  namesMeantOn(member: FleetMember): readonly string[] | undefined {
    const { cluster, inventory } = this.#context;
    return cluster.isFollowed || inventory ? cluster.namesMeantOn(member) : [];
  }

  /** Why who uses what cannot be read from the cluster now; undefined while all is well. */
  get clusterProblem(): string | undefined {
    return this.#context.cluster.problem;
  }

  /** What a new volume would be placed by now; no REST call. */
  placementView(question: PlacementQuestion): PlacementView {
    return placementView(this.#context, question);
  }

  /**
   * The key of the lock that a call holds while it runs. It is made from the name on the array, and
   * so the same for a CSI name and for every handle of the same volume.
   */
  lockKey(
    of:
      | { volumeName: string }
      | { volumeId: string }
      | { snapshotName: string }
      | {
        snapshotId: string;
      }
      | { groupName: string }
      | { groupSnapshotId: string },
  ): string {
    if ("volumeName" in of) {
      return `volume ${nameKey(volumeNameFor(this.#context.options().clusterId, of.volumeName))}`;
    }
    if ("volumeId" in of) {
      const name = this.#nameOf(parseVolumeId(of.volumeId)) ?? of.volumeId;
      // Without its pod or volume group, which a create does not know by its name.
      return `volume ${nameKey(baseNameOf(name))}`;
    }
    if ("snapshotName" in of) return `snapshot ${nameKey(snapshotSuffixFor(of.snapshotName))}`;
    if ("groupName" in of) return `group ${groupBaseFor(of.groupName)}`;
    if ("groupSnapshotId" in of) return `group ${groupKeyOf(of.groupSnapshotId)}`;
    const name = this.#nameOf(parseSnapshotId(of.snapshotId)) ?? of.snapshotId;
    const suffix = name.slice(name.lastIndexOf(".") + 1);
    const group = groupBaseOf(suffix);
    return group === undefined ? `snapshot ${nameKey(suffix)}` : `group ${group}`;
  }

  /** The likeliest name: PSO's form when this cluster's prefix looks like the id of an array. */
  #nameOf({ arrayHint, names: [ours, old] }: Handle): string | undefined {
    const isOld = arrayHint !== undefined && this.#context.fleet.isPrefix(arrayHint);
    return isOld ? old ?? ours : ours;
  }

  /**
   * Creates the volume on the array that placement chooses, or answers with the one that bears the
   * name already; with the one that the claim's annotation names, if it may have that.
   * A clone that was not grown yet is grown. One REST call for a new name once every
   * array was listed. `invalid` (parameters, capabilities, source of the other kind),
   * `out_of_range`, `not_found` (source), `conflict` (the name belongs to another volume),
   * `unsupported` (the source's array cannot clone), `exhausted` (no array fits; the message says
   * why for each).
   */
  createVolume(request: CreateVolumeRequest, signal: AbortSignal): Promise<VolumeAnswer> {
    const { nodeLabels: labelKeys } = this.#context.options().topology;
    const topology = request.topology && { ...request.topology, labelKeys };
    return createOrImport(this.#context, { ...request, topology }, signal);
  }

  /**
   * Destroys the volume. Gone already is success, as soon as no array can hold it any more.
   * `in_use` while a node or a snapshot holds it. Two REST calls when the handle names the array, a
   * third at the same time for file systems, and one more for a volume of any other name than this
   * cluster's.
   */
  deleteVolume(volumeId: string, signal: AbortSignal): Promise<void> {
    return deleteVolume(this.#context, volumeId, signal);
  }

  /**
   * Connects the volume to the node and answers publish_context. `not_found` (volume, node),
   * `invalid` (capability), `conflict` (published to this node in another way), `in_use` (held by
   * another node and not to be taken from it; an initiator name that two nodes share),
   * `unsupported` (no common protocol), `exhausted` (the node holds all it can).
   */
  publishVolume(request: PublishRequest, signal: AbortSignal): Promise<Record<string, string>> {
    return publishVolume(this.#context, request, signal);
  }

  /**
   * Takes the volume away from the node, or from all. Unknown volume is success; unknown node too
   * once no host holds the volume, else `not_found`.
   */
  unpublishVolume(request: UnpublishRequest, signal: AbortSignal): Promise<void> {
    return unpublishVolume(this.#context, request, signal);
  }

  /**
   * Whether the volume can be used in all of these ways, and the parameters are known. `not_found`.
   */
  validateCapabilities(request: ValidateRequest, signal: AbortSignal): Promise<ValidateAnswer> {
    return validateCapabilities(this.#context.locator, request, signal);
  }

  /**
   * A page of the volumes with this cluster's names and of the nodes that each is published to.
   * `stale_token`; `unavailable` while an array does not answer: a list without its volumes would
   * say that they are gone. volume_context is left out: arrays do not keep it.
   */
  listVolumes(request: ListRequest, signal: AbortSignal): Promise<VolumePage> {
    return listVolumes(this.#context, request, signal);
  }

  /** The volume and the nodes that it is published to. `not_found`. */
  getVolume(volumeId: string, signal: AbortSignal): Promise<PublishedVolume> {
    return getVolume(this.#context, volumeId, signal);
  }

  /**
   * The handles of every live volume of that name in no pod and no volume group. `unavailable` while
   * an array that may have one does not answer.
   */
  volumeIdsNamed(name: string, signal: AbortSignal): Promise<string[]> {
    return volumeIdsNamed(this.#context.locator, name, signal);
  }

  /**
   * Room for new volumes of a class, by each array's last check; no REST call. `invalid` for wrong
   * parameters.
   */
  getCapacity(request: CapacityRequest): CapacityAnswer {
    return getCapacity(this.#context, request);
  }

  /**
   * Snapshots the volume. `invalid` (class parameters), `not_found` (volume), `conflict` (the name
   * is a snapshot of another volume). One REST call.
   */
  createSnapshot(request: CreateSnapshotRequest, signal: AbortSignal): Promise<SnapshotAnswer> {
    return createSnapshot(this.#context, request, signal);
  }

  /**
   * Destroys the snapshot; gone already is success once every array that could hold it has
   * answered.
   */
  deleteSnapshot(snapshotId: string, signal: AbortSignal): Promise<void> {
    return deleteSnapshot(this.#context, { snapshotId }, signal);
  }

  /**
   * Snapshots the volumes at one moment of all their writes, or none of them. `invalid` (class
   * parameters, a volume that is named twice), `not_found` (volume), `unsupported` (volumes of
   * several arrays, file systems, more than an array takes), `conflict` (the name is a group of
   * other volumes, or a part of this one is gone). One REST call.
   */
  createGroupSnapshot(
    request: CreateGroupSnapshotRequest,
    signal: AbortSignal,
  ): Promise<GroupSnapshotAnswer> {
    return createGroupSnapshot(this.#context, request, signal);
  }

  /** The group snapshot. `not_found`, also when a part of it is gone; `invalid` (snapshot ids). */
  getGroupSnapshot(
    request: GroupSnapshotRequest,
    signal: AbortSignal,
  ): Promise<GroupSnapshotAnswer> {
    return getGroupSnapshot(this.#context, request, signal);
  }

  /**
   * Destroys every snapshot of the group; what is gone already is success, by the rules of
   * deleteSnapshot(). `invalid` (snapshot ids that are not those of the group), `in_use` (a
   * protection group took it).
   */
  deleteGroupSnapshot(request: GroupSnapshotRequest, signal: AbortSignal): Promise<void> {
    return deleteGroupSnapshot(this.#context, request, signal);
  }

  /**
   * A page of snapshots: of one handle, of one volume, or of all volumes with this cluster's
   * names. Unknown handles give an empty page. `stale_token`.
   */
  listSnapshots(request: ListSnapshotsRequest, signal: AbortSignal): Promise<SnapshotPage> {
    return listSnapshots(this.#context, request, signal);
  }

  /** The snapshot. `not_found`. */
  getSnapshot(snapshotId: string, signal: AbortSignal): Promise<SnapshotAnswer> {
    return getSnapshot(this.#context.locator, snapshotId, signal);
  }

  /**
   * What of a snapshot holds data, or differs from another of the same volume: part by part, the
   * next one read from the array when it is asked for. At least one part. Changes nothing.
   * `not_found`, `invalid` (snapshots of different volumes), `out_of_range` (where to begin),
   * `unsupported` (file systems).
   */
  readBlocks(request: BlocksRequest, signal: AbortSignal): AsyncGenerator<BlocksPart> {
    return readBlocks(this.#context.locator, request, signal);
  }

  /**
   * Grows the volume to the range. `not_found`, `out_of_range`, `invalid` (capability).
   */
  expandVolume(request: ExpandRequest, signal: AbortSignal): Promise<ExpandAnswer> {
    return expandVolume(this.#context.locator, request, signal);
  }

  /**
   * Gives the volume what a VolumeAttributesClass names: limits of IOPS and bandwidth, tags, export
   * rules. `not_found`, `invalid` (parameters), `in_use` (a rule would go by which a node may use
   * the volume). Two REST calls, three with tags beside limits.
   */
  modifyVolume(request: ModifyRequest, signal: AbortSignal): Promise<void> {
    return modifyVolume(this.#context, request, signal);
  }

  /**
   * What is wrong with the volume: with its array, on the ways to it, or because somebody destroyed
   * or disconnected it on the array. `not_found`; `unavailable` when that cannot be found out.
   */
  getVolumeHealth(volumeId: string, signal: AbortSignal): Promise<VolumeHealth> {
    return getVolumeHealth(this.#context, volumeId, signal);
  }

  /** A page of the volumes with which something is wrong. `stale_token`, `unavailable`. */
  listVolumeHealth(request: ListRequest, signal: AbortSignal): Promise<HealthPage> {
    return listVolumeHealth(this.#context, request, signal);
  }
}
