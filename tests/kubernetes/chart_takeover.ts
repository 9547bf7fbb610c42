/**
 * Take-overs from PSO 5.2 and 6.2 under pods that write all the while. The vendor's program is not
 * to be had: its node is ours, its controller a pod that does nothing, and around them are PSO's
 * objects, volumes and handles as PSO made them, and with 5.2 connections without a
 * VolumeAttachment.
 */
import assert from "node:assert/strict";
import { stringify } from "@std/yaml";
import { readRecord, withManifest } from "../../src/admin/takeover/helm_release.ts";
import { until } from "../../src/async/wait.ts";
import { GiB } from "../../src/size.ts";
import { runAdmin } from "../support/admin_bed.ts";
import { LEFT_DRIVER } from "../support/pso_objects.ts";
import type { Bed } from "./bed.ts";
import { counted } from "./chart_changes.ts";
import { type ChartCluster, CONTROLLERS, NAMESPACE, RELEASE } from "./chart_cluster.ts";
import { type KubeObject, WAIT_MS } from "./kubectl.ts";
import { leaderOf, served } from "./leaders.ts";
import { claim, counter, pod } from "./objects.ts";
import { clientOf } from "./steps.ts";

const IN = ["--namespace", NAMESPACE];
/** The pods that write, and their claims. */
const WRITERS = ["old-block", "old-file"];

/** PSO 5's controller, as far as Kubernetes sees it. */
const OLD_CONTROLLER: KubeObject = {
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name: "pure-provisioner", namespace: NAMESPACE },
  spec: {
    replicas: 1,
    serviceName: "pure-provisioner",
    selector: { matchLabels: { app: "pure-provisioner" } },
    template: {
      metadata: { labels: { app: "pure-provisioner" } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{
          name: "pso",
          image: "busybox:1",
          env: [{ name: "PURE_K8S_NAMESPACE", value: "charted" }],
        }],
      },
    },
  },
};

/** PSO 5's CSIDriver, of its release. */
function oldDriver(apiVersion: string): KubeObject {
  const annotations = {
    "meta.helm.sh/release-name": RELEASE,
    "meta.helm.sh/release-namespace": NAMESPACE,
  };
  const labels = { "app.kubernetes.io/managed-by": "Helm" };
  const metadata = { name: "pure-csi", labels, annotations };
  return { apiVersion, kind: "CSIDriver", metadata, spec: { attachRequired: false } };
}

/** Makes a volume on an array as PSO did, and its claim under PSO's handle. */
async function oldVolume(cluster: ChartCluster, name: string): Promise<void> {
  const pv = `pvc-${crypto.randomUUID()}`;
  const handle = `charted-${pv}`;
  const isBlock = name === "old-block";
  const client = await clientOf(cluster.fleet.array(isBlock ? "fa-1" : "fb-1"));
  const made = isBlock
    ? client.ok(`POST /volumes?names=${handle}`, { provisioned: GiB })
    : client.ok(`POST /file-systems?names=${handle}`, {
      provisioned: GiB,
      nfs: { v3_enabled: true, v4_1_enabled: true, rules: "*(rw,no_root_squash)" },
    });
  await made;
  client.close();
  const storageClass = isBlock ? "pure-block" : "pure-file";
  const access = isBlock ? "ReadWriteOnce" : "ReadWriteMany";
  const wanted = claim(name, { storageClass, access });
  wanted.spec.volumeName = pv;
  await cluster.apply({
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: pv, annotations: { "pv.kubernetes.io/provisioned-by": "pure-csi" } },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: [access],
      persistentVolumeReclaimPolicy: "Delete",
      storageClassName: storageClass,
      csi: {
        driver: "pure-csi",
        volumeHandle: handle,
        ...isBlock && { fsType: "xfs" },
        volumeAttributes: { backend: isBlock ? "block" : "file" },
      },
    },
  }, wanted);
  await cluster.bound(name);
}

/** PSO 5 attaches from its nodes, and Kubernetes knows nothing of it. */
async function forgetAttachments(cluster: ChartCluster): Promise<void> {
  await until("no VolumeAttachment", async () => {
    const { items } = await cluster.get("volumeattachments");
    const none = '{"metadata":{"finalizers":null}}';
    for (const { metadata: { name } } of items) {
      await cluster.kubectl(
        "delete",
        "volumeattachment",
        name,
        "--wait=false",
        "--ignore-not-found",
      );
      await cluster.kubectl("patch", "volumeattachment", name, "-p", none).catch(() => {});
    }
    return items.length === 0;
  }, { timeoutMs: WAIT_MS, intervalMs: 500 });
}

