import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { type TestClock, withTestClock } from "../../tests/support/test_clock.ts";
import { isPsoError } from "../errors.ts";
import { FencedError } from "../async/fence.ts";
import { silentLogger } from "../log.ts";
import { TransportError } from "../net/https.ts";
import { KubeClient } from "./client.ts";
import { leaseStore } from "./lease_object.ts";
import { Leadership } from "./leadership.ts";

const LEASE = { namespace: "pso", name: "leader" };
const never = new AbortController().signal;

interface Bed {
  api: FakeKubeApi;
  leadership: Leadership;
  /** Lets the leadership run until the bed ends. */
  start: () => void;
  clock: TestClock;
  /** How often this process took the Lease. */
  takeovers: () => number;
}

/** One process that wants a Lease, under a clock of its own. */
async function withLeadership(
  spec: Parameters<FakeKubeApi["edit"]>[1],
  test: (bed: Bed) => Promise<void>,
): Promise<void> {
  await withTestClock(async (clock) => {
    const api = new FakeKubeApi();
    api.put(LEASE, { spec: { leaseDurationSeconds: 1, holderIdentity: "", ...spec } });
    let takeovers = 0;
    const leadership = new Leadership({
      store: leaseStore(new KubeClient(api.server()), LEASE),
      identity: "pso-0_new",
      obstacle: () => Promise.resolve(undefined),
      onLead: () => takeovers++,
      log: silentLogger,
    });
    const stop = new AbortController();
    let running = Promise.resolve();
    const start = () => void (running = leadership.run(stop.signal));
    await test({ api, leadership, start, clock, takeovers: () => takeovers });
    stop.abort();
    await running;
  });
}

