import { timeRemaining } from "../array_context.ts";
import type { Call } from "../call.ts";
import type { Row } from "../filter.ts";
import type {
  FileSystemRecord,
  FileSystemSnapshotRecord,
  FlashBladeState,
  PolicyRecord,
  PolicyRule,
} from "./state.ts";

/** An unset reference is an object with null members. */
export const NO_REFERENCE = { id: null, name: null, resource_type: null };

const NO_SOURCE = { ...NO_REFERENCE, display_name: null, is_local: true, location: NO_REFERENCE };

/** Names the array in each item, from 2.17 on. */
export function withContext(state: FlashBladeState, call: Call): Row {
  return call.minor >= 17 ? { context: arrayReference(state) } : {};
}

/** An id that is the same over restarts: the array's own, with its last digits replaced. */
export function fixedId(state: FlashBladeState, number: number): string {
  return state.context.id.slice(0, -4) + number.toString(16).padStart(4, "0");
}

/** The array itself, as its objects name it. */
export function arrayReference(state: FlashBladeState): Row {
  return { id: state.context.id, name: state.context.name, resource_type: "arrays" };
}

/** Bytes that spaceRow() reports. */
interface Sizes {
  /** `null` = unlimited. */
  provisioned: number | null;
  /** What the files hold. */
  virtual: number;
  /** Stored for the files. */
  unique: number;
  /** Stored for snapshots. */
  snapshots: number;
  /** Of `virtual` and `unique`, what is destroyed and not yet eradicated. */
  destroyed?: number;
}

/** `space` of an object as FlashBlade reports it: without data reduction. */
export function spaceRow(call: Call, sizes: Sizes): Row {
  const { provisioned, virtual, unique, snapshots } = sizes;
  const available = provisioned === null ? null : Math.max(0, provisioned - virtual);
  return {
    available_provisioned: available,
    available_ratio: provisioned === null || provisioned === 0 || available === null
      ? null
      : available / provisioned,
    data_reduction: 1,
    destroyed: sizes.destroyed ?? 0,
    destroyed_virtual: sizes.destroyed ?? 0,
    snapshots,
    total_physical: unique + snapshots,
    total_provisioned: provisioned,
    unique,
    virtual,
    ...(call.minor >= 16 ? { shared: 0, total_used: unique + snapshots } : {}),
  };
}

function fileSystemSpace(state: FlashBladeState, call: Call, fileSystem: FileSystemRecord): Row {
  const virtual = state.writtenBytes(fileSystem);
  return spaceRow(call, {
    provisioned: fileSystem.provisioned,
    virtual,
    unique: state.uniqueBytes(fileSystem),
    snapshots: state.snapshotBytes(fileSystem.id),
    destroyed: fileSystem.destroyedMs === null ? 0 : virtual,
  });
}

function nfsRow(state: FlashBladeState, { v3, v41, rules, policyId }: FileSystemRecord): Row {
  const policy = policyId === null ? undefined : state.policies.get(policyId);
  return {
    v3_enabled: v3,
    v4_1_enabled: v41,
    rules,
    export_policy: policy === undefined
      ? NO_REFERENCE
      : { id: policy.id, name: policy.name, resource_type: "nfs-export-policies" },
  };
}

/** What versions after 2.12 add to a file system. */
function laterFields(
  { eradication }: FlashBladeState,
  { minor }: Call,
  fileSystem: FileSystemRecord,
): Row {
  return {
    ...(minor >= 13 ? { group_ownership: fileSystem.groupOwnership } : {}),
    ...(minor >= 15
      ? {
        eradication_config: {
          eradication_mode: "permission-based",
          manual_eradication: eradication.isManual ? "enabled" : "disabled",
        },
      }
      : {}),
    ...(minor >= 16
      ? {
        storage_class: {
          name: "S500X-S",
          status: "transitioned",
          status_details: "Not Applicable",
          tiering_policy: NO_REFERENCE,
        },
      }
      : {}),
    ...(minor >= 17 ? { qos_policy: NO_REFERENCE } : {}),
    ...(minor >= 18 ? { node_group: NO_REFERENCE } : {}),
    ...(minor >= 19 ? { realms: [] } : {}),
    ...(minor >= 23 ? { workload: { ...NO_REFERENCE, configuration: null } } : {}),
  };
}

