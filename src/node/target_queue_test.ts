import assert from "node:assert/strict";
import { PsoError } from "../errors.ts";
import { failureOf } from "../../tests/support/test_node.ts";
import { TargetQueue } from "./target_queue.ts";

/** Work that ends when the test says so. */
function controlled() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let begun = false;
  const work = () => {
    begun = true;
    return promise;
  };
  return { work, resolve, reject, hasBegun: () => begun };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

for (const method of ["inTurn", "inTurnUnlessHung"] as const) {
  Deno.test(`${method}() begins work when what came before with this key has ended, and other keys at once`, async () => {
    const queue = new TargetQueue();
    const [first, second, other] = [controlled(), controlled(), controlled()];
    const done = [
      queue[method]("host 1", first.work),
      queue[method]("host 1", second.work),
      queue[method]("host 2", other.work),
    ];
    await settled();
    assert.deepEqual([first, second, other].map((one) => one.hasBegun()), [true, false, true]);
    first.resolve("1");
    await settled();
    assert.equal(second.hasBegun(), true);
    second.resolve("2");
    other.resolve("3");
    assert.deepEqual(await Promise.all(done), ["1", "2", "3"]);
  });

  Deno.test(`${method}() ends the wait of a caller at its deadline, never begins its work, and keeps the order`, async () => {
    const queue = new TargetQueue();
    const [slow, late, next] = [controlled(), controlled(), controlled()];
    const caller = new AbortController();
    const first = queue[method]("host 1", slow.work);
    const second = failureOf(queue[method]("host 1", late.work, caller.signal));
    caller.abort(new PsoError("timeout", "the call took longer than 5 ms"));
    assert.equal((await second).message, "the call took longer than 5 ms");
    const third = queue[method]("host 1", next.work);
    await settled();
    assert.deepEqual([late.hasBegun(), next.hasBegun()], [false, false]);
    slow.resolve("1");
    next.resolve("3");
    assert.deepEqual([await first, await third, late.hasBegun()], ["1", "3", false]);
  });

  Deno.test(`${method}() goes on after work that failed`, async () => {
    const queue = new TargetQueue();
    const failed = failureOf(
      queue[method]("host 1", () => Promise.reject(new PsoError("unavailable", "refused"))),
    );
    const next = queue[method]("host 1", () => Promise.resolve("fine"));
    assert.equal((await failed).message, "refused");
    assert.equal(await next, "fine");
  });
}

Deno.test("inTurnUnlessHung() fails all that wait behind work that ran out of time, and does what comes later", async () => {
  const queue = new TargetQueue();
  const hung = controlled();
  const behind = [controlled(), controlled()];
  const failures = [hung, ...behind].map((one) =>
    failureOf(queue.inTurnUnlessHung("host 1", one.work))
  );
  hung.reject(new PsoError("timeout", "scan did not end"));
  assert.deepEqual(
    (await Promise.all(failures)).map((error) => error.message),
    Array(3).fill("scan did not end"),
  );
  assert.deepEqual(behind.map((one) => one.hasBegun()), [false, false]);
  assert.equal(await queue.inTurnUnlessHung("host 1", () => Promise.resolve("later")), "later");
});

Deno.test("inTurnUnlessHung() lets the others go on when a caller went away", async () => {
  const queue = new TargetQueue();
  const gone = controlled();
  const caller = new AbortController();
  const failed = failureOf(queue.inTurnUnlessHung("host 1", gone.work, caller.signal));
  const next = queue.inTurnUnlessHung("host 1", () => Promise.resolve("fine"));
  await settled();
  caller.abort();
  gone.reject(new PsoError("timeout", "the caller went away"));
  assert.equal((await failed).code, "timeout");
  assert.equal(await next, "fine");
});
