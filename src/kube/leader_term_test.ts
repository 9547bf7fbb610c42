// How long a leader leads: renewals, clocks, silence, another holder, and how it gives the Lease back.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { RETRY_MS } from "./leader_lease.ts";
import { Bed, LEASE } from "../../tests/support/lease_bed.ts";

Deno.test("a leader that does not renew begins no change after 10 s, and cuts them after 15 s", async () => {
  const bed = new Bed();
  const { lease } = await bed.leader("a_1");
  bed.clocks.move(9_999);
  ok(lease.mayChange);
  bed.clocks.move(1);
  equal(lease.mayChange, false);
  equal(lease.leftMs, 5_000);
  bed.clocks.move(5_000);
  equal(lease.leftMs, 0);
});

Deno.test("the larger of both clocks ends a term: a machine that slept, and one whose clock was set", async () => {
  for (const clock of ["monotonicMs", "wallMs"] as const) {
    const bed = new Bed();
    const { lease } = await bed.leader("a_1");
    bed.clocks[clock] += 15_000;
    equal(lease.mayChange, false);
    equal(lease.leftMs, 0);
  }
  const bed = new Bed();
  const { lease } = await bed.leader("a_1");
  bed.clocks.wallMs -= 3_600_000;
  bed.clocks.monotonicMs += 10_000;
  equal(lease.mayChange, false);
});

Deno.test("a term counts from the sending of the renewal, not from its answer", async () => {
  const bed = new Bed();
  const { lease } = await bed.leader("a_1");
  bed.clocks.move(2_000);
  const { answer } = bed.api;
  bed.api.answer = (call) => {
    bed.clocks.move(4_000);
    return answer.call(bed.api, call);
  };
  equal(await lease.step(), 0, "the next one is due");
  equal(lease.leftMs, 11_000);
});

Deno.test("a process that was stopped for 30 s changes nothing more once another leads, and ends", async () => {
  const bed = new Bed();
  const leader = await bed.leader("a_1");
  const standby = bed.candidate("b_1");
  await bed.pass(30, standby);
  equal(leader.lease.mayChange, false, "before it has asked anybody");
  equal(await leader.lease.step(), Infinity);
  equal(leader.losses.length, 1);
  match(leader.losses[0] ?? "", /^b_1 holds the lease now$/);
  equal(leader.lease.mayChange, false);
  equal(await leader.lease.step(), Infinity);
  equal(bed.holder, "b_1");
});

Deno.test("a silent API server stops changes; if the Lease is still ours we go on", async () => {
  const bed = new Bed();
  const { lease, losses, takeovers } = await bed.leader("a_1");
  bed.api.fault = "silent";
  bed.clocks.move(2_000);
  equal(await lease.step(), RETRY_MS);
  ok(lease.mayChange);
  bed.clocks.move(60_000);
  await lease.step();
  equal(lease.mayChange, false);
  match(lease.problem ?? "", /no answer/);
  bed.api.fault = undefined;
  await lease.step();
  ok(lease.mayChange);
  equal(lease.problem, undefined);
  deepEqual([losses.length, takeovers.length], [0, 1], "neither lost nor taken anew");
});

Deno.test("a leader ends when the Lease was another's meanwhile, is gone, or was emptied", async () => {
  const cases: [string, (bed: Bed) => void, RegExp][] = [
    ["another holds it", (bed) => bed.edit({ holderIdentity: "b_1" }), /b_1 holds/],
    ["taken and taken back", (bed) => bed.edit({ leaseTransitions: 7 }), /another's meanwhile/],
    ["emptied", (bed) => bed.edit({ holderIdentity: "" }), /nobody holds/],
    ["deleted", (bed) => bed.api.remove(LEASE), /does not exist any more/],
    ["made anew", (bed) => bed.api.put(LEASE), /nobody holds/],
  ];
  for (const [what, change, reason] of cases) {
    const bed = new Bed();
    const { lease, losses } = await bed.leader("a_1");
    change(bed);
    equal(await lease.step(), Infinity, what);
    match(losses.join(), reason, what);
    equal(lease.mayChange, false, what);
  }
});

Deno.test("a leader goes on when somebody only labelled the Lease, or an answer was lost", async () => {
  const bed = new Bed();
  const { lease, losses } = await bed.leader("a_1");
  bed.api.touch(LEASE);
  equal(await lease.step(), 0);
  equal(await lease.step(), RETRY_MS);
  bed.clocks.move(8_000);
  bed.api.fault = "answer lost";
  await lease.step();
  bed.clocks.move(2_000);
  equal(lease.mayChange, false, "a renewal without an answer counts for nothing");
  bed.api.fault = undefined;
  equal(await lease.step(), 0);
  equal(lease.mayChange, false, "nor does seeing it");
  await lease.step();
  ok(lease.mayChange);
  deepEqual(losses, []);
});

Deno.test("a take-over without an answer counts once it is renewed, with what it was", async () => {
  const bed = new Bed();
  bed.edit({ holderIdentity: "b_1", leaseDurationSeconds: 15 });
  const { lease, takeovers } = bed.candidate("a_1");
  await lease.step();
  const seenMs = bed.clocks.monotonicMs;
  bed.clocks.move(15_000);
  const { answer } = bed.api;
  bed.api.answer = (call) => {
    const given = answer.call(bed.api, call);
    return call.method === "PUT" ? { status: 504, text: "the answer was lost" } : given;
  };
  await lease.step();
  equal(lease.mayChange, false);
  equal(bed.holder, "a_1");
  bed.api.answer = answer;
  bed.clocks.move(2_000);
  await lease.step();
  ok(lease.mayChange);
  deepEqual(takeovers, [{ isClean: false, settledMs: seenMs + 20_000 }]);
  equal(bed.api.spec(LEASE).leaseTransitions, 5);
});

Deno.test("giveBack() lets another lead at once, and ends every change before", async () => {
  const bed = new Bed();
  const leader = await bed.leader("a_1");
  bed.api.touch(LEASE);
  const given = leader.lease.giveBack();
  equal(leader.lease.mayChange, false);
  await given;
  equal(await leader.lease.step(), Infinity);
  const standby = bed.candidate("b_1");
  await standby.lease.step();
  ok(standby.lease.mayChange);
  equal(standby.takeovers[0]?.isClean, true);
  await leader.lease.giveBack();
  equal(bed.holder, "b_1", "what is not held is not given back");
});

Deno.test("giveBack() leaves a Lease alone that is another's by now", async () => {
  const bed = new Bed();
  const { lease } = await bed.leader("a_1");
  bed.edit({ holderIdentity: "b_1", leaseTransitions: 6 });
  await lease.giveBack();
  equal(bed.holder, "b_1");
});

/** Numbers from 0 to 1 that a seed repeats. */