/** A file system as GET /file-systems shows it. */
export function renderFileSystem(
  state: FlashBladeState,
  call: Call,
  fileSystem: FileSystemRecord,
): Row {
  const { id, name, source } = fileSystem;
  return {
    id,
    name,
    created: fileSystem.createdMs,
    default_group_quota: fileSystem.defaultGroupQuota,
    default_user_quota: fileSystem.defaultUserQuota,
    destroyed: fileSystem.destroyedMs !== null,
    fast_remove_directory_enabled: fileSystem.fastRemoveDirectory,
    hard_limit_enabled: fileSystem.hardLimit,
    http: { enabled: fileSystem.http },
    multi_protocol: {
      access_control_style: fileSystem.accessControlStyle,
      safeguard_acls: fileSystem.safeguardAcls,
    },
    nfs: nfsRow(state, fileSystem),
    promotion_status: "promoted",
    provisioned: fileSystem.provisioned,
    requested_promotion_state: "promoted",
    smb: {
      enabled: fileSystem.smb,
      client_policy: NO_REFERENCE,
      share_policy: NO_REFERENCE,
      continuous_availability_enabled: true,
    },
    snapshot_directory_enabled: fileSystem.snapshotDirectory,
    source: source === null ? NO_SOURCE : {
      ...source,
      resource_type: "file-system-snapshots",
      display_name: source.name,
      is_local: true,
      location: arrayReference(state),
    },
    // Computed only when it is read: lists are filtered and sorted without a look at each image.
    get space() {
      return fileSystemSpace(state, call, fileSystem);
    },
    time_remaining: timeRemaining(state, fileSystem.destroyedMs),
    writable: fileSystem.writable,
    ...laterFields(state, call, fileSystem),
    ...withContext(state, call),
  };
}

/** Sums over the listed file systems, as one object with the members of a file system. */
export function fileSystemsTotal(
  state: FlashBladeState,
  call: Call,
  fileSystems: FileSystemRecord[],
): Row {
  const sums = { provisioned: 0, virtual: 0, unique: 0, snapshots: 0, destroyed: 0 };
  for (const fileSystem of fileSystems) {
    const written = state.writtenBytes(fileSystem);
    sums.provisioned += fileSystem.provisioned ?? 0;
    sums.virtual += written;
    sums.unique += state.uniqueBytes(fileSystem);
    sums.snapshots += state.snapshotBytes(fileSystem.id);
    if (fileSystem.destroyedMs !== null) sums.destroyed += written;
  }
  return { name: null, provisioned: sums.provisioned, space: spaceRow(call, sums) };
}

/** A snapshot as GET /file-system-snapshots shows it. */
export function renderSnapshot(
  state: FlashBladeState,
  call: Call,
  snapshot: FileSystemSnapshotRecord,
): Row {
  const owner = state.ownerOf(snapshot);
  const destroyedMs = state.snapshotDestroyedMs(snapshot);
  const reference = { id: owner.id, name: owner.name, resource_type: "file-systems" };
  return {
    id: snapshot.id,
    name: state.snapshotName(snapshot),
    created: snapshot.createdMs,
    destroyed: destroyedMs !== null,
    owner: reference,
    owner_destroyed: owner.destroyedMs !== null,
    policies: [],
    policy: { ...NO_REFERENCE, display_name: null, is_local: null, location: NO_REFERENCE },
    source: {
      ...reference,
      display_name: owner.name,
      is_local: true,
      location: arrayReference(state),
    },
    suffix: snapshot.suffix,
    time_remaining: timeRemaining(state, destroyedMs),
    ...withContext(state, call),
  };
}

/**
 * From REST 2.22 on user and group ids are numbers, before that text (NfsExportPolicyRule in the
 * OpenAPI files of 2.12 and 2.28).
 */
function anonymousId(text: string | null, { minor }: Call): string | number | null {
  return text === null || minor < 22 ? text : Number(text);
}

/** A rule and where it is shown. */
interface RuleAt {
  policy: PolicyRecord;
  rule: PolicyRule;
  /** True in a list of rules, false inside of its policy, where it names no array. */
  listed: boolean;
}

/** One rule; `index` is its place in the evaluation order, from 1. */
export function renderRule(state: FlashBladeState, call: Call, at: RuleAt): Row {
  const { policy, rule } = at;
  return {
    id: rule.id,
    name: `${policy.name}.${rule.number}`,
    access: rule.access,
    anongid: anonymousId(rule.anongid, call),
    anonuid: anonymousId(rule.anonuid, call),
    atime: rule.atime,
    client: rule.client,
    fileid_32bit: rule.fileid32bit,
    index: policy.rules.indexOf(rule) + 1,
    permission: rule.permission,
    policy: { id: policy.id, name: policy.name, resource_type: "nfs-export-policies" },
    policy_version: policy.version,
    secure: rule.secure,
    security: rule.security,
    ...(call.minor >= 18 ? { required_transport_security: rule.transportSecurity } : {}),
    ...(at.listed ? withContext(state, call) : {}),
  };
}

/** A policy with all its rules as GET /nfs-export-policies shows it. */
export function renderPolicy(state: FlashBladeState, call: Call, policy: PolicyRecord): Row {
  return {
    id: policy.id,
    name: policy.name,
    enabled: policy.enabled,
    is_local: true,
    location: arrayReference(state),
    policy_type: "nfs",
    rules: policy.rules.map((rule) => renderRule(state, call, { policy, rule, listed: false })),
    version: policy.version,
    ...(call.minor >= 19 ? { realms: [] } : {}),
    ...(call.minor >= 23 ? { workload: { ...NO_REFERENCE, configuration: null } } : {}),
    ...withContext(state, call),
  };
}
