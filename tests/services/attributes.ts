/** VolumeAttributesClasses, of the example and of the chart, on volumes that pods use. */
import assert from "node:assert/strict";
import { MiB } from "../../src/size.ts";
import type { Bed } from "../kubernetes/bed.ts";
import { Examples, RESTRICTED } from "../kubernetes/examples.ts";
import type { KubeObject } from "../kubernetes/kubectl.ts";
import { claim, pod } from "../kubernetes/objects.ts";
import { clientOf } from "../kubernetes/steps.ts";
import {
  eventSays,
  examplePod,
  giveAttributes,
  hasAttributes,
  type Held,
  itemOf,
  persistentVolumesLeft,
} from "./steps.ts";

/** Values with which the chart makes the optional classes that these scenarios use. */
export const CLASS_VALUES = {
  volumeAttributesClasses: [
    { name: "chart-limits", parameters: { iops_limit: 700 } },
    { name: "chart-wrong", parameters: { iops_limit: 99 } },
    { name: "chart-exports", parameters: { exportrules: "*(rw,no_root_squash)" } },
    { name: "chart-narrow", parameters: { exportrules: "10.0.0.0/8(rw,no_root_squash)" } },
  ],
  volumeGroupSnapshotClasses: [{ name: "chart-groups" }],
};

/** The same claim with a VolumeAttributesClass. */
function attributed(made: KubeObject, attributes: string): KubeObject {
  made.spec.volumeAttributesClassName = attributes;
  return made;
}

/** A claim that groups find by that label. */
function grouped(made: KubeObject): KubeObject {
  made.metadata.labels = { group: "chart" };
  return made;
}

/** Registers both; the claim `limited` and its pod stay, for the verbs of `admin`. */
export function attributeScenarios(bed: Bed): void {
  bed.scenario(
    "15.8: example qos runs as it stands: its limits are on the array, and change below its pod",
    async () => {
      const { cluster } = bed;
      const examples = new Examples(cluster, RESTRICTED);
      const held: Held = { claim: "limited", namespace: RESTRICTED, array: "fa-1" };
      const limits = async () => (await itemOf(cluster, held)).qos;
      await examples.apply("namespaces.yaml");
      await examples.apply("qos");
      await cluster.apply(examplePod("limited", "limited"));
      await bed.timed("a pod has the volume of example qos", async () => {
        await examples.awaited("condition=Ready", "pod/limited");
        await hasAttributes(cluster, { ...held, attributes: "pure-slow" });
      });
      assert.deepEqual(await limits(), { iops_limit: 500, bandwidth_limit: 20 * MiB });
      await examples.shell("limited", "echo slow >/limited/word && sync");

      const none = { iops_limit: null, bandwidth_limit: null };
      await bed.timed("its limits are taken away below the pod", async () => {
        await giveAttributes(cluster, { ...held, attributes: "pure-unlimited" });
        await hasAttributes(cluster, { ...held, attributes: "pure-unlimited" });
      });
      assert.deepEqual(await limits(), none);
      await bed.timed("a class that is wrong is told, and changes nothing", async () => {
        await giveAttributes(cluster, { ...held, attributes: "chart-wrong" });
        await eventSays(cluster, 'class parameter iops_limit is "99", wanted a whole number');
        await giveAttributes(cluster, { ...held, attributes: "pure-unlimited" });
      });
      assert.deepEqual(await limits(), none);
      assert.equal(await examples.shell("limited", "cat /limited/word"), "slow");
    },
  );

  bed.scenario(
    "15.8, 15.7: pods use volumes of each class that the chart makes, also of the optional ones",
    async () => {
      const { cluster } = bed;
      const names = ["of-pure", "of-block", "of-file"];
      await bed.timed("pods with pure, pure-block and pure-file", async () => {
        await cluster.apply(
          attributed(grouped(claim("of-pure", { storageClass: "pure" })), "chart-limits"),
          grouped(claim("of-block", { storageClass: "pure-block" })),
          attributed(
            claim("of-file", { storageClass: "pure-file", access: "ReadWriteMany" }),
            "chart-exports",
          ),
          ...names.map((name, at) => pod(name, at === 1 ? 2 : 1, { claim: name })),
        );
        await cluster.running(...names);
      });
      for (const name of names) {
        assert.equal(await cluster.exec(name, `echo ${name} >/data/x && cat /data/x`), name);
      }
      const pure: Held = { claim: "of-pure", namespace: "default", array: "fa-1" };
      assert.equal((await itemOf(cluster, pure)).qos.iops_limit, 700);
      const file: Held = { claim: "of-file", namespace: "default", array: "fb-1" };
      assert.equal((await itemOf(cluster, file)).nfs.rules, "*(rw,no_root_squash)");
      await bed.timed("the export rules change below the pod", async () => {
        await giveAttributes(cluster, { ...file, attributes: "chart-narrow" });
        await hasAttributes(cluster, { ...file, attributes: "chart-narrow" });
      });
      assert.equal((await itemOf(cluster, file)).nfs.rules, "10.0.0.0/8(rw,no_root_squash)");
      assert.equal(await cluster.exec("of-file", "cat /data/x"), "of-file");

      await bed.timed("a group snapshot by the chart's class", async () => {
        await cluster.apply({
          apiVersion: "groupsnapshot.storage.k8s.io/v1",
          kind: "VolumeGroupSnapshot",
          metadata: { name: "of-chart" },
          spec: {
            volumeGroupSnapshotClassName: "chart-groups",
            source: { selector: { matchLabels: { group: "chart" } } },
          },
        });
        await cluster.awaited("jsonpath={.status.readyToUse}=true", "volumegroupsnapshot/of-chart");
      });
      const client = await clientOf(cluster.fleet.array("fa-1"));
      const taken = await client.ok("GET /volume-snapshots?destroyed=false");
      client.close();
      assert.equal(taken.items.length, 2);
      await bed.timed("all of them are deleted", async () => {
        await cluster.delete("volumegroupsnapshot", "of-chart");
        await cluster.delete("pod", ...names);
        await cluster.delete("pvc", ...names);
        await persistentVolumesLeft(cluster, 1);
      });
    },
  );
}
