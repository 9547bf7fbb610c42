// `pso-bin admin doctor` against simulated arrays and an API server that serves what a test puts in.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { encodeNodeId } from "../../src/handoff.ts";
import { groupSuffixFor } from "../../src/names.ts";
import { bed, PVS, volume } from "../support/admin_cluster_bed.ts";
import type { FakeCluster } from "../support/fake_cluster.ts";

type Bed = Parameters<Parameters<typeof bed>[0]>[0];

const STORAGE = "/apis/storage.k8s.io/v1";
const VAS = `${STORAGE}/volumeattachments`;
const CONTENTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents";
const GROUPS = "/apis/groupsnapshot.storage.k8s.io/v1/volumegroupsnapshotcontents";
const IQN = "iqn.2026-01.example:";
const LATER = { now: () => Date.now() + 3_600_000 };

/** The array makes volumes of 1 MiB. */
function pv(digit: string, handle: string, spec: Record<string, unknown> = {}) {
  return {
    metadata: { name: `pv-${digit}`, uid: `uid-${digit}` },
    spec: {
      csi: { driver: "pure-csi", volumeHandle: handle },
      claimRef: { namespace: "shop", name: `data-${digit}`, uid: `claim-${digit}` },
      accessModes: ["ReadWriteOnce"],
      capacity: { storage: "1Mi" },
      ...spec,
    },
    status: { phase: "Bound" },
  };
}

function register(cluster: FakeCluster, ...names: string[]) {
  cluster.items.set("/api/v1/nodes", names.map((name) => ({ metadata: { name } })));
  cluster.items.set(
    `${STORAGE}/csinodes`,
    names.map((name, at) => ({
      metadata: { name },
      spec: {
        drivers: [{
          name: "pure-csi",
          nodeID: encodeNodeId({
            name,
            protocols: ["iscsi"],
            iqn: IQN + name,
            wwpns: [],
            addresses: [`10.9.0.${at + 1}`],
          }),
        }],
      },
    })),
  );
}

function attach(cluster: FakeCluster, ...pairs: [pv: string, node: string][]) {
  cluster.items.set(
    VAS,
    pairs.map(([persistentVolumeName, nodeName]) => ({
      spec: { attacher: "pure-csi", nodeName, source: { persistentVolumeName } },
    })),
  );
}

/** A volume with its PersistentVolume, connected to node-a, whose host holds node-a's IQN. */
async function healthy({ cluster, array, make, send }: Bed): Promise<string> {
  const handle = await make(volume("1"));
  cluster.items.set(PVS, [pv("1", handle)]);
  register(cluster, "node-a", "node-b");
  for (const node of ["node-a", "node-b"]) {
    await send(array, `POST /hosts?names=${node}`, { iqns: [IQN + node] });
  }
  await send(array, `POST /connections?host_names=node-a&volume_names=${volume("1")}`, {});
  attach(cluster, ["pv-1", "node-a"]);
  return handle;
}

interface Said {
  findings: { level: string; check: string; object: string; plan: string; evidence: object }[];
  unknown: { check: string; object: string; why: string }[];
}

async function doctor({ run }: Bed): Promise<{ code: number } & Said> {
  const { code, said } = await run("doctor", "-o", "json");
  return { code, ...JSON.parse(said) };
}

const briefly = ({ findings }: Said) =>
  findings.map(({ level, check, object }) => `${level} ${check}: ${object}`);

Deno.test("admin doctor finds nothing in a healthy cluster, and ends with 0", () =>
  bed(async (one) => {
    await healthy(one);
    const { code, findings, unknown } = await doctor(one);
    deepEqual({ code, findings, unknown }, { code: 0, findings: [], unknown: [] });
    match(
      (await one.run("doctor")).said,
      /^0 findings .*; 1 volume of 1 array compared with 1 Per/m,
    );
  }, LATER));

