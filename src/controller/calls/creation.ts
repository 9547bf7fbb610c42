import type { CreateVolumeSpec, Feature, Volume, VolumeKind } from "../../arrays/array.ts";
import type { FleetMember } from "../../arrays/fleet.ts";
import type { Capability } from "../../capability.ts";
import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { REAL_FILE_PROTOCOLS, servesBlock, servesFiles } from "../../protocols.ts";
import { mkfsOptionsFault } from "../../mkfs_options.ts";
import { joinWords } from "../../words.ts";
import { volumeNameFor } from "../../names.ts";
import { capabilitiesFault, defaultFsTypeFault, needsFileSharing } from "../capability_check.ts";
import type { ControllerContext } from "../context.ts";
import { type ClassParameters, parseParameters } from "../parameters.ts";
import {
  explain,
  place,
  type PlacementArray,
  placementError,
  type PlacementRequest,
  roomOf,
} from "../placement.ts";
import type {
  CapacityAnswer,
  CapacityRange,
  CapacityRequest,
  ContentSource,
  CreateVolumeRequest,
  VolumeAnswer,
} from "../requests.ts";
import { accessibleTopologyOf, topologyFault } from "../topology.ts";
import { parseSnapshotId, parseVolumeId } from "../volume_id.ts";
import type { LocatedVolume } from "../volume_locator.ts";
import { minimumVolumeBytes, newVolumeSize, sizeMismatch } from "../volume_size.ts";

const NO_RANGE: CapacityRange = { requiredBytes: 0, limitBytes: 0 };

/** A request, read and found right in itself. */
interface WantedVolume {
  request: CreateVolumeRequest;
  /** Name on the array. */
  name: string;
  kind: VolumeKind;
  parameters: ClassParameters;
  range: CapacityRange;
}

/** What the new volume gets its content from. */
interface Source {
  member: FleetMember;
  spec: { volume: string } | { snapshot: string };
  sizeBytes: number;
}

interface MemberArray extends PlacementArray {
  member: FleetMember;
}

/** CreateVolume and, because it answers by the same rules, GetCapacity. */
export class VolumeCreation {
  readonly #context: ControllerContext;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** See Provisioner.createVolume. */
  async create(request: CreateVolumeRequest, signal: AbortSignal): Promise<VolumeAnswer> {
    const wanted = this.#read(request);
    // Sizes that no source can change are judged before any call.
    if (!request.contentSource) this.#sizeOf(wanted);
    const existing = await this.#existing(wanted, signal);
    if (existing) return await this.#adopt(existing, wanted, signal);
    const source = request.contentSource && await this.#source(request.contentSource, signal);
    if (source && source.member.array.kind !== wanted.kind) {
      throw new PsoError(
        "invalid",
        `Cannot create ${request.name}: its source is a ${source.member.array.kind} volume on ${source.member.array.label} ` +
          `and backend ${wanted.kind} is asked for; use a class of the source's backend`,
      );
    }
    return await this.#createOnBest(
      wanted,
      { source, sizeBytes: this.#sizeOf(wanted, source) },
      signal,
    );
  }