/** Makes the release one of PSO 5.2: its record, its controller, its CSIDriver. */
async function becomePso5(cluster: ChartCluster): Promise<void> {
  await cluster.delete("deployment", "pure-provisioner", ...IN);
  await until("the end of our controllers", async () => {
    return (await cluster.pods(CONTROLLERS)).length === 0;
  }, { timeoutMs: WAIT_MS });
  await cluster.delete("csidriver", "pure-csi");
  await cluster.apply(oldDriver("storage.k8s.io/v1"), OLD_CONTROLLER);
  await forgetAttachments(cluster);
  const which = `owner=helm,name=${RELEASE},status=deployed`;
  const { items: [secret] } = await cluster.get("secrets", ...IN, "--selector", which);
  const record = readRecord(secret);
  const kept = record.manifest.split(/^(?=---)/m).filter((text) =>
    !/^kind: (Deployment|CSIDriver)$/m.test(text)
  );
  const added = [OLD_CONTROLLER, oldDriver("storage.k8s.io/v1beta1")].map((object) =>
    `---\n${stringify(object)}`
  );
  const file = `${cluster.dir}/record.json`;
  await Deno.writeTextFile(
    file,
    JSON.stringify(withManifest(record, [...kept, ...added].join(""))),
  );
  await cluster.kubectl("replace", "-f", file);
  await cluster.awaited("condition=Ready", "pod/pure-provisioner-0", ...IN);
}

/** Runs `pso-bin admin takeover`. */
async function takeover(cluster: ChartCluster, ...words: string[]): Promise<string> {
  const env = { KUBECONFIG: cluster.env.KUBECONFIG ?? "" };
  const { code, said } = await runAdmin(["takeover", ...words], { real: true, env });
  assert.equal(code, 0, said);
  return said;
}

/** What the arrays were told to change of who reaches a volume. */
async function cutsOf(cluster: ChartCluster): Promise<string[]> {
  const counts = await cluster.fleet.counts();
  return counts.filter(({ method, path }) =>
    method !== "GET" && /connections|hosts|nfs|file-systems/.test(path)
  ).map(({ array, method, path, count }) => `${array} ${method} ${path}: ${count}`);
}

/** Each writer's container and what it has counted to, without a hole. */
async function writersOf(cluster: ChartCluster): Promise<{ container: string; count: number }[]> {
  return await Promise.all(WRITERS.map(async (name) => ({
    container: (await cluster.get("pod", name)).status.containerStatuses[0].containerID,
    count: await counted(cluster, name),
  })));
}

/** Does `work` and proves that both pods wrote on, and that no array was told to cut them off. */
async function writtenThrough(cluster: ChartCluster, work: () => Promise<void>): Promise<void> {
  const before = await writersOf(cluster);
  await cluster.fleet.control("DELETE", "/requests");
  await work();
  await until("both pods write on", async () => {
    const now = await writersOf(cluster);
    assert.deepEqual(now.map((one) => one.container), before.map((one) => one.container));
    return now.every(({ count }, at) => count > (before[at]?.count ?? 0));
  }, { timeoutMs: WAIT_MS });
  assert.deepEqual(await cutsOf(cluster), []);
}

/** What is never made anew, by its identity. */
async function classes(cluster: ChartCluster): Promise<string[]> {
  const { items } = await cluster.get("storageclasses");
  return items.map(({ metadata: { name, uid } }: KubeObject) => `${name} ${uid}`).sort();
}

/** Both volumes have a VolumeAttachment, which is whole. */
async function attached(cluster: ChartCluster): Promise<void> {
  // Kubernetes looks at the volumes of a running pod when the pod changes, and else once a minute;
  // a look that comes before it has seen the new CSIDriver finds nothing to do.
  const pods = WRITERS.map((name) => `pod/${name}`);
  await until("a VolumeAttachment for each volume in use", async () => {
    await cluster.kubectl("annotate", "--overwrite", ...pods, `look=${crypto.randomUUID()}`);
    const { items } = await cluster.get("volumeattachments");
    return items.length === WRITERS.length &&
      items.every(({ metadata, status }: KubeObject) =>
        status.attached === true && metadata.deletionTimestamp === undefined
      );
  }, { timeoutMs: WAIT_MS, intervalMs: 1_000 });
}

/** This driver alone is there: its controllers, of which one leads, and no other. */
async function ours(cluster: ChartCluster): Promise<void> {
  await until("two controllers", async () => (await cluster.pods(CONTROLLERS)).length === 2, {
    timeoutMs: WAIT_MS,
  });
  assert.equal(await cluster.kubectl("get", "statefulsets", ...IN, "--output=name"), "");
  assert.equal((await cluster.get("csidriver", "pure-csi")).spec.attachRequired, true);
  await leaderOf(cluster);
}

