/**
 * A fuzzer of what arrays answer: calls of both clients against a simulated array whose answers are
 * spoilt, lost or late. Every call ends in time, with a PsoError that quotes no secret; no code is
 * final while the volume was made; nobody else's objects change. Open-ended, until it is stopped or
 * finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/rest_fuzz.ts --seed 1 [--seconds 600]
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { ConnectOptions, StorageArray } from "../../src/arrays/array.ts";
import { Limiter } from "../../src/arrays/rest/limiter.ts";
import { until, untilAborted } from "../../src/async/wait.ts";
import { isNeverFinal, isPsoError, messageOf } from "../../src/errors.ts";
import { createLogger } from "../../src/log.ts";
import { type Fetch, HttpsClient, TransportError } from "../../src/net/https.ts";
import { Secret } from "../../src/secret.ts";
import { MiB } from "../../src/size.ts";
import { type ArrayBench, type Kind, node, withArray } from "../contract/array_bench.ts";
import { type FuzzOptions, runFuzzer } from "./fuzz_main.ts";
import { Random } from "./random.ts";
import { bentAnswer } from "./rest_mutations.ts";

const SIZE = 16 * MiB;
const BYSTANDER = "k8s-bystander";
/** A call that is not over by then hangs: its deadline is a fifth of that. */
const HANG_MS = 5_000;
const DEADLINE_MS = 1_000;
const ANSWER_MS = 50;
const MESSAGE_CHARS_MAX = 8_000;
/** The bystander is looked at after so many calls, and the client made anew. */
const CALLS_PER_CLIENT = 25;
const PASSWORD = "canary-of-chap-1";
const GROUP = "group-0b5e2e943f4c4c2e9f670d2d1b1d7a11-m0123456789a";

/** How much a run saw. */
export interface RestFuzzCounts {
  calls: number;
  bent: number;
  refused: number;
  /** Creates that failed with a final code, or proved that nothing was made. */
  finalCreates: number;
}

/** One array under attack, and what must be kept from everybody's eyes. */
interface Attack {
  bench: ArrayBench;
  random: Random;
  counts: RestFuzzCounts;
  secrets: Set<string>;
  log: string[];
}

const CONNECT: Record<Kind, ConnectOptions> = {
  flasharray: {
    protocol: "iscsi",
    exclusive: true,
    preempt: true,
    readOnly: false,
    chap: { host: { user: "user", password: new Secret(PASSWORD) } },
  },
  flashblade: { protocol: "nfs", exclusive: false, preempt: true, readOnly: false },
};

/** Whether what a call makes is there; of a group any part. */
const MADE: Record<string, (array: StorageArray, name: string) => Promise<boolean>> = {
  create: async (array, name) => await array.findVolume(name) !== undefined,
  group: async (array, name) => {
    const [one, other] = [name, "k8s-fuzz-1"].map((volume) => `${volume}.${GROUP}`);
    const found = [await array.findSnapshot(one ?? ""), await array.findSnapshot(other ?? "")];
    return found.some((snapshot) => snapshot !== undefined);
  },
};

type Call = (array: StorageArray, name: string, signal: AbortSignal) => Promise<unknown>;

function callsOf(kind: Kind): Record<string, Call> {
  const options = CONNECT[kind];
  return {
    create: (array, name, signal) => array.createVolume({ name, sizeBytes: SIZE }, signal),
    find: (array, name, signal) => array.findVolume(name, { hosts: true, signal }),
    grow: (array, name, signal) => array.growVolume(name, 2 * SIZE, signal),
    delete: (array, name, signal) => array.deleteVolume(name, { cluster: "k8s", signal }),
    connect: (array, name, signal) => array.connect(name, node(1), { ...options, signal }),
    disconnect: (array, name, signal) => array.disconnect(name, node(1), { signal }),
    snapshot: (array, name, signal) => array.createSnapshot(name, "a", signal),
    group: (array, name, signal) => array.createGroupSnapshot([name, "k8s-fuzz-1"], GROUP, signal),
    findSnapshot: (array, name, signal) => array.findSnapshot(`${name}.a`, signal),
    deleteSnapshot: (array, name, signal) => array.deleteSnapshot(`${name}.a`, { signal }),
    list: (array, _, signal) =>
      array.listVolumes({ prefix: "k8s-", limit: 500, hosts: true }, signal),
    blocks: async (array, name, signal) => {
      const { read } = await array.openBlocks({ snapshot: `${name}.a` }, signal);
      return await Array.fromAsync(read(0, signal));
    },
    listSnapshots: (array, volume, signal) => array.listSnapshots({ volume, limit: 500 }, signal),
    status: (array, _, signal) => array.status(signal),
  };
}

/** Runs until the time is over; throws at the first fault, which names the call and the seed. */
export async function fuzzRest({ seed, seconds }: FuzzOptions): Promise<RestFuzzCounts> {
  const random = new Random(seed);
  const counts = { calls: 0, bent: 0, refused: 0, finalCreates: 0 };
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  // Both kinds at once: each has an array for the whole run.
  await Promise.all(
    (["flasharray", "flashblade"] as const).map((kind) =>
      withArray({ kind }, async (bench) => {
        const secrets = new Set([bench.endpoint.token.reveal(), PASSWORD]);
        const attack = {
          bench,
          random: new Random(random.below(2 ** 31)),
          counts,
          secrets,
          log: [],
        };
        await prepareBystander(bench);
        while (performance.now() < end) await attackWithOneClient(attack, seed);
      })
    ),
  );
  return counts;
}