  /** See Provisioner.getCapacity. */
  capacity(request: CapacityRequest): CapacityAnswer {
    const parameters = parseParameters(request.parameters);
    const kind = this.#kindFor(parameters, request.capabilities);
    const { defaultFsType } = this.#context.options();
    const minimum = minimumVolumeBytes({ kind, capabilities: request.capabilities, defaultFsType });
    const none = { availableBytes: 0, maximumVolumeBytes: 0, minimumVolumeBytes: minimum };
    if (capabilitiesFault(request.capabilities, kind) !== undefined) return none;
    const { candidates } = place({
      ...this.#placementOf(kind, parameters),
      volumeName: "",
      requestName: "",
      sizeBytes: 0,
      topology: request.topology && { requisite: [request.topology], preferred: [] },
    }, this.#arrays());
    const rooms = candidates.flatMap(({ array }) => array.status ? [roomOf(array.status)] : []);
    const sum = rooms.reduce((total, room) => total + room, 0);
    return {
      availableBytes: sum,
      maximumVolumeBytes: Math.max(0, ...rooms),
      minimumVolumeBytes: minimum,
    };
  }

  #read(request: CreateVolumeRequest): WantedVolume {
    const parameters = parseParameters(request.parameters);
    const kind = this.#kindFor(parameters, request.capabilities);
    const { prefix, defaultFsType } = this.#context.options();
    const fault = capabilitiesFault(request.capabilities, kind) ??
      this.#formatFault(request, { parameters, kind }) ??
      defaultFsTypeFault(request.capabilities, kind, { defaultFsType }) ??
      parametersFault(parameters, kind);
    if (fault !== undefined) {
      throw new PsoError("invalid", `Cannot create ${request.name}: ${fault}`);
    }
    const name = volumeNameFor(prefix, request.name);
    return { request, name, kind, parameters, range: request.capacityRange ?? NO_RANGE };
  }

