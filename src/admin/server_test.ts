import { deepEqual, equal, match } from "node:assert/strict";
import type { ReadinessCheck } from "../readiness.ts";
import { adminApp, startAdmin } from "./server.ts";
import { silentLogger } from "../log.ts";

function app(checks: ReadinessCheck[]) {
  return adminApp({
    mode: "controller",
    version: "7.0.0",
    ready: () => checks,
    metrics: () => "pso_up 1\n",
  });
}

Deno.test("GET /healthz says that the process lives, whatever the arrays do", async () => {
  const answer = await app([{ name: "fa-1", ok: false, reason: "down" }]).request("/healthz");
  equal(answer.status, 200);
  deepEqual(await answer.json(), { status: "ok", mode: "controller", version: "7.0.0" });
});

Deno.test("GET /readyz is 503 with the reason while one check is not ok", async () => {
  const answer = await app([{ name: "fa-1", ok: true }, {
    name: "fb-1",
    ok: false,
    reason: "connection refused",
  }]).request("/readyz");
  equal(answer.status, 503);
  deepEqual(await answer.json(), {
    ready: false,
    mode: "controller",
    checks: [{ name: "fa-1", ok: true }, { name: "fb-1", ok: false, reason: "connection refused" }],
  });
  equal((await app([{ name: "fa-1", ok: true }]).request("/readyz")).status, 200);
  equal(
    (await app([{ name: "local", ok: true }, { name: "fc", ok: false, optional: true }]).request(
      "/readyz",
    )).status,
    200,
  );
});

Deno.test("GET /metrics is Prometheus text", async () => {
  const answer = await app([]).request("/metrics");
  match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  equal(await answer.text(), "pso_up 1\n");
});

Deno.test("GET of an unknown page names the pages that exist", async () => {
  const answer = await app([]).request("/nope");
  equal(answer.status, 404);
  deepEqual(await answer.json(), {
    error: "no page /nope; there are /healthz, /readyz and /metrics",
  });
});

Deno.test("startAdmin() serves on a free port and stops", async () => {
  const admin = startAdmin(
    { hostname: "127.0.0.1", port: 0 },
    { mode: "node", version: "7", ready: () => [], metrics: () => "", log: silentLogger },
  );
  const answer = await fetch(`${admin.address}/healthz`);
  equal(answer.status, 200);
  await answer.body?.cancel();
  await admin.stop();
});
