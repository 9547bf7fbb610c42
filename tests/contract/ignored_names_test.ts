import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { ConnectOptions, StorageArray } from "../../src/arrays/array.ts";
import { Fleet } from "../../src/arrays/fleet.ts";
import { isNeverFinal, isPsoError } from "../../src/errors.ts";
import { type Fetch, HttpsClient } from "../../src/net/https.ts";
import { silentLogger } from "../../src/log.ts";
import { MiB } from "../../src/size.ts";
import { type ArrayBench, type Kind, node, withArray } from "./array_bench.ts";

// A proxy before an array that takes parameters out of what it passes on, or puts an answer of its
// own in the place of the array's.

const SIZE = 16 * MiB;
const LOCAL: ConnectOptions = {
  protocol: "local",
  exclusive: true,
  preempt: true,
  readOnly: false,
};
const KINDS: Kind[] = ["flasharray", "flashblade"];
const [FIRST, SECOND] = ["k8s-pvc-1", "k8s-pvc-2"] as const;

type Change = (request: Parameters<Fetch>[0], pass: Fetch) => ReturnType<Fetch>;

/** The array behind a proxy that does `change` with each call but versions and login. */
async function withProxy(
  kind: Kind,
  change: Change,
  test: (proxied: StorageArray, bench: ArrayBench) => Promise<void>,
): Promise<void> {
  await withArray({ kind }, async (bench) => {
    const https = new HttpsClient(bench.endpoint);
    const fetch: Fetch = (request) =>
      /login|logout|api_version/.test(request.path)
        ? https.fetch(request)
        : change(request, https.fetch);
    try {
      await test(bench.open({}, { fetch }), bench);
    } finally {
      https.close();
    }
  });
}

/** Passes reads on without the names that they are about. */
const withoutNames: Change = (request, pass) => {
  if (request.method !== "GET") return pass(request);
  const [path = "", query = ""] = request.path.split("?");
  const kept = query.split("&").filter((part) => !/^\w*names\w*=/.test(part));
  return pass({ ...request, path: `${path}?${kept.join("&")}` });
};

/** What everybody can see of the array. */
async function stateOf(array: StorageArray) {
  const { items } = await array.listVolumes({ limit: 100, hosts: true });
  const snapshots = (await array.listSnapshots({ limit: 100 })).items.map(({ name }) => name);
  return {
    volumes: items.map(({ name, sizeBytes, hosts }) => [name, sizeBytes, hosts]),
    snapshots,
  };
}

const CALLS: [string, (array: StorageArray) => Promise<unknown>][] = [
  ["findVolume()", (array) => array.findVolume(SECOND)],
  ["deleteVolume()", (array) => array.deleteVolume(SECOND, {})],
  [
    "deleteVolume() of a watched volume",
    (array) => array.deleteVolume(SECOND, { cluster: "k8s", isWatched: true }),
  ],
  ["connect()", (array) => array.connect(SECOND, node(1), LOCAL)],
  ["disconnect()", (array) => array.disconnect(SECOND, "all")],
  ["holds()", (array) => array.holds(SECOND, node(1))],
  ["findSnapshot()", (array) => array.findSnapshot(`${SECOND}.b`)],
  ["listSnapshots() of a volume", (array) => array.listSnapshots({ volume: SECOND, limit: 10 })],
];

for (const kind of KINDS) {
  for (const [name, call] of CALLS) {
    Deno.test(`${kind}: ${name} behind a proxy that drops names is unavailable, and nothing is done`, () =>
      withProxy(kind, withoutNames, async (proxied, { array }) => {
        for (const volume of [FIRST, SECOND]) {
          await array.createVolume({ name: volume, sizeBytes: SIZE });
        }
        await array.createSnapshot(FIRST, "a");
        await array.connect(FIRST, node(1), LOCAL);
        const before = await stateOf(array);
        await rejects(call(proxied), (error) => {
          ok(isPsoError(error, "unavailable"), String(error));
          match(error.message, /k8s-pvc-1/, "it names what it got");
          match(error.message, /k8s-pvc-2/, "and what it asked for");
          return true;
        });
        deepEqual(await stateOf(array), before);
      }));
  }
}

