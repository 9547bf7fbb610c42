import { equal, match, notEqual, ok } from "node:assert/strict";
import {
  groupBaseFor,
  groupBaseOf,
  groupSuffixFor,
  hostNameFor,
  isGroupOf,
  isOwnSnapshotSuffix,
  isOwnVolumeName,
  protectedSnapshot,
  psoHostNameFor,
  snapshotSuffixFor,
  volumeNameFor,
} from "./names.ts";

const UID = "0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";

Deno.test("volumeNameFor() keeps the names that PSO gave", () => {
  equal(volumeNameFor("k8s", `pvc-${UID}`), `k8s-pvc-${UID}`);
  equal(volumeNameFor("a".repeat(22), `pvc-${UID}`).length, 63);
});

Deno.test("volumeNameFor() cuts and hashes what does not fit, holds other characters or capitals", () => {
  for (
    const name of [
      "x".repeat(128),
      "a/b",
      "Ünder",
      "PVC-1",
      "a.b",
      "ends-",
      `pvc-x${"0".repeat(16)}`,
    ]
  ) {
    const made = volumeNameFor("k8s", name);
    ok(made.length <= 63, made);
    match(made, /^k8s-[a-zA-Z0-9-]*-x[0-9a-f]{16}$/);
  }
});

Deno.test("volumeNameFor() never gives two names one array name", () => {
  const names = [
    "a.b",
    "a-b",
    "a_b",
    "A-b",
    "a b",
    "a--b",
    "x".repeat(127),
    "x".repeat(128),
    "é",
    "è",
  ];
  names.push(...names.map((name) => volumeNameFor("k", name).slice(2)));
  equal(
    new Set(names.map((name) => volumeNameFor("k", name).toLowerCase())).size,
    new Set(names).size,
  );
});

Deno.test("isOwnVolumeName() knows what PSO and this driver call a volume of this cluster", () => {
  const made = [
    `pvc-${UID}`,
    "pvc-0b5e2e94",
    "PVC-1",
    "data-1",
    `data-${UID}`,
    `prod-pvc-${UID}`,
    "a.b",
    "日本",
    "x".repeat(128),
  ];
  for (const name of made.map((csiName) => volumeNameFor("k8s", csiName))) {
    for (const moved of [name, `pod::${name}`, `realm::pod::${name}`, `group/${name}`]) {
      ok(isOwnVolumeName("k8s", moved), moved);
      ok(isOwnVolumeName("K8s", moved.toUpperCase()), moved);
    }
  }
});

Deno.test("isOwnVolumeName() takes no volume of another cluster for ours, whose name begins alike", () => {
  const others = ["k8s-prod", "k8s-pvc", "k8s2", "k8s_a", "prod", "prod-k8s", "px_1a2b3c4d"];
  const names = others.map((cluster) => volumeNameFor(cluster, `pvc-${UID}`));
  const odd = [
    "k8s",
    "k8s-",
    "oracle-data",
    "k8s-oracle",
    "k8s-pod::oracle-data",
    "k8s-group/data",
    "k8s-pso-db_0", // of PSO 6's database
  ];
  for (const name of [...names, ...odd, `k8s-pvc-${UID}-u`, `k8s-pvc-${UID}::data`]) {
    ok(!isOwnVolumeName("k8s", name), name);
  }
  for (const none of [undefined, ""]) ok(!isOwnVolumeName(none, `-pvc-${UID}`));
});

