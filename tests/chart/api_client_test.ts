// The program's own client of the Kubernetes API against a real API server, with the rights of the docs.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { runTool } from "../../scripts/shell.ts";
import { until } from "../../src/async/wait.ts";
import { silentLogger } from "../../src/log.ts";
import { isKubeStatus, KubeClient } from "../../src/kube/client.ts";
import { ConfigObjects, configPathOf } from "../../src/kube/config_objects.ts";
import { podServer } from "../../src/kube/credentials.ts";
import { KubeEvents } from "../../src/kube/events.ts";
import { KUBE_LIMITS } from "../../src/kube/limits.ts";
import { NodeTopology } from "../../src/kube/node_topology.ts";
import { KubeWatch } from "../../src/kube/watch.ts";
import { KUBE } from "../support/kube.ts";
import { withApiServer } from "./api_server.ts";

const NAMESPACE = "pso";
const SECRET = { kind: "Secret", namespace: NAMESPACE, name: "arrays", key: "pure.json" } as const;
const MAP = {
  kind: "ConfigMap",
  namespace: NAMESPACE,
  name: "app",
  key: "appconfig.json",
} as const;
/** What is promised of a change. */
const TAKEN_MS = 10_000;

const RIGHTS = `
apiVersion: v1
kind: Namespace
metadata: {name: ${NAMESPACE}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: driver, namespace: ${NAMESPACE}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: driver, namespace: ${NAMESPACE}}
rules:
- {apiGroups: [""], resources: [secrets], resourceNames: [arrays], verbs: [list, watch]}
- {apiGroups: [""], resources: [configmaps], resourceNames: [app], verbs: [list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: driver, namespace: ${NAMESPACE}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: driver}
subjects: [{kind: ServiceAccount, name: driver, namespace: ${NAMESPACE}}]
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.purestorage.com/rack: r1, topology.kubernetes.io/zone: z1}}
`;

