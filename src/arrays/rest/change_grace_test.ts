/** A change whose caller goes away: the array may carry it out all the same. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { asIs } from "../../../tests/support/as_is.ts";
import { clientOf } from "../../../tests/support/rest_client.ts";
import { waitsOf } from "../../async/waits.ts";
import { PsoError } from "../../errors.ts";
import { TransportError } from "../../net/https.ts";
import { CHANGE_GRACE_MS } from "./client.ts";
import { Limiter } from "./limiter.ts";

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
    const failed = rejects(call, { code: "unavailable", message: /no answer/ });
    await sent.promise;
    caller.abort(GONE);
    move(CHANGE_GRACE_MS - 1);
    equal(limiter.running, 1, "it is waited for");
    deepEqual(waitsOf(caller.signal), ["array fa-1 to answer POST volumes"]);
    move(1);
    await failed;
    equal(limiter.running, 0);
    deepEqual(waitsOf(caller.signal), []);
  }));
