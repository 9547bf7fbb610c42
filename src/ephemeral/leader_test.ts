import { equal } from "node:assert/strict";
import { pause, until } from "../async/wait.ts";
import { PsoError } from "../errors.ts";
import { EphemeralBed, ID, NODE, POD } from "../../tests/support/ephemeral_bed.ts";
import { EphemeralLeader } from "./leader.ts";
import { inlineIdOf } from "./object.ts";

const WAIT = { timeoutMs: 10_000 };

interface Switches {
  isOn: boolean;
  /** How often the leader has waited. */
  ticks: number;
}

/** Runs `work` beside a leader that goes on by itself. */
async function withLeader(
  work: (bed: EphemeralBed, switches: Switches) => Promise<void>,
): Promise<void> {
  const bed = new EphemeralBed();
  const switches = { isOn: true, ticks: 0 };
  const leader = new EphemeralLeader({
    ...bed.parts(),
    fence: bed.fence,
    isOn: () => switches.isOn,
    // A tick of a second is a hundredth of that here.
    wait: (ms, signal) => {
      switches.ticks++;
      return pause(ms / 100, signal);
    },
  });
  const stop = new AbortController();
  const running = leader.run(stop.signal);
  try {
    await work(bed, switches);
  } finally {
    stop.abort();
    await running;
  }
}

Deno.test("a step that fails is tried again after its pause, whatever is written of it meanwhile", () =>
  withLeader(async (bed, switches) => {
    const create = bed.maker.createVolume.bind(bed.maker);
    let tries = 0;
    bed.maker.createVolume = () =>
      Promise.reject(new PsoError("unavailable", `try ${++tries} failed`));
    await bed.ask();
    await until("it is told", async () => await bed.said() !== "", WAIT);
    equal(await bed.said(), "Pending unavailable try 1 failed");
    const [told] = bed.all();
    // A real API server tells of the write when the step has ended.
    if (told) await bed.objects.setStatus(told, { message: "told later" });
    const { ticks } = switches;
    await until("the leader looked again", () => switches.ticks > ticks + 5, WAIT);
    equal(tries, 1);
    bed.maker.createVolume = create;
    bed.nowMs += 1_000;
    await until("it is ready", isReady(bed), WAIT);
  }));

const isReady = (bed: EphemeralBed) => async () => await bed.said() === "Ready";
const isGone = (bed: EphemeralBed) => () => bed.all().length === 0;

Deno.test("the leader serves what it finds and what comes, and a standby does not", () =>
  withLeader(async (bed) => {
    bed.fence.isOpen = false;
    await bed.ask();
    await until("the watch is there", () => bed.api.store.watches > 0, WAIT);
    equal(await bed.said(), "");
    bed.fence.isOpen = true;
    await until("it is ready", isReady(bed), WAIT);
    await bed.objects.release(ID, NODE);
    await until("it is gone", isGone(bed), WAIT);
    equal(bed.maker.volumes.size, 0);
  }));

Deno.test("a leader begins no step before what a dead one sent has ended", () =>
  withLeader(async (bed) => {
    bed.fence.isSettled = false;
    await bed.ask();
    await until("the watch is there", () => bed.api.store.watches > 0, WAIT);
    equal(bed.maker.calls.length, 0);
    bed.fence.isSettled = true;
    await until("it is ready", isReady(bed), WAIT);
  }));

Deno.test("nothing is watched while the switch is off", () =>
  withLeader(async (bed, switches) => {
    await until("the watch is there", () => bed.api.store.watches > 0, WAIT);
    switches.isOn = false;
    await until("the watch has ended", () => bed.api.store.watches === 0, WAIT);
    await bed.ask();
    switches.isOn = true;
    await until("it is ready", isReady(bed), WAIT);
  }));

Deno.test("volumes of an array that does not answer leave room for those of others", () =>
  withLeader(async (bed) => {
    const create = bed.maker.createVolume.bind(bed.maker);
    const released = Promise.withResolvers<void>();
    let [failed, hung] = [0, 0];
    bed.maker.createVolume = (request) => {
      if (failed++ < 8) return Promise.reject(new PsoError("unavailable", "no answer"));
      hung++;
      return released.promise.then(() => create(request));
    };
    for (let at = 0; at < 8; at++) {
      const pod = { ...POD, name: `app-${at}`, uid: `uid-${at}` };
      bed.pod(undefined, pod);
      await bed.ask({}, { name: inlineIdOf(pod.uid, "scratch"), pod });
    }
    try {
      await until("each has failed once", () => failed === 8, WAIT);
      await until("no step runs", () => bed.all().every(({ status }) => status.message), WAIT);
      await until("some are tried again", () => {
        bed.nowMs += 1_000;
        return hung > 0;
      }, WAIT);
      bed.maker.createVolume = create;
      await bed.ask();
      await until("another one is ready", isReady(bed), WAIT);
    } finally {
      released.resolve();
    }
  }));
