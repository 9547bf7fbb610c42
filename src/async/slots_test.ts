import assert from "node:assert/strict";
import { PsoError } from "../errors.ts";
import { Slots } from "./slots.ts";

Deno.test("Slots run so many at once, the others in the order in which they came, also after a failure", async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const work = (number: number) =>
    slots.run(async () => {
      order.push(number);
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
      if (number === 1) throw new Error("first");
    });
  const outcomes = await Promise.allSettled([1, 2, 3, 4, 5].map(work));
  assert.deepEqual(order, [1, 2, 3, 4, 5]);
  assert.equal(most, 2);
  assert.deepEqual(outcomes.map(({ status }) => status), [
    "rejected",
    ...Array(4).fill("fulfilled"),
  ]);
});

Deno.test("a work that waits for a slot is given up with its signal, and holds no place then", async () => {
  const slots = new Slots(1);
  const gate = Promise.withResolvers<void>();
  const first = slots.run(() => gate.promise);
  const caller = new AbortController();
  const begun: string[] = [];
  const note = (name: string) => () => Promise.resolve(void begun.push(name));
  const givenUp = slots.run(note("given up"), caller.signal);
  const second = slots.run(note("second"), new AbortController().signal);
  caller.abort(new PsoError("timeout", "gone"));
  await assert.rejects(givenUp, { message: "gone" });
  await assert.rejects(slots.run(note("late"), caller.signal), { message: "gone" });
  gate.resolve();
  await Promise.all([first, second]);
  assert.deepEqual(begun, ["second"]);
  await slots.run(note("third"));
  assert.deepEqual(begun, ["second", "third"]);
});
