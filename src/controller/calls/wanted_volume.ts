import type { StorageArray, VolumeKind } from "../../arrays/array.ts";
import type { Capability } from "../../capability.ts";
import type { FlashArraySettings } from "../../config/model.ts";
import { PsoError } from "../../errors.ts";
import { mkfsOptionsFault } from "../../options/mkfs_options.ts";
import { mountOptionsFault } from "../../options/mount_options.ts";
import { nameIn, volumeNameFor } from "../../names.ts";
import { MOUNTED_AS, type MountedType } from "../../options/mount_tables.ts";
import {
  fileProtocolsFor,
  REAL_FILE_PROTOCOLS,
  servesBlock,
  servesFiles,
} from "../../protocols.ts";
import { findFsType } from "../../file_systems.ts";
import { joinWords } from "../../words.ts";
import {
  capabilitiesFault,
  type DefaultFsType,
  defaultFsTypeFault,
  needsFileSharing,
} from "../capability_check.ts";
import type { ControllerContext } from "../context.ts";
import type { ProvisionerOptions } from "../provisioner_options.ts";
import { type ClassParameters, parameterOfOtherKind, parseParameters } from "../parameters.ts";
import { parseMutable, refuseMutableOfOtherKind } from "../parameters/mutable_parameters.ts";
import type { CapacityRange, CreateVolumeRequest } from "../requests.ts";
import { VOLUME_NAME_MAX } from "../volume_id.ts";
import { newVolumeSize, type SizeOptions } from "../volume_size.ts";

const NO_RANGE: CapacityRange = { requiredBytes: 0, limitBytes: 0 };

/** A CreateVolume request that is right in itself: nothing was asked of an array yet. */
export interface WantedVolume {
  request: CreateVolumeRequest;
  /** Name on the array. */
  name: string;
  kind: VolumeKind;
  parameters: ClassParameters;
  range: CapacityRange;
}

/**
 * Reads a CreateVolume request. `invalid` for parameters and capabilities that no array could
 * serve, and for what the node would refuse to format: better said before there is a volume.
 */
export function readWantedVolume(
  request: CreateVolumeRequest,
  { fleet, options }: Pick<ControllerContext, "fleet" | "options">,
): WantedVolume {
  const { capabilities, mutableParameters = {} } = request;
  const parameters = {
    ...parseParameters(request.parameters),
    ...parseMutable(mutableParameters),
  };
  const kind = kindFor({ parameters, capabilities }, fleet);
  refuseMutableOfOtherKind(mutableParameters, { kind, what: request.name });
  const { clusterId, flasharray } = options();
  const fault = demandFault(request, { kind, parameters, flasharray });
  if (fault !== undefined) {
    throw new PsoError("invalid", `Cannot create ${request.name}: ${fault}`);
  }
  const { container } = parameters;
  const name = nameIn(container, volumeNameFor(clusterId, request.name));
  if (container && name.length > VOLUME_NAME_MAX) {
    throw new PsoError(
      "invalid",
      `Cannot create ${request.name}: the ${container.what} and the volume together, ${name}, ` +
        `have ${name.length} characters, and CSI leaves room for ${VOLUME_NAME_MAX} beside a ` +
        `snapshot: use a ${container.what} with a shorter name`,
    );
  }
  return { request, name, kind, parameters, range: request.capacityRange ?? NO_RANGE };
}

/** What a class and capabilities ask for, beside the request itself. */
interface Demand extends Pick<ProvisionerOptions, "flasharray"> {
  kind: VolumeKind;
  parameters: ClassParameters;
}

/**
 * Why no volume of the kind can be what the class and the capabilities ask for; `undefined` when one
 * can. No create passes that has such a fault, and no array has room for it.
 */
export function demandFault(
  request: Pick<CreateVolumeRequest, "capabilities" | "parameters">,
  { kind, parameters, flasharray: { defaultFsType, defaultMkfsOptions } }: Demand,
): string | undefined {
  const { capabilities } = request;
  const mkfsOptions = parameters.mkfsOptions ?? defaultMkfsOptions;
  return capabilitiesFault(capabilities, kind) ??
    (kind === "block" ? mkfsFault(request, { defaultFsType, mkfsOptions }) : undefined) ??
    mountFault(request, (fsType) => mountedTypes(fsType, { kind, parameters, defaultFsType })) ??
    defaultFsTypeFault(capabilities, kind, { defaultFsType }) ??
    parametersFault(request.parameters, { kind, protocol: parameters.protocol });
}

