import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { pause, until } from "../async/wait.ts";
import type { Fetch } from "../net/https.ts";
import { silentLogger } from "../log.ts";
import { KubeClient } from "./client.ts";
import { type ConfigObject, ConfigObjects, configPathOf } from "./config_objects.ts";

const SECRET: ConfigObject = { kind: "Secret", namespace: "pso", name: "arrays", key: "pure.json" };
const MAP: ConfigObject = { kind: "ConfigMap", namespace: "pso", name: "app", key: "app.json" };
const IN_SECRETS = { collection: "secrets", namespace: "pso", name: "arrays" };
const IN_MAPS = { collection: "configmaps", namespace: "pso", name: "app" };

interface Bed {
  api: FakeKubeApi;
  objects: ConfigObjects;
  /** What the Secret's key says now; the error's text when it says nothing. */
  text: () => Promise<string>;
  signal: AbortSignal;
}

async function withObjects(
  prepare: (api: FakeKubeApi) => void,
  test: (bed: Bed) => Promise<void>,
): Promise<void> {
  const api = new FakeKubeApi();
  prepare(api);
  const objects = new ConfigObjects({
    kube: new KubeClient(api.server()),
    objects: [SECRET, MAP],
    secretFolder: "/etc/pure",
    readTextFile: (path) => Promise.resolve(`file ${path}`),
    readNamedFile: (path) => Promise.resolve(`named file ${path}`),
    log: silentLogger,
  });
  const stop = new AbortController();
  const running = objects.run(stop.signal);
  const text = () => objects.readTextFile(configPathOf(SECRET)).catch((error) => `${error}`);
  try {
    await test({ api, objects, text, signal: stop.signal });
  } finally {
    stop.abort();
    await running;
  }
}

const base64 = (text: string) => btoa(text);

Deno.test("ConfigObjects gives the keys of both objects, and of the Secret's folder, and other files as they are", async () => {
  await withObjects((api) => {
    api.put(IN_SECRETS, { data: { "pure.json": base64("{}"), "ca.crt": base64("PEM") } });
    api.put(IN_MAPS, { data: { "app.json": "{debug: true}" } });
  }, async ({ objects, signal }) => {
    await objects.changed(10_000, signal);
    const paths = [configPathOf(SECRET), configPathOf(MAP), "/etc/config/appconfig.json"];
    deepEqual(
      await Promise.all(paths.map(objects.readTextFile)),
      ["{}", "{debug: true}", "file /etc/config/appconfig.json"],
    );
    const named = ["/etc/pure/ca.crt", "/etc/pure/tokens/fa-1/token", configPathOf(MAP)];
    deepEqual(
      await Promise.all(named.map(objects.readNamedFile)),
      [
        "PEM",
        "named file /etc/pure/tokens/fa-1/token",
        `named file ${configPathOf(MAP)}`,
      ],
    );
    await rejects(
      objects.readNamedFile("/etc/pure/pure.yaml"),
      Deno.errors.NotFound,
      "no mounted file stands in",
    );
    equal(configPathOf(SECRET), "Secret pso/arrays key pure.json");
  });
});

Deno.test("ConfigObjects follows changes, the end and the return of an object, and only of that one", async () => {
  await withObjects((api) => {
    api.put({ ...IN_SECRETS, name: "other" }, { data: { "pure.json": base64("other") } });
    api.put(IN_MAPS);
  }, async ({ api, objects, text, signal }) => {
    const next = async () => {
      await objects.changed(10_000, signal);
      return await text();
    };
    match(await next(), /NotFound: Secret pso\/arrays key pure\.json/);
    api.put(IN_SECRETS, { data: { "pure.json": base64("one") } });
    equal(await next(), "one");
    api.put(IN_SECRETS, { data: { "pure.json": base64("two") } });
    equal(await next(), "two");
    api.put(IN_SECRETS, { data: {} });
    match(await next(), /NotFound/);
    api.put(IN_SECRETS, { data: { "pure.json": base64("three") } });
    equal(await next(), "three");
    api.remove(IN_SECRETS);
    match(await next(), /NotFound/);
  });
});

