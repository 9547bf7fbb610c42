import { allEnded } from "../../async/all_ended.ts";
import type { SnapshotBlocks } from "../../arrays/array.ts";
import { withDeadline } from "../../async/wait.ts";
import { PsoError } from "../../errors.ts";
import type { BlocksPart, BlocksRequest } from "../requests.ts";
import type { VolumeLocator } from "../volume_locator.ts";

/** Ranges of one part, so that a message has some 10 KiB. */
export const PART_RANGES = 500;
/** How long arrays may take to say where the snapshots are, whatever the caller's deadline. */
const FIND_MS = 60_000;

/**
 * As Provisioner.readBlocks. The array is asked window by window as the parts are taken: what is
 * held at once is one answer of it, however large the snapshot is.
 */
export async function* readBlocks(
  locator: VolumeLocator,
  request: BlocksRequest,
  signal: AbortSignal,
): AsyncGenerator<BlocksPart> {
  const { snapshotId, startingOffset, maxResults } = request;
  const { sizeBytes, read } = await withDeadline(
    `the search for snapshot ${snapshotId}`,
    { timeoutMs: FIND_MS, signal },
    (within) => open(locator, request, within),
  );
  if (startingOffset > sizeBytes) {
    throw new PsoError(
      "out_of_range",
      `starting_offset is ${startingOffset}, and snapshot ${snapshotId} has ${sizeBytes} bytes: ` +
        "begin below that",
    );
  }
  const most = Math.min(maxResults || PART_RANGES, PART_RANGES);
  let isEmpty = true;
  for await (const ranges of read(startingOffset, signal)) {
    for (let at = 0; at < ranges.length; at += most) {
      yield { sizeBytes, ranges: ranges.slice(at, at + most) };
      isEmpty = false;
    }
  }
  // Without a message the caller would not learn the size.
  if (isEmpty) yield { sizeBytes, ranges: [] };
}

async function open(
  locator: VolumeLocator,
  { snapshotId, baseSnapshotId }: BlocksRequest,
  signal: AbortSignal,
): Promise<SnapshotBlocks> {
  const [target, base] = await allEnded([
    locator.needSnapshot(snapshotId, signal),
    baseSnapshotId === undefined ? undefined : locator.needSnapshot(baseSnapshotId, signal),
  ]);
  const { member: { array }, snapshot } = target;
  if (base && base.member !== target.member) {
    throw new PsoError(
      "invalid",
      `snapshot ${baseSnapshotId} is on array ${base.member.array.label} and ${snapshotId} on ` +
        `${array.label}: name two snapshots of one volume, or take all of the second`,
    );
  }
  return await array.openBlocks({ snapshot: snapshot.name, base: base?.snapshot.name }, signal);
}
