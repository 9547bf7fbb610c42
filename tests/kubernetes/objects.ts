/** Objects of Kubernetes that tests of the driver make. */
import { DRIVER_NAME } from "../../src/csi/identity_service.ts";
import type { KubeObject } from "./kubectl.ts";

export function storageClass(name: string, backend: "block" | "file", fsType?: string): KubeObject {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name },
    provisioner: DRIVER_NAME,
    parameters: { backend, ...(fsType ? { "csi.storage.k8s.io/fstype": fsType } : {}) },
    allowVolumeExpansion: true,
  };
}

export function snapshotClass(name: string): KubeObject {
  return {
    apiVersion: "snapshot.storage.k8s.io/v1",
    kind: "VolumeSnapshotClass",
    metadata: { name },
    driver: DRIVER_NAME,
    deletionPolicy: "Delete",
  };
}

export function snapshot(name: string, className: string, ofClaim: string): KubeObject {
  return {
    apiVersion: "snapshot.storage.k8s.io/v1",
    kind: "VolumeSnapshot",
    metadata: { name },
    spec: { volumeSnapshotClassName: className, source: { persistentVolumeClaimName: ofClaim } },
  };
}

export interface ClaimOptions {
  storageClass?: string;
  size?: string;
  mode?: "Filesystem" | "Block";
  access?: string;
  source?: { apiGroup?: string; kind: string; name: string };
}

export function claim(name: string, options: ClaimOptions = {}): KubeObject {
  const {
    storageClass = "pure-block",
    size = "1Gi",
    mode = "Filesystem",
    access = "ReadWriteOnce",
    source,
  } = options;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: {
      storageClassName: storageClass,
      accessModes: [access],
      volumeMode: mode,
      resources: { requests: { storage: size } },
      ...(source ? { dataSource: source } : {}),
    },
  };
}

/** A pod on that node with the claim at /data: a folder, or a device. */
export function pod(
  name: string,
  node: 1 | 2,
  { claim: claimName, mode = "Filesystem" }: { claim: string; mode?: "Filesystem" | "Block" },
): KubeObject {
  const use = mode === "Block"
    ? { volumeDevices: [{ name: "data", devicePath: "/data" }] }
    : { volumeMounts: [{ name: "data", mountPath: "/data" }] };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": `node-${node}` },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image: "busybox:1", ...use }],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
    },
  };
}

/** A pod that counts in a file of the claim, on and on: `/data/count` has a number on each line. */
export function counter(name: string, node: 1 | 2, claimName: string): KubeObject {
  const made = pod(name, node, { claim: claimName });
  made.spec.containers[0].command = [
    "sh",
    "-c",
    "i=0; while :; do i=$((i + 1)); echo $i >>/data/count; sync; sleep 0.1; done",
  ];
  return made;
}
