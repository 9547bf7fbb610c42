/** Bytes beside each other in a snapshot. */
export interface BlockRange {
  offset: number;
  length: number;
}

/** Whose blocks are asked for. */
export interface BlocksQuery {
  /** `volume.suffix` */
  snapshot: string;
  /** Another snapshot of the same volume: only what differs from it. Absent: all that holds data. */
  base?: string;
}

/** The blocks of one snapshot, which can be read from any place on. */
export interface SnapshotBlocks {
  sizeBytes: number;
  /**
   * The ranges from `offset` on, or a little before it, in ascending order, none over another and
   * none beyond the size. Given a part at a time, and no more is held than one part: `unavailable`
   * when the array does not answer or its answer is not in order, `not_found` when one of the
   * snapshots is gone meanwhile.
   */
  read(offset: number, signal: AbortSignal): AsyncGenerator<BlockRange[]>;
}