/** From PSO 5 to this driver: the verb, the upgrade, and what comes of both. */
async function takeOver5(bed: Bed, folder: string): Promise<string> {
  const { cluster } = bed;
  const values = ["-f", `${cluster.dir}/values.yaml`];
  const said = await bed.timed(
    "admin takeover --yes, from PSO 5",
    () => takeover(cluster, ...values, "--yes", "--backup", folder),
  );
  await bed.timed("helm upgrade --wait", () => cluster.install());
  await bed.timed("each volume in use has a VolumeAttachment", () => attached(cluster));
  await ours(cluster);
  return said;
}

async function goBack(bed: Bed, folder: string): Promise<void> {
  const { cluster } = bed;
  const said = await bed.timed(
    "admin takeover --restore",
    () => takeover(cluster, "--restore", folder),
  );
  const [, line = ""] = /^ {2}helm (.*)$/m.exec(said) ?? [];
  assert.match(line, / rollback /, said);
  await bed.timed("helm rollback", () => cluster.helm(...line.split(" "), "--wait"));
  await cluster.awaited("condition=Ready", "pod/pure-provisioner-0", ...IN);
  assert.equal(await cluster.kubectl("get", "deployments", ...IN, "--output=name"), "");
  assert.equal((await cluster.get("csidriver", "pure-csi")).spec.attachRequired, false);
}

/** Registers them. The release is this driver's before and after. */
export function takeoverScenarios(bed: Bed): void {
  bed.scenario(
    "pods of PSO 5.2 write through the take-over, the way back and the take-over once more",
    async () => {
      const { cluster } = bed;
      await bed.timed("what there was before is deleted", () => cluster.empty());
      for (const name of WRITERS) await oldVolume(cluster, name);
      await cluster.apply(...WRITERS.map((name) => counter(name, 1, name)));
      await bed.timed("pods that write to volumes of PSO", () => cluster.running(...WRITERS));
      await attached(cluster);
      await writtenThrough(cluster, () => bed.timed("PSO 5.2 is there", () => becomePso5(cluster)));
      const before = await classes(cluster);
      const folder = `${cluster.dir}/five`;
      await writtenThrough(cluster, async () => {
        const said = await takeOver5(bed, `${folder}-1`);
        assert.match(said, /CSIDriver pure-csi \(storage\.k8s\.io\/v1beta1\) becomes /);
      });
      assert.deepEqual(await classes(cluster), before);
      await writtenThrough(cluster, () => goBack(bed, `${folder}-1`));
      assert.deepEqual(await classes(cluster), before);
      await writtenThrough(cluster, async () => void await takeOver5(bed, `${folder}-2`));
      assert.deepEqual(await classes(cluster), before);
      await served(cluster, "after-five");
      await cluster.delete("pvc", "after-five");
    },
  );

  bed.scenario("pods write through the take-over of what PSO 6.2 leaves", async () => {
    const { cluster } = bed;
    await writtenThrough(cluster, async () => {
      await cluster.uninstall();
      await until("no pod of a driver", async () => (await cluster.pods("")).length === 0, {
        timeoutMs: WAIT_MS,
      });
      await cluster.apply(LEFT_DRIVER);
      const said = await takeover(
        cluster,
        ...["-n", NAMESPACE, "-f", `${cluster.dir}/values.yaml`, "--yes"],
        ...["--backup", `${cluster.dir}/six`],
      );
      assert.match(said, /helm -n pso install pure-csi /);
      await bed.timed("helm install --wait beside what PSO 6.2 leaves", () => cluster.install());
      await attached(cluster);
      await ours(cluster);
      await served(cluster, "after-six");
      await cluster.delete("pvc", "after-six");
    });
  });

  bed.scenario("volumes of PSO move to the other node and are deleted", async () => {
    const { cluster } = bed;
    const written = await writersOf(cluster);
    await cluster.delete("pod", ...WRITERS);
    const readers = WRITERS.map((name) => pod(`${name}-2`, 2, { claim: name }));
    await cluster.apply(...readers);
    await cluster.running(...WRITERS.map((name) => `${name}-2`));
    for (const [at, name] of WRITERS.entries()) {
      assert.ok(await counted(cluster, `${name}-2`) >= (written[at]?.count ?? 0));
    }
    await cluster.delete("pod", ...WRITERS.map((name) => `${name}-2`));
    await cluster.delete("pvc", ...WRITERS);
  });
}
