/**
 * Volumes that pods describe themselves (inline ephemeral), with the driver in pods of the chart: from
 * the switch in the values to an uninstall that leaves nothing.
 */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { ROOT } from "../../scripts/program.ts";
import { tryTool } from "../../scripts/shell.ts";
import { Bed } from "../kubernetes/bed.ts";
import { type ChartCluster, CONTROLLERS, NAMESPACE, NODES } from "../kubernetes/chart_cluster.ts";
import { type KubeObject, WAIT_MS } from "../kubernetes/kubectl.ts";
import { bothReady } from "../kubernetes/leaders.ts";
import { pod } from "../kubernetes/objects.ts";
import { leftOn } from "../kubernetes/steps.ts";

const bed = await Bed.make("volumes that pods describe themselves");

const EXAMPLES = `${ROOT}/deploy/examples`;
const EXAMPLE_NAMESPACE = "pso-examples";

/** A pod on that node with a volume of its own words at /data. */
function inlinePod(name: string, node: 1 | 2, csi: KubeObject): KubeObject {
  const made = pod(name, node, { claim: "none" });
  made.spec.volumes = [{ name: "data", csi: { driver: "pure-csi", ...csi } }];
  return made;
}

const volumes = async (cluster: ChartCluster): Promise<KubeObject[]> =>
  (await cluster.get("ephemeralvolumes", "--namespace", NAMESPACE)).items;

/** Waits until no object is left; then no array holds anything. */
async function allGone(cluster: ChartCluster): Promise<void> {
  await until("the last of them is gone", async () => (await volumes(cluster)).length === 0, {
    timeoutMs: WAIT_MS,
    intervalMs: 500,
  });
  assert.deepEqual((await Promise.all(cluster.fleet.facts.arrays.map(leftOn))).flat(), []);
}

/** What the pod's Events say, once one of them says that. */
async function told(cluster: ChartCluster, name: string, what: RegExp): Promise<void> {
  await until(`an Event of ${name} says ${what}`, async () => {
    const { items } = await cluster.get(
      "events",
      "--field-selector",
      `involvedObject.name=${name}`,
    );
    return items.some(({ message }: KubeObject) => what.test(message));
  }, { timeoutMs: WAIT_MS, intervalMs: 500 });
}

bed.scenario("helm installs the chart, and one controller leads", async () => {
  const { cluster } = bed;
  await bed.timed("helm install --wait", () => cluster.install());
  await until("a leader", () => cluster.leader(), { timeoutMs: WAIT_MS });
});

bed.scenario("pods that describe their volumes run, on block and file", async () => {
  const { cluster } = bed;
  cluster.values.ephemeral = { enabled: true, maxSizeGiB: 20 };
  await cluster.install();
  for (const one of ["deployment/pure-provisioner", "daemonset/pure-csi"]) {
    await cluster.kubectl("rollout", "status", "--namespace", NAMESPACE, one);
  }
  await bed.timed("inline volumes of a block and a file array are in pods", async () => {
    await cluster.apply(
      inlinePod("inline-1", 1, {
        fsType: "xfs",
        volumeAttributes: { backend: "block", size: "1Gi" },
      }),
      inlinePod("inline-2", 2, {
        volumeAttributes: { backend: "file", size: "1Gi", exportrules: "*(rw)" },
      }),
    );
    await cluster.running("inline-1", "inline-2");
  });
  assert.match(await cluster.exec("inline-1", "grep ' /data ' /proc/mounts"), /xfs/);
  for (const name of ["inline-1", "inline-2"]) {
    assert.equal(await cluster.exec(name, "echo x >/data/x && cat /data/x"), "x");
  }
  await told(cluster, "inline-2", /exportrules of the volume are ignored/);
  assert.deepEqual((await volumes(cluster)).map(({ status }) => status.phase), [
    "Ready",
    "Ready",
  ]);
});

bed.scenario(
  "a pod that asks for more than is allowed is told so, and leaves nothing",
  async () => {
    const { cluster } = bed;
    const size = { volumeAttributes: { backend: "block", size: "21Gi" } };
    await cluster.apply(inlinePod("large", 1, size));
    await told(
      cluster,
      "large",
      /size 21Gi of the pod is more than 20 GiB.*ephemeral\.maxSizeGiB/,
    );
    await cluster.delete("pod", "large");
    await until("only the two are left", async () => (await volumes(cluster)).length === 2, {
      timeoutMs: WAIT_MS,
      intervalMs: 500,
    });
  },
);

bed.scenario("the example ephemeral-inline runs as it stands", async () => {
  const { cluster } = bed;
  await cluster.kube("image", "docker.io/library/busybox:1.37.0", "/bin/busybox");
  await cluster.kubectl("apply", "-f", `${EXAMPLES}/namespaces.yaml`);
  await cluster.kubectl("apply", "-f", `${EXAMPLES}/ephemeral-inline`);
  const where = ["--namespace", EXAMPLE_NAMESPACE];
  await cluster.awaited("condition=Ready", "pod/inline", ...where);
  await until("its log shows the room", async () => {
    return /\/scratch/.test(await cluster.kubectl("logs", "inline", ...where));
  }, { timeoutMs: WAIT_MS });
  await cluster.delete("pod", "inline", ...where);
  await cluster.kubectl("delete", "-f", `${EXAMPLES}/namespaces.yaml`, "--wait=false");
});

bed.scenario("the leader is lost while a pod waits; the next one serves it", async () => {
  const { cluster } = bed;
  const leader = await cluster.leader() ?? "";
  await cluster.apply(inlinePod("inline-3", 2, {
    volumeAttributes: { backend: "block", size: "1Gi" },
  }));
  await cluster.kubectl(
    ...["delete", "pod", leader, "--namespace", NAMESPACE],
    ...["--grace-period=0", "--force"],
  );
  await bed.timed("inline volume after the leader was lost", () => cluster.running("inline-3"));
  assert.equal((await volumes(cluster)).length, 3);
  await bothReady(cluster);
  assert.equal((await cluster.pods(CONTROLLERS)).length, 2);
});

bed.scenario(
  "the volumes end with their pods, also by force, and after the node plugins were replaced",
  async () => {
    const { cluster } = bed;
    await cluster.kubectl("delete", "pod", "inline-3", "--grace-period=0", "--force");
    await cluster.kubectl("delete", "pod", "--namespace", NAMESPACE, "--selector", NODES);
    assert.equal(await cluster.exec("inline-1", "cat /data/x"), "x");
    await bed.timed("pods with inline volumes are deleted", async () => {
      await cluster.delete("pod", "inline-1", "inline-2");
      await allGone(cluster);
    });
    assert.deepEqual(await cluster.forbidden(), []);
    delete cluster.values.ephemeral;
    await cluster.install();
    await cluster.kubectl("delete", "crd", "ephemeralvolumes.pso.purestorage.com");
    await until("the nodes run without it", async () => {
      const { code } = await tryTool("kubectl", [
        ...["rollout", "status", "--namespace", NAMESPACE, "daemonset/pure-csi"],
        "--timeout=120s",
      ], { env: cluster.env });
      return code === 0;
    }, { timeoutMs: WAIT_MS });
  },
);

bed.scenario("after the uninstall nothing of the chart and of the volumes is left", async () => {
  const { cluster } = bed;
  assert.deepEqual(await cluster.forbidden(), []);
  await cluster.uninstall();
  await until("the last pod is gone", async () => (await cluster.pods("")).length === 0, {
    timeoutMs: WAIT_MS,
  });
  assert.deepEqual(await cluster.leftObjects(), []);
  assert.deepEqual(await cluster.leftFiles(), []);
});
