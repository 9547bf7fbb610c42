// The golden files against a real API server, and installs by both Helms with nothing that runs.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { ApiServer, CHART, type Helm, HELMS, NAMESPACE, RELEASE } from "./helm.ts";
import { pso5, pso6 } from "./pso_leftovers.ts";
import { valuesOf, withCluster } from "./cluster_bed.ts";

/** What an uninstall must take away; the release's own Secret goes with it. */
const KINDS = [
  "deployments,daemonsets,statefulsets,services,configmaps,secrets,serviceaccounts",
  "poddisruptionbudgets,roles,rolebindings,leases,networkpolicies",
  "clusterroles,clusterrolebindings,csidrivers,storageclasses,volumesnapshotclasses",
  "volumegroupsnapshotclasses,volumeattributesclasses,servicemonitors,prometheusrules",
];

/** Runs a Helm that must succeed, and gives back what it printed. */
async function done(server: ApiServer, which: Helm, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await server.helm(which, ...args);
  equal(code, 0, `${which} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Runs a Helm that must refuse, and shows that it changed nothing. */
async function refused(server: ApiServer, which: Helm, ...args: string[]): Promise<string> {
  const before = await server.names(...KINDS);
  const { code, stdout, stderr } = await server.helm(which, ...args);
  equal(code, 1, stdout);
  deepEqual(await server.names(...KINDS), before);
  return stderr;
}

/** Runs each line of the message that begins with kubectl, but for waits on pods that never were. */
async function obey(server: ApiServer, message: string): Promise<void> {
  for (const [, command = ""] of message.matchAll(/^ {4}(kubectl [^#\n]*)/gm)) {
    const { code, stderr } = await server.try("bash", "-c", command);
    equal(code, 0, `${command}: ${stderr}`);
  }
}

/** What an earlier PSO leaves behind, and what must be said of it. */
const LEFTOVERS: readonly {
  from: string;
  prepare: (server: ApiServer) => Promise<void>;
  /** Over a release of PSO 5 the chart is an upgrade. */
  verb: "install" | "upgrade";
  wanted: string[];
}[] = [
  {
    from: "PSO 5.2",
    prepare: async (server) => {
      const chart = `${server.dir}/pso-5`;
      await Deno.mkdir(`${chart}/templates`, { recursive: true });
      await Deno.writeTextFile(
        `${chart}/Chart.yaml`,
        "{apiVersion: v1, name: pure-csi, version: 1.2.0}",
      );
      const texts = pso5().map((one) => JSON.stringify(one));
      await Deno.writeTextFile(`${chart}/templates/all.yaml`, texts.join("\n---\n"));
      await done(server, "helm3", "install", RELEASE, chart);
    },
    verb: "upgrade",
    wanted: [
      "PSO's controller, StatefulSet pure-provisioner in namespace pso, still works",
      "kubectl -n pso scale statefulset pure-provisioner --replicas=0",
      "CSIDriver pure-csi is that of PSO 5",
      "kubectl delete csidriver pure-csi",
    ],
  },
  {
    from: "PSO 6.2",
    prepare: (server) => server.apply(...pso6()),
    verb: "install",
    wanted: [
      "StatefulSet pso-csi-controller in namespace pso, still works",
      "DaemonSet pso-csi-node of PSO 6 runs",
      "CSIDriver pure-csi belongs to nobody (PSO 6 leaves it behind)",
      "StorageClass pure-block belongs to nobody",
      "VolumeSnapshotClass pure-snapshotclass belongs to nobody",
    ],
  },
];

/** A release on its way: each step finds what the one before left. */
interface Bed {
  server: ApiServer;
  which: Helm;
  /** What there was before the first install. */
  before: string[];
}

type Step = readonly [string, (bed: Bed) => Promise<void>];

const STEPS: readonly Step[] = [
  ["no array yet", async ({ server, which }) => {
    const notes = await done(server, which, "install", RELEASE, CHART, "-f", valuesOf("none"));
    match(notes, /There is no array yet\. The pods are Ready and wait/);
    match(notes, /helm upgrade pure-csi CHART -n pso -f values\.yaml/);
  }],
  ["arrays come later, the pods' templates stay as they are", async ({ server, which }) => {
    const template = async () =>
      (await server.get("deployment", "pure-provisioner", "-n", NAMESPACE)).spec.template;
    const first = await template();
    const file = `${server.dir}/later.yaml`;
    await Deno.writeTextFile(
      file,
      "clusterID: later\narrays: {FlashArrays: [{MgmtEndPoint: 192.0.2.1, APIToken: x}]}\n",
    );
    const notes = await done(server, which, "upgrade", RELEASE, CHART, "-f", file);
    match(notes, /1 array is configured/);
    deepEqual(await template(), first);
    const secret = await server.get("secret", "pure-provisioner-secret", "-n", NAMESPACE);
    match(atob(secret.data["pure.json"]), /192\.0\.2\.1/);
  }],
  ["another clusterID is refused", async ({ server, which }) => {
    const said = await refused(
      server,
      ...[which, "upgrade", RELEASE, CHART, "-f", valuesOf("defaults")] as const,
    );
    match(said, /clusterID would change from "later" .* to "prod_1"/);
    match(said, /--set clusterID=later/);
  }],
  [
    "changed parameters of a class are refused before anything is done",
    async ({ server, which }) => {
      const said = await refused(
        server,
        ...[which, "upgrade", RELEASE, CHART, "--set", "clusterID=later"] as const,
        ...["--set", "flasharray.defaultFSType=ext4"],
      );
      match(said, /StorageClass pure cannot be changed: parameters is .*xfs.* and becomes .*ext4/);
      match(said, /kubectl delete storageclass pure/);
    },
  ],
  ["a second release is refused, and both are named", async ({ server, which }) => {
    const { code, stderr } = await server.try(
      which,
      ...["install", "other", CHART, "-n", "default"],
    );
    equal(code, 1);
    match(stderr, /an installation already: release pure-csi in namespace pso/);
    match(stderr, /helm uninstall pure-csi -n pso/);
  }],
  ["a Deployment that somebody scaled", async ({ server, which }) => {
    await server.kubectl("scale", "deployment/pure-provisioner", "--replicas=3", "-n", NAMESPACE);
    const upgrade = ["upgrade", RELEASE, CHART, "--set", "clusterID=later"];
    if (which === "helm4") {
      const said = await refused(server, which, ...upgrade);
      match(said, /Somebody scaled the Deployment pure-provisioner to 3/);
      await done(server, which, ...upgrade, "--set", "controllerServer.replicas=3");
    } else await done(server, which, ...upgrade);
  }],
  ["a namespace that refuses the node pods", async ({ server, which }) => {
    const label = (level: string) =>
      server.kubectl(
        ...["label", "--overwrite", "namespace", NAMESPACE],
        `pod-security.kubernetes.io/enforce=${level}`,
      );
    await label("restricted");
    const upgrade = ["upgrade", RELEASE, CHART, "--set", "clusterID=later"];
    const said = await refused(server, which, ...upgrade);
    match(said, /Namespace pso enforces Pod Security "restricted", which refuses every node pod/);
    await obey(server, said);
    await done(server, which, ...upgrade);
  }],
  ["topology while no node has a label", async ({ server, which }) => {
    const rack = "topology.purestorage.com/rack";
    const upgrade = async () =>
      await done(
        server,
        ...[which, "upgrade", RELEASE, CHART, "--set", "clusterID=later"] as const,
        ...["--set", "storagetopology.enable=true", "--set-json"],
        `arrays.FlashArrays=[{"MgmtEndPoint":"fa","APIToken":"x","Labels":{"${rack}":"22"}}]`,
      );
    equal((await upgrade()).includes("no node has a label"), false, "there are no nodes");
    await server.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "bare-1" } });
    const said = await upgrade();
    match(said, /no node has a label that counts \(topology\.purestorage\.com\/…\)/);
    const [command = ""] = /kubectl label node \S+ [^;]+/.exec(said) ?? [];
    equal(command, `kubectl label node bare-1 ${rack}=22`);
    await server.kubectl(...command.split(" ").slice(1));
    equal((await upgrade()).includes("no node has a label"), false);
    await server.kubectl("delete", "node", "bare-1");
  }],
  ["uninstall leaves nothing", async ({ server, which, before }) => {
    await done(server, which, "uninstall", RELEASE);
    deepEqual(await server.names(...KINDS), before);
  }],
  ["PSO 5.2's own values file", async ({ server, which }) => {
    const notes = await done(
      server,
      ...[which, "install", RELEASE, CHART, "-f", valuesOf("pso-5.2")] as const,
      ...["--set", "flasharray.sanTyp=FC", "--set", "images.plugin.pullPolicy=Always"],
      ...["--set", "images.plugin.name=registry.example.com/pso"],
    );
    match(notes, /3 arrays are configured/);
    match(notes, /csi\.livenessProbe: Upstream's liveness probe would restart every standby/);
    match(notes, /csi\.clusterDriverRegistrar: A sidecar of Kubernetes 1\.13/);
    match(
      notes,
      /images\.csi\.provisioner: quay\.io\/k8scsi\/csi-provisioner is PSO's own image/,
    );
    match(notes, /flasharray\.sanTyp is not a known key: did you mean flasharray\.sanType\?/);
    match(notes, /images\.plugin: purestorage\/k8s:5\.2\.0 is PSO's own image/);
    match(notes, /namespace\.pure \(now clusterID\)/);
    match(notes, /images\.plugin\.pullPolicy is Always/);
    equal(/[0-9a-f]{8}-[0-9a-f]{4}-/.test(notes), false);
    const { spec } = await server.get("daemonset", "pure-csi", "-n", NAMESPACE);
    match(spec.template.spec.containers[0].image, /^registry\.example\.com\/pso:v7/);
    await done(server, which, "uninstall", RELEASE);
  }],
  ["Secrets that are there are not missed", async ({ server, which }) => {
    await server.kubectl(
      ...["create", "secret", "generic", "my-arrays", "-n", NAMESPACE],
      "--from-literal=arrays.json={}",
    );
    await server.kubectl(
      ...["create", "secret", "generic", "fa-tokens", "-n", NAMESPACE, "--from-literal=fa1=x"],
    );
    const notes = await done(
      server,
      ...[which, "install", RELEASE, CHART, "-f", valuesOf("openshift")] as const,
    );
    equal(notes.includes("does not exist"), false, notes);
    await done(server, which, "uninstall", RELEASE);
    await server.kubectl("delete", "secret", "my-arrays", "fa-tokens", "-n", NAMESPACE);
  }],
  ["monitoring is made where the cluster has its kinds", async ({ server, which }) => {
    await done(server, which, "install", RELEASE, CHART, "-f", valuesOf("openshift"));
    const made = await server.names(
      "servicemonitors,prometheusrules,securitycontextconstraints",
    );
    deepEqual(made, [
      "prometheusrule.monitoring.coreos.com/pure-csi",
      "securitycontextconstraints.security.openshift.io/pure-csi-node",
      "servicemonitor.monitoring.coreos.com/pure-csi",
      "servicemonitor.monitoring.coreos.com/pure-provisioner",
    ]);
    await done(server, which, "uninstall", RELEASE);
  }],
  ...LEFTOVERS.map(({ from, prepare, verb, wanted }): Step => [
    `${from} is met: all of it is said, and the commands are enough`,
    async ({ server, which, before }) => {
      await prepare(server);
      const install = [verb, RELEASE, CHART, "--set"];
      const said = await refused(server, which, ...install, "clusterID=k8s_prod");
      for (const line of wanted) ok(said.includes(line), `wanted ${line}\nfound ${said}`);
      match(said, /Nothing was changed/);
      const other = await refused(server, which, ...install, "clusterID=new");
      match(other, /clusterID would change from "k8s_prod" \(DaemonSet \S+ of PSO\) to "new"/);
      await obey(server, said);
      await done(server, which, ...install, "clusterID=k8s_prod");
      deepEqual((await server.names("daemonsets")).sort(), ["daemonset.apps/pure-csi"]);
      await done(server, which, "uninstall", RELEASE);
      await server.kubectl("delete", "statefulset", "--all", "-n", NAMESPACE);
      deepEqual(await server.names(...KINDS), before);
    },
  ]),
  ["a cluster without the APIs", async ({ server, which }) => {
    await server.kubectl("delete", "crd", "--all");
    const notes = await done(
      server,
      ...[which, "install", RELEASE, CHART, "-f", valuesOf("openshift")] as const,
      ...["--set", "orchestrator.name=k8s"],
    );
    match(notes, /The arrays come from the Secret my-arrays, key arrays\.json/);
    match(
      notes,
      /The Secret my-arrays does not exist\. The controller's pods are not Ready before it does/,
    );
    match(
      notes,
      /The Secret fa-tokens with the key fa1, which holds an API token, does not exist/,
    );
    match(notes, /The cluster has no snapshot API/);
    equal(notes.includes("v1beta1"), false);
    match(notes, /metrics\.serviceMonitor\.enabled is on, but the cluster has no ServiceMonitor/);
    match(notes, /metrics\.prometheusRule\.enabled is on, but the cluster has no PrometheusRule/);
  }],
  ["snapshot CRDs that are old", async ({ server, which }) => {
    await server.apply(OLD_SNAPSHOTS);
    await server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s");
    const notes = await done(
      server,
      ...[which, "upgrade", RELEASE, CHART, "-f", valuesOf("openshift")] as const,
      ...["--set", "orchestrator.name=k8s"],
    );
    match(notes, /The cluster has an old snapshot API, v1beta1, which counts as none/);
    match(notes, /Install the CRDs and the snapshot-controller .* then upgrade this release/);
    await server.kubectl("delete", "crd", OLD_SNAPSHOTS.metadata.name);
    await server.kubectl("api-resources"); // kubectl remembers, for the next server of this address too
  }],
];

/** The CRD of snapshots as it was before v1. */
const OLD_SNAPSHOTS = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: {
    name: "volumesnapshotclasses.snapshot.storage.k8s.io",
    annotations: { "api-approved.kubernetes.io": "unapproved, for a test" },
  },
  spec: {
    group: "snapshot.storage.k8s.io",
    names: { kind: "VolumeSnapshotClass", plural: "volumesnapshotclasses" },
    scope: "Cluster",
    versions: [{
      name: "v1beta1",
      served: true,
      storage: true,
      schema: { openAPIV3Schema: { type: "object" } },
    }],
  },
};

for (const which of HELMS) {
  Deno.test(`${which} on an API server: installs, refusals and what it says`, (t) =>
    withCluster(async (server) => {
      const before = await server.names(...KINDS);
      for (const [name, step] of STEPS) {
        await t.step(name, () => step({ server, which, before }));
      }
    }));
}
