/**
 * The room of each rack, in a cluster of its own: CSIStorageCapacity objects by
 * `csi.storageCapacity`, and a scheduler that heeds them.
 */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { Bed } from "../kubernetes/bed.ts";
import { type ChartCluster, NAMESPACE } from "../kubernetes/chart_cluster.ts";
import { type KubeObject, WAIT_MS } from "../kubernetes/kubectl.ts";
import { claim, pod, storageClass } from "../kubernetes/objects.ts";
import { leftOn, volumesOf } from "../kubernetes/steps.ts";

const RACK = "topology.purestorage.com/rack";
const CLASS = "by-rack";
const NODES = [1, 2] as const;

const bed = await Bed.make("the room of racks");

/** One line for each CSIStorageCapacity of the class: the rack, its room, its largest volume. */
async function roomOf(cluster: ChartCluster): Promise<string[]> {
  const { items } = await cluster.get("csistoragecapacities", "--namespace", NAMESPACE);
  return items.filter((one: KubeObject) => one.storageClassName === CLASS)
    .map(({ nodeTopology, capacity, maximumVolumeSize }: KubeObject) =>
      [nodeTopology?.matchLabels?.[RACK], capacity, maximumVolumeSize].join(" ")
    ).sort();
}

/** Waits until the room of both racks is told as that; the failure says what was told last. */
async function isTold(cluster: ChartCluster, what: string, wanted: RegExp): Promise<void> {
  let told: string[] = [];
  try {
    await until(what, async () => {
      told = await roomOf(cluster);
      return told.length === NODES.length && told.every((line) => wanted.test(line));
    }, { timeoutMs: WAIT_MS });
  } catch (error) {
    const all = await cluster.kubectl("get", "csistoragecapacities", "-A", "-o", "yaml");
    const nodes = await cluster.kubectl("get", "csinodes", "-o", "yaml");
    throw new Error(`told is ${JSON.stringify(told)}:\n${all}\n${nodes}`, { cause: error });
  }
}

/** How often an array was asked to make a volume. */
async function created(cluster: ChartCluster): Promise<number> {
  return (await cluster.fleet.counts())
    .filter(({ method, path }) => method === "POST" && path.endsWith("/volumes"))
    .reduce((sum, { count }) => sum + count, 0);
}

bed.scenario("15.10: helm installs the chart with topology and storageCapacity", async () => {
  const { cluster } = bed;
  for (const node of NODES) {
    await cluster.kubectl("label", "node", `node-${node}`, `${RACK}=rack-${node}`);
  }
  for (const array of [1, 2, 3]) cluster.fleet.label(`fa-${array}`, { [RACK]: `rack-${array}` });
  cluster.values.storagetopology = { enable: true, strictTopology: true };
  cluster.values.csi = { storageCapacity: true };
  await bed.timed("helm install --wait", () => cluster.install());
  const { spec } = await cluster.get("csidriver", "pure-csi");
  assert.equal(spec.storageCapacity, true);
});

bed.scenario(
  "15.10: the room of each rack is told for the class, and pods get volumes of their rack",
  async () => {
    const { cluster } = bed;
    const late = storageClass(CLASS, "block", "xfs");
    late.volumeBindingMode = "WaitForFirstConsumer";
    await cluster.apply(late);
    await bed.timed(
      "the room of each rack is told",
      () => isTold(cluster, "the room of both racks", /^rack-[12] [1-9]\S* [1-9]\S*$/),
    );
    assert.deepEqual((await roomOf(cluster)).map((line) => line.slice(0, 6)), ["rack-1", "rack-2"]);
    const names = NODES.map((node) => `rack-${node}`);
    await bed.timed("a pod on each node has a volume of its rack", async () => {
      await cluster.apply(
        ...names.map((name) => claim(name, { storageClass: CLASS })),
        ...NODES.map((node) => pod(`rack-${node}`, node, { claim: `rack-${node}` })),
      );
      await cluster.running(...names);
    });
    for (const node of NODES) {
      const { spec } = await cluster.get("pvc", `rack-${node}`);
      const held = await volumesOf(cluster.fleet.array(`fa-${node}`));
      assert.deepEqual(held, [`charted-${spec.volumeName}`]);
    }
  },
);

bed.scenario(
  "15.10: the scheduler itself sees that no rack has the room, and asks for no volume",
  async () => {
    const { cluster } = bed;
    const before = await created(cluster);
    assert.ok(before >= NODES.length);
    await bed.timed("a claim that is larger than any array", async () => {
      await cluster.apply(
        claim("too-large", { storageClass: CLASS, size: "4Pi" }),
        pod("too-large", 1, { claim: "too-large" }),
      );
      await until(
        "the scheduler finds no room",
        async () => /did not have enough free storage/.test(await cluster.events()),
        { timeoutMs: WAIT_MS },
      );
    });
    assert.equal(await created(cluster), before);
  },
);

bed.scenario("15.10: with the class, what was told of it ends, and nothing is left", async () => {
  const { cluster } = bed;
  const names = ["rack-1", "rack-2", "too-large"];
  await cluster.delete("pod", ...names);
  await cluster.delete("pvc", ...names);
  await cluster.delete("storageclass", CLASS);
  await until("nothing is told of the class", async () => (await roomOf(cluster)).length === 0, {
    timeoutMs: WAIT_MS,
  });
  await until("the volumes are gone", async () => (await cluster.get("pv")).items.length === 0, {
    timeoutMs: WAIT_MS,
  });
  assert.deepEqual((await Promise.all(cluster.fleet.facts.arrays.map(leftOn))).flat(), []);
  assert.deepEqual(await cluster.forbidden(), []);
});
