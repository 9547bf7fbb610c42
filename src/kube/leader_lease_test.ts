import { deepEqual, equal, match, ok } from "node:assert/strict";
import { RETRY_MS } from "./leader_lease.ts";
import { Bed, LEASE } from "../../tests/support/lease_bed.ts";

Deno.test("a Lease that was given back is taken at once, as clean", async () => {
  const bed = new Bed();
  const { lease, takeovers } = bed.candidate("a_1");
  equal(lease.mayChange, false);
  equal(await lease.step(), RETRY_MS);
  ok(lease.mayChange);
  deepEqual(takeovers, [{ isClean: true, settledMs: bed.clocks.monotonicMs }]);
  deepEqual(bed.api.spec(LEASE), {
    holderIdentity: "a_1",
    leaseDurationSeconds: 15,
    leaseTransitions: 5,
    acquireTime: "2026-01-01T00:00:00.000000Z",
    renewTime: "2026-01-01T00:00:00.000000Z",
  });
});

Deno.test("a Lease without a holder that nobody gave back is taken as if a leader had died", async () => {
  for (const spec of [{}, { holderIdentity: "", leaseDurationSeconds: 15 }]) {
    const bed = new Bed();
    bed.api.put(LEASE, { spec });
    const { lease, takeovers } = bed.candidate("a_1");
    await lease.step();
    const seenMs = bed.clocks.monotonicMs;
    bed.clocks.move(14_000);
    await lease.step();
    equal(lease.mayChange, false);
    bed.clocks.move(1_000);
    await lease.step();
    ok(lease.mayChange);
    deepEqual(takeovers, [{ isClean: false, settledMs: seenMs + 20_000 }]);
  }
});

Deno.test("a candidate takes a free Lease only while a client waits, or after 10 seconds", async () => {
  const bed = new Bed();
  const [idle, wanted] = [bed.candidate("a_1"), bed.candidate("b_1")];
  idle.isWanted = false;
  await bed.pass(9, idle);
  equal(bed.holder, "");
  await wanted.lease.step();
  equal(bed.holder, "b_1");
  await wanted.lease.giveBack();
  await bed.pass(12, idle);
  equal(bed.holder, "a_1");
});

Deno.test("a standby takes the Lease 15 seconds after it saw it change, and no renewed one", async () => {
  const bed = new Bed();
  const leader = await bed.leader("a_1");
  const standby = bed.candidate("b_1");
  await bed.pass(60, leader, standby);
  equal(standby.lease.mayChange, false);
  equal(standby.lease.shownHolder, "a_1");
  const seenMs = bed.clocks.monotonicMs;
  await bed.pass(14, standby);
  equal(bed.holder, "a_1");
  await bed.pass(1, standby);
  equal(bed.holder, "b_1");
  // 10 s in which the leader before may have begun a change, and 10 s for the array to do it.
  deepEqual(standby.takeovers, [{ isClean: false, settledMs: seenMs + 20_000 }]);
  equal(leader.lease.mayChange, false, "never two at once");
});

Deno.test("a standby that was stopped itself takes no Lease that was renewed meanwhile", async () => {
  const bed = new Bed();
  const leader = await bed.leader("a_1");
  const standby = bed.candidate("b_1");
  await standby.lease.step();
  await bed.pass(30, leader);
  await standby.lease.step();
  equal(standby.lease.mayChange, false);
  await bed.pass(14, standby);
  equal(bed.holder, "a_1");
});

Deno.test("the wall clock of another machine takes no Lease", async () => {
  const bed = new Bed();
  const leader = await bed.leader("a_1");
  const standby = bed.candidate("b_1");
  await standby.lease.step();
  bed.clocks.wallMs += 3_600_000;
  await standby.lease.step();
  equal(standby.lease.mayChange, false);
  await leader.lease.step();
  ok(leader.lease.mayChange, "renewed by its own clock");
});

Deno.test("the dead predecessor of one's own pod is followed at once, as unclean", async () => {
  const bed = new Bed();
  await bed.leader("pso-0_one");
  const other = bed.candidate("pso-00_one");
  await other.lease.step();
  equal(other.lease.mayChange, false);
  const { lease, takeovers } = bed.candidate("pso-0_two");
  await lease.step();
  ok(lease.mayChange);
  deepEqual(takeovers, [{ isClean: false, settledMs: bed.clocks.monotonicMs + 10_000 }]);
});

Deno.test("of two candidates one leads", async () => {
  const bed = new Bed();
  const [one, other] = [bed.candidate("a_1"), bed.candidate("b_1")];
  await Promise.all([one.lease.step(), other.lease.step()]);
  await bed.pass(3, one, other);
  deepEqual([one.lease.mayChange, other.lease.mayChange].sort(), [false, true]);
});

Deno.test("an obstacle keeps a candidate from a free Lease, and is told", async () => {
  const bed = new Bed();
  const candidate = bed.candidate("a_1");
  candidate.obstacle = "another release is installed";
  await bed.pass(3, candidate);
  equal(bed.holder, "");
  equal(candidate.lease.problem, "another release is installed");
  candidate.obstacle = undefined;
  await bed.pass(1, candidate);
  ok(candidate.lease.mayChange);
  equal(candidate.lease.problem, undefined);
});

Deno.test("without the API, the right or the Lease a candidate waits, says why and makes nothing", async () => {
  const bed = new Bed();
  const { lease, losses } = bed.candidate("a_1");
  bed.api.fault = "silent";
  equal(await lease.step(), RETRY_MS);
  match(lease.problem ?? "", /no answer to GET/);
  bed.api.fault = "forbidden";
  await lease.step();
  match(lease.problem ?? "", /403 .* give the account this right/);
  bed.api.fault = undefined;
  bed.api.remove(LEASE);
  await lease.step();
  match(lease.problem ?? "", /404 .* install the chart again/);
  deepEqual(losses, []);
  equal(bed.holder, undefined);
});

function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`never two may change arrays, whatever the API server does, seed ${seed}`, async () => {
    const bed = new Bed();
    const random = randomOf(seed);
    const candidates = [bed.candidate("a_1"), bed.candidate("b_1"), bed.candidate("c_1")];
    let leads = 0;
    for (let round = 0; round < 400; round++) {
      bed.clocks.move(Math.floor(random() * 4_000));
      const one = candidates[Math.floor(random() * 3)];
      const faults = [undefined, undefined, undefined, "silent", "answer lost"] as const;
      bed.api.fault = faults[Math.floor(random() * 5)];
      if (one === undefined) continue;
      if (random() < 0.01) await one.lease.giveBack();
      const isOver = await one.lease.step() === Infinity;
      const leading = candidates.filter(({ lease }) => lease.mayChange || lease.leftMs > 0);
      ok(leading.length <= 1, `round ${round}`);
      leads += leading.length;
      if (isOver) candidates[candidates.indexOf(one)] = bed.candidate(`pod${round}_1`);
    }
    ok(leads > 50, `somebody led in ${leads} rounds`);
  });
}

Deno.test("a holder of any length is shown in short, on one line", async () => {
  const bed = new Bed();
  bed.edit({ holderIdentity: `other\n${"x".repeat(2 ** 20)}`, leaseDurationSeconds: 15 });
  const { lease } = bed.candidate("a_1");
  await lease.step();
  match(lease.shownHolder, /^other x{190,193}…$/);
});
