import { type Fetch, HttpsClient, type TlsTrust } from "../https.ts";
import type { Logger } from "../log.ts";
import type { Secret } from "../secret.ts";
import type { StorageArray } from "./array.ts";
import { FlashArray, FLASHARRAY_DIALECT } from "./flasharray/flasharray.ts";
import { FlashBlade, FLASHBLADE_DIALECT } from "./flashblade/flashblade.ts";
import type { Limiter } from "./rest/limiter.ts";
import { type CallRecord, RestClient } from "./rest/client.ts";

/** One configured array. */
export interface ArrayEndpoint {
  kind: "flasharray" | "flashblade";
  /** Default `https`; `http` is for simulated arrays. */
  scheme?: "https" | "http";
  /** Host with `:port` where it is not the usual one; IPv6 in brackets. */
  address: string;
  /** Asked at each login, so that a changed token is taken up. */
  token: () => Secret | Promise<Secret>;
  tls: TlsTrust;
  labels?: Readonly<Record<string, string>>;
  /** What people call it; absent: its own name. */
  label?: string;
  /** FlashBlade: host name or address that nodes mount from; absent: its first data interface. */
  nfsEndpoint?: string;
}

export interface OpenOptions {
  log: Logger;
  /** Told of every REST call, for metrics. */
  onCall?: (call: CallRecord) => void;
  now?: () => number;
  /** Longest wait for one answer (default 30 s). */
  callTimeoutMs?: number;
  limiter?: Limiter;
  /** Stands in for the network in tests. */
  fetch?: Fetch;
}

export interface OpenArray {
  array: StorageArray;
  labels: Readonly<Record<string, string>>;
  /** Ends the session and closes the connections. Never throws. */
  close(): Promise<void>;
  /** Calls at once allowed, running and waiting now, for metrics. */
  load(): { limit: number; running: number; waiting: number };
}

/** The client of one array. Connects to nothing before its first call. */
export function openArray(endpoint: ArrayEndpoint, options: OpenOptions): OpenArray {
  const https = options.fetch ? undefined : new HttpsClient(endpoint);
  const fetch = options.fetch ?? https?.fetch;
  if (!fetch) throw new TypeError("an array needs a way to be reached");
  const rest: RestClient = new RestClient({
    fetch,
    dialect: endpoint.kind === "flasharray" ? FLASHARRAY_DIALECT : FLASHBLADE_DIALECT,
    token: endpoint.token,
    label: () => array.label,
    log: options.log,
    onCall: options.onCall,
    now: options.now,
    callTimeoutMs: options.callTimeoutMs,
    limiter: options.limiter,
  });
  const array: StorageArray = endpoint.kind === "flasharray"
    ? new FlashArray(rest, endpoint)
    : new FlashBlade(rest, endpoint);
  return {
    array,
    labels: endpoint.labels ?? {},
    close: async () => {
      await rest.logout();
      https?.close();
    },
    load: () => ({
      limit: rest.limiter.limit,
      running: rest.limiter.running,
      waiting: rest.limiter.waiting,
    }),
  };
}
