/** What simulated arrays answer about connected arrays and stretched pods fits the OpenAPI files. */
import { ok } from "node:assert/strict";
import { TestClient, testFleet } from "../../src/simulator/fixture_test.ts";
import { OpenApiChecker } from "./openapi.ts";

/** The calls on the first array, once it is connected to `fa-2` and has the pod `p1`. */
const STEPS: [call: string, body?: unknown, since?: number][] = [
  ["GET /array-connections"],
  ["PATCH /array-connections?names=fa-2", { default_limit: 1_048_576 }],
  ["POST /pods/arrays?group_names=p1&member_names=fa-2"],
  ["GET /pods"],
  ["GET /pods/arrays?member_names=fa-2"],
  ["GET /pods/members?pod_names=p1", undefined, 36],
  ["PATCH /pods?names=p1", { mediator: "m", failover_preferences: [{ name: "fa-2" }] }],
  ["POST /volumes?names=p1::v1", { provisioned: 1_048_576 }],
  ["POST /hosts?names=h1", { preferred_arrays: [{ name: "fa-2" }] }],
  ["GET /hosts"],
  ["GET /connections"],
  ["DELETE /pods/arrays?group_names=p1&member_names=fa-2"],
  ["DELETE /array-connections?names=fa-2"],
];

for (const minor of [16, 26, 56]) {
  Deno.test(`15.13: answers about stretched pods at REST 2.${minor} fit the OpenAPI file`, async () => {
    const checker = new OpenApiChecker();
    const fleet = await testFleet({ flasharrays: 2 }, { onAnswer: checker.record });
    const [array, other] = fleet.arrays.map((entry) => new TestClient(entry));
    ok(array && other);
    try {
      for (const client of [array, other]) {
        client.version = `2.${minor}`;
        await client.login();
      }
      const [{ connection_key }] = (await other.ok("GET /array-connections/connection-key")).items;
      const type = "sync-replication";
      const wanted = { connection_key, management_address: "192.0.2.2", type };
      await array.ok("POST /array-connections", wanted);
      await array.ok("POST /pods?names=p1", {});
      await other.ok("POST /hosts?names=h2", {});
      for (const [call, body, since = 0] of STEPS) if (minor >= since) await array.ok(call, body);
      checker.assertClean();
    } finally {
      array.close();
      other.close();
      await fleet.stop();
    }
  });
}
