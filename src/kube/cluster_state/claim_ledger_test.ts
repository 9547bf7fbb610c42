import { deepEqual, equal, match } from "node:assert/strict";
import { FakeKubeApi } from "../../../tests/support/fake_kube_api.ts";
import { until } from "../../async/wait.ts";
import { silentLogger } from "../../log.ts";
import { KubeClient } from "../client.ts";
import { ClaimLedger } from "./claim_ledger.ts";

const WAIT = { timeoutMs: 5_000 };

interface Bed {
  api: FakeKubeApi;
  ledger: ClaimLedger;
  /** Makes a claim and gives its UID. */
  claim: (name: string) => string;
}

/** A ledger that runs from `begin` on. */
async function withLedger(test: (bed: Bed, begin: () => void) => Promise<void>): Promise<void> {
  const api = new FakeKubeApi();
  const ledger = new ClaimLedger({
    kube: new KubeClient(api.server()),
    log: silentLogger,
    wait: () => new Promise((resolve) => setTimeout(resolve, 1)),
  });
  const claim = (name: string) => {
    const key = { collection: "persistentvolumeclaims", namespace: "shop", name };
    return api.store.put(key, {}).metadata.uid;
  };
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  try {
    await test({ api, ledger, claim }, () => running = ledger.run(stop.signal));
  } finally {
    stop.abort();
    await running;
  }
}

Deno.test("15.2: ClaimLedger knows claims made after its list, and no others", async () => {
  await withLedger(async ({ api, ledger, claim }, begin) => {
    const old = claim("old");
    for (let at = 0; at < 500; at++) claim(`more-${at}`);
    equal(ledger.look(), undefined);
    begin();
    const isLater = await until("the list", () => ledger.look(), WAIT);
    const made = claim("made");
    deepEqual([isLater(old), isLater(made)], [false, true]);
    equal(api.calls.length, 2);
    match(api.calls[0] ?? "", /^GET \/api\/v1\/persistentvolumeclaims\?limit=500$/);
  });
});

Deno.test("15.2: ClaimLedger that is renewed forgets its list, and reads another", async () => {
  await withLedger(async ({ ledger, claim }, begin) => {
    begin();
    const before = await until("the list", () => ledger.look(), WAIT);
    const made = claim("made");
    equal(before(made), true);
    ledger.renew();
    deepEqual([before(made), ledger.look()], [false, undefined]);
    const after = await until("the next list", () => ledger.look(), WAIT);
    deepEqual([before(made), after(made), after(claim("later"))], [false, false, true]);
  });
});

for (const fault of ["forbidden", "answer lost"] as const) {
  Deno.test(`15.2: ClaimLedger, its list ${fault}, knows nothing until one succeeds`, async () => {
    await withLedger(async ({ api, ledger }, begin) => {
      api.fault = fault;
      begin();
      await until("two tries", () => api.calls.length > 1, WAIT);
      equal(ledger.look(), undefined);
      api.fault = undefined;
      await until("the list", () => ledger.look(), WAIT);
    });
  });
}
