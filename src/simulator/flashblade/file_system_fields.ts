import type { Fields } from "../body.ts";
import type { Call } from "../call.ts";
import { ownExportKey, requireFreeExport } from "./export_table.ts";
import type { FileSystemRecord, FlashBladeState } from "./state.ts";
import type { Modelled } from "../modelled.ts";
import { changedRules, parseRules } from "../nfs_rules.ts";
import { refused } from "../rest_error.ts";

/** The rules of a file system whose creation names none. */
const DEFAULT_RULES = "*(rw,no_root_squash)";
const STYLES = ["nfs", "smb", "shared", "independent", "mode-bits"];
const FIELDS = [
  "provisioned",
  "hard_limit_enabled",
  "smb",
  "http",
  "nfs",
  "multi_protocol",
  "snapshot_directory_enabled",
  "fast_remove_directory_enabled",
  "default_user_quota",
  "default_group_quota",
  "writable",
  "group_ownership",
  "source",
];
/** What the creation of a file system may ask for. */
export const POST_MODELLED: Modelled = {
  fields: FIELDS,
  fixed: { requested_promotion_state: "promoted" },
  query: [
    ...["names", "overwrite", "default_exports"],
    ...["discard_non_snapshotted_data", "include_snapshot"],
  ],
  missing: { policy_names: "Policy does not exist.", policy_ids: "Policy does not exist." },
};
/** What a change of a file system may ask for. */
export const PATCH_MODELLED: Modelled = {
  fields: [...FIELDS, "name", "destroyed"],
  fixed: { requested_promotion_state: "promoted" },
  query: ["names", "ids", "ignore_usage"],
};

function provisionedOf(body: Fields, old: number | null): number | null {
  const sent = body.limit("provisioned");
  if (sent === undefined) return old;
  // 0 is how the vendor's own tools say "unlimited".
  if (sent === "" || sent === 0) return null;
  if (sent < 0) {
    throw refused(`Invalid value for provisioned: ${sent} is not above 0.`, "provisioned");
  }
  return sent;
}

/**
 * The NFS part of a body over what the file system has. `rules` and `export_policy` exclude each
 * other.
 */
function nfsOf(
  state: FlashBladeState,
  nfs: Fields | undefined,
  old: FileSystemRecord,
): Partial<FileSystemRecord> {
  if (nfs === undefined) return {};
  const rules = nfs.text("rules");
  const policy = nfs.object("export_policy");
  const access: Partial<FileSystemRecord> = {
    v3: nfs.boolean("v3_enabled") ?? old.v3,
    v41: nfs.boolean("v4_1_enabled") ?? old.v41,
  };
  if (rules !== undefined && policy !== undefined) {
    throw refused("nfs.rules and nfs.export_policy cannot be used together.");
  }
  if (policy !== undefined) {
    const [name, id] = [policy.text("name"), policy.text("id")];
    const found = name === undefined ? state.policies.get(id ?? "") : state.policyNamed(name);
    if (found === undefined) throw refused("NFS export policy does not exist.", name ?? id ?? null);
    const isNew = old.policyId === null;
    const exportId = isNew ? crypto.randomUUID() : old.exportId;
    if (isNew) requireFreeExport(state, ownExportKey(state, { ...old, exportId }));
    return { ...access, policyId: found.id, exportId, rules: null };
  }
  const [add, remove] = [nfs.text("add_rules"), nfs.text("remove_rules")];
  if (rules === undefined && add === undefined && remove === undefined) return access;
  if (rules !== undefined) parseRules(rules);
  return {
    ...access,
    policyId: null,
    exportId: undefined,
    rules: rules ?? changedRules(old.rules ?? "", { add, remove }),
  };
}

function multiProtocolOf(body: Fields, old: FileSystemRecord): Partial<FileSystemRecord> {
  const sent = body.object("multi_protocol");
  if (sent === undefined) return {};
  const accessControlStyle = sent.text("access_control_style") ?? old.accessControlStyle;
  const safeguardAcls = sent.boolean("safeguard_acls") ?? old.safeguardAcls;
  if (!STYLES.includes(accessControlStyle)) {
    throw refused(`Invalid value for access_control_style: expected ${STYLES.join(", ")}.`);
  }
  if (safeguardAcls && ["independent", "mode-bits"].includes(accessControlStyle)) {
    throw refused(`safeguard_acls must be false with access_control_style ${accessControlStyle}.`);
  }
  return { accessControlStyle, safeguardAcls };
}

/** The record that a body makes of `old`. */
export function changed(
  state: FlashBladeState,
  body: Fields,
  old: FileSystemRecord,
): FileSystemRecord {
  return {
    ...old,
    provisioned: provisionedOf(body, old.provisioned),
    hardLimit: body.boolean("hard_limit_enabled") ?? old.hardLimit,
    smb: body.object("smb")?.boolean("enabled") ?? old.smb,
    http: body.object("http")?.boolean("enabled") ?? old.http,
    snapshotDirectory: body.boolean("snapshot_directory_enabled") ?? old.snapshotDirectory,
    fastRemoveDirectory: body.boolean("fast_remove_directory_enabled") ?? old.fastRemoveDirectory,
    defaultUserQuota: body.integer("default_user_quota") ?? old.defaultUserQuota,
    defaultGroupQuota: body.integer("default_group_quota") ?? old.defaultGroupQuota,
    writable: body.boolean("writable") ?? old.writable,
    groupOwnership: body.text("group_ownership") ?? old.groupOwnership,
    ...multiProtocolOf(body, old),
    ...nfsOf(state, body.object("nfs"), old),
  };
}

/** A file system of that name as it is before the body of its creation says more. */
export function blank(state: FlashBladeState, call: Call, name: string): FileSystemRecord {
  // default_exports (2.16): without nfs in it, nobody is let in.
  const exports = call.minor >= 16 ? call.query.get("default_exports") ?? "nfs,smb" : "nfs";
  return {
    id: crypto.randomUUID(),
    name,
    createdMs: state.context.clock.now(),
    provisioned: null,
    hardLimit: false,
    v3: false,
    v41: false,
    rules: exports.split(",").includes("nfs") ? DEFAULT_RULES : "",
    policyId: null,
    smb: false,
    http: false,
    accessControlStyle: "shared",
    safeguardAcls: true,
    snapshotDirectory: true,
    fastRemoveDirectory: false,
    defaultUserQuota: 0,
    defaultGroupQuota: 0,
    writable: true,
    groupOwnership: "creator",
    source: null,
    destroyedMs: null,
    blankBytes: 0,
    nextSnapshot: 1,
  };
}
