import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { isPsoError, UsageError } from "../errors.ts";
import type { Fetch, HttpRequest } from "../net/https.ts";
import { Secret } from "../secret.ts";
import { isKubeStatus, KubeClient } from "./client.ts";
import { podServer } from "./credentials.ts";
import { KUBE_LIMITS } from "./limits.ts";

const PATH = "/apis/coordination.k8s.io/v1/namespaces/pso/leases/leader";

/** A client whose server answers as `answer` says, and what it was asked. */
function client(answer: (request: HttpRequest) => { status: number; text: string }) {
  const requests: HttpRequest[] = [];
  const fetch: Fetch = (request) => {
    requests.push(request);
    return Promise.resolve({ ...answer(request), headers: {} });
  };
  const token = new Secret("the-token-of-the-pod");
  const server = { address: "10.0.0.1:443", access: () => Promise.resolve({ fetch, token }) };
  return { kube: new KubeClient({ ...server, close: () => {} }), requests };
}

Deno.test("KubeClient sends the token with each call, and the object whole", async () => {
  const { kube, requests } = client(() => ({ status: 200, text: `{"kind":"Lease"}` }));
  deepEqual(await kube.get(PATH), { kind: "Lease" });
  await kube.update(PATH, { kind: "Lease", metadata: { resourceVersion: "7" } });
  deepEqual(
    requests.map(({ method, path, headers, body }) => [method, path, headers, body]),
    [
      ["GET", PATH, { authorization: "Bearer the-token-of-the-pod" }, undefined],
      [
        "PUT",
        PATH,
        { authorization: "Bearer the-token-of-the-pod" },
        `{"kind":"Lease","metadata":{"resourceVersion":"7"}}`,
      ],
    ],
  );
});

Deno.test("KubeClient lists one name in all namespaces", async () => {
  const items = [{ a: 1, metadata: { name: "pure-csi" } }, 7];
  const { kube, requests } = client(() => ({ status: 200, text: JSON.stringify({ items }) }));
  const path = "/apis/coordination.k8s.io/v1/leases";
  deepEqual(await kube.list({ path, name: "pure-csi" }), [items[0]]);
  equal(requests[0]?.path, `${path}?fieldSelector=metadata.name%3Dpure-csi&limit=100`);
});

Deno.test("KubeClient gives nothing of another name, whatever the server lists", async () => {
  const mine = { metadata: { name: "mine", namespace: "a" } };
  const items = [{ metadata: { name: "other" } }, mine, { metadata: {} }, { name: "mine" }];
  const { kube } = client(() => ({ status: 200, text: JSON.stringify({ items }) }));
  const path = "/apis/coordination.k8s.io/v1/leases";
  deepEqual(await kube.list({ path, name: "mine" }), [mine]);
  deepEqual(await kube.list({ path, name: "Mine" }), []);
  deepEqual(await kube.list({ path, fields: { "metadata.namespace": "a" } }), [mine]);
  deepEqual(await kube.list({ path, fields: { "metadata.namespace": "a", type: "x" } }), []);
  deepEqual(await kube.list({ path }), items);
});

