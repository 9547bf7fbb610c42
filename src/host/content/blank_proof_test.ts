import assert from "node:assert/strict";
import { GiB, KiB, MiB, TiB } from "../../size.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { SIZE_BYTES } from "../../../tests/support/fake_scsi.ts";
import { failureOf } from "../../../tests/support/test_node.ts";
import { areasOf, judge, proveBlank } from "./blank_proof.ts";

function covers(sizeBytes: number, byte: number): boolean {
  return areasOf(sizeBytes).some(({ offset, length }) => offset <= byte && byte < offset + length);
}

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
        offset >= 0 && offset % 4096 === 0 && length > 0 && offset + length <= sizeBytes
      ),
      String(sizeBytes),
    );
    assert.ok(areas.reduce((sum, { length }) => sum + length, 0) < 4 * MiB, String(sizeBytes));
  }
});

/** What a blank device of this size gives for each of its areas. */
function blankChunks(sizeBytes: number): Uint8Array[] {
  return areasOf(sizeBytes).map(({ length }) => new Uint8Array(length));
}

Deno.test("judge() calls a device blank only when every area is there whole and is zero", () => {
  assert.deepEqual(judge(areasOf(GiB), blankChunks(GiB), GiB), { blank: true });
});

Deno.test("judge() never calls a device blank with one byte that is not zero, or one too few, in any area", () => {
  const sizeBytes = 400 * MiB;
  for (const [index, area] of areasOf(sizeBytes).entries()) {
    for (const at of [0, area.length - 1]) {
      const chunks = blankChunks(sizeBytes);
      chunks[index]?.fill(1, at, at + 1);
      const found = `data at byte ${area.offset + at}`;
      assert.deepEqual(judge(areasOf(sizeBytes), chunks, sizeBytes), { blank: false, found, area });
    }
    const short = blankChunks(sizeBytes);
    short[index] = new Uint8Array(area.length - 1);
    const found = `${area.length - 1} of ${area.length} bytes at byte ${area.offset}`;
    assert.deepEqual(judge(areasOf(sizeBytes), short, sizeBytes), { blank: false, found });
  }
  const without = blankChunks(sizeBytes).slice(0, -1);
  assert.equal(judge(areasOf(sizeBytes), without, sizeBytes).blank, false);
});

/** Volume 7 as a SCSI disk of this host. */
function withDisk(work: (fake: FakeHost, name: string) => Promise<void>): Promise<void> {
  return FakeHost.use((fake) => work(fake, fake.scsi.addDisk({ session: 1, lun: 7, volume: 7 })));
}

Deno.test("proveBlank() reads a blank device by one shell, past the cache", () =>
  withDisk(async (fake, name) => {
    assert.deepEqual(await proveBlank(fake.host, { name, sizeBytes: SIZE_BYTES }), { blank: true });
    assert.deepEqual(fake.commands, [`blockdev --flushbufs /dev/${name}`, `read of /dev/${name}`]);
  }));

Deno.test("proveBlank() finds a device with an I/O error not blank, and gives up on one that hangs", () =>
  withDisk(async (fake, name) => {
    const prove = () => proveBlank(fake.host, { name, sizeBytes: SIZE_BYTES });
    fake.reads.dead.add(name);
    const proof = await prove();
    assert.ok(!proof.blank && proof.area === undefined);
    assert.match(proof.found, /^what cannot be read: read of .* Input\/output error at byte 0$/);
    fake.reads.hung.add(name);
    assert.equal((await failureOf(prove())).code, "timeout");
  }));
