/**
 * A fuzzer of what an API server answers: lists, single objects and lines of watches that are
 * spoilt, lost or another's. Every call ends with a value or an error of ours that quotes no secret,
 * and what follows objects knows the truth again as soon as the server tells it. Open-ended, until
 * it is stopped or finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/kube_fuzz.ts --seed 1 [--seconds 600]
 */
import { deepEqual, ok } from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { isPsoError, messageOf } from "../../src/errors.ts";
import { isObject, KubeClient, type KubeObject } from "../../src/kube/client.ts";
import type { KubeServer } from "../../src/kube/credentials.ts";
import { KubeEvents } from "../../src/kube/events.ts";
import { LeaderLease } from "../../src/kube/leader_lease.ts";
import { leaseStore } from "../../src/kube/lease_object.ts";
import { NodeTopology } from "../../src/kube/node_topology.ts";
import { obstacles, RELEASE_ANNOTATION, UPSTREAM_LEASES } from "../../src/kube/obstacles.ts";
import { KubeWatch } from "../../src/kube/watch.ts";
import { createLogger, type Logger } from "../../src/log.ts";
import { type Fetch, type HttpResponse, TransportError } from "../../src/net/https.ts";
import { FakeKubeApi } from "../support/fake_kube_api.ts";
import { type FuzzOptions, runFuzzer } from "./fuzz_main.ts";
import { Random } from "./random.ts";
import { bentAnswer } from "./rest_mutations.ts";

/** A call that is not over by then hangs: what is silent is given up after a hundredth of that. */
const HANG_MS = 5_000;
const CALL_MS = 50;
const STEPS = 40;
const MESSAGE_CHARS_MAX = 2_000;
const SPOILT_ONCE_IN = 3;
/** What a handler says that is given no object. */
const NO_OBJECT = "a handler is given no object";
/** What an error of the language says, and none of ours. */
const INTERNAL =
  /is not a function|is not iterable|Cannot read|Invalid time|not valid JSON|no object$|in JSON/;

const LEASE = { namespace: "pso", name: "leader" };
const LEASE_PATH = "/apis/coordination.k8s.io/v1/namespaces/pso/leases/leader";
const SECRETS = "/api/v1/namespaces/pso/secrets";
const POD = { namespace: "pso", name: "pso-controller-1", uid: "u-1" };

/** How much a run saw. */
export interface KubeFuzzCounts {
  rounds: number;
  calls: number;
  refused: number;
  spoilt: number;
  spoiltLines: number;
}

/** One API server under a liar, and what must be kept from everybody's eyes. */
interface Liar {
  api: FakeKubeApi;
  random: Random;
  counts: KubeFuzzCounts;
  secret: string;
  /** What the program logged. */
  lines: string[];
  log: Logger;
  /** Whether it lies now. */
  isLying: boolean;
  clock: { monotonicMs: number; wallMs: number };
}

/** Runs until the time is over; throws at the first fault, which names the step and the seed. */
export async function fuzzKube({ seed, seconds }: FuzzOptions): Promise<KubeFuzzCounts> {
  const random = new Random(seed);
  const counts = { rounds: 0, calls: 0, refused: 0, spoilt: 0, spoiltLines: 0 };
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const last: string[] = [];
    try {
      await round({ random, counts, last });
    } catch (error) {
      const input = JSON.stringify({ seed, round: counts.rounds, last: last.slice(-8) });
      throw new Error(`input ${input}: ${messageOf(error)}`, { cause: error });
    }
    counts.rounds++;
  }
  return counts;
}

async function liarOf({ random, counts }: Pick<Liar, "random" | "counts">): Promise<Liar> {
  const api = new FakeKubeApi();
  const { token } = await api.server().access();
  const lines: string[] = [];
  api.put(LEASE, { spec: { holderIdentity: "", leaseDurationSeconds: 1, leaseTransitions: 4 } });
  api.put({ name: "pure-csi" }, { metadata: { annotations: { [RELEASE_ANNOTATION]: "pso/one" } } });
  api.put({ namespace: "old", name: UPSTREAM_LEASES[0] ?? "" }, {
    spec: { holderIdentity: "o_1" },
  });
  api.put({ collection: "nodes", name: "n1" }, {
    metadata: { labels: { "topology.purestorage.com/rack": "r1" } },
  });
  for (const name of ["a", "b"]) api.put({ ...secretKey(name) }, { data: { key: "dGV4dA==" } });
  return {
    api,
    random,
    counts,
    secret: token?.reveal() ?? "",
    lines,
    log: createLogger({ level: "debug", write: (line) => lines.push(line) }),
    isLying: true,
    clock: { monotonicMs: 0, wallMs: Date.UTC(2026, 0, 1) },
  };
}

