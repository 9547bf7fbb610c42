import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { isPsoError, UsageError } from "../errors.ts";
import { createLogger } from "../log.ts";
import { KubeClient } from "./client.ts";
import { NodeTopology } from "./node_topology.ts";

const NODE = { collection: "nodes", name: "n1" };
const RACK = "topology.purestorage.com/rack";
const ZONE = "topology.kubernetes.io/zone";

function label(api: FakeKubeApi, labels: Record<string, string>): void {
  api.put(NODE, { metadata: { labels } });
}

interface Bed {
  api: FakeKubeApi;
  topology: NodeTopology;
  lines: string[];
  /** Lets the periodic look happen once. */
  look: () => Promise<void>;
}

async function withNode(test: (bed: Bed) => Promise<void>): Promise<void> {
  const api = new FakeKubeApi();
  label(api, { [RACK]: "r1", [ZONE]: "z1", "kubernetes.io/os": "linux" });
  const lines: string[] = [];
  const kube = new KubeClient(api.server());
  let due = Promise.withResolvers<void>();
  let waiting = Promise.withResolvers<void>();
  const topology = new NodeTopology({
    kube: () => kube,
    node: "n1",
    keys: [ZONE],
    log: createLogger({ write: (line) => lines.push(line) }),
    wait: async (_ms, signal) => {
      waiting.resolve();
      if (!signal.aborted) await due.promise;
    },
  });
  const stop = new AbortController();
  const running = topology.run(stop.signal);
  const look = async () => {
    await waiting.promise;
    waiting = Promise.withResolvers();
    const before = due;
    due = Promise.withResolvers();
    before.resolve();
    await waiting.promise;
  };
  await test({ api, topology, lines, look });
  stop.abort();
  due.resolve();
  await running;
}

Deno.test("the segments are the labels of PSO's prefix and those of the key list, read at each call", async () => {
  await withNode(async ({ topology, api }) => {
    deepEqual(await topology.segments(), { [RACK]: "r1", [ZONE]: "z1" });
    label(api, { [RACK]: "r2", [ZONE]: "" });
    deepEqual(await topology.segments(), { [RACK]: "r2" });
  });
});

Deno.test("a node without any topology label registers, and the log says what to do", async () => {
  await withNode(async ({ topology, api, lines }) => {
    label(api, {});
    deepEqual(await topology.segments(), {});
    match(lines.join(), /node has no topology label.*restart this node-plugin pod/);
    const [check] = topology.readiness();
    deepEqual([check?.ok, check?.optional], [false, true]);
    match(
      check?.reason ?? "",
      /^the node has no label that counts as topology, .*: kubectl label node n1 topology\.purestorage\.com\/zone=ZONE, then restart this node-plugin pod$/,
    );
    label(api, { [RACK]: "r1" });
    await topology.segments();
    equal(topology.readiness()[0]?.ok, true);
  });
});

Deno.test("a Node that cannot be read is UNAVAILABLE with what to do, and is no node without a place", async () => {
  await withNode(async ({ topology, api }) => {
    const isRight = (advice: RegExp) => (error: Error) => {
      match(error.message, /^the labels of node n1 cannot be read: /);
      match(error.message, advice);
      return isPsoError(error, "unavailable");
    };
    api.fault = "forbidden";
    await rejects(topology.segments(), isRight(/403.*the right `get` of `nodes`$/));
    api.fault = "silent";
    await rejects(
      topology.segments(),
      isRight(/no answer.*needs the Kubernetes API on every node$/),
    );
    api.fault = undefined;
    api.remove(NODE);
    await rejects(topology.segments(), isRight(/404.*set NODE_NAME from the field spec\.nodeName/));
  });
  const log = createLogger({ write: () => {} });
  const kube = () => {
    throw new UsageError("run this in a pod");
  };
  await rejects(
    new NodeTopology({ kube, node: "n1", keys: [], log }).segments(),
    (error) => isPsoError(error, "unavailable"),
  );
});

Deno.test("a changed value needs nothing; a new key says 'restart this node-plugin pod', once, until it is registered", async () => {
  await withNode(async ({ topology, api, lines, look }) => {
    await look();
    deepEqual(topology.missingKeys, [], "before the registration nothing is missing");
    await topology.segments();
    label(api, { [RACK]: "r9", [ZONE]: "z9" });
    await look();
    deepEqual([topology.missingKeys, topology.readiness()[0]?.ok, lines], [[], true, []]);
    const row = "topology.purestorage.com/row";
    label(api, { [RACK]: "r9", [row]: "4", other: "x" });
    await look();
    await look();
    deepEqual(topology.missingKeys, [row]);
    equal(lines.length, 1);
    match(lines[0] ?? "", /not registered with.*row.*restart this node-plugin pod/);
    const [check] = topology.readiness();
    deepEqual([check?.ok, check?.optional], [false, true]);
    match(
      check?.reason ?? "",
      /without the topology labels .*row.*: restart this node-plugin pod$/,
    );
    api.fault = "silent";
    await look();
    deepEqual(topology.missingKeys, [row], "no answer is no news");
    api.fault = undefined;
    await topology.segments();
    deepEqual([topology.missingKeys, topology.readiness()[0]?.ok], [[], true]);
  });
});

Deno.test("a node's name is one part of the path, whatever is in it, and no other path", async () => {
  const api = new FakeKubeApi();
  const kube = new KubeClient(api.server());
  const log = createLogger({ write: () => {} });
  const topologyOf = (node: string) => new NodeTopology({ kube: () => kube, node, keys: [], log });
  await rejects(topologyOf("a?b#c").segments(), { code: "unavailable" });
  deepEqual(api.calls, ["GET /api/v1/nodes/a%3Fb%23c"]);
  await rejects(topologyOf("../namespaces/pso/secrets/a").segments(), {
    code: "unavailable",
    message: /"\.\.\/namespaces\/pso\/secrets\/a" is no name of an object of Kubernetes/,
  });
  equal(api.calls.length, 1);
});
