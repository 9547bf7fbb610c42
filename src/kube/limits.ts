import { MiB } from "../size.ts";

/** What is waited for and read of the API server. */
export const KUBE_LIMITS = {
  /** One call: half of the time in which a leader must have renewed its Lease. */
  callMs: 5_000,
  /** One answer. A Lease has about 1 KiB, a list of leases of one name a few. */
  answerBytes: MiB,
  /** What messages show of the server's own words. */
  messageChars: 300,
  /** The name of who holds a Lease; Kubernetes' own have 60. */
  holderChars: 200,
} as const;
