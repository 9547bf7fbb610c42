import type { HttpRequest } from "../../../net/https.ts";
import type { Lane } from "../limiter.ts";
import type { Query } from "../query.ts";
import type { Reader } from "../shape.ts";

/** What is asked of an array, without the session and the version. */
export interface RestCall<T = never> {
  method: HttpRequest["method"];
  /** Without `/api/2.N/`: `volumes`. */
  path: string;
  query?: Query;
  body?: unknown;
  /** What each item of the answer must be; absent: the items are not read. */
  item?: Reader<T>;
  /** Default `provision`. */
  lane?: Lane;
  signal?: AbortSignal;
}

/** A call whose items are read. */
export interface ReadingCall<T> extends RestCall<T> {
  item: Reader<T>;
}
