// Memory of the controller with many volumes, beside a real API server that holds their
// PersistentVolumes and VolumeAttachments, and many nodes.
import { claimNameOf } from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import type { Stand } from "../../scripts/stand.ts";
import { KubeClient, type KubeObject } from "../../src/kube/client.ts";
import { kubeconfigServer } from "../../src/kube/kubeconfig_server.ts";
import { readKubeconfig } from "../../src/kube/kubeconfig.ts";
import { pause } from "../../src/async/wait.ts";
import { startKube } from "../kubernetes/kubectl.ts";
import { isReady, note, pidOf, rssMiB, runMany, withStand } from "./bench.ts";
import { FleetBed } from "./fleet_bed.ts";

/** What the controller held, in MiB. */
export interface Memory {
  /** The most, from its start on over the lists of all volumes. */
  peak: number;
  /** At the end. */
  settled: number;
}

const DRIVER = "pure-csi";
const NODES = 500;
const NAMESPACE = "pso";
const AT_ONCE = 32;
/** After the lists: the runtime gives back what it does not need. */
const SETTLE_MS = 30_000;

/** `KubeClient` of the administrator, and what a pod's folder of credentials has. */
async function asAdmin(dir: string, path: string) {
  const readTextFile = (file: string) => Deno.readTextFile(file);
  const context = await readKubeconfig({ files: [path], readTextFile });
  const server = kubeconfigServer(context, {
    readTextFile,
    runPlugin: () => Promise.reject(new Error("no plugin is in this kubeconfig")),
  });
  const { token } = await server.access();
  const credentials = `${dir}/account`;
  await Deno.mkdir(credentials);
  await Deno.writeTextFile(`${credentials}/token`, token?.reveal() ?? "");
  await Deno.writeTextFile(`${credentials}/ca.crt`, context.endpoint.caPem ?? "");
  const [host = "", port = ""] = server.address.split(":");
  return { kube: new KubeClient(server), credentials, host, port, close: () => server.close() };
}

async function makeAll(
  kube: KubeClient,
  path: string,
  { count, object }: { count: number; object: (number: number) => KubeObject },
): Promise<void> {
  const started = performance.now();
  await runMany(count, AT_ONCE, (number) => kube.create(path, object(number)));
  const seconds = (performance.now() - started) / 1000;
  note(`${count} of ${path.split("/").at(-1)} made in ${seconds.toFixed(0)} s`);
}

/** What Kubernetes holds of volumes that are in use all over the cluster. */
async function makeObjects(kube: KubeClient, ids: readonly string[]): Promise<void> {
  const storage = "/apis/storage.k8s.io/v1";
  const node = (number: number) => `node-${number % NODES}`;
  const pv = (number: number) => claimNameOf(`memory-${number}`);
  await makeAll(kube, `${storage}/csinodes`, {
    count: NODES,
    object: (number) => ({
      apiVersion: "storage.k8s.io/v1",
      kind: "CSINode",
      metadata: { name: node(number) },
      spec: {
        drivers: [{
          name: DRIVER,
          nodeID: `1;${node(number)};i;i=iqn.1993-08.org.debian:01:${number}`,
          topologyKeys: [],
          allocatable: { count: 256 },
        }],
      },
    }),
  });
  await makeAll(kube, "/api/v1/persistentvolumes", {
    count: ids.length,
    object: (number) => ({
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: pv(number) },
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: "Retain",
        claimRef: { namespace: "shop", name: `data-${number}`, uid: crypto.randomUUID() },
        csi: {
          driver: DRIVER,
          volumeHandle: ids[number],
          fsType: "xfs",
          volumeAttributes: { backend: "block", createoptions: "" },
        },
      },
    }),
  });
  await makeAll(kube, `${storage}/volumeattachments`, {
    count: ids.length,
    object: (number) => ({
      apiVersion: "storage.k8s.io/v1",
      kind: "VolumeAttachment",
      metadata: { name: `csi-${number}` },
      spec: {
        attacher: DRIVER,
        nodeName: node(number),
        source: { persistentVolumeName: pv(number) },
      },
    }),
  });
}

/** Two full lists, as the sidecars ask for them, and the most that the controller held meanwhile. */
async function listTwice(stand: Stand, volumes: number): Promise<number> {
  const pid = pidOf(stand, "controller");
  const controller = connectCsi(stand.facts.controller, { timeoutMs: 120_000 });
  let peak = 0;
  for (let round = 0; round < 2; round++) {
    let seen = 0;
    let startingToken = "";
    do {
      const page = await controller.controller.listVolumes({ maxEntries: 500, startingToken });
      seen += page.entries.length;
      startingToken = page.nextToken;
      peak = Math.max(peak, await rssMiB(pid));
    } while (startingToken !== "");
    if (seen < volumes) throw new Error(`listed ${seen} of ${volumes} volumes`);
  }
  controller.close();
  return peak;
}

/** What the controller holds with so many volumes. */
export async function memory(volumes: number): Promise<Memory> {
  const dir = await Deno.makeTempDir({ prefix: "pf-" });
  note("a real API server starts …");
  const cluster = await startKube(dir, { options: ["--no-nodes"] });
  const admin = await asAdmin(dir, `${dir}/kube/kubeconfig`);
  try {
    const { kube, credentials, host, port } = admin;
    await kube.create("/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: NAMESPACE },
    });
    await kube.create(`/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases`, {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "leader" },
      spec: {},
    });
    const args = ["--lease", `${NAMESPACE}/leader`, "--kube-credentials", credentials];
    const env = {
      POD_NAME: "controller-0",
      KUBERNETES_SERVICE_HOST: host,
      KUBERNETES_SERVICE_PORT: port,
    };
    return await withStand(
      { flasharrays: 4, flashblades: 0, nodes: 0, extra: { controller: { args, env } } },
      async (stand, controller) => {
        await leads(controller);
        const bed = new FleetBed(stand, controller);
        const ids: string[] = [];
        await runMany(volumes, AT_ONCE, async (number) => {
          ids[number] = await bed.create(`memory-${number}`);
        });
        note(`${volumes} volumes made`);
        await makeObjects(kube, ids);
        controller.close();
        await stand.kill("controller", "SIGTERM");
        await stand.start("controller");
        return await watched(stand, volumes);
      },
    );
  } finally {
    admin.close();
    await cluster.down();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Waits until the controller leads: until then it answers no Probe with yes. */
async function leads({ identity }: CsiClient): Promise<void> {
  for (;; await pause(500)) {
    const { ready } = await identity.probe({}).catch(() => ({ ready: undefined }));
    if (ready?.valueOf() === true) return;
  }
}

/** A controller that has just started. */
async function watched(stand: Stand, volumes: number): Promise<Memory> {
  const pid = pidOf(stand, "controller");
  let peak = 0;
  let isOver = false;
  const watching = (async () => {
    for (; !isOver; await pause(200)) peak = Math.max(peak, await rssMiB(pid));
  })();
  await isReady(stand.facts.admin);
  peak = Math.max(peak, await listTwice(stand, volumes));
  await pause(SETTLE_MS);
  isOver = true;
  await watching;
  return { peak, settled: await rssMiB(pid) };
}
