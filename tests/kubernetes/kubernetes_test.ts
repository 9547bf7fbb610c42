/**
 * The driver's first contact with Kubernetes: real control plane, kubelets and sidecars, the
 * compiled program in all of its places.
 */
import assert from "node:assert/strict";
import { pause, until } from "../../src/async/wait.ts";
import { Cluster } from "./cluster.ts";
import { WAIT_MS } from "./kubectl.ts";
import { claim, pod, snapshot, snapshotClass, storageClass } from "./objects.ts";
import { cannotRun, leftOn, Steps } from "./steps.ts";

const ignore = await cannotRun("the driver in Kubernetes");

let cluster: Cluster;
const steps = new Steps(() => cluster?.troubles());
const timed = steps.timed.bind(steps);

Deno.test.beforeAll(async () => {
  if (ignore) return;
  cluster = await timed("cluster, fleet and driver start", () => Cluster.start());
  await cluster.apply(
    storageClass("pure-block", "block", "xfs"),
    storageClass("pure-file", "file"),
    snapshotClass("pure"),
  );
});

Deno.test.afterAll(async () => {
  if (ignore) return;
  await timed("everything stops", () => cluster.stop());
  steps.print();
});

/**
 * A test of the running cluster. What it starts lives on between tests, so leaks are looked for at
 * the end.
 */
function scenario(name: string, work: () => Promise<void>): void {
  Deno.test({ name, ignore, sanitizeOps: false, sanitizeResources: false, fn: work });
}

scenario(
  "a claim is bound, a pod writes, the pod moves to the other node and finds its data",
  async () => {
    await timed("claim of 1 GiB is Bound", async () => {
      await cluster.apply(claim("data"));
      await cluster.bound("data");
    });
    await timed("pod runs with a new xfs", async () => {
      await cluster.apply(pod("writer", 1, { claim: "data" }));
      await cluster.running("writer");
    });
    await cluster.exec("writer", "echo hello >/data/file && sync");
    assert.match(await cluster.exec("writer", "grep ' /data ' /proc/mounts"), /xfs/);
    await timed("pod moves to the other node", async () => {
      await cluster.delete("pod", "writer");
      await cluster.apply(pod("reader", 2, { claim: "data" }));
      await cluster.running("reader");
    });
    assert.equal(await cluster.exec("reader", "cat /data/file"), "hello");
  },
);

scenario("a volume grows while its pod runs", async () => {
  await timed("claim grows to 2 GiB online", () => cluster.grow("data", "2Gi", "reader"));
  const [, blocks] = (await cluster.exec("reader", "df -k /data | tail -1")).split(/\s+/);
  assert.ok(Number(blocks) > 1.8 * 1024 * 1024, `the pod sees ${blocks} KiB`);
});

scenario(
  "a snapshot, a restore and a clone hold what was there, and not what came later",
  async () => {
    await timed("snapshot is ready", async () => {
      await cluster.apply(snapshot("snap", "pure", "data"));
      await cluster.awaited("jsonpath={.status.readyToUse}=true", "volumesnapshot/snap");
    });
    await cluster.exec("reader", "echo later >/data/file && sync");
    await timed("restore and clone run in pods beside their source", async () => {
      await cluster.apply(
        claim("restored", {
          size: "2Gi",
          source: { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: "snap" },
        }),
        claim("cloned", { size: "3Gi", source: { kind: "PersistentVolumeClaim", name: "data" } }),
        pod("restored", 2, { claim: "restored" }),
        pod("cloned", 2, { claim: "cloned" }),
      );
      await cluster.running("restored", "cloned");
    });
    assert.equal(await cluster.exec("restored", "cat /data/file"), "hello");
    assert.equal(await cluster.exec("cloned", "cat /data/file"), "later");
    const [, blocks] = (await cluster.exec("cloned", "df -k /data | tail -1")).split(/\s+/);
    assert.ok(Number(blocks) > 2.8 * 1024 * 1024, `the larger clone shows ${blocks} KiB`);
  },
);

scenario(
  "a raw block volume is written in one pod and read in another on the other node",
  async () => {
    const raw = { claim: "raw", mode: "Block" } as const;
    await timed("raw block: bound, written, moved, read", async () => {
      await cluster.apply(claim("raw", { mode: "Block" }), pod("raw-1", 1, raw));
      await cluster.running("raw-1");
      await cluster.exec(
        "raw-1",
        "echo block >/tmp/x && dd if=/tmp/x of=/data bs=6 count=1 conv=notrunc,fsync 2>/dev/null",
      );
      await cluster.delete("pod", "raw-1");
      await cluster.apply(pod("raw-2", 2, raw));
      await cluster.running("raw-2");
    });
    assert.equal(await cluster.exec("raw-2", "head -c 5 /data"), "block");
  },
);

