import { deepEqual, equal, match, ok } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { until } from "../async/wait.ts";
import { PsoError } from "../errors.ts";
import type { Fetch } from "../net/https.ts";
import { Secret } from "../secret.ts";
import { KubeClient, type KubeObject } from "./client.ts";
import { KUBE_LIMITS } from "./limits.ts";
import { KubeWatch } from "./watch.ts";

const PATH = "/api/v1/namespaces/pso/secrets";

interface Bed {
  api: FakeKubeApi;
  /** What the handlers were told, in short. */
  told: string[];
  /** The pauses that were made. */
  pauses: number[];
  /** Waits until the last thing told is so. */
  tells: (last: string) => Promise<void>;
}

function nameOf({ metadata }: KubeObject): string {
  return `${(metadata as { name?: string } | undefined)?.name}`;
}

/** One watch of the Secrets of a namespace; pauses take no time. */
async function withWatch(
  prepare: (api: FakeKubeApi) => void,
  test: (bed: Bed) => Promise<void>,
): Promise<void> {
  const api = new FakeKubeApi();
  prepare(api);
  const told: string[] = [];
  const pauses: number[] = [];
  const watch = new KubeWatch({
    kube: new KubeClient(api.server()),
    collection: { path: PATH },
    handlers: {
      begin: () => told.push("begin"),
      put: (object) => told.push(`put ${nameOf(object)}`),
      remove: (object) => told.push(`remove ${nameOf(object)}`),
      listed: () => told.push("listed"),
      trouble: (problem) => told.push(problem === undefined ? "well" : `trouble ${problem}`),
    },
    wait: async (ms) => {
      pauses.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
    random: () => 1,
  });
  const stop = new AbortController();
  const running = watch.run(stop.signal);
  const tells = (last: string) =>
    until(last, () => told.at(-1)?.startsWith(last), { timeoutMs: 5_000 }).then(() => {});
  try {
    await test({ api, told, pauses, tells });
  } finally {
    stop.abort();
    await running;
  }
}

function secret(name: string) {
  return { collection: "secrets", namespace: "pso", name };
}

/** How often each kind of call was made. */
function countsOf({ calls }: FakeKubeApi): { lists: number; watches: number } {
  const watches = calls.filter((call) => call.includes("watch=true")).length;
  return { lists: calls.length - watches, watches };
}

/** Whether a watch listens, at the state of now. */
const listens = (api: FakeKubeApi) =>
  until("a watch", () => api.store.watches === 1, { timeoutMs: 5_000 });

Deno.test("KubeWatch lists once, in pages, and tells each change after that", async () => {
  const count = KUBE_LIMITS.pageItems * 2 + 1;
  await withWatch((api) => {
    for (let at = 0; at < count; at++) api.put(secret(`s${at}`));
    api.put({ ...secret("strange"), namespace: "other" });
  }, async ({ api, told, tells }) => {
    await tells("listed");
    deepEqual(told, [
      "begin",
      ...Array.from({ length: count }, (_, at) => `put s${at}`),
      "listed",
    ]);
    equal(countsOf(api).lists, 3);
    await listens(api);
    api.put(secret("new"));
    api.put(secret("new"), { data: {} });
    api.remove(secret("s0"));
    await tells("remove s0");
    deepEqual(told.slice(-3), ["put new", "put new", "remove s0"]);
  });
});

Deno.test("a watch that ends goes on from where it was, and what happened between is told", async () => {
  await withWatch((api) => api.put(secret("a")), async ({ api, told, tells }) => {
    await listens(api);
    for (let turn = 0; turn < 5; turn++) {
      api.put(secret("b"));
      api.endWatches();
      api.put(secret("c"));
      await tells("put c");
      await listens(api);
    }
    const { lists } = countsOf(api);
    equal(lists, 1);
    equal(told.filter((one) => one === "put b").length, 5, "each once");
    equal(told.filter((one) => one === "put c").length, 5);
  });
});

Deno.test("a bookmark moves the place where a watch goes on", async () => {
  await withWatch((api) => api.put(secret("a")), async ({ api }) => {
    await listens(api);
    api.put({ ...secret("elsewhere"), namespace: "other" });
    api.store.bookmark();
    api.endWatches();
    await listens(api);
    match(api.calls.at(-1) ?? "", new RegExp(`resourceVersion=${api.store.version}&`));
    equal(countsOf(api).lists, 1);
  });
});

Deno.test("a state that is too old (410) leads to a new list at once, as an event and as a status", async () => {
  await withWatch((api) => api.put(secret("a")), async ({ api, told, pauses, tells }) => {
    await listens(api);
    api.store.expire();
    await listens(api);
    api.put(secret("b"));
    await tells("put b");
    deepEqual(told.filter((one) => one === "begin").length, 2);
    deepEqual(pauses, [], "the first time without a pause");
    equal(told.some((one) => one.startsWith("trouble")), false);
  });
});

/** What a call is answered: a status, a text, or the lines of a watch that lives so long (or LIST). */
type Step = number | string | { lines: readonly string[]; livesMs: number };

/** A client whose server answers one call after another by the script; the last line repeats. */
function scripted(script: readonly Step[], clock: { ms: number }) {
  const calls: string[] = [];
  const fetch: Fetch = ({ path, onLine, onOpen }) => {
    const step = script[Math.min(calls.length, script.length - 1)] ?? 500;
    calls.push(path.includes("watch=true") ? "watch" : path.includes("continue") ? "more" : "list");
    if (typeof step === "number") return Promise.resolve({ status: step, headers: {}, text: "{}" });
    const isWatch = path.includes("watch=true");
    if (isWatch) onOpen?.();
    if (typeof step === "object") {
      if (!isWatch) return Promise.resolve({ status: 200, headers: {}, text: LIST });
      clock.ms += step.livesMs;
      for (const line of step.lines) onLine?.(line);
      return Promise.resolve({ status: 200, headers: {}, text: "" });
    }
    if (isWatch && step !== "") onLine?.(step);
    return Promise.resolve({ status: 200, headers: {}, text: step });
  };
  const token = new Secret("");
  const access = () => Promise.resolve({ fetch, token });
  return { kube: new KubeClient({ address: "x:1", access, close: () => {} }), calls };
}

/** Runs a watch over the script until it has paused so often. */
async function runScript(script: readonly Step[], pausesMax: number) {
  const clock = { ms: 0 };
  const { kube, calls } = scripted(script, clock);
  const stop = new AbortController();
  const pauses: number[] = [];
  const troubles: (string | undefined)[] = [];
  const nothing = () => {};
  const watch = new KubeWatch({
    kube,
    collection: { path: PATH },
    handlers: {
      ...{ begin: nothing, put: nothing, remove: nothing, listed: nothing },
      trouble: (problem) => troubles.push(problem),
    },
    wait: (ms) => {
      pauses.push(ms);
      if (pauses.length >= pausesMax) stop.abort();
      return Promise.resolve();
    },
    random: () => 1,
    now: () => clock.ms,
  });
  await watch.run(stop.signal);
  return { calls, pauses, troubles };
}

const LIST = JSON.stringify({ metadata: { resourceVersion: "5" }, items: [] });
const MORE = JSON.stringify({ metadata: { resourceVersion: "5", continue: "next" }, items: [] });
const BOOKMARK = JSON.stringify({
  type: "BOOKMARK",
  object: { kind: "Secret", metadata: { resourceVersion: "6" } },
});
const ERROR_410 = JSON.stringify({ type: "ERROR", object: { code: 410, message: "too old" } });
const ERROR_500 = JSON.stringify({ type: "ERROR", object: { code: 500, message: "etcd is ill" } });

Deno.test("KubeWatch reads the list again when a watch or a page is answered 410, and pauses only at a repetition", async () => {
  const watch = await runScript([LIST, 410, LIST, ERROR_410], 1);
  deepEqual(watch.calls.slice(0, 3), ["list", "watch", "list"]);
  const page = await runScript([MORE, 410, LIST, ERROR_410], 1);
  deepEqual(page.calls.slice(0, 4), ["list", "more", "list", "watch"]);
  equal(page.troubles.some((one) => one !== undefined), false);
});

Deno.test("a list that gets too old before its end each time is trouble, and well once one is whole", async () => {
  const lost = await runScript([LIST, ERROR_410, MORE, 410, MORE, 410, MORE, 410], 3);
  deepEqual(lost.calls.slice(0, 6), ["list", "watch", "list", "more", "list", "more"]);
  match(String(lost.troubles[0]), /is answered 410/);
  const healed = await runScript([MORE, 410, MORE, 410, LIST, 503], 3);
  match(String(healed.troubles[0]), /is answered 410/);
  equal(healed.troubles[1], undefined);
});

Deno.test("pauses grow while nothing works, up to a limit, and the trouble is told once", async () => {
  const { pauses, troubles, calls } = await runScript([503], 12);
  deepEqual(pauses.slice(0, 4), [500, 1_000, 2_000, 4_000]);
  ok(pauses.slice(4).every((ms) => ms === KUBE_LIMITS.backoffMs));
  equal(troubles.length, 1);
  match(troubles[0] ?? "", /503/);
  equal(new Set(calls).size, 1);
});

Deno.test("a watch that fails is tried again from where it was, and the second time the list is read", async () => {
  for (const fault of [503, ERROR_500, "no JSON", `{"type":"ADDED"}`]) {
    const { calls, troubles } = await runScript([LIST, fault, fault, LIST, fault], 3);
    deepEqual(calls.slice(0, 4), ["list", "watch", "watch", "list"], String(fault));
    match(String(troubles.find((one) => one !== undefined)), /503|etcd is ill|cannot be read/);
  }
});

Deno.test("a server that ends every watch at once is not asked without a pause", async () => {
  const { pauses } = await runScript([LIST, ""], 4);
  ok(pauses.every((ms, at) => at === 0 || ms >= (pauses[at - 1] ?? 0)), pauses.join());
});

for (
  const [what, lines] of [
    ["ends", [BOOKMARK]],
    ["is too old", [BOOKMARK, ERROR_410]],
    ["fails", [BOOKMARK, ERROR_500]],
  ] as const
) {
  Deno.test(`a server whose every watch gives an event and then ${what} is asked ever more seldom`, async () => {
    const { pauses, calls } = await runScript([LIST, { lines, livesMs: 999 }], 6);
    deepEqual(pauses, [500, 1_000, 2_000, 4_000, 8_000, 8_000]);
    ok(calls.length <= 14, calls.join());
  });
}

Deno.test("a watch that lived for a second is begun anew without a pause, and what failed before it is forgotten", async () => {
  const lived = { lines: [BOOKMARK], livesMs: 1_000 };
  const old = { lines: [ERROR_410], livesMs: 1_000 };
  const { pauses, calls } = await runScript([LIST, lived, lived, 503, lived, 503, 503], 3);
  deepEqual(calls.slice(0, 7), ["list", ...Array.from({ length: 6 }, () => "watch")]);
  deepEqual(pauses, [500, 500, 1_000]);
  deepEqual((await runScript([LIST, old, LIST, old, LIST, old, 503], 1)).calls.length, 7);
});

Deno.test("a watch that the server never takes has not lived, however long it lasts", async () => {
  const { kube } = scripted([LIST], { ms: 0 });
  let now = 0;
  const stop = new AbortController();
  const pauses: number[] = [];
  kube.watch = () => {
    now += 65_000;
    return Promise.reject(new PsoError("timeout", "no answer"));
  };
  const nothing = () => {};
  await new KubeWatch({
    kube,
    collection: { path: PATH },
    handlers: { begin: nothing, put: nothing, remove: nothing, listed: nothing, trouble: nothing },
    wait: (ms) => {
      if (pauses.push(ms) === 4) stop.abort();
      return Promise.resolve();
    },
    random: () => 1,
    now: () => now,
  }).run(stop.signal);
  deepEqual(pauses, [500, 1_000, 2_000, 4_000]);
});

Deno.test("a list that never ends is given up", async () => {
  const { calls, troubles } = await runScript([MORE], 1);
  equal(calls.length, KUBE_LIMITS.pages);
  match(troubles[0] ?? "", /has more than 1000 pages/);
});

Deno.test("an error event of any length is told in short, on one line", async () => {
  const message = "x\n".repeat(2 ** 19);
  const error = JSON.stringify({ type: "ERROR", object: { code: 500, message } });
  const { troubles } = await runScript([LIST, error], 3);
  match(troubles[0] ?? "", /^the watch of .* was ended by the API server: x x .{0,300}…$/);
});
