/** A storm of claims is shared by the arrays as fast as each of them works it off. */
import { deepEqual } from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

const STORM = 40;
/** So long each create of the storm takes; a few run at once. */
const HELD_MS = 1_000;

Deno.test("15.1: of two arrays that hold alike, new claims go where no other ones wait for their turn", async () => {
  await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    const [busy, calm] = bed.fleet.members;
    const on = (member = calm) => ({ arrayID: member?.id ?? "" });
    const storm = (name: string, member = calm) =>
      Array.from(
        { length: STORM },
        (_, number) => bed.create(`pvc-${name}-${number}`, { parameters: on(member) }),
      );
    await Promise.all(storm("calm"));
    await bed.fault({
      ...{ array: busy?.array.label, match: { method: "POST", path: "volumes" } },
      ...{ action: "delay", value: HELD_MS, times: STORM },
    });
    const waiting = Promise.all(storm("busy", busy));
    await until(`claims wait for ${busy?.array.label}`, () => (busy?.array.crowding ?? 1) > 2.5, {
      timeoutMs: 10_000,
    });
    const ids: string[] = [];
    for (let number = 0; number < 5; number++) ids.push(await bed.create(`pvc-free-${number}`));
    await bed.healFaults();
    await waiting;
    deepEqual(new Set(ids.map((id) => id.split("/")[0])), new Set([calm?.id?.slice(0, 8)]));
  });
});
