import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import {
  Controller,
  ControllerServiceCapability_RPC_Type as Type,
} from "../../src/csi/generated/csi_pb.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { N1 } from "./provisioner_bed.ts";
import { type RpcRows, WRITER } from "../support/rpc_rows.ts";
import { created, gibibytes, withRows } from "./service_rows.ts";

const rpc = Controller.method;

Deno.test(
  "ControllerGetCapabilities offers each call that has a row, and no more",
  withRows(async (rows) => {
    const { capabilities } = await rows.call(rpc.controllerGetCapabilities, {});
    deepEqual(
      capabilities.map(({ type }) => type.case === "rpc" ? Type[type.value.type] : type.case),
      [
        "CREATE_DELETE_VOLUME",
        "PUBLISH_UNPUBLISH_VOLUME",
        "LIST_VOLUMES",
        "GET_CAPACITY",
        "CREATE_DELETE_SNAPSHOT",
        "LIST_SNAPSHOTS",
        "CLONE_VOLUME",
        "PUBLISH_READONLY",
        "EXPAND_VOLUME",
        "LIST_VOLUMES_PUBLISHED_NODES",
        "GET_VOLUME",
        "SINGLE_NODE_MULTI_WRITER",
        "GET_SNAPSHOT",
        "MODIFY_VOLUME",
        "GET_VOLUME_HEALTH",
        "LIST_VOLUME_HEALTH",
      ],
    );
  }),
);

/** Calls of a volume `k8s-pvc-1` and of its snapshot, and the locks that each must wait for. */
const LOCKED: { call: (rows: RpcRows) => Promise<unknown>; name: string; keys: string[] }[] = [
  {
    name: "CreateVolume",
    call: (rows) => created(rows, "pvc-1"),
    keys: ["volume k8s-pvc-1"],
  },
  {
    name: "DeleteVolume",
    call: (rows) => rows.call(rpc.deleteVolume, { volumeId: "0badcafe/k8s-pvc-1" }),
    keys: ["volume k8s-pvc-1"],
  },
  {
    name: "ControllerExpandVolume",
    call: (rows) =>
      rows.call(rpc.controllerExpandVolume, {
        volumeId: "0badcafe/k8s-pvc-1",
        capacityRange: gibibytes(2),
      }),
    keys: ["volume k8s-pvc-1"],
  },
  {
    name: "ControllerModifyVolume",
    call: (rows) =>
      rows.call(rpc.controllerModifyVolume, {
        volumeId: "0badcafe/k8s-pvc-1",
        mutableParameters: { iops_limit: "500" },
      }),
    keys: ["volume k8s-pvc-1"],
  },
  {
    name: "ControllerPublishVolume",
    call: (rows) =>
      rows.call(rpc.controllerPublishVolume, {
        volumeId: "0badcafe/k8s-pvc-1",
        nodeId: encodeNodeId(N1),
        volumeCapability: WRITER,
      }),
    keys: ["volume k8s-pvc-1"],
  },
  {
    name: "ControllerUnpublishVolume",
    call: (rows) =>
      rows.call(rpc.controllerUnpublishVolume, { volumeId: "0badcafe/k8s-pvc-1", nodeId: "" }),
    keys: ["volume k8s-pvc-1"],
  },
  {
    name: "CreateSnapshot",
    call: (rows) =>
      rows.call(rpc.createSnapshot, { name: "snapshot-1", sourceVolumeId: "0badcafe/k8s-pvc-1" }),
    keys: ["volume k8s-pvc-1", "snapshot snapshot-1"],
  },
  {
    name: "DeleteSnapshot",
    call: (rows) => rows.call(rpc.deleteSnapshot, { snapshotId: "0badcafe/k8s-pvc-1.snapshot-1" }),
    keys: ["snapshot snapshot-1"],
  },
];

for (const { name, call, keys } of LOCKED) {
  Deno.test(
    `${name} is refused with ABORTED while another call holds ${keys.join(" or ")}`,
    withRows(async (rows) => {
      for (const key of keys) {
        await rows.locks.tryRun([key], "another call", async () => {
          await rejects(call(rows), { code: status.ABORTED, message: /another call is running/ });
        });
      }
    }),
  );
}

Deno.test(
  "calls that a healthy cluster makes all the time are logged at debug level, the others at info",
  withRows(async (rows) => {
    const volumeId = await created(rows, "pvc-1");
    equal(rows.lastLine().level, "info");
    await rows.call(rpc.controllerGetVolume, { volumeId });
    equal(rows.lastLine().level, "info");
    const quiet: [string, () => Promise<unknown>][] = [
      ["ListVolumes", () => rows.call(rpc.listVolumes, {})],
      ["GetCapacity", () => rows.call(rpc.getCapacity, {})],
      ["ListSnapshots", () => rows.call(rpc.listSnapshots, {})],
      ["ControllerGetCapabilities", () => rows.call(rpc.controllerGetCapabilities, {})],
    ];
    for (const [name, call] of quiet) {
      await call();
      deepEqual([rows.lastLine().method, rows.lastLine().level], [name, "debug"]);
    }
    match(String(rows.lastLine().request), /^[0-9a-f]{8}$/);
  }),
);