scenario("a shared file system is used by pods of two nodes at once", async () => {
  await timed("RWX claim of a FlashBlade in two pods", async () => {
    await cluster.apply(claim("shared", { storageClass: "pure-file", access: "ReadWriteMany" }));
    await cluster.apply(
      pod("shared-1", 1, { claim: "shared" }),
      pod("shared-2", 2, { claim: "shared" }),
    );
    await cluster.running("shared-1", "shared-2");
  });
  await cluster.exec("shared-1", "echo one >/data/one");
  await cluster.exec("shared-2", "echo two >/data/two");
  assert.equal(await cluster.exec("shared-1", "cat /data/two"), "two");
  assert.equal(await cluster.exec("shared-2", "cat /data/one"), "one");
});

scenario(
  "a node plugin is killed and started again while pods run, and serves the next ones",
  async () => {
    await timed("node plugin restarts, pods go on", async () => {
      await cluster.stand.kill("node-2", "SIGKILL");
      assert.equal(
        await cluster.exec("reader", "echo still >/data/file && cat /data/file"),
        "still",
      );
      await cluster.restart("node-2");
      await cluster.delete("pod", "raw-2");
      await cluster.apply(pod("raw-3", 2, { claim: "raw", mode: "Block" }));
      await cluster.running("raw-3");
    });
    assert.equal(await cluster.exec("raw-3", "head -c 5 /data"), "block");
  },
);

scenario(
  "a kubelet is started again while pods run, and takes their volumes away afterwards",
  async () => {
    await timed("kubelet restarts, a pod goes", async () => {
      const idOf = async () =>
        (await cluster.get("pod", "reader")).status.containerStatuses[0].containerID;
      const before = await idOf();
      await cluster.kube("restart", "kubelet-2");
      await until("node-2 is Ready", async () => {
        const { status } = await cluster.get("node", "node-2");
        return status.conditions.some((one: { type: string; status: string }) =>
          one.type === "Ready" && one.status === "True"
        );
      }, { timeoutMs: WAIT_MS, intervalMs: 500 });
      assert.equal(await idOf(), before);
      await cluster.delete("pod", "raw-3");
    });
  },
);

scenario("a claim that no array can hold says why in its events", async () => {
  await cluster.apply(claim("huge", { size: "900Ti" }));
  const message = await timed(
    "a claim that cannot be bound says why",
    () =>
      until("an event that says why", async () => {
        const { items } = await cluster.get(
          "events",
          "--field-selector",
          "involvedObject.name=huge,reason=ProvisioningFailed",
        );
        return items[0]?.message as string | undefined;
      }, { timeoutMs: WAIT_MS, intervalMs: 500 }),
  );
  assert.match(message, /fa-1/);
  assert.match(message, /fa-2/);
  await cluster.delete("pvc", "huge");
});

scenario(
  "the controller is killed in the middle of 20 claims, and every one is bound",
  async () => {
    const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    await timed("20 claims are Bound, the controller killed in the middle", async () => {
      await cluster.apply(...names.map((name) => claim(name)));
      await until("the first of them", async () => {
        const { items } = await cluster.get("pvc");
        return items.filter((one: { metadata: { name: string }; status: { phase: string } }) =>
          one.metadata.name.startsWith("many-") && one.status.phase === "Bound"
        ).length > 0;
      }, { timeoutMs: WAIT_MS, intervalMs: 50 });
      await cluster.stand.kill("controller", "SIGKILL");
      await pause(500);
      await cluster.restart("controller");
      await cluster.bound(...names);
    });
  },
);

scenario("after everything is deleted nothing is left on the arrays or on the nodes", async () => {
  await timed("all pods, claims and snapshots are deleted", async () => {
    await cluster.delete("pod", "--all");
    await cluster.delete("volumesnapshot", "--all");
    await cluster.delete("pvc", "--all");
    await until(
      "the last volume is gone",
      async () => (await cluster.get("pv")).items.length === 0,
      {
        timeoutMs: WAIT_MS,
        intervalMs: 500,
      },
    );
  });
  // Asked of the arrays themselves: the driver lists only what it knows as its own.
  for (const array of cluster.stand.facts.arrays) assert.deepEqual(await leftOn(array), []);
  assert.deepEqual((await cluster.get("volumeattachments")).items, []);
  for (const { stateDir } of cluster.stand.facts.nodes) {
    assert.deepEqual([...Deno.readDirSync(`${stateDir}/volumes`)].map(({ name }) => name), []);
  }
  const mounts = (await Deno.readTextFile("/proc/self/mountinfo")).split("\n").map((line) =>
    line.split(" ")[4] ?? ""
  );
  assert.deepEqual(
    mounts.filter((path) =>
      path.includes("/kubernetes.io~csi/") || path.includes("/plugins/kubernetes.io/csi/")
    ),
    [],
  );
});
