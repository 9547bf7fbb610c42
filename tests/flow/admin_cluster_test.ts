// The verbs of `pso-bin admin` that look at a cluster, against simulated arrays and an API server
// that serves what a test puts into it.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { testFleet, testRun } from "../../src/simulator/fixture_test.ts";
import type { FleetEntry } from "../../src/simulator/control.ts";
import { type AdminResult, runAdmin } from "../support/admin_bed.ts";
import { type FakeCluster, fakeCluster, installIn, podOf, pvOf } from "../support/fake_cluster.ts";

const PVS = "/api/v1/persistentvolumes";
const PODS = "/api/v1/namespaces/pso/pods";
const OLD_RESIZER = "quay.io/k/csi-resizer:v0.5.0";
const volume = (digit: string) => `k8s-pvc-${digit.repeat(8)}-0000-4000-8000-000000000000`;

interface Bed {
  cluster: FakeCluster;
  array: FleetEntry;
  /** Runs a verb by the kubeconfig, and without a values file. */
  run: (...words: string[]) => Promise<AdminResult>;
  /** Makes a volume on the array, and gives its handle. */
  make: (name: string) => Promise<string>;
}

/** One simulated FlashArray, and a healthy installation that uses it. */
async function bed(test: (bed: Bed) => Promise<void>): Promise<void> {
  const served = await testFleet({ flasharrays: 1 });
  const cluster = fakeCluster();
  try {
    const [array] = served.arrays;
    if (array === undefined) throw new Error("no array");
    const entry = { MgmtEndPoint: `http://${array.address}`, APIToken: array.token };
    installIn(cluster, { arrays: JSON.stringify({ FlashArrays: [entry] }), now: Date.now() });
    const files = { "/k/config": cluster.kubeconfig };
    await test({
      cluster,
      array,
      run: (...words) =>
        runAdmin([...words, "--kubeconfig", "/k/config"], {
          files,
          env: { PATH: Deno.env.get("PATH") ?? "" },
        }),
      make: (name) => makeVolume(array, name),
    });
  } finally {
    await cluster.stop();
    await served.stop();
  }
}

async function makeVolume({ address, token }: FleetEntry, name: string): Promise<string> {
  const call = async (path: string, init: RequestInit) => {
    const answer = await fetch(`http://${address}/api/2.26/${path}`, init);
    const body = await answer.json();
    equal(answer.status, 200, path);
    return { body, session: answer.headers.get("x-auth-token") ?? "" };
  };
  const { session } = await call("login", { method: "POST", headers: { "api-token": token } });
  const headers = { "x-auth-token": session };
  const body = JSON.stringify({ provisioned: 1048576 });
  await call(`volumes?names=${name}`, { method: "POST", headers, body });
  const { body: { items } } = await call("arrays", { headers });
  return `${items[0].id.slice(0, 8)}/${name}`;
}

/** The lines of the cluster, as `LEVEL check text`. */
function linesOf(said: string): string[] {
  return [...said.matchAll(/^ {2}(OK|WARN|FAIL) +(\S+(?: checks| plugin)?) +(.*)$/gm)].map((
    [, level, check, text],
  ) => `${level} ${check} ${text}`);
}

Deno.test("admin check tells a healthy installation, with the configuration of its Secret", () =>
  bed(async ({ run, array }) => {
    const { code, said } = await run("check");
    equal(code, 0, said);
    // The first line warns of plain HTTP.
    deepEqual(linesOf(said).slice(1, 14), [
      "OK values 1 array, volumes are named k8s-…",
      "OK server Kubernetes v1.36.3",
      "OK driver CSIDriver pure-csi of the installation pso/pure-csi",
      "OK classes StorageClasses pure-block (default)",
      "OK snapshots CRDs v1, VolumeSnapshotClasses pure-snapshotclass",
      "OK controller 1 pod, all ready",
      "OK sidecars csi-provisioner v6.3.0",
      "OK leader pure-provisioner-1",
      "OK node plugin 1 of 1 pod ready",
      "OK nodes 1 of 1 node registered",
      "OK node checks node-a: iscsi usable",
      "OK volumes 0 PersistentVolumes, 0 Bound, 0 Released",
      "OK name 127.0.0.1 is an address",
    ]);
    match(said, /^Secret pso\/pure-provisioner-secret$/m);
    equal(said.includes(array.token), false);
  }));

