import assert from "node:assert/strict";
import { loadConfig } from "./load.ts";
import { watchConfig } from "./watch.ts";

function values(sanType: string): string {
  return "arrays:\n  FlashArrays:\n  - {MgmtEndPoint: fa1, APITokenFile: /token}\nflasharray: " +
    `{sanType: ${sanType}}\n`;
}

/** Runs one look per step: each step may change files first. Gives what the watch reported. */
async function watchSteps(
  files: Map<string, string>,
  steps: (() => void)[],
  options: { failOnce?: string } = {},
): Promise<string[]> {
  const stop = new AbortController();
  const seen: string[] = [];
  let failure = options.failOnce;
  const load = () =>
    loadConfig({
      valuesFile: "values.yaml",
      mode: "controller",
      readTextFile: (path) => {
        const text = files.get(path);
        return text === undefined
          ? Promise.reject(new Deno.errors.NotFound(path))
          : Promise.resolve(text);
      },
    });
  await watchConfig(await load(), {
    load,
    onConfig: ({ config }) => {
      const token = config.arrays[0]?.token.reveal();
      seen.push(`${config.flasharray.sanType} ${token}`);
      if (failure !== undefined) {
        const message = failure;
        failure = undefined;
        throw new Error(message);
      }
    },
    onProblem: (message) => seen.push(message),
    signal: stop.signal,
    wait: () => {
      const step = steps.shift();
      if (step) step();
      else stop.abort();
      return Promise.resolve();
    },
  });
  return seen;
}

function start(): Map<string, string> {
  return new Map([["values.yaml", values("ISCSI")], ["/token", "t1"]]);
}

Deno.test("watchConfig() gives a changed configuration once, and an unchanged one never", async () => {
  const files = start();
  const change = () => files.set("values.yaml", values("FC"));
  assert.deepEqual(await watchSteps(files, [() => {}, change, () => {}, () => {}]), ["fc t1"]);
});

Deno.test("watchConfig() sees a new token in a token file", async () => {
  const files = start();
  assert.deepEqual(await watchSteps(files, [() => files.set("/token", "t2")]), ["iscsi t2"]);
});

Deno.test("watchConfig() reports each bad content once, keeps the last good one and takes the next good one", async () => {
  const files = start();
  const bad = () => files.set("values.yaml", values("BOGUS"));
  const gone = () => files.delete("values.yaml");
  const same = () => files.set("values.yaml", values("ISCSI"));
  const good = () => files.set("values.yaml", values("AUTO"));
  assert.deepEqual(await watchSteps(files, [bad, () => {}, gone, () => {}, same, bad, good]), [
    'flasharray.sanType is "BOGUS", wanted one of ISCSI, FC, NVMEOF-RDMA, NVMEOF-TCP, ' +
    "NVMEOF-FC, AUTO",
    "values.yaml does not exist: give a values file with -f, or mount the Secret and the " +
    "ConfigMap of the chart",
    'flasharray.sanType is "BOGUS", wanted one of ISCSI, FC, NVMEOF-RDMA, NVMEOF-TCP, ' +
    "NVMEOF-FC, AUTO",
    "auto t1",
  ]);
});

Deno.test("watchConfig() goes on after a taker that failed, and does not give it the same configuration again", async () => {
  const files = start();
  const steps = [() => files.set("/token", "t2"), () => {}, () => files.set("/token", "t3")];
  assert.deepEqual(await watchSteps(files, steps, { failOnce: "no room" }), [
    "iscsi t2",
    "no room",
    "iscsi t3",
  ]);
});

Deno.test("watchConfig() ends at once when the signal fires during the wait", async () => {
  const stop = new AbortController();
  const current = await loadConfig({
    mode: "node",
    valuesFile: "v",
    readTextFile: () => Promise.resolve(""),
  });
  const watching = watchConfig(current, {
    load: () => Promise.reject(new Error("must not be called")),
    onConfig: () => assert.fail(),
    onProblem: (message) => assert.fail(message),
    signal: stop.signal,
  });
  stop.abort();
  await watching;
});
