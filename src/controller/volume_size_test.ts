import { equal, throws } from "node:assert/strict";
import type { Capability } from "../capability.ts";
import { GiB, MiB, PiB } from "../size.ts";
import {
  grownSize,
  minimumVolumeBytes,
  newVolumeSize,
  sizeMismatch,
  type SizeOptions,
} from "./volume_size.ts";

const withFs = (fsType: string): Capability => ({
  access: { type: "mount", fsType, mountFlags: [] },
  mode: "single-node-writer",
});
const RAW: Capability = { access: { type: "block" }, mode: "single-node-writer" };
const XFS: SizeOptions = { kind: "block", capabilities: [withFs("")], defaultFsType: "xfs" };
const EXT4: SizeOptions = { ...XFS, capabilities: [withFs("ext4")] };
const BLOCK: SizeOptions = { ...XFS, capabilities: [RAW] };
const FILE: SizeOptions = { ...XFS, kind: "file" };

const range = (requiredBytes: number, limitBytes = 0) => ({ requiredBytes, limitBytes });
const SIZES: {
  name: string;
  range: ReturnType<typeof range>;
  options: SizeOptions;
  size: number;
}[] = [
  { name: "32 GiB when nothing is asked for", range: range(0), options: XFS, size: 32 * GiB },
  { name: "the limit when it is below the default", range: range(0, GiB), options: XFS, size: GiB },
  {
    name: "exactly what is required",
    range: range(10 * GiB, 10 * GiB),
    options: XFS,
    size: 10 * GiB,
  },
  { name: "whole sectors for block", range: range(GiB + 1), options: BLOCK, size: GiB + 512 },
  { name: "any bytes for file", range: range(GiB + 1, GiB + 1), options: FILE, size: GiB + 1 },
  { name: "at least 1 MiB for block", range: range(1), options: BLOCK, size: MiB },
  { name: "no xfs minimum for ext4", range: range(10 * MiB), options: EXT4, size: 10 * MiB },
  { name: "no xfs minimum for file", range: range(10 * MiB), options: FILE, size: 10 * MiB },
  { name: "300 MiB of xfs", range: range(300 * MiB), options: XFS, size: 300 * MiB },
  {
    name: "the source's size",
    range: range(0),
    options: { ...XFS, sourceBytes: 5 * GiB },
    size: 5 * GiB,
  },
  {
    name: "more than the source's size",
    range: range(6 * GiB),
    options: { ...XFS, sourceBytes: 5 * GiB },
    size: 6 * GiB,
  },
  {
    name: "what the source of a restore has now, for less than that",
    range: range(2 * GiB),
    options: { ...FILE, sourceNowBytes: 4 * GiB },
    size: 4 * GiB,
  },
  {
    name: "what is asked for, when the source of a restore has less now",
    range: range(6 * GiB),
    options: { ...FILE, sourceNowBytes: 4 * GiB },
    size: 6 * GiB,
  },
  {
    name: "the limit, when the source of a restore has more now",
    range: range(2 * GiB, 3 * GiB),
    options: { ...FILE, sourceNowBytes: 4 * GiB },
    size: 3 * GiB,
  },
  {
    name: "what the source of a restore has now, when nothing is asked for",
    range: range(0),
    options: { ...FILE, sourceNowBytes: 4 * GiB },
    size: 4 * GiB,
  },
  {
    name: "a clone of a small xfs",
    range: range(64 * MiB),
    options: { ...XFS, sourceBytes: 64 * MiB },
    size: 64 * MiB,
  },
  { name: "4 PiB", range: range(4 * PiB), options: BLOCK, size: 4 * PiB },
];
for (const { name, range, options, size } of SIZES) {
  Deno.test(`newVolumeSize() gives ${name}`, () => equal(newVolumeSize(range, options), size));
}

const REFUSED: {
  name: string;
  range: ReturnType<typeof range>;
  options: SizeOptions;
  message: RegExp;
}[] = [
  {
    name: "required above limit",
    range: range(2 * GiB, GiB),
    options: BLOCK,
    message: /required 2147483648 bytes \(2 GiB\) is above the limit/,
  },
  {
    name: "above 4 PiB",
    range: range(4 * PiB + 512),
    options: BLOCK,
    message: /largest volume, 4503599627370496 bytes \(4 PiB\)/,
  },
  {
    name: "a limit inside one sector",
    range: range(GiB + 1, GiB + 511),
    options: BLOCK,
    message: /the limit of 1073742335 bytes/,
  },
  {
    name: "a limit below 1 MiB",
    range: range(0, 1000),
    options: BLOCK,
    message: /holds no volume/,
  },
  {
    name: "xfs below 300 MiB",
    range: range(299 * MiB),
    options: XFS,
    message: /\(300 MiB\): ask for more, or use csi\.storage\.k8s\.io\/fstype ext4$/,
  },
  {
    name: "what is too small for every file system",
    range: range(5 * MiB),
    options: XFS,
    message: /too small for xfs, which needs 314572800 bytes \(300 MiB\): ask for more$/,
  },
  {
    name: "less than the source",
    range: range(GiB),
    options: { ...XFS, sourceBytes: 2 * GiB },
    message: /smaller than the source/,
  },
  {
    name: "a limit below the source",
    range: range(0, GiB),
    options: { ...XFS, sourceBytes: 2 * GiB },
    message: /smaller than the source/,
  },
];
for (const { name, range, options, message } of REFUSED) {
  Deno.test(`newVolumeSize() refuses ${name}`, () =>
    throws(() => newVolumeSize(range, options), { code: "out_of_range", message }));
}

Deno.test("grownSize() leaves a volume that is large enough, rounds up, never shrinks", () => {
  equal(grownSize(range(GiB), "block", 2 * GiB), 2 * GiB);
  equal(grownSize(range(2 * GiB + 1), "block", GiB), 2 * GiB + 512);
  equal(grownSize(range(2 * GiB + 1), "file", GiB), 2 * GiB + 1);
  throws(() => grownSize(range(0, GiB), "block", 2 * GiB), {
    code: "out_of_range",
    message: /never shrunk/,
  });
  throws(() => grownSize(range(5 * PiB), "block", GiB), { code: "out_of_range" });
  throws(() => grownSize(range(2 * GiB + 1, 2 * GiB + 2), "block", GiB), { code: "out_of_range" });
});

Deno.test("sizeMismatch() compares with both ends of the range", () => {
  equal(sizeMismatch(GiB, range(GiB, GiB)), undefined);
  equal(sizeMismatch(GiB, range(0)), undefined);
  equal(
    sizeMismatch(GiB, range(2 * GiB)),
    "it has 1073741824 bytes (1 GiB) and 2147483648 bytes (2 GiB) are required",
  );
  equal(
    sizeMismatch(2 * GiB, range(0, GiB)),
    "it has 2147483648 bytes (2 GiB) and the limit is 1073741824 bytes (1 GiB)",
  );
});

Deno.test("minimumVolumeBytes() is what the neediest file system asks for", () => {
  equal(minimumVolumeBytes(XFS), 300 * MiB);
  equal(minimumVolumeBytes({ ...XFS, capabilities: [RAW, withFs("ext4")] }), 8 * MiB);
  equal(minimumVolumeBytes(BLOCK), MiB);
  equal(minimumVolumeBytes({ ...XFS, capabilities: [] }), MiB);
  equal(minimumVolumeBytes(FILE), 1);
});
