// The verbs of `pso-bin admin` that look at a cluster, against simulated arrays and an API server
// that serves what a test puts into it.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { runAdmin } from "../support/admin_bed.ts";
import { type FakeCluster, podOf, pvOf } from "../support/fake_cluster.ts";
import { bed, OLD_RESIZER, PODS, PVS, volume } from "../support/admin_cluster_bed.ts";

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
    "an array that was taken out and still holds volumes",
    ({ answers }) =>
      answers.set(`${PODS}/pure-provisioner-1:9808/proxy/readyz`, {
        checks: [{ name: "fa-1", ok: true, state: "ok" }, {
          name: "fa-9",
          ok: true,
          state: "draining",
        }],
      }),
    /^WARN controller fa-9 is out of the configuration, and is served until its last/,
    0,
  ],
  [
    "a changed entry that is of no use",
    ({ answers }) =>
      answers.set(`${PODS}/pure-provisioner-1:9808/proxy/readyz`, {
        checks: [{ name: "fa-1", ok: false, state: "kept" }],
      }),
    /^WARN controller the changed entry of fa-1 is not in use, and the last good one stays$/,
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
    match(
      missing.said,
      /FAIL {2}values +Secret pso\/pure-provisioner-secret does not exist: upgrade the release, which makes it/,
    );
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
    match(
      said,
      /\n\nTo do\n(.*\n)* {2}WARN {2}cluster prod, topology: restart its node-plugin pod: /,
    );
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
    match(
      good.said,
      /\n2 volumes \(1 ok, 1 no pv\)\n\n {2}no pv {5}no PersistentVolume means it: /,
    );
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
    match(
      bad.said,
      /^node-a {2}no +yes +iscsi\n\ncluster prod\n {2}FAIL {2}nodes +0 of 1 node reg/m,
    );
    match(bad.said, /^ +-> the pod is ready and kubelet does not know it/m);
    cluster.items.set("/api/v1/namespaces/pso/pods", []);
    const none = await run("nodes", "-o", "json");
    equal(none.code, 1, "no node has the driver");
    equal(JSON.parse(none.said).problems[0].level, "fail");
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
    match(said, new RegExp(`^OK +fa-1 +${array.address} +FA-X20R4 +6\\.8\\.2 +2\\.56 `, "m"));
  }));

Deno.test("15.11: admin arrays tells volume groups and their limits to programs", () =>
  bed(async ({ run, send, array }) => {
    await send(array, "POST /volume-groups?names=databases", { qos: { iops_limit: 20_000 } });
    await send(array, "POST /volume-groups?names=free", {});
    const { arrays } = JSON.parse((await run("arrays", "-o", "json")).said);
    deepEqual(arrays[0].volumeGroups, [{ name: "databases", iopsLimit: 20_000 }, { name: "free" }]);
  }));
