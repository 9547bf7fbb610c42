import assert from "node:assert/strict";
import { Slots } from "../../async/slots.ts";
import { PsoError } from "../../errors.ts";
import { createLogger } from "../../log.ts";
import { type HealEvent, Heals } from "./heals.ts";

const FIRST_MS = 15_000;
const DEAD = new PsoError("unavailable", "the portal is dead");

/** Heals of logins under a clock of the test, with what was told of them. */
function bed() {
  const it = { nowMs: 0, log: [] as string[], events: [] as string[] };
  const log = createLogger({ level: "debug", write: (line) => it.log.push(line) });
  const heals = new Heals({ log, firstMs: FIRST_MS, now: () => it.nowMs });
  heals.onHeal = ({ what, outcome }: HealEvent) => it.events.push(`${what} ${outcome}`);
  const slots = new Slots(4);
  /** Begins a heal, waits for its end, and says whether it was begun. */
  const heal = async (work: () => Promise<boolean>, {
    key = "a",
    signal = undefined as
      | AbortSignal
      | undefined,
  } = {}) => {
    let isBegun = false;
    const start = () => {
      isBegun = true;
      return work();
    };
    heals.start(key, { what: "login", slots, work: start }, signal);
    await heals.idle();
    return isBegun;
  };
  const told = (level: string) => it.log.filter((line) => line.includes(`"level":"${level}"`));
  return { it, heals, slots, heal, told };
}

const worked = () => Promise.resolve(true);
const failed = () => Promise.reject(DEAD);

Deno.test("a heal that changed something is told; one that found nothing to do is not", async () => {
  const { it, heal } = bed();
  await heal(() => Promise.resolve(false));
  assert.deepEqual([it.events, it.log], [[], []]);
  await heal(worked);
  assert.deepEqual(it.events, ["login ok"]);
  assert.equal(it.log.length, 1);
});

Deno.test("a heal that failed waits longer each time, up to five minutes, and is told once per reason", async () => {
  const { it, heal, told } = bed();
  const triedAt: number[] = [];
  for (; it.nowMs < 1_500_000; it.nowMs += 5_000) {
    if (await heal(failed)) triedAt.push(it.nowMs / 1000);
  }
  assert.deepEqual(triedAt, [0, 15, 45, 105, 225, 465, 765, 1065, 1365]);
  assert.equal(told("warn").length, 1);
  assert.equal(it.events.length, triedAt.length);
  it.nowMs += 300_000;
  await heal(() => Promise.reject(new PsoError("denied", "another reason")));
  assert.equal(told("warn").length, 2);
});

Deno.test("a heal that worked begins anew when it fails again", async () => {
  const { it, heal } = bed();
  await heal(failed);
  it.nowMs += FIRST_MS;
  await heal(worked);
  assert.equal(await heal(failed), true);
  it.nowMs += FIRST_MS;
  assert.equal(await heal(failed), true);
});

Deno.test("keepOnly() forgets the failures of what is no longer wrong", async () => {
  const { heals, heal } = bed();
  for (const key of ["a", "b"]) await heal(failed, { key });
  heals.keepOnly(new Set(["b"]));
  assert.equal(await heal(worked, { key: "a" }), true);
  assert.equal(await heal(worked, { key: "b" }), false);
});

Deno.test("a volume that is busy is no failure: the next round tries again", async () => {
  const { it, heal } = bed();
  await heal(() => Promise.reject(new PsoError("busy", "a stage is running")));
  assert.deepEqual([it.events, it.log], [[], []]);
  assert.equal(await heal(worked), true);
});

Deno.test("what ends with the process is no failure, and nothing begins after it", async () => {
  const { it, heal } = bed();
  const stop = new AbortController();
  const { signal } = stop;
  await heal(() => {
    stop.abort();
    return failed();
  }, { signal });
  assert.deepEqual(it.events, []);
  assert.equal(await heal(worked, { signal }), false);
});

Deno.test("of one key only one heal runs at once; others begin beside it, and idle() waits for all", async () => {
  const { it, heals, slots } = bed();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let begun = 0;
  const work = () => {
    begun++;
    return promise;
  };
  for (const key of ["a", "a", "b"]) heals.start(key, { what: "login", slots, work });
  await Promise.resolve();
  assert.equal(begun, 2);
  let isIdle = false;
  const idle = heals.idle().then(() => isIdle = true);
  await Promise.resolve();
  assert.equal(isIdle, false);
  resolve(true);
  await idle;
  assert.equal(it.events.length, 2);
});
