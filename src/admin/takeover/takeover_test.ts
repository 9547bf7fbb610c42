import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { Died, FakeTakeoverCluster } from "../../../tests/support/fake_takeover_cluster.ts";
import {
  NAMESPACE,
  pathOf,
  pso52,
  pso62,
  recordOf,
  volumeOf,
} from "../../../tests/support/pso_objects.ts";
import { asIs } from "../../../tests/support/as_is.ts";
import {
  begin,
  clusterWith,
  DRIVER,
  FIRST,
  goBack,
  manifestOf,
  NODES_62,
  PODS,
  PV,
  SET_52,
  SET_62,
  SNAPSHOTS,
  stateOf,
  withBed,
} from "../../../tests/support/takeover_bed.ts";
import type { Config } from "../../config/model.ts";
import { PsoError } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";
import { at, textAt } from "../check/kube_object.ts";
import { Backup } from "./backup.ts";
import { MARK } from "./old_controller.ts";
import { planText } from "./report.ts";
import { helmCommand, isTakenOver, planTakeover, resume, takeOver } from "./takeover.ts";

Deno.test("planTakeover() of PSO 5.2 says each step and changes nothing", async () => {
  const cluster = clusterWith(pso52());
  await withBed(cluster, async ({ request }) => {
    const plan = await planTakeover(request, FIRST);
    deepEqual(plan.problems, []);
    deepEqual(plan.steps.map(({ what, isDone }) => [what[0], isDone]), [
      [
        `scale PSO's controller, StatefulSet ${NAMESPACE}/pure-provisioner, to 0 and wait until its pods ` +
        "are gone; running pods go on",
        false,
      ],
      [
        "mend the record of release pure-storage-driver, which names kinds that the cluster does not " +
        "serve",
        false,
      ],
      [
        "delete CSIDriver pure-csi (attachRequired false, modes unset), which the upgrade makes anew",
        false,
      ],
      [
        "hand VolumeSnapshotClass pure-snapshotclass over to release pure-storage-driver: it belongs to " +
        "no release",
        false,
      ],
    ]);
    equal(plan.volumes, 1);
    deepEqual(cluster.changes, []);
  });
});

Deno.test("takeOver() of PSO 5.2 ends its controller before it changes anything else", async () => {
  const cluster = clusterWith(pso52());
  await withBed(cluster, async (bed) => {
    await begin(bed);
    const record =
      `/api/v1/namespaces/${NAMESPACE}/secrets/sh.helm.release.v1.pure-storage-driver.v2`;
    deepEqual(cluster.changes, [
      `PATCH ${SET_52}`,
      `PUT ${record}`,
      `DELETE ${DRIVER}`,
      `PATCH ${SNAPSHOTS}`,
    ]);
    equal(cluster.objects.has(`${PODS}/pure-provisioner-0`), false);
    ok(cluster.objects.has(`${PODS}/pure-csi-0`), "the nodes' pods go on");
    equal(manifestOf(cluster, "pure-storage-driver", 2).includes("v1beta1"), false);
    ok(
      manifestOf(cluster, "pure-storage-driver", 1).includes("v1beta1"),
      "Helm does not build that one",
    );
    const plan = await planTakeover(bed.request, { isResumed: true });
    deepEqual(
      helmCommand(plan, { folder: "dir" }).join(" "),
      `-n ${NAMESPACE} upgrade ` +
        "pure-storage-driver deploy/helm/pure-csi -f dir/values.yaml",
    );
  });
});

Deno.test("takeOver() saves every object of PSO before, for its owner alone", async () => {
  const installation = pso52({ arrays: { FlashArrays: [] }, namespace: { pure: "k8s" } });
  await withBed(clusterWith(installation), async (bed) => {
    await begin(bed);
    const { folder } = bed;
    const backup = await Backup.open(folder, bed.cluster);
    const saved = backup.index.objects.map(({ path }) => path).sort();
    const { objects, others, records } = installation;
    const all = [...objects, ...others, ...records, volumeOf(PV)].map(pathOf).sort();
    deepEqual(saved, all);
    equal(at(await backup.object(SET_52), "spec", "replicas"), 1);
    equal(at(await backup.object(DRIVER), "spec", "attachRequired"), false);
    match(await Deno.readTextFile(`${folder}/values.yaml`), /^arrays:\n[^]*pure: k8s\n$/);
    equal((await Deno.stat(folder)).mode ?? 0 & 0o077, 0o40700);
    for await (const { name } of Deno.readDir(folder)) {
      equal(((await Deno.stat(`${folder}/${name}`)).mode ?? 0) & 0o077, 0, name);
    }
  });
});

