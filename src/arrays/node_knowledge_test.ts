import assert from "node:assert/strict";
import { isNamedBy } from "./node_knowledge.ts";

Deno.test("isNamedBy() reads the last part of a volume's name, in any case", () => {
  for (
    const name of ["k8s-pvc-1", "K8S-pvc-1", "pod::k8s-pvc-1", "realm::pod::k8s-1", "group/k8s-1"]
  ) {
    assert.ok(isNamedBy("k8s", name), name);
  }
  for (const name of ["k8s", "k8s2-pvc-1", "oracle-data", "k8s-pod::oracle-data", "k8s-g/data"]) {
    assert.ok(!isNamedBy("k8s", name), name);
  }
  assert.ok(!isNamedBy(undefined, "k8s-pvc-1"));
  assert.ok(!isNamedBy("", "-pvc-1"));
});
