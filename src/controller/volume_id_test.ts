import { deepEqual, equal, throws } from "node:assert/strict";
import {
  importedIdOf,
  isKeptId,
  parseSnapshotId,
  parseVolumeId,
  snapshotIdOf,
  volumeIdOf,
  volumeOfSnapshot,
} from "./volume_id.ts";

const ARRAY = "2dcf29ad-6465-4b8c-9b6b-1f0b0d5c7a11";

const VOLUME_CASES: { name: string; id: string; hint?: string; names: string[] }[] = [
  {
    name: "our own form",
    id: "2dcf29ad/k8s-pvc-1",
    hint: "2dcf29ad",
    names: ["k8s-pvc-1", "2dcf29ad-k8s-pvc-1"],
  },
  {
    name: "our own form, its digits in upper case",
    id: "2DCF29AD/K8S-pvc-1",
    hint: "2dcf29ad",
    names: ["K8S-pvc-1", "2DCF29AD-K8S-pvc-1"],
  },
  { name: "a bare name of PSO 6", id: "k8s-pvc-1", names: ["k8s-pvc-1"] },
  {
    name: "prefix/pv of PSO 5.0, then a volume in a group",
    id: "k8s/pvc-1",
    names: ["k8s-pvc-1", "k8s/pvc-1"],
  },
  {
    name: "a volume in a pod",
    id: "2dcf29ad/pod::v",
    hint: "2dcf29ad",
    names: ["pod::v", "2dcf29ad-pod::v"],
  },
  {
    name: "a volume in a group on a named array",
    id: "2dcf29ad/group/v",
    hint: "2dcf29ad",
    names: ["group/v"],
  },
  {
    name: "an imported volume that is kept",
    id: "2dcf29ad/oracle-data@keep",
    hint: "2dcf29ad",
    names: ["oracle-data", "2dcf29ad-oracle-data"],
  },
  { name: "a name with an @", id: "2dcf29ad/oracle@data", names: [] },
  { name: "two names in one", id: "2dcf29ad/a,b", names: [] },
  { name: "a pattern", id: "k8s-*", names: [] },
  { name: "text that no array accepts", id: "a b", names: [] },
];

for (const { name, id, hint, names } of VOLUME_CASES) {
  Deno.test(`parseVolumeId() of ${name}`, () => {
    deepEqual(parseVolumeId(id), hint === undefined ? { names } : { arrayHint: hint, names });
  });
}

Deno.test("volumeIdOf() and parseVolumeId() belong together", () => {
  equal(volumeIdOf(ARRAY, "k8s-pvc-1"), "2dcf29ad/k8s-pvc-1");
  equal(parseVolumeId(volumeIdOf(ARRAY, "k8s-pvc-1")).names[0], "k8s-pvc-1");
});

Deno.test("importedIdOf() names the array whatever the length, and isKeptId() tells what stays", () => {
  const kept = importedIdOf(ARRAY, { name: "oracle-data", isKept: true });
  const given = importedIdOf(ARRAY, { name: "oracle-data", isKept: false });
  deepEqual([kept, given], ["2dcf29ad/oracle-data@keep", "2dcf29ad/oracle-data"]);
  deepEqual([kept, kept.toUpperCase(), given].map(isKeptId), [true, true, false]);
  throws(() => importedIdOf(ARRAY, { name: "v".repeat(120), isKept: false }), {
    code: "invalid",
    message: /takes 129 bytes and CSI allows 128/,
  });
});

Deno.test("handles over 128 bytes are invalid", () => {
  throws(() => parseVolumeId("v".repeat(129)), {
    code: "invalid",
    message: "volume_id takes 129 bytes and CSI allows 128",
  });
  throws(() => parseSnapshotId("v".repeat(129)), { code: "invalid" });
  deepEqual(parseVolumeId("v".repeat(128)), { names: ["v".repeat(128)] });
});

Deno.test("snapshotIdOf() drops the hint where 128 bytes would not hold it, and such a handle is still understood", () => {
  const name = `${"v".repeat(63)}.${"s".repeat(63)}`;
  equal(snapshotIdOf(ARRAY, name), name);
  deepEqual(parseSnapshotId(name), { names: [name] });
  equal(snapshotIdOf(ARRAY, "v.s"), "2dcf29ad/v.s");
});

Deno.test("parseSnapshotId() accepts every form that was ever given and knows what is no snapshot", () => {
  deepEqual(parseSnapshotId("2dcf29ad/v.s-1"), {
    arrayHint: "2dcf29ad",
    names: ["v.s-1", "2dcf29ad-v.s-1"],
  });
  deepEqual(parseSnapshotId("v.s-1"), { names: ["v.s-1"] });
  deepEqual(parseSnapshotId("k8s/pvc-1.s-1"), { names: ["k8s-pvc-1.s-1", "k8s/pvc-1.s-1"] });
  deepEqual(parseSnapshotId("pod::v.s-1"), { names: ["pod::v.s-1"] });
  for (const id of ["fake-snapshot", "v.", ".s", "v.a,w.b", "v.*", "", "k8s/pvc-1"]) {
    deepEqual(parseSnapshotId(id).names, [], id);
  }
});

Deno.test("volumeOfSnapshot() takes the suffix off", () => {
  equal(volumeOfSnapshot("group/v.s-1"), "group/v");
});