for (const [what, installation] of [["5.2", pso52()], ["6.2", pso62()]] as const) {
  for (const after of [false, true]) {
    Deno.test(`a take-over of PSO ${what} that dies ${after ? "after" : "before"} any change goes on by --resume to the same end`, async () => {
      const whole = clusterWith(installation);
      await withBed(whole, begin);
      for (const dies of whole.changes.keys()) {
        const cluster = clusterWith(installation);
        await withBed(cluster, async (bed) => {
          cluster.dies = { at: dies, after };
          await rejects(begin(bed), Died);
          cluster.dies = undefined;
          if (dies > 0 || after) {
            await rejects(begin(bed), {
              message: /was begun with the backup .*--resume .*--restore/,
            });
          }
          const plan = await planTakeover(bed.request, { isResumed: true });
          deepEqual(plan.problems, []);
          await resume(bed.request, { plan, folder: bed.folder });
          deepEqual(cluster.changes, whole.changes);
          const state = stateOf(cluster) as Map<string, KubeObject>;
          for (const set of [SET_52, SET_62]) {
            const mark = textAt(cluster.objects.get(set), "metadata", "annotations", MARK);
            if (mark !== "") equal(JSON.parse(mark).replicas, 1);
            state.delete(set);
          }
          const wanted = stateOf(whole) as Map<string, KubeObject>;
          for (const set of [SET_52, SET_62]) wanted.delete(set);
          deepEqual(state, wanted);
        });
      }
    });

    Deno.test(`restore() after a take-over of PSO ${what} that died ${after ? "after" : "before"} any change gives everything back`, async () => {
      const untouched = stateOf(clusterWith(installation));
      const whole = clusterWith(installation);
      await withBed(whole, begin);
      for (const dies of [...whole.changes.keys(), whole.changes.length]) {
        const cluster = clusterWith(installation);
        await withBed(cluster, async (bed) => {
          cluster.dies = { at: dies, after };
          await begin(bed).catch((error) => ok(error instanceof Died));
          // The way back dies too, and is gone once more.
          for (let change = cluster.changes.length; change < cluster.changes.length + 1; change++) {
            cluster.dies = { at: change, after };
            await goBack(bed).catch((error) => ok(error instanceof Died));
          }
          cluster.dies = undefined;
          deepEqual(await goBack(bed), {});
          deepEqual(stateOf(cluster), untouched);
          const { length } = cluster.changes;
          deepEqual(await goBack(bed), {});
          equal(cluster.changes.length, length, "nothing is left to do");
        });
      }
    });
  }
}

Deno.test("takeOver() of PSO 6.2 ends its nodes' pods, and hands its CSIDriver over", async () => {
  const cluster = clusterWith(pso62());
  await withBed(cluster, async (bed) => {
    await begin(bed);
    deepEqual(cluster.changes.map((change) => change.replace(/.*secrets\/.*/, "PUT record")), [
      `PATCH ${SET_62}`,
      "PUT record",
      `DELETE ${NODES_62}`,
      `PATCH ${DRIVER}`,
    ]);
    equal(cluster.objects.has(`${PODS}/pso-csi-node-0`), false);
    equal(
      at(cluster.objects.get(DRIVER), "metadata", "annotations", "meta.helm.sh/release-name"),
      "pure-pso",
    );
  });
});

Deno.test("planTakeover() names what PSO 6.2's database leaves, before and after the upgrade", async () => {
  const cluster = clusterWith(pso62());
  const apps = `/apis/apps/v1/namespaces/${NAMESPACE}`;
  for (const name of ["pso-db-0", "pso-db-10", "pso-dbs", "my-pso-db-1"]) {
    cluster.put(`${apps}/statefulsets/${name}`, { kind: "StatefulSet", apiVersion: "apps/v1" });
  }
  cluster.put(`/api/v1/namespaces/${NAMESPACE}/services/pso-db-public`, {
    kind: "Service",
    apiVersion: "v1",
  });
  await withBed(cluster, async ({ request }) => {
    const notes = async () => (await planTakeover(request, FIRST)).notes.join("\n");
    const wanted =
      /^of PSO's database: kubectl -n pso delete statefulset\/pso-db-0 statefulset\/pso-db-10 service\/pso-db-public$/m;
    match(await notes(), wanted);
    match(await notes(), /then its volumes k8s-pso-db_… on the arrays/);
    for (const path of [SET_62, NODES_62]) cluster.objects.delete(path);
    request.namespace = NAMESPACE;
    match(await notes(), wanted);
  });
});

