import { deepEqual, rejects } from "node:assert/strict";
import { KeyedQueue } from "./keyed_queue.ts";

Deno.test("inTurn() runs the work of one key in order, also after a failure, while another key goes on", async () => {
  const queue = new KeyedQueue();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = queue.inTurn("a", async () => {
    await gate.promise;
    order.push("a1");
    throw new Error("a1 failed");
  }, undefined);
  const second = queue.inTurn("a", () => Promise.resolve(void order.push("a2")), undefined);
  await queue.inTurn("b", () => Promise.resolve(void order.push("b1")), undefined);
  gate.resolve();
  await rejects(first, /a1 failed/);
  await second;
  deepEqual(order, ["b1", "a1", "a2"]);
});
