import { type CreateVolumeSpec, NothingMadeError, type Volume } from "../../arrays/array.ts";
import { type FleetMember, groupToMake, memberKey } from "../../arrays/fleet.ts";
import { refuseEmptyFleet } from "../../config/arrays/no_arrays.ts";
import { PsoError } from "../../errors.ts";
import type { ControllerContext } from "../context.ts";
import { parseMutable } from "../parameters/mutable_parameters.ts";
import { explain, placementError } from "../placement/decision_told.ts";
import { place, type PlacementRequest } from "../placement/placement.ts";
import { type ClaimFacts, type SpreadGroup, spreadGroupOf } from "../placement/spread_group.ts";
import type { ProvisionerOptions } from "../provisioner_options.ts";
import type { ContentSource, CreateVolumeRequest, VolumeAnswer } from "../requests.ts";
import { ownTags } from "../tags.ts";
import { TOPOLOGY_PREFIX } from "../../config/arrays/topology_labels.ts";
import { accessibleTopologyOf, namesPlace } from "../topology.ts";
import { type LocatedVolume, placeKey, type VolumeLocator } from "../volume_locator.ts";
import {
  type Adoption,
  findExistingVolume,
  refuseDifferentVolume,
  refuseNamesakesCopy,
  searchOf,
} from "./existing_volume.ts";
import { usersOf } from "./attachments.ts";
import { applyAttributes } from "./modification.ts";
import { awaitFirstWord, classDemands, memberArrays } from "./placing.ts";
import { neverFinalWhenUnclear } from "./unclear_outcome.ts";
import { volumeContextOf, wantedSize, type WantedVolume } from "./wanted_volume.ts";

/** What the new volume gets its content from. */
interface Source {
  member: FleetMember;
  spec: { volume: string } | { snapshot: string };
  /** Its own size; absent for a snapshot of which the array keeps none. */
  sizeBytes?: number;
  /** For such a snapshot: the size of its volume now, unless that is gone. */
  nowBytes?: number;
}

/** A volume that does not exist yet, with all that is decided about it but the array. */
interface CreatePlan {
  wanted: WantedVolume;
  source?: Source;
  sizeBytes: number;
  /** Volumes that it is spread with; absent without any. */
  group?: SpreadGroup;
  /** Of the claim; absent where nobody says. */
  storageClass?: string;
}

/** The same with its array. */
interface PlacedPlan extends CreatePlan {
  member: FleetMember;
}

/** A volume that is asked for by a request that is right in itself. */
interface AskedVolume {
  wanted: WantedVolume;
  /** As it was read before: no wait lies between the look for the name and the create. */
  claim?: ClaimFacts;
  /** Judges what is known once it is sure that nothing bears the name; may throw. */
  beforeNew?: () => Promise<void>;
}

/**
 * CreateVolume of a volume of its own. Order: wait until nobody else can be making the volume, look
 * for the name where it may exist, find the source, let placement order the arrays, create on the
 * first that has room.
 */
export async function createVolume(
  context: ControllerContext,
  { wanted, claim, beforeNew }: AskedVolume,
  signal: AbortSignal,
): Promise<VolumeAnswer> {
  const { fleet, locator } = context;
  const { request } = wanted;
  const { defaultFsType } = context.options().flasharray;
  // Sizes that no source can change are judged before any call to an array.
  if (!request.contentSource) wantedSize(wanted, { defaultFsType });
  // Before the look, and not after it: what a leader that died sent may come to be in between.
  await context.fence.settled(signal);
  const existing = await findExistingVolume(fleet, searchOf(wanted, claim), signal);
  if (existing) return await adoptVolume(context, { existing, wanted }, signal);
  await beforeNew?.();
  refuseAnyPlace(request, context.options());
  refuseEmptyFleet({ members: fleet.members.filter(({ draining }) => !draining) });
  const source = request.contentSource && await findSource(locator, request.contentSource, signal);
  if (source && source.member.array.kind !== wanted.kind) {
    const { kind, label } = source.member.array;
    throw new PsoError(
      "invalid",
      `Cannot create ${request.name}: its source is a ${kind} volume on ${label} ` +
        `and backend ${wanted.kind} is asked for; use a class of the source's backend`,
    );
  }
  const group = claim && spreadGroupOf(claim);
  const sizeBytes = wantedSize(wanted, {
    defaultFsType,
    sourceBytes: source?.sizeBytes,
    sourceNowBytes: source?.nowBytes,
  });
  const { storageClass } = claim ?? {};
  const plan = { wanted, source, sizeBytes, group, storageClass };
  return await createOnBestArray(context, plan, signal);
}

