import { deepEqual, equal, match, notEqual, ok, rejects } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import {
  Controller,
  ControllerServiceCapability_RPC_Type as RpcType,
  VolumeCapability_AccessMode_Mode as Mode,
  VolumeHealthErrorType,
} from "../../src/csi/generated/csi_pb.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { GiB } from "../../src/size.ts";
import { N1 } from "./provisioner_bed.ts";
import { BLOCK, WRITER } from "../support/rpc_rows.ts";
import { created, gibibytes, withRows, ZONE } from "./service_rows.ts";

const rpc = Controller.method;
/** No block volume on a FlashArray can be written as a file system by several nodes. */
const SHARED = { ...WRITER, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } };

Deno.test(
  "CreateVolume makes what every field of its message asks for, and answers what was made",
  withRows(async (rows, bed) => {
    const { volume } = await rows.call(rpc.createVolume, {
      name: "pvc-1",
      volumeCapabilities: [WRITER],
      capacityRange: gibibytes(2, 3),
      parameters: { createoptions: "-q", backend: "block" },
      accessibilityRequirements: { requisite: [{ segments: { [ZONE]: "b" } }] },
    });
    equal(volume?.capacityBytes, BigInt(2 * GiB));
    equal(volume.volumeContext.createoptions, "-q");
    deepEqual(volume.accessibleTopology.map(({ segments }) => segments), [{ [ZONE]: "b" }]);
    equal(volume.contentSource, undefined);
    deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": ["k8s-pvc-1"] });
    equal(volume.volumeId.split("/")[1], "k8s-pvc-1");
  }),
);

interface WrongCreate {
  name: string;
  change: Record<string, unknown>;
  code: status;
  message: RegExp;
}

const WRONG_CREATES: WrongCreate[] = [
  {
    name: "an unknown parameter of a VolumeAttributesClass",
    change: { mutableParameters: { iops: "1000" } },
    code: status.INVALID_ARGUMENT,
    message: /^VolumeAttributesClass parameter "iops" is unknown/,
  },
  {
    name: "an unknown parameter",
    change: { parameters: { "no-such": "1" } },
    code: status.INVALID_ARGUMENT,
    message: /^class parameter "no-such" is unknown/,
  },
  {
    name: "a way of use that no volume has",
    change: { volumeCapabilities: [SHARED], parameters: { backend: "block" } },
    code: status.INVALID_ARGUMENT,
    message: /^Cannot create pvc-1: .* ReadWriteMany/,
  },
  {
    name: "an unknown source",
    change: {
      volumeContentSource: { type: { case: "volume", value: { volumeId: "k8s-gone" } } },
    },
    code: status.NOT_FOUND,
    message: /^source volume k8s-gone does not exist/,
  },
  {
    name: "a zone without an array",
    change: { accessibilityRequirements: { requisite: [{ segments: { [ZONE]: "c" } }] } },
    code: status.RESOURCE_EXHAUSTED,
    message: /^Cannot place pvc-1 .*zone=c/,
  },
  {
    name: "less room than it needs",
    change: { capacityRange: gibibytes(2, 1) },
    code: status.OUT_OF_RANGE,
    message: /^capacity_range is empty/,
  },
];

for (const { name, change, code, message } of WRONG_CREATES) {
  Deno.test(
    `CreateVolume refuses ${name}, and makes nothing`,
    withRows(async (rows, bed) => {
      const request = { name: "pvc-1", volumeCapabilities: [WRITER], ...change };
      await rejects(rows.call(rpc.createVolume, request), { code, message });
      deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
    }),
  );
}

Deno.test(
  "CreateVolume from a volume and from a snapshot makes it of that one, and says so",
  withRows(async (rows, bed) => {
    const volumeId = await created(rows, "pvc-1");
    const { snapshot } = await rows.call(rpc.createSnapshot, {
      name: "snapshot-1",
      sourceVolumeId: volumeId,
    });
    const snapshotId = snapshot?.snapshotId ?? "";
    const sources = [
      { case: "volume" as const, value: { volumeId } },
      { case: "snapshot" as const, value: { snapshotId } },
    ];
    for (const [index, type] of sources.entries()) {
      const calls = await bed.calls(async () => {
        const { volume } = await rows.call(rpc.createVolume, {
          name: `pvc-copy-${index}`,
          volumeCapabilities: [WRITER],
          capacityRange: gibibytes(1),
          volumeContentSource: { type },
        });
        equal(volume?.contentSource?.type.case, type.case);
        const { value } = volume.contentSource.type;
        ok(value && JSON.stringify(value).includes(Object.values(type.value)[0] ?? "none"));
      });
      ok(calls.includes("POST /volumes"), calls.join(", "));
    }
  }),
);

Deno.test(
  "DeleteVolume takes the volume of its handle, and may be repeated",
  withRows(async (rows, bed) => {
    const volumeId = await created(rows, "pvc-1");
    await created(rows, "pvc-2");
    for (let time = 0; time < 2; time++) await rows.call(rpc.deleteVolume, { volumeId });
    deepEqual(Object.values(await bed.volumes()).flat(), ["k8s-pvc-2"]);
  }),
);

