import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { Controller, type ListSnapshotsRequestSchema } from "../../src/csi/generated/csi_pb.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { GiB } from "../../src/size.ts";
import type { SanType } from "../../src/protocols.ts";
import { N1, N2, ProvisionerBed } from "./provisioner_bed.ts";
import { BLOCK, WRITER } from "../support/rpc_rows.ts";
import { created, rowsOf, withRows } from "./service_rows.ts";

const rpc = Controller.method;

Deno.test(
  "ControllerPublishVolume gives the volume to the node that it names, in the way that it asks for",
  withRows(async (rows, bed) => {
    const volumeId = await created(rows, "pvc-1");
    const request = { volumeId, nodeId: encodeNodeId(N1), volumeCapability: WRITER };
    const { publishContext } = await rows.call(rpc.controllerPublishVolume, request);
    equal(publishContext.protocol, "local");
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N1)]);
    equal(rows.lastLine().node, N1.name);
    equal(rows.lastLine().volume, volumeId);
    await rejects(rows.call(rpc.controllerPublishVolume, { ...request, readonly: true }), {
      code: status.ALREADY_EXISTS,
      message: /writable .*read-only/,
    });
    await rejects(rows.call(rpc.controllerPublishVolume, { ...request, volumeCapability: BLOCK }), {
      code: status.ALREADY_EXISTS,
    });
    await rejects(rows.call(rpc.controllerPublishVolume, { ...request, nodeId: "nobody" }), {
      code: status.NOT_FOUND,
    });
    equal(rows.lastLine().node, "nobody");
  }),
);

const BY_CLASS: { class: Record<string, string>; sanType: SanType; attached: string }[] = [
  { class: { protocol: "iscsi" }, sanType: "nvme-tcp", attached: "iscsi" },
  { class: { protocol: "nvme-tcp" }, sanType: "iscsi", attached: "nvme-tcp" },
  { class: { protocol: "auto" }, sanType: "iscsi", attached: "nvme-tcp" },
  { class: {}, sanType: "iscsi", attached: "iscsi" },
];

for (const { class: parameters, sanType, attached } of BY_CLASS) {
  Deno.test(`ControllerPublishVolume of a class with ${JSON.stringify(parameters)} under sanType ${sanType} attaches by ${attached}`, () =>
    ProvisionerBed.run({ settings: { flasharray: { sanType } } }, async (bed) => {
      const rows = rowsOf(bed);
      const { volume } = await rows.call(rpc.createVolume, {
        name: "pvc-1",
        volumeCapabilities: [WRITER],
        parameters,
      });
      equal(volume?.volumeContext.protocol, parameters.protocol);
      const { publishContext } = await rows.call(rpc.controllerPublishVolume, {
        volumeId: volume?.volumeId,
        nodeId: encodeNodeId({
          ...N1,
          protocols: ["iscsi", "nvme-tcp"],
          nqn: "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001",
        }),
        volumeCapability: WRITER,
        volumeContext: volume?.volumeContext,
      });
      equal(publishContext.protocol, attached);
    }));
}

Deno.test("ControllerPublishVolume of a volume_context with an unknown protocol is refused, and connects nothing", () =>
  ProvisionerBed.run({}, async (bed) => {
    const rows = rowsOf(bed);
    const { volume } = await rows.call(rpc.createVolume, {
      name: "pvc-1",
      volumeCapabilities: [WRITER],
    });
    await rejects(
      rows.call(rpc.controllerPublishVolume, {
        volumeId: volume?.volumeId,
        nodeId: encodeNodeId(N1),
        volumeCapability: WRITER,
        volumeContext: { ...volume?.volumeContext, protocol: "nvme-quic" },
      }),
      { code: status.INVALID_ARGUMENT, message: /pvc-1.*"nvme-quic".*update the driver/ },
    );
    for (const { name } of bed.served.arrays) {
      deepEqual(await bed.admin(name, { method: "GET", path: "hosts" }), []);
    }
  }));

