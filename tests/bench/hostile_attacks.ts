// What the bench and its hostile array say to each other.

/** What the bench tells the worker. */
export interface Order {
  attack: Attack;
  /** Address of the array behind, once it is known. */
  upstream?: string;
}

/** How an array, or who answers in its place, may attack. */
export const ATTACKS = [
  "none",
  "long error",
  "20 MB error",
  "page of {}",
  "nested JSON",
  "endless pages",
  "5 MB name",
  "101",
  "1xx flood",
  "endless chunk",
  "silence",
  "odd statuses",
  "echo",
] as const;
export type Attack = (typeof ATTACKS)[number];