/**
 * The class's `backend`. Without one it is `file` for what only file systems of an array can do,
 * else `block`; and what the fleet has, if it has arrays of one kind only.
 */
export function kindFor(
  { parameters, capabilities }: {
    parameters: ClassParameters;
    capabilities: readonly Capability[];
  },
  fleet: { members: readonly { array: Pick<StorageArray, "kind"> }[] },
): VolumeKind {
  if (parameters.kind) return parameters.kind;
  const has = (kind: VolumeKind) => fleet.members.some(({ array }) => array.kind === kind);
  if (!has("block") && has("file")) return "file";
  return has("file") && capabilities.some(needsFileSharing) ? "file" : "block";
}

/** The bytes of the new volume, by the rules of newVolumeSize(). */
export function wantedSize(
  { range, kind, request }: WantedVolume,
  options: Omit<SizeOptions, "kind" | "capabilities">,
): number {
  const { capabilities } = request;
  return newVolumeSize(range, { kind, capabilities, ...options });
}

function mkfsFault(
  { capabilities }: Pick<CreateVolumeRequest, "capabilities">,
  { defaultFsType, mkfsOptions }: {
    defaultFsType: string;
    mkfsOptions: readonly string[];
  },
): string | undefined {
  const fsTypes = capabilities.flatMap(({ access }) =>
    access.type === "mount" ? [(access.fsType || defaultFsType).toLowerCase()] : []
  );
  const fault = fsTypes.map((fsType) => mkfsOptionsFault(fsType, mkfsOptions)).find((one) =>
    one !== undefined
  );
  return fault &&
    `createoptions ${fault}; take it out of the class, or of flasharray.defaultFSOpt`;
}

/** As what a volume may be mounted whose capability names `fsType`; as nothing, if nodes do not make that. */
function mountedTypes(
  fsType: string,
  { kind, parameters, defaultFsType }: Pick<WantedVolume, "kind" | "parameters"> & DefaultFsType,
): readonly MountedType[] {
  if (kind === "file") {
    return fileProtocolsFor(parameters.protocol ?? "auto").map((protocol) => MOUNTED_AS[protocol]);
  }
  const type = findFsType(fsType || defaultFsType);
  return type === undefined ? [] : [type];
}

/** What speaks against the class's `mountOptions`, which come with each capability. */
function mountFault(
  { capabilities }: Pick<CreateVolumeRequest, "capabilities">,
  typesOf: (fsType: string) => readonly MountedType[],
): string | undefined {
  for (const { access } of capabilities) {
    if (access.type === "block") continue;
    const faults = typesOf(access.fsType).map((type) => mountOptionsFault(type, access.mountFlags));
    const fault = faults.find((one) => one !== undefined);
    if (fault !== undefined) return `mount option ${fault}; take it out of the class`;
  }
  return undefined;
}

/**
 * What a volume of the kind cannot have of its class: a parameter whose row of CLASS_PARAMETERS
 * refuses the kind, or a protocol that does not serve it.
 */
function parametersFault(
  raw: Record<string, string>,
  { kind, protocol }: { kind: VolumeKind; protocol?: ClassParameters["protocol"] },
): string | undefined {
  const other = kind === "block" ? "file" : "block";
  const name = parameterOfOtherKind(raw, kind);
  if (name !== undefined) {
    return `class parameter ${name} works for ${other} volumes only: ` +
      `remove it or use backend ${other}`;
  }
  if (protocol === undefined || protocol === "auto") return undefined;
  if (kind === "block") {
    return servesBlock(protocol)
      ? undefined
      : `class parameter protocol is ${protocol} and the volume is a block volume: ` +
        "use backend file";
  }
  if (servesFiles(protocol)) return undefined;
  return `class parameter protocol is ${protocol} and file systems are reached by ` +
    `${REAL_FILE_PROTOCOLS.join(" or ")}: remove it or use backend block`;
}

/** What the node and later publishes need to know of the class; Kubernetes keeps it with the PV. */
export function volumeContextOf(
  { kind, parameters, request }: WantedVolume,
  { defaultMkfsOptions }: FlashArraySettings,
): Record<string, string> {
  const isMounted = request.capabilities.some(({ access }) => access.type === "mount");
  const volumeContext: Record<string, string> = { backend: kind };
  if (kind === "block" && isMounted) {
    // Also an empty list, which is a choice too: without this key a node takes its own default.
    volumeContext.createoptions = joinWords(parameters.mkfsOptions ?? defaultMkfsOptions);
  }
  if (parameters.protocol !== undefined) volumeContext.protocol = parameters.protocol;
  return volumeContext;
}