  /** Options that the node would refuse to format with: better said before there is a volume. */
  #formatFault(
    { capabilities }: CreateVolumeRequest,
    { parameters, kind }: { parameters: ClassParameters; kind: VolumeKind },
  ) {
    if (kind === "file") return undefined;
    const { defaultFsType, defaultMkfsOptions } = this.#context.options();
    const options = parameters.mkfsOptions ?? defaultMkfsOptions;
    const fsTypes = capabilities.flatMap(({ access }) =>
      access.type === "mount" ? [(access.fsType || defaultFsType).toLowerCase()] : []
    );
    return fsTypes.map((fsType) => mkfsOptionsFault(fsType, options)).find((fault) =>
      fault !== undefined
    );
  }

  /**
   * The class's backend; without one file for what only file systems can do, else block; and what
   * the fleet has, if it has one only.
   */
  #kindFor(parameters: ClassParameters, capabilities: readonly Capability[]): VolumeKind {
    if (parameters.kind) return parameters.kind;
    const has = (kind: VolumeKind) =>
      this.#context.fleet.members.some(({ array }) => array.kind === kind);
    if (!has("block") && has("file")) return "file";
    return has("file") && capabilities.some(needsFileSharing) ? "file" : "block";
  }

  #sizeOf({ range, kind, request }: WantedVolume, source?: Source): number {
    const { defaultFsType } = this.#context.options();
    return newVolumeSize(range, {
      kind,
      capabilities: request.capabilities,
      defaultFsType,
      sourceBytes: source?.sizeBytes,
    });
  }

  /**
   * The volume of that name, if there is one. A fleet that was listed completely and never saw the
   * name is not asked (design 4.9). `unavailable` when an array that may hold it does not answer:
   * two volumes of one name are worse than waiting.
   */
  async #existing(
    { name, kind, request }: WantedVolume,
    signal: AbortSignal,
  ): Promise<LocatedVolume | undefined> {
    const { fleet } = this.#context;
    // A cold array of the other kind need not be asked: a claim's class, and so its kind, never
    // changes.
    const suspects = fleet.members.filter((member) =>
      fleet.mayHold(member, name) && (member.array.kind === kind || member.warm)
    );
    const answers = await Promise.allSettled(
      suspects.map((member) => member.array.findVolume(name, { signal })),
    );
    const silent: string[] = [];
    let found: LocatedVolume | undefined;
    for (const [index, answer] of answers.entries()) {
      const member = suspects[index];
      if (!member) continue;
      if (answer.status === "rejected") {
        silent.push(`${member.array.label} did not answer (${messageOf(answer.reason)})`);
      } else if (answer.value) found ??= { member, volume: answer.value };
    }
    // A name that is not there stays noted: the call whose outcome was unclear may still be on its
    // way.
    if (found || silent.length === 0) return found;
    throw new PsoError(
      "unavailable",
      `Cannot create ${request.name}: it may exist already on an array that is silent: ${
        silent.join("; ")
      }`,
    );
  }

  /**
   * Answers with a volume that bears the name already, if it is what the request asks for; finishes
   * an interrupted clone.
   */
  async #adopt(
    existing: LocatedVolume,
    wanted: WantedVolume,
    signal: AbortSignal,
  ): Promise<VolumeAnswer> {
    const { member } = existing;
    this.#context.fleet.created(member, wanted.name);
    refuseOther(existing, wanted);
    let { volume } = existing;
    if (volume.sizeBytes < wanted.range.requiredBytes) {
      // Only a clone gets here: it has its source's size until it is grown.
      const sizeBytes = newVolumeSize(wanted.range, {
        kind: wanted.kind,
        capabilities: wanted.request.capabilities,
        defaultFsType: this.#context.options().defaultFsType,
        sourceBytes: volume.sizeBytes,
      });
      volume = await unclearIsNeverFinal(`grow the clone ${wanted.request.name}`, {
        final: [],
        work: () => member.array.growVolume(wanted.name, sizeBytes, signal),
      });
    }
    return await this.#answer({ member, volume }, wanted, signal);
  }

  async #source(contentSource: ContentSource, signal: AbortSignal): Promise<Source> {
    const { locator } = this.#context;
    if ("snapshotId" in contentSource) {
      const found = await locator.findSnapshot(contentSource.snapshotId, signal);
      if (found) {
        return {
          member: found.member,
          spec: { snapshot: found.snapshot.name },
          sizeBytes: found.snapshot.sizeBytes,
        };
      }
      throw new PsoError(
        "not_found",
        `source snapshot ${contentSource.snapshotId} does not exist on any array`,
      );
    }
    const found = await locator.find(contentSource.volumeId, signal);
    if (found) {
      return {
        member: found.member,
        spec: { volume: found.volume.name },
        sizeBytes: found.volume.sizeBytes,
      };
    }
    throw new PsoError(
      "not_found",
      `source volume ${contentSource.volumeId} does not exist on any array`,
    );
  }

  #arrays(): MemberArray[] {
    const { fleet, recent } = this.#context;
    return fleet.members.map((member) => ({
      member,
      label: member.array.label,
      kind: member.array.kind,
      labels: member.labels,
      status: member.status,
      problem: member.problem?.message,
      recentBytes: recent.bytesOn(member.array.label),
    }));
  }

  #placementOf(
    kind: VolumeKind,
    parameters: ClassParameters,
  ): Pick<PlacementRequest, "kind" | "protocol" | "features" | "arraySelector"> {
    const features: Feature[] =
      parameters.iopsLimit !== undefined || parameters.bandwidthLimitBytes !== undefined
        ? ["qos"]
        : [];
    return {
      kind,
      protocol: parameters.protocol ?? this.#context.options().sanType,
      features,
      arraySelector: parameters.arraySelector,
    };
  }

  async #createOnBest(
    wanted: WantedVolume,
    { source, sizeBytes }: { source?: Source; sizeBytes: number },
    signal: AbortSignal,
  ): Promise<VolumeAnswer> {
    const { log } = this.#context;
    const placement = this.#placementOf(wanted.kind, wanted.parameters);
    const request: PlacementRequest = {
      ...placement,
      features: source ? [...placement.features, "clone"] : placement.features,
      volumeName: wanted.name,
      requestName: wanted.request.name,
      sizeBytes,
      topology: wanted.request.topology,
      onlyArray: source?.member.array.label,
    };
    const decision = place(request, this.#arrays());
    log.info("placement", { volume: wanted.name, sizeBytes, ...explain(decision) });
    let full: PsoError | undefined;
    for (const { array: { member } } of decision.candidates) {
      try {
        const volume = await this.#send(member, wanted, { source, sizeBytes, signal });
        return await this.#answer({ member, volume }, wanted, signal);
      } catch (error) {
        if (!isPsoError(error, "exhausted")) throw error;
        // The array knows better than its last status what it has room for: the next one is asked.
        log.warn("array refused a placement", {
          volume: wanted.name,
          array: member.array.label,
          reason: error.message,
        });
        full = error;
      }
    }
    throw full ?? placementError(request, decision);
  }

  /**
   * The one POST. Its name is noted first: from now on this process looks it up before it creates
   * it again.
   */
  async #send(
    member: FleetMember,
    wanted: WantedVolume,
    { source, sizeBytes, signal }: { source?: Source; sizeBytes: number; signal: AbortSignal },
  ): Promise<Volume> {
    const { fleet, recent } = this.#context;
    fleet.unclear(member, wanted.name);
    // Counted before the answer: of a hundred creates at once, each must see those that were placed
    // before it.
    recent.add(member.array.label, sizeBytes);
    // A clone that also grows, and one of a file system, which gets its own rules, is made in two
    // changes.
    const hasTwoSteps = source !== undefined &&
      (wanted.kind === "file" || sizeBytes > source.sizeBytes);
    const volume = await unclearIsNeverFinal(
      `create ${wanted.request.name} on ${member.array.label}`,
      {
        // After the first one only what must be said of the first may be final.
        final: hasTwoSteps ? ["not_found", "unsupported", "conflict"] : "all",
        work: () => member.array.createVolume(this.#specOf(wanted, { source, sizeBytes }), signal),
      },
    );
    fleet.created(member, wanted.name);
    // The array may have answered with a volume that was there already.
    refuseOther({ member, volume }, wanted);
    return volume;
  }

  #specOf(
    { name, kind, parameters }: WantedVolume,
    { source, sizeBytes }: { source?: Source; sizeBytes: number },
  ): CreateVolumeSpec {
    const options = this.#context.options();
    const spec: CreateVolumeSpec = {
      name,
      sizeBytes,
      source: source?.spec,
      tags: tagsOf(options.prefix, parameters),
    };
    if (kind === "file") {
      return {
        ...spec,
        exportRules: parameters.exportRules ?? options.exportRules,
        snapshotDirectory: options.snapshotDirectory,
      };
    }
    const { iopsLimit, bandwidthLimitBytes } = parameters;
    return iopsLimit === undefined && bandwidthLimitBytes === undefined
      ? spec
      : { ...spec, qos: { iopsLimit, bandwidthLimitBytes } };
  }

  async #answer(
    { member, volume }: LocatedVolume,
    wanted: WantedVolume,
    signal: AbortSignal,
  ): Promise<VolumeAnswer> {
    const { locator, options } = this.#context;
    const { id } = await locator.statusOf(member, signal);
    const mounts = wanted.request.capabilities.some(({ access }) => access.type === "mount");
    const volumeContext: Record<string, string> = { backend: wanted.kind };
    if (wanted.kind === "block" && mounts) {
      // Also an empty list, which is a choice too: without this key a node takes its own default.
      const mkfsOptions = wanted.parameters.mkfsOptions ?? options().defaultMkfsOptions;
      volumeContext.createoptions = joinWords(mkfsOptions);
    }
    if (wanted.parameters.protocol !== undefined) {
      volumeContext.protocol = wanted.parameters.protocol;
    }
    return {
      volumeId: locator.idOf(id, volume.name),
      capacityBytes: volume.sizeBytes,
      volumeContext,
      contentSource: wanted.request.contentSource,
      accessibleTopology: accessibleTopologyOf(member.labels),
    };
  }
}

