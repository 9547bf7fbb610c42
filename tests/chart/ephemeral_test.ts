// What keeps a node to the volumes of its own pods: rights, policy and definition, in a real API server.
import { deepEqual, equal, match } from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { ARRAY_FINALIZER, inlineIdOf, NODE_FINALIZER } from "../../src/ephemeral/object.ts";
import { withCluster } from "./cluster_bed.ts";
import { type ApiServer, CHART, NAMESPACE, RELEASE } from "./helm.ts";

const CONTROLLER = `system:serviceaccount:${NAMESPACE}:pure`;
const NODE = `system:serviceaccount:${NAMESPACE}:pure-node`;
const NODE_NAME = "authentication.kubernetes.io/node-name";

/** kubectl of an account, whose token names a node if it is said. */
class Account {
  constructor(
    readonly server: ApiServer,
    readonly kubeconfig: string,
  ) {}

  static async of(server: ApiServer, user: string, node?: string): Promise<Account> {
    const { stdout } = await server.try("kubectl", "config", "view", "--raw", "-o", "json");
    const config = JSON.parse(stdout);
    for (const entry of config.users) {
      Object.assign(entry.user, {
        as: user,
        ...node !== undefined && { "as-user-extra": { [NODE_NAME]: [node] } },
      });
    }
    const path = `${server.dir}/as-${crypto.randomUUID()}.json`;
    await Deno.writeTextFile(path, JSON.stringify(config));
    return new Account(server, path);
  }

  /** What kubectl says; empty when it succeeds. */
  async refusal(...args: string[]): Promise<string> {
    const where = ["--kubeconfig", this.kubeconfig, "-n", NAMESPACE];
    const { code, stderr } = await this.server.try("kubectl", ...where, ...args);
    return code === 0 ? "" : stderr;
  }

  async create(name: string, node: string): Promise<string> {
    const file = `${this.server.dir}/${crypto.randomUUID()}.json`;
    await Deno.writeTextFile(
      file,
      JSON.stringify({
        apiVersion: "pso.purestorage.com/v1",
        kind: "EphemeralVolume",
        metadata: { name, finalizers: [NODE_FINALIZER] },
        spec: { node, pod: { namespace: "shop", name: "web", uid: "1" }, size: "1Gi" },
        status: { phase: "Ready", volumeHandle: "0badcafe/production-db" },
      }),
    );
    return await this.refusal("create", "-f", file);
  }

  patch(name: string, patch: unknown, ...more: string[]): Promise<string> {
    const change = ["--type=merge", "-p", JSON.stringify(patch), ...more];
    return this.refusal("patch", "ephemeralvolume", name, ...change);
  }
}

