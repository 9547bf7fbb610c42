import { strict as assert } from "node:assert";
import { allEnded } from "./all_ended.ts";

Deno.test("allEnded() throws the first failure by order, once everything has ended", async () => {
  const slow = Promise.withResolvers<string>();
  let thrown: unknown;
  const all = allEnded([
    slow.promise,
    Promise.reject(new Error("second")),
    Promise.reject(new Error("third")),
  ]).catch((error) => thrown = error);
  await Promise.allSettled([Promise.reject(), Promise.resolve()]);
  assert.equal(thrown, undefined);
  slow.resolve("first");
  await all;
  assert.match(String(thrown), /second/);
});

Deno.test("allEnded() gives the results in the order of the works", async () => {
  const slow = Promise.withResolvers<number>();
  const all = allEnded([slow.promise, Promise.resolve(2)]);
  slow.resolve(1);
  assert.deepEqual(await all, [1, 2]);
});