/**
 * Parameters that the kind of volume cannot have; options of mkfs and export rules are simply not
 * used by the other kind, as in PSO.
 */
function parametersFault(
  { iopsLimit, bandwidthLimitBytes, protocol }: ClassParameters,
  kind: VolumeKind,
): string | undefined {
  if (kind === "block") {
    return protocol !== undefined && protocol !== "auto" && !servesBlock(protocol)
      ? `class parameter protocol is ${protocol} and the volume is a block volume: use backend file`
      : undefined;
  }
  const limit = iopsLimit !== undefined
    ? "iops_limit"
    : bandwidthLimitBytes !== undefined
    ? "bandwidth_limit"
    : undefined;
  if (limit !== undefined) {
    return `class parameter ${limit} works for block volumes only: remove it or use backend block`;
  }
  if (protocol === undefined || protocol === "auto" || servesFiles(protocol)) return undefined;
  return `class parameter protocol is ${protocol} and file systems are reached by ${
    REAL_FILE_PROTOCOLS.join(" or ")
  }: remove it or use backend block`;
}

/** Tags of the array's volume, for people and for finding what belongs to whom. */
function tagsOf(prefix: string, { claim }: ClassParameters): Record<string, string> {
  const tags = {
    cluster: prefix,
    "pvc-namespace": claim.namespace,
    "pvc-name": claim.name,
    pv: claim.volume,
  };
  return Object.fromEntries(
    Object.entries(tags).flatMap(([key, value]) => value ? [[key, value]] : []),
  );
}

