import { deepEqual, equal, throws } from "node:assert/strict";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  TopologyRequirementSchema,
  VolumeCapability_AccessMode_Mode as Mode,
  VolumeCapabilitySchema,
  VolumeContentSourceSchema,
} from "./generated/csi_pb.ts";
import { capabilityOf, sourceOf, topologyOf, volumeMessage } from "./values.ts";

type CapabilityInit = MessageInitShape<typeof VolumeCapabilitySchema>;

const MOUNT = {
  case: "mount" as const,
  value: { fsType: "ext4", mountFlags: ["noatime"] },
};
const BLOCK = { case: "block" as const, value: {} };

function capability(accessType: CapabilityInit["accessType"], mode?: Mode) {
  const accessMode = mode === undefined ? undefined : { mode };
  return create(VolumeCapabilitySchema, { accessType, accessMode });
}

const MODES: [Mode, string][] = [
  [Mode.SINGLE_NODE_WRITER, "single-node-writer"],
  [Mode.SINGLE_NODE_READER_ONLY, "single-node-reader-only"],
  [Mode.MULTI_NODE_READER_ONLY, "multi-node-reader-only"],
  [Mode.MULTI_NODE_SINGLE_WRITER, "multi-node-single-writer"],
  [Mode.MULTI_NODE_MULTI_WRITER, "multi-node-multi-writer"],
  [Mode.SINGLE_NODE_SINGLE_WRITER, "single-node-single-writer"],
  [Mode.SINGLE_NODE_MULTI_WRITER, "single-node-multi-writer"],
];

for (const [wire, mode] of MODES) {
  Deno.test(`capabilityOf() reads ${Mode[wire]}, mounted or raw`, () => {
    deepEqual(capabilityOf(capability(MOUNT, wire)), {
      access: { type: "mount", fsType: "ext4", mountFlags: ["noatime"] },
      mode,
    });
    deepEqual(capabilityOf(capability(BLOCK, wire)), { access: { type: "block" }, mode });
  });
}

Deno.test("capabilityOf() makes one flag of each option, also of those that stand in one text", () => {
  const label = 'context="system_u:object_r:x:s0:c1,c2"';
  const value = { fsType: "ext4", mountFlags: ["ro,noatime", `${label},nodev`] };
  deepEqual(
    capabilityOf(capability({ case: "mount", value }, Mode.SINGLE_NODE_WRITER)).access,
    { type: "mount", fsType: "ext4", mountFlags: ["ro", "noatime", label, "nodev"] },
  );
});

Deno.test("capabilityOf() refuses what names no mode or no way of access", () => {
  const refusals: [CapabilityInit | undefined, RegExp][] = [
    [undefined, /access_mode is missing: this driver knows single-node-writer, /],
    [{ accessType: MOUNT }, /access_mode is missing/],
    [{ accessType: MOUNT, accessMode: { mode: Mode.UNKNOWN } }, /access_mode is 0/],
    [{ accessMode: { mode: Mode.SINGLE_NODE_WRITER } }, /access_type is missing/],
  ];
  for (const [init, message] of refusals) {
    const wire = init && create(VolumeCapabilitySchema, init);
    throws(() => capabilityOf(wire), { code: "invalid", message });
  }
});

Deno.test("sourceOf() tells a snapshot from a volume", () => {
  const source = (type: MessageInitShape<typeof VolumeContentSourceSchema>["type"]) =>
    sourceOf(create(VolumeContentSourceSchema, { type }));
  deepEqual(source({ case: "snapshot", value: { snapshotId: "a/b.c" } }), { snapshotId: "a/b.c" });
  deepEqual(source({ case: "volume", value: { volumeId: "a/b" } }), { volumeId: "a/b" });
  equal(sourceOf(undefined), undefined);
});

Deno.test("topologyOf() keeps what must be apart from what is preferred, and their order", () => {
  const zones = (...names: string[]) => names.map((zone) => ({ segments: { zone } }));
  const wire = create(TopologyRequirementSchema, {
    requisite: zones("a", "b"),
    preferred: zones("c", "a"),
  });
  deepEqual(topologyOf(wire), {
    requisite: [{ zone: "a" }, { zone: "b" }],
    preferred: [{ zone: "c" }, { zone: "a" }],
  });
  equal(topologyOf(undefined), undefined);
});

Deno.test("volumeMessage() says what the volume was made from, and from where it can be reached", () => {
  const volume = {
    volumeId: "a/b",
    capacityBytes: 5,
    volumeContext: { key: "value" },
    accessibleTopology: [{ zone: "a" }],
  };
  deepEqual(volumeMessage(volume, true), {
    volumeId: "a/b",
    capacityBytes: 5n,
    volumeContext: { key: "value" },
    contentSource: undefined,
    accessibleTopology: [{ segments: { zone: "a" } }],
  });
  const made = (contentSource: { snapshotId: string } | { volumeId: string }) =>
    volumeMessage({ ...volume, contentSource }, true).contentSource?.type;
  deepEqual(made({ snapshotId: "a/b.c" }), { case: "snapshot", value: { snapshotId: "a/b.c" } });
  deepEqual(made({ volumeId: "a/d" }), { case: "volume", value: { volumeId: "a/d" } });
});
