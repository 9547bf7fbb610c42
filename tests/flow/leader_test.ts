// Two controllers, one Lease: whatever happens to the leader, no volume is made twice.
import { deepEqual, equal, match, notEqual, ok, rejects } from "node:assert/strict";
import { claimNameOf } from "../../scripts/claim.ts";
import { pause, until } from "../../src/async/wait.ts";
import { LeaderBed } from "./leader_bed.ts";

const CLAIMS = 100;
const CREATE_MS = 800;
/** So long an array holds the creates that a leader sent before it was killed. */
const HELD_MS = 16_500;
/** How soon a process serves. */
const START_MS = 30_000;
/** After SIGTERM, once the last change has ended. */
const HANDOVER_MS = 3_000;
/** After SIGKILL: the 15 s of the Lease, and one look at it. */
const TAKEOVER_MS = 20_000;
/** A standby has nothing to wait for but its answers' way to their callers. */
const STANDBY_END_MS = 5_000;
const never = new AbortController().signal;

function claims(count: number): string[] {
  return Array.from({ length: count }, (_, at) => claimNameOf(`leader-${at}`));
}

Deno.test("a storm of claims with slow creates and a leader that is killed makes each volume once", async () => {
  await LeaderBed.run(async (bed) => {
    bed.start("pso-a");
    bed.start("pso-b");
    const first = await bed.leader(START_MS);
    equal(bed.replicas.filter(({ isReady }) => isReady).length, 1, "one leads");
    await bed.slowCreates(CREATE_MS);
    await bed.slowCreates(HELD_MS, { after: CLAIMS / 2 });
    const stop = new AbortController();
    let bound = 0;
    const all = claims(CLAIMS).map((claim) => bed.bind(claim, stop.signal).then(() => bound++));
    const isHalfDone = async () => (await bed.volumes()).length >= CLAIMS / 2;
    await until("the first half", isHalfDone, { timeoutMs: 60_000 });
    await pause(CREATE_MS); // some of the second half are under way, and are held by the arrays
    first.child.signal("SIGKILL");
    await first.child.ended;
    await bed.clearFaults();
    const before = (await bed.volumes()).length;
    const second = await bed.leader(TAKEOVER_MS);
    notEqual(second.name, first.name);
    await until("all claims", () => bound === CLAIMS, { timeoutMs: 120_000 })
      .finally(() => stop.abort());
    await Promise.all(all);
    const volumes = await bed.volumes();
    deepEqual([volumes.length, new Set(volumes).size], [CLAIMS, CLAIMS]);
    ok(before < CLAIMS, `${before} volumes when the leader was killed`);
  });
});

Deno.test("SIGTERM: a standby leads as soon as the last create has ended, and never before", async () => {
  await LeaderBed.run(async (bed) => {
    const first = bed.start("pso-a");
    await bed.leader(START_MS);
    const second = bed.start("pso-b");
    await until(
      "the standby",
      async () => /another process leads/.test(await second.child.output()),
      {
        timeoutMs: START_MS,
      },
    );
    await bed.slowCreates(4_000);
    let isEnded = false;
    const last = first.create(claimNameOf("last")).then(() => isEnded = true);
    await pause(1_000); // the create is on its way to the array
    first.child.signal("SIGTERM");
    first.isReady = false;
    await rejects(second.create(claimNameOf("early")), /pso-a_.* leads; the call must be repeated/);
    await last;
    ok(isEnded && !second.isReady, "the standby waited for the last create");
    await bed.clearFaults();
    let isMade = false;
    void bed.bind(claimNameOf("next"), never).then(() => isMade = true);
    await until("the standby's first create", () => isMade, { timeoutMs: HANDOVER_MS });
    equal((await first.child.ended).code, 0);
    equal((await bed.volumes()).length, 2);
  });
});

Deno.test("SIGSTOP for 30 s, then SIGCONT: a leader of before sends not one change any more, and ends", async () => {
  await LeaderBed.run(async (bed) => {
    const first = bed.start("pso-a");
    await bed.leader(START_MS);
    await bed.slowCreates(CREATE_MS);
    // More than the array takes at once: most of them wait in the process.
    const held = claims(40).map((claim) => first.create(claim).catch(() => {}));
    await until("the first creates", async () => await bed.changes() > 0, { timeoutMs: 10_000 });
    first.child.signal("SIGSTOP");
    first.isReady = false;
    bed.start("pso-b");
    const second = await bed.leader(START_MS + TAKEOVER_MS);
    equal(second.name, "pso-b");
    await pause(10_000);
    await bed.forget();
    first.child.signal("SIGCONT");
    const { code } = await first.child.ended;
    await Promise.all(held);
    equal(await bed.changes(), 0);
    equal(code, 1);
    match(await first.child.output(), /pso-b_[-0-9a-f]+ holds the lease now/);
    await bed.bind(claimNameOf("leader-0"), never);
    const volumes = await bed.volumes();
    equal(new Set(volumes).size, volumes.length);
  });
});

Deno.test("a silent API server stops the leader's changes and not the leader; a standby ends at once by SIGTERM", async () => {
  await LeaderBed.run(async (bed) => {
    const first = bed.start("pso-a");
    await bed.leader(START_MS);
    bed.api.fault = "silent";
    const refusal = await until(
      "the end of its changes",
      () => first.create(claimNameOf("silent")).then(() => undefined, String),
      { timeoutMs: TAKEOVER_MS },
    );
    match(refusal, /UNAVAILABLE: .*may not change arrays now: its lease could not be renewed/);
    bed.api.fault = undefined;
    await bed.bind(claimNameOf("back"), never);
    equal(first.child.hasEnded, false);

    const second = bed.start("pso-b");
    await until(
      "the standby",
      async () => /another process leads/.test(await second.child.output()),
      {
        timeoutMs: START_MS,
      },
    );
    second.child.signal("SIGTERM"); // while its sidecar's Probe is held
    await until("its end", () => second.child.hasEnded, { timeoutMs: STANDBY_END_MS });
    equal((await second.child.ended).code, 0);
    await first.create(claimNameOf("still"));
  });
});