/** Names that the array may show as the source of a volume made from `contentSource`. */
function isMadeFrom(source: string | undefined, contentSource: ContentSource | undefined): boolean {
  if (contentSource === undefined || source === undefined) {
    return contentSource === undefined && source === undefined;
  }
  if ("volumeId" in contentSource) {
    return parseVolumeId(contentSource.volumeId).names.includes(source);
  }
  const snapshot = parseSnapshotId(contentSource.snapshotId);
  // Some versions of Purity show the volume of the snapshot.
  return source === snapshot?.name || source === snapshot?.volume;
}

/** `conflict` when the volume that bears the name is another one than the request describes. */
function refuseOther(
  { member, volume }: LocatedVolume,
  { request, kind, range }: WantedVolume,
): void {
  const sourceText = (source: string | undefined) =>
    source === undefined ? "no source" : `the source ${source}`;
  const refuse = (difference: string) =>
    new PsoError(
      "conflict",
      `${request.name} exists already on ${member.array.label} as ${volume.name}, and differs: ${difference}`,
    );
  if (member.array.kind !== kind) {
    throw refuse(`it is a ${member.array.kind} volume and ${kind} is asked for`);
  }
  const { contentSource } = request;
  if (!isMadeFrom(volume.source, contentSource)) {
    const asked = contentSource &&
      ("snapshotId" in contentSource ? contentSource.snapshotId : contentSource.volumeId);
    throw refuse(`it has ${sourceText(volume.source)} and ${sourceText(asked)} is asked for`);
  }
  const fault = topologyFault(member.labels, request.topology);
  if (fault !== undefined) throw refuse(`the array ${fault}`);
  const mismatch = sizeMismatch(
    volume.sizeBytes,
    contentSource ? { ...range, requiredBytes: 0 } : range,
  );
  if (mismatch !== undefined) throw refuse(mismatch);
}

/**
 * Runs a change on an array. Codes outside of `final` that csi-provisioner would take as "nothing
 * was made" leave as `unavailable`, and so does anything that is no PsoError: it would forget a
 * volume that exists.
 */
async function unclearIsNeverFinal<T>(
  what: string,
  { final, work }: { final: "all" | readonly string[]; work: () => Promise<T> },
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const harmless = isPsoError(error) &&
      (final === "all" || final.includes(error.code) ||
        ["unavailable", "timeout", "busy", "denied"].includes(error.code));
    if (harmless) throw error;
    throw new PsoError("unavailable", `Could not ${what}: ${messageOf(error)}`, { cause: error });
  }
}
