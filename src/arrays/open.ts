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
import type { RestArrayOptions } from "./rest/rest_array.ts";

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
  /** As RestOptions.budgetMs. */
  budgetMs?: number;
  limiter?: Limiter;
  /** Whether the array may be changed; default: always. */
  fence?: ChangeFence;
  /** Stands in for the network in tests. */
  fetch?: Fetch;
  /** Stands in for `StorageArray.serverKey` in tests. */
  serverKey?: StorageArray["serverKey"];
}

/** What lies below an array's client, and may be exchanged. */
interface Below {
  rest: RestClient;
  told: RestArrayOptions & { nfsEndpoint?: string };
}

/** A client, and the ways to end it and to reach its array otherwise. */
export interface OpenArray {
  array: AdminArray;
  below: Below;
  /** Ends the session and closes the connections. Never throws. */
  close(): Promise<void>;
  /** The same, once the calls that are under way have ended. Never throws. */
  retire(): void;
  /**
   * Reaches the array from the next call on as `other` does, by its address, its trust and its
   * credentials, and calls it so. What the client knows and holds in order stays. `other` must be a
   * client of the same array, and is used no more.
   */
  take(other: Pick<OpenArray, "below">): void;
}

/**
 * The client of one array. Connects to nothing before its first call. A changed entry needs a new
 * client, also when only the token is another one; `take` joins the two once it is proven that
 * both lead to one array.
 */
export function openArray(entry: ArrayEntry, options: OpenOptions): OpenArray {
  const { kind, scheme, managementAddress: address, token, tls, name: label, nfsEndpoint } = entry;
  const { log, onCall, now, callTimeoutMs, budgetMs, limiter, fence } = options;
  const https = options.fetch ? undefined : new HttpsClient({
    scheme,
    address,
    tls,
    maxResponseBytes: REST_LIMITS.answerBytes.value,
    smallAnswerBytes: REST_LIMITS.smallAnswerBytes.value,
  });
  const fetch = options.fetch ?? https?.fetch;
  if (!fetch) throw new TypeError("an array needs a way to be reached");
  const { serverKey = () => https?.presentedKey() ?? Promise.resolve(undefined) } = options;
  const told: Below["told"] & { log: Logger } = { address, label, serverKey, nfsEndpoint, log };
  const rest: RestClient = new RestClient({
    fetch,
    close: https && (() => https.close()),
    dialect: kind === "flasharray" ? FLASHARRAY_DIALECT : FLASHBLADE_DIALECT,
    token,
    label: () => array.label,
    log,
    // Metrics call the array as the configuration does: its own words make no series.
    onCall: onCall &&
      ((call) => onCall({ ...call, array: array.configuredName, address: told.address })),
    now,
    callTimeoutMs,
    budgetMs,
    limiter,
    fence,
  });
  const array: AdminArray = kind === "flasharray" ? flashArray(rest, told) : flashBlade(rest, told);
  return {
    array,
    below: { rest, told },
    close: () => rest.close({ atOnce: true }),
    retire: () => void rest.close({ atOnce: false }),
    take: ({ below }) => {
      rest.take(below.rest);
      const { changed } = told;
      Object.assign(told, below.told, { changed });
      changed?.();
    },
  };
}
