// SIGTERM while an array hangs: the process ends long before kubelet would kill it.
import { equal, ok } from "node:assert/strict";
import { createClaim } from "../../scripts/claim.ts";
import { until } from "../../src/async/wait.ts";
import { GiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { Flow, whyNoFlow } from "./flow.ts";

const reason = whyNoFlow();
const IDLE_END_MS = 5_000;
const BUSY_END_MS = 25_000; // 20 s for the calls, and what an idle process takes

/** Sends SIGTERM to the controller and waits for its end; gives back its exit code. */
async function terminate(flow: Flow, timeoutMs: number): Promise<number> {
  let code: number | undefined;
  const ended = flow.stand.expectEnd("controller").then((end) => code = end.code);
  Deno.kill(flow.stand.pid("controller") ?? 0, "SIGTERM");
  await until("the end of the controller", () => code !== undefined, { timeoutMs });
  return await ended;
}

const hang = { action: "delay", value: 120_000, times: 1_000_000 };

Deno.test({
  name: "SIGTERM while an array hangs ends an idle controller soon, and calls are told to repeat",
  ignore: reason !== undefined && skip("the end of a controller whose array hangs", reason),
  fn: () =>
    Flow.run({ flasharrays: 1, flashblades: 0, nodes: 0 }, async (flow) => {
      await createClaim(flow.controller, "pvc-before", { sizeBytes: GiB });
      await flow.fault(hang);
      equal(await terminate(flow, IDLE_END_MS), 0);

      await flow.clearFaults();
      await flow.restart("controller");
      await flow.fault(hang);
      const calls = ["a", "b", "c", "d", "e"].map((name) =>
        createClaim(flow.controller, `pvc-${name}`, { sizeBytes: GiB }).then(
          () => 0,
          (error: Error & { code?: number }) => error.code,
        )
      );
      await until("the calls' way to the array", async () => {
        const text = await (await fetch(`${flow.stand.facts.admin}/metrics`)).text();
        return Number(/^pso_locks_held (\d+)$/m.exec(text)?.[1]) === calls.length;
      }, { timeoutMs: 5_000 });
      equal(await terminate(flow, BUSY_END_MS), 0);
      const codes = await Promise.all(calls);
      ok(codes.every((code) => code === 14 || code === 4), codes.join()); // never a final code
    }),
});
