import assert from "node:assert/strict";
import { GiB, KiB, MiB, TiB } from "../size.ts";
import { areasOf, proveZero } from "./blank_proof.ts";

function covers(sizeBytes: number, byte: number): boolean {
  return areasOf(sizeBytes).some(({ offset, length }) => offset <= byte && byte < offset + length);
}

const zeroes = (length: number) => Promise.resolve(new Uint8Array(length));

Deno.test("areasOf() covers every place where a known format keeps a mark", () => {
  const size = 100 * GiB;
  const places: Record<string, number> = {
    "xfs, LUKS, MD 1.1": 0,
    "LVM, GPT": 512,
    "ext4": 1080,
    "MD 1.2, swap": 4 * KiB,
    "btrfs": 64 * KiB,
    "btrfs mirror": 64 * MiB,
    "LUKS2 second header": 4 * MiB,
    "ext4 backup, 1 KiB blocks, group 3": 3 * 8 * MiB + KiB,
    "ext4 backup, 2 KiB blocks, group 1": 32 * MiB,
    "ext4 backup, 4 KiB blocks, group 1": 128 * MiB,
    "ext4 backup, 4 KiB blocks, group 49": 49 * 128 * MiB,
    "xfs group 1 of 4": size / 4,
    "xfs group 3 of 4": 3 * size / 4,
    "MD 0.90": size - 64 * KiB,
    "MD 1.0": size - 8 * KiB,
    "GPT backup": size - 512,
    "the last byte": size - 1,
  };
  for (const [name, byte] of Object.entries(places)) assert.ok(covers(size, byte), name);
  assert.ok(covers(3 * TiB, TiB), "xfs group of 1 TiB");
});

Deno.test("areasOf() stays inside the device and small, whatever the size", () => {
  for (const sizeBytes of [512, MiB, 2 * MiB + 512, 320 * MiB + 512, 4096 * TiB]) {
    const areas = areasOf(sizeBytes);
    assert.ok(
      areas.every(({ offset, length }) =>
        offset >= 0 && length > 0 && offset + length <= sizeBytes
      ),
      String(sizeBytes),
    );
    assert.ok(areas.reduce((sum, { length }) => sum + length, 0) < 4 * MiB, String(sizeBytes));
  }
});

Deno.test("proveZero() calls a device blank only when every area was read whole and is zero", async () => {
  assert.deepEqual(await proveZero((_, length) => zeroes(length), GiB), { blank: true });
});

Deno.test("proveZero() never calls a device blank after an I/O error or a short read, at any area", async () => {
  for (const [index, area] of areasOf(400 * MiB).entries()) {
    const failing = (offset: number, length: number) =>
      offset === area.offset
        ? Promise.reject(new Error("Input/output error (os error 5)"))
        : zeroes(length);
    const failed = await proveZero(failing, 400 * MiB);
    assert.ok(
      !failed.blank &&
        failed.found.endsWith("that cannot be read: Input/output error (os error 5)"),
      `area ${index}`,
    );
    const short = await proveZero(
      (offset, length) => zeroes(offset === area.offset ? length - 512 : length),
      400 * MiB,
    );
    assert.ok(
      !short.blank &&
        short.found.startsWith(`a short read of ${area.length - 512} of ${area.length} bytes`),
      `area ${index}`,
    );
  }
});
