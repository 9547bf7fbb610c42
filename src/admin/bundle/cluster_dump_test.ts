import { deepEqual, equal, match } from "node:assert/strict";
import type { KubeObject } from "../../kube/client.ts";
import { clusterDump } from "./cluster_dump.ts";
import { FakeReader, nodePod, numbersTo } from "../check/fake_reader_test.ts";

const IN = (api: string, plural: string) => `${api}/namespaces/pso/${plural}`;
const PODS = IN("/api/v1", "pods");

/** What is collected of these objects. */
async function dumpOf(
  items: Record<string, KubeObject[]>,
  { answer = () => "a line\n", logBytes }: {
    answer?: (path: string) => string | undefined;
    logBytes?: number;
  } = {},
) {
  const kube = new FakeReader(items, answer);
  const cluster = { kube, namespace: "pso", name: "c" };
  const { files, leftOut } = await clusterDump(cluster, { progress: () => {}, logBytes });
  const logs = files.map(({ path }) => path).filter((path) => path.startsWith("logs/"));
  const namesIn = (file: string): string[] =>
    JSON.parse(files.find(({ path }) => path === `cluster/${file}.json`)?.text ?? "[]")
      .map(({ metadata }: { metadata: { name: string } }) => metadata.name);
  return { kube, files, leftOut, logs, namesIn };
}

const named = (name: string, more: KubeObject = {}): KubeObject => ({
  metadata: { name, ...more },
});
const partOf = { labels: { "app.kubernetes.io/part-of": "pure-service-orchestrator" } };
const owner = (kind: string, name: string) => ({ ownerReferences: [{ kind, name }] });

Deno.test("clusterDump() takes what belongs to the driver or a PSO, and nothing else of its namespace", async () => {
  const { namesIn, kube } = await dumpOf({
    [IN("/apis/apps/v1", "deployments")]: [
      named("pure-provisioner"),
      named("shop"),
      named("pso-simulator", partOf),
    ],
    [IN("/apis/apps/v1", "daemonsets")]: [
      named("pure-csi"),
      named("pure-csi-gpu", partOf),
      named("pure-csi-exporter"),
    ],
    [IN("/apis/apps/v1", "statefulsets")]: [
      named("pso-db-3"),
      named("pso-csi-controller"),
      named("db"),
    ],
    [PODS]: [
      named("pure-csi-abcde", { labels: { app: "pure-csi" } }),
      named("pure-csi-gpu-abcde", owner("DaemonSet", "pure-csi-gpu")),
      named(
        "pure-provisioner-666d6cfdbc-6cmqn",
        owner("ReplicaSet", "pure-provisioner-666d6cfdbc"),
      ),
      named("pso-db-3-0", owner("StatefulSet", "pso-db-3")),
      named("shop-666d6cfdbc-6cmqn", owner("ReplicaSet", "shop-666d6cfdbc")),
      named("pure-csi", { labels: { app: "shop" } }),
    ],
    [IN("/api/v1", "events")]: [
      { ...named("1"), involvedObject: { name: "pure-csi-gpu-abcde" } },
      { ...named("2"), involvedObject: { name: "pure-provisioner-666d6cfdbc-vwxz2" } },
      { ...named("3"), involvedObject: { name: "data" }, source: { component: "pure-csi_a_b" } },
      { ...named("6"), involvedObject: { name: "pso-simulator" } },
      { ...named("7"), involvedObject: { name: "pure-csi-exporter-1" } },
      { ...named("4"), involvedObject: { name: "shop-666d6cfdbc-6cmqn" } },
      { ...named("5"), involvedObject: { name: "data" }, source: { component: "kubelet" } },
    ],
    [IN("/apis/coordination.k8s.io/v1", "leases")]: [
      named("pure-csi-leader"),
      named("external-resizer-pure-csi"),
      named("shop"),
    ],
  });
  deepEqual(namesIn("deployments"), ["pure-provisioner", "pso-simulator"]);
  deepEqual(namesIn("daemonsets"), ["pure-csi", "pure-csi-gpu"]);
  deepEqual(namesIn("statefulsets"), ["pso-db-3", "pso-csi-controller"]);
  deepEqual(namesIn("pods"), [
    "pure-csi-abcde",
    "pure-csi-gpu-abcde",
    "pure-provisioner-666d6cfdbc-6cmqn",
    "pso-db-3-0",
  ]);
  deepEqual(namesIn("events"), ["1", "2", "3", "6"]);
  deepEqual(namesIn("leases"), ["pure-csi-leader", "external-resizer-pure-csi"]);
  equal(kube.asked.some((path) => path.includes("shop")), false);
});

Deno.test("clusterDump() takes no log under a name that leads out of the bundle, and says so", async () => {
  const names = ["../../x", "a/b", "..", "", "A", "a\nb"];
  const { logs, leftOut, kube } = await dumpOf({
    [PODS]: [
      nodePod("pod-1", { restarts: 1 }),
      ...names.map((name) => nodePod(name)),
      ...names.map((container) => nodePod("pod-2", { container })),
    ],
  });
  deepEqual(logs, ["logs/pod-1.driver.log", "logs/pod-1.driver.before.log"]);
  equal(kube.deadlines.length, 2);
  equal(leftOut.length, 2 * names.length);
  equal(leftOut[0], `logs of the pod "../../x": that is no name of a pod`);
  equal(leftOut[names.length], `logs of pod-2, container "../../x": that is no name of one`);
  equal(leftOut.some((line) => line.includes("\n")), false);
});

Deno.test("clusterDump() reads 16 logs at once, each for 10 seconds, and gives up when 64 were silent", async () => {
  const items = { [PODS]: numbersTo(100).map((at) => nodePod(`pod-${at}`)) };
  const dead = (path: string) => /pod-\d*[1-5]\//.test(path) ? undefined : "alive";
  const half = await dumpOf(items, { answer: dead });
  equal(half.kube.most, 16);
  deepEqual(half.kube.deadlines, numbersTo(100).map(() => 10_000));
  equal(half.files.filter(({ text }) => text === "not read: it is dead\n").length, 50);
  const none = await dumpOf(items, { answer: () => undefined });
  equal(none.kube.deadlines.length < 64 + 16, true);
  match(
    none.files.at(-1)?.text ?? "",
    /^not read: not asked, because 64 other logs gave no answer/,
  );
});

Deno.test("clusterDump() takes no more of all logs than it may, and says how many it left out", async () => {
  const items = { [PODS]: numbersTo(100).map((at) => nodePod(`pod-${at}`)) };
  const answer = () => "word\n".repeat(400_000);
  const { files, logs, leftOut } = await dumpOf(items, { answer, logBytes: 5_000_000 });
  deepEqual(logs, [1, 2, 3].map((at) => `logs/pod-${at}.driver.log`));
  const bytes = files.filter(({ path }) => path.startsWith("logs/"))
    .reduce((sum, { text }) => sum + text.length, 0);
  equal(bytes, 5_000_000);
  deepEqual(leftOut, ["97 logs of 100: all together may have 5 MB; see kubectl logs"]);
});

Deno.test("clusterDump() leaves out no log while there is room, however many there are", async () => {
  const items = { [PODS]: numbersTo(100).map((at) => nodePod(`pod-${at}`)) };
  const { logs, leftOut } = await dumpOf(items, { logBytes: 40_000_000 });
  equal(logs.length, 100);
  deepEqual(leftOut, []);
});
