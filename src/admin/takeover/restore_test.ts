import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { NAMESPACE, pathOf, pso52, pso62, recordOf } from "../../../tests/support/pso_objects.ts";
import {
  begin,
  clusterWith,
  DRIVER,
  goBack,
  KUBE_SYSTEM,
  manifestOf,
  PODS,
  SET_52,
  SNAPSHOTS,
  withBed,
} from "../../../tests/support/takeover_bed.ts";
import { at } from "../check/kube_object.ts";
import { readRecord } from "./helm_release.ts";

Deno.test("a backup that is not whole, is there already or is of another cluster is refused", async () => {
  const cluster = clusterWith(pso52());
  await withBed(cluster, async (bed) => {
    await Deno.mkdir(bed.folder);
    await rejects(begin(bed), { code: "invalid", message: /is there already: go on by --resume/ });
    await rejects(goBack(bed), { code: "invalid", message: /holds no whole backup/ });
    await Deno.writeTextFile(`${bed.folder}/takeover.json`, "{");
    await rejects(goBack(bed), {
      code: "invalid",
      message: /takeover\.json is damaged \(.*\): if/,
    });
    await Deno.remove(`${bed.folder}/takeover.json`);
    await Deno.mkdir(`${bed.folder}/takeover.json`);
    await rejects(goBack(bed), {
      code: "invalid",
      message: /takeover\.json cannot be read \(Is a directory \(os error 21\)\): name the folder/,
    });
    await Deno.remove(bed.folder, { recursive: true });
    await rejects(goBack(bed), {
      code: "invalid",
      message:
        `there is no folder ${bed.folder}: name the one that the take-over told when it began`,
    });
    await begin(bed);
    cluster.put(KUBE_SYSTEM, {});
    await rejects(goBack(bed), {
      code: "invalid",
      message: /a backup of another cluster than test/,
    });
    equal(cluster.changes.length, 4);
  });
});

