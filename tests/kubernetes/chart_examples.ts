/** The examples whose images can be made here, applied as they stand. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { BASELINE, EXAMPLES, Examples, RESTRICTED } from "./examples.ts";
import { WAIT_MS } from "./kubectl.ts";

const PAGE = "/usr/share/nginx/html";
const NGINX = "docker.io/nginxinc/nginx-unprivileged:1.27.4-alpine";

/** Registers them, with their own namespaces, of which nothing stays. */
export function exampleScenarios(bed: Bed): void {
  const one = () => new Examples(bed.cluster, RESTRICTED);
  const two = () => new Examples(bed.cluster, BASELINE);

  bed.scenario("example nginx-proof: the page is there again on another node", async () => {
    const { cluster } = bed;
    await cluster.kube("image", "docker.io/library/busybox:1.37.0", "/bin/busybox");
    const serve = ["httpd", "-f", "-p", "8080", "-h", PAGE]; // a stand-in for nginx
    await cluster.kube("image", NGINX, "/bin/busybox", "--", ...serve);
    await one().apply("namespaces.yaml");
    const examples = one();
    await examples.apply("nginx-proof");
    await examples.awaited("condition=Ready", "pod/nginx");
    await examples.shell("nginx", `echo "written on the first node" >${PAGE}/index.html`);
    const node = await examples.nodeOf("nginx");
    await examples.end("pod/nginx");
    await examples.kubectl("cordon", node);
    await examples.apply("nginx-proof");
    await examples.awaited("condition=Ready", "pod/nginx");
    assert.notEqual(await examples.nodeOf("nginx"), node);
    const shown = await examples.shell("nginx", "wget -qO- http://127.0.0.1:8080");
    assert.equal(shown, "written on the first node");
    await examples.kubectl("uncordon", node);
  });

  bed.scenario("examples expand, snapshot, restore and clone", async () => {
    const examples = one();
    await examples.apply("expand");
    // Kubelet looks at a volume again when its pod changes, and otherwise after a minute.
    await until("the array's part of the growth", async () => {
      const { status } = await bed.cluster.get("pvc", "nginx-data", "-n", RESTRICTED);
      return status.allocatedResourceStatuses?.storage === "NodeResizePending" ||
        status.capacity.storage === "10Gi";
    }, { timeoutMs: WAIT_MS, intervalMs: 500 });
    await examples.kubectl("annotate", "pod", "nginx", "look=again");
    await examples.awaited("jsonpath={.status.capacity.storage}=10Gi", "pvc/nginx-data");
    await examples.apply("snapshot");
    await examples.awaited("jsonpath={.status.readyToUse}=true", "volumesnapshot/nginx-data-1");
    await examples.apply("restore");
    await examples.apply("clone");
    for (const pod of ["nginx-restored", "nginx-clone"]) {
      await examples.awaited("condition=Ready", `pod/${pod}`);
      const page = await examples.shell(pod, `cat ${PAGE}/index.html`);
      assert.equal(page, "written on the first node", pod);
    }
  });

  bed.scenario("examples raw-block, generic-ephemeral and scratch-space", async () => {
    const [restricted, baseline] = [one(), two()];
    for (const folder of ["raw-block", "generic-ephemeral", "scratch-space"]) {
      await restricted.apply(folder);
    }
    await baseline.awaited("condition=Ready", "pod/raw");
    await baseline.shell(
      "raw",
      "echo hello | dd of=/dev/raw-volume bs=512 count=1 conv=sync,fsync",
    );
    const read = "dd if=/dev/raw-volume bs=512 count=1 2>/dev/null | head -1";
    assert.equal(await baseline.shell("raw", read), "hello");
    await baseline.kubectl("scale", "deployment", "scratch", "--replicas=4");
    await baseline.kubectl("rollout", "status", "deployment", "scratch", "--timeout=180s");
    const files = await baseline.shell("deploy/scratch", "ls /scratch");
    assert.equal(files.split(/\s+/).length, 4, files);
    await restricted.awaited("condition=Ready", "pod/worker");
    await restricted.kubectl("delete", "pod", "worker");
    await restricted.awaited("delete", "pvc/worker-work");
  });

  bed.scenario(
    "example storage-quota refuses a claim that is too large; nothing of them stays",
    async () => {
      const examples = one();
      await examples.apply("storage-quota");
      await until("the quota is counted", async () => {
        const { status } = await bed.cluster.get("quota", "storage", "-n", RESTRICTED);
        return status?.used?.["requests.storage"] !== undefined;
      }, { timeoutMs: WAIT_MS });
      const claim = {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: "large", namespace: RESTRICTED },
        spec: {
          storageClassName: "pure-block",
          accessModes: ["ReadWriteOnce"],
          resources: { requests: { storage: "600Gi" } },
        },
      };
      await assert.rejects(bed.cluster.apply(claim), /exceeded quota: storage/);
      await examples.end("pods", "--all");
      await bed.cluster.kubectl("delete", "-f", `${EXAMPLES}/namespaces.yaml`);
      await until("their volumes are gone", async () => {
        const { items } = await bed.cluster.get("pv");
        return items.every((one: { spec: { claimRef: { namespace: string } } }) =>
          ![RESTRICTED, BASELINE].includes(one.spec.claimRef.namespace)
        );
      }, { timeoutMs: WAIT_MS, intervalMs: 500 });
    },
  );
}
