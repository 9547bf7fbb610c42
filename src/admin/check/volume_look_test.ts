import { deepEqual } from "node:assert/strict";
import { claimedVolumeOf } from "./volume_look.ts";

const PV = "pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";

/** What the handle of a PersistentVolume says of its volume, to the cluster of a prefix. */
function read(
  volumeHandle: string,
  { cluster = "k8s", volumeAttributes }: {
    cluster?: string;
    volumeAttributes?: Record<string, string>;
  } = {},
) {
  const csi = { driver: "pure-csi", volumeHandle, volumeAttributes };
  const pv = { metadata: { name: PV }, spec: { csi } };
  const { arrayHint, names, psoName } = claimedVolumeOf(pv, cluster);
  return { arrayHint, names, psoName };
}

Deno.test("claimedVolumeOf() takes the array from a handle, but not this cluster's prefix", () => {
  deepEqual(read(`deadbeef/${PV}`), {
    arrayHint: "deadbeef",
    names: [PV, `deadbeef-${PV}`],
    psoName: undefined,
  });
  deepEqual(read(`deadbeef/${PV}`, { cluster: "DeadBeef" }), {
    arrayHint: undefined,
    names: [`deadbeef-${PV}`],
    psoName: undefined,
  });
});

Deno.test("claimedVolumeOf() tells what PSO called a volume that its handle does not name", () => {
  deepEqual(read("688232839285702657").psoName, `k8s-${PV}`);
  const volumeAttributes = { namespace: "prod", volumeName: "pvc-1" };
  deepEqual(read("688232839285702657", { volumeAttributes }).psoName, "prod-pvc-1");
  deepEqual(read(`K8S-${PV}`).psoName, undefined);
  deepEqual(read(`4f5b3a1c/k8s-${PV}`).psoName, undefined);
});
