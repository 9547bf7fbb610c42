/**
 * Claims that import a volume by upstream's csi-provisioner: the program as controller over simulated
 * arrays, with the rights that the chart gives its account, at a real API server without nodes.
 */
import assert from "node:assert/strict";
import { Child } from "../../scripts/child.ts";
import { launchOf, ROOT } from "../../scripts/program.ts";
import { until } from "../../src/async/wait.ts";
import { testFleet } from "../../src/simulator/fixture_test.ts";
import type { ServedFleet } from "../../src/simulator/simulate.ts";
import { GiB } from "../../src/size.ts";
import { objectsOf } from "../chart/helm.ts";
import { type Kubectl, startKube } from "../kubernetes/kubectl.ts";
import { cannotRun, clientOf, volumesOf } from "../kubernetes/steps.ts";

const EXAMPLES = `${ROOT}/deploy/examples`;
const NAMESPACE = "pso-examples";
const ACCOUNT = "pure";
const START_MS = 120_000;

/** What of the chart the controller's program needs: its account, its rights, its Lease. */
async function applyChart(kube: Kubectl): Promise<void> {
  const all = objectsOf(await Deno.readTextFile(`${ROOT}/tests/chart/golden/defaults.yaml`));
  const wanted = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
  const rights = all.filter(({ kind, metadata: { name } }) =>
    wanted.includes(kind) && [ACCOUNT, "pure-csi-driver"].includes(name)
  );
  const rest = all.filter(({ kind }) => kind === "CSIDriver" || kind === "Lease");
  await kube.kubectl("create", "namespace", "pso");
  await kube.apply(...rights, ...rest);
}

/** The controller's program as the pod of that account would run it. */
async function startController(
  kube: Kubectl,
  { dir, fleet }: { dir: string; fleet: ServedFleet },
): Promise<{ child: Child; endpoint: string }> {
  const text = await kube.kubectl("config", "view", "--raw", "-o", "json");
  const { server, ...ca } = JSON.parse(text).clusters[0].cluster;
  const data = ca["certificate-authority-data"];
  const authority = data === undefined
    ? await Deno.readTextFile(ca["certificate-authority"])
    : atob(data);
  await Deno.writeTextFile(`${dir}/ca.crt`, authority);
  const token = await kube.kubectl("-n", "pso", "create", "token", ACCOUNT);
  await Deno.writeTextFile(`${dir}/token`, token.trim());
  const { hostname, port } = new URL(server);
  const endpoint = `unix://${dir}/csi.sock`;
  const { command, args } = launchOf();
  const child = Child.start("controller", {
    command,
    args: [
      ...[...args, "controller", "-f", fleet.values, "--endpoint", endpoint],
      ...["--admin", "127.0.0.1:0", "--lease", "pso/pure-csi-leader", "--kube-credentials", dir],
    ],
  }, {
    log: `${dir}/controller.log`,
    mark: dir,
    env: {
      POD_NAME: "pso-a",
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
    },
  });
  return { child, endpoint };
}

async function withImports(
  work: (kube: Kubectl, fleet: ServedFleet) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "pi-" });
  const fleet = await testFleet({ flasharrays: 1, flashblades: 0 });
  try {
    const kube = await startKube(dir, { options: ["--no-nodes"] });
    try {
      await applyChart(kube);
      const { child, endpoint } = await startController(kube, { dir, fleet });
      try {
        await kube.kube("sidecars", "--driver", "pure-csi", "--controller", endpoint);
        await kube.kubectl("apply", "-f", `${EXAMPLES}/namespaces.yaml`);
        await work(kube, fleet);
      } finally {
        child.signal("SIGTERM");
        await child.ended;
      }
    } finally {
      await kube.down();
    }
  } finally {
    await fleet.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test({
  name:
    "item 5: the example import takes a volume in and copies another, and what has a PersistentVolume is refused, by upstream's csi-provisioner",
  ignore: await cannotRun("imports in Kubernetes"),
  fn: () =>
    withImports(async (kube, fleet) => {
      const [array] = fleet.arrays;
      assert.ok(array);
      const client = await clientOf(array);
      for (const name of ["oracle-data", "gold-image"]) {
        await client.ok(`POST /volumes?names=${name}`, { provisioned: 2 * GiB });
      }
      client.close();
      await kube.kubectl("apply", "-f", `${EXAMPLES}/import`);
      const inNamespace = ["-n", NAMESPACE];
      for (const claim of ["imported", "imported-copy"]) {
        await kube.awaited("jsonpath={.status.phase}=Bound", `pvc/${claim}`, ...inNamespace);
      }
      const { spec: { volumeName } } = await kube.get("pvc", "imported", ...inNamespace);
      const { spec } = await kube.get("pv", volumeName);
      assert.match(spec.csi.volumeHandle, /^[0-9a-f]{8}\/oracle-data@keep$/);
      assert.equal(spec.capacity.storage, "2Gi", "its real size");
      await kube.apply({
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: {
          name: "thief",
          namespace: NAMESPACE,
          annotations: { "pso.purestorage.com/import": "fa-1/oracle-data" },
        },
        spec: {
          storageClassName: "pure-import",
          accessModes: ["ReadWriteOnce"],
          resources: { requests: { storage: "1Gi" } },
        },
      });
      await until(
        "the claim's event",
        async () => (await kube.events()).includes(`it has the PersistentVolume ${volumeName}`),
        { timeoutMs: START_MS, intervalMs: 500 },
      );
      await kube.kubectl(...inNamespace, "delete", "pvc", "imported", "imported-copy", "thief");
      await until("their PersistentVolumes are gone", async () => {
        const { items } = await kube.get("pv");
        return items.length === 0;
      }, { timeoutMs: START_MS, intervalMs: 500 });
      const left = (await volumesOf(array)).sort();
      assert.deepEqual(left, ["gold-image", "oracle-data"], "the copy is gone, no original is");
    }),
});
