/** What verbs of `pso-bin admin` tell of a cluster in which all is well; a volume that comes back. */
import assert from "node:assert/strict";
import { type AdminResult, runAdmin } from "../support/admin_bed.ts";
import type { Bed } from "../kubernetes/bed.ts";
import { EXAMPLES, Examples, RESTRICTED } from "../kubernetes/examples.ts";
import { claim } from "../kubernetes/objects.ts";
import { examplePod, itemOf, persistentVolumesLeft } from "./steps.ts";

/** Lines that need the snapshot-controller as a Deployment, which runs beside this cluster. */
const BESIDE = /snapshot-controller/;

/** Runs a verb as somebody with the kubeconfig of the cluster does. */
function admin(bed: Bed, ...words: string[]): Promise<AdminResult> {
  return runAdmin([...words, "--kubeconfig", bed.cluster.env.KUBECONFIG ?? ""], {
    real: true,
    env: { PATH: Deno.env.get("PATH") ?? "" },
    files: { "large.json": JSON.stringify(claim("large", { size: "4Pi" })) },
  });
}

/** Asserts that doctor finds nothing, and compared so many volumes. */
async function isHealthy(bed: Bed, volumes: string): Promise<void> {
  const { code, said } = await bed.timed("admin doctor", () => admin(bed, "doctor"));
  const [last] = said.trimEnd().split("\n").slice(-1);
  assert.equal(
    last,
    `0 findings (0 FAIL, 0 WARN), 0 not known; ${volumes} of 2 arrays compared with ` +
      "1 PersistentVolume",
    said,
  );
  assert.equal(code, 0);
}

/** Registers them; the claim `limited` of the namespace of examples is there, with its pod. */
export function adminScenarios(bed: Bed): void {
  bed.scenario(
    "15.6, 15.1: admin check, doctor and place end with 0 and find nothing in a healthy cluster",
    async () => {
      const check = await bed.timed("admin check", () => admin(bed, "check"));
      const wrong = check.said.split("\n").filter((line) => /^ {2}(WARN|FAIL)/.test(line));
      assert.deepEqual(wrong.filter((line) => !BESIDE.test(line)), [], check.said);
      assert.equal(check.code, 0);
      await isHealthy(bed, "1 volume");
      const file = `${EXAMPLES}/qos/claim.yaml`;
      const place = await admin(bed, "place", "--explain", "-f", file);
      assert.match(place.said, /^limited \(5 GiB, block.*\) goes to fa-1$/m);
      assert.match(place.said, /^1 +fa-1 /m);
      assert.match(place.said, /^As the leader pure-provisioner-\S+ sees it: /m);
      assert.doesNotMatch(place.said, /WARN|FAIL/);
      assert.equal(place.code, 0);
      const large = await admin(bed, "place", "-f", "large.json");
      assert.equal(large.code, 1, large.said);
    },
  );

  bed.scenario(
    "15.6: admin undelete brings back a claim that was deleted, and its pod reads what it wrote",
    async () => {
      const { cluster } = bed;
      const examples = new Examples(cluster, RESTRICTED);
      const { name } = await itemOf(cluster, {
        claim: "limited",
        namespace: RESTRICTED,
        array: "fa-1",
      });
      await examples.kubectl("delete", "pod", "limited");
      await examples.kubectl("delete", "pvc", "limited");
      await persistentVolumesLeft(cluster, 0);
      const list = await admin(bed, "undelete", "-o", "json");
      assert.equal(list.code, 0, list.said);
      const { destroyed } = JSON.parse(list.said);
      const found = destroyed.find((one: { name: string }) => one.name === name);
      assert.equal(found?.claim, `${RESTRICTED}/limited`, list.said);
      assert.ok(found.secondsLeft > 0, list.said);

      const words = ["undelete", "--volume", name, "--yes", "--out", "back.yaml"];
      const recovered = await bed.timed("admin undelete --yes", () => admin(bed, ...words));
      assert.equal(recovered.code, 0, recovered.said);
      const manifest = `${cluster.dir}/back.yaml`;
      await Deno.writeFile(manifest, recovered.written.get("back.yaml") ?? new Uint8Array());
      await cluster.kubectl("create", "-f", manifest);
      await examples.awaited("jsonpath={.status.phase}=Bound", "pvc/limited");
      await cluster.apply(examplePod("limited", "limited"));
      await bed.timed("a pod has the volume that came back", async () => {
        await examples.awaited("condition=Ready", "pod/limited");
      });
      assert.equal(await examples.shell("limited", "cat /limited/word"), "slow");
      await isHealthy(bed, "1 volume");

      const { spec } = await examples.get("pvc", "limited");
      const { storageClassName, volumeMode, accessModes } = spec;
      assert.deepEqual([storageClassName, volumeMode, accessModes], [
        "pure-block",
        "Filesystem",
        ["ReadWriteOnce"],
      ]);
      const reclaim = JSON.stringify({ spec: { persistentVolumeReclaimPolicy: "Delete" } });
      await cluster.kubectl("patch", "pv", spec.volumeName, "--patch", reclaim);
      await examples.kubectl("delete", "pod", "limited");
      await examples.kubectl("delete", "pvc", "limited");
      await persistentVolumesLeft(cluster, 0);
      await cluster.kubectl("delete", "volumeattributesclass", "pure-slow", "pure-unlimited");
    },
  );
}