function secretKey(name: string) {
  return { collection: "secrets", namespace: "pso", name };
}

/** The server whose answers are spoilt, lost or refused while it lies. */
function serverOf(liar: Liar): KubeServer {
  const { api, random, counts } = liar;
  const server = api.server();
  const fetchOf = (pass: Fetch): Fetch => async (request) => {
    const { onLine } = request;
    const lie = (text: string) => {
      if (!liar.isLying || !random.oneIn(SPOILT_ONCE_IN)) return text;
      counts.spoiltLines++;
      return bentAnswer(random, { request, response: { status: 200, headers: {}, text } }).text;
    };
    const isSpoilt = liar.isLying && random.oneIn(SPOILT_ONCE_IN);
    if (isSpoilt) counts.spoilt++;
    if (isSpoilt && !onLine && random.oneIn(6)) {
      throw new TransportError("timeout", "late", {
        sent: true,
      });
    }
    // A body that the fake cannot read is one that a real server refuses.
    const refused: HttpResponse = { status: 422, headers: {}, text: `{"message":"invalid"}` };
    // A watch that is spoilt from its beginning ends at once.
    if (isSpoilt && onLine) return bentAnswer(random, { request, response: refused });
    const given = async () =>
      await pass({ ...request, ...onLine && { onLine: (line) => onLine(lie(line)) } });
    const response = await given()
      .catch((error) => isPsoError(error) ? Promise.reject(error) : refused);
    return isSpoilt ? bentAnswer(random, { request, response }) : response;
  };
  const access = async () => {
    const { fetch, token } = await server.access();
    return { fetch: fetchOf(fetch), ...token && { token } };
  };
  return { address: server.address, access, close: () => {} };
}

/** What a watch of the Secrets knows, by name. */
function mirrorOf({ random }: Liar, kube: KubeClient) {
  const known = new Map<string, unknown>();
  const told: string[] = [];
  let listed: Map<string, unknown> | undefined;
  const nameOf = ({ metadata }: KubeObject) =>
    typeof metadata === "object" && metadata !== null && "name" in metadata
      ? String(metadata.name)
      : "";
  const watch = new KubeWatch({
    kube,
    collection: { path: SECRETS },
    handlers: {
      begin: () => listed = new Map(),
      put: (object) => {
        if (!isObject(object)) told.push(NO_OBJECT);
        else (listed ?? known).set(nameOf(object), object.data);
      },
      remove: (object) => isObject(object) ? known.delete(nameOf(object)) : told.push(NO_OBJECT),
      listed: () => {
        known.clear();
        for (const [name, data] of listed ?? []) known.set(name, data);
        listed = undefined;
      },
      trouble: (problem) => told.push(problem ?? ""),
    },
    wait: () => new Promise((resolve) => setImmediate(resolve)),
    random: () => random.below(1000) / 1000,
  });
  return { known, told, watch };
}

/** Everything that asks the API server, each as one step that ends with a value or an error. */
function stepsOf(liar: Liar, kube: KubeClient): Record<string, () => Promise<unknown>> {
  const { api, random, clock, log } = liar;
  const release = "pso/one";
  const ask = obstacles({
    kube,
    own: LEASE,
    driver: "pure-csi",
    release,
    clock: () => clock,
    tell: ({ note }) => checkText(liar, note),
  });
  const lease = candidate(liar, kube);
  const topology = new NodeTopology({ kube: () => kube, node: "n1", keys: [], log });
  const events = new KubeEvents({ kube, pod: POD, controller: "c", log, clock: () => clock });
  const name = () => random.pick(["a", "b", "c"]);
  const now = (work: () => void) => () => Promise.resolve(work());
  return {
    put: now(() => api.put(secretKey(name()), { data: { key: `${random.below(9)}` } })),
    remove: now(() => api.remove(secretKey(name()))),
    end: now(() => api.endWatches()),
    expire: now(() => api.store.expire()),
    bookmark: now(() => api.store.bookmark()),
    get: () => kube.get(LEASE_PATH),
    text: () => kube.text(LEASE_PATH),
    list: () => kube.list({ path: SECRETS }),
    update: () => kube.update(LEASE_PATH, { metadata: {}, spec: {} }),
    obstacles: ask,
    topology: async () => {
      for (const value of Object.values(await topology.segments())) ok(typeof value === "string");
    },
    terms: now(() => api.edit(LEASE, strangeTerms(random))),
    event: async () => {
      clock.monotonicMs += 60_000;
      events.tell({ type: "Normal", reason: "R", action: "A", note: `note ${random.below(40)}` });
      await events.settled();
    },
    lease: async () => {
      clock.monotonicMs += random.below(5_000);
      const ms = await lease.step();
      ok(ms >= 0, `step() gives ${ms}`);
      ok(lease.shownHolder.length <= 200, `a holder of ${lease.shownHolder.length} characters`);
      checkText(liar, lease.problem ?? "");
    },
  };
}

