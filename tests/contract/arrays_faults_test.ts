import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { ConnectOptions, StorageArray } from "../../src/arrays/array.ts";
import { isPsoError } from "../../src/errors.ts";
import { HttpsClient } from "../../src/net/https.ts";
import { Secret } from "../../src/secret.ts";
import { MiB } from "../../src/size.ts";
import {
  type ArrayBench,
  type BenchOptions,
  type Kind,
  node,
  versionsUpTo,
  withArray,
} from "./array_bench.ts";

// What goes wrong between a client and an array, over both kinds.

const LOCAL: ConnectOptions = {
  protocol: "local",
  exclusive: true,
  preempt: true,
  readOnly: false,
  known: { cluster: "k8s" },
};
const SIZE = 16 * MiB;
const KINDS: Kind[] = ["flasharray", "flashblade"];

function each(
  rule: string,
  test: (bench: ArrayBench) => Promise<void>,
  options: Partial<BenchOptions> = {},
): void {
  for (const kind of KINDS) {
    Deno.test(`${kind}: ${rule}`, () => withArray({ kind, ...options }, test));
  }
}

each(
  "status() ends when all of its calls have, also when one of them fails at once",
  async (bench) => {
    const { array, calls, fault } = bench;
    await array.status();
    await fault({ match: { path: "/arrays" }, action: "status", value: 403, times: 9 });
    await fault({ match: { path: "/network-interfaces" }, action: "delay", value: 300 });
    const made = await calls(() => rejects(array.status()));
    ok(made.includes("GET /network-interfaces"), made.join(", "));
  },
);

each(
  "a refused token is `denied`, and its client does not ask again for 30 s",
  async ({ open, calls }) => {
    let nowMs = 0;
    const array = open({ token: new Secret("wrong") }, { now: () => nowMs });
    const logins = async () =>
      (await calls(() => array.findVolume("k8s-pvc-1").catch(() => {}))).filter((call) =>
        call === "POST /login"
      ).length;
    await rejects(array.status(), (error) => {
      ok(isPsoError(error, "denied"), String(error));
      match(error.message, /refuses the API token.*pureadmin create --api-token/);
      ok(!error.message.includes("wrong"));
      return true;
    });
    equal(await logins(), 0);
    nowMs = 31_000;
    equal(await logins(), 1);
    equal(await logins(), 0);
    equal((await calls(() => open().status())).filter((call) => call === "POST /login").length, 1);
    equal(await open().findVolume("k8s-pvc-1"), undefined);
  },
);

each(
  "certificates: CA, pin and no check are accepted; a strange certificate and a wrong " +
    "pin are `denied` and named",
  async (bench) => {
    const { open, endpoint } = bench;
    const probe = new HttpsClient({ ...endpoint, tls: { verify: false } });
    const fingerprint = await probe.presentedFingerprint();
    probe.close();
    ok(fingerprint);
    const good = [
      endpoint.tls,
      { verify: true, fingerprint },
      { verify: true, fingerprint: fingerprint.replaceAll(":", "").toLowerCase() },
      { verify: false },
    ];
    for (const tls of good) equal(await open({ tls }).findVolume("k8s-pvc-1"), undefined);
    for (const tls of [{ verify: true }, { verify: true, fingerprint: "AB".repeat(32) }]) {
      await rejects(open({ tls }).status(), (error) => {
        ok(isPsoError(error, "denied"), String(error));
        ok(error.message.includes(fingerprint), error.message);
        match(error.message, /pin/);
        return true;
      });
    }
    const { calls } = bench;
    deepEqual(
      await calls(() => open({ tls: { verify: true } }).status().catch(() => {})),
      [],
      "no byte of a request went out",
    );
  },
  { http: false },
);

each(
  "an array where nothing listens is `unavailable` at once, and says what to check",
  async ({ open }) => {
    // Port 1 of the loop-back: refused at once.
    await rejects(open({ managementAddress: "127.0.0.1:1" }).status(), (error) => {
      ok(isPsoError(error, "unavailable"), String(error));
      match(error.message, /127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/);
      return true;
    });
  },
);

each("an entry under the wrong kind says so", async ({ open, kind }) => {
  const wrong = kind === "flasharray" ? "flashblade" : "flasharray";
  await rejects(
    open({ kind: wrong }).status(),
    (error) => isPsoError(error, "unsupported") && /other kind/.test(error.message),
  );
});

each("no REST version in common names both lists", async ({ open }) => {
  await rejects(
    open().status(),
    (error) =>
      isPsoError(error, "unsupported") &&
      /speaks REST 2\.0, 2\.1, and this driver 2\.\d/.test(error.message),
  );
}, { versions: { flasharray: ["2.0", "2.1"], flashblade: ["2.0", "2.1"] } });

