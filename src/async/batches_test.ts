import { deepEqual, equal, rejects } from "node:assert/strict";
import { PsoError } from "../errors.ts";
import { Batches } from "./batches.ts";

/** Reads that end when the test says so; `reads` has the keys of each that began. */
class Reads {
  readonly reads: string[][] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  readonly #gates: { keys: readonly string[]; gate: PromiseWithResolvers<void> }[] = [];
  nowMs = 0;
  /** Keys that are refused together with others, and alone. */
  bad = new Set<string>();
  /** Keys that a read of several says nothing of. */
  silent = new Set<string>();

  of(most = 10): Batches<string> {
    return new Batches<string>({
      most,
      one: async (key, signal) => (await this.#read([key], signal)).get(key) ?? `${key} alone`,
      many: (keys, signal) => this.#read(keys, signal),
      apart: (error, keys) =>
        error instanceof PsoError && error.code === "invalid"
          ? keys.slice(0, keys.length / 2)
          : undefined,
      now: () => this.nowMs,
    });
  }

  async #read(keys: readonly string[], signal?: AbortSignal): Promise<Map<string, string>> {
    this.reads.push([...keys]);
    this.signals.push(signal);
    const gate = Promise.withResolvers<void>();
    this.#gates.push({ keys, gate });
    await gate.promise;
    if (keys.some((key) => this.bad.has(key))) throw new PsoError("invalid", `bad: ${keys}`);
    const given = keys.filter((key) => keys.length === 1 || !this.silent.has(key));
    return new Map(given.map((key) => [key, `${key} of ${keys.length}`]));
  }

  /** Ends the reads of this key that have begun. */
  end(key: string, error?: Error): void {
    for (const { gate } of this.#gates.filter(({ keys }) => keys.includes(key))) {
      if (error) gate.reject(error);
      else gate.resolve();
    }
  }