/**
 * `exhausted` when the topology is strict and the request names no place: csi-provisioner then
 * looks for another node, and the claim says why it waits.
 */
function refuseAnyPlace(
  { name, topology }: CreateVolumeRequest,
  { topology: { strict, enable } }: ProvisionerOptions,
): void {
  if (!enable || !strict || namesPlace(topology)) return;
  throw new PsoError(
    "exhausted",
    `Cannot place ${name}: storagetopology.strictTopology is on, and the request names no place ` +
      `(a segment ${TOPOLOGY_PREFIX}…): label the nodes and restart their node-plugin pods, name ` +
      "one in allowedTopologies of the class, or set strictTopology to false",
  );
}

/**
 * Answers with a volume that bears the name already, if it is what the request asks for. A clone
 * that an earlier call made and did not finish is finished now: a block volume grows, a file system
 * gets its own size and export rules in place of its source's.
 */
async function adoptVolume(
  context: ControllerContext,
  { existing, wanted }: Adoption,
  signal: AbortSignal,
): Promise<VolumeAnswer> {
  const { member } = existing;
  context.fleet.created(member, wanted.name);
  refuseDifferentVolume(existing, wanted);
  await refuseNamesakesCopy(context, { existing, wanted }, signal);
  const volume = await finishedVolume(context, { existing, wanted }, signal);
  await finishAttributes(context, { existing, wanted }, signal);
  return await answerFor(context, { located: { member, volume }, wanted }, signal);
}

async function finishedVolume(
  context: ControllerContext,
  { existing: { member, volume }, wanted }: Adoption,
  signal: AbortSignal,
): Promise<Volume> {
  const { array } = member;
  const { contentSource } = wanted.request;
  const isSmall = volume.sizeBytes < wanted.range.requiredBytes;
  if (!contentSource || !volume.source || (array.kind === "block" && !isSmall)) return volume;
  const { defaultFsType } = context.options().flasharray;
  const sizeBytes = isSmall
    ? wantedSize(wanted, { defaultFsType, sourceBytes: volume.sizeBytes })
    : volume.sizeBytes;
  const spec = "snapshotId" in contentSource
    ? { snapshot: volume.source }
    : { volume: volume.source };
  const plan = { wanted, member, sizeBytes, source: { member, spec } };
  return await neverFinalWhenUnclear({
    what: `finish the clone ${wanted.request.name}`,
    final: [],
    // A file system's size does not tell whether it has its own rules yet: the array's client
    // looks.
    work: () =>
      array.kind === "block"
        ? array.growVolume(wanted.name, sizeBytes, signal)
        : array.createVolume(specOf(context, plan), signal),
  });
}

/** What the claim's VolumeAttributesClass and the tags of its class ask for is there afterwards. */
async function finishAttributes(
  context: ControllerContext,
  { existing: { member, volume }, wanted: { request, parameters } }: Adoption,
  signal: AbortSignal,
): Promise<void> {
  const changes = { ...parseMutable(request.mutableParameters ?? {}) };
  if (parameters.tags) changes.tags = parameters.tags;
  const { protectionGroups } = parameters;
  if (protectionGroups) changes.protectionGroups = protectionGroups;
  await neverFinalWhenUnclear({
    what: `finish ${request.name} on ${member.array.label}`,
    final: [],
    work: () => applyAttributes(context, { member, name: volume.name, changes }, signal),
  });
}

