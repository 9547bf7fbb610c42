// Handles that somebody wrote into a PV: none means more than the one object that it names whole.
import { deepEqual, notDeepEqual, ok } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { Controller } from "../../src/csi/generated/csi_pb.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { RowError, type RpcRows, WRITER } from "../support/rpc_rows.ts";
import { N1, ProvisionerBed } from "./provisioner_bed.ts";
import { created, gibibytes, rowsOf } from "./service_rows.ts";

const rpc = Controller.method;

/** Names that a list, a filter, a path, a shell or a header would read otherwise than as a name. */
const NAMES = [
  "k8s-pvc-1,k8s-pvc-2",
  "k8s-pvc-2,k8s-pvc-1",
  "k8s-pvc-1,",
  ",k8s-pvc-1",
  "*",
  "k8s-*",
  "k8s-pvc-1*",
  "k8s-pvc-?",
  "k8s-pvc-1%2Ck8s-pvc-2",
  "k8s-pvc-1%00",
  "k8s-pvc-1&names=k8s-pvc-2",
  "k8s-pvc-1&destroyed=true",
  "k8s-pvc-1?names=k8s-pvc-2",
  "k8s-pvc-1#",
  "k8s-pvc-1;k8s-pvc-2",
  "k8s-pvc-1 k8s-pvc-2",
  " k8s-pvc-1",
  "k8s-pvc-1 ",
  "' or name='k8s-pvc-2",
  "k8s-pvc-1' or 'a'='a",
  'k8s-pvc-1" or "a"="a',
  "k8s-pvc-1\\",
  "k8s-pvc-1\\' or name='k8s-pvc-2",
  "not(name='x')",
  "../volumes",
  "../../api/2.4/volumes?names=k8s-pvc-1",
  "./k8s-pvc-1",
  "k8s-pvc-1/",
  "/k8s-pvc-1",
  "//k8s-pvc-1",
  "k8s-pvc-1//",
  "::k8s-pvc-1",
  "k8s-pvc-1::",
  "k8s-pvc-1.",
  ".k8s-pvc-1",
  "$(id)",
  "-k8s-pvc-1",
  "k8s-pvc-1\u00e9",
  "\u202ek8s-pvc-1",
];

const NODE = encodeNodeId(N1);
/** Every call that takes a handle; a snapshot's handle is the volume's with a suffix. */
const CALLS: Record<string, (rows: RpcRows, id: string) => Promise<unknown>> = {
  publish: (rows, volumeId) =>
    rows.call(rpc.controllerPublishVolume, { volumeId, nodeId: NODE, volumeCapability: WRITER }),
  expand: (rows, volumeId) =>
    rows.call(rpc.controllerExpandVolume, { volumeId, capacityRange: gibibytes(9) }),
  snapshot: (rows, sourceVolumeId) =>
    rows.call(rpc.createSnapshot, { name: "snapshot-1", sourceVolumeId }),
  clone: (rows, volumeId) =>
    rows.call(rpc.createVolume, {
      name: "pvc-clone",
      volumeCapabilities: [WRITER],
      capacityRange: gibibytes(1),
      volumeContentSource: { type: { case: "volume", value: { volumeId } } },
    }),
  get: (rows, volumeId) => rows.call(rpc.controllerGetVolume, { volumeId }),
  validate: (rows, volumeId) =>
    rows.call(rpc.validateVolumeCapabilities, { volumeId, volumeCapabilities: [WRITER] }),
  list: (rows, sourceVolumeId) => rows.call(rpc.listSnapshots, { sourceVolumeId }),
  unpublish: (rows, volumeId) =>
    rows.call(rpc.controllerUnpublishVolume, { volumeId, nodeId: NODE }),
  deleteSnapshot: (rows, id) => rows.call(rpc.deleteSnapshot, { snapshotId: `${id}.snapshot-1` }),
  delete: (rows, volumeId) => rows.call(rpc.deleteVolume, { volumeId }),
};
/** What a handle that names nothing is answered; a call that undoes something is done. */
const CODES = [status.OK, status.NOT_FOUND, status.INVALID_ARGUMENT];

Deno.test("no handle reaches a volume that it does not name whole, by any call", () =>
  ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    const rows = rowsOf(bed);
    const ids = [await created(rows, "pvc-1"), await created(rows, "pvc-2")];
    const before = await stateOf(bed);
    const hints = [...new Set(ids.map((id) => id.split("/")[0]))];
    for (const name of NAMES) {
      for (const handle of [name, `k8s/${name}`, ...hints.map((hint) => `${hint}/${name}`)]) {
        for (const [what, call] of Object.entries(CALLS)) {
          const code = await call(rows, handle).then(() => status.OK, (error: unknown) => {
            ok(error instanceof RowError, `${what} of ${JSON.stringify(handle)}: ${error}`);
            return error.code;
          });
          ok(CODES.includes(code), `${what} of ${JSON.stringify(handle)}: ${status[code]}`);
        }
      }
    }
    deepEqual(await stateOf(bed), before);
    await CALLS.publish?.(rows, ids[0] ?? "");
    notDeepEqual(await stateOf(bed), before, "a handle that is whole does reach its volume");
  }));

/** Volumes with their sizes, connections and snapshots, destroyed ones included. */
async function stateOf(bed: ProvisionerBed): Promise<unknown> {
  const paths = ["volumes", "volume-snapshots", "connections"];
  return await Promise.all(
    bed.served.arrays.flatMap(({ name }) =>
      paths.map((path) => bed.admin(name, { method: "GET", path }))
    ),
  );
}
