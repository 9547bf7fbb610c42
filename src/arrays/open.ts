import type { ArrayConfig } from "../config/model.ts";
import { type Fetch, HttpsClient } from "../net/https.ts";
import type { ChangeFence } from "../async/fence.ts";
import type { Logger } from "../log.ts";
import type { AdminArray } from "./rest/admin_array.ts";
import type { StorageArray } from "./array.ts";
import { flashArray } from "./flasharray/flasharray.ts";
import { FLASHARRAY_DIALECT } from "./flasharray/status.ts";
import { flashBlade } from "./flashblade/flashblade.ts";
import { FLASHBLADE_DIALECT } from "./flashblade/status.ts";
import { REST_LIMITS } from "./rest/limits.ts";
import type { Limiter } from "./rest/limiter.ts";
import { type CallRecord, RestClient } from "./rest/client.ts";

/** What a client needs of an array's entry in the configuration. */
export type ArrayEntry =
  & Pick<ArrayConfig, "kind" | "scheme" | "managementAddress" | "token" | "tls" | "name">
  & {
    /** FlashBlade: host name or address that nodes mount from; absent: its first data interface. */
    nfsEndpoint?: string;
  };

/** One REST call of an array, as the configuration calls the array. */
export interface ArrayCall extends CallRecord {
  /** Of its management endpoint: two arrays may have one name. */
  address: string;
}

/** What a client needs besides the array's entry. Everything but `log` has a default. */
export interface OpenOptions {
  log: Logger;
  /** Told of every REST call, for metrics. */
  onCall?: (call: ArrayCall) => void;
  now?: () => number;
  /** Longest wait for one answer (default 30 s). */
  callTimeoutMs?: number;
  limiter?: Limiter;
  /** Whether the array may be changed; default: always. */
  fence?: ChangeFence;
  /** Stands in for the network in tests. */
  fetch?: Fetch;
  /** Stands in for `StorageArray.serverKey` in tests. */
  serverKey?: StorageArray["serverKey"];
}

/** A client, and the way to end it. */
export interface OpenArray {
  array: AdminArray;
  /** Ends the session and closes the connections. Never throws. */
  close(): Promise<void>;
}

/**
 * The client of one array. Connects to nothing before its first call. A changed entry needs a new
 * client, also when only the token is another one.
 */
export function openArray(entry: ArrayEntry, options: OpenOptions): OpenArray {
  const { kind, scheme, managementAddress: address, token, tls, name: label, nfsEndpoint } = entry;
  const { log, onCall, now, callTimeoutMs, limiter, fence } = options;
  const https = options.fetch ? undefined : new HttpsClient({
    scheme,
    address,
    tls,
    maxResponseBytes: REST_LIMITS.answerBytes.value,
    smallAnswerBytes: REST_LIMITS.smallAnswerBytes.value,
  });
  const fetch = options.fetch ?? https?.fetch;
  if (!fetch) throw new TypeError("an array needs a way to be reached");
  const rest: RestClient = new RestClient({
    fetch,
    dialect: kind === "flasharray" ? FLASHARRAY_DIALECT : FLASHBLADE_DIALECT,
    token,
    label: () => array.label,
    log,
    // Metrics call the array as the configuration does: its own words make no series.
    onCall: onCall && ((call) => onCall({ ...call, array: array.configuredName, address })),
    now,
    callTimeoutMs,
    limiter,
    fence,
  });
  const { serverKey = () => https?.presentedKey() ?? Promise.resolve(undefined) } = options;
  const array: AdminArray = kind === "flasharray"
    ? flashArray(rest, { address, label, serverKey, log: options.log })
    : flashBlade(rest, { address, label, serverKey, nfsEndpoint });
  return {
    array,
    close: async () => {
      await rest.logout();
      https?.close();
    },
  };
}