/** `not_found` when there is no such snapshot or volume. */
async function findSource(
  locator: VolumeLocator,
  contentSource: ContentSource,
  signal: AbortSignal,
): Promise<Source> {
  if ("snapshotId" in contentSource) {
    const found = await locator.findSnapshot(contentSource.snapshotId, signal);
    if (found) {
      const { member, snapshot } = found;
      const spec = { snapshot: snapshot.name };
      if (snapshot.sizeBytes > 0) return { member, spec, sizeBytes: snapshot.sizeBytes };
      const volume = await member.array.findVolume(snapshot.volume, { signal });
      return { member, spec, nowBytes: volume?.sizeBytes };
    }
    throw new PsoError(
      "not_found",
      `source snapshot ${contentSource.snapshotId} does not exist on any array`,
    );
  }
  const found = await locator.find(contentSource.volumeId, signal);
  if (found) {
    const { member, volume } = found;
    return { member, spec: { volume: volume.name }, sizeBytes: volume.sizeBytes };
  }
  throw new PsoError(
    "not_found",
    `source volume ${contentSource.volumeId} does not exist on any array`,
  );
}

/**
 * Creates the volume on the first array of placement's order that takes it. The next one is asked
 * only if the one before surely made nothing: it could not be reached, or refused the call itself
 * (the role, a limit, no room).
 */
async function createOnBestArray(
  context: ControllerContext,
  plan: CreatePlan,
  signal: AbortSignal,
): Promise<VolumeAnswer> {
  const { log } = context;
  const { wanted, sizeBytes } = plan;
  await awaitFirstWord(context.fleet, wanted.kind, signal);
  const request = placementRequest(plan, context.options());
  const decision = place(request, memberArrays(context, plan.group));
  log.info("placement", { volume: wanted.name, sizeBytes, ...explain(decision) });
  const refusals: NothingMadeError[] = [];
  for (const { array: { member } } of decision.candidates) {
    // Taken out of the configuration since the decision.
    if (member.draining) return await createOnBestArray(context, plan, signal);
    try {
      const volume = await sendCreate(context, { ...plan, member }, signal);
      return await answerFor(context, { located: { member, volume }, wanted }, signal);
    } catch (error) {
      if (!(error instanceof NothingMadeError)) throw error;
      log.warn("array refused a placement", {
        volume: wanted.name,
        array: member.array.label,
        reason: error.message,
      });
      refusals.push(error);
    }
  }
  throw refusedByAll(wanted, refusals) ?? placementError(request, decision);
}

/**
 * The error when every candidate refused; `undefined` when there was none. `exhausted` only if all
 * of them have no room: anything else may pass.
 */
function refusedByAll(
  { request }: WantedVolume,
  refusals: readonly NothingMadeError[],
): PsoError | undefined {
  const [first, second] = refusals;
  const other = refusals.find(({ code }) => code !== "exhausted");
  if (!first || !second || !other) return other ?? first;
  const reasons = refusals.map(({ message }) => message).join("; ");
  return new PsoError("unavailable", `Cannot create ${request.name}: ${reasons}`, { cause: other });
}

function placementRequest(
  { wanted, source, sizeBytes }: CreatePlan,
  options: ProvisionerOptions,
): PlacementRequest {
  const demands = classDemands(wanted.kind, wanted.parameters, options);
  return {
    ...demands,
    features: source ? [...demands.features, "clone"] : demands.features,
    volumeName: wanted.name,
    requestName: wanted.request.name,
    sizeBytes,
    topology: wanted.request.topology,
    onlyArray: source && memberKey(source.member),
  };
}

/**
 * Sends the create to one array. The name is noted before: from then on this process looks the name
 * up before it creates it again, whatever becomes of this call.
 */