each(
  "a session that ends is renewed once for all calls that meet it",
  async ({ array, calls, endSessions }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await endSessions();
    const made = await calls(() =>
      Promise.all(Array.from({ length: 6 }, () => array.findVolume("k8s-pvc-1")))
    );
    equal(made.filter((call) => call === "POST /login").length, 1);
    await endSessions();
    equal((await array.growVolume("k8s-pvc-1", 2 * SIZE)).sizeBytes, 2 * SIZE);
  },
);

each("a storm of 429 delays and fails nothing", async ({ array }) => {
  const names = Array.from({ length: 24 }, (_, number) => `k8s-pvc-${number}`);
  await Promise.all(names.map((name) => array.createVolume({ name, sizeBytes: SIZE })));
  const found = await array.listVolumes({ limit: 100 });
  deepEqual(found.items.map(({ name }) => name).toSorted(), names.toSorted());
}, { concurrency: 3, latencyMs: 5 });

each("503 is repeated for every call, 502 for reads only", async ({ array, fault }) => {
  await array.status();
  await fault({ action: "status", value: 503, times: 3 });
  await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
  await fault({ action: "status", value: 502, times: 2 });
  ok(await array.findVolume("k8s-pvc-1"));
  await fault({ action: "status", value: 502, match: { method: "PATCH" } });
  await rejects(
    array.deleteVolume("k8s-pvc-1"),
    (error) => isPsoError(error, "unavailable"),
  );
  await array.deleteVolume("k8s-pvc-1");
});

each("a read whose connection breaks is repeated", async ({ array, fault }) => {
  await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
  for (const action of ["drop-before", "drop-after"] as const) {
    await fault({ action, times: 2, match: { method: "GET" } });
    equal((await array.findVolume("k8s-pvc-1"))?.sizeBytes, SIZE);
  }
});

each("a full array is `exhausted`", async ({ array, fault }) => {
  await array.status();
  await fault({ action: "full" });
  await rejects(
    array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE }),
    (error) => isPsoError(error, "exhausted"),
  );
});

each(
  "the caller's deadline ends a call that the array does not answer",
  async ({ array, fault }) => {
    await array.status();
    await fault({ action: "delay", value: 300, times: 1 });
    const deadline = new AbortController();
    const call = array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE }, deadline.signal);
    deadline.abort();
    await rejects(
      call,
      (error) => isPsoError(error, "unavailable") && error.message.includes(array.label),
    );
  },
);

each(
  "an array that does not answer in time is `unavailable`, and the next call works",
  async ({ open, fault }) => {
    const array = open({}, { callTimeoutMs: 500 });
    await array.status();
    await fault({ action: "delay", value: 1_500, times: 1, match: { method: "POST" } });
    await rejects(
      array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE }),
      (error) => isPsoError(error, "unavailable") && error.message.includes(array.label),
    );
    equal((await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE })).sizeBytes, SIZE);
  },
);

/**
 * Every operation that changes something: what must be there before, the operation, and what must
 * hold after it was done twice.
 */
