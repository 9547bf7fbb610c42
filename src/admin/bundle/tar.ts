import type { BundleFile } from "./bundle_file.ts";

const BLOCK = 512;
const NAME_BYTES = 100;

/**
 * A tar archive of these files (POSIX ustar), readable by its owner alone when it is unpacked, in
 * parts: no more than one file is there twice. Names may have 100 bytes; longer ones are cut at
 * their beginning.
 */
export function* tarOf(
  files: Iterable<BundleFile>,
  nowMs: number,
): Generator<Uint8Array<ArrayBuffer>> {
  for (const { path, text } of files) {
    const content = new TextEncoder().encode(text);
    yield headerOf({ path, size: content.length, nowMs });
    yield content;
    yield new Uint8Array((BLOCK - content.length % BLOCK) % BLOCK);
  }
  yield new Uint8Array(2 * BLOCK); // two empty blocks end an archive
}

interface Entry {
  path: string;
  size: number;
  nowMs: number;
}

function headerOf({ path, size, nowMs }: Entry): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(BLOCK);
  const put = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  header.set(new TextEncoder().encode(path).slice(-NAME_BYTES), 0);
  put(`${octal(0o600, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100); // mode, owner, group
  put(`${octal(size, 11)}\0${octal(Math.floor(nowMs / 1000), 11)}\0`, 124);
  put(" ".repeat(8), 148); // the checksum counts as blanks while it is summed
  put("0", 156); // a plain file
  put("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 6)}\0 `, 148);
  return header;
}
