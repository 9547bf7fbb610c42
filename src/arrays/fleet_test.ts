import { deepEqual, equal, ok } from "node:assert/strict";
import { until } from "../async/wait.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { PsoError } from "../errors.ts";
import { createLogger, silentLogger } from "../log.ts";
import type { StorageArray } from "./array.ts";
import { Fleet } from "./fleet.ts";

/** An array that holds nothing, and says how often it was asked for its facts. */
function emptyArray(name: string, isWell: () => boolean): StorageArray & { asked: number } {
  const none = () => Promise.resolve({ items: [] });
  const array = {
    label: name,
    address: `${name}.example`,
    asked: 0,
    status: () => {
      array.asked++;
      return isWell()
        ? Promise.resolve({ id: `${name}-id` })
        : Promise.reject(new PsoError("unavailable", `${name} does not answer`));
    },
    findVolume: () => Promise.resolve(undefined),
    listVolumes: none,
    listSnapshots: none,
    lookAtHosts: () => Promise.resolve(),
    groupsOf: () => Promise.resolve(new Map()),
    tagsOf: () => Promise.resolve(new Map()),
  };
  return array as unknown as StorageArray & { asked: number };
}

Deno.test("run() looks soon again at an array that has a problem, and seldom at one that is well", async () => {
  let isWell = true;
  const well = emptyArray("well", () => true);
  const broken = emptyArray("broken", () => isWell);
  const fleet = new Fleet([{ array: well }, { array: broken }], { log: silentLogger });
  const stop = new AbortController();
  await withTestClock(async ({ move }) => {
    const running = fleet.run(stop.signal, { intervalMs: 30_000 });
    const checked = (count: number) =>
      until("the checks", () => broken.asked === count, { timeoutMs: 1_000_000 });
    await checked(1);
    isWell = false;
    move(33_000);
    await checked(2);
    move(5_500);
    await checked(3);
    isWell = true;
    move(5_500);
    await until("the problem is over", () => fleet.members.every(({ problem }) => !problem), {
      timeoutMs: 1_000_000,
    });
    deepEqual([well.asked, broken.asked], [2, 4]);
    stop.abort();
    await running;
  });
});

Deno.test("refresh() says once that an array has a problem, and once that it is well again", async () => {
  let isWell = true;
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line) });
  const fleet = new Fleet([{ array: emptyArray("fa-1", () => isWell) }], { log });
  for (const next of [true, false, false, true, true]) {
    isWell = next;
    await fleet.refresh(new AbortController().signal);
  }
  const said = lines.map((line) => JSON.parse(line)).filter(({ event }) =>
    /problem|well/.test(event)
  );
  deepEqual(said.map(({ event, array }) => `${event}: ${array}`), [
    "array has a problem: fa-1",
    "array is well again: fa-1",
  ]);
});

Deno.test("mayHold() takes no 'no' from memory while another process may make volumes", async () => {
  const fence = { isOpen: true, isSettled: true };
  const fleet = new Fleet([{ array: emptyArray("fa-1", () => true) }], {
    log: silentLogger,
    cluster: "k8s",
    fence,
  });
  await fleet.refresh();
  const [member] = fleet.members;
  ok(member);
  equal(fleet.mayHold(member, "k8s-pvc-1"), false);
  fence.isOpen = false;
  equal(fleet.mayHold(member, "k8s-pvc-1"), true);
  Object.assign(fence, { isOpen: true, isSettled: false });
  equal(fleet.mayHold(member, "k8s-pvc-1"), true);
  fence.isSettled = true;
  equal(fleet.mayHold(member, "k8s-pvc-1"), false);
  fleet.coolDown();
  equal(fleet.mayHold(member, "k8s-pvc-1"), true);
});