Deno.test(
  "ControllerUnpublishVolume takes the volume from the node that it names, from all without one, and succeeds where no array holds it",
  withRows(async (rows, bed) => {
    const volumeId = await created(rows, "pvc-1");
    await bed.publish(volumeId, N1);
    await rows.call(rpc.controllerUnpublishVolume, { volumeId, nodeId: encodeNodeId(N2) });
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N1)]);
    const calls = await bed.calls(() =>
      rows.call(rpc.controllerUnpublishVolume, { volumeId, nodeId: encodeNodeId(N1) })
    );
    deepEqual(calls, ["DELETE /connections", "GET /connections"]);
    equal(rows.lastLine().node, N1.name);
    deepEqual(await bed.publishedTo(volumeId), []);
    await bed.publish(volumeId, N1);
    await rows.call(rpc.controllerUnpublishVolume, { volumeId });
    deepEqual(await bed.publishedTo(volumeId), []);
    await rows.call(rpc.deleteVolume, { volumeId });
    for (const nodeId of [encodeNodeId(N1), "nobody", ""]) {
      const calls = await bed.calls(() =>
        rows.call(rpc.controllerUnpublishVolume, { volumeId, nodeId })
      );
      deepEqual(calls.filter((call) => !call.startsWith("GET") && !call.startsWith("DELETE")), []);
    }
  }),
);

Deno.test(
  "CreateSnapshot, GetSnapshot, ListSnapshots and DeleteSnapshot speak of one snapshot",
  withRows(async (rows) => {
    const volumeId = await created(rows, "pvc-1");
    const other = await created(rows, "pvc-2");
    const began = Date.now();
    const make = async (name: string, sourceVolumeId: string) => {
      const { snapshot } = await rows.call(rpc.createSnapshot, { name, sourceVolumeId });
      ok(snapshot);
      return snapshot;
    };
    const snapshot = await make("snapshot-1", volumeId);
    equal(snapshot.sourceVolumeId, volumeId);
    equal(snapshot.sizeBytes, BigInt(GiB));
    equal(snapshot.readyToUse, true);
    const createdMs = Number(snapshot.creationTime?.seconds ?? 0n) * 1000;
    ok(Math.abs(createdMs - began) < 60_000, `made at ${createdMs}, asked for at ${began}`);
    deepEqual(await make("snapshot-1", volumeId), snapshot);
    await rejects(make("snapshot-1", other), { code: status.ALREADY_EXISTS });
    await rejects(
      rows.call(rpc.createSnapshot, {
        name: "snapshot-3",
        sourceVolumeId: volumeId,
        parameters: { "no-such": "1" },
      }),
      { code: status.INVALID_ARGUMENT },
    );
    const { snapshotId } = snapshot;
    deepEqual((await rows.call(rpc.getSnapshot, { snapshotId })).snapshot, snapshot);
    const second = await make("snapshot-2", other);

    const listed = async (request: MessageInitShape<typeof ListSnapshotsRequestSchema>) =>
      (await rows.call(rpc.listSnapshots, request)).entries.map((one) => one.snapshot?.snapshotId);
    deepEqual((await listed({})).sort(), [snapshotId, second.snapshotId].sort());
    deepEqual(await listed({ snapshotId }), [snapshotId]);
    deepEqual(await listed({ sourceVolumeId: other }), [second.snapshotId]);
    const page = await rows.call(rpc.listSnapshots, { maxEntries: 1 });
    equal(page.entries.length, 1);
    const rest = await listed({ startingToken: page.nextToken });
    deepEqual(
      [...page.entries.map((one) => one.snapshot?.snapshotId), ...rest].sort(),
      [snapshotId, second.snapshotId].sort(),
    );

    for (let time = 0; time < 2; time++) await rows.call(rpc.deleteSnapshot, { snapshotId });
    await rejects(rows.call(rpc.getSnapshot, { snapshotId }), { code: status.NOT_FOUND });
    deepEqual(await listed({}), [second.snapshotId]);
  }),
);