Deno.test(
  "ControllerExpandVolume grows the volume of its handle to its range, and sends the node after it",
  withRows(async (rows) => {
    const volumeId = await created(rows, "pvc-1");
    const capacityRange = gibibytes(2);
    deepEqual(
      withoutType(await rows.call(rpc.controllerExpandVolume, { volumeId, capacityRange })),
      { capacityBytes: BigInt(2 * GiB), nodeExpansionRequired: true },
    );
    const { volume } = await rows.call(rpc.controllerGetVolume, { volumeId });
    equal(volume?.capacityBytes, BigInt(2 * GiB));
    await rejects(
      rows.call(rpc.controllerExpandVolume, {
        volumeId,
        capacityRange: gibibytes(3),
        volumeCapability: SHARED,
      }),
      { code: status.INVALID_ARGUMENT },
    );
  }),
);

Deno.test(
  "ControllerModifyVolume gives the volume of its handle what the class names, and is offered",
  withRows(async (rows, bed) => {
    const volumeId = await created(rows, "pvc-1");
    const mutableParameters = { iops_limit: "1000" };
    deepEqual(
      withoutType(await rows.call(rpc.controllerModifyVolume, { volumeId, mutableParameters })),
      {},
    );
    const shown = await Promise.all(
      ["fa-1", "fa-2"].map((array) =>
        bed.admin<{ qos: unknown }>(array, { method: "GET", path: "volumes" })
      ),
    );
    deepEqual(shown.flat().map(({ qos }) => qos), [{ iops_limit: 1000, bandwidth_limit: null }]);
    const wrong: [string, Record<string, string>, status][] = [
      [volumeId, { iops_limit: "1" }, status.INVALID_ARGUMENT],
      [volumeId, {}, status.INVALID_ARGUMENT],
      [`${volumeId}-x`, mutableParameters, status.NOT_FOUND],
    ];
    for (const [id, parameters, code] of wrong) {
      const request = { volumeId: id, mutableParameters: parameters };
      await rejects(rows.call(rpc.controllerModifyVolume, request), { code });
    }
    const { capabilities } = await rows.call(rpc.controllerGetCapabilities, {});
    ok(capabilities.some(({ type }) => type.value?.type === RpcType.MODIFY_VOLUME));
  }),
);

Deno.test(
  "ControllerGetVolumeHealth and ControllerListVolumeHealth tell what is wrong with a volume",
  withRows(async (rows, bed) => {
    const ids = [await created(rows, "pvc-1"), await created(rows, "pvc-2")];
    const [volumeId = ""] = ids;
    const well = await rows.call(rpc.controllerGetVolumeHealth, { volumeId });
    equal(well.volumeHealth?.volumeId, volumeId);
    deepEqual(well.volumeHealth?.healthStatuses, []);
    for (const { array } of bed.fleet.members) bed.link(array.label, "unreachable");
    await bed.fleet.refresh(bed.signal);
    const bad = await rows.call(rpc.controllerGetVolumeHealth, { volumeId });
    const [entry] = bad.volumeHealth?.healthStatuses ?? [];
    equal(entry?.status, VolumeHealthErrorType.DEGRADED);
    equal(entry?.reason, "ArrayUnreachable");
    match(entry?.message ?? "", /cannot be managed now/);
    const told: string[] = [];
    let startingToken = "";
    do {
      const request = { maxEntries: 1, startingToken };
      const page = await rows.call(rpc.controllerListVolumeHealth, request);
      told.push(...page.entries.map((one) => one.volumeId));
      startingToken = page.nextToken;
    } while (startingToken !== "");
    deepEqual(told.sort(), ids.sort());
    await rejects(rows.call(rpc.controllerGetVolumeHealth, {}), { code: status.INVALID_ARGUMENT });
    await rejects(
      rows.call(rpc.controllerListVolumeHealth, { startingToken: "no token" }),
      { code: status.ABORTED },
    );
  }),
);

/** The fields of a message alone, to be compared. */
function withoutType(message: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(message).filter(([key]) => !key.startsWith("$")));
}