  /** Ends every read, also those that begin by it. */
  async endAll(): Promise<void> {
    for (let round = 0; round < 50; round++) {
      for (const { gate } of this.#gates) gate.resolve();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** Waits until a read of these keys has begun. */
async function begun(reads: Reads, keys: string[]): Promise<void> {
  while (reads.reads.at(-1)?.join() !== keys.join()) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A read that took `ms`, and one that has just begun: who comes next is gathered. */
async function busy(reads: Reads, batches: Batches<string>, ms = 100): Promise<void> {
  const first = batches.get("first");
  reads.nowMs += ms;
  reads.end("first");
  await first;
  void batches.get("second");
  reads.reads.length = 0;
  reads.signals.length = 0;
}

Deno.test("get() reads at once for a caller who comes alone, by a read of its own", async () => {
  const reads = new Reads();
  const batches = reads.of();
  const signal = new AbortController().signal;
  const got = batches.get("a", signal);
  deepEqual(reads.reads, [["a"]]);
  equal(reads.signals[0], signal);
  reads.end("a");
  equal(await got, "a of 1");
});

Deno.test("get() gives nobody a read that began before it asked, and reads for all who came meanwhile at once", async () => {
  const reads = new Reads();
  const batches = reads.of();
  await busy(reads, batches, 20);
  const asked = ["a", "b", "a", "c"].map((key) => batches.get(key));
  deepEqual(reads.reads, []);
  await begun(reads, ["a", "b", "c"]);
  const late = batches.get("a");
  await reads.endAll();
  deepEqual(await Promise.all(asked), ["a of 3", "b of 3", "a of 3", "c of 3"]);
  await late;
  deepEqual(reads.reads.at(-1), ["a"]);
  equal(reads.reads.length, 2);
});

Deno.test("get() waits for no more than one read takes: as many keys as one takes begin at once", async () => {
  const reads = new Reads();
  const batches = reads.of(2);
  await busy(reads, batches);
  const asked = ["a", "b"].map((key) => batches.get(key));
  deepEqual(reads.reads, [["a", "b"]]);
  reads.end("a");
  await Promise.all(asked);
});

Deno.test("a caller that goes away gets its own error, and the others their answer", async () => {
  const reads = new Reads();
  const batches = reads.of(3);
  await busy(reads, batches);
  const callers = ["a", "b", "c"].map((key) => ({ key, abort: new AbortController() }));
  const asked = callers.map(({ key, abort }) => batches.get(key, abort.signal));
  callers[0]?.abort.abort(new PsoError("timeout", "a is gone"));
  await rejects(asked[0] ?? Promise.resolve(), /a is gone/);
  equal(reads.signals[0]?.aborted, false);
  reads.end("b");
  deepEqual(await Promise.all(asked.slice(1)), ["b of 3", "c of 3"]);
});

Deno.test("a read ends when all of its callers have gone, and one that has not begun is left out", async () => {
  const reads = new Reads();
  const batches = reads.of(2);
  await busy(reads, batches, 20);
  const gone = new AbortController();
  const both = ["a", "b"].map((key) => batches.get(key, gone.signal));
  gone.abort(new PsoError("timeout", "all are gone"));
  for (const one of both) await rejects(one, /all are gone/);
  equal(reads.signals[0]?.aborted, true);
  reads.end("a");
  const early = new AbortController();
  const left = batches.get("c", early.signal);
  const stays = batches.get("c");
  early.abort(new PsoError("timeout", "c is gone"));
  await rejects(left, /c is gone/);
  await begun(reads, ["c"]);
  reads.end("c");
  equal(await stays, "c of 1");
});

Deno.test("a key that is refused harms no other: the read is taken apart until it is alone", async () => {
  const reads = new Reads();
  reads.bad.add("c");
  const batches = reads.of(4);
  await busy(reads, batches);
  const asked = ["a", "b", "c", "d"].map((key) => batches.get(key));
  const ends = Promise.allSettled(asked);
  await reads.endAll();
  const got = (await ends).map((end) =>
    end.status === "fulfilled" ? end.value : end.reason.message
  );
  deepEqual(got, ["a of 2", "b of 2", "bad: c", "d of 1"]);
});

Deno.test("a key that a read of several leaves out is read alone", async () => {
  const reads = new Reads();
  reads.silent.add("b");
  const batches = reads.of(3);
  await busy(reads, batches);
  const asked = ["a", "b", "c"].map((key) => batches.get(key));
  await reads.endAll();
  deepEqual(await Promise.all(asked), ["a of 3", "b of 1", "c of 3"]);
  deepEqual(reads.reads, [["a", "b", "c"], ["b"]]);
});

Deno.test("trouble that is about no key goes to all callers, without another read", async () => {
  const reads = new Reads();
  const batches = reads.of(2);
  await busy(reads, batches);
  const asked = ["a", "b"].map((key) => batches.get(key));
  const ends = Promise.allSettled(asked);
  reads.end("a", new PsoError("unavailable", "no answer"));
  deepEqual((await ends).map(({ status }) => status), ["rejected", "rejected"]);
  equal(reads.reads.length, 1);
});

Deno.test("callers who come while the first of all reads runs wait for its end, and are read together", async () => {
  const reads = new Reads();
  const batches = reads.of();
  const got = ["a", "b", "c"].map((key) => batches.get(key));
  deepEqual(reads.reads, [["a"]]);
  reads.nowMs += 100;
  reads.end("a");
  await begun(reads, ["b", "c"]);
  await reads.endAll();
  deepEqual(await Promise.all(got), ["a of 1", "b of 2", "c of 2"]);
});

Deno.test("callers who come while the first of all reads hangs are served without it", async () => {
  const reads = new Reads();
  const batches = reads.of();
  const hung = batches.get("a");
  const got = batches.get("b");
  await begun(reads, ["b"]);
  reads.end("b");
  deepEqual(await got, "b of 1");
  reads.end("a");
  await hung;
});
