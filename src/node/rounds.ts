/** Which part of a list has its turn. */
interface Turn {
  /** Number of the round. */
  turn: number;
  /** How many of the list have their turn in one round. */
  count: number;
}

/** `count` of a list, others in each round, until all had their turn. */
export function nextInTurn<T>(list: T[], { turn, count }: Turn): T[] {
  if (list.length <= count) return list;
  return Array.from({ length: count }, (_, index) => list[(turn * count + index) % list.length])
    .filter((one) => one !== undefined);
}
