/** A storm of claims, and the loss of the controller that serves them. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { type ChartCluster, NAMESPACE } from "./chart_cluster.ts";
import { type KubeObject, WAIT_MS } from "./kubectl.ts";
import { bothReady, leaderOf, volumesOnArrays } from "./leaders.ts";
import { claim } from "./objects.ts";

const CREATE = { method: "POST", path: "/volumes" };
/** So long that creates are still to be sent when the leader's end begins. */
const CREATE_MS = 2_000;

interface Storm {
  /** The first part of the claims' names. */
  prefix: string;
  count: number;
  /** What `strike` does, and how long it may take from there to the last claim. */
  lost: string;
  barS?: number;
  /** Happens to the leader when a third of them is Bound. */
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

/** The claims of one storm, by their label. */
class Claims {
  constructor(readonly cluster: ChartCluster, readonly prefix: string) {}

  async make(count: number): Promise<void> {
    const names = Array.from({ length: count }, (_, index) => `${this.prefix}-${index}`);
    await this.cluster.apply(...names.map((name) => {
      const made = claim(name);
      return { ...made, metadata: { ...made.metadata, labels: { storm: this.prefix } } };
    }));
  }

  /** Waits until so many are Bound. */
  async bound(count: number): Promise<void> {
    await until(`${count} claims of ${this.prefix} to be Bound`, async () => {
      const { items } = await this.cluster.get("pvc", "--selector", `storm=${this.prefix}`);
      const bound = items.filter(({ status }: KubeObject) => status.phase === "Bound");
      return bound.length >= count;
    }, { timeoutMs: WAIT_MS, intervalMs: 100 });
  }

  /** In one call: kubectl makes but a few in a second. */
  async delete(): Promise<void> {
    const path = "/api/v1/namespaces/default/persistentvolumeclaims";
    await this.cluster.kubectl("delete", "--raw", `${path}?labelSelector=storm%3D${this.prefix}`);
  }
}

/**
 * Makes the claims while each create takes its time on the array, strikes in the middle of it, and
 * waits until all are Bound. Their volumes are gone again in the end.
 */
export async function storm(bed: Bed, { prefix, count, lost, barS, strike }: Storm): Promise<void> {
  const { cluster } = bed;
  const before = await volumesOnArrays(cluster);
  const claims = new Claims(cluster, prefix);
  const slow = { action: "delay", value: CREATE_MS, match: CREATE };
  await cluster.fleet.control("POST", "/faults", slow);
  await cluster.fleet.control("DELETE", "/requests");
  const third = Math.floor(count / 3);
  await claims.make(count);
  await claims.bound(third);
  const what = `${lost} at ${third} claims, to the last of ${count} Bound`;
  await bed.figure({ what, barS }, async () => {
    await strike(await leaderOf(cluster));
    await claims.bound(count);
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
    await claims.delete();
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
          lost: "the leader's pod is deleted",
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
