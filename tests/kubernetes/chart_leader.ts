/** Two controllers, and the loss of the one that leads in every way. */
import assert from "node:assert/strict";
import { pause, until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { type ChartCluster, NAMESPACE } from "./chart_cluster.ts";
import { WAIT_MS } from "./kubectl.ts";
import { claim } from "./objects.ts";
import { volumesOf } from "./steps.ts";

/** How long the leader is stopped: kubelet's liveness probe gives up after 60 s. */
const STOPPED_MS = 30_000;

/** The names of volumes on all FlashArrays that are not destroyed. */
async function volumesOnArrays(cluster: ChartCluster): Promise<string[]> {
  const arrays = cluster.fleet.facts.arrays.filter(({ kind }) => kind === "flasharray");
  return (await Promise.all(arrays.map(volumesOf))).flat().sort();
}

/** Names of the claims that are Bound. */
async function boundOf(cluster: ChartCluster, prefix: string): Promise<string[]> {
  const { items } = await cluster.get("pvc");
  return items.filter((
    { metadata, status }: { metadata: { name: string }; status: { phase: string } },
  ) => metadata.name.startsWith(prefix) && status.phase === "Bound").map((
    { metadata }: { metadata: { name: string } },
  ) => metadata.name);
}

async function leaderOf(cluster: ChartCluster): Promise<string> {
  return await until("a leader", () => cluster.leader(), { timeoutMs: WAIT_MS });
}

/** The process of the driver in that pod. */
async function driverOf(cluster: ChartCluster, pod: string): Promise<number> {
  const found = (await cluster.containers()).find((one) =>
    one.pod === pod && one.name === "driver"
  );
  const [pid] = found?.pids ?? [];
  if (pid === undefined) throw new Error(`no process of the driver in the pod ${pod}`);
  return pid;
}

/** Both controllers ready again, so that the next loss finds a standby. */
async function bothReady(cluster: ChartCluster): Promise<void> {
  const which = ["--namespace", NAMESPACE, "deployment/pure-provisioner"];
  await cluster.kubectl("rollout", "status", ...which);
}

/** A claim made now is Bound, and it takes its time. */
async function servedAgain(cluster: ChartCluster, name: string): Promise<void> {
  await cluster.apply(claim(name));
  await cluster.bound(name);
  await cluster.delete("pvc", name);
}

/** Registers them. */
export function leaderScenarios(bed: Bed): void {
  bed.scenario(
    "the leader's pod is deleted among 100 claims, and there are 100 volumes",
    async () => {
      const { cluster } = bed;
      const before = await volumesOnArrays(cluster);
      const names = Array.from({ length: 100 }, (_, index) => `storm-${index}`);
      await cluster.fleet.control("POST", "/faults", {
        action: "delay",
        value: 800,
        match: { method: "POST", path: "/volumes" },
      });
      await bed.timed("100 claims are Bound, the leader's pod deleted at 33", async () => {
        await cluster.apply(...names.map((name) => claim(name)));
        await until("33 of them", async () => (await boundOf(cluster, "storm-")).length >= 33, {
          timeoutMs: WAIT_MS,
          intervalMs: 200,
        });
        const leader = await leaderOf(cluster);
        await cluster.kubectl("delete", "pod", leader, "--namespace", NAMESPACE, "--wait=false");
        await cluster.bound(...names);
        assert.notEqual(await leaderOf(cluster), leader);
      });
      await cluster.fleet.control("DELETE", "/faults");
      const { items } = await cluster.get("pv");
      const wanted = items.map(({ metadata }: { metadata: { name: string } }) =>
        `charted-${metadata.name}`
      );
      const after = (await volumesOnArrays(cluster)).filter((name) => !before.includes(name));
      assert.equal(after.length, names.length);
      assert.deepEqual(after.filter((name) => !wanted.includes(name)), []);
      await bed.timed("100 claims are deleted", async () => {
        await cluster.delete("pvc", ...names);
        await until("their volumes are gone", async () => {
          return (await volumesOnArrays(cluster)).length <= before.length;
        }, { timeoutMs: WAIT_MS, intervalMs: 500 });
      });
    },
  );

  bed.scenario("the leader ends by SIGTERM, and the standby serves", async () => {
    const { cluster } = bed;
    await bothReady(cluster);
    const leader = await leaderOf(cluster);
    await cluster.kubectl("delete", "pod", leader, "--namespace", NAMESPACE, "--wait=false");
    await bed.timed(
      "fail-over after SIGTERM, to the next claim Bound",
      () => servedAgain(cluster, "after-term"),
    );
    assert.notEqual(await leaderOf(cluster), leader);
  });

  bed.scenario("the leader dies by SIGKILL, and claims are served again", async () => {
    const { cluster } = bed;
    await bothReady(cluster);
    Deno.kill(await driverOf(cluster, await leaderOf(cluster)), "SIGKILL");
    await bed.timed(
      "fail-over after SIGKILL, to the next claim Bound",
      () => servedAgain(cluster, "after-kill"),
    );
  });

  bed.scenario("a leader that was stopped for 30 s sends no change when it goes on", async () => {
    const { cluster } = bed;
    await bothReady(cluster);
    const leader = await leaderOf(cluster);
    const { status } = await cluster.get("pod", leader, "--namespace", NAMESPACE);
    const pid = await driverOf(cluster, leader);
    const begun = performance.now();
    Deno.kill(pid, "SIGSTOP");
    try {
      await bed.timed(
        "fail-over after SIGSTOP, to the next claim Bound",
        () => servedAgain(cluster, "after-stop"),
      );
      await pause(Math.max(0, STOPPED_MS - (performance.now() - begun)));
      await cluster.fleet.control("DELETE", "/requests");
    } finally {
      Deno.kill(pid, "SIGCONT");
    }
    await until("the old leader's container starts anew", async () => {
      const now = await cluster.get("pod", leader, "--namespace", NAMESPACE);
      const [was, is] = [status, now.status].map(({ containerStatuses }) =>
        containerStatuses.find(({ name }: { name: string }) => name === "driver")
      );
      return is.ready && is.containerID !== was.containerID;
    }, { timeoutMs: WAIT_MS, intervalMs: 500 });
    await servedAgain(cluster, "after-cont");
    const changes = (await cluster.fleet.requests()).filter(({ client, method, path }) =>
      client === status.podIP && method !== "GET" && !["/login", "/logout"].includes(path)
    );
    assert.deepEqual(changes, []);
    assert.notEqual(await leaderOf(cluster), leader);
  });
}
