// What `pso-bin admin support-bundle` takes for the driver's own, compared with what the chart renders.
import { equal, ok } from "node:assert/strict";
import { parse } from "@std/yaml";
import { ROOT } from "../../scripts/program.ts";
import { isOurLease, isOurPod, isOurWorkload } from "../../src/admin/bundle/ours.ts";
import { isObject } from "../../src/kube/client.ts";
import type { KubeObject } from "./helm.ts";

const GOLDEN = `${ROOT}/tests/chart/golden`;
const FOREIGN = { "app.kubernetes.io/part-of": "a-shop", app: "shop" };

for await (const { name } of Deno.readDir(GOLDEN)) {
  Deno.test(`a support bundle takes every workload, pod and Lease that ${name} has`, async () => {
    const text = await Deno.readTextFile(`${GOLDEN}/${name}`);
    const objects = text.split(/^---$/m).flatMap((one): KubeObject[] => {
      const object = parse(one);
      return isObject(object) ? [object] : [];
    });
    const of = (...kinds: string[]) => objects.filter(({ kind }) => kinds.includes(kind));
    const workloads = of("Deployment", "DaemonSet", "StatefulSet");
    ok(workloads.length >= 2);
    for (const workload of workloads) {
      equal(isOurWorkload(workload), true, workload.metadata.name);
      const { metadata } = workload.spec.template;
      equal(isOurPod({ metadata }, new Set()), true, workload.metadata.name);
      const other = { metadata: { name: "shop", labels: FOREIGN } };
      equal(isOurWorkload(other) || isOurPod(other, new Set()), false);
    }
    for (const lease of of("Lease")) equal(isOurLease(lease), true, lease.metadata.name);
    for (const pod of of("Pod")) equal(isOurPod(pod, new Set()), true, pod.metadata.name);
  });
}