Deno.test("15.11: admin doctor takes a volume that two arrays of a stretched pod show for one", () =>
  bed(async (one) => {
    const { cluster, array, second, make, send } = one;
    if (!second) throw new Error("no second array");
    const [{ connection_key }] =
      (await send(second, "GET /array-connections/connection-key")).items;
    const type = "sync-replication";
    const wanted = { connection_key, management_address: "192.0.2.2", type };
    await send(array, "POST /array-connections", wanted);
    await send(array, "POST /pods?names=p1", {});
    await send(array, "POST /pods/arrays?group_names=p1&member_names=fa-2");
    const handle = await make(`p1::${volume("1")}`);
    cluster.items.set(PVS, [pv("1", handle)]);
    const suffix = "snapshot-11111111-0000-4000-8000-000000000000";
    await send(array, `POST /volume-snapshots?source_names=p1::${volume("1")}`, { suffix });
    register(cluster, "node-a");
    const found = briefly(await doctor(one));
    // Once, and not once for each array.
    deepEqual(found, [`warn snapshot without content: p1::${volume("1")}.${suffix}`]);
  }, { ...LATER, secondToo: true }));

/** What is spoiled, and what is found then. */
const SPOILED: [string, (bed: Bed, handle: string) => unknown, string[]][] = [
  [
    "a volume that no PersistentVolume means",
    ({ make }) => make(volume("2")),
    [`warn volume without PV: ${volume("2")}`],
  ],
  [
    "a PersistentVolume without its volume",
    ({ cluster }, handle) =>
      cluster.items.get(PVS)?.push(pv("3", handle.slice(0, 9) + volume("3"))),
    ["fail PV without volume: pv-3"],
  ],
  [
    "a volume that was destroyed",
    async ({ cluster, array, make, send }) => {
      const handle = await make(volume("4"));
      cluster.items.get(PVS)?.push(pv("4", handle));
      await send(array, `PATCH /volumes?names=${volume("4")}`, { destroyed: true });
    },
    ["fail PV without volume: pv-4"],
  ],
  [
    "a host that is no node",
    async ({ array, send }) => {
      await send(array, "POST /hosts?names=stranger", { iqns: [`${IQN}stranger`] });
      const query = `host_names=stranger&volume_names=${volume("1")}`;
      await send(array, `POST /connections?${query}`, {});
    },
    [`fail wrong host: ${volume("1")}`, `fail doubly connected: ${volume("1")}`],
  ],
  [
    "a connection without a VolumeAttachment",
    ({ cluster }) => cluster.items.set(VAS, []),
    [`warn stale host: ${volume("1")}`],
  ],
  [
    "a volume of one node that two have",
    async ({ cluster, array, send }) => {
      const query = `host_names=node-b&volume_names=${volume("1")}`;
      await send(array, `POST /connections?${query}`, {});
      attach(cluster, ["pv-1", "node-a"], ["pv-1", "node-b"]);
    },
    [`fail doubly connected: ${volume("1")}`],
  ],
  [
    "a volume that is smaller than its PersistentVolume says",
    ({ cluster }, handle) =>
      cluster.items.set(PVS, [pv("1", handle, { capacity: { storage: "2Mi" } })]),
    [`fail size mismatch: ${volume("1")}`],
  ],
  [
    "a volume that is larger than its PersistentVolume says",
    ({ cluster }, handle) =>
      cluster.items.set(PVS, [pv("1", handle, { capacity: { storage: "512Ki" } })]),
    [`warn size mismatch: ${volume("1")}`],
  ],
  [
    "an initiator that no node has",
    ({ array, send }) =>
      send(array, "PATCH /hosts?names=node-a", { iqns: [`${IQN}node-a`, `${IQN}former`] }),
    ["warn stale initiator: host node-a"],
  ],
  [
    "a host object that two nodes share",
    ({ array, send }) =>
      send(array, "DELETE /hosts?names=node-b").then(() =>
        send(array, "PATCH /hosts?names=node-a", { iqns: [`${IQN}node-a`, `${IQN}node-b`] })
      ),
    [`fail wrong host: ${volume("1")}`],
  ],
  [
    "a snapshot that no VolumeSnapshotContent means",
    ({ array, send }) =>
      send(array, `POST /volume-snapshots?source_names=${volume("1")}`, { suffix: "snapshot-1" }),
    [`warn snapshot without content: ${volume("1")}.snapshot-1`],
  ],
  [
    "a volume of another cluster with our prefix",
    async ({ array, make, send }) => {
      await make(volume("5"));
      const query = `resource_names=${volume("5")}`;
      const tags = [{ key: "cluster", value: "other", copyable: false }];
      await send(array, `PUT /volumes/tags/batch?${query}`, tags);
    },
    [`fail another cluster: ${volume("5")}`],
  ],
];