const NODES = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: node}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: node}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: node}
subjects: [{kind: ServiceAccount, name: driver, namespace: ${NAMESPACE}}]
`;

interface Bed {
  kubectl: (...args: string[]) => Promise<string>;
  apply: (text: string) => Promise<void>;
  /** Writes a Secret or ConfigMap anew, with one key. */
  write: (object: typeof SECRET | typeof MAP, text: string) => Promise<void>;
  /** A client with the service account's own token, or with the admin's. */
  client: (account: "driver" | "admin") => KubeClient;
  restartApiServer: () => Promise<void>;
}

async function withBed(test: (bed: Bed) => Promise<void>): Promise<void> {
  await withApiServer(async (env) => {
    const folder = await Deno.makeTempDir({ prefix: "k-account-" });
    const kubectl = (...args: string[]) => runTool("kubectl", args, { env });
    const apply = async (text: string) => {
      await Deno.writeTextFile(`${folder}/objects.yaml`, text);
      await kubectl("apply", "-f", `${folder}/objects.yaml`);
    };
    await apply(RIGHTS);
    await kubectl(
      "create",
      "clusterrolebinding",
      "all",
      "--clusterrole=cluster-admin",
      `--serviceaccount=${NAMESPACE}:default`,
    );
    const config = JSON.parse(await kubectl("config", "view", "--raw", "-o", "json"));
    const { server, "certificate-authority-data": ca, "certificate-authority": caFile } =
      config.clusters[0].cluster;
    const caPem = ca === undefined ? await Deno.readTextFile(caFile) : atob(ca);
    const close: (() => void)[] = [];
    const accounts = { driver: "driver", admin: "default" };
    for (const [name, account] of Object.entries(accounts)) {
      await Deno.mkdir(`${folder}/${name}`);
      const token = await kubectl("create", "token", account, "-n", NAMESPACE);
      await Deno.writeTextFile(`${folder}/${name}/token`, token);
      await Deno.writeTextFile(`${folder}/${name}/ca.crt`, caPem);
    }
    const { hostname, port } = new URL(server);
    const client = (account: "driver" | "admin") => {
      const api = podServer({
        env: (name) => name === "KUBERNETES_SERVICE_HOST" ? hostname : port,
        readTextFile: (path) => Deno.readTextFile(path),
        folder: `${folder}/${account}`,
      });
      close.push(() => api.close());
      return new KubeClient(api);
    };
    const write: Bed["write"] = async ({ kind, namespace, name, key }, text) => {
      const data = kind === "Secret" ? "stringData" : "data";
      await Deno.writeTextFile(
        `${folder}/object.json`,
        JSON.stringify({
          apiVersion: "v1",
          kind,
          metadata: { namespace, name },
          [data]: { [key]: text },
        }),
      );
      // Not `apply`: it would keep the whole text in an annotation too.
      const file = `${folder}/object.json`;
      await kubectl("replace", "--force", "-f", file).catch(() => kubectl("create", "-f", file));
    };
    const restartApiServer = async () => {
      await runTool(KUBE, ["restart", "kube-apiserver"], { env });
    };
    try {
      await test({ kubectl, apply, write, client, restartApiServer });
    } finally {
      for (const one of close) one();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("the client works with a real API server, by the rights that the docs name", async (t) => {
  await withBed(async (bed) => {
    await t.step(
      "objects of the configuration: missing, made, changed, large, deleted",
      (t) => config(t, bed),
    );
    await t.step("a list in pages, and a watch from a state that is too old", () => pages(bed));
    await t.step("Events are taken, and counted in one", () => events(bed));
    await t.step("the labels of a Node", () => labels(bed));
  });
});

async function config(t: Deno.TestContext, bed: Bed): Promise<void> {
  const objects = new ConfigObjects({
    kube: bed.client("driver"),
    objects: [SECRET, MAP],
    secretFolder: "/etc/pure",
    readTextFile: (path) => Deno.readTextFile(path),
    readNamedFile: (path) => Deno.readTextFile(path),
    log: silentLogger,
  });
  const stop = new AbortController();
  const running = objects.run(stop.signal);
  const text = (object: typeof SECRET | typeof MAP) =>
    objects.readTextFile(configPathOf(object)).catch((error) => String(error));
  const says = (object: typeof SECRET | typeof MAP, wanted: RegExp | string) =>
    until(`${object.kind} ${String(wanted).slice(0, 30)}`, async () => {
      const found = await text(object);
      return typeof wanted === "string" ? found === wanted : wanted.test(found);
    }, { timeoutMs: TAKEN_MS });
  await says(SECRET, /NotFound/);
  await says(MAP, /NotFound/);
  await bed.write(SECRET, "{}");
  await says(SECRET, "{}");
  await bed.write(MAP, "{clusterID: k8s}");
  await says(MAP, "{clusterID: k8s}");
  const large = "x".repeat(1024 * 1024 - 100);
  await bed.write(SECRET, large);
  await says(SECRET, large);
  await t.step("the API server is started anew, and a change after it is seen", async () => {
    await bed.restartApiServer();
    await bed.write(SECRET, "after");
    await says(SECRET, "after");
    await until("no trouble", () => objects.problem === undefined, { timeoutMs: TAKEN_MS });
  });
  await bed.kubectl("delete", "secret", SECRET.name, "-n", NAMESPACE);
  await says(SECRET, /NotFound/);
  stop.abort();
  await running;
  const secrets = `/api/v1/namespaces/${NAMESPACE}/secrets`;
  const other = bed.client("driver").list({ path: secrets, name: "other" });
  await rejects(other, (error) => isKubeStatus(error, 403));
}

async function pages({ client, apply, kubectl }: Bed): Promise<void> {
  const count = KUBE_LIMITS.pageItems * 2 + 20;
  const names = Array.from({ length: count }, (_, at) => `many-${at}`);
  await kubectl("create", "namespace", "many");
  await apply(
    names.map((name) =>
      `kind: ConfigMap\napiVersion: v1\nmetadata: {name: ${name}, namespace: many}`
    )
      .join("\n---\n"),
  );
  const kube = client("admin");
  const collection = { path: "/api/v1/namespaces/many/configmaps" };
  let read = 0;
  for await (const { items } of kube.pages(collection)) {
    ok(items.length <= KUBE_LIMITS.pageItems);
    read++;
  }
  equal(read, 3);
  const found = (await kube.list(collection)).length;
  ok(found >= count, `${found}`);
  const lines: string[] = [];
  // The API server was started anew: it knows nothing of what was before.
  await kube.watch(collection, {
    resourceVersion: "1",
    onLine: (line) => lines.push(line),
    onOpen: () => {},
    signal: AbortSignal.timeout(TAKEN_MS),
  });
  const { type, object } = JSON.parse(lines[0] ?? "{}");
  deepEqual([type, object?.code], ["ERROR", 410]);

  const told: string[] = [];
  const stop = new AbortController();
  const nameOf = ({ metadata }: Record<string, unknown>) => (metadata as { name: string }).name;
  const watch = new KubeWatch({
    kube,
    collection,
    handlers: {
      begin: () => told.push("begin"),
      put: (object) => told.push(nameOf(object)),
      remove: (object) => told.push(`gone ${nameOf(object)}`),
      listed: () => told.push("listed"),
      trouble: (problem) => problem && told.push(problem),
    },
  });
  const running = watch.run(stop.signal);
  await until("the list", () => told.includes("listed"), { timeoutMs: TAKEN_MS });
  await kubectl("delete", "configmap", "many-0", "-n", "many");
  await until("the delete", () => told.at(-1) === "gone many-0", { timeoutMs: TAKEN_MS });
  stop.abort();
  await running;
  equal(told.filter((one) => one === "begin").length, 1);
}

async function events({ client, kubectl }: Bed): Promise<void> {
  const problems: string[] = [];
  const log = {
    ...silentLogger,
    warn: (_: string, fields = {}) => problems.push(JSON.stringify(fields)),
  };
  const pod = { namespace: NAMESPACE, name: "driver-0", uid: crypto.randomUUID() };
  const told = new KubeEvents({ kube: client("driver"), pod, controller: "pure-csi", log });
  const event = { type: "Warning", reason: "NoArrays", action: "ReadConfiguration" } as const;
  for (const note of ["none", "none", "none", "€".repeat(2_000), "x".repeat(5_000)]) {
    told.tell({ ...event, note });
    await told.settled();
  }
  deepEqual(problems, []);
  const list = await kubectl("get", "events.events.k8s.io", "-n", NAMESPACE, "-o", "json");
  const ours = JSON.parse(list).items.filter((one: { reportingController: string }) =>
    one.reportingController === "pure-csi"
  );
  deepEqual(ours.map(({ series }: { series?: { count: number } }) => series?.count).sort(), [
    3,
    undefined,
    undefined,
  ]);
  match(await kubectl("get", "events", "-n", NAMESPACE), /NoArrays +pod\/driver-0 +none/);
}

async function labels({ client, apply, kubectl }: Bed): Promise<void> {
  const kube = client("driver");
  const keys = ["topology.kubernetes.io/zone"];
  const topology = new NodeTopology({ kube: () => kube, node: "n1", keys, log: silentLogger });
  await rejects(topology.segments(), /403.*the right `get` of `nodes`/);
  await apply(NODES);
  const segments = () => topology.segments().catch(() => undefined);
  const read = await until("the right", segments, { timeoutMs: TAKEN_MS });
  deepEqual(read, { "topology.purestorage.com/rack": "r1", "topology.kubernetes.io/zone": "z1" });
  await kubectl("label", "node", "n1", "topology.purestorage.com/rack=r2", "--overwrite");
  equal((await topology.segments())["topology.purestorage.com/rack"], "r2");
}
