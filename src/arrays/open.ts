import type { ArrayConfig } from "../config/model.ts";
import { type Fetch, HttpsClient, type TlsTrust } from "../https.ts";
import type { Logger } from "../log.ts";
import type { Secret } from "../secret.ts";
import type { StorageArray } from "./array.ts";
import { FlashArray } from "./flasharray/flasharray.ts";
import { FLASHARRAY_DIALECT } from "./flasharray/status.ts";
import { FlashBlade } from "./flashblade/flashblade.ts";
import { FLASHBLADE_DIALECT } from "./flashblade/status.ts";
import type { Limiter } from "./rest/limiter.ts";
import { type CallRecord, RestClient } from "./rest/client.ts";

/** How one array is reached, as its client needs it. */
export interface ArrayEndpoint {
  kind: "flasharray" | "flashblade";
  /** Default `https`; `http` is for simulated arrays. */
  scheme?: "https" | "http";
  /** Host with `:port` where it is not the usual one; IPv6 in brackets. */
  address: string;
  /** Asked at each login, so that a changed token is taken up. */
  token: () => Secret | Promise<Secret>;
  tls: TlsTrust;
  /** What people call it; absent: its own name. */
  label?: string;
  /** FlashBlade: host name or address that nodes mount from; absent: its first data interface. */
  nfsEndpoint?: string;
}

/** What a client needs besides the array's entry. Everything but `log` has a default. */
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

/** A client, and the way to end it. */
export interface OpenArray {
  array: StorageArray;
  /** Ends the session and closes the connections. Never throws. */
  close(): Promise<void>;
}

/** The client of an array as the configuration has it; otherwise as openArray(). */
export function openConfigured(entry: ArrayConfig, options: OpenOptions): OpenArray {
  const { kind, scheme, managementAddress: address, token, tls, name: label } = entry;
  const nfsEndpoint = entry.kind === "flashblade" ? entry.nfsEndpoint : undefined;
  return openArray(
    { kind, scheme, address, token: () => token, tls, label, nfsEndpoint },
    options,
  );
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
    close: async () => {
      await rest.logout();
      https?.close();
    },
  };
}