async function sendCreate(
  context: ControllerContext,
  plan: PlacedPlan,
  signal: AbortSignal,
): Promise<Volume> {
  const { fleet, published, recent } = context;
  const { member, wanted, source, sizeBytes } = plan;
  const wasHere = fleet.mayHaveMade(member, wanted.name);
  fleet.unclear(member, wanted.name);
  // With the name, so that of many creates at once each sees those before it.
  if (plan.group) fleet.grouped(member, wanted.name, plan.group.key);
  // Counted before the answer: of a hundred creates at once, each must see those that were placed
  // before it.
  const usedBytes = member.status?.usedBytes ?? 0;
  const placing = recent.begin(memberKey(member), { bytes: sizeBytes, usedBytes });
  // Two changes on the array: a clone that also grows, and a clone of a file system, which gets
  // rules of its own. When the second one fails the volume exists, so only those codes may be final
  // that the first change alone can give.
  const hasTwoSteps = source !== undefined &&
    (wanted.kind === "file" || sizeBytes > (source.sizeBytes ?? 0));
  const volume = await neverFinalWhenUnclear({
    what: `create ${wanted.request.name} on ${member.array.label}`,
    final: hasTwoSteps ? ["not_found", "unsupported", "conflict"] : "all",
    work: () => member.array.createVolume(specOf(context, plan), signal),
  }).catch((error) => {
    placing.ended(error instanceof NothingMadeError ? "nothing" : "unclear");
    if (error instanceof NothingMadeError) {
      // Nor did an earlier call make it: else a repeat would ask an array that is gone for it.
      if (!wasHere) fleet.deleted(member, wanted.name);
      if (!error.isOfThisVolume) fleet.refusedCreate(member, error);
    }
    throw error;
  });
  placing.ended("made");
  fleet.created(member, wanted.name);
  if (!wasHere) published.made(placeKey({ member, name: wanted.name }));
  fleet.refusedCreate(member, undefined);
  // The array may have answered with a volume that was there already.
  refuseDifferentVolume({ member, volume }, wanted);
  return volume;
}

function specOf(
  context: ControllerContext,
  { wanted, member, source, sizeBytes, group, storageClass }: PlacedPlan,
): CreateVolumeSpec {
  const { name, kind, parameters, request: { capabilities } } = wanted;
  const { clusterId, flashblade } = context.options();
  const spec: CreateVolumeSpec = {
    name,
    sizeBytes,
    source: source?.spec,
    tags: ownTags(clusterId, { ...parameters, capabilities, group, storageClass }),
  };
  if (kind === "file") {
    return {
      ...spec,
      exportRules: parameters.exportRules ?? flashblade.exportRules,
      isPublished: usersOf(context, { member, name }).length > 0,
      snapshotDirectory: flashblade.snapshotDirectoryEnabled,
    };
  }
  // A new volume has no limit, and neither has a copy.
  const iopsLimit = parameters.iopsLimit ?? undefined;
  const bandwidthLimitBytes = parameters.bandwidthLimitBytes ?? undefined;
  const { protectionGroups } = parameters;
  const newGroup = groupToMake(member.status?.containers, parameters);
  const block = {
    ...spec,
    ...(newGroup ? { newGroup } : {}),
    ...(parameters.tags ? { askedTags: parameters.tags } : {}),
    ...(protectionGroups ? { protectionGroups } : {}),
  };
  return iopsLimit === undefined && bandwidthLimitBytes === undefined
    ? block
    : { ...block, qos: { iopsLimit, bandwidthLimitBytes } };
}

/** The volume that a request gets. */
interface GivenVolume {
  located: LocatedVolume;
  wanted: WantedVolume;
  /** Its handle; absent: the one that it has. */
  volumeId?: string;
}

/** What CreateVolume answers of the volume; it counts as live from now on. */
export async function answerFor(
  { deleted, locator, options }: ControllerContext,
  { located: { member, volume }, wanted, ...given }: GivenVolume,
  signal: AbortSignal,
): Promise<VolumeAnswer> {
  const { id } = await locator.statusOf(member, signal);
  const { volumeId = locator.idOf(id, volume.name) } = given;
  deleted.forget(volumeId);
  return {
    volumeId,
    capacityBytes: volume.sizeBytes,
    volumeContext: volumeContextOf(wanted, options().flasharray),
    contentSource: wanted.request.contentSource,
    accessibleTopology: accessibleTopologyOf(member.labels, options().topology.nodeLabels),
  };
}
