import { deepEqual, equal, match, throws } from "node:assert/strict";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { isPsoError } from "../errors.ts";
import * as pb from "./generated/csi_pb.ts";
import { checkRequest, faultsOf } from "./request_check.ts";

const Mode = pb.VolumeCapability_AccessMode_Mode;
const CAPABILITY = {
  accessType: { case: "mount" as const, value: {} },
  accessMode: { mode: Mode.SINGLE_NODE_WRITER },
};

function createFaults(init: MessageInitShape<typeof pb.CreateVolumeRequestSchema>): string[] {
  return faultsOf(
    pb.CreateVolumeRequestSchema,
    create(pb.CreateVolumeRequestSchema, {
      name: "pvc-1",
      volumeCapabilities: [CAPABILITY],
      ...init,
    }),
  );
}

Deno.test("a request with what the specification requires has no fault", () => {
  deepEqual(createFaults({}), []);
});

const CASES: {
  name: string;
  init: MessageInitShape<typeof pb.CreateVolumeRequestSchema>;
  faults: string[];
}[] = [
  { name: "no name", init: { name: "" }, faults: ["name is missing"] },
  {
    name: "no capabilities",
    init: { volumeCapabilities: [] },
    faults: ["volume_capabilities is missing"],
  },
  { name: "a name of 128 bytes", init: { name: "x".repeat(128) }, faults: [] },
  {
    name: "a name of 129 bytes",
    init: { name: "x".repeat(129) },
    faults: ["name has 129 bytes, at most 128 are allowed"],
  },
  {
    name: "a name of 65 characters of two bytes",
    init: { name: "é".repeat(65) },
    faults: ["name has 130 bytes, at most 128 are allowed"],
  },
  { name: "parameters of 4 KiB", init: { parameters: { key: "x".repeat(4093) } }, faults: [] },
  {
    name: "parameters above 4 KiB",
    init: { parameters: { key: "x".repeat(4000), other: "x".repeat(89) } },
    faults: ["parameters has 4097 bytes, at most 4096 are allowed"],
  },
  {
    name: "a capability without access type and mode",
    init: { volumeCapabilities: [CAPABILITY, {}] },
    faults: [
      "volume_capabilities[1].access_mode is missing",
      "volume_capabilities[1].access_type is missing: one of block, mount must be set",
    ],
  },
  {
    name: "an access mode that is unknown",
    init: { volumeCapabilities: [{ ...CAPABILITY, accessMode: {} }] },
    faults: ["volume_capabilities[0].access_mode.mode is missing"],
  },
  {
    name: "mount flags above 4 KiB together",
    init: {
      volumeCapabilities: [{
        ...CAPABILITY,
        accessType: { case: "mount", value: { mountFlags: ["x".repeat(4000), "y".repeat(97)] } },
      }],
    },
    faults: ["volume_capabilities[0].mount.mount_flags has 4097 bytes, at most 4096 are allowed"],
  },
  {
    name: "a content source without a type",
    init: { volumeContentSource: {} },
    faults: ["volume_content_source.type is missing: one of snapshot, volume must be set"],
  },
  {
    name: "a content source without an id",
    init: { volumeContentSource: { type: { case: "snapshot", value: {} } } },
    faults: ["volume_content_source.snapshot.snapshot_id is missing"],
  },
  {
    name: "an empty capacity range",
    init: { capacityRange: {} },
    faults: ["capacity_range is empty: required_bytes or limit_bytes must be set"],
  },
  {
    name: "a negative size",
    init: { capacityRange: { requiredBytes: -1n } },
    faults: ["capacity_range.required_bytes is -1, it must not be negative"],
  },
  {
    name: "an empty topology requirement",
    init: { accessibilityRequirements: {} },
    faults: ["accessibility_requirements is empty: requisite or preferred must be set"],
  },
];

for (const { name, init, faults } of CASES) {
  Deno.test(`checkRequest() with ${name} finds ${faults.length === 0 ? "no fault" : "the fault and its field"}`, () => {
    deepEqual(createFaults(init), faults);
  });
}

Deno.test("checkRequest() throws invalid with all faults of a request", () => {
  const request = create(pb.NodeStageVolumeRequestSchema, {});
  throws(
    () => checkRequest(pb.NodeStageVolumeRequestSchema, request),
    (error) =>
      isPsoError(error, "invalid") &&
      error.message ===
        "volume_id is missing; staging_target_path is missing; volume_capability is missing",
  );
});

Deno.test("checkRequest() takes paths of any length and form, and node ids up to 256 bytes", () => {
  const stats = create(pb.NodeGetVolumeStatsRequestSchema, {
    volumeId: "v",
    volumePath: "some/path".repeat(400),
  });
  checkRequest(pb.NodeGetVolumeStatsRequestSchema, stats);
  const publish = (bytes: number) =>
    create(pb.ControllerPublishVolumeRequestSchema, {
      volumeId: "v",
      nodeId: "n".repeat(bytes),
      volumeCapability: CAPABILITY,
    });
  checkRequest(pb.ControllerPublishVolumeRequestSchema, publish(256));
  deepEqual(faultsOf(pb.ControllerPublishVolumeRequestSchema, publish(257)), [
    "node_id has 257 bytes, at most 256 are allowed",
  ]);
});

