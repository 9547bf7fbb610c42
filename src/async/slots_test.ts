import assert from "node:assert/strict";
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
