import { MiB } from "../size.ts";

/** What is waited for, read and sent of the API server. */
export const KUBE_LIMITS = {
  /** One call: half of the time in which a leader must have renewed its Lease. */
  callMs: 5_000,
  /**
   * One answer, a page of a list too. A Lease has about 1 KiB, a list of leases of one name a few.
   */
  answerBytes: 4 * MiB,
  /**
   * One event of a watch: a Secret of 1 MiB has a third more in base64, and what stands beside it.
   */
  eventBytes: 2 * MiB,
  /** Objects of one page of a list. */
  pageItems: 100,
  /** The same where next to nothing is kept of an object: fewer calls for thousands of them. */
  factItems: 500,
  /** Pages of one list. */
  pages: 1_000,
  /**
   * All pages of one list: the API server keeps the state that they show for so long. Who keeps
   * none of them has this limit and that of pages alone.
   */
  listMs: 300_000,
  /** Objects of one list that is kept whole: as many as its pages have. */
  listItems: 100_000,
  /** Characters of one list that is kept whole: 100,000 volumes have 2.5 KiB each. */
  listBytes: 256 * MiB,
  /**
   * One watch: then it is asked for anew, from where it was. A dead connection is noticed by it.
   */
  watchMs: 60_000,
  /** Longest pause before a list or a watch that failed is tried again. */
  backoffMs: 8_000,
  /** What messages show of the server's own words. */
  messageChars: 300,
  /** The name of who holds a Lease; Kubernetes' own have 60. */
  holderChars: 200,
  /** The text of an Event; the API server refuses a longer one. */
  noteBytes: 1_024,
  /** Different Events that are known, so that a repetition is counted and not written anew. */
  events: 32,
  /** Calls for Events in a row; then one each `eventMs`. */
  eventBurst: 10,
  eventMs: 60_000,
} as const;