Deno.test("what 6.2 leaves after its uninstall is handed to the release that will be installed", async () => {
  const { others } = pso62();
  const cluster = clusterWith({ ...pso62(), objects: [], records: [], others });
  await withBed(cluster, async (bed) => {
    bed.request.namespace = NAMESPACE;
    await begin(bed);
    deepEqual(cluster.changes, [`PATCH ${DRIVER}`]);
    const plan = await planTakeover(bed.request, FIRST);
    equal(
      helmCommand(plan, { file: "values.yaml", folder: "dir" }).join(" "),
      `-n ${NAMESPACE} install pure-csi deploy/helm/pure-csi -f values.yaml`,
    );
    deepEqual(await goBack(bed), {});
    equal(
      at(cluster.objects.get(DRIVER), "metadata", "annotations", "meta.helm.sh/release-name"),
      undefined,
    );
  });
});

Deno.test("planTakeover() tells everything that stands in the way at once, by name", async () => {
  const installation = pso52();
  const cluster = clusterWith(installation);
  const attachment = (name: string, fields: KubeObject, status: KubeObject) =>
    cluster.put(`/apis/storage.k8s.io/v1/volumeattachments/${name}`, {
      metadata: fields,
      spec: { attacher: "pure-csi", nodeName: "node-1", source: { persistentVolumeName: PV } },
      status,
    });
  attachment("whole", {}, { attached: true });
  attachment("waiting", {}, { attached: false });
  attachment("failed", {}, { attached: false, attachError: { message: "no path" } });
  attachment("ending", { deletionTimestamp: "2026-01-01T00:00:00Z" }, { attached: true });
  attachment("stuck", {}, { attached: true, detachError: { message: "busy" } });
  cluster.put("/apis/apps/v1/namespaces/op/deployments/pso-operator", { spec: { replicas: 1 } });
  cluster.put("/apis/apps/v1/namespaces/op/deployments/pso-csi-operator", {
    spec: { replicas: 1 },
  });
  cluster.put(SET_52.replace(NAMESPACE, "other"), cluster.objects.get(SET_52) ?? {});
  const values = {
    release: installation.release,
    values: {},
    manifest: "---\napiVersion: a.b/v1\nkind: C\n",
  };
  const pending = recordOf({ ...values, revision: 3, status: "pending-rollback" });
  cluster.put(pathOf(pending), pending);
  await withBed(cluster, async ({ request }) => {
    request.loadConfig = () => Promise.resolve(asIs<Config>({ clusterId: "k9s", arrays: [] }));
    request.lookAtVolumes = () =>
      Promise.resolve([{ object: "array fa-1", what: "is", fix: "do" }]);
    const { problems } = await planTakeover(request, FIRST);
    deepEqual(problems.map(({ object, what }) => `${object} ${what}`), [
      `cluster has several controllers of PSO: ${NAMESPACE}/pure-provisioner, other/pure-provisioner`,
      "Deployment op/pso-operator is PSO's operator, and puts back what is changed",
      "Deployment op/pso-csi-operator is the operator of this driver, and would install beside Helm",
      "release pure-storage-driver is pending-rollback in revision 3: Helm works on it, or was interrupted",
      "release pure-storage-driver revision 3 holds C  (a.b/v1): the cluster does not serve it, and Helm " +
      "will refuse the upgrade",
      `VolumeAttachment ending of PersistentVolume ${PV} on node node-1 is being detached, and nobody ` +
      "ends that while PSO 5 is there",
      `VolumeAttachment waiting of PersistentVolume ${PV} on node node-1 is not attached yet`,
      `VolumeAttachment failed of PersistentVolume ${PV} on node node-1 failed (attachError: no path)`,
      `VolumeAttachment stuck of PersistentVolume ${PV} on node node-1 failed (detachError: busy)`,
      "values: clusterID is k9s, and PSO's pods have k8s: no volume would be known as this cluster's",
      "array fa-1 is",
    ]);
    ok(problems.every(({ fix }) => fix !== ""));
    deepEqual(cluster.changes, []);
  });
});

Deno.test("planTakeover() names the cluster in which there is nothing of PSO", async () => {
  const cluster = new FakeTakeoverCluster();
  for (const namespace of [undefined, NAMESPACE]) {
    await withBed(cluster, async ({ request }) => {
      await rejects(planTakeover({ ...request, namespace }, FIRST), {
        code: "invalid",
        message: /^there is no PSO 5 or 6 in the cluster test: .*--kubeconfig/,
      });
    });
  }
});

