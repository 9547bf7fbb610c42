// What an array itself finds wrong: its alerts, and the paths of hosts.
import { deepEqual, rejects } from "node:assert/strict";
import { HttpsClient } from "../../src/net/https.ts";
import { MiB } from "../../src/size.ts";
import { type ArrayBench, type Kind, node, withArray } from "./array_bench.ts";

const KINDS: Kind[] = ["flasharray", "flashblade"];

/** A client whose answers to one path are made into others, as no simulated array gives them. */
function rewritten(
  { endpoint, open }: ArrayBench,
  path: string,
  change: (items: Record<string, unknown>[]) => unknown[],
) {
  const https = new HttpsClient({ ...endpoint, tls: { verify: false } });
  const array = open({}, {
    fetch: async (request) => {
      const answer = await https.fetch(request);
      if (!request.path.includes(`/${path}?`) && !request.path.endsWith(`/${path}`)) return answer;
      const body = JSON.parse(answer.text);
      return { ...answer, text: JSON.stringify({ ...body, items: change(body.items) }) };
    },
  });
  return { array, close: () => https.close() };
}

for (const kind of KINDS) {
  Deno.test(`listAlerts() tells what is open and critical on a ${kind}, in one call`, () =>
    withArray({ kind }, async (bench) => {
      await bench.array.status();
      deepEqual(await bench.calls(() => bench.array.listAlerts()), ["GET /alerts"]);
      const critical = { severity: "critical", state: "open", name: "1" };
      const { array, close } = rewritten(bench, "alerts", () => [
        { ...critical, component_name: "CT0", summary: "controller failed" },
        { ...critical, issue: "capacity" },
        { ...critical, summary: 5 },
        { ...critical, severity: "warning", summary: "a fan" },
        { ...critical, state: "closed", summary: "long ago" },
      ]);
      try {
        deepEqual(await array.listAlerts(), [
          "CT0: controller failed",
          "capacity",
          "an alert without words",
        ]);
      } finally {
        close();
      }
    }));

  Deno.test(`listAlerts() of a token that may not read them finds none on a ${kind}, and trouble is an error`, () =>
    withArray({ kind }, async ({ array, fault, clearFaults }) => {
      const match = { path: "/alerts" };
      await array.status();
      await fault({ action: "status", value: 403, match, times: 1 });
      deepEqual(await array.listAlerts(), []);
      await fault({ action: "status", value: 500, match, times: 100 });
      await rejects(array.listAlerts(), { code: "unavailable" });
      await clearFaults();
    }));
}

Deno.test("listHosts() says which hosts have too few paths, whatever else the array shows there", () =>
  withArray({ kind: "flasharray" }, async (bench) => {
    await bench.array.createVolume({ name: "k8s-pvc-1", sizeBytes: MiB });
    const how = { protocol: "local", exclusive: false, preempt: true, readOnly: false } as const;
    await bench.array.connect("k8s-pvc-1", node(1), how);
    const shown: [unknown, unknown][] = [
      [{ status: "healthy", details: "Redundant" }, undefined],
      [{ status: "unhealthy", details: "Uneven" }, "few"],
      [{ status: "critical", details: "None" }, "none"],
      ["critical", undefined],
      [null, undefined],
    ];
    for (const [connectivity, paths] of shown) {
      const { array, close } = rewritten(
        bench,
        "hosts",
        (items) => items.map((item) => ({ ...item, port_connectivity: connectivity })),
      );
      try {
        deepEqual((await array.listHosts()).map((host) => host.paths), [paths]);
      } finally {
        close();
      }
    }
  }));
