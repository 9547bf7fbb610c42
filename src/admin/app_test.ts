import { deepEqual, equal, match } from "node:assert/strict";
import type { ReadinessCheck } from "../readiness.ts";
import { adminApps } from "./app.ts";

const FINE: ReadinessCheck = { name: "fa-1", ok: true, state: "ok" };
const DOWN: ReadinessCheck = {
  name: "fb-1",
  ok: false,
  state: "unreachable",
  reason: "fb-1.example cannot be reached: canary",
};

function apps(checks: ReadinessCheck[]) {
  return adminApps({
    mode: "controller",
    version: "7.0.0",
    ready: () => checks,
    metrics: () => "pso_up 1\n",
  });
}

Deno.test("GET /healthz says that the process lives, whatever the arrays do", async () => {
  const answer = await apps([DOWN]).open.request("/healthz");
  equal(answer.status, 200);
  deepEqual(await answer.json(), { status: "ok", mode: "controller", version: "7.0.0" });
});

Deno.test("GET /readyz is 503 while a check is not ok, in words of ours only", async () => {
  const answer = await apps([FINE, DOWN]).open.request("/readyz");
  equal(answer.status, 503);
  deepEqual(await answer.json(), {
    ready: false,
    mode: "controller",
    checks: [FINE, { name: "fb-1", ok: false, state: "unreachable" }],
  });
  equal((await apps([FINE]).open.request("/readyz")).status, 200);
  equal((await apps([FINE, { ...DOWN, optional: true }]).open.request("/readyz")).status, 200);
});

Deno.test("GET /readyz on the socket gives the reason too", async () => {
  const answer = await apps([FINE, DOWN]).full.request("/readyz");
  equal(answer.status, 503);
  deepEqual((await answer.json()).checks, [FINE, DOWN]);
});

Deno.test("a fault of ours is told in full on the socket alone", async () => {
  const broken = adminApps({
    mode: "node",
    version: "7.0.0",
    ready: () => Promise.reject(new Error("canary")),
    metrics: () => Promise.reject(new Error("canary")),
  });
  for (const path of ["/readyz", "/metrics"]) {
    const open = await broken.open.request(path);
    deepEqual([open.status, await open.json()], [500, { error: "internal error; see the log" }]);
    deepEqual(await (await broken.full.request(path)).json(), { error: "canary" });
  }
});

Deno.test("requests that come together share one look", async () => {
  const { promise, resolve } = Promise.withResolvers<ReadinessCheck[]>();
  let looks = 0;
  const { open, full } = adminApps({
    mode: "node",
    version: "7.0.0",
    ready: () => {
      looks++;
      return promise;
    },
    metrics: () => "",
  });
  const answers = [open, open, full].map((app) => app.request("/readyz"));
  resolve([FINE]);
  deepEqual((await Promise.all(answers)).map(({ status }) => status), [200, 200, 200]);
  equal(looks, 1);
});

Deno.test("GET /metrics is Prometheus text", async () => {
  const answer = await apps([]).open.request("/metrics");
  match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  equal(await answer.text(), "pso_up 1\n");
});

Deno.test("GET of an unknown page names the pages that exist", async () => {
  const answer = await apps([]).open.request("/nope");
  equal(answer.status, 404);
  deepEqual(await answer.json(), {
    error: "no page /nope; there are /healthz, /readyz and /metrics",
  });
  const leader = adminApps({
    ...{ mode: "controller", version: "7.0.0", ready: () => [], metrics: () => "" },
    placement: () => undefined,
  });
  deepEqual(await (await leader.open.request("/nope")).json(), {
    error: "no page /nope; there are /healthz, /readyz, /placement and /metrics",
  });
});