Deno.test("restore() after the helm upgrade ends our controllers, and leaves what the rollback needs", async () => {
  const installation = pso52();
  const cluster = clusterWith(installation);
  await withBed(cluster, async (bed) => {
    await begin(bed);
    const { release } = installation;
    // An upgrade that made our objects, and failed before it deleted PSO's.
    const ours = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/pure-provisioner`;
    cluster.put(ours, { kind: "Deployment", spec: { replicas: 2, selector: { matchLabels: {} } } });
    cluster.addPod(cluster.objects.get(ours) ?? {});
    cluster.put(DRIVER, {
      spec: { attachRequired: true, volumeLifecycleModes: ["Persistent", "Ephemeral"] },
    });
    const manifest =
      "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: pure-provisioner}\n" +
      "---\napiVersion: v1\nkind: Secret\nmetadata: {name: pure-provisioner-secret}\n";
    const record = recordOf({ release, revision: 3, status: "failed", values: {}, manifest });
    cluster.put(pathOf(record), record);
    const mended = cluster.objects.get(pathOf(installation.records[1] ?? record));
    deepEqual(await goBack(bed), { helm: ["-n", NAMESPACE, "rollback", release, "2"] });
    const [first] = cluster.changes.slice(4);
    equal(first, `PATCH ${ours}`, "nothing before our controllers are ended");
    equal(cluster.objects.has(`${PODS}/pure-provisioner-0`), false);
    equal(at(cluster.objects.get(DRIVER), "spec", "attachRequired"), false);
    equal(cluster.objects.has(SET_52), false, "Helm refuses a rollback that meets it");
    ok(cluster.objects.has(`/api/v1/namespaces/${NAMESPACE}/secrets/pure-provisioner-secret`));
    const kept = { "helm.sh/resource-policy": "keep" };
    deepEqual(
      cluster.objects.get(SNAPSHOTS)?.metadata.annotations,
      kept,
      "no release of PSO had it",
    );
    deepEqual(cluster.objects.get(pathOf(installation.records[1] ?? record)), mended);
  });
});

Deno.test("restore() deletes nothing that somebody made by a name of PSO after the helm upgrade", async () => {
  const installation = pso52();
  const cluster = clusterWith(installation);
  await withBed(cluster, async (bed) => {
    await begin(bed);
    const { release, objects } = installation;
    const manifest =
      "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: pure-provisioner}\n";
    const record = recordOf({ release, revision: 3, status: "deployed", values: {}, manifest });
    cluster.put(pathOf(record), record);
    for (const object of objects) cluster.objects.delete(pathOf(object));
    const theirs = "/apis/storage.k8s.io/v1/storageclasses/pure";
    cluster.put(theirs, {
      kind: "StorageClass",
      provisioner: "pure-csi",
      parameters: { own: "x" },
    });
    await rejects(goBack(bed), {
      code: "in_use",
      message:
        "StorageClass pure is there and belongs to no release, and Helm refuses a rollback " +
        "that meets it: it was made after the upgrade; save it, delete it, and run this once more",
    });
    ok(cluster.objects.has(theirs));
    cluster.objects.delete(theirs);
    deepEqual(await goBack(bed), { helm: ["-n", NAMESPACE, "rollback", release, "2"] });
  });
});

Deno.test("restore() after the helm upgrade of PSO 6.2 keeps the CSIDriver, which no release of it had", async () => {
  const installation = pso62();
  const cluster = clusterWith(installation);
  await withBed(cluster, async (bed) => {
    await begin(bed);
    const { release, objects } = installation;
    const ours = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: pure-provisioner}\n";
    const upgraded = recordOf({
      release,
      revision: 3,
      status: "deployed",
      values: {},
      manifest: ours,
    });
    cluster.put(pathOf(upgraded), upgraded);
    for (const object of objects) cluster.objects.delete(pathOf(object));
    deepEqual(await goBack(bed), { helm: ["-n", NAMESPACE, "rollback", release, "2"] });
    const metadata = () => cluster.objects.get(DRIVER)?.metadata;
    deepEqual(metadata()?.annotations, { "helm.sh/resource-policy": "keep" });
    // What the rollback records; then a new take-over lets Helm delete it again.
    const { manifest } = readRecord(installation.records[1] ?? {});
    const back = recordOf({ release, revision: 4, status: "deployed", values: {}, manifest });
    cluster.put(pathOf(back), back);
    deepEqual(await goBack(bed), { note: "Helm has rolled the release back already" });
    bed.request.namespace = NAMESPACE;
    await begin({ ...bed, folder: `${bed.folder}-2` });
    deepEqual(metadata()?.annotations, {
      "meta.helm.sh/release-name": release,
      "meta.helm.sh/release-namespace": NAMESPACE,
    });
  });
});

Deno.test("a take-over after a plain upgrade that failed halfway ends PSO's controller, and goes back to PSO alone", async () => {
  const installation = pso52();
  const cluster = clusterWith(installation);
  const { release } = installation;
  // Both controllers are at work, and the newest record is not PSO's.
  const ours = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/pure-provisioner`;
  const manifest =
    "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: pure-provisioner}\n";
  const failed = recordOf({ release, revision: 3, status: "failed", values: {}, manifest });
  cluster.put(pathOf(failed), failed);
  cluster.put(ours, { kind: "Deployment", spec: { replicas: 2 } });
  await withBed(cluster, async (bed) => {
    await begin(bed);
    deepEqual(cluster.changes[0], `PATCH ${SET_52}`);
    equal(manifestOf(cluster, release, 2).includes("v1beta1"), false, "what Helm upgrades from");
    deepEqual(await goBack(bed), { helm: ["-n", NAMESPACE, "rollback", release, "2"] });
    equal(at(cluster.objects.get(ours), "spec", "replicas"), 0);
    equal(cluster.objects.has(SET_52), false, "the rollback makes it anew");
  });
});