/** What a person or another program may have written into the Lease. */
function strangeTerms(random: Random) {
  return {
    holderIdentity: random.pick(["", "pod-1_7", "\n", "x".repeat(5_000)]),
    leaseDurationSeconds: random.pick([0, 1, 15, -1, 1e300]),
    leaseTransitions: random.pick([0, 7, -1, 1e300]),
    acquireTime: random.pick(["", "no time", "+275760-09-13T00:00:00.000000Z"]),
  };
}

function candidate(liar: Liar, kube: KubeClient): LeaderLease {
  return new LeaderLease({
    store: leaseStore(kube, LEASE),
    identity: `pod-${liar.random.below(3)}_${liar.random.below(1e6)}`,
    clock: () => liar.clock,
    isWanted: () => true,
    obstacle: () => Promise.resolve(undefined),
    onLead: () => {},
    onLost: () => {},
    log: liar.log,
  });
}

/** Steps that may not fail, whatever the server says: they have somewhere to put the problem. */
const NEVER_THROW = new Set([
  "put",
  "remove",
  "end",
  "expire",
  "bookmark",
  "terms",
  "event",
  "lease",
]);

async function round(
  { random, counts, last }: Pick<Liar, "random" | "counts"> & { last: string[] },
): Promise<void> {
  const liar = await liarOf({ random, counts });
  const kube = new KubeClient(serverOf(liar), { timeoutMs: CALL_MS });
  const { known, told, watch } = mirrorOf(liar, kube);
  const stop = new AbortController();
  const running = watch.run(stop.signal);
  const steps = stepsOf(liar, kube);
  try {
    for (let number = 0; number < STEPS; number++) {
      const name = random.pick(Object.keys(steps));
      last.push(name);
      counts.calls++;
      const error = await outcome(steps[name]?.() ?? Promise.resolve());
      await new Promise((resolve) => setImmediate(resolve)); // the watch has its turn
      if (error === undefined) continue;
      counts.refused++;
      ok(isPsoError(error) && !NEVER_THROW.has(name), `${name}: ${messageOf(error)}`);
      checkText(liar, error.message);
    }
    for (const text of [...told, ...liar.lines]) checkText(liar, text);
    last.push("truth");
    liar.isLying = false;
    const truth = liar.api.store.select({ collection: "secrets", namespace: "pso" });
    const wanted = truth.map(({ metadata, data }) => [metadata.name, data]).sort();
    // A version that was made up counts as old again and again, until it is forgotten.
    const isSame = () => {
      liar.api.store.expire();
      return JSON.stringify([...known].sort()) === JSON.stringify(wanted);
    };
    await until("the watch knows the truth", isSame, { timeoutMs: HANG_MS }).catch(() => {});
    deepEqual([...known].sort(), wanted, "what the watch knows");
    await leadsAgain(liar, kube);
  } finally {
    stop.abort();
    await running;
  }
}

/** A new process gets the Lease, whatever was written into it. */
async function leadsAgain(liar: Liar, kube: KubeClient): Promise<void> {
  liar.api.edit(LEASE, { holderIdentity: "", leaseDurationSeconds: 1 });
  const lease = candidate(liar, kube);
  for (let times = 0; times < 5 && !lease.isHolder; times++) await lease.step();
  ok(lease.mayChange, `nobody leads: ${lease.problem}`);
}

/** What the step ended with; throws when it does not end. */
async function outcome(step: Promise<unknown>): Promise<unknown> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`it hangs for ${HANG_MS} ms`)), HANG_MS);
  try {
    return await Promise.race([step.then(() => undefined, (error: unknown) => error), promise]);
  } finally {
    clearTimeout(timer);
  }
}

function checkText({ secret }: Liar, text: string): void {
  ok(text.length < MESSAGE_CHARS_MAX, `${text.length} characters: ${text.slice(0, 300)}`);
  ok(!INTERNAL.test(text), `an error of the language: ${text.slice(0, 500)}`);
  ok(secret !== "" && !text.includes(secret), `a secret is shown: ${text.slice(0, 500)}`);
}

if (import.meta.main) await runFuzzer(fuzzKube);
