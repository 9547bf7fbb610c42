import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { EphemeralBed, ID, NODE } from "../../tests/support/ephemeral_bed.ts";
import { PsoError } from "../errors.ts";
import { Remakes } from "./remakes.ts";

const MIN_MS = 60_000;

/** The node asks for the volume and gives it back, as often as it may in that time. */
async function askAndGiveBack(bed: EphemeralBed, { forMs }: { forMs: number }): Promise<number> {
  const before = bed.maker.calls.length;
  for (const endMs = bed.nowMs + forMs; bed.nowMs <= endMs; bed.nowMs += 1_000) {
    await bed.ask();
    await bed.step().catch(() => {});
    await bed.objects.release(ID, NODE);
    await bed.step();
    equal(await bed.objects.get(ID), undefined);
  }
  return bed.maker.calls.slice(before).filter((call) => call.startsWith("create")).length;
}

Deno.test("15.11: a node that asks and gives back all day makes few volumes", async () => {
  const bed = new EphemeralBed();
  equal(await askAndGiveBack(bed, { forMs: 10_000 }), 3);
  const inAnHour = await askAndGiveBack(bed, { forMs: 60 * MIN_MS });
  equal(inAnHour <= 12, true, `${inAnHour} in an hour`);
  equal(bed.maker.volumes.size, 0);
});

Deno.test("15.11: a volume that was given back often is made later, and that is said", async () => {
  const bed = new EphemeralBed();
  await askAndGiveBack(bed, { forMs: 10_000 });
  await bed.ask();
  await rejects(bed.step(), { code: "unavailable" });
  match(
    await bed.said(),
    /^Pending unavailable node node-1 gave the volume of pod shop\/web-0 back 3 times, and gets it anew 30 s after the last time: see in the log of its node plugin/,
  );
  bed.nowMs += 30_000;
  await bed.step();
  equal(await bed.said(), "Ready");
});

Deno.test("15.11: an end that Kubernetes did not take at once counts as one", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  await bed.objects.release(ID, NODE);
  const setFinalizers = bed.objects.setFinalizers.bind(bed.objects);
  bed.objects.setFinalizers = () => Promise.reject(new PsoError("unavailable", "no answer"));
  for (let times = 0; times < 5; times++) await rejects(bed.step(), { message: "no answer" });
  bed.objects.setFinalizers = setFinalizers;
  await bed.step();
  equal(await bed.objects.get(ID), undefined);
  await bed.ask();
  await bed.step();
  equal(await bed.said(), "Ready");
});

Deno.test("15.11: only the volume that was given back waits, ten minutes at most", () => {
  let nowMs = 0;
  const remakes = new Remakes(() => nowMs);
  const pod = { namespace: "shop", name: "web-0", uid: "1" };
  const volume = (name: string) => ({
    ...{ name, uid: "2", resourceVersion: "3", finalizers: [], isDeleting: false, status: {} },
    spec: { node: NODE, pod },
  });
  const waits = (name: string) => {
    try {
      remakes.refuseTooSoon(volume(name));
      return false;
    } catch {
      return true;
    }
  };
  for (let times = 0; times < 4; times++) remakes.ended("one");
  deepEqual([waits("one"), waits("other")], [true, false]);
  nowMs += 2 * MIN_MS;
  equal(waits("one"), false);
  remakes.ended("one");
  for (let times = 0; times < 20; times++) remakes.ended("one");
  nowMs += 10 * MIN_MS - 1;
  equal(waits("one"), true);
  nowMs += 1;
  equal(waits("one"), false, "never longer than ten minutes");
  nowMs += 24 * 60 * MIN_MS;
  remakes.ended("one");
  equal(waits("one"), false);
});
