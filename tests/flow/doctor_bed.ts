/** `admin doctor` over a bed's arrays and what kubelet and the sidecars have written for them. */
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { runAdmin } from "../support/admin_bed.ts";
import { type FakeCluster, fakeCluster, installIn } from "../support/fake_cluster.ts";
import { N1, N2, type ProvisionerBed } from "./provisioner_bed.ts";

const STORAGE = "/apis/storage.k8s.io/v1";
/** Later than a volume is too young to be judged. */
const LATER_MS = 3_600_000;

/** A PersistentVolume of the driver, bound to a claim of its own. */
export interface WrittenPv {
  name: string;
  handle: string;
  mode: "ReadWriteOnce" | "ReadWriteMany";
  /** Default: 1. */
  gibibytes?: number;
  volumeAttributes?: Record<string, string>;
}

/** What one cluster has. */
export interface WrittenObjects {
  volumes: readonly WrittenPv[];
  attached: readonly (readonly [pv: string, node: string])[];
  /** Handles of snapshots that have contents. */
  snapshots: readonly string[];
  /** Default: N1 and N2. */
  nodes?: readonly NodeIdentity[];
}

/** What doctor ended with: findings as `check: object`. */
export interface Diagnosed {
  code: number;
  findings: string[];
  unknown: unknown[];
}

/** Nothing is out of order, and all could be judged. */
export const WELL: Diagnosed = { code: 0, findings: [], unknown: [] };

/** Asks doctor about what these objects and the arrays say. */
export type Doctor = (objects: WrittenObjects) => Promise<Diagnosed>;

/** Runs `work` beside a cluster in which the driver is installed. */
export async function withDoctor(
  { served, options: { settings } }: ProvisionerBed,
  work: (doctor: Doctor) => Promise<void>,
): Promise<void> {
  const cluster = fakeCluster();
  try {
    installIn(cluster, { arrays: "{}", now: Date.now() });
    const entries = (kind: string, more = {}) =>
      served.arrays.filter((one) => one.kind === kind).map(({ address, token }) => ({
        MgmtEndPoint: `http://${address}`,
        APIToken: token,
        ...more,
      }));
    const arrays = {
      FlashArrays: entries("flasharray"),
      FlashBlades: entries("flashblade", { NFSEndPoint: "10.0.0.3" }),
    };
    const values = JSON.stringify({ arrays, clusterID: settings?.clusterId });
    const files = { v: values, k: cluster.kubeconfig };
    await work(async (objects) => {
      write(cluster, objects);
      const words = ["doctor", "-f", "v", "--kubeconfig", "k", "-o", "json"];
      const now = () => Date.now() + LATER_MS;
      const { code, said } = await runAdmin(words, { files, now });
      const { findings, unknown } = JSON.parse(said);
      const brief = findings.map((one: { check: string; object: string }) =>
        `${one.check}: ${one.object}`
      );
      return { code, findings: brief, unknown };
    });
  } finally {
    await cluster.stop();
  }
}

function write(
  { items }: FakeCluster,
  { volumes, attached, snapshots, nodes = [N1, N2] }: WrittenObjects,
): void {
  items.set("/api/v1/persistentvolumes", volumes.map(persistentVolume));
  items.set("/api/v1/nodes", nodes.map(({ name }) => ({ metadata: { name } })));
  items.set(
    `${STORAGE}/csinodes`,
    nodes.map((node) => ({
      metadata: { name: node.name },
      spec: { drivers: [{ name: "pure-csi", nodeID: encodeNodeId(node) }] },
    })),
  );
  items.set(
    `${STORAGE}/volumeattachments`,
    attached.map(([persistentVolumeName, nodeName]) => ({
      spec: { attacher: "pure-csi", nodeName, source: { persistentVolumeName } },
    })),
  );
  items.set(
    "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents",
    snapshots.map((snapshotHandle, at) => ({
      metadata: { name: `by-hand-${at}` },
      status: { snapshotHandle },
    })),
  );
}

function persistentVolume({ name, handle, mode, gibibytes = 1, volumeAttributes }: WrittenPv) {
  return {
    metadata: { name, uid: `uid-${name}` },
    spec: {
      csi: { driver: "pure-csi", volumeHandle: handle, volumeAttributes },
      claimRef: { namespace: "shop", name, uid: name.slice("pvc-".length) },
      accessModes: [mode],
      capacity: { storage: `${gibibytes}Gi` },
    },
    status: { phase: "Bound" },
  };
}