Deno.test("KubeClient tells what the API server said, in short and without the token", async () => {
  const cases: [number, string, string, RegExp][] = [
    [403, `{"message":"leases is forbidden"}`, "denied", /403 \(leases is forbidden\): give the/],
    [401, `{"message":"Unauthorized"}`, "denied", /projected/],
    [404, `{"message":"not found"}`, "not_found", /no such object/],
    [409, `{"message":"modified"}`, "busy", /meanwhile/],
    [503, "<html>the-token-of-the-pod</html>", "unavailable", /503 \(<html>\[redacted\]</],
    [500, "x".repeat(9_999), "unavailable", /^.{300,500}$/],
    [200, "<html>", "unavailable", /no JSON/],
    [200, "[]", "unavailable", /no object/],
  ];
  for (const [status, text, code, message] of cases) {
    const { kube } = client(() => ({ status, text }));
    await rejects(kube.get(PATH), (error: Error) => {
      match(error.message, message);
      match(error.message, /GET \/apis\/coord.*10\.0\.0\.1:443/);
      equal(isKubeStatus(error, status), status !== 200);
      return isPsoError(error) && error.code === code;
    });
  }
});

Deno.test("KubeClient names the right that a refused call needs, in the words of RBAC", async () => {
  const { kube } = client(() => ({ status: 403, text: "no" }));
  const [secrets, pod] = ["/api/v1/namespaces/pso/secrets", "/api/v1/namespaces/pso/pods/a:1"];
  const calls: [() => Promise<unknown>, string][] = [
    [() => kube.get(`${secrets}/a`), " (get secrets in namespace pso)"],
    [() => kube.list({ path: "/api/v1/nodes" }), " (list nodes)"],
    [() => kube.get(`${pod}/proxy/readyz`), " (get pods/proxy in namespace pso)"],
    [() => kube.create(secrets, {}), " (create secrets in namespace pso)"],
    [() => kube.remove("/apis/storage.k8s.io/v1/csidrivers/a", "u"), " (delete csidrivers)"],
    [() => kube.get("/version"), ""],
  ];
  for (const [call, right] of calls) {
    await rejects(
      call(),
      (error: Error) => error.message.endsWith(`: give the account this right${right}`),
    );
  }
});

Deno.test("KubeClient makes objects, and changes single fields by a merge patch", async () => {
  const { kube, requests } = client(() => ({ status: 201, text: `{"kind":"Event"}` }));
  await kube.create("/apis/events.k8s.io/v1/namespaces/pso/events", { note: "one" });
  await kube.patch("/apis/events.k8s.io/v1/namespaces/pso/events/e", { note: "two" });
  deepEqual(
    requests.map(({ method, headers, body }) => [method, headers?.["content-type"], body]),
    [
      ["POST", undefined, `{"note":"one"}`],
      ["PATCH", "application/merge-patch+json", `{"note":"two"}`],
    ],
  );
});

Deno.test("KubeClient quotes nothing of an answer that it cannot read: it may be a Secret", async () => {
  const { kube } = client(() => ({ status: 200, text: `{"data":{"pure.json":"c2VjcmV0"` }));
  await rejects(kube.get(PATH), (error: Error) => !/c2V|pure/.test(error.message));
});

Deno.test("KubeClient waits no longer than its time for an answer", async () => {
  const server = {
    address: "10.0.0.1:443",
    access: () =>
      Promise.resolve({
        token: new Secret(""),
        fetch: ({ signal }: HttpRequest) =>
          new Promise<never>((_, reject) =>
            signal?.addEventListener("abort", () => reject(signal.reason))
          ),
      }),
    close: () => {},
  };
  await rejects(
    new KubeClient(server, { timeoutMs: 5 }).get(PATH),
    (error) => isPsoError(error, "timeout"),
  );
});

/** A client of a list without end, each page of which has `items` and takes `ms`. */
function endless(items: string, ms = 0) {
  let now = 0;
  const requests: HttpRequest[] = [];
  const fetch: Fetch = (request) => {
    requests.push(request);
    now += ms;
    const text = `{"metadata":{"continue":"next"},"items":[${items}]}`;
    return Promise.resolve({ status: 200, headers: {}, text });
  };
  const access = () => Promise.resolve({ fetch });
  const server = { address: "10.0.0.1:443", access, close: () => {} };
  return { kube: new KubeClient(server, { now: () => now }), requests };
}

for (
  const [what, { kube, requests }, calls, said] of [
    ["pages", endless(""), KUBE_LIMITS.pages, /has more than 1000 pages: look/],
    [
      "objects",
      endless(Array.from({ length: 5_000 }, () => "{}").join()),
      KUBE_LIMITS.listItems / 5_000 + 1,
      /has more than 100000 objects: look/,
    ],
    [
      "bytes",
      endless(JSON.stringify({ a: "x".repeat(2 ** 21) })),
      KUBE_LIMITS.listBytes / 2 ** 21,
      /has more than 268435456 bytes: look/,
    ],
    ["time", endless("", 1_000), KUBE_LIMITS.listMs / 1_000, /took longer than 300 s: look/],
  ] as const
) {
  Deno.test(`KubeClient gives up a list that has no end: ${what}`, async () => {
    await rejects(kube.list({ path: "/api/v1/nodes" }), (error: Error) => {
      match(error.message, said);
      match(error.message, /^the list \/api\/v1\/nodes of the Kubernetes API at 10\.0\.0\.1:443 /);
      return isPsoError(error, "unavailable") || isPsoError(error, "timeout");
    });
    equal(requests.length, calls);
  });
}

Deno.test("one page of a list ends with the time of the whole list", async () => {
  let now = 0;
  let asked = 0;
  const fetch: Fetch = ({ signal }) => {
    if (asked++ > 0) {
      return new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason))
      );
    }
    now = KUBE_LIMITS.listMs - 1;
    const text = `{"metadata":{"continue":"next"},"items":[]}`;
    return Promise.resolve({ status: 200, headers: {}, text });
  };
  const access = () => Promise.resolve({ fetch });
  const kube = new KubeClient({ address: "x:1", access, close: () => {} }, { now: () => now });
  await rejects(kube.list({ path: "/api/v1/nodes" }), /took longer than 1 ms/);
});

Deno.test("podServer() reads the token again at each use", async () => {
  const files: Record<string, string> = { "/sa/token": "first-token\n", "/sa/ca.crt": "CA" };
  const server = podServer({
    env: (name) => name === "KUBERNETES_SERVICE_HOST" ? "fd00::1" : "6443",
    readTextFile: (path) => {
      const text = files[path];
      return text === undefined ? Promise.reject(new Error("gone")) : Promise.resolve(text);
    },
    folder: "/sa",
  });
  equal(server.address, "[fd00::1]:6443");
  const first = await server.access();
  equal(first.token?.reveal(), "first-token");
  files["/sa/token"] = "second-token";
  const second = await server.access();
  equal(second.token?.reveal(), "second-token");
  equal(second.fetch, first.fetch, "the connections stay while the CA does");
  files["/sa/ca.crt"] = "another CA";
  equal((await server.access()).fetch === first.fetch, false);
  delete files["/sa/token"];
  await rejects(server.access(), /\/sa\/token cannot be read \(gone\); give the container/);
  server.close();
});

Deno.test("podServer() outside of a pod says so", () => {
  const readTextFile = () => Promise.reject(new Error("unused"));
  throws(
    () => podServer({ env: () => undefined, readTextFile, folder: "/sa" }),
    (error) => error instanceof UsageError && /run this in a pod/.test(error.message),
  );
});
