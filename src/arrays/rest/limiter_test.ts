import assert from "node:assert/strict";
import { isPsoError } from "../../errors.ts";
import { type Lane, Limiter, type Permit } from "./limiter.ts";

async function take(limiter: Limiter, lane: Lane, count: number): Promise<Permit[]> {
  return await Promise.all(Array.from({ length: count }, () => limiter.acquire(lane)));
}

Deno.test("15.12: Limiter lets provision use only a part of the limit, so that attach starts at once", async () => {
  const limiter = new Limiter({ start: 4 });
  await take(limiter, "provision", 3);
  const fourth = limiter.acquire("provision");
  assert.equal(limiter.waiting, 1);
  await limiter.acquire("attach"); // would hang if creates could take everything
  assert.deepEqual([limiter.running, limiter.waiting], [4, 1]);
  fourth.catch(() => {});
});

Deno.test("15.12: Limiter serves an attach before a provision that waited longer", async () => {
  const limiter = new Limiter({ start: 2, floor: 2 });
  const [create] = await take(limiter, "provision", 1);
  const [publish] = await take(limiter, "attach", 1);
  const order: string[] = [];
  const later = [
    limiter.acquire("provision").then((permit) => (order.push("provision"), permit)),
    limiter.acquire("attach").then((permit) => (order.push("attach"), permit)),
  ];
  publish?.release();
  const attach = await later[1];
  create?.release();
  await later[0];
  attach?.release();
  assert.deepEqual(order, ["attach", "provision"]);
});

Deno.test("15.12: Limiter halves once per burst, however many of its calls complain", async () => {
  const limiter = new Limiter({ start: 16 });
  const burst = await take(limiter, "attach", 16);
  for (const permit of burst) permit.slow();
  assert.equal(limiter.limit, 8);
  for (const permit of burst) permit.release();
  const [next] = await take(limiter, "attach", 1);
  next?.slow();
  assert.equal(limiter.limit, 4);
});

Deno.test("15.12: Limiter never goes below its floor nor above its cap", async () => {
  const low = new Limiter({ start: 3, floor: 2 });
  for (let round = 0; round < 5; round++) {
    const permit = await low.acquire("attach");
    permit.slow();
    permit.release();
  }
  assert.equal(low.limit, 2);
  const high = new Limiter({ start: 4, cap: 5 });
  for (let round = 0; round < 50; round++) {
    const permits = await take(high, "attach", high.limit);
    for (const permit of permits) permit.ok();
    for (const permit of permits) permit.release();
  }
  assert.equal(high.limit, 5);
});

Deno.test("15.12: Limiter does not grow while it is hardly used", async () => {
  const limiter = new Limiter({ start: 12 });
  for (let round = 0; round < 500; round++) {
    const permit = await limiter.acquire("provision");
    permit.ok();
    permit.release();
  }
  assert.equal(limiter.limit, 12);
});

Deno.test("15.12: Limiter gives the turn of a waiter whose signal fires to the next", async () => {
  const limiter = new Limiter({ start: 2 });
  const held = await take(limiter, "attach", 2);
  const gone = new AbortController();
  const first = limiter.acquire("attach", gone.signal);
  const second = limiter.acquire("attach");
  gone.abort();
  await assert.rejects(first, (error) => isPsoError(error, "timeout"));
  held[0]?.release();
  held[0]?.release(); // twice: must not free two places
  await second;
  assert.deepEqual([limiter.running, limiter.waiting], [2, 0]);
});

/** Lets an array answer well that takes `most` calls at once and complains about more. */
async function answerWell(limiter: Limiter, { most, rounds }: { most: number; rounds: number }) {
  const limits: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const permits = await take(limiter, "attach", limiter.limit);
    const isTooMuch = permits.length > most;
    for (const permit of permits) isTooMuch ? permit.slow() : permit.ok();
    for (const permit of permits) permit.release();
    limits.push(limiter.limit);
  }
  return limits;
}

Deno.test("15.12: Limiter uses an array nearly to its limit once it knows that, and asks for more seldom", async () => {
  const limiter = new Limiter({ start: 12 });
  await answerWell(limiter, { most: 16, rounds: 20 });
  const limits = await answerWell(limiter, { most: 16, rounds: 100 });
  const mean = limits.reduce((sum, limit) => sum + Math.min(limit, 16), 0) / limits.length;
  assert.ok(mean > 15, `${mean} of 16 on average`);
});

Deno.test("Limiter tells how many turns its calls need, and nothing of a limit that is not reached", async () => {
  const limiter = new Limiter({ start: 4 });
  await take(limiter, "attach", 3);
  assert.equal(limiter.crowding, 1);
  const [last] = await take(limiter, "attach", 1);
  const waiting = Array.from({ length: 6 }, () => limiter.acquire("attach"));
  assert.equal(limiter.crowding, 2.5);
  last?.release();
  assert.equal(limiter.crowding, 2.25);
  for (const one of waiting) one.catch(() => {});
});

Deno.test("15.12: Limiter follows an array that can bear less than before", async () => {
  const limiter = new Limiter({ start: 12 });
  await answerWell(limiter, { most: 16, rounds: 20 });
  const limits = await answerWell(limiter, { most: 4, rounds: 100 });
  const tooMuch = limits.slice(20).filter((limit) => limit > 4).length;
  assert.ok(tooMuch < 30, `${tooMuch} of 80 rounds asked for more than the array bears`);
});