/** Lets everything that is due run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

Deno.test("a Probe waits for the lease, and is true once it is taken", async () => {
  await withLeadership({}, async ({ leadership, start, takeovers }) => {
    start();
    equal(await leadership.ready({ leftMs: 10_000, signal: never }), true);
    equal(takeovers(), 1);
    equal(await leadership.ready({ signal: never }), true, "at once when it leads");
  });
});

Deno.test("a Probe of a standby is false at 80 % of its time, after 20 s at most, and at once without a deadline", async () => {
  await withLeadership({ holderIdentity: "other_1" }, async ({ leadership, clock }) => {
    equal(await leadership.ready({ signal: never }), false);
    for (const [leftMs, heldMs] of [[1_000, 800], [15_000, 12_000], [300_000, 20_000]] as const) {
      let answer: boolean | undefined;
      void leadership.ready({ leftMs, signal: never }).then((ready) => answer = ready);
      clock.move(heldMs - 1);
      await settle();
      equal(answer, undefined, `${leftMs}`);
      clock.move(1);
      await settle();
      equal(answer, false, `${leftMs}`);
    }
  });
});

Deno.test("a process says for how long it has had the lease, renewals and all; a standby has not", async () => {
  await withLeadership({}, async ({ leadership, start, clock }) => {
    equal(leadership.heldForMs, 0);
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    const before = leadership.heldForMs;
    for (let times = 0; times < 10; times++) {
      clock.move(2_000);
      await settle();
    }
    ok(leadership.heldForMs >= before + 20_000 && leadership.isOpen);
  });
});

Deno.test("one renewal that fails leaves a leader ready", async () => {
  await withLeadership({}, async ({ leadership, start, api, clock }) => {
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    api.fault = "silent";
    clock.move(2_000);
    await settle();
    deepEqual([leadership.readiness().ok, leadership.readiness().state], [true, "leader"]);
  });
});

Deno.test("held Probes are answered when the process ends, and none is held any more", async () => {
  await withLeadership({ holderIdentity: "other_1" }, async ({ leadership }) => {
    const caller = new AbortController();
    const gone = leadership.ready({ leftMs: 10_000, signal: caller.signal });
    caller.abort();
    equal(await gone, false);
    const held = [1, 2, 3].map(() => leadership.ready({ leftMs: 10_000, signal: never }));
    leadership.leave();
    deepEqual(await Promise.all(held), [false, false, false]);
    equal(await leadership.ready({ leftMs: 10_000, signal: never }), false);
  });
});

Deno.test("a standby sends no change and says who leads", async () => {
  await withLeadership({ holderIdentity: "other_1" }, async ({ leadership, start }) => {
    start();
    await settle();
    const isRefusal = (error: unknown) => {
      match(String(error), /may not change arrays now: other_1 leads; the call must be repeated/);
      return error instanceof FencedError && !error.sent && isPsoError(error, "unavailable");
    };
    await rejects(leadership.pass(never, () => Promise.resolve("sent")), isRefusal);
    await rejects(leadership.settled(), isRefusal);
    deepEqual(leadership.readiness(), {
      name: "lease",
      ok: true,
      state: "standby",
      reason: "other_1 leads",
    });
  });
});

Deno.test("a leader sends changes; one that runs is cut at the lease's end, and renewals prolong it", async () => {
  await withLeadership({}, async ({ leadership, start, api, clock }) => {
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    equal(leadership.readiness().state, "leader");
    equal(await leadership.pass(never, () => Promise.resolve("sent")), "sent");
    const change = leadership.pass(never, ({ signal, check }) =>
      new Promise((_, reject) => {
        check();
        signal.addEventListener(
          "abort",
          () => reject(new TransportError("timeout", "cut", { sent: true })),
        );
      }));
    let ended = "";
    change.catch((error) => ended = String(error));
    for (let second = 0; second < 40; second++) {
      clock.move(1_000);
      await settle();
    }
    equal(ended, "", "renewed meanwhile");
    api.fault = "silent";
    for (let second = 0; second < 12; second++) {
      clock.move(1_000);
      await settle();
    }
    equal(ended, "", "the rest of the 15 seconds is its own");
    await rejects(
      leadership.pass(never, () => Promise.resolve("sent")),
      /its lease could not be renewed \(no answer to PUT/,
    );
    equal(leadership.readiness().ok, false);
    for (let second = 0; second < 4; second++) {
      clock.move(1_000);
      await settle();
    }
    await rejects(change, (error) => error instanceof FencedError && error.sent);
  });
});

Deno.test("the fence is asked again right before the bytes", async () => {
  await withLeadership({}, async ({ leadership, start, clock, api }) => {
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    api.fault = "silent";
    const change = leadership.pass(never, async ({ check }) => {
      check();
      clock.move(11_000);
      await settle();
      check();
    });
    await rejects(change, (error) => error instanceof FencedError && !error.sent);
  });
});

Deno.test("who loses the lease cuts its changes at once, and says so", async () => {
  await withLeadership({}, async ({ leadership, start, api, clock }) => {
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    const change = leadership.pass(
      never,
      ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    const cut = rejects(change, /other_1 leads/);
    api.edit(LEASE, { holderIdentity: "other_1", leaseTransitions: 9 });
    clock.move(2_000);
    equal(await leadership.lost, "other_1 holds the lease now");
    await cut;
  });
});

Deno.test("after a leader that died no create is sent for the time of a call; other changes are", async () => {
  await withLeadership({ holderIdentity: "pso-0_old" }, async (bed) => {
    const { leadership, start, clock, takeovers } = bed;
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    deepEqual([leadership.isSettled, takeovers()], [false, 1]);
    let settled = false;
    void leadership.settled().then(() => settled = true);
    equal(await leadership.pass(never, () => Promise.resolve("sent")), "sent");
    clock.move(9_000);
    await settle();
    equal(settled, false);
    const caller = new AbortController();
    const late = rejects(leadership.settled(caller.signal), (error) => isPsoError(error));
    caller.abort();
    await late;
    clock.move(1_000);
    await settle();
    ok(settled && leadership.isSettled);
    equal(takeovers(), 2, "what was listed meanwhile is forgotten");
  });
  await withLeadership({}, async ({ leadership, start }) => {
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    await leadership.settled(); // given back: at once
  });
});

Deno.test("giveBack() keeps the lease while an array may carry out a change without an answer", async () => {
  for (
    const [sent, waitMs, holder] of [[true, 9_999, "pso-0_new"], [true, 10_000, ""], [
      false,
      0,
      "",
    ]] as const
  ) {
    await withLeadership({}, async ({ leadership, start, api, clock }) => {
      start();
      await leadership.ready({ leftMs: 10_000, signal: never });
      const error = new TransportError("timeout", "no answer", { sent });
      const change = leadership.pass(never, ({ check }) => {
        check();
        return Promise.reject(error);
      });
      await rejects(change, /no answer/);
      clock.move(waitMs);
      await settle();
      await leadership.giveBack();
      equal(api.spec(LEASE).holderIdentity, holder);
    });
  }
});

Deno.test("giveBack() keeps the lease while a dead leader's creates may be under way", async () => {
  await withLeadership({ holderIdentity: "pso-0_old" }, async (bed) => {
    const { leadership, start, api } = bed;
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    await leadership.giveBack();
    equal(api.spec(LEASE).holderIdentity, "pso-0_new");
    leadership.leave();
  });
});

Deno.test("giveBack() waits for changes under way, and keeps a lease under which one stays", async () => {
  await withLeadership({}, async ({ leadership, start, api, clock }) => {
    start();
    await leadership.ready({ leftMs: 10_000, signal: never });
    const gate = Promise.withResolvers<void>();
    const change = leadership.pass(never, () => gate.promise);
    const kept = leadership.giveBack();
    clock.move(2_000);
    await kept;
    equal(api.spec(LEASE).holderIdentity, "pso-0_new");
    const given = leadership.giveBack();
    await settle();
    equal(api.spec(LEASE).holderIdentity, "pso-0_new");
    gate.resolve();
    await Promise.all([given, change]);
    equal(api.spec(LEASE).holderIdentity, "");
    equal(leadership.isOpen, false);
  });
});