Deno.test("snapshotSuffixFor() keeps snapshot-<uid> and gives every suffix a letter, no _ and no dot", () => {
  equal(snapshotSuffixFor(`snapshot-${UID}`), `snapshot-${UID}`);
  for (const name of ["1234", "a_b", "a.b", "y".repeat(128), "-a-"]) {
    match(snapshotSuffixFor(name), /^(?=.*[a-zA-Z])[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/);
  }
  notEqual(snapshotSuffixFor("a_b"), snapshotSuffixFor("a.b"));
});

const GROUPS = [`groupsnapshot-${UID}`, "a.b", "a-b", "A-b", "-", "日本", "z".repeat(128)];

Deno.test("groupSuffixFor() is short, and tells its group and its volumes", () => {
  const volumes = [`k8s-pvc-${UID}`, "k8s-pvc-2"];
  equal(groupBaseFor(`groupsnapshot-${UID}`), `group-${UID.replaceAll("-", "")}`);
  for (const name of GROUPS) {
    const suffix = groupSuffixFor(name, volumes);
    match(suffix, /^[a-z0-9][a-z0-9-]{0,49}[0-9a-f]$/, name);
    ok(isOwnSnapshotSuffix(suffix.toUpperCase()), suffix);
    equal(groupBaseOf(suffix), groupBaseFor(name));
    equal(suffix, groupSuffixFor(name, volumes.map((one) => one.toUpperCase()).toReversed()));
    ok(isGroupOf(suffix, volumes));
    const others = [[], ["k8s-pvc-2"], [...volumes, "k8s-pvc-3"], ["k8s-pvc-2", "k8s-pvc-3"]];
    for (const other of others) {
      ok(!isGroupOf(suffix, other), `${name} ${other}`);
    }
  }
});

Deno.test("no two groups and no single snapshot have one suffix", () => {
  const names = [...GROUPS, ...GROUPS.map(groupBaseFor)];
  const bases = new Set(names.map(groupBaseFor));
  equal(bases.size, new Set(names).size);
  const suffixes = names.map((name) => groupSuffixFor(name, ["v"]));
  for (const suffix of suffixes) {
    const alone = snapshotSuffixFor(suffix);
    notEqual(alone, suffix);
    equal(groupBaseOf(alone), undefined, alone);
  }
  for (const other of [`snapshot-${UID}`, "group-1", "a-m0123456789a", "1", ""]) {
    equal(groupBaseOf(other), undefined, other);
  }
});

Deno.test("protectedSnapshot() tells a protection group's snapshot from any other", () => {
  const taken = protectedSnapshot("pg.1.v");
  equal(JSON.stringify(taken), JSON.stringify({ group: "pg.1", volume: "v" }));
  equal(protectedSnapshot("pod::pg.daily.v")?.volume, "pod::v");
  for (const other of ["v.snapshot-1", "v", "", "a.b.", ".b.c", "a.b.c.d"]) {
    equal(protectedSnapshot(other), undefined, other);
  }
});

Deno.test("hostNameFor() keeps a node's name where an array takes it", () => {
  for (const name of ["w1", "worker-1", "10-0-0-1", "n".repeat(63)]) {
    equal(hostNameFor(name), name);
    equal(psoHostNameFor(name), name);
  }
});

Deno.test("hostNameFor() never gives two nodes one name, and no node the second name of another", () => {
  const long = "n".repeat(100);
  const names = [
    "a.b",
    "a-b",
    "a_b",
    "A-b",
    "-a-b",
    "a-b-",
    "10.0.0.1",
    "1",
    "日本",
    long,
    `${long}2`,
  ];
  names.push("a-b-x0123456789ab", ...names.map(hostNameFor));
  const given = new Set(names.map((name) => hostNameFor(name).toLowerCase()));
  equal(given.size, new Set(names).size);
  for (const name of given) {
    match(name, /^(?=.*[a-z-])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    ok(!/^a-b-x[0-9a-f]{12}$/.test(name), name);
  }
});

Deno.test("psoHostNameFor() turns dots into dashes and keeps 63 characters, as PSO did", () => {
  equal(
    psoHostNameFor("ocp-lab-worker03.ocp-lab.caas.ny.gov"),
    "ocp-lab-worker03-ocp-lab-caas-ny-gov",
  );
  equal(psoHostNameFor("n".repeat(200)).length, 63);
});