async function prepareBystander({ array, kind }: ArrayBench): Promise<void> {
  await array.createVolume({ name: BYSTANDER, sizeBytes: SIZE });
  await array.createSnapshot(BYSTANDER, "kept");
  const { chap: _, ...options } = CONNECT[kind];
  await array.connect(BYSTANDER, node(2), options);
}

async function bystander(array: StorageArray): Promise<unknown> {
  const volume = await array.findVolume(BYSTANDER, { hosts: true });
  return [volume, await array.findSnapshot(`${BYSTANDER}.kept`)];
}

async function attackWithOneClient(attack: Attack, seed: number): Promise<void> {
  const { bench, random, counts } = attack;
  const https = new HttpsClient(bench.endpoint);
  const limiter = new Limiter();
  const log = createLogger({ level: "debug", write: (line) => attack.log.push(line) });
  const fetch = spoilt(attack, https.fetch);
  const array = bench.open({}, { fetch, limiter, log, callTimeoutMs: ANSWER_MS });
  const before = await bystander(bench.array);
  const calls = callsOf(bench.kind);
  for (let number = 0; number < CALLS_PER_CLIENT; number++) {
    const what = random.pick(Object.keys(calls));
    const name = `k8s-fuzz-${random.oneIn(3) ? `${counts.calls}` : random.below(4)}`;
    try {
      const work = calls[what];
      ok(work);
      const isMade = MADE[what];
      const existed = await isMade?.(bench.array, name);
      const error = await outcome((signal) => work(array, name, signal));
      counts.calls++;
      if (error === undefined) continue;
      counts.refused++;
      checkError(attack, error);
      if (!isMade || isNeverFinal(error) || existed) continue;
      counts.finalCreates++;
      equal(await isMade(bench.array, name), false, `final code, and the ${what} was made`);
    } catch (error) {
      const last = attack.log.slice(-8).join("");
      const input = JSON.stringify({ seed, kind: bench.kind, what, name, call: counts.calls });
      throw new Error(`input ${input}: ${messageOf(error)}\n${last}`, { cause: error });
    }
  }
  checkQuiet(attack, attack.log.splice(0).join(""));
  // What a call began beside what failed may go on until its deadline.
  const isQuiet = () => limiter.running + limiter.waiting === 0;
  await until("every permit is given back", isQuiet, { timeoutMs: HANG_MS });
  deepEqual(await bystander(bench.array), before, "nobody else's objects change");
  https.close();
}

/** What the call ended with; throws when it does not end. */
async function outcome(work: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), DEADLINE_MS);
  const hang = new AbortController();
  const hangTimer = setTimeout(() => hang.abort(), HANG_MS);
  try {
    const ended = work(deadline.signal).then(() => undefined, (error: unknown) => error);
    return await untilAborted(ended, hang.signal);
  } catch {
    throw new Error(`it hangs for ${HANG_MS} ms`);
  } finally {
    clearTimeout(timer);
    clearTimeout(hangTimer);
  }
}

function checkError(attack: Attack, error: unknown): void {
  ok(isPsoError(error), `INTERNAL: ${error instanceof Error ? error.stack : error}`);
  ok(error.message.length < MESSAGE_CHARS_MAX, `${error.message.length} characters`);
  checkQuiet(attack, error.message);
}

function checkQuiet({ secrets }: Attack, text: string): void {
  for (const secret of secrets) {
    const shown = text.toLowerCase().includes(secret.toLowerCase());
    ok(!shown, `a secret is shown: ${text.slice(0, 500)}`);
  }
}

/** The array's own answers, of which one in three is spoilt, lost or late. */
function spoilt({ random, counts, secrets }: Attack, pass: Fetch): Fetch {
  return async (request) => {
    if (!random.oneIn(3)) return await learnt(pass(request), secrets);
    counts.bent++;
    const isPassed = random.below(4) > 0;
    if (random.oneIn(6)) {
      if (isPassed) await pass(request).catch(() => {});
      if (random.oneIn(2)) {
        throw new TransportError("unavailable", "reset", { sent: isPassed || random.oneIn(2) });
      }
      return await new Promise((_, reject) => {
        const late = () => reject(new TransportError("timeout", "no answer", { sent: true }));
        if (request.signal?.aborted) late();
        request.signal?.addEventListener("abort", late);
      });
    }
    const response = isPassed
      ? await learnt(pass(request), secrets)
      : { status: 200, headers: {}, text: '{"items":[]}' };
    return bentAnswer(random, { request, response });
  };
}

/** Notes the session that a login gives, which is a secret too. */
async function learnt(answer: ReturnType<Fetch>, secrets: Set<string>): ReturnType<Fetch> {
  const response = await answer;
  const session = response.headers["x-auth-token"];
  if (session !== undefined) secrets.add(session);
  return response;
}

if (import.meta.main) await runFuzzer(fuzzRest);
