import { deepEqual, equal, match, partialDeepStrictEqual } from "node:assert/strict";
import type { AdminArray } from "../../arrays/rest/admin_array.ts";
import { claimNameIn, manifestsOf, manifestText, shapeOf, wantedFor } from "./manifest.ts";
import type { Waiting } from "./waiting.ts";

function waiting(name: string, tags: Record<string, string>, kind = "block"): Waiting {
  return {
    array: { kind, label: "fa-1" } as unknown as AdminArray,
    volume: { id: "ABC-1", name, sizeBytes: 1 << 30, createdMs: 1 },
    handle: `f9410590/${name}`,
    tags: new Map(Object.entries(tags)),
  };
}

Deno.test("wantedFor() takes the names of the tags, and none that Kubernetes would not take", () => {
  const tags = { pv: "pvc-1", "pvc-namespace": "shop", "pvc-name": "data" };
  deepEqual(wantedFor(waiting("k8s-pvc-1", tags), {}), {
    pv: "pvc-1",
    claim: { namespace: "shop", name: "data" },
  });
  const given = { pv: "mine", claim: { namespace: "a", name: "b" } };
  deepEqual(wantedFor(waiting("k8s-pvc-1", tags), given), given);
  deepEqual(wantedFor(waiting("k8s-pvc-9", { pv: "../x", "pvc-name": "y" }), {}), { pv: "pvc-9" });
  deepEqual(wantedFor(waiting("pod::k8s_a-pvc-9", {}), {}), { pv: "pvc-9" });
  deepEqual(wantedFor(waiting("k8s-UPPER_1", {}), {}), { pv: "k8s-upper-1" });
  equal(claimNameIn("a/b/c"), undefined);
  equal(claimNameIn("A/b"), undefined);
});

Deno.test("manifestsOf() gives a PersistentVolume that stays, and a claim that fits it alone", () => {
  const claim = { namespace: "shop", name: "data" };
  const [pv, pvc] = manifestsOf(waiting("k8s-pvc-1", {}), { pv: "pvc-1", claim });
  deepEqual(pv, {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: "pvc-1" },
    spec: {
      accessModes: ["ReadWriteOnce"],
      volumeMode: "Filesystem",
      storageClassName: "",
      capacity: { storage: "1073741824" },
      persistentVolumeReclaimPolicy: "Retain",
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", ...claim },
      csi: {
        driver: "pure-csi",
        volumeHandle: "f9410590/k8s-pvc-1",
        volumeAttributes: { backend: "block" },
      },
    },
  });
  deepEqual(pvc, {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: claim,
    spec: {
      accessModes: ["ReadWriteOnce"],
      volumeMode: "Filesystem",
      storageClassName: "",
      volumeName: "pvc-1",
      resources: { requests: { storage: "1073741824" } },
    },
  });
  equal(manifestsOf(waiting("k8s-pvc-1", {}, "file"), { pv: "pvc-1" }).length, 1);
});

const SHAPE = {
  "pvc-volume-mode": "Block",
  "pvc-access-modes": "ReadWriteMany,ReadOnlyMany",
  "pvc-storage-class": "pure-block.gold",
  "pv-fs-type": "default",
  "pv-protocol": "nvme-tcp",
};

Deno.test("15.6: manifestsOf() gives mode, access, class, file system and protocol that the tags say", () => {
  const one = waiting("k8s-pvc-1", SHAPE);
  const claim = { namespace: "shop", name: "data" };
  const [pv, pvc] = manifestsOf(one, { pv: "pvc-1", claim });
  const common = {
    accessModes: ["ReadWriteMany", "ReadOnlyMany"],
    volumeMode: "Block",
    storageClassName: "pure-block.gold",
  };
  partialDeepStrictEqual(pv, { spec: common });
  partialDeepStrictEqual(pvc, { spec: common });
  partialDeepStrictEqual(pv, {
    spec: { csi: { volumeAttributes: { backend: "block", protocol: "nvme-tcp" } } },
  });
  deepEqual(shapeOf(one).assumed, []);
  match(manifestText([], []), /^# volumeMode, accessModes and storageClassName are those that/);
  const formatted = { ...SHAPE, "pvc-volume-mode": "Filesystem", "pv-fs-type": "ext4" };
  partialDeepStrictEqual(manifestsOf(waiting("v", formatted), { pv: "v" })[0], {
    spec: { volumeMode: "Filesystem", csi: { fsType: "ext4" } },
  });
});

Deno.test("15.6: shapeOf() assumes what no tag says, and what nobody would take, and names it", () => {
  const all = [
    "volumeMode Filesystem",
    "accessModes ReadWriteOnce",
    "storageClassName (none)",
    "csi.fsType default",
    "csi.volumeAttributes.protocol default",
  ];
  deepEqual(shapeOf(waiting("v", {})).assumed, all);
  const wrong = Object.fromEntries(Object.keys(SHAPE).map((key) => [key, "../x"]));
  deepEqual(shapeOf(waiting("v", wrong)).assumed, all);
  deepEqual(shapeOf(waiting("v", { ...SHAPE, "pvc-access-modes": "ReadWriteOnce,x" })).assumed, [
    "accessModes ReadWriteOnce",
  ]);
  deepEqual(shapeOf(waiting("v", {}, "file")).assumed, [
    "accessModes ReadWriteMany",
    "storageClassName (none)",
    "csi.volumeAttributes.protocol default",
  ]);
  match(
    manifestText([], shapeOf(waiting("v", {})).assumed),
    /^# assumed, because the array does not say: volumeMode Filesystem, .*; correct the manifest/,
  );
});
