import { Buffer } from "node:buffer";
import { type Answer, type ArrayRoutes, type Call, count, csv, flag } from "../call.ts";
import { refused } from "../rest_error.ts";
import { withContext } from "./render.ts";
import type { FlashArrayState } from "./state.ts";
import { VOLUME_DESTROYED } from "./volume_fields.ts";

/** Bytes of each image that are held at once, however long the segment is. */
const CHUNK = 1024 * 1024;
const SECTOR = 512;
/** Digits of an offset, so that texts of them are in the order of the numbers. */
const OFFSET_DIGITS = 16;

/** A volume or a snapshot, by its image. */
interface Content {
  imageId: string;
  provisioned: number;
}

/** Blocks beside each other that differ. */
interface Extent {
  offset: number;
  length: number;
}

/** Which part is compared, and in blocks of which size. */
interface Segment extends Extent {
  blockSize: number;
}

/** What a parameter names or, by the other one, has the id of; `undefined` for neither. */
function contentIn(
  state: FlashArrayState,
  call: Call,
  [byName, byId]: [string, string],
): Content | undefined {
  const [names, ids] = [csv(call.query, byName), csv(call.query, byId)];
  if (names !== undefined && ids !== undefined) {
    throw refused(`${byName} and ${byId} cannot be used together.`);
  }
  const [text, more] = names ?? ids ?? [];
  if (text === undefined) return undefined;
  if (more !== undefined) throw refused("Only one volume can be compared at a time.", more);
  const volume = names === undefined ? state.volumes.get(text) : state.volumeNamed(text);
  const snapshot = names === undefined ? state.snapshots.get(text) : state.snapshotNamed(text);
  const found = volume ?? snapshot;
  if (found === undefined) throw refused("No such volume or snapshot.", text);
  if (found.destroyedMs !== null) throw refused(VOLUME_DESTROYED, text);
  return { imageId: found.id, provisioned: found.provisioned };
}

function segmentIn(call: Call, { provisioned }: Content): Segment {
  const blockSize = count(call.query, "block_size") ?? 0;
  const wanted = count(call.query, "segment_length") ?? 0;
  const offset = count(call.query, "segment_offset") ?? 0;
  if (blockSize === 0 || blockSize % SECTOR !== 0 || blockSize > CHUNK) {
    throw refused(
      `Invalid value for block_size: a multiple of ${SECTOR} is wanted, ${CHUNK} at most.`,
      String(blockSize),
    );
  }
  if (wanted === 0) throw refused("segment_length is required.");
  if (offset % blockSize !== 0) {
    throw refused("Invalid value for segment_offset: it is no multiple of block_size.");
  }
  return { blockSize, offset, length: Math.max(0, Math.min(wanted, provisioned - offset)) };
}

/** Fills `into` from the image at an offset; with zeroes beyond its end, and without an image. */
async function readAt(
  file: Deno.FsFile | undefined,
  into: Uint8Array,
  offset: number,
): Promise<void> {
  into.fill(0);
  if (file === undefined) return;
  await file.seek(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < into.length) {
    const length = await file.read(into.subarray(filled));
    if (length === null) return;
    filled += length;
  }
}

/** The extents of the segment in which two images differ; without a base, those that hold data. */
async function extentsOf(
  paths: { path: string; base?: string },
  { blockSize, offset, length }: Segment,
): Promise<Extent[]> {
  using image = await Deno.open(paths.path);
  using base = paths.base === undefined ? undefined : await Deno.open(paths.base);
  const size = CHUNK - CHUNK % blockSize;
  const [left, right] = [Buffer.alloc(size), Buffer.alloc(size)];
  const found: Extent[] = [];
  const end = offset + length;
  for (let start = offset; start < end; start += size) {
    await readAt(image, left, start);
    await readAt(base, right, start);
    if (left.equals(right)) continue;
    for (let at = 0; at < size && start + at < end; at += blockSize) {
      if (left.compare(right, at, at + blockSize, at, at + blockSize) === 0) continue;
      const [block, last] = [start + at, found.at(-1)];
      const bytes = Math.min(blockSize, end - block);
      if (last && last.offset + last.length === block) last.length += bytes;
      else found.push({ offset: block, length: bytes });
    }
  }
  return found;
}

async function getDiff(state: FlashArrayState, call: Call): Promise<Answer> {
  const content = contentIn(state, call, ["names", "ids"]);
  if (content === undefined) throw refused("names or ids is required.");
  const base = contentIn(state, call, ["base_name", "base_id"]);
  if (flag(call.query, "next_allocated_block_hint") === true) {
    throw refused("Parameter next_allocated_block_hint is not supported by this array.");
  }
  const segment = segmentIn(call, content);
  const { images } = state.context.plane ?? {};
  const isBlank = base === undefined && images?.allocatedBytes(content.imageId) === 0;
  const paths = images && {
    path: images.imagePath(content.imageId),
    base: base && images.imagePath(base.imageId),
  };
  const extents = paths && !isBlank ? await extentsOf(paths, segment) : [];
  return state.list(call, {
    what: "Extent",
    all: () => extents,
    keyOf: ({ offset }) => String(offset).padStart(OFFSET_DIGITS, "0"),
    render: (extent) => ({ ...extent, ...withContext(state, call) }),
  });
}

/** Serves /volumes/diff: what of a volume or snapshot differs from another, or holds data. */
export function addDiffRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("GET /volumes/diff", (call) => getDiff(state, call));
}