for (const [what, spoil, wanted] of SPOILED) {
  Deno.test(`15.6: admin doctor finds ${what}, with evidence and a plan, and ends with 1`, () =>
    bed(async (one) => {
      await spoil(one, await healthy(one));
      const said = await doctor(one);
      deepEqual(briefly(said), wanted);
      deepEqual(said.unknown, []);
      equal(said.code, 1);
      ok(said.findings.every(({ plan, evidence }) => plan && Object.keys(evidence).length > 1));
      const { said: table, code } = await one.run("doctor");
      equal(code, 1);
      match(table, /^ +-> /m);
      match((await one.run("doctor", "--wide")).said, /^RESULT {2}CHECK +OBJECT/m);
    }, LATER));
}

Deno.test("admin doctor calls no volume fit to be destroyed that another cluster or a snapshot may need", () =>
  bed(async (one) => {
    const { cluster, array, make, send } = one;
    await healthy(one);
    await make(volume("2"));
    const planOf = async () => (await doctor(one)).findings.map(({ plan }) => plan).join();
    // Without a tag, only its prefix says whose it is.
    match(
      await planOf(),
      /^make sure that no other cluster has the clusterID k8s, because no tag tells .* destroy it/,
    );
    await send(array, `POST /volume-snapshots?source_names=${volume("1")}`, {
      suffix: "snapshot-1",
    });
    match(await planOf(), /,make sure that no other cluster has the clusterID k8s, .* destroy it/);
    await send(array, `PATCH /volume-snapshots?names=${volume("1")}.snapshot-1`, {
      destroyed: true,
    });
    const tags = [{ key: "cluster", value: "k8s", copyable: false }];
    await send(array, `PUT /volumes/tags/batch?resource_names=${volume("2")}`, tags);
    match(await planOf(), /^if its data is needed, .* else destroy it on the array/);
    const suffix = "snapshot-22222222-0000-4000-8000-000000000000";
    await send(array, `POST /volume-snapshots?source_names=${volume("2")}`, { suffix });
    const snapshotHandle = `00000000/${volume("2")}.${suffix}`;
    cluster.items.set(CONTENTS, [{
      metadata: { name: "c" },
      spec: { source: {} },
      status: { snapshotHandle },
    }]);
    equal(
      await planOf(),
      `VolumeSnapshotContents mean its snapshots (${volume("2")}.${suffix}), which would go with ` +
        "it: delete their VolumeSnapshots first, or write a PersistentVolume of its handle",
    );
    cluster.items.set(CONTENTS, []);
    const [, ofSnapshot] = (await doctor(one)).findings;
    match(ofSnapshot?.plan ?? "", /^if it is needed, write a VolumeSnapshotContent /);
    cluster.answers.set(CONTENTS, 403);
    match(
      await planOf(),
      /^find out first who needs its snapshots, which would go with it; if its data is needed, /,
    );
  }, LATER));