Deno.test("checkRequest() refuses a handle above 128 bytes in every call that names a volume", () => {
  const services = [pb.Controller, pb.Node];
  const inputs = services.flatMap((service) => service.methods).map((rpc) => rpc.input).filter((
    input,
  ) => "volumeId" in input.field);
  // 8 of Controller, 7 of Node.
  equal(inputs.length, 15);
  for (const input of inputs) {
    const request = Object.assign(create(input), { volumeId: "v".repeat(129) });
    equal(
      faultsOf(input, request).includes("volume_id has 129 bytes, at most 128 are allowed"),
      true,
      input.name,
    );
  }
});

const BANNED_RANGES = [[0x00, 0x08], [0x0b, 0x0c], [0x0e, 0x1f], [0x7f, 0x9f]] as const;

Deno.test("a name may hold no control character but tab, line feed and carriage return", () => {
  for (let code = 0; code <= 0xff; code++) {
    const isBanned = BANNED_RANGES.some(([first, last]) => code >= first && code <= last);
    const hex = code.toString(16).toUpperCase().padStart(4, "0");
    deepEqual(
      createFaults({ name: `pvc${String.fromCharCode(code)}1` }),
      isBanned ? [`name holds the control character U+${hex}, which CSI allows in no name`] : [],
    );
  }
});

Deno.test("checkRequest() refuses a control character in every name and id of every request", () => {
  const services = [pb.Controller, pb.Node, pb.GroupController, pb.SnapshotMetadata];
  const inputs = services.flatMap((service) => service.methods).map((rpc) => rpc.input);
  const seen: string[] = [];
  for (const input of inputs) {
    for (const { name, localName, fieldKind } of input.fields) {
      if (!/^name$|_ids?$/.test(name)) continue;
      const value = fieldKind === "list" ? ["ok", "a\x07"] : "a\x07";
      const request = Object.assign(create(input), { [localName]: value });
      const where = Array.isArray(value) ? `${name}[1]` : name;
      equal(
        faultsOf(input, request).includes(
          `${where} holds the control character U+0007, which CSI allows in no name`,
        ),
        true,
        `${input.name}.${name}`,
      );
      seen.push(name);
    }
  }
  deepEqual([...new Set(seen)].toSorted(), [
    "base_snapshot_id",
    "group_snapshot_id",
    "name",
    "node_id",
    "snapshot_id",
    "snapshot_ids",
    "source_volume_id",
    "source_volume_ids",
    "target_snapshot_id",
    "volume_id",
  ]);
  deepEqual(
    createFaults({
      volumeContentSource: { type: { case: "volume", value: { volumeId: "a\x9f" } } },
    }),
    [
      "volume_content_source.volume.volume_id holds the control character U+009F, " +
      "which CSI allows in no name",
    ],
  );
});

Deno.test("checkRequest() leaves missing snapshot ids of a group to the handler", () => {
  const schemas = [
    pb.DeleteVolumeGroupSnapshotRequestSchema,
    pb.GetVolumeGroupSnapshotRequestSchema,
  ];
  for (const schema of schemas) {
    deepEqual(faultsOf(schema, create(schema, {})), ["group_snapshot_id is missing"]);
    const groupSnapshotId = "fake-vol-id";
    deepEqual(faultsOf(schema, create(schema, { groupSnapshotId })), []);
    const snapshotIds = ["a", "x".repeat(129)];
    deepEqual(faultsOf(schema, create(schema, { groupSnapshotId, snapshotIds })), [
      "snapshot_ids[1] has 129 bytes, at most 128 are allowed",
    ]);
  }
});

Deno.test("checkRequest() refuses a negative page size", () => {
  const request = create(pb.ListVolumesRequestSchema, { maxEntries: -1 });
  deepEqual(faultsOf(pb.ListVolumesRequestSchema, request), [
    "max_entries is -1, it must not be negative",
  ]);
});

Deno.test("checkRequest() tells a list of too many items once, and looks at none of them", () => {
  const volumeCapabilities = Array.from({ length: 120_000 }, () => ({}));
  deepEqual(createFaults({ volumeCapabilities }), [
    "volume_capabilities has 120000 items, at most 1000 are allowed",
  ]);
  const preferred = Array.from({ length: 1001 }, () => ({ segments: {} }));
  deepEqual(createFaults({ accessibilityRequirements: { preferred } }), [
    "accessibility_requirements.preferred has 1001 items, at most 1000 are allowed",
  ]);
});

Deno.test("checkRequest() tells the first of many faults and counts the others", () => {
  const volumeCapabilities = Array.from({ length: 500 }, () => ({}));
  const request = create(pb.CreateVolumeRequestSchema, { name: "pvc-1", volumeCapabilities });
  throws(() => checkRequest(pb.CreateVolumeRequestSchema, request), (error: Error) => {
    match(error.message, /^volume_capabilities\[0\]\.access_mode is missing; /);
    match(error.message, /; and \d+ more faults$/);
    return error.message.length < 5_000;
  });
});
