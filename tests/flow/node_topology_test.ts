// A node plugin tells where it is by its Node object, as a process with the account of its pod.
import { deepEqual, equal, match } from "node:assert/strict";
import { Child } from "../../scripts/child.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { accepts } from "../../scripts/probe.ts";
import { launchOf } from "../../scripts/program.ts";
import { pause, until } from "../../src/async/wait.ts";
import { FakeKubeApi } from "../support/fake_kube_api.ts";

const NODE = { collection: "nodes", name: "worker-1" };
const RACK = "topology.purestorage.com/rack";
const ZONE = "topology.kubernetes.io/zone";
const START_MS = 30_000;
/** A gRPC client that was closed keeps the timer of its next try to connect for so long. */
const RECONNECT_MS = 2_500;

/** The segments that the node answers, or the text of its refusal. */
async function placeOf(csi: CsiClient): Promise<Record<string, string> | string> {
  try {
    return (await csi.node.nodeGetInfo({})).accessibleTopology?.segments ?? "none";
  } catch (error) {
    return String(error);
  }
}

Deno.test("a node answers the labels of its Node, read anew at each call, and registers nothing while it cannot read them", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pso-node-place-" });
  const api = new FakeKubeApi();
  const served = await api.serve(folder);
  await Deno.mkdir(`${folder}/host`);
  const values = `storagetopology: {enable: true, nodeLabels: [${ZONE}]}\n`;
  await Deno.writeTextFile(`${folder}/values.yaml`, values);
  const endpoint = `unix://${folder}/csi.sock`;
  const launch = launchOf({ interpreted: Deno.env.has("PSO_INTERPRETED") });
  const args = ["node", "--endpoint", endpoint, "--admin", "127.0.0.1:0"];
  args.push("-f", `${folder}/values.yaml`, "--kube-credentials", folder);
  args.push("--state-dir", `${folder}/state`, "--host-root", `${folder}/host`);
  args.push("--host-tools", "direct", "--data-address", "127.0.0.1");
  const child = Child.start("node", { ...launch, args: [...launch.args, ...args] }, {
    log: `${folder}/node.log`,
    mark: folder,
    env: {
      NODE_NAME: NODE.name,
      KUBERNETES_SERVICE_HOST: "127.0.0.1",
      KUBERNETES_SERVICE_PORT: String(served.port),
    },
  });
  let csi: CsiClient | undefined;
  try {
    await until("its socket", () => accepts(`${folder}/csi.sock`), { timeoutMs: START_MS });
    csi = connectCsi(endpoint);
    const refused = String(await placeOf(csi));
    match(refused, /UNAVAILABLE: the labels of node worker-1 cannot be read: .*404.*set NODE_NAME/);
    api.put(NODE, { metadata: { labels: { [RACK]: "r1", [ZONE]: "z1", other: "x" } } });
    deepEqual(await placeOf(csi), { [RACK]: "r1", [ZONE]: "z1" });
    api.put(NODE, { metadata: { labels: { [RACK]: "r2" } } });
    deepEqual(await placeOf(csi), { [RACK]: "r2" });
    api.fault = "forbidden";
    match(String(await placeOf(csi)), /UNAVAILABLE: .*give the service account of the node pods/);
    const { capabilities } = await csi.identity.getPluginCapabilities({});
    equal(capabilities.length, 4, "VOLUME_ACCESSIBILITY_CONSTRAINTS is one of them");
    csi.close(); // before the process says goodbye on that connection
    child.signal("SIGTERM");
    equal((await child.ended).code, 0);
  } finally {
    csi?.close();
    child.signal("SIGKILL");
    await child.ended;
    await pause(RECONNECT_MS);
    await served.stop();
    await Deno.remove(folder, { recursive: true });
  }
});
