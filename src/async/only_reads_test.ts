import { equal, rejects } from "node:assert/strict";
import { pause } from "./wait.ts";
import { isOnlyReading, onlyReading } from "./only_reads.ts";

Deno.test("onlyReading() marks what its work calls and awaits, and nothing beside or after it", async () => {
  equal(isOnlyReading(), false);
  const gate = Promise.withResolvers<void>();
  const deep = async () => {
    await pause(0);
    await Promise.all([gate.promise, pause(0)]);
    return isOnlyReading();
  };
  const reading = onlyReading(deep);
  equal(isOnlyReading(), false);
  const beside = deep();
  gate.resolve();
  equal(await reading, true);
  equal(await beside, false);
  equal(isOnlyReading(), false);
});

Deno.test("onlyReading() marks each step of a generator that its work goes through", async () => {
  async function* steps() {
    yield isOnlyReading();
    await pause(0);
    yield isOnlyReading();
  }
  const seen: boolean[] = [];
  await onlyReading(async () => {
    for await (const step of steps()) seen.push(step);
  });
  equal(seen.join(), "true,true");
});

Deno.test("onlyReading() binds nothing that its work left behind, also when it failed", async () => {
  const gate = Promise.withResolvers<void>();
  let left: Promise<boolean> | undefined;
  const failing = onlyReading(() => {
    left = gate.promise.then(isOnlyReading);
    return Promise.reject(new Error("failed"));
  });
  await rejects(failing, /failed/);
  gate.resolve();
  equal(await left, false);
});
