// A take-over in memory: a cluster with an installation of PSO, and a folder for the backup.
import { deepEqual } from "node:assert/strict";
import { ApiKinds } from "../../src/admin/takeover/api_kinds.ts";
import { Backup } from "../../src/admin/takeover/backup.ts";
import { readRecord } from "../../src/admin/takeover/helm_release.ts";
import { restore, type RestoreEnd } from "../../src/admin/takeover/restore.ts";
import { planTakeover, takeOver, type TakeoverRequest } from "../../src/admin/takeover/takeover.ts";
import type { Config } from "../../src/config/model.ts";
import type { KubeObject } from "../../src/kube/client.ts";
import { asIs } from "./as_is.ts";
import { FakeTakeoverCluster } from "./fake_takeover_cluster.ts";
import { NAMESPACE, pathOf, type PsoInstallation, volumeOf } from "./pso_objects.ts";

export const DRIVER = "/apis/storage.k8s.io/v1/csidrivers/pure-csi";
export const KUBE_SYSTEM = "/api/v1/namespaces/kube-system";
export const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
export const SET_52 = `/apis/apps/v1/namespaces/${NAMESPACE}/statefulsets/pure-provisioner`;
export const SET_62 = `/apis/apps/v1/namespaces/${NAMESPACE}/statefulsets/pso-csi-controller`;
export const NODES_62 = `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets/pso-csi-node`;
export const SNAPSHOTS =
  "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses/pure-snapshotclass";
export const PV = "pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";

/** A cluster with this installation, and one volume of it. */
export function clusterWith(
  { objects, others, records }: PsoInstallation,
  pv = PV,
): FakeTakeoverCluster {
  const cluster = new FakeTakeoverCluster();
  cluster.put(KUBE_SYSTEM, {});
  for (const object of [...objects, ...others, ...records, volumeOf(pv)]) {
    cluster.put(pathOf(object), object);
    const made = cluster.objects.get(pathOf(object));
    if (made && ["StatefulSet", "DaemonSet"].includes(object.kind)) cluster.addPod(made);
    if (made && object.kind === "StatefulSet") made.status = { replicas: 1 };
  }
  return cluster;
}

export interface Bed {
  cluster: FakeTakeoverCluster;
  request: TakeoverRequest;
  folder: string;
  told: string[];
}

export async function withBed(
  cluster: FakeTakeoverCluster,
  work: (bed: Bed) => Promise<void>,
): Promise<void> {
  const parent = await Deno.makeTempDir();
  const told: string[] = [];
  const request: TakeoverRequest = {
    cluster,
    newRelease: "pure-csi",
    loadConfig: () => Promise.resolve(asIs<Config>({ clusterId: "k8s", arrays: [] })),
    lookAtVolumes: () => Promise.resolve([]),
    waitMs: 2_000,
    tell: (line) => void told.push(line),
    progress: () => {},
    now: () => Date.UTC(2026, 0, 1),
  };
  try {
    await work({ cluster, request, folder: `${parent}/backup`, told });
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

export const FIRST = { isResumed: false };

export async function begin({ request, folder }: Bed): Promise<void> {
  const plan = await planTakeover(request, FIRST);
  deepEqual(plan.problems, []);
  await takeOver(request, { plan, folder });
}

export async function goBack({ cluster, folder, request, told }: Bed): Promise<RestoreEnd> {
  const backup = await Backup.open(folder, cluster);
  const tell = (line: string) => void told.push(line);
  return await restore({
    cluster,
    backup,
    kinds: new ApiKinds(cluster),
    waitMs: request.waitMs,
    tell,
  });
}

/** Every object without what the server counts. */
export function stateOf({ objects }: FakeTakeoverCluster): unknown {
  const plain = ([path, object]: [string, KubeObject]): [string, KubeObject] => {
    const { uid: _, resourceVersion: __, ...metadata } = object.metadata as KubeObject;
    // The API server does not show them.
    for (const field of ["labels", "annotations"]) {
      if (JSON.stringify(metadata[field]) === "{}") delete metadata[field];
    }
    return [path, { ...object, metadata }];
  };
  return new Map([...objects].filter(([path]) => !path.startsWith(PODS)).map(plain));
}

export function manifestOf(
  cluster: FakeTakeoverCluster,
  release: string,
  revision: number,
): string {
  const path = `/api/v1/namespaces/${NAMESPACE}/secrets/sh.helm.release.v1.${release}.v${revision}`;
  return readRecord(cluster.objects.get(path) ?? {}).manifest;
}