/** What changes nothing: it is in the making, is being grown, or is known by another object. */
const USUAL: [string, (bed: Bed, handle: string) => unknown][] = [
  ["a volume that its claim waits for", async ({ cluster, make }) => {
    await make(volume("2"));
    const uid = volume("2").slice("k8s-pvc-".length);
    cluster.items.set("/api/v1/persistentvolumeclaims", [{ metadata: { name: "c", uid } }]);
  }],
  ["a volume that a pod describes itself", async ({ cluster, make }) => {
    await make(volume("2"));
    const uid = volume("2").slice("k8s-pvc-".length);
    const path = "/apis/pso.purestorage.com/v1/ephemeralvolumes";
    cluster.items.set(path, [{ metadata: { name: "csi-1", uid }, spec: { size: "1Mi" } }]);
  }],
  ["a volume that is being grown", ({ cluster }, handle) => {
    cluster.items.set(PVS, [pv("1", handle, { capacity: { storage: "512Ki" } })]);
    cluster.items.set("/api/v1/persistentvolumeclaims", [{
      metadata: { name: "c", uid: "claim-1" },
      spec: { resources: { requests: { storage: "1Mi" } } },
    }]);
  }],
  ["a volume whose size was rounded up to whole blocks", ({ cluster }, handle) => {
    cluster.items.set(PVS, [pv("1", handle, { capacity: { storage: "1048001" } })]);
  }],
  ["a snapshot whose content has no handle yet", async ({ cluster, array, send }) => {
    const call = `POST /volume-snapshots?source_names=${volume("1")}`;
    await send(array, call, { suffix: "snapshot-abc" });
    cluster.items.set(CONTENTS, [{ metadata: { name: "snapcontent-abc" } }]);
  }],
  ["a group snapshot whose content has no handles yet", async ({ cluster, array, send }) => {
    const uid = "0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
    const suffix = groupSuffixFor(`groupsnapshot-${uid}`, [volume("1")]);
    await send(array, `POST /volume-snapshots?source_names=${volume("1")}`, { suffix });
    cluster.items.set(GROUPS, [{ metadata: { name: `groupsnapcontent-${uid}` } }]);
  }],
  ["snapshots that only the content of their group names", async ({ cluster, array, send }) => {
    const handles = await Promise.all(["one", "two"].map(async (name) => {
      const suffix = groupSuffixFor(name, [volume("1")]);
      await send(array, `POST /volume-snapshots?source_names=${volume("1")}`, { suffix });
      return `${volume("1")}.${suffix}`;
    }));
    const [snapshotHandle, other] = handles;
    const source = { groupSnapshotHandles: { volumeSnapshotHandles: [other] } };
    cluster.items.set(GROUPS, [
      { metadata: { name: "a" }, status: { volumeSnapshotInfoList: [{ snapshotHandle }] } },
      { metadata: { name: "b" }, spec: { source } },
    ]);
  }],
  ["a volume of many writers on two nodes", async ({ cluster, array, send }, handle) => {
    cluster.items.set(PVS, [pv("1", handle, { accessModes: ["ReadWriteMany"] })]);
    await send(array, `POST /connections?host_names=node-b&volume_names=${volume("1")}`, {});
    attach(cluster, ["pv-1", "node-a"], ["pv-1", "node-b"]);
  }],
  ["a PersistentVolume that is being deleted", ({ cluster }, handle) => {
    const gone = pv("3", handle.slice(0, 9) + volume("3"));
    const metadata = { ...gone.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" };
    cluster.items.get(PVS)?.push({ ...gone, metadata });
  }],
];

for (const [what, prepare] of USUAL) {
  Deno.test(`admin doctor finds nothing in ${what}`, () =>
    bed(async (one) => {
      await prepare(one, await healthy(one));
      const { code, findings, unknown } = await doctor(one);
      deepEqual({ code, findings, unknown }, { code: 0, findings: [], unknown: [] });
    }, LATER));
}

Deno.test("admin doctor leaves alone what was made a moment ago", () =>
  bed(async (one) => {
    await healthy(one);
    await one.make(volume("2"));
    deepEqual(briefly(await doctor(one)), []);
  }));

const STRAYED = "snapshot without content";
/** What cannot be read, and the check that says so, while everything is out of order. */
const SILENT: [string, (bed: Bed) => unknown, string][] = [
  ["PersistentVolumes", ({ cluster }) => cluster.answers.set(PVS, 403), "volume without PV"],
  [
    "claims",
    ({ cluster }) => cluster.answers.set("/api/v1/persistentvolumeclaims", 403),
    "volume without PV",
  ],
  ["VolumeAttachments", ({ cluster }) => cluster.answers.set(VAS, 403), "stale host"],
  ["nodes", ({ cluster }) => cluster.answers.set("/api/v1/nodes", 403), "wrong host"],
  ["contents", ({ cluster }) => cluster.answers.set(CONTENTS, 403), STRAYED],
  ["contents of groups", ({ cluster }) => cluster.answers.set(GROUPS, 403), STRAYED],
  [
    "a node that is not registered",
    ({ cluster }) => cluster.items.get("/api/v1/nodes")?.push({ metadata: { name: "node-c" } }),
    "wrong host",
  ],
];

for (const [what, hide, check] of SILENT) {
  Deno.test(`admin doctor says that it does not know ${what}, and blames nobody for it`, () =>
    bed(async (one) => {
      const { array, cluster, make, send } = one;
      await healthy(one);
      await make(volume("2"));
      cluster.items.set(VAS, []);
      await send(array, "POST /hosts?names=stranger", { iqns: [`${IQN}stranger`] });
      const connect = "POST /connections?host_names=stranger&volume_names=";
      await send(array, connect + volume("1"), {});
      const snapshot = `POST /volume-snapshots?source_names=${volume("1")}`;
      await send(array, snapshot, { suffix: "snapshot-1" });
      const before = await doctor(one);
      ok(before.findings.some((found) => found.check === check), "it is found while all is known");
      await hide(one);
      const said = await doctor(one);
      equal(said.code, 1);
      deepEqual(said.findings.filter((found) => found.check === check), []);
      ok(said.unknown.some((unknown) => unknown.check === check), JSON.stringify(said.unknown));
      match((await one.run("doctor")).said, new RegExp(`^Not known\n(.*\n)*${check} `, "m"));
    }, LATER));
}

Deno.test("admin doctor blames no PersistentVolume for an array that does not answer or is not listed, nor for its delete", () =>
  bed(async (one) => {
    const { cluster } = one;
    const handle = await healthy(one);
    cluster.items.get(PVS)?.push(pv("3", `00000000/${volume("3")}`));
    const elsewhere = await doctor(one);
    deepEqual(elsewhere.findings, []);
    match(elsewhere.unknown.map(({ why }) => why).join(), /does not list: 00000000/);
    const deleting = pv("6", handle.slice(0, 9) + volume("6"), {
      persistentVolumeReclaimPolicy: "Delete",
    });
    cluster.items.get(PVS)?.push({ ...deleting, status: { phase: "Released" } });
    const released = await doctor(one);
    deepEqual(released.findings, []);
    match(released.unknown.map(({ why }) => why).join(), /it is Released, and its volume is to be/);
    cluster.items.get(PVS)?.push(pv("4", handle.slice(0, 9) + volume("4")));
    deepEqual(briefly(await doctor(one)), ["fail PV without volume: pv-4"]);
    const [secret] = cluster.items.get("/api/v1/namespaces/pso/secrets") ?? [];
    const data = secret?.data as Record<string, string>;
    const wrong = atob(data["pure.json"] ?? "").replace(/:\d+"/, ':1"');
    data["pure.json"] = btoa(wrong);
    const silent = await doctor(one);
    deepEqual(silent.findings, []);
    equal(silent.code, 1);
    match(JSON.stringify(silent.unknown), /nothing listens there/);
  }, LATER));

Deno.test("admin doctor finds an export to nobody, and one without a VolumeAttachment", () =>
  bed(async (one) => {
    const { cluster, blade, send } = one;
    if (!blade) throw new Error("no FlashBlade");
    register(cluster, "node-a");
    const rules = "10.9.0.1(rw,no_root_squash) 10.9.0.77(rw,no_root_squash)";
    const body = { provisioned: 1048576, nfs: { v4_1_enabled: true, rules } };
    await send(blade, `POST /file-systems?names=${volume("1")}`, body);
    const { items: [{ id }] } = await send(blade, "GET /arrays");
    const handle = `${id.slice(0, 8)}/${volume("1")}`;
    cluster.items.set(PVS, [pv("1", handle, { accessModes: ["ReadWriteMany"] })]);
    const said = await doctor(one);
    deepEqual(briefly(said), [
      `warn stale host: ${volume("1")}`,
      `warn export to nobody: ${volume("1")}`,
    ]);
    attach(cluster, ["pv-1", "node-a"]);
    deepEqual(briefly(await doctor(one)), [`warn export to nobody: ${volume("1")}`]);
  }, { ...LATER, bladeToo: true }));

Deno.test("admin doctor needs a cluster, and ends with 2 for a configuration that cannot be used", () =>
  bed(async ({ cluster, run }) => {
    cluster.items.set("/api/v1/namespaces/pso/secrets", []);
    equal((await run("doctor")).code, 2);
  }));