Deno.test("an attachment that waits because the take-over ended the controller stops no --resume", async () => {
  const cluster = clusterWith(pso62());
  await withBed(cluster, async (bed) => {
    cluster.dies = { at: 0, after: true };
    await rejects(begin(bed), Died);
    cluster.dies = undefined;
    cluster.put("/apis/storage.k8s.io/v1/volumeattachments/new", {
      spec: { attacher: "pure-csi", nodeName: "node-1", source: { persistentVolumeName: PV } },
    });
    const first = await planTakeover(bed.request, FIRST);
    equal(first.problems.length, 1);
    match(first.notes.join("\n"), /was begun with the backup .*: go on by --resume /);
    const { problems, notes } = await planTakeover(bed.request, { isResumed: true });
    deepEqual(problems, []);
    match(notes.join("\n"), /VolumeAttachment new of PersistentVolume .* is not attached yet/);
  });
});

Deno.test("an attachment that this driver left to PSO 5 is never ended by a take-over, --resume or not", async () => {
  for (const [installation, wanted] of [[pso52(), 1], [pso62(), 0]] as const) {
    const cluster = clusterWith(installation);
    await withBed(cluster, async (bed) => {
      cluster.dies = { at: 0, after: true };
      await rejects(begin(bed), Died);
      cluster.dies = undefined;
      cluster.put("/apis/storage.k8s.io/v1/volumeattachments/left", {
        metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" },
        spec: { attacher: "pure-csi", nodeName: "node-1", source: { persistentVolumeName: PV } },
        status: { attached: true },
      });
      const { problems } = await planTakeover(bed.request, { isResumed: true });
      // PSO 6 has an attacher of its own, which ends what it began.
      equal(problems.length, wanted);
      for (const { fix } of problems) {
        match(fix, /kubectl patch volumeattachment left .*"finalizers":null/);
      }
    });
  }
});

Deno.test("a controller that does not end, or that somebody starts again, ends the take-over there", async () => {
  const slow = clusterWith(pso52());
  slow.slowness = Infinity;
  await withBed(slow, async (bed) => {
    bed.request.waitMs = 50;
    await rejects(begin(bed), {
      code: "busy",
      message:
        /in step 2: pso\/pure-provisioner-0 on node node-1 did not end in 0\.05 s: .*--resume/,
    });
    deepEqual(slow.changes, [`PATCH ${SET_52}`]);
  });
  const restarted = clusterWith(pso52());
  await withBed(restarted, async (bed) => {
    const tell = bed.request.tell;
    bed.request.tell = (line) => {
      tell(line);
      if (!line.includes("scale")) return;
      restarted.put(SET_52, { ...restarted.objects.get(SET_52), spec: { replicas: 1 } });
    };
    await rejects(begin(bed), { code: "busy", message: /has replicas again.*--resume/ });
    equal(restarted.changes.length, 1);
  });
});

Deno.test("isTakenOver() is true when the CSIDriver is ours and PSO's controller is gone", async () => {
  const cluster = clusterWith(pso52());
  await withBed(cluster, async ({ request }) => {
    equal(isTakenOver((await planTakeover(request, FIRST)).found), false);
    cluster.put(DRIVER, {
      metadata: {
        annotations: { "pso.purestorage.com/release": `${NAMESPACE}/pure-storage-driver` },
      },
      spec: { attachRequired: true, volumeLifecycleModes: ["Persistent", "Ephemeral"] },
    });
    equal(isTakenOver((await planTakeover(request, FIRST)).found), false);
    cluster.objects.delete(SET_52);
    // By the driver's own annotation, whatever tool applied the chart.
    equal(isTakenOver((await planTakeover(request, FIRST)).found), true);
    request.namespace = NAMESPACE;
    equal(isTakenOver((await planTakeover(request, FIRST)).found), true);
  });
});

Deno.test("a take-over that stops names its step as the plan counts it, and the way on and back", async () => {
  const cluster = clusterWith(pso62());
  await withBed(cluster, async (bed) => {
    const { request, folder } = bed;
    const plan = await planTakeover(request, FIRST);
    match(planText(plan), /^ {2}4\. delete DaemonSet /m);
    cluster.remove = () => Promise.reject(new PsoError("denied", "no right"));
    await rejects(takeOver(request, { plan, folder }), {
      code: "denied",
      message:
        `the take-over stopped in step 4: no right. Go on by --resume ${folder}, or go back ` +
        `by --restore ${folder}`,
    });
  });
});
