import { deepEqual, equal, match, ok } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { silentLogger } from "../log.ts";
import { KubeClient } from "./client.ts";
import { LeaderLease, RETRY_MS, type Takeover } from "./leader_lease.ts";
import { leaseStore } from "./lease_object.ts";

const LEASE = { namespace: "pso", name: "leader" };

/** Two clocks that only the test moves; each process of a bed lives by them. */
class Clocks {
  monotonicMs = 1_000;
  wallMs = Date.UTC(2026, 0, 1);
  readonly now = () => ({ monotonicMs: this.monotonicMs, wallMs: this.wallMs });

  move(ms: number): void {
    this.monotonicMs += ms;
    this.wallMs += ms;
  }
}

/** One process, and what became of it. */
interface Candidate {
  lease: LeaderLease;
  takeovers: Takeover[];
  losses: string[];
  isWanted: boolean;
  obstacle?: string;
}

/** Some processes, one API server, one pair of clocks. */
class Bed {
  readonly api = new FakeKubeApi();
  readonly clocks = new Clocks();

  constructor() {
    this.api.put(LEASE);
    this.edit({ holderIdentity: "", leaseDurationSeconds: 1, leaseTransitions: 4 });
  }

  edit(spec: Parameters<FakeKubeApi["edit"]>[1]): void {
    this.api.edit(LEASE, spec);
  }

  get holder(): string | undefined {
    return this.api.spec(LEASE).holderIdentity;
  }

  candidate(identity: string): Candidate {
    const kube = new KubeClient(this.api.server());
    const candidate: Omit<Candidate, "lease"> = { takeovers: [], losses: [], isWanted: true };
    const lease = new LeaderLease({
      store: leaseStore(kube, LEASE),
      identity,
      clock: this.clocks.now,
      isWanted: () => all.isWanted,
      obstacle: () => Promise.resolve(all.obstacle),
      onLead: (takeover) => all.takeovers.push(takeover),
      onLost: (reason) => all.losses.push(reason),
      log: silentLogger,
    });
    const all: Candidate = { ...candidate, lease };
    return all;
  }

  /** A process that leads. */
  async leader(identity: string): Promise<Candidate> {
    const leader = this.candidate(identity);
    await leader.lease.step();
    ok(leader.lease.mayChange);
    return leader;
  }

  /** Lets time pass in steps of a second, in which each of them does what is due. */
  async pass(seconds: number, ...candidates: Candidate[]): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.clocks.move(1_000);
      for (const { lease } of candidates) await lease.step();
    }
  }
}

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
