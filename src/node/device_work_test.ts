import assert from "node:assert/strict";
import { PsoError } from "../errors.ts";
import { createLogger } from "../log.ts";
import { failureOf } from "../../tests/support/test_node.ts";
import { DeviceWork } from "./device_work.ts";

/** Work on a device that ends when the test says so, and what its log holds. */
function slowWork() {
  const said: string[] = [];
  const gate = Promise.withResolvers<string>();
  const devices = new DeviceWork(createLogger({ write: (line) => said.push(line) }));
  const started = { count: 0 };
  const work = () => {
    started.count++;
    return gate.promise;
  };
  const caller = new AbortController();
  const leave = () => caller.abort(new PsoError("timeout", "the call took longer than 5 ms"));
  const slow = { device: "dm-7", what: "e2fsck", work };
  return { devices, gate, started, slow, caller, leave, said };
}

Deno.test("work goes on when its caller's deadline is over, and the next call waits for it", async () => {
  const { devices, gate, started, slow, caller, leave, said } = slowWork();
  const first = devices.run(slow, caller.signal);
  leave();
  const { code, message } = await failureOf(first);
  assert.equal(code, "timeout");
  assert.match(
    message,
    /^e2fsck is still running on dm-7 .*wait for it; the next call goes on from there$/,
  );
  assert.equal(devices.on("dm-7"), "e2fsck");
  const next = devices.settled("dm-7");
  await devices.settled("dm-8");
  gate.resolve("done");
  await next;
  assert.deepEqual([devices.on("dm-7"), started.count], [undefined, 1]);
  assert.match(said.join(), /work on a device ended/);
});

Deno.test("a device is not taken away below its work, which a call that waits may leave too", async () => {
  const { devices, gate, slow, caller, leave } = slowWork();
  const first = devices.run(slow);
  assert.throws(() => devices.refuse("dm-7"), { code: "in_use", message: /^e2fsck is still/ });
  devices.refuse("dm-8");
  const waiting = devices.settled("dm-7", caller.signal);
  leave();
  assert.equal((await failureOf(waiting)).code, "timeout");
  gate.resolve("done");
  assert.equal(await first, "done");
  devices.refuse("dm-7");
});

Deno.test("work that fails is said to its caller, and after it other work begins", async () => {
  const { devices, gate, slow } = slowWork();
  const first = devices.run(slow);
  const next = devices.run({ ...slow, work: () => Promise.resolve("mended") });
  gate.reject(new PsoError("unavailable", "it asks a person"));
  assert.match((await failureOf(first)).message, /it asks a person/);
  assert.equal(await next, "mended");
});
