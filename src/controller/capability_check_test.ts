import { equal, match } from "node:assert/strict";
import type { VolumeKind } from "../arrays/array.ts";
import type { AccessMode, Capability } from "../capability.ts";
import { capabilitiesFault, capabilityFault, defaultFsTypeFault } from "./capability_check.ts";

const MODES: AccessMode[] = [
  "single-node-writer",
  "single-node-reader-only",
  "multi-node-reader-only",
  "multi-node-single-writer",
  "multi-node-multi-writer",
  "single-node-single-writer",
  "single-node-multi-writer",
];
const mount = (mode: AccessMode, fsType = ""): Capability => ({
  access: { type: "mount", fsType, mountFlags: [] },
  mode,
});
const block = (mode: AccessMode): Capability => ({ access: { type: "block" }, mode });

const REFUSED: Record<VolumeKind, { mount: AccessMode[]; block: AccessMode[] }> = {
  block: { mount: ["multi-node-single-writer", "multi-node-multi-writer"], block: [] },
  file: { mount: [], block: MODES },
};
for (const kind of ["block", "file"] as const) {
  for (const mode of MODES) {
    Deno.test(`capabilityFault() on ${kind}, ${mode}`, () => {
      equal(capabilityFault(mount(mode), kind) === undefined, !REFUSED[kind].mount.includes(mode));
      equal(capabilityFault(block(mode), kind) === undefined, !REFUSED[kind].block.includes(mode));
    });
  }
}

Deno.test("capabilityFault() says what to do about a shared file system on a FlashArray", () => {
  equal(
    capabilityFault(mount("multi-node-multi-writer"), "block"),
    "a FlashArray volume cannot be a file system for access mode ReadWriteMany, two nodes would damage it: " +
      "use a class with backend file, or volumeMode Block",
  );
});

Deno.test("capabilitiesFault() finds a file system that nodes cannot make, on block only", () => {
  match(
    capabilitiesFault(
      [mount("single-node-writer", "xfs"), mount("single-node-writer", "zfs")],
      "block",
    ) ?? "",
    /"zfs" is not supported/,
  );
  match(
    capabilitiesFault([mount("single-node-writer", "ext3")], "block") ?? "",
    /fstype takes xfs, ext4$/,
  );
  equal(capabilitiesFault([mount("single-node-writer", "XFS")], "block"), undefined);
  equal(capabilitiesFault([mount("single-node-writer", "nfs")], "file"), undefined);
});

Deno.test("defaultFsTypeFault() speaks only where the default is used and nodes cannot make it", () => {
  const [named, unnamed] = [mount("single-node-writer", "ext4"), mount("single-node-writer")];
  match(
    defaultFsTypeFault([named, unnamed], "block", { defaultFsType: "btrfs" }) ?? "",
    /defaultFSType is btrfs, and nodes make xfs and ext4/,
  );
  equal(defaultFsTypeFault([unnamed], "block", { defaultFsType: "XFS" }), undefined);
  equal(
    defaultFsTypeFault([named, block("single-node-writer")], "block", { defaultFsType: "btrfs" }),
    undefined,
  );
  equal(defaultFsTypeFault([unnamed], "file", { defaultFsType: "btrfs" }), undefined);
});
