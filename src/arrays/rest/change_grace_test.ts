/** A change whose caller goes away: the array may carry it out all the same. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { asIs } from "../../../tests/support/as_is.ts";
import { PsoError } from "../../errors.ts";
import { silentLogger } from "../../log.ts";
import { type Fetch, TransportError } from "../../net/https.ts";
import { Secret } from "../../secret.ts";
import { FLASHARRAY_DIALECT } from "../flasharray/status.ts";
import { CHANGE_GRACE_MS, RestClient } from "./client.ts";
import { Limiter } from "./limiter.ts";

function clientOf(volumes: Fetch, limiter = new Limiter()): RestClient {
  const answer = (value: unknown, headers = {}) =>
    Promise.resolve({ status: 200, headers, text: JSON.stringify(value) });
  return new RestClient({
    fetch: (request) => {
      if (request.path.endsWith("api_version")) return answer({ version: ["2.26"] });
      if (request.path.endsWith("login")) return answer({}, { "x-auth-token": "s" });
      return volumes(request);
    },
    dialect: FLASHARRAY_DIALECT,
    token: new Secret("an api token"),
    label: () => "fa-1",
    log: silentLogger,
    limiter,
  });
}

const GONE = new PsoError("timeout", "the RPC's deadline");

Deno.test("a change that was sent is waited for after its caller has gone away, and a read is not", async () => {
  for (const method of ["GET", "POST", "PATCH", "DELETE"] as const) {
    const caller = new AbortController();
    const ended: string[] = [];
    const client = clientOf(({ signal }) => {
      caller.abort(GONE);
      return new Promise((resolve, reject) => {
        if (signal?.aborted) reject(new TransportError("timeout", "cut off", { sent: true }));
        else resolve({ status: 200, headers: {}, text: '{"items":[]}' });
        ended.push(signal?.aborted ? "cut off" : "answered");
      });
    });
    const call = client.call({ method, path: "volumes", item: asIs, signal: caller.signal });
    await call.catch(() => {});
    deepEqual([method, ended], [method, [method === "GET" ? "cut off" : "answered"]]);
  }
});

Deno.test("a change that is not answered ends a while after its caller, and gives its permit back", () =>
  withTestClock(async ({ move }) => {
    const limiter = new Limiter();
    const caller = new AbortController();
    const sent = Promise.withResolvers<void>();
    const client = clientOf(({ signal }) => {
      sent.resolve();
      return new Promise((_, reject) =>
        signal?.addEventListener(
          "abort",
          () => reject(new TransportError("timeout", "no answer", { sent: true })),
        )
      );
    }, limiter);
    const call = client.call({ method: "POST", path: "volumes", signal: caller.signal });
    const failed = rejects(call, { code: "timeout", message: /no answer/ });
    await sent.promise;
    caller.abort(GONE);
    move(CHANGE_GRACE_MS - 1);
    equal(limiter.running, 1, "it is waited for");
    move(1);
    await failed;
    equal(limiter.running, 0);
  }));
