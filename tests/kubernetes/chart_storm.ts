/** A storm of claims, and the loss of the controller that serves them. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { type ChartCluster, NAMESPACE } from "./chart_cluster.ts";
import { WAIT_MS } from "./kubectl.ts";
import { bothReady, leaderOf, volumesOnArrays } from "./leaders.ts";
import { claim } from "./objects.ts";

const CREATE = { method: "POST", path: "/volumes" };

interface Storm {
  /** The first part of the claims' names. */
  prefix: string;
  count: number;
  /** What happens to the leader when a third of them is Bound. */
  strike: (leader: string) => Promise<void>;
}

/** What the arrays have after a storm. */
interface Outcome {
  volumes: number;
  /** Volumes that no claim has. */
  leaked: string[];
  /** Names that two arrays have. */
  twice: string[];
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

/**
 * Makes the claims while each create takes 800 ms on the array, strikes in the middle of it, and
 * waits until all are Bound. Their volumes are gone again in the end.
 */
async function storm(bed: Bed, { prefix, count, strike }: Storm): Promise<void> {
  const { cluster } = bed;
  const before = await volumesOnArrays(cluster);
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  await cluster.fleet.control("POST", "/faults", { action: "delay", value: 800, match: CREATE });
  await cluster.fleet.control("DELETE", "/requests");
  const third = Math.floor(count / 3);
  const what = `${count} claims are Bound, the leader lost at ${third} (${prefix})`;
  await bed.figure({ what }, async () => {
    await cluster.apply(...names.map((name) => claim(name)));
    await until(`${third} of them`, async () => {
      return (await boundOf(cluster, prefix)).length >= third;
    }, { timeoutMs: WAIT_MS, intervalMs: 100 });
    await strike(await leaderOf(cluster));
    await cluster.bound(...names);
  });
  await cluster.fleet.control("DELETE", "/faults");
  const { items } = await cluster.get("pv");
  const wanted = items.map(({ metadata }: { metadata: { name: string } }) =>
    `charted-${metadata.name}`
  );
  const after = (await volumesOnArrays(cluster)).filter((name) => !before.includes(name));
  const outcome: Outcome = {
    volumes: after.length,
    leaked: after.filter((name) => !wanted.includes(name)),
    twice: after.filter((name, at) => after.indexOf(name) !== at),
  };
  const clients = (await cluster.fleet.requests()).filter(({ method, path }) =>
    method === CREATE.method && path === CREATE.path
  );
  const byClient = [...Map.groupBy(clients, ({ client }) => client).values()];
  bed.figures.line(
    `            ${prefix}: ${outcome.volumes} volumes, ${outcome.leaked.length} leaked, ` +
      `${outcome.twice.length} twice; creates sent by each controller: ` +
      byClient.map(({ length }) => length).join(", "),
  );
  assert.deepEqual(outcome, { volumes: count, leaked: [], twice: [] });
  await bed.timed(`${count} claims are deleted`, async () => {
    await cluster.delete("pvc", ...names);
    await until("their volumes are gone", async () => {
      return (await volumesOnArrays(cluster)).length <= before.length;
    }, { timeoutMs: WAIT_MS, intervalMs: 500 });
  });
}

/** Registers the storm in which the leader's pod is deleted, as often as that. */
export function stormScenarios(bed: Bed, { times }: { times: number }): void {
  for (let round = 1; round <= times; round++) {
    const counted = times === 1 ? "" : `, ${round} of ${times}`;
    bed.scenario(
      `the leader's pod is deleted among 100 claims, and there are 100 volumes${counted}`,
      async () => {
        const { cluster } = bed;
        await bothReady(cluster);
        let struck = "";
        await storm(bed, {
          prefix: `storm${round}`,
          count: 100,
          strike: async (leader) => {
            struck = leader;
            const where = ["--namespace", NAMESPACE, "--wait=false"];
            await cluster.kubectl("delete", "pod", leader, ...where);
          },
        });
        assert.notEqual(await leaderOf(cluster), struck);
      },
    );
  }
}
