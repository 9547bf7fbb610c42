import { FOREIGN_TEXT_CHARS } from "../../foreign_text.ts";
import { INTERIM_ANSWERS_MAX } from "../../net/answer_reader.ts";
import { KiB, MiB } from "../../size.ts";

/** One limit of what an array, or who answers in its place, may send. */
export interface Limit {
  value: number;
  /** What `value` counts: `bytes`, `items`, `ms` and so on. */
  unit: string;
  /** What is limited; begins a sentence. */
  what: string;
  /** Why it is so much and not less or more; a whole sentence. */
  why: string;
}

/**
 * Everything that is limited of an array's answers. An answer above a limit is refused as
 * `unavailable`: nothing of it is used. docs/security.md shows this table.
 */
export const REST_LIMITS = {
  answerBytes: {
    value: 4 * MiB,
    unit: "bytes",
    what: "One answer",
    why: "A page of 500 volumes has about 1 MiB. A page that is larger is asked for again with " +
      "fewer items.",
  },
  namedAnswerBytes: {
    value: 512 * KiB,
    unit: "bytes",
    what: "One answer about objects that the call names, or to a change",
    why: "One file system with the longest export rules has less than half of that.",
  },
  smallAnswerBytes: {
    value: 64 * KiB,
    unit: "bytes",
    what:
      "Answers of one array that are read at the same time, each; of larger ones, one is read " +
      "at a time",
    why: "An array with 64 calls at once then holds 8 MiB of memory at most.",
  },
  interimAnswers: {
    value: INTERIM_ANSWERS_MAX,
    unit: "answers",
    what: "Answers of status 1xx before the answer itself",
    why: "Arrays give none; a proxy gives one.",
  },
  depth: {
    value: 16,
    unit: "levels",
    what: "Lists and objects inside each other in an answer",
    why: "The deepest answer of REST 2 has 6.",
  },
  valuesPerItem: {
    value: 256,
    unit: "values",
    what: "Values in an answer, for each item that it may have",
    why: "A file system, the largest item, has fewer than 128.",
  },
  pageItems: {
    value: 500,
    unit: "items",
    what: "Items in one page of a list",
    why: "To read a page of 500 volumes keeps the process busy for 5 to 15 ms.",
  },
  namedItems: {
    value: 64,
    unit: "items",
    what: "Items in an answer that is no page of a list",
    why: "A call names 32 objects at most; a change of tags answers with one item for each.",
  },
  pages: {
    value: 1000,
    unit: "pages",
    what: "Pages of one list",
    why: "The largest FlashArray has 20,000 volumes and 100,000 snapshots: 240 pages.",
  },
  emptyPages: {
    value: 20,
    unit: "pages",
    what: "Pages without an item, one after another, that say that more follows",
    why: "An array gives none: its filter counts before its pages.",
  },
  gatheredItems: {
    value: 20_000,
    unit: "items",
    what: "Items of a list that is used as a whole: hosts, connections, ports, tags",
    why: "A page of 500 volumes with 40 nodes each is connected 20,000 times.",
  },
  listedNames: {
    value: 250_000,
    unit: "names",
    what: "Volumes and snapshots of this cluster that are noted of one array",
    why: "Twice what the largest array can hold.",
  },
  listedChars: {
    value: 16 * MiB,
    unit: "characters",
    what: "All these names together",
    why: "250,000 names of the length that this driver gives.",
  },
  listingMs: {
    value: 10 * 60_000,
    unit: "ms",
    what: "The listing of one array, all of its pages together",
    why: "240 pages of a busy array take 4 minutes.",
  },
  nameChars: {
    value: 512,
    unit: "characters",
    what: "The name of an object",
    why: "The longest, of a snapshot of a volume in a group in a pod in a realm, has 320.",
  },
  textChars: {
    value: 256 * KiB,
    unit: "characters",
    what: "Any other text in an item",
    why: "The export rules of a file system that 4,000 nodes mount.",
  },
  arrayNameChars: {
    value: 128,
    unit: "characters",
    what: "The array's own name and version",
    why: "It is shown in messages; arrays allow 64.",
  },
  messageChars: {
    value: FOREIGN_TEXT_CHARS,
    unit: "characters",
    what: "What is kept of the text of an error, a certificate or a connection",
    why: "Messages show it, and patterns are looked for in it.",
  },
  sessionChars: {
    value: 2048,
    unit: "characters",
    what: "The token of a session, and the token of the next page",
    why: "Both are sent back with each call. Arrays give a few hundred characters.",
  },
  versions: {
    value: 200,
    unit: "versions",
    what: "REST versions that an array offers",
    why: "An array of today offers about 60.",
  },
} as const satisfies Record<string, Limit>;