Deno.test(
  "ValidateVolumeCapabilities confirms what it was asked, or says why not",
  withRows(async (rows) => {
    const volumeId = await created(rows, "pvc-1");
    const request = {
      volumeId,
      volumeContext: { from: "the class" },
      parameters: { backend: "block" },
    };
    const { confirmed, message } = await rows.call(rpc.validateVolumeCapabilities, {
      ...request,
      volumeCapabilities: [BLOCK, WRITER],
    });
    equal(message, "");
    deepEqual(confirmed?.volumeContext, request.volumeContext);
    deepEqual(confirmed?.parameters, request.parameters);
    deepEqual(confirmed?.volumeCapabilities.map(({ accessType }) => accessType.case), [
      "block",
      "mount",
    ]);
    const refused = await rows.call(rpc.validateVolumeCapabilities, {
      ...request,
      volumeCapabilities: [WRITER, SHARED],
    });
    equal(refused.confirmed, undefined);
    notEqual(refused.message, "");
    const unknown = await rows.call(rpc.validateVolumeCapabilities, {
      ...request,
      volumeCapabilities: [WRITER],
      parameters: { "no-such": "1" },
    });
    equal(unknown.confirmed, undefined);
    for (
      const [mutableParameters, why] of [[{ iops: "1000" }, /"iops" is unknown/], [
        { exportrules: "" },
        /is a block volume/,
      ]] as const
    ) {
      const wrong = await rows.call(rpc.validateVolumeCapabilities, {
        ...request,
        volumeCapabilities: [WRITER],
        mutableParameters,
      });
      equal(wrong.confirmed, undefined);
      match(wrong.message, why);
    }
    const mutableParameters = { iops_limit: "1000" };
    const changed = await rows.call(rpc.validateVolumeCapabilities, {
      ...request,
      volumeCapabilities: [WRITER],
      mutableParameters,
    });
    deepEqual(changed.confirmed?.mutableParameters, mutableParameters);
  }),
);

Deno.test(
  "ControllerGetVolume and ListVolumes name the nodes of each volume; a list goes on where it ended",
  withRows(async (rows, bed) => {
    const ids = [await created(rows, "pvc-1"), await created(rows, "pvc-2")];
    const [first = ""] = ids;
    await bed.publish(first, N1);
    const found = await rows.call(rpc.controllerGetVolume, { volumeId: first });
    equal(found.volume?.volumeId, first);
    deepEqual(found.status?.publishedNodeIds, [encodeNodeId(N1)]);
    await rejects(rows.call(rpc.controllerGetVolume, { volumeId: `${first}-x` }), {
      code: status.NOT_FOUND,
    });
    const all = await rows.call(rpc.listVolumes, {});
    const nodes = all.entries.map(({ volume, status }) => [
      volume?.volumeId,
      volume?.capacityBytes,
      status?.publishedNodeIds,
    ]);
    const wanted = ids.map((id) => [id, BigInt(GiB), id === first ? [encodeNodeId(N1)] : []]);
    deepEqual(new Set(nodes.map(String)), new Set(wanted.map(String)));
    equal(all.nextToken, "");
    const one = await rows.call(rpc.listVolumes, { maxEntries: 1 });
    equal(one.entries.length, 1);
    const rest = await rows.call(rpc.listVolumes, { startingToken: one.nextToken });
    deepEqual(
      [...one.entries, ...rest.entries].map(({ volume }) => volume?.volumeId).sort(),
      ids.toSorted(),
    );
  }),
);

Deno.test(
  "GetCapacity answers the room for the class, the zone and the way of use that it names",
  withRows(async (rows, bed) => {
    const all = await rows.call(rpc.getCapacity, {});
    const room = bed.provisioner.getCapacity({ capabilities: [], parameters: {} });
    ok(room.availableBytes > room.maximumVolumeBytes && room.minimumVolumeBytes > 0);
    deepEqual(withoutType(all), {
      availableCapacity: BigInt(room.availableBytes),
      maximumVolumeSize: BigInt(room.maximumVolumeBytes),
      minimumVolumeSize: BigInt(room.minimumVolumeBytes),
    });
    const zone = await rows.call(rpc.getCapacity, {
      accessibleTopology: { segments: { [ZONE]: "a" } },
    });
    equal(zone.availableCapacity, all.maximumVolumeSize);
    const file = await rows.call(rpc.getCapacity, { parameters: { backend: "file" } });
    equal(file.availableCapacity, 0n);
    const shared = await rows.call(rpc.getCapacity, {
      volumeCapabilities: [SHARED],
      parameters: { backend: "block" },
    });
    equal(shared.availableCapacity, 0n);
  }),
);

Deno.test(
  "without topology, labels of arrays bind no volume to a place and choose none",
  withRows(async (rows, bed) => {
    const { volume } = await rows.call(rpc.createVolume, {
      name: "pvc-1",
      volumeCapabilities: [WRITER],
      accessibilityRequirements: { requisite: [{ segments: { [ZONE]: "nowhere" } }] },
    });
    deepEqual(volume?.accessibleTopology, []);
    const { entries } = await rows.call(rpc.listVolumes, {});
    deepEqual(entries.map((entry) => entry.volume?.accessibleTopology), [[]]);
    const got = await rows.call(rpc.controllerGetVolume, { volumeId: volume?.volumeId ?? "" });
    deepEqual(got.volume?.accessibleTopology, []);
    const all = await rows.call(rpc.getCapacity, {});
    const zone = await rows.call(rpc.getCapacity, {
      accessibleTopology: { segments: { [ZONE]: "nowhere" } },
    });
    equal(zone.availableCapacity, all.availableCapacity);
    const selected = await bed.create("pvc-2", {
      parameters: { array_selector: `${ZONE}=b` },
    });
    ok(selected.startsWith(bed.fleet.members[1]?.id?.slice(0, 8) ?? "-"), "still a label");
  }, false),
);
