import { deepEqual, equal, match, ok } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { createLogger } from "../log.ts";
import { KubeClient } from "./client.ts";
import { type KubeEvent, KubeEvents } from "./events.ts";
import { KUBE_LIMITS } from "./limits.ts";

const NOW = Date.UTC(2026, 0, 1);
const POD = { namespace: "pso", name: "pso-controller-1", uid: "u-1" };
const REFUSED: KubeEvent = {
  type: "Warning",
  reason: "ConfigurationRefused",
  action: "ReadConfiguration",
  note: "Secret pso/arrays does not exist",
};

function bed() {
  const api = new FakeKubeApi();
  const clock = { monotonicMs: 0, wallMs: NOW };
  const lines: string[] = [];
  const events = new KubeEvents({
    kube: new KubeClient(api.server()),
    pod: POD,
    controller: "pure-csi",
    log: createLogger({ write: (line) => lines.push(line) }),
    clock: () => clock,
  });
  const stored = () => api.store.select({ collection: "events", namespace: "pso" });
  return { api, clock, events, stored, lines };
}

Deno.test("KubeEvents writes an Event about its pod, and a repetition into the same one", async () => {
  const { events, stored, clock, api } = bed();
  events.tell(REFUSED);
  await events.settled();
  const [event, ...others] = stored();
  deepEqual(others, []);
  deepEqual(event?.regarding, { apiVersion: "v1", kind: "Pod", ...POD });
  deepEqual(
    [event?.type, event?.reason, event?.note, event?.eventTime, event?.reportingInstance],
    ["Warning", REFUSED.reason, REFUSED.note, "2026-01-01T00:00:00.000000Z", POD.name],
  );
  clock.wallMs += 5_000;
  events.tell(REFUSED);
  await events.settled();
  equal(stored().length, 1);
  deepEqual(stored()[0]?.series, { count: 2, lastObservedTime: "2026-01-01T00:00:05.000000Z" });
  api.remove({ collection: "events", namespace: "pso", name: stored()[0]?.metadata.name ?? "" });
  events.tell(REFUSED);
  await events.settled();
  equal(stored().length, 1, "one that has gone is made anew");
});

Deno.test("a flood of Events costs few calls and little memory, and is counted all the same", async () => {
  const { events, stored, clock, api } = bed();
  for (let at = 0; at < 10_000; at++) events.tell({ ...REFUSED, note: `fault ${at}` });
  await events.settled();
  for (let at = 0; at < 10_000; at++) events.tell(REFUSED);
  await events.settled();
  ok(api.calls.length <= KUBE_LIMITS.eventBurst, `${api.calls.length}`);
  clock.monotonicMs += KUBE_LIMITS.eventMs * 40;
  events.tell(REFUSED);
  await events.settled();
  ok(api.calls.length <= KUBE_LIMITS.eventBurst * 2, `${api.calls.length}`);
  ok(stored().length <= KUBE_LIMITS.eventBurst * 2);
});

Deno.test("an Event that cannot be written harms nobody and is logged once", async () => {
  const { events, stored, api, lines } = bed();
  api.fault = "forbidden";
  for (let at = 0; at < 5; at++) {
    events.tell(REFUSED);
    await events.settled();
  }
  equal(lines.length, 1);
  match(lines[0] ?? "", /event not written.*403.*give the account this right/);
  api.fault = undefined;
  events.tell(REFUSED);
  await events.settled();
  equal(stored().length, 1);
});

Deno.test("the text of an Event is no longer than the API server takes", async () => {
  const { events, stored } = bed();
  for (const text of ["x".repeat(5_000), "€".repeat(5_000), "𝄞".repeat(600)]) {
    events.tell({ ...REFUSED, note: text });
  }
  await events.settled();
  equal(stored().length, 3);
  for (const { note } of stored()) {
    ok(new TextEncoder().encode(String(note)).length <= KUBE_LIMITS.noteBytes);
  }
});

Deno.test("32 different Events are known: a repetition of an older one is written anew", async () => {
  const { events, stored, clock } = bed();
  const tell = async (at: number) => {
    clock.monotonicMs += KUBE_LIMITS.eventMs;
    events.tell({ ...REFUSED, note: `fault ${at}` });
    await events.settled();
  };
  for (let at = 0; at < KUBE_LIMITS.events; at++) await tell(at);
  await tell(0); // known, and now the newest
  equal(stored().length, 32);
  await tell(KUBE_LIMITS.events); // in place of the first that was told no more
  await tell(0);
  equal(stored().length, 33);
  await tell(1);
  equal(stored().length, 34);
  deepEqual(stored().filter(({ note }) => note === "fault 1").map(({ series }) => series), [
    undefined,
    undefined,
  ]);
});