Deno.test("ConfigObjects keeps what it saw last while the API is silent, and says that it may be old", async () => {
  await withObjects((api) => {
    api.put(IN_SECRETS, { data: { "pure.json": base64("one") } });
    api.put(IN_MAPS);
  }, async ({ api, objects, text }) => {
    await until("the first look", async () => await text() === "one", { timeoutMs: 5_000 });
    api.fault = "forbidden";
    api.endWatches();
    await until("the trouble", () => objects.problem !== undefined, { timeoutMs: 5_000 });
    match(objects.problem ?? "", /403/);
    equal(await text(), "one");
    api.fault = undefined;
    api.put(IN_SECRETS, { data: { "pure.json": base64("two") } });
    await until("the new one", async () => await text() === "two", { timeoutMs: 10_000 });
    await until("no trouble", () => objects.problem === undefined, { timeoutMs: 10_000 });
  });
});

Deno.test("ConfigObjects says why nothing was ever read, and that is no 'does not exist'", async () => {
  await withObjects((api) => api.fault = "forbidden", async ({ objects, text, signal }) => {
    match(await text(), /the Kubernetes API has not answered yet/);
    await objects.changed(10_000, signal);
    match(await text(), /unavailable|403/);
    match(await text(), /secrets.* is answered 403 .*give the account this right/);
  });
});

Deno.test("changed() tells changes that come together once, forgets none, and ends with its signal", async () => {
  await withObjects((api) => {
    api.put(IN_SECRETS, { data: {} });
    api.put(IN_MAPS);
  }, async ({ api, objects, signal }) => {
    await objects.changed(10_000, signal);
    let isTold = false;
    const quiet = objects.changed(60_000, signal).then(() => isTold = true, () => {});
    await pause(20);
    equal(isTold, false);
    api.put(IN_SECRETS, { data: {} });
    api.put(IN_MAPS, { data: {} });
    await quiet;
    equal(isTold, true);
    // A change between two waits is told by the second.
    api.put(IN_MAPS, { data: { a: "b" } });
    await pause(50);
    await objects.changed(60_000, signal);
    const ended = new AbortController();
    const cut = rejects(objects.changed(60_000, ended.signal));
    ended.abort();
    await cut;
  });
});

Deno.test("ConfigObjects takes no other object for its own, whatever a list or a watch answers", async () => {
  const other = { data: { "pure.json": base64("other") } };
  const objects = [
    { metadata: { namespace: "pso", name: "other" }, ...other },
    { metadata: { namespace: "elsewhere", name: "arrays" }, ...other },
    { metadata: null, ...other },
    other,
  ];
  const own = {
    metadata: { namespace: "pso", name: "arrays" },
    data: { "pure.json": base64("own") },
  };
  const event = (type: string) => (object: unknown) => JSON.stringify({ type, object });
  const list = { metadata: { resourceVersion: "1" }, items: [own, ...objects] };
  const watched = Promise.withResolvers<void>();
  const fetch: Fetch = ({ path, onLine, onOpen, signal }) => {
    if (!onLine || path.includes("/configmaps")) {
      return Promise.resolve({ status: 200, headers: {}, text: JSON.stringify(list) });
    }
    onOpen?.();
    for (const type of ["ADDED", "MODIFIED", "DELETED"]) objects.map(event(type)).forEach(onLine);
    watched.resolve();
    return new Promise((_, reject) =>
      signal?.addEventListener("abort", () => reject(signal.reason))
    );
  };
  const kube = new KubeClient({
    address: "x:1",
    access: () => Promise.resolve({ fetch }),
    close: () => {},
  });
  const config = new ConfigObjects({
    kube,
    objects: [SECRET],
    secretFolder: "/etc/pure",
    readTextFile: () => Promise.reject(new Error("unused")),
    readNamedFile: () => Promise.reject(new Error("unused")),
    log: silentLogger,
  });
  const stop = new AbortController();
  const running = config.run(stop.signal);
  await watched.promise;
  equal(await config.readTextFile(configPathOf(SECRET)), "own");
  stop.abort();
  await running;
});
