// The rows of the GroupController service: what a sidecar's message becomes, and its answer.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { Controller, GroupController } from "../../src/csi/generated/csi_pb.ts";
import { type RowError, RpcRows } from "../support/rpc_rows.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";
import { created, rowsOf } from "./service_rows.ts";

const { createVolumeGroupSnapshot, deleteVolumeGroupSnapshot, getVolumeGroupSnapshot } =
  GroupController.method;
const NAME = "groupsnapshot-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";

/** One FlashArray with two volumes, and the rows of a controller over it. */
function withVolumes(
  test: (rows: RpcRows, ids: string[], bed: ProvisionerBed) => Promise<void>,
): () => Promise<void> {
  return () =>
    ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
      const rows = rowsOf(bed, false);
      await test(rows, [await created(rows, "pvc-1"), await created(rows, "pvc-2")], bed);
    });
}

async function codeOf(call: Promise<unknown>): Promise<number> {
  return await call.then(() => status.OK, (error: RowError) => error.code);
}

Deno.test(
  "15.7: GroupController offers what it does, and answers a group with its snapshots",
  withVolumes(async (rows, sourceVolumeIds) => {
    const { capabilities } = await rows.call(
      GroupController.method.groupControllerGetCapabilities,
      {},
    );
    deepEqual(capabilities.map(({ type }) => type.value?.type), [1]);
    const { groupSnapshot } = await rows.call(createVolumeGroupSnapshot, {
      name: NAME,
      sourceVolumeIds,
      parameters: { "csi.storage.k8s.io/volumegroupsnapshot/name": "ledger" },
    });
    ok(groupSnapshot?.creationTime);
    const { groupSnapshotId, snapshots, readyToUse } = groupSnapshot;
    equal(readyToUse, true);
    deepEqual(snapshots.map(({ sourceVolumeId }) => sourceVolumeId), sourceVolumeIds);
    ok(snapshots.every((one) => one.groupSnapshotId === groupSnapshotId && one.readyToUse));
    const snapshotIds = snapshots.map(({ snapshotId }) => snapshotId);
    const request = { groupSnapshotId, snapshotIds };
    deepEqual((await rows.call(getVolumeGroupSnapshot, request)).groupSnapshot, groupSnapshot);
    const { entries } = await rows.call(Controller.method.listSnapshots, {});
    deepEqual(entries.map(({ snapshot }) => snapshot?.groupSnapshotId), [
      groupSnapshotId,
      groupSnapshotId,
    ]);
    await rows.call(deleteVolumeGroupSnapshot, request);
    equal(await codeOf(rows.call(getVolumeGroupSnapshot, request)), status.NOT_FOUND);
    equal(rows.lastLine().group, groupSnapshotId);
  }),
);

Deno.test(
  "15.7: GroupController's codes are those of the specification",
  withVolumes(async (rows, [a = "", b = ""], bed) => {
    const file = await bed.create("pvc-3", { parameters: { backend: "file" } });
    const take = (sourceVolumeIds: string[], name = NAME) =>
      rows.call(createVolumeGroupSnapshot, { name, sourceVolumeIds });
    const { groupSnapshot } = await take([a, b]);
    const [first] = groupSnapshot?.snapshots ?? [];
    const groupSnapshotId = groupSnapshot?.groupSnapshotId ?? "";
    const snapshotIds = groupSnapshot?.snapshots.map(({ snapshotId }) => snapshotId) ?? [];
    const wanted: [what: string, call: () => Promise<unknown>, code: status][] = [
      ["no name", () => take([a], ""), status.INVALID_ARGUMENT],
      ["no volumes", () => take([]), status.INVALID_ARGUMENT],
      ["a volume twice", () => take([a, a]), status.INVALID_ARGUMENT],
      ["other volumes", () => take([a]), status.ALREADY_EXISTS],
      ["an unknown volume", () => take([`${a}-none`], "other"), status.NOT_FOUND],
      ["two arrays", () => take([a, file], "other"), status.FAILED_PRECONDITION],
      ["file systems", () => take([file], "other"), status.FAILED_PRECONDITION],
      [
        "one of a group alone",
        () => rows.call(Controller.method.deleteSnapshot, { snapshotId: first?.snapshotId }),
        status.INVALID_ARGUMENT,
      ],
      ["no group", () => rows.call(getVolumeGroupSnapshot, {}), status.INVALID_ARGUMENT],
      ["no group", () => rows.call(deleteVolumeGroupSnapshot, {}), status.INVALID_ARGUMENT],
      [
        "an unknown group",
        () => rows.call(getVolumeGroupSnapshot, { groupSnapshotId: "fake-vol-id" }),
        status.NOT_FOUND,
      ],
      [
        "an unknown group",
        () => rows.call(deleteVolumeGroupSnapshot, { groupSnapshotId: "fake-vol-id" }),
        status.OK,
      ],
      [
        "a group without its snapshots",
        () => rows.call(deleteVolumeGroupSnapshot, { groupSnapshotId }),
        status.INVALID_ARGUMENT,
      ],
      [
        "another list",
        () =>
          rows.call(deleteVolumeGroupSnapshot, {
            groupSnapshotId,
            snapshotIds: snapshotIds.slice(1),
          }),
        status.INVALID_ARGUMENT,
      ],
    ];
    for (const [what, call, code] of wanted) equal(await codeOf(call()), code, what);
    const query = { destroyed: false };
    const left = await bed.admin("fa-1", { method: "GET", path: "volume-snapshots", query });
    equal(left.length, 2);
  }),
);

Deno.test(
  "15.7: a group snapshot waits for who works with one of its volumes, and holds them meanwhile",
  withVolumes(async (rows, [a = "", b = ""], bed) => {
    const delay = { array: "fa-1", action: "delay", value: 300, match: { method: "POST" } };
    await bed.fault({ ...delay, times: 1 });
    const taking = rows.call(createVolumeGroupSnapshot, { name: NAME, sourceVolumeIds: [a, b] });
    equal(await codeOf(rows.call(Controller.method.deleteVolume, { volumeId: b })), status.ABORTED);
    const again = { name: NAME, sourceVolumeIds: [a] };
    equal(await codeOf(rows.call(createVolumeGroupSnapshot, again)), status.ABORTED);
    const { groupSnapshot } = await taking;
    match(groupSnapshot?.groupSnapshotId ?? "", /^[0-9a-f]{8}\/group-[0-9a-f]{32}-m[0-9a-f]{11}$/);
    equal(rows.locks.size, 0);
  }),
);
