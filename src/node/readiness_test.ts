import assert from "node:assert/strict";
import { type Protocol, PROTOCOLS } from "../protocols.ts";
import { nodeReadiness } from "./readiness.ts";

function nodeThatLacks(protocols: readonly Protocol[]) {
  const reasons = Object.fromEntries(protocols.map((protocol) => [protocol, `no ${protocol}`]));
  return { protocolReasons: () => Promise.resolve(reasons) };
}

Deno.test("a node with one protocol that works is ready: what the others lack is shown only", async () => {
  const lacking = PROTOCOLS.filter((protocol) => protocol !== "nfs");
  const checks = await nodeReadiness(nodeThatLacks(lacking));
  assert.deepEqual(checks.map(({ name }) => name), [...PROTOCOLS]);
  assert.ok(checks.every(({ optional }) => optional));
  assert.deepEqual(checks.find(({ name }) => name === "nfs")?.ok, true);
  const fc = { name: "fc", ok: false, state: "unusable", reason: "no fc", optional: true };
  assert.deepEqual(checks.find(({ name }) => name === "fc"), fc);
});

Deno.test("a node without any protocol is not ready, and each one says what it lacks", async () => {
  const checks = await nodeReadiness(nodeThatLacks(PROTOCOLS));
  assert.ok(checks.every(({ ok, optional }) => !ok && !optional));
  assert.deepEqual(checks[0]?.reason, `no ${PROTOCOLS[0]}`);
});
