import type { BlocksPart, BlocksRequest } from "../controller/requests.ts";
import { BlockMetadataType, SnapshotMetadata } from "./generated/csi_pb.ts";
import { streamed, type StreamMethod } from "./streamed.ts";

/** Calls at once on the socket of this service, beside which it serves Identity alone. */
export const STREAMS_MAX = 64;

/** All that the service can do with an array: read. */
export interface SnapshotBlocksReader {
  /** As Provisioner.readBlocks. */
  readBlocks(request: BlocksRequest, signal: AbortSignal): AsyncIterable<BlocksPart>;
}

/** The SnapshotMetadata service of CSI 1.13. `reader` is asked for at each call. */
export function snapshotMetadataService(reader: () => SnapshotBlocksReader): StreamMethod[] {
  return [
    streamed(SnapshotMetadata.method.getMetadataAllocated, {
      handle: ({ snapshotId, ...page }, { signal }) =>
        messages(reader(), { snapshotId, ...pageOf(page) }, signal),
    }),
    streamed(SnapshotMetadata.method.getMetadataDelta, {
      handle: ({ targetSnapshotId: snapshotId, baseSnapshotId, ...page }, { signal }) =>
        messages(reader(), { snapshotId, baseSnapshotId, ...pageOf(page) }, signal),
    }),
  ];
}

function pageOf(
  { startingOffset, maxResults }: { startingOffset: bigint; maxResults: number },
): Pick<BlocksRequest, "startingOffset" | "maxResults"> {
  return { startingOffset: Number(startingOffset), maxResults };
}

/** Both calls answer with messages of the same fields. */
async function* messages(
  reader: SnapshotBlocksReader,
  request: BlocksRequest,
  signal: AbortSignal,
) {
  for await (const { sizeBytes, ranges } of reader.readBlocks(request, signal)) {
    yield {
      blockMetadataType: BlockMetadataType.VARIABLE_LENGTH,
      volumeCapacityBytes: BigInt(sizeBytes),
      blockMetadata: ranges.map(({ offset, length }) => ({
        byteOffset: BigInt(offset),
        sizeBytes: BigInt(length),
      })),
    };
  }
}
