import { deepEqual, equal, match } from "node:assert/strict";
import { FakeReader, nodePod, numbersTo } from "./fake_reader_test.ts";
import { FoundList } from "./found.ts";
import { type NodeFacts, nodesOf, tellNodes } from "./node_look.ts";

const READY = `{"checks": [{"name": "iscsi", "ok": true}]}`;

/** So many nodes, each with a pod; those whose pods `isDead` names give no answer. */
function nodes(count: number, isDead: (path: string) => boolean) {
  const kube = new FakeReader({
    "/api/v1/nodes": numbersTo(count).map((at) => ({ metadata: { name: `node-${at}` } })),
    "/api/v1/namespaces/pso/pods": numbersTo(count).map((at) => nodePod(`pod-${at}`)),
  }, (path) => isDead(path) ? undefined : READY);
  return { kube, cluster: { kube, namespace: "pso", name: "c" } };
}

const scope = { progress: () => {} };

Deno.test("nodesOf() asks 16 nodes at once, each for 5 seconds, and tells those that are dead", async () => {
  const { kube, cluster } = nodes(100, (path) => /pod-\d*[1-7]:/.test(path));
  const facts = await nodesOf(cluster, scope);
  equal(kube.most, 16);
  deepEqual(kube.deadlines, numbersTo(100).map(() => 5_000));
  deepEqual(facts.map(({ name }) => name), numbersTo(100).map((at) => `node-${at}`));
  equal(facts.filter(({ unknown }) => unknown === "it is dead").length, 70);
  equal(facts.filter(({ usable }) => usable?.join() === "iscsi").length, 30);
});

Deno.test("nodesOf() asks nobody any more when 256 nodes were dead, and says so", async () => {
  const { kube, cluster } = nodes(1_000, () => true);
  const facts = await nodesOf(cluster, scope);
  // Those that were being asked at that moment are among them.
  equal(kube.deadlines.length < 256 + 16, true, `${kube.deadlines.length}`);
  match(facts.at(-1)?.unknown ?? "", /^not asked, because 256 other nodes gave no answer in time$/);
});

Deno.test("nodesOf() asks nothing of a pod whose name leads elsewhere", async () => {
  const kube = new FakeReader({
    "/api/v1/nodes": [{ metadata: { name: "node" } }],
    "/api/v1/namespaces/pso/pods": [{
      ...nodePod("pod"),
      metadata: { name: "../../secrets/x", labels: { app: "pure-csi" } },
    }],
  }, () => READY);
  const [facts] = await nodesOf({ kube, namespace: "pso", name: "c" }, scope);
  deepEqual(kube.deadlines, []);
  match(facts?.unknown ?? "", /"\.\.\/\.\.\/secrets\/x" is no name of an object of Kubernetes/);
});

/** What to do about a node that is not registered. */
function adviceFor(node: Partial<NodeFacts>): string | undefined {
  const found = new FoundList("cluster c");
  tellNodes([{ name: "a", registered: false, podReady: false, newKeys: [], ...node }], found);
  return found.all.find(({ check }) => check === "nodes")?.fix;
}

Deno.test("tellNodes() tells a kubelet with another folder from a node without the pod", () => {
  match(
    adviceFor({ pod: "pure-csi-a", podReady: true }) ?? "",
    /^the pod is ready and kubelet does not know it: .*registrar; kubelet may have another folder \(orchestrator\.basePath\)$/,
  );
  match(adviceFor({}) ?? "", /a taint may keep it away \(nodeServer\.tolerations\)$/);
});
