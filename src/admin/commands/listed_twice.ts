/** An entry of the configuration, and which array answers there. */
interface SeenEntry {
  /** As messages name the entry. */
  entry: string;
  /** The array's own id; absent when it did not answer. */
  id?: string;
  /** As `StorageArray.serverKey`. */
  key?: string;
}

/**
 * A line for each entry whose array an earlier entry has too, for example one by its address and
 * one by its name: its room would count twice. With another TLS key it is no such array, and the
 * controller uses neither.
 */
export function listedTwice(results: readonly SeenEntry[]): string[] {
  return results.flatMap(({ entry, id, key }, index) => {
    const first = results.slice(0, index).find((one) => id !== undefined && one.id === id);
    if (!first) return [];
    return first.key === key
      ? [`FAIL ${entry} is the same array as ${first.entry}: remove one of the two entries`]
      : [
        `FAIL ${entry} and ${first.entry} both say that they are the array ${id}, and their TLS ` +
        "keys differ: find out which address leads to that array and remove the other entry",
      ];
  });
}