for (const kind of KINDS) {
  Deno.test(`${kind}: the check of the fleet finds a proxy that drops names, and ends when it heeds them`, () => {
    let change: Change = withoutNames;
    const drops: Change = (request, pass) => change(request, pass);
    return withProxy(kind, drops, async (proxied, { array }) => {
      await array.createVolume({ name: FIRST, sizeBytes: SIZE });
      const fleet = new Fleet([{ array: proxied }], { log: silentLogger, cluster: "k8s" });
      await fleet.refresh();
      const problem = () => fleet.members[0]?.problem;
      ok(isPsoError(problem(), "unavailable"));
      match(problem()?.message ?? "", /k8s-pvc-1/);
      change = (request, pass) => pass(request);
      await fleet.refresh();
      equal(problem(), undefined);
    });
  });
}

/** Carries a change out and answers with the first volume's item in place of its own. */
const withFirstItem: Change = async (request, pass) => {
  const response = await pass(request);
  if (request.method === "GET" || response.status !== 200) return response;
  return { ...response, text: response.text.replaceAll(SECOND, FIRST) };
};

const CHANGES: [string, (array: StorageArray) => Promise<unknown>][] = [
  ["createVolume()", (array) => array.createVolume({ name: SECOND, sizeBytes: SIZE })],
  ["growVolume()", (array) => array.growVolume(SECOND, 2 * SIZE)],
  ["createSnapshot()", (array) => array.createSnapshot(SECOND, "b")],
];

for (const kind of KINDS) {
  Deno.test(`${kind}: a change that is answered with another object is unavailable, and may be repeated`, () =>
    withProxy(kind, withFirstItem, async (proxied, { array }) => {
      await array.createVolume({ name: FIRST, sizeBytes: SIZE });
      for (const [name, change] of CHANGES) {
        await rejects(change(proxied), (error) => {
          ok(isPsoError(error, "unavailable"), `${name}: ${error}`);
          match(error.message, /it may have been carried out/);
          return true;
        });
        await change(array);
      }
      equal((await array.findVolume(SECOND))?.sizeBytes, 2 * SIZE);
    }));
}

const STATUSES = Array.from({ length: 900 }, (_, at) => 100 + at).filter((status) =>
  status !== 101 && status !== 200 && status !== 429 && status !== 503
);
const PAGES = ["", "<html>not found</html>", "{}", '{"items":[]}', '{"errors":[]}', "null"];

for (const kind of KINDS) {
  Deno.test(`${kind}: a change whose answer has an odd status and is not the array's own ends with no final code`, () => {
    let page = "";
    let status = 0;
    const oddly: Change = async (request, pass) => {
      const { headers } = await pass(request);
      return { status, headers, text: page };
    };
    return withProxy(kind, oddly, async (proxied, { array }) => {
      const made = array.createVolume({ name: FIRST, sizeBytes: SIZE });
      equal((await made).sizeBytes, SIZE);
      const odd = STATUSES.filter((_, at) => at % 7 === 0 || at < 330 && at > 290);
      for (status of odd) {
        page = PAGES[status % PAGES.length] ?? "";
        for (const [name, change] of CHANGES) {
          const error = await change(proxied).catch((error) => error);
          ok(isNeverFinal(error), `${name}, status ${status}, ${page}: ${error}`);
        }
        const error = await proxied.deleteVolume(FIRST, {}).catch((
          error,
        ) => error);
        ok(isNeverFinal(error), `deleteVolume(), status ${status}, ${page}: ${error}`);
      }
      ok(await array.findVolume(FIRST));
    });
  });
}