/** What is spoiled, and the line that tells it. */
const SPOILED: [string, (cluster: FakeCluster) => void, RegExp, number][] = [
  [
    "no CSIDriver",
    ({ items }) => items.delete("/apis/storage.k8s.io/v1/csidrivers"),
    /^FAIL driver there is no CSIDriver pure-csi/,
    1,
  ],
  [
    "a CSIDriver of PSO 5",
    ({ items }) =>
      items.set("/apis/storage.k8s.io/v1/csidrivers", [{ metadata: { name: "pure-csi" } }]),
    /^FAIL driver CSIDriver pure-csi has attachRequired false/,
    1,
  ],
  [
    "PSO that still works",
    ({ items }) =>
      items.set("/apis/apps/v1/statefulsets", [{
        metadata: { name: "pso-csi-controller", namespace: "old" },
        spec: { replicas: 1 },
      }]),
    /^FAIL PSO the StatefulSet old\/pso-csi-controller of PSO provisions too/,
    1,
  ],
  [
    "no class",
    ({ items }) => items.delete("/apis/storage.k8s.io/v1/storageclasses"),
    /^WARN classes no StorageClass has the provisioner pure-csi/,
    0,
  ],
  [
    "snapshot CRDs that are missing",
    ({ answers }) => answers.delete("/apis/snapshot.storage.k8s.io"),
    /^WARN snapshots the CRDs of snapshots are missing/,
    0,
  ],
  [
    "snapshot CRDs that are old",
    ({ answers }) =>
      answers.set("/apis/snapshot.storage.k8s.io", { versions: [{ version: "v1beta1" }] }),
    /^FAIL snapshots the CRDs of snapshots are old: they serve v1beta1, not v1/,
    1,
  ],
  [
    "no controller",
    ({ items }) => items.set(PODS, []),
    /^FAIL controller no pod in namespace pso has the label app=pure-provisioner/,
    1,
  ],
  [
    "a controller that crashes",
    ({ items }) => {
      const pod = podOf("pure-provisioner-1", { app: "pure-provisioner" }, ["pso-bin:7"]);
      const waiting = { reason: "CrashLoopBackOff" };
      pod.status = {
        phase: "Running",
        containerStatuses: [{ name: "driver", restartCount: 4, state: { waiting } }],
      };
      items.set(PODS, [pod]);
    },
    /^FAIL controller 0 of 1 pods ready: pure-provisioner-1 \(driver waits: CrashLoopBackOff, started 5 times\)/,
    1,
  ],
  [
    "an old sidecar",
    ({ items }) =>
      items.set(PODS, [
        podOf("p", { app: "pure-provisioner" }, ["a:1", OLD_RESIZER]),
      ]),
    /^WARN sidecars csi-resizer v0\.5\.0: too old are csi-resizer/,
    0,
  ],
  [
    "no leader",
    ({ items }) =>
      items.set("/apis/coordination.k8s.io/v1/namespaces/pso/leases", [{
        metadata: { name: "pure-csi-leader" },
      }]),
    /^FAIL leader no controller leads/,
    1,
  ],
  [
    "no node plugin",
    ({ items }) => items.delete("/apis/apps/v1/namespaces/pso/daemonsets"),
    /^FAIL node plugin there is no DaemonSet pso\/pure-csi: no node can attach a volume/,
    1,
  ],
  [
    "a namespace that refuses the node plugin",
    ({ items }) => {
      const sets = items.get("/apis/apps/v1/namespaces/pso/daemonsets") ?? [];
      for (const set of sets) set.status = { desiredNumberScheduled: 2, numberReady: 0 };
      items.set("/api/v1/namespaces/pso/events", [{
        reason: "FailedCreate",
        involvedObject: { kind: "DaemonSet", name: "pure-csi" },
        message: 'violates PodSecurity "restricted:latest": privileged',
      }]);
    },
    /^FAIL node plugin 0 of 2 pods ready; the namespace refuses them: violates PodSecurity/,
    1,
  ],
  [
    "a node whose kubelet has another folder",
    ({ items }) => items.delete("/apis/storage.k8s.io/v1/csinodes"),
    /^FAIL nodes 0 of 1 node registered; not: node-a$/,
    1,
  ],
  [
    "topology while no node has a label",
    ({ items }) =>
      items.set("/api/v1/namespaces/pso/configmaps", [{
        metadata: { name: "pure-csi-container-configmap" },
        data: { "appconfig.json": `{"clusterID": "k8s", "storagetopology": {"enable": true}}` },
      }]),
    /^FAIL topology storagetopology\.enable is on, and no node has a label that counts/,
    1,
  ],
  [
    "a clusterID that was changed",
    ({ items }) => items.set(PVS, [pvOf("pv-1", { handle: `old/${volume("1").slice(4)}` })]),
    /^WARN clusterID it is k8s, and the volumes of this cluster are named old-…$/,
    0,
  ],
  [
    "a node that is not registered",
    ({ items }) =>
      items.set("/api/v1/nodes", [{ metadata: { name: "node-a" } }, {
        metadata: { name: "node-b" },
      }]),
    /^WARN nodes 1 of 2 nodes registered; not: node-b$/,
    0,
  ],
  [
    "a node that can attach nothing",
    ({ answers }) =>
      answers.set(`${PODS}/pure-csi-a:9808/proxy/readyz`, {
        checks: [{ name: "iscsi", ok: false }],
      }),
    /^FAIL node checks node-a can attach by no protocol/,
    1,
  ],
  [
    "node checks that may not be collected",
    ({ answers }) => answers.set(`${PODS}/pure-csi-a:9808/proxy/readyz`, 403),
    /^WARN node checks 1 node not collected: node-a \(.*403/,
    0,
  ],
  [
    "a Released volume before an uninstall",
    ({ items }) => items.set(PVS, [pvOf("pv-1", { handle: "k8s/pvc-1", phase: "Released" })]),
    /^WARN uninstall 1 PersistentVolume still to be deleted by the driver: pv-1$/,
    0,
  ],
  [
    "an attachment that fails",
    ({ items }) =>
      items.set("/apis/storage.k8s.io/v1/volumeattachments", [{
        spec: {
          attacher: "pure-csi",
          nodeName: "node-a",
          source: { persistentVolumeName: "pv-1" },
        },
        status: { attachError: { message: "no way" } },
      }]),
    /^WARN attachments pv-1 on node-a: no way$/,
    0,
  ],
  [
    "a part that may not be read",
    ({ answers }) => answers.set("/api/v1/nodes", 403),
    /^WARN nodes not looked at: .*403/,
    0,
  ],
];

for (const [what, spoil, line, code] of SPOILED) {
  Deno.test(`admin check tells ${what}, and what to do`, () =>
    bed(async ({ cluster, run }) => {
      spoil(cluster);
      const result = await run("check");
      ok(linesOf(result.said).some((one) => line.test(one)), result.said);
      equal(result.code, code, result.said);
    }));
}

Deno.test("admin check ends with 2 when the Secret is missing or its arrays are wrong, and still tells the cluster", () =>
  bed(async ({ cluster, run }) => {
    const secrets = "/api/v1/namespaces/pso/secrets";
    cluster.items.set(secrets, []);
    const missing = await run("check");
    equal(missing.code, 2);
    match(missing.said, /FAIL {2}values +Secret pso\/pure-provisioner-secret does not exist/);
    match(missing.said, /OK {4}server/);
    cluster.items.set(secrets, [{
      metadata: { name: "pure-provisioner-secret" },
      data: { "pure.json": btoa(`{"FlashArrays": [{"MgmtEndPoint": "fa-1"}]}`) },
    }]);
    const wrong = await run("check");
    equal(wrong.code, 2);
    match(wrong.said, /FAIL {2}values +arrays\.FlashArrays\[0\]\.APIToken is missing/);
  }));

Deno.test("admin check tells node labels with a new topology key, and which pod to restart", () =>
  bed(async ({ cluster, run }) => {
    cluster.items.set("/api/v1/namespaces/pso/configmaps", [{
      metadata: { name: "pure-csi-container-configmap" },
      data: { "appconfig.json": `{"clusterID": "k8s", "storagetopology": {"enable": true}}` },
    }]);
    cluster.items.set("/api/v1/nodes", [{
      metadata: { name: "node-a", labels: { "topology.purestorage.com/rack": "7" } },
    }]);
    const { said } = await run("check");
    match(
      said,
      /WARN {2}topology +node node-a has got labels with the new keys topology\.purestorage\.com\/rack/,
    );
    match(said, /-> restart its node-plugin pod: kubectl -n pso delete pod pure-csi-a$/m);
  }));

Deno.test("admin volumes puts both sides beside each other, and ends with 1 for a volume that is on no array", () =>
  bed(async ({ cluster, run, make }) => {
    const handle = await make(volume("1"));
    await make(volume("2"));
    cluster.items.set(PVS, [pvOf("pv-1", { handle })]);
    const good = await run("volumes");
    equal(good.code, 0, good.said);
    match(good.said, /^STATE {2}VOLUME +ARRAY +SIZE +USED +HOSTS {2}CLAIM$/m);
    match(good.said, new RegExp(`^ok +${volume("1")} +fa-1 +1 MiB +.* shop/data$`, "m"));
    match(good.said, new RegExp(`^no pv +${volume("2")} +fa-1 `, "m"));
    const hint = handle.slice(0, 9);
    cluster.items.set(PVS, [
      pvOf("pv-1", { handle }),
      pvOf("pv-3", { handle: hint + volume("3") }),
    ]);
    const lost = await run("volumes", "-o", "json");
    equal(lost.code, 1);
    const { volumes } = JSON.parse(lost.said);
    deepEqual(
      volumes.map(({ state, name }: { state: string; name: string }) => `${state} ${name}`),
      [`ok ${volume("1")}`, `missing ${volume("3")}`, `no pv ${volume("2")}`],
    );
    const check = await run("check");
    match(
      check.said,
      /WARN {2}prefix +2 volumes with the prefix k8s-: 1 of no PersistentVolume/,
    );
  }));

Deno.test("admin nodes lists each node, and ends with 1 when one with a node plugin is not registered", () =>
  bed(async ({ cluster, run }) => {
    const good = await run("nodes", "--wide");
    equal(good.code, 0, good.said);
    match(good.said, /^node-a {2}yes +yes +iscsi +fc +pure-csi-a {2}200 +-$/m);
    cluster.items.set("/apis/storage.k8s.io/v1/csinodes", []);
    const bad = await run("nodes");
    equal(bad.code, 1);
    match(bad.said, /^node-a {2}no +yes +iscsi$/m);
  }));

Deno.test("admin arrays, volumes and nodes tell what is wrong in place of a table that they do not have", async () => {
  const values = ["-f", "v"];
  for (const verb of ["arrays", "volumes"]) {
    const { code, said } = await runAdmin([verb, ...values]);
    equal(code, 2);
    match(said, /^v\n {2}FAIL {2}values {2}v does not exist/);
  }
  await bed(async ({ cluster, run }) => {
    cluster.items.set("/api/v1/nodes", []);
    match((await run("nodes")).said, /^cluster prod\n {2}WARN {2}nodes +the cluster has no nodes/);
    cluster.answers.set("/api/v1/nodes", 403);
    const { code, said } = await run("nodes");
    equal(code, 1);
    match(said, /^cluster prod\n {2}FAIL {2}nodes .*403/);
  });
});

Deno.test("admin arrays lists what the installation has", () =>
  bed(async ({ run, array }) => {
    const { code, said } = await run("arrays");
    equal(code, 0, said);
    match(said, new RegExp(`^OK +fa-1 +${array.address} +FA-X20R4 +6\\.8\\.2 +2\\.38 `, "m"));
  }));

/** Things that must never leave the cluster, each in a place where a careless collector takes it. */
const CANARIES = {
  chap: "canary-chap-secret-9f1",
  password: "canary-passw0rd-77",
  key: "-----BEGIN PRIVATE KEY-----\nMIICANARYcanaryCANARYcanary12\n-----END PRIVATE KEY-----",
  variable: "canaryvariable",
  annotation: "canaryannotation",
  otherToken: "5a5a5a5a-1111-4222-8333-444455556666",
  word: "hunter2hunter2",
  basic: "Basic YWRtaW46aHVudGVyMg",
  foreign: "canary of a neighbour",
};

/** A pod and a workload that are not the driver's, in its namespace. */
const FOREIGN = {
  metadata: { name: "shop-1", labels: { app: "shop" } },
  spec: { nodeName: "node-a", containers: [{ name: "shop", args: [CANARIES.foreign] }] },
};

function spoilWithCanaries({ items, answers }: FakeCluster, array: FleetEntry): void {
  const pod = podOf("pure-provisioner-1", { app: "pure-provisioner" }, ["pso-bin:7"]);
  items.set(PODS, [{
    ...pod,
    metadata: {
      name: "pure-provisioner-1",
      labels: { app: "pure-provisioner" },
      annotations: {
        "kubectl.kubernetes.io/last-applied-configuration": CANARIES.annotation,
        "pso.purestorage.com/release": "pso/pure-csi",
      },
      managedFields: [{ manager: CANARIES.annotation }],
    },
    spec: {
      containers: [{
        name: "driver",
        image: "pso-bin:7",
        args: [`--password=${CANARIES.password}`, "--db-password", CANARIES.word],
        command: ["sh", "-c", `mysql -p${CANARIES.word} -e 'select 1'`],
        livenessProbe: {
          httpGet: { httpHeaders: [{ name: "Authorization", value: CANARIES.basic }] },
        },
        env: [{ name: "EXTRA", value: CANARIES.variable }, { name: "POD_NAME", value: "kept" }],
      }],
    },
  }, FOREIGN]);
  items.set("/apis/apps/v1/namespaces/pso/deployments", [FOREIGN]);
  items.get("/apis/storage.k8s.io/v1/storageclasses")?.push({
    metadata: { name: "with-chap" },
    provisioner: "pure-csi",
    parameters: { chapPassword: CANARIES.word },
  });
  items.get("/api/v1/namespaces/pso/secrets")?.push({
    metadata: { name: "chap" },
    data: { "node.session.auth.password": btoa(CANARIES.chap) },
  });
  items.set("/api/v1/namespaces/pso/events", [{
    metadata: { name: "e" },
    message: `array refuses ${array.token} for pvc-11111111-0000-4000-8000-000000000000`,
  }]);
  answers.set(
    `${PODS}/pure-provisioner-1/log`,
    [
      `{"event":"login","header":"${array.token}"}`,
      `{"event":"odd","said":"${CANARIES.otherToken}"}`,
      `{"event":"chap","password":"${CANARIES.chap}"}`,
      `{"event":"asked","chapUser":"${CANARIES.word}"}`,
      `> Authorization: ${CANARIES.basic}`,
      CANARIES.key.replaceAll("\n", "\\n"),
      `{"event":"created","volume":"${volume("1")}"}`,
    ].join("\n"),
  );
}

Deno.test("admin support-bundle holds what support needs and no secret, as a tar archive and as a folder", () =>
  bed(async ({ cluster, run, array }) => {
    spoilWithCanaries(cluster, array);
    const { code, said, written } = await run("support-bundle", "--out", "case.tar");
    equal(code, 0);
    match(said, /^case\.tar: \d+ files; look through it before you send it$/m);
    const bytes = written.get("case.tar") ?? new Uint8Array();
    const text = new TextDecoder().decode(bytes);
    for (const [what, canary] of Object.entries({ ...CANARIES, token: array.token })) {
      for (const form of [canary, btoa(canary), ...canary.split("\n")]) {
        equal(text.includes(form) && form !== "", false, `${what} is in the bundle`);
      }
    }
    equal(cluster.asked.some((path) => path.endsWith("/secrets/chap")), false);
    equal(cluster.asked.some((path) => path.includes("/shop-1/")), false);
    ok(text.includes(volume("1").slice("k8s-".length)), "names of volumes are kept");
    ok(text.includes('"value": "kept"'));
    const folder = await run("support-bundle", "--out", "case");
    const names = [...folder.written.keys()].sort();
    for (const name of ["README.txt", "arrays.json", "cluster/pods.json", "configuration.json"]) {
      ok(names.includes(`case/${name}`), names.join(" "));
    }
    const file = await Deno.makeTempFile({ suffix: ".tar" });
    await Deno.writeFile(file, bytes);
    const { stdout } = await testRun("tar", ["-tf", file]);
    deepEqual(stdout.trim().split("\n").map((name) => `case/${name}`).sort(), names);
    await Deno.remove(file);
  }));

Deno.test("admin support-bundle writes nothing outside of its folder, whatever pods are called, and says so", () =>
  bed(async ({ cluster, run }) => {
    const name = "../../../x";
    cluster.items.get(PODS)?.push(podOf(name, { app: "pure-csi" }, ["pso-bin:7"]));
    const { code, written } = await run("support-bundle", "--out", "case");
    equal(code, 0);
    equal([...written.keys()].some((path) => path.includes("..")), false);
    const readme = new TextDecoder().decode(written.get("case/README.txt"));
    match(
      readme,
      /^Left out:\n {2}logs of the pod "\.\.\/\.\.\/\.\.\/x": that is no name of a pod$/m,
    );
    // What the first slash would lead to.
    equal(cluster.asked.some((path) => path.endsWith("/x/log")), false, cluster.asked.join(" "));
  }));

Deno.test("admin support-bundle asks each node once", () =>
  bed(async ({ cluster, run }) => {
    await run("support-bundle", "--out", "case.tar");
    equal(cluster.asked.filter((path) => path.endsWith("/proxy/readyz")).length, 1);
  }));
