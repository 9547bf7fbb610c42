/** Two controllers, and the ways in which the process of the one that leads is lost. */
import assert from "node:assert/strict";
import { pause, until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { NAMESPACE } from "./chart_cluster.ts";
import { WAIT_MS } from "./kubectl.ts";
import { storm } from "./chart_storm.ts";
import { bothReady, driverOf, leaderOf, served } from "./leaders.ts";

/** How long the leader is stopped: kubelet's liveness probe gives up after 60 s. */
const STOPPED_MS = 30_000;

/** Registers them. */
export function leaderScenarios(bed: Bed): void {
  bed.scenario("the leader ends by SIGTERM, and the standby serves", async () => {
    const { cluster } = bed;
    await bothReady(cluster);
    const leader = await leaderOf(cluster);
    await cluster.kubectl("delete", "pod", leader, "--namespace", NAMESPACE, "--wait=false");
    await bed.figure(
      { what: "fail-over after SIGTERM, to the next claim Bound", barS: 3 },
      () => served(cluster, "after-term"),
    );
    assert.notEqual(await leaderOf(cluster), leader);
    await cluster.delete("pvc", "after-term");
  });

  // Its container starts again and follows its own predecessor at once; a standby takes over when
  // the whole machine is lost, which is a scenario of its own.
  bed.scenario(
    "the leader's process dies by SIGKILL among 40 claims, and there are 40 volumes",
    async () => {
      const { cluster } = bed;
      await bothReady(cluster);
      await storm(bed, {
        prefix: "killed",
        count: 40,
        lost: "the leader's process is killed",
        barS: 20,
        strike: async (leader) => Deno.kill(await driverOf(cluster, leader), "SIGKILL"),
      });
    },
  );

  bed.scenario("a leader that was stopped for 30 s sends no change when it goes on", async () => {
    const { cluster } = bed;
    await bothReady(cluster);
    const leader = await leaderOf(cluster);
    const { status } = await cluster.get("pod", leader, "--namespace", NAMESPACE);
    const pid = await driverOf(cluster, leader);
    const begun = performance.now();
    Deno.kill(pid, "SIGSTOP");
    try {
      await bed.figure(
        { what: "fail-over after SIGSTOP, to the next claim Bound" },
        () => served(cluster, "after-stop"),
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
    await served(cluster, "after-cont");
    const changes = (await cluster.fleet.requests()).filter(({ client, method, path }) =>
      client === status.podIP && method !== "GET" && !["/login", "/logout"].includes(path)
    );
    assert.deepEqual(changes, []);
    assert.notEqual(await leaderOf(cluster), leader);
    await cluster.delete("pvc", "after-stop", "after-cont");
  });
}
