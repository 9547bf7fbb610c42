import { deepEqual, equal, ok } from "node:assert/strict";
import type { ConnectOptions, StorageArray } from "../../src/arrays/array.ts";
import { chapOf } from "../../src/chap.ts";
import { type HttpRequest, HttpsClient } from "../../src/net/https.ts";
import { MiB } from "../../src/size.ts";
import { type ArrayBench, type Kind, node, withArray } from "./array_bench.ts";

// Changes of one host, or of one file system, that wait for each other in the client.

const NODE = node(1);
const SHARED = { exclusive: false, preempt: true, readOnly: false } as const;
const BLOCK: ConnectOptions = { ...SHARED, protocol: "iscsi" };
const FILE: ConnectOptions = { ...SHARED, protocol: "nfs" };

function chap(password: string): ConnectOptions {
  const secret = { "node.session.auth.username": "node", "node.session.auth.password": password };
  return { ...BLOCK, chap: chapOf(secret) };
}

/** A client whose first call that fits hangs until it is let go. */
function hangingClient(
  { endpoint, open }: ArrayBench,
  { method, path }: Pick<HttpRequest, "method" | "path">,
) {
  const https = new HttpsClient({ ...endpoint, address: endpoint.address });
  const hangs = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let isArmed = false;
  const array = open({}, {
    fetch: async (request) => {
      if (isArmed && request.method === method && request.path.includes(path)) {
        isArmed = false;
        hangs.resolve();
        await released.promise;
      }
      return await https.fetch(request);
    },
  });
  const end = () => {
    released.resolve();
    https.close();
  };
  return { array, arm: () => isArmed = true, hangs: hangs.promise, release: released.resolve, end };
}

interface Wait {
  name: string;
  kind: Kind;
  /** The call of the first change that hangs. */
  hanging: Pick<HttpRequest, "method" | "path">;
  first: (array: StorageArray) => Promise<unknown>;
  /** Waits for the first one. */
  second: (array: StorageArray, signal: AbortSignal) => Promise<unknown>;
}

const CONNECT = { method: "POST", path: "/connections" } as const;
const EXPORT = { method: "PATCH", path: "/file-systems" } as const;
const WAITS: Wait[] = [
  {
    name: "connect() behind one of the same host",
    kind: "flasharray",
    hanging: CONNECT,
    first: (array) => array.connect("k8s-pvc-1", NODE, BLOCK),
    second: (array, signal) => array.connect("k8s-pvc-2", NODE, { ...BLOCK, signal }),
  },
  {
    name: "disconnect() behind a connect of the same host",
    kind: "flasharray",
    hanging: CONNECT,
    first: (array) => array.connect("k8s-pvc-1", NODE, BLOCK),
    second: (array, signal) => array.disconnect("k8s-pvc-3", NODE, { signal }),
  },
  {
    name: "connect() behind CHAP credentials for the same host",
    kind: "flasharray",
    hanging: { method: "PATCH", path: "/hosts" },
    first: (array) => array.connect("k8s-pvc-1", NODE, chap("secret-of-12-a")),
    second: (array, signal) =>
      array.connect("k8s-pvc-2", NODE, { ...chap("secret-of-12-b"), signal }),
  },
  {
    name: "connect() behind one of the same file system",
    kind: "flashblade",
    hanging: EXPORT,
    first: (array) => array.connect("k8s-pvc-1", NODE, FILE),
    second: (array, signal) => array.connect("K8S-PVC-1", node(2), { ...FILE, signal }),
  },
  {
    name: "disconnect() behind a connect of the same file system",
    kind: "flashblade",
    hanging: EXPORT,
    first: (array) => array.connect("k8s-pvc-1", NODE, FILE),
    second: (array, signal) => array.disconnect("K8S-PVC-1", node(3), { signal }),
  },
];

for (const { name, kind, hanging, first, second } of WAITS) {
  Deno.test(`15.12: ${name} that hangs ends with its own caller`, () =>
    withArray({ kind }, async (bench) => {
      const client = hangingClient(bench, hanging);
      const { array } = client;
      try {
        for (const number of [1, 2, 3]) {
          await array.createVolume({ name: `k8s-pvc-${number}`, sizeBytes: 16 * MiB });
        }
        const known = kind === "flasharray" ? "k8s-pvc-3" : "k8s-pvc-1";
        await array.connect(
          known,
          kind === "flasharray" ? NODE : node(3),
          kind === "flasharray" ? BLOCK : FILE,
        );
        client.arm();
        const running = first(array);
        await client.hangs;
        const caller = new AbortController();
        let ended: string | undefined;
        const waiting = second(array, caller.signal).then(
          () => ended = "done",
          (error) => ended = error.code,
        );
        // Its look-ups are over by then: it waits for its turn, and for nothing else.
        for (let look = 0; look < 5; look++) await array.findVolume("k8s-pvc-2");
        equal(ended, undefined);
        caller.abort();
        await array.findVolume("k8s-pvc-2");
        equal(ended, "timeout");
        client.release();
        await Promise.all([running, waiting]);
        const holders = (await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts;
        ok(holders && holders.length > 0, "the first one was done");
        const still = (await array.findVolume(known, { hosts: true }))?.hosts;
        deepEqual(still?.length, kind === "flasharray" ? 1 : 2, "the second one was never begun");
      } finally {
        client.end();
      }
    }));
}
