/**
 * Volumes that pods describe themselves (inline ephemeral), from the switch in the values to the end
 * of the last one.
 */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "../kubernetes/bed.ts";
import { type ChartCluster, CONTROLLERS, NAMESPACE, NODES } from "../kubernetes/chart_cluster.ts";
import { EXAMPLES, Examples, RESTRICTED } from "../kubernetes/examples.ts";
import { type KubeObject, WAIT_MS } from "../kubernetes/kubectl.ts";
import { bothReady } from "../kubernetes/leaders.ts";
import { pod } from "../kubernetes/objects.ts";
import { leftOn, volumesOf } from "../kubernetes/steps.ts";
import { install } from "./steps.ts";

/** A pod on that node with a volume of its own words at /data. */
function inlinePod(name: string, node: 1 | 2, csi: KubeObject): KubeObject {
  const made = pod(name, node, { claim: "none" });
  made.spec.volumes = [{ name: "data", csi: { driver: "pure-csi", ...csi } }];
  return made;
}

const volumes = async (cluster: ChartCluster): Promise<KubeObject[]> =>
  (await cluster.get("ephemeralvolumes", "--namespace", NAMESPACE)).items;

/** Those that are in pods. */
const ready = async (cluster: ChartCluster): Promise<KubeObject[]> =>
  (await volumes(cluster)).filter(({ status }) => status?.phase === "Ready");

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

/** Registers them, from no such volume to none. */
export function inlineScenarios(bed: Bed): void {
  bed.scenario("15.11: pods that describe their volumes run, on block and file", async () => {
    const { cluster } = bed;
    cluster.values.ephemeral = { enabled: true, maxSizeGiB: 20 };
    await bed.timed("helm upgrade, with them", () => install(cluster));
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
    assert.equal((await ready(cluster)).length, 2);
  });

  bed.scenario(
    "15.11: a pod that asks for more than is allowed is told so",
    async () => {
      const { cluster } = bed;
      const size = { volumeAttributes: { backend: "block", size: "21Gi" } };
      await cluster.apply(inlinePod("large", 1, size));
      await told(
        cluster,
        "large",
        /size 21Gi of the pod is more than 20 GiB.*ephemeral\.maxSizeGiB/,
      );
      assert.equal((await ready(cluster)).length, 2);
      // Kubelet takes half a minute to end it; that nothing of it stays is seen at the end.
      await cluster.kubectl("delete", "pod", "large", "--wait=false");
    },
  );

  bed.scenario(
    "15.11: example ephemeral-inline runs as it stands, and its volume ends with its pod",
    async () => {
      const { cluster } = bed;
      const examples = new Examples(cluster, RESTRICTED);
      await cluster.kube("image", "docker.io/library/busybox:1.37.0", "/bin/busybox");
      await examples.apply("namespaces.yaml");
      await examples.apply("ephemeral-inline");
      await examples.awaited("condition=Ready", "pod/inline");
      await until("its log shows the room", async () => {
        return /\/scratch/.test(await examples.kubectl("logs", "inline"));
      }, { timeoutMs: WAIT_MS });
      const array = cluster.fleet.array("fa-1");
      assert.equal((await volumesOf(array)).length, 2);
      await examples.kubectl("delete", "pod", "inline");
      await until("only the two are left", async () => (await ready(cluster)).length === 2, {
        timeoutMs: WAIT_MS,
        intervalMs: 500,
      });
      assert.equal((await volumesOf(array)).length, 1);
      await cluster.kubectl("delete", "-f", `${EXAMPLES}/namespaces.yaml`, "--wait=false");
    },
  );

  bed.scenario("15.11: a status that names another pod's volume destroys neither", async () => {
    const { cluster } = bed;
    const block = { volumeAttributes: { backend: "block", size: "1Gi" } };
    await cluster.apply(inlinePod("inline-3", 2, block));
    await cluster.running("inline-3");
    const array = cluster.fleet.array("fa-1");
    assert.equal((await volumesOf(array)).length, 2);
    const of = async (pod: string): Promise<KubeObject | undefined> =>
      (await volumes(cluster)).find(({ spec }) => spec.pod.name === pod);
    const { name } = (await of("inline-3"))?.metadata ?? {};
    const { volumeHandle } = (await of("inline-1"))?.status ?? {};
    const kubectl = ["--namespace", NAMESPACE, "patch", "ephemeralvolume", name] as const;
    const status = ["--subresource=status", "--type=merge", "-p"] as const;
    await cluster.kubectl(...kubectl, ...status, JSON.stringify({ status: { volumeHandle } }));
    await cluster.kubectl("delete", "pod", "inline-3", "--wait=false");
    await until("its node has let go of it, and it stays", async () => {
      const { metadata, status } = await of("inline-3") ?? {};
      return status?.code === "conflict" && metadata.finalizers.length === 1;
    }, { timeoutMs: WAIT_MS, intervalMs: 500 });
    const { message } = (await of("inline-3"))?.status ?? {};
    assert.ok(
      message.includes(`names the volume ${volumeHandle}, and its own is called charted-pvc-`),
    );
    const told = ["events", "--namespace", NAMESPACE, "--field-selector"] as const;
    const { items } = await cluster.get(...told, `involvedObject.name=${name}`);
    assert.deepEqual(items.map(({ reason }: KubeObject) => reason), ["Refused"]);
    assert.equal((await volumesOf(array)).length, 2);
    // What the message says is to be done.
    const said = /kubectl (.+) -p '(.+)'$/.exec(message) ?? [];
    await cluster.kubectl(...`${said[1]}`.split(" "), "-p", `${said[2]}`);
    await until("it is gone", async () => await of("inline-3") === undefined, {
      timeoutMs: WAIT_MS,
      intervalMs: 500,
    });
    assert.equal((await volumesOf(array)).length, 1);
    assert.equal(await cluster.exec("inline-1", "cat /data/x"), "x");
  });

  bed.scenario("15.11: the leader is lost while a pod waits; the next one serves it", async () => {
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
    assert.equal((await ready(cluster)).length, 3);
    await bothReady(cluster);
    assert.equal((await cluster.pods(CONTROLLERS)).length, 2);
  });

  bed.scenario(
    "15.11: the volumes end with their pods, also by force, and after the node plugins were replaced",
    async () => {
      const { cluster } = bed;
      await cluster.kubectl("delete", "pod", "inline-3", "--grace-period=0", "--force");
      await cluster.kubectl("delete", "pod", "--namespace", NAMESPACE, "--selector", NODES);
      assert.equal(await cluster.exec("inline-1", "cat /data/x"), "x");
      await bed.timed("pods with inline volumes are deleted", async () => {
        await cluster.delete("pod", "inline-1", "inline-2");
        await allGone(cluster);
      });
    },
  );
}
