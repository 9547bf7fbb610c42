import assert from "node:assert/strict";
import { ImageSharing } from "./image_sharing.ts";

const MiB = 1024 * 1024;

function inFolder(test: (folder: string, sharing: ImageSharing) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync({ prefix: "pso-sharing-" });
    try {
      test(folder, new ImageSharing((id) => `${folder}/${id}`));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

function write(path: string, at: number, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, create: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(bytes);
}

Deno.test(
  "ImageSharing counts what one image has and the other lacks, and nothing that is empty",
  inFolder((folder, sharing) => {
    write(`${folder}/a`, 0, new Uint8Array(2 * MiB).fill(1));
    Deno.copyFileSync(`${folder}/a`, `${folder}/b`);
    assert.equal(sharing.bytesNotIn("a", "b", 2 * MiB), 0);
    write(`${folder}/a`, 8192, new Uint8Array(4096).fill(2));
    write(`${folder}/a`, MiB, new Uint8Array(4096));
    assert.equal(sharing.bytesNotIn("a", "b", 2 * MiB), 8192);
    // Seen from the other side the zeroes hold nothing.
    assert.equal(sharing.bytesNotIn("b", "a", 2 * MiB), 4096);
    // Where the base ends there is nothing to share.
    write(`${folder}/b`, 2 * MiB, new Uint8Array(4096).fill(3));
    assert.equal(sharing.bytesNotIn("a", "b", 3 * MiB), 3 * 4096);
    assert.equal(sharing.bytesNotIn("gone", "b", 3 * MiB), 3 * MiB);
  }),
);

Deno.test(
  "ImageSharing knows a copy without reading it, however large, and what it knew of its source",
  inFolder((folder, sharing) => {
    const size = 1024 * MiB;
    for (const name of ["v", "s1", "s2"]) {
      write(`${folder}/${name}`, 0, new Uint8Array(4096).fill(1));
      Deno.truncateSync(`${folder}/${name}`, size);
    }
    // Too large to be read at once: nothing known, so it counts whole.
    assert.equal(sharing.bytesNotIn("v", "s1", 4096), 4096);
    sharing.copied("v", "s1", sharing.mtimeMs("v"));
    sharing.copied("v", "s2", sharing.mtimeMs("v"));
    assert.equal(sharing.bytesNotIn("v", "s2", 4096), 0);
    assert.equal(sharing.bytesNotIn("s2", "s1", 4096), 0);
    // What it has grown by is its own, although nobody reads it.
    write(`${folder}/s1`, MiB, new Uint8Array(8192).fill(2));
    assert.equal(sharing.bytesNotIn("v", "s1", 3 * 4096), 8192);
    // A copy of what has changed since: as it was known, until both can be compared.
    write(`${folder}/v`, MiB, new Uint8Array(4096).fill(3));
    write(`${folder}/s3`, MiB, new Uint8Array(4096).fill(3));
    Deno.truncateSync(`${folder}/s3`, size);
    sharing.copied("v", "s3", sharing.mtimeMs("v"));
    assert.equal(sharing.bytesNotIn("s3", "s1", 3 * 4096), 8192);
    sharing.forget("s2");
    assert.equal(sharing.bytesNotIn("s2", "s1", 4096), 4096);
  }),
);