Deno.test("a node writes and deletes what it asked for itself, no status, and no word of the leader's", () =>
  withCluster(async (server) => {
    const values = ["--set", "ephemeral.enabled=true,ephemeral.chapSecret=chap,clusterID=inline"];
    const { code, stderr } = await server.helm("helm4", "install", RELEASE, CHART, ...values);
    equal(code, 0, stderr);
    await server.kubectl(
      ...["wait", "--for=condition=Established", "--timeout=60s"],
      "crd/ephemeralvolumes.pso.purestorage.com",
    );
    const [one, two, nobody] = await Promise.all([
      Account.of(server, NODE, "node-1"),
      Account.of(server, NODE, "node-2"),
      Account.of(server, NODE),
    ]);
    const leader = await Account.of(server, CONTROLLER, "node-1");
    const name = inlineIdOf("1", "scratch");
    // A policy holds a few seconds after it was made.
    let tries = 0;
    await until("the policy holds", async () => {
      const said = await one.create(inlineIdOf(`${++tries}`, "x"), "node-2");
      return /node node-1 may not touch what node node-2 asked for/.test(said);
    }, { timeoutMs: 60_000, intervalMs: 500 });
    equal(await one.create(name, "node-1"), "");
    const asked = await server.get("ephemeralvolume", name, "-n", NAMESPACE);
    equal(asked.status, undefined, "what a node writes as a status at the create is left out");
    match(await nobody.create(inlineIdOf("2", "scratch"), "node-1"), /node without a name may not/);
    match(await one.create("made-up", "node-1"), /asks by the volume_id that kubelet gave/);
    const finalizers = [NODE_FINALIZER, ARRAY_FINALIZER];
    equal(await leader.patch(name, { metadata: { finalizers } }), "");
    const ready = { status: { phase: "Ready", publishContext: { attachment: "{}" } } };
    // kubectl reads what it patches, which the leader does not.
    const status = ["patch", "ephemeralvolumes", "--subresource=status"];
    equal(await leader.refusal("auth", "can-i", ...status), "");
    const cannot = await server.try(
      ...["kubectl", "--kubeconfig", one.kubeconfig, "auth", "can-i", ...status] as const,
    );
    equal(cannot.stdout.trim(), "no");
    // The one of ephemeral.chapSecret, which is one for all nodes.
    for (
      const [answer, verb, what] of [
        ["yes", "get", "secret/chap"],
        ["no", "get", "secret/pure-provisioner-secret"],
        ["no", "get", "secrets"],
        ["no", "list", "secrets"],
      ] as const
    ) {
      const { stdout } = await server.try(
        ...["kubectl", "--kubeconfig", one.kubeconfig, "-n", NAMESPACE] as const,
        ...["auth", "can-i", verb, what],
      );
      equal(stdout.trim(), answer, `${verb} ${what}`);
    }
    await server.kubectl(
      ...["patch", "ephemeralvolume", name, "-n", NAMESPACE, "--subresource=status"],
      ...["--type=merge", "-p", JSON.stringify(ready)],
    );
    // Also when somebody gives the nodes more than the chart does.
    const write = ["--verb=get,patch", "--resource=ephemeralvolumes/status", "-n", NAMESPACE];
    await server.kubectl("create", "role", "careless", ...write);
    await server.kubectl(
      ...["create", "rolebinding", "careless", "--role=careless", "-n", NAMESPACE],
      `--serviceaccount=${NAMESPACE}:pure-node`,
    );
    await until("the careless role holds", async () => {
      const handle = { status: { volumeHandle: "0badcafe/production-db" } };
      const said = await one.patch(name, handle, "--subresource=status");
      return /only the leader writes a status/.test(said);
    }, { timeoutMs: 60_000, intervalMs: 500 });
    // Beside the status nothing of it is taken from a change of the object.
    equal(await one.patch(name, { status: { phase: "Refused" } }), "");
    const stored = await server.get("ephemeralvolume", name, "-n", NAMESPACE);
    equal(stored.status.phase, "Ready");
    match(await one.patch(name, { spec: { size: "2Gi" } }), /what a node asked for never changes/);
    match(await two.patch(name, { metadata: { finalizers: [ARRAY_FINALIZER] } }), /may not touch/);
    match(await two.refusal("delete", "ephemeralvolume", name, "--wait=false"), /may not touch/);
    match(
      await one.patch(name, { metadata: { finalizers: [NODE_FINALIZER] } }),
      /only the leader says that the arrays have no volume any more/,
    );
    equal(await one.refusal("delete", "ephemeralvolume", name, "--wait=false"), "");
    equal(await one.patch(name, { metadata: { finalizers: [ARRAY_FINALIZER] } }), "");
    const ending = await server.get("ephemeralvolume", name, "-n", NAMESPACE);
    deepEqual(ending.metadata.finalizers, [ARRAY_FINALIZER]);
    equal(await leader.patch(name, { metadata: { finalizers: [] } }), "");
    match(
      await server.try("kubectl", "get", "ephemeralvolume", name, "-n", NAMESPACE).then(
        ({ stderr }) => stderr,
      ),
      /not found/,
    );
  }));
