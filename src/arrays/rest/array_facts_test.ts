import assert from "node:assert/strict";
import { FLASHARRAY_DIALECT } from "../flasharray/status.ts";
import { silentLogger } from "../../log.ts";
import type { Fetch } from "../../net/https.ts";
import { Secret } from "../../secret.ts";
import { latencyOf, readLatency } from "./array_facts.ts";
import { RestClient } from "./client.ts";

Deno.test("latencyOf() weighs the newest sample's operations", () => {
  const old = { time: 1, reads_per_sec: 1, usec_per_read_op: 9999 };
  const newest = {
    time: 2,
    reads_per_sec: 100,
    usec_per_read_op: 200,
    writes_per_sec: 300,
    usec_per_write_op: 400,
    others_per_sec: null,
  };
  assert.deepEqual(latencyOf([old, newest]), { usecPerOp: 350, opsPerSecond: 400 });
  assert.deepEqual(latencyOf([{ time: 1 }]), { usecPerOp: 0, opsPerSecond: 0 });
  assert.equal(latencyOf([]), undefined);
});

const SAMPLE = { time: 1, reads_per_sec: 100, usec_per_read_op: 200 };
/** By the query: what an array answers to GET arrays/performance. */
const ARRAYS: { name: string; answers: Record<string, unknown[] | number>; latency: unknown }[] = [
  {
    name: "the mean of 30 s",
    answers: { "resolution=30000": [SAMPLE] },
    latency: { usecPerOp: 200, opsPerSecond: 100 },
  },
  {
    name: "its newest sample where it refuses a mean",
    answers: { "resolution=30000": 400, "": [SAMPLE] },
    latency: { usecPerOp: 200, opsPerSecond: 100 },
  },
  {
    name: "its newest sample where it has no mean yet",
    answers: { "resolution=30000": [], "": [SAMPLE] },
    latency: { usecPerOp: 200, opsPerSecond: 100 },
  },
  {
    name: "nothing where it refuses both",
    answers: { "resolution=30000": 403, "": 403 },
    latency: undefined,
  },
];
for (const { name, answers, latency } of ARRAYS) {
  Deno.test(`readLatency() takes ${name}`, async () => {
    const asked: string[] = [];
    const fetch: Fetch = ({ path }) => {
      const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
        Promise.resolve({ status, headers, text: JSON.stringify(body) });
      if (path === "/api/api_version") return json(200, { version: ["2.26"] });
      if (path.endsWith("/login")) return json(200, { items: [] }, { "x-auth-token": "session" });
      const query = path.split("?")[1] ?? "";
      asked.push(query);
      const answer = answers[query] ?? 500;
      if (typeof answer !== "number") return json(200, { items: answer });
      return json(answer, { errors: [{ message: "Not allowed.", context: "" }] });
    };
    const label = () => "fa-1";
    const token = new Secret("token");
    const options = { fetch, dialect: FLASHARRAY_DIALECT, token, label, log: silentLogger };
    assert.deepEqual(await readLatency({ rest: new RestClient(options), label }), latency);
    assert.deepEqual(asked, Object.keys(answers));
  });
}
