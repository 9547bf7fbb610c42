/** What people do with volumes, with the driver in pods of the chart. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { tryTool } from "../../scripts/shell.ts";
import type { Bed } from "./bed.ts";
import { WAIT_MS } from "./kubectl.ts";
import { served } from "./leaders.ts";
import { claim, pod, snapshot } from "./objects.ts";

/**
 * Registers them. The pods `reader` and `shared-2` on node-2 and `shared-1` on node-1 stay, and no
 * other on node-1.
 */
export function volumeScenarios(bed: Bed): void {
  bed.scenario("a claim is bound, a pod writes, moves, reads and gets more room", async () => {
    const { cluster } = bed;
    await bed.timed("first claim is Bound", async () => {
      await cluster.apply(claim("data"));
      await cluster.bound("data");
    });
    await cluster.apply(pod("writer", 1, { claim: "data" }));
    await cluster.running("writer");
    await cluster.exec("writer", "echo hello >/data/file && sync");
    assert.match(await cluster.exec("writer", "grep ' /data ' /proc/mounts"), /xfs/);
    await bed.timed("pod moves to the other node", async () => {
      await cluster.delete("pod", "writer");
      await cluster.apply(pod("reader", 2, { claim: "data" }));
      await cluster.running("reader");
    });
    assert.equal(await cluster.exec("reader", "cat /data/file"), "hello");
    await bed.timed("claim grows to 2 GiB online", () => cluster.grow("data", "2Gi", "reader"));
    const [, blocks] = (await cluster.exec("reader", "df -k /data | tail -1")).split(/\s+/);
    assert.ok(Number(blocks) > 1.8 * 1024 * 1024, `the pod sees ${blocks} KiB`);
  });

  bed.scenario("claims and pods one after the other", async () => {
    const { cluster } = bed;
    const names = Array.from({ length: 5 }, (_, index) => `one-${index}`);
    await bed.middle({ what: "claim -> Bound" }, names, (name) => served(cluster, name));
    await bed.middle({ what: "pod -> Running" }, names, async (name) => {
      await cluster.apply(pod(name, 1, { claim: name }));
      await cluster.running(name);
    });
    await cluster.delete("pod", ...names);
    await cluster.delete("pvc", ...names);
  });

  bed.scenario("a raw block volume is written on one node and read on the other", async () => {
    const { cluster } = bed;
    const raw = { claim: "raw", mode: "Block" } as const;
    await bed.timed("raw block: bound, written, moved, read", async () => {
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
    await cluster.delete("pod", "raw-2");
  });

  bed.scenario("a shared file system is used by pods of two nodes at once", async () => {
    const { cluster } = bed;
    await bed.timed("RWX claim of a FlashBlade in two pods", async () => {
      await cluster.apply(
        claim("shared", { storageClass: "pure-file", access: "ReadWriteMany" }),
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

  bed.scenario("a snapshot, a restore and a clone hold what was there then", async () => {
    const { cluster } = bed;
    await bed.timed("snapshot is ready", async () => {
      await cluster.apply(snapshot("snap", "pure-snapshotclass", "data"));
      await cluster.awaited("jsonpath={.status.readyToUse}=true", "volumesnapshot/snap");
    });
    await cluster.exec("reader", "echo later >/data/file && sync");
    const source = { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: "snap" };
    await bed.timed("restore and clone run in pods beside their source", async () => {
      await cluster.apply(
        claim("restored", { size: "2Gi", source }),
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
    await cluster.delete("pod", "restored", "cloned");
  });

  bed.scenario("a quota refuses the claim beyond it, and no array hears of it", async () => {
    const { cluster } = bed;
    await cluster.kubectl("create", "namespace", "small");
    await cluster.kubectl(
      ...["create", "quota", "storage", "--namespace", "small"],
      "--hard=persistentvolumeclaims=2,requests.storage=3Gi",
    );
    const small = (name: string, size: string) => ({
      ...claim(name, { size }),
      metadata: { name, namespace: "small" },
    });
    await until("the quota is counted", async () => {
      return (await cluster.get("quota", "storage", "--namespace", "small")).status?.hard;
    }, { timeoutMs: WAIT_MS });
    await cluster.apply(small("fits", "2Gi"));
    await assert.rejects(cluster.apply(small("too-large", "2Gi")), /exceeded quota: storage/);
    await cluster.awaited(
      "jsonpath={.status.phase}=Bound",
      ...["pvc/fits", "--namespace", "small"],
    );
    assert.equal((await cluster.get("pvc", "--namespace", "small")).items.length, 1);
    await cluster.kubectl("delete", "namespace", "small", "--wait=false");
  });

  bed.scenario("a generic ephemeral volume lives and dies with its pod", async () => {
    const { cluster } = bed;
    const made = pod("scratch", 1, { claim: "none" });
    made.spec.volumes = [{
      name: "data",
      ephemeral: { volumeClaimTemplate: { spec: claim("none").spec } },
    }];
    await cluster.apply(made);
    await cluster.running("scratch");
    await cluster.exec("scratch", "echo x >/data/x");
    await cluster.delete("pod", "scratch");
    await until("its claim is gone", async () => {
      const env = cluster.env;
      return (await tryTool("kubectl", ["get", "pvc", "scratch-data"], { env })).code !== 0;
    }, { timeoutMs: WAIT_MS });
  });
}
