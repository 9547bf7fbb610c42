/** A VolumeGroupSnapshot of the example, whose members a pod reads again. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "../kubernetes/bed.ts";
import type { ChartCluster } from "../kubernetes/chart_cluster.ts";
import { Examples, RESTRICTED } from "../kubernetes/examples.ts";
import { type KubeObject, WAIT_MS } from "../kubernetes/kubectl.ts";
import { claim } from "../kubernetes/objects.ts";
import { clientOf } from "../kubernetes/steps.ts";
import { examplePod, persistentVolumesLeft } from "./steps.ts";

const CLAIMS = ["ledger-data", "ledger-log"];

/** Names of the live snapshots on the FlashArray. */
async function snapshotsOf(cluster: ChartCluster): Promise<string[]> {
  const client = await clientOf(cluster.fleet.array("fa-1"));
  const { items } = await client.ok("GET /volume-snapshots?destroyed=false");
  client.close();
  return items.map(({ name }: { name: string }) => name).sort();
}

/** A claim that is made from a member of the group. */
function restoreOf(snapshot: string, at: number): KubeObject {
  const apiGroup = "snapshot.storage.k8s.io";
  const source = { apiGroup, kind: "VolumeSnapshot", name: snapshot };
  const made = claim(`restored-${at}`, { size: "5Gi", source });
  made.metadata.namespace = RESTRICTED;
  return made;
}

/** Registers it. */
export function groupSnapshotScenarios(bed: Bed): void {
  bed.scenario(
    "15.7: example group-snapshot runs as it stands: a pod reads both members as they were",
    async () => {
      const { cluster } = bed;
      const examples = new Examples(cluster, RESTRICTED);
      const writes = (word: string) =>
        examples.shell(
          "ledger",
          `for one in ${CLAIMS.join(" ")}; do echo $one ${word} >/$one/word; done; sync`,
        );
      await examples.apply("namespaces.yaml");
      await examples.apply("group-snapshot/claims.yaml");
      await cluster.apply(examplePod("ledger", ...CLAIMS));
      await examples.awaited("condition=Ready", "pod/ledger");
      await writes("before");
      await bed.timed("example group-snapshot is ready", async () => {
        await examples.apply("group-snapshot");
        await examples.awaited(
          "jsonpath={.status.readyToUse}=true",
          "volumegroupsnapshot/ledger-1",
        );
      });
      await writes("after");
      const taken = await snapshotsOf(cluster);
      assert.equal(taken.length, 2);
      const suffixes = new Set(taken.map((name) => name.split(".")[1]));
      assert.match([...suffixes].join(), /^group-[0-9a-f]{32}-m[0-9a-f]{11}$/);

      const members = await cluster.get("volumesnapshot", "--namespace", RESTRICTED);
      const names: string[] = members.items.map(({ metadata }: KubeObject) => metadata.name);
      assert.equal(names.length, 2);
      const restored = names.map(restoreOf);
      const claims: string[] = restored.map(({ metadata }) => metadata.name);
      await bed.timed("a pod has what both members held", async () => {
        await cluster.apply(...restored, examplePod("reader", ...claims));
        await examples.awaited("condition=Ready", "pod/reader");
      });
      const read = await examples.shell("reader", "cat /restored-*/word | sort");
      assert.equal(read, CLAIMS.map((one) => `${one} before`).join("\n"));
      assert.deepEqual(await snapshotsOf(cluster), taken);

      await examples.kubectl("delete", "volumegroupsnapshot", "ledger-1");
      await until(
        "the group's snapshots to be gone",
        async () => (await snapshotsOf(cluster)).length === 0,
        { timeoutMs: WAIT_MS },
      );
      await examples.kubectl("delete", "pod", "ledger", "reader");
      await examples.kubectl("delete", "pvc", ...CLAIMS, ...claims);
      await cluster.kubectl("delete", "volumegroupsnapshotclass", "pure-groups");
      await persistentVolumesLeft(cluster, 0);
    },
  );
}
