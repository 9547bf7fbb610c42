import { deepEqual, equal } from "node:assert/strict";
import type { CreateVolumeSpec } from "../array.ts";
import { finishOf, isUnfinished } from "./clone.ts";
import type { FileSystemItem } from "./wire.ts";

const SPEC: CreateVolumeSpec = {
  name: "k8s-pvc-2",
  sizeBytes: 2048,
  source: { volume: "k8s-pvc-1" },
  exportRules: "10.8.0.0/16(ro) 10.9.0.0/16(rw)",
  snapshotDirectory: true,
};

const NFS = {
  v3_enabled: true,
  v4_1_enabled: true,
  rules: "10.9.0.0/16(rw) 10.8.0.0/16(ro)",
  export_policy: { name: null },
};

const DONE: FileSystemItem = {
  provisioned: 4096,
  hard_limit_enabled: true,
  snapshot_directory_enabled: true,
  nfs: NFS,
};

const UNFINISHED: Record<string, FileSystemItem> = {
  "a smaller size": { ...DONE, provisioned: 1024 },
  "no hard limit": { ...DONE, hard_limit_enabled: false },
  "another .snapshot": { ...DONE, snapshot_directory_enabled: false },
  "no NFS v3": { ...DONE, nfs: { ...NFS, v3_enabled: false } },
  "no NFS v4.1": { ...DONE, nfs: { ...NFS, v4_1_enabled: false } },
  "other rules": { ...DONE, nfs: { ...NFS, rules: "10.9.0.0/16(rw)" } },
  "no rules": { ...DONE, nfs: { ...NFS, rules: null } },
  "an export policy": { ...DONE, nfs: { ...NFS, export_policy: { name: "policy-1" } } },
};
const RULES_ALONE = ["other rules", "no rules", "an export policy"];

for (const [what, item] of Object.entries(UNFINISHED)) {
  Deno.test(`isUnfinished() sees a clone with ${what}`, () => {
    equal(isUnfinished(item, SPEC), true);
    equal(isUnfinished(item, { ...SPEC, isPublished: true }), !RULES_ALONE.includes(what));
  });
}

Deno.test("isUnfinished() takes a clone as it is that has what was asked for, in any order of rules", () => {
  equal(isUnfinished(DONE, SPEC), false);
  const noMatter = { ...DONE, snapshot_directory_enabled: false };
  equal(isUnfinished(noMatter, { ...SPEC, snapshotDirectory: undefined }), false);
  const { exportRules: _rules, ...plain } = SPEC;
  equal(isUnfinished({ ...DONE, nfs: { ...NFS, rules: "" } }, plain), false);
});

Deno.test("finishOf() makes nothing smaller, and writes no rules over those of nodes that use it", () => {
  const protocols = { v3_enabled: true, v4_1_enabled: true };
  const settings = { hard_limit_enabled: true, snapshot_directory_enabled: true };
  deepEqual(finishOf(DONE, SPEC), {
    provisioned: 4096,
    ...settings,
    nfs: { ...protocols, rules: SPEC.exportRules },
  });
  deepEqual(finishOf({ provisioned: 1024 }, { ...SPEC, isPublished: true }), {
    provisioned: 2048,
    ...settings,
    nfs: protocols,
  });
});
