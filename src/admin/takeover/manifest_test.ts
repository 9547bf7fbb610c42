import { deepEqual, equal } from "node:assert/strict";
import { parse } from "@std/yaml";
import { ApiKinds } from "./api_kinds.ts";
import { mendManifest, objectsIn } from "./manifest.ts";
import { FakeTakeoverCluster } from "../../../tests/support/fake_takeover_cluster.ts";

function mend(manifest: string) {
  return mendManifest(manifest, {
    namespace: "pso",
    kinds: new ApiKinds(new FakeTakeoverCluster()),
  });
}

const SERVED = `---
# Source: pure-csi/templates/a.yaml
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: pure-csi
---
# Source: pure-csi/templates/empty.yaml
`;

Deno.test("mendManifest() leaves what the cluster serves as it is, byte for byte", async () => {
  deepEqual(await mend(SERVED), { manifest: SERVED, changes: [], unknown: [] });
  deepEqual(await mend(""), { manifest: "", changes: [], unknown: [] });
});

Deno.test("mendManifest() changes only the line apiVersion of what is called otherwise now", async () => {
  const driver = (version: string) =>
    `---\n# Source: d.yaml\napiVersion: ${version}\nkind: CSIDriver\nmetadata:\n  name: pure-csi\n` +
    "  annotations:\n    note: 'apiVersion: storage.k8s.io/v1beta1'\n";
  const { manifest, changes, unknown } = await mend(SERVED + driver('"storage.k8s.io/v1beta1"'));
  equal(manifest, SERVED + driver("storage.k8s.io/v1"));
  deepEqual(changes, ["CSIDriver pure-csi (storage.k8s.io/v1beta1) becomes storage.k8s.io/v1"]);
  deepEqual(unknown, []);
});

Deno.test("mendManifest() changes the version of an object in the form of JSON", async () => {
  const driver = (apiVersion: string) => ({
    metadata: { name: "pure-csi" },
    kind: "CSIDriver",
    spec: { attachRequired: false },
    apiVersion,
  });
  const { manifest, changes } = await mend(
    `---\n${JSON.stringify(driver("storage.k8s.io/v1beta1"))}\n${SERVED}`,
  );
  equal(changes.length, 1);
  const [first = "", ...others] = manifest.split(/^(?=---)/m);
  deepEqual(parse(first.replace("---", "")), driver("storage.k8s.io/v1"));
  equal(others.join(""), SERVED);
});

Deno.test("mendManifest() takes out what the cluster has under no name", async () => {
  const gone = "---\napiVersion: snapshot.storage.k8s.io/v1beta1\nkind: VolumeSnapshotClass\n" +
    "metadata: {name: pure-snapshotclass}\n" +
    "---\napiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: p}\n";
  const { manifest, changes } = await mend(gone + SERVED);
  equal(manifest, SERVED);
  deepEqual(changes.map((change) => change.split(" is ")[1]), [
    "taken out: the cluster has no such kind",
    "taken out: the cluster has no such kind",
  ]);
});

Deno.test("mendManifest() names kinds of which it knows nothing, and changes them not", async () => {
  const odd = "---\napiVersion: example.org/v1\nkind: Odd\nmetadata: {name: o}\n---\na: [\n";
  const { manifest, unknown } = await mend(odd);
  equal(manifest, odd);
  deepEqual(unknown, ["Odd o (example.org/v1)", 'what stands at "a: [", no YAML']);
});

Deno.test("objectsIn() gives each object its namespace", () => {
  deepEqual(
    objectsIn(
      `${SERVED}---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: n}\n`,
      "pso",
    ),
    [
      { apiVersion: "apps/v1", kind: "DaemonSet", name: "pure-csi", namespace: "pso" },
      { apiVersion: "v1", kind: "Secret", name: "s", namespace: "n" },
    ],
  );
});
