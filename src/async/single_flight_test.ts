import { deepEqual, equal, rejects } from "node:assert/strict";
import { PsoError } from "../errors.ts";
import { SingleFlight } from "./single_flight.ts";

/** Work that ends when the test says so, and counts how often it was started. */
function gatedWork() {
  const gate = Promise.withResolvers<string>();
  const started = { count: 0 };
  const work = () => {
    started.count += 1;
    return gate.promise;
  };
  return { gate, started, work };
}

Deno.test("run() gives the result of one piece of work to all who ask while it runs", async () => {
  const flight = new SingleFlight<string, string>();
  const { gate, started, work } = gatedWork();
  const answers = [flight.run("fa-1", work), flight.run("fa-1", work), flight.run("fa-1", work)];
  gate.resolve("session");
  deepEqual(await Promise.all(answers), ["session", "session", "session"]);
  equal(started.count, 1);
});

Deno.test("run() does not make one key wait for another", async () => {
  const flight = new SingleFlight<string, string>();
  const { gate, work } = gatedWork();
  const slow = flight.run("fa-1", work);
  equal(await flight.run("fa-2", () => Promise.resolve("other")), "other");
  gate.resolve("session");
  equal(await slow, "session");
});

Deno.test("run() starts anew after the work has ended, also after a failure", async () => {
  const flight = new SingleFlight<string, string>();
  await rejects(flight.run("fa-1", () => Promise.reject(new PsoError("denied", "no"))), /no/);
  equal(await flight.run("fa-1", () => Promise.resolve("first")), "first");
  equal(await flight.run("fa-1", () => Promise.resolve("second")), "second");
});

Deno.test("run() ends the wait of a caller whose signal fires; the work goes on for the others", async () => {
  const flight = new SingleFlight<string, string>();
  const { gate, started, work } = gatedWork();
  const caller = new AbortController();
  const impatient = flight.run("fa-1", work, caller.signal);
  const patient = flight.run("fa-1", work, new AbortController().signal);
  caller.abort(new PsoError("timeout", "the call took longer than 5 ms"));
  await rejects(impatient, { code: "timeout", message: "the call took longer than 5 ms" });
  gate.resolve("late");
  equal(await patient, "late");
  equal(started.count, 1);
});

Deno.test("run() starts nothing for a caller that is gone already", async () => {
  const flight = new SingleFlight<string, string>();
  const { started, work } = gatedWork();
  await rejects(flight.run("fa-1", work, AbortSignal.abort()), { code: "timeout" });
  equal(started.count, 0);
});

Deno.test("run() leaves no rejection unhandled when every caller has gone before the work fails", async () => {
  const flight = new SingleFlight<string, string>();
  const { gate, work } = gatedWork();
  const caller = new AbortController();
  const gone = flight.run("fa-1", work, caller.signal);
  caller.abort();
  await rejects(gone, { code: "timeout" });
  gate.reject(new PsoError("unavailable", "the array does not answer"));
  await rejects(flight.run("fa-1", work), /does not answer/);
});