const CHANGES: Record<string, {
  before?: (array: StorageArray, name: string) => Promise<unknown>;
  change: (array: StorageArray, name: string) => Promise<unknown>;
  after: (array: StorageArray, name: string) => Promise<void>;
}> = {
  createVolume: {
    change: (array, name) =>
      array.createVolume({ name, sizeBytes: SIZE, tags: { cluster: "k8s" } }),
    after: async (array, name) => equal((await array.findVolume(name))?.sizeBytes, SIZE),
  },
  "clone of a snapshot": {
    before: async (array, name) => {
      await array.createVolume({ name: `${name}-src`, sizeBytes: SIZE });
      await array.createSnapshot(`${name}-src`, "snapshot-1");
    },
    change: (array, name) =>
      array.createVolume({
        name,
        sizeBytes: 2 * SIZE,
        source: { snapshot: `${name}-src.snapshot-1` },
      }),
    after: async (array, name) => equal((await array.findVolume(name))?.sizeBytes, 2 * SIZE),
  },
  "clone of a volume": {
    before: (array, name) => array.createVolume({ name: `${name}-src`, sizeBytes: SIZE }),
    change: (array, name) =>
      array.createVolume({ name, sizeBytes: 2 * SIZE, source: { volume: `${name}-src` } }),
    after: async (array, name) => {
      equal((await array.findVolume(name))?.sizeBytes, 2 * SIZE);
      deepEqual((await array.listSnapshots({ limit: 100, volume: `${name}-src` })).items, []);
      await array.deleteVolume(`${name}-src`);
    },
  },
  growVolume: {
    before: (array, name) => array.createVolume({ name, sizeBytes: SIZE }),
    change: (array, name) => array.growVolume(name, 2 * SIZE),
    after: async (array, name) => equal((await array.findVolume(name))?.sizeBytes, 2 * SIZE),
  },
  deleteVolume: {
    before: (array, name) => array.createVolume({ name, sizeBytes: SIZE }),
    change: (array, name) => array.deleteVolume(name),
    after: async (array, name) => equal(await array.findVolume(name), undefined),
  },
  createSnapshot: {
    before: (array, name) => array.createVolume({ name, sizeBytes: SIZE }),
    change: (array, name) => array.createSnapshot(name, "snapshot-1"),
    after: async (array, name) =>
      equal((await array.listSnapshots({ limit: 10, volume: name })).items.length, 1),
  },
  deleteSnapshot: {
    before: async (array, name) => {
      await array.createVolume({ name, sizeBytes: SIZE });
      await array.createSnapshot(name, "snapshot-1");
    },
    change: (array, name) => array.deleteSnapshot(`${name}.snapshot-1`),
    after: async (array, name) => equal(await array.findSnapshot(`${name}.snapshot-1`), undefined),
  },
  "connect of a new node": {
    before: (array, name) => array.createVolume({ name, sizeBytes: SIZE }),
    change: (array, name) => array.connect(name, nodeOf(name), LOCAL),
    after: async (array, name) =>
      equal((await array.findVolume(name, { hosts: true }))?.hosts?.length, 1),
  },
  "connect that fences another node off": {
    before: async (array, name) => {
      await array.createVolume({ name, sizeBytes: SIZE });
      await array.connect(name, node(2), LOCAL); // so that the array knows node-2 already
      await array.connect(name, node(1), LOCAL);
    },
    change: (array, name) => array.connect(name, node(2), LOCAL),
    after: async (array, name) => {
      const hosts = (await array.findVolume(name, { hosts: true }))?.hosts ?? [];
      equal(hosts.length, 1);
      match(hosts[0] ?? "", /2$/);
    },
  },
  disconnect: {
    before: async (array, name) => {
      await array.createVolume({ name, sizeBytes: SIZE });
      await array.connect(name, node(1), LOCAL);
    },
    change: (array, name) => array.disconnect(name, node(1)),
    after: async (array, name) =>
      deepEqual((await array.findVolume(name, { hosts: true }))?.hosts, []),
  },
};

/** A node that the array has never seen. */
function nodeOf(name: string) {
  return node(3, { name: `host-of-${name}`, iqn: `iqn.1993-08.org.debian:01:${name}` });
}

each(
  "each change whose connection breaks before or after its effect, at each of its " +
    "calls, can be repeated",
  async ({ array, calls, fault, clearFaults }) => {
    await array.status();
    let round = 0;
    let broken = 0;
    for (const [title, { before, change, after }] of Object.entries(CHANGES)) {
      const probe = `k8s-pvc-${round++}`;
      await before?.(array, probe);
      const changing = (await calls(() => change(array, probe))).filter((call) =>
        !call.startsWith("GET")
      );
      ok(changing.length > 0, title);
      for (const [at, call] of changing.entries()) {
        for (const action of ["drop-before", "drop-after"] as const) {
          const name = `k8s-pvc-${round++}`;
          await before?.(array, name);
          const [method = "", path = ""] = call.split(" ");
          const earlier = changing.slice(0, at).filter((one) => one === call).length;
          await fault({ action, after: earlier, match: { method, path } });
          await rejects(change(array, name), (error) => {
            ok(isPsoError(error, "unavailable"), `${title}, ${action} at ${call}: ${error}`);
            return true;
          });
          broken++;
          await clearFaults();
          await change(array, name);
          await after(array, name);
        }
      }
    }
    ok(broken >= 20, `${broken} breaks`);
  },
);

Deno.test("createVolume() answers with no final code once the volume exists, also when its tags are refused", () =>
  withArray(
    { kind: "flasharray", restVersions: versionsUpTo(26) },
    async ({ array, fault, clearFaults }) => {
      await fault({
        action: "status",
        value: 400,
        match: { method: "PUT", path: "/volumes/tags/batch" },
      });
      const spec = { name: "k8s-pvc-1", sizeBytes: SIZE, tags: { cluster: "k8s" } };
      await rejects(array.createVolume(spec), {
        code: "unavailable",
        message: /k8s-pvc-1 on array .* was created and cannot be tagged/,
      });
      await clearFaults();
      equal((await array.createVolume(spec)).name, "k8s-pvc-1");
    },
  ));
