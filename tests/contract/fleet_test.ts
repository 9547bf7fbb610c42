import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { arrayHintOf, Fleet } from "../../src/arrays/fleet.ts";
import { isPsoError } from "../../src/errors.ts";
import { type Fetch, HttpsClient } from "../../src/net/https.ts";
import { silentLogger } from "../../src/log.ts";
import { Secret } from "../../src/secret.ts";
import { MiB } from "../../src/size.ts";
import { until } from "../../src/async/wait.ts";
import { type ArrayBench, withArray } from "./array_bench.ts";

const SIZE = 16 * MiB;

interface FleetBench extends ArrayBench {
  fleetOf: (cluster?: string) => Fleet;
  /** The array of that name answers nothing any more. */
  silence: (array: string) => Promise<void>;
}

/** Two FlashArrays (fa-1, fa-2) and a FlashBlade (fb-1), each with a client. */
function withFleet(test: (bench: FleetBench) => Promise<void>): () => Promise<void> {
  return () =>
    withArray({ kind: "flasharray", flasharrays: 2, flashblades: 1 }, async (bench) => {
      const arrays = bench.fleet.arrays.map(({ kind, address, token, name }) => ({
        array: bench.open({ kind, managementAddress: address, token: new Secret(token) }),
        labels: { array: name },
      }));
      await test({
        ...bench,
        fleetOf: (cluster) => new Fleet(arrays, { log: silentLogger, cluster }),
        silence: (array) => bench.fault({ array, action: "drop-before", times: 1_000_000 }),
      });
    });
}

Deno.test(
  "Fleet.refresh() learns every array's facts and names, and a bad array only gets its problem",
  withFleet(async ({ fleetOf, silence, clearFaults }) => {
    const fleet = fleetOf();
    const [first] = fleet.members;
    ok(first);
    equal(fleet.mayHold(first, "k8s-pvc-1"), true, "cold: anything may be there");
    await first.array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await first.array.createSnapshot("k8s-pvc-1", "snapshot-1");
    await silence("fa-2");
    await fleet.refresh();
    deepEqual(fleet.members.map(({ warm, problem }) => [warm, problem?.code]), [[true, undefined], [
      false,
      "unavailable",
    ], [
      true,
      undefined,
    ]]);
    deepEqual(fleet.members.map(({ status }) => status?.name), ["fa-1", undefined, "fb-1"]);
    ok(fleet.members.every(({ checkedMs }) => checkedMs !== undefined));
    equal(fleet.mayHold(first, "k8s-pvc-1"), true);
    equal(fleet.mayHold(first, "K8S-PVC-1"), true, "arrays compare names without case");
    equal(fleet.mayHold(first, "k8s-pvc-2"), false);
    deepEqual(fleet.volumesWithSnapshot("snapshot-1"), [{ member: first, volume: "k8s-pvc-1" }]);
    equal(fleet.indexedVolumes(first), 1);
    await clearFaults();
    await fleet.refresh();
    ok(fleet.members.every(({ warm, problem }) => warm && problem === undefined));
  }),
);

Deno.test(
  "Fleet keeps its index right by the notes of those who change things",
  withFleet(async ({ fleetOf }) => {
    const fleet = fleetOf("k8s");
    await fleet.refresh();
    const [first, second] = fleet.members;
    ok(first && second);
    fleet.created(first, "k8s-pvc-1");
    fleet.unclear(second, "k8s-pvc-2");
    deepEqual([
      fleet.mayHold(first, "k8s-pvc-1"),
      fleet.mayHold(second, "k8s-pvc-1"),
      fleet.mayHold(second, "k8s-pvc-2"),
    ], [
      true,
      false,
      true,
    ]);
    equal(fleet.mayHold(first, "other-pvc-1"), true, "names of other prefixes are not indexed");
    fleet.snapshotCreated(first, "k8s-pvc-1.a");
    fleet.snapshotCreated(first, "k8s-pvc-1.a");
    fleet.snapshotCreated(first, "k8s-pvc-1.b");
    fleet.snapshotDeleted(first, "k8s-pvc-1.a");
    fleet.snapshotDeleted(first, "k8s-pvc-1.a");
    deepEqual(fleet.volumesWithSnapshot("a"), []);
    deepEqual(fleet.volumesWithSnapshot("b"), [{ member: first, volume: "k8s-pvc-1" }]);
    fleet.snapshotDeleted(first, "k8s-pvc-1.b");
    deepEqual(fleet.volumesWithSnapshot("b"), []);
    fleet.deleted(first, "k8s-pvc-1");
    equal(fleet.mayHold(first, "k8s-pvc-1"), false);
    fleet.coolDown();
    equal(fleet.mayHold(first, "k8s-pvc-1"), true);
  }),
);

Deno.test(
  "Fleet.find() asks the array that the handle names, and takes no other's namesake for it",
  withFleet(async ({ fleetOf, calls }) => {
    const fleet = fleetOf();
    await fleet.refresh();
    const [first, second] = fleet.members;
    ok(first?.status && second?.status);
    await second.array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await second.array.createSnapshot("k8s-pvc-1", "snapshot-1");
    const arrayHint = arrayHintOf(second.status.id);
    match(arrayHint, /^[0-9a-f]{8}$/);
    equal(fleet.memberByHint(arrayHint), second);
    equal(fleet.memberByHint("00000000"), undefined);
    const made = await calls(async () =>
      equal((await fleet.find({ arrayHint, name: "k8s-pvc-1" }))?.member, second)
    );
    deepEqual(made, ["GET /volumes"]);
    equal(await fleet.find({ arrayHint, name: "k8s-pvc-2" }), undefined);
    const found = await fleet.findSnapshot({ arrayHint, name: "k8s-pvc-1.snapshot-1" });
    equal(found?.item.volume, "k8s-pvc-1");
    const other = arrayHintOf(first.status.id);
    equal(await fleet.find({ arrayHint: other, name: "k8s-pvc-1" }), undefined);
    equal(await fleet.findSnapshot({ arrayHint: other, name: "k8s-pvc-1.snapshot-1" }), undefined);
    deepEqual(fleet.namesakesOf({ arrayHint: other, name: "k8s-pvc-1" }), []);
    fleet.created(second, "k8s-pvc-1");
    deepEqual(fleet.namesakesOf({ arrayHint: other, name: "k8s-pvc-1" }), ["fa-2"]);
  }),
);

Deno.test(
  "Fleet.find() takes another array's volume only when its serial shows who made it",
  withFleet(async ({ fleetOf, fleet: served, open, silence }) => {
    const [one, two] = served.arrays;
    ok(one && two);
    const home = fleetOf();
    await home.refresh();
    const id = home.members[0]?.status?.id;
    ok(id);
    const arrayHint = arrayHintOf(id);
    const name = "k8s-pvc-1";
    await home.members[1]?.array.createVolume({ name, sizeBytes: SIZE });
    // The second array shows a serial that the first one made, as in a pod stretched over both.
    const client = new HttpsClient({ scheme: "http", address: two.address, tls: { verify: true } });
    const fetch: Fetch = async (request) => {
      const answer = await client.fetch(request);
      const serial = id.replaceAll("-", "").slice(0, 16).toUpperCase();
      return {
        ...answer,
        text: answer.text.replace(/"serial":"[0-9A-F]{16}/, `"serial":"${serial}`),
      };
    };
    const entryOf = ({ kind, address, token }: typeof one) => ({
      kind,
      managementAddress: address,
      token: new Secret(token),
    });
    const copy = { array: open(entryOf(two), { fetch }) };
    const original = { array: open(entryOf(one)) };
    const both = new Fleet([original, copy], { log: silentLogger });
    await both.refresh();
    equal((await both.find({ arrayHint, name }))?.member.array, copy.array, "home says gone");
    const alone = new Fleet([copy], { log: silentLogger });
    await alone.refresh();
    equal((await alone.find({ arrayHint, name }))?.member.array, copy.array, "home not configured");
    equal((await both.findAll({ names: [name] })).length, 1);
    await original.array.createVolume({ name, sizeBytes: SIZE });
    equal((await both.find({ arrayHint, name }))?.member.array, original.array, "home has it");
    await silence("fa-1");
    await rejects(both.find({ arrayHint, name }), /fa-1 did not answer/, "home is silent");
    client.close();
  }),
);

Deno.test(
  "Fleet.find() takes no silence for a no where a copy may be: of a volume in a pod, or of a listed name",
  withFleet(async ({ fleetOf, silence, clearFaults }) => {
    const fleet = fleetOf();
    await fleet.refresh();
    const [first, second] = fleet.members;
    ok(first?.status && second);
    const arrayHint = arrayHintOf(first.status.id);
    const inPod = { arrayHint, name: "pod-1::k8s-pvc-1" };
    const snapshotInPod = { arrayHint, name: "pod-1::k8s-pvc-1.snapshot-1" };
    const listed = { arrayHint, name: "k8s-pvc-2" };
    fleet.created(second, listed.name);
    const never = { arrayHint, name: "k8s-pvc-3" };
    const isSilent = (error: unknown) =>
      isPsoError(error, "unavailable") && /fa-2 did not answer/.test(error.message);
    await silence("fa-2");
    for (const handle of [inPod, listed]) await rejects(fleet.find(handle), isSilent);
    await rejects(fleet.findSnapshot(snapshotInPod), isSilent);
    equal(await fleet.find(never), undefined, "the array that made it has the last word");
    await clearFaults();
    for (const handle of [inPod, listed]) equal(await fleet.find(handle), undefined);
    await silence("fb-1");
    equal(await fleet.find(inPod), undefined, "a FlashBlade has no pods");
  }),
);

Deno.test(
  "Fleet.find() knows nothing while the array that the handle names is silent or not configured",
  withFleet(async ({ fleetOf, silence }) => {
    const fleet = fleetOf();
    await fleet.refresh();
    const [first, second] = fleet.members;
    ok(first?.status && second?.status);
    await second.array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await rejects(fleet.find({ arrayHint: "00000000", name: "k8s-pvc-1" }), (error) => {
      ok(isPsoError(error, "unavailable"), String(error));
      equal(
        error.message,
        "cannot tell whether volume k8s-pvc-1 exists: the array 00000000…, which made it, is not " +
          "among the configured arrays (fa-1, fa-2, fb-1); put the entry of the array whose id " +
          "begins with 00000000 into the configuration again (`purearray list` shows the id)",
      );
      return true;
    });
    await silence("fa-1");
    const lost = { arrayHint: arrayHintOf(first.status.id), name: "k8s-pvc-1" };
    await rejects(fleet.find(lost), (error) => {
      ok(isPsoError(error, "unavailable"), String(error));
      match(error.message, /cannot tell whether volume k8s-pvc-1 exists: fa-1 did not answer/);
      return true;
    });
    await silence("fa-2");
    const gone = { arrayHint: arrayHintOf(second.status.id), name: "k8s-pvc-9" };
    await rejects(fleet.find(gone), /fa-2 did not answer/);
  }),
);

Deno.test(
  "Fleet.findOnly() refuses a name of several arrays, and lists the handles to write instead",
  withFleet(async ({ fleetOf }) => {
    const fleet = fleetOf("k8s");
    await fleet.refresh();
    const [first, second, third] = fleet.members;
    ok(first?.status && second?.status && third);
    const names = ["oracle-data"];
    await third.array.createVolume({ name: "oracle-data", sizeBytes: SIZE });
    equal((await fleet.findOnly({ names }))?.member, third);
    equal(await fleet.findOnly({ names, kind: "block" }), undefined);
    for (const { array } of [first, second]) {
      await array.createVolume({ name: "oracle-data", sizeBytes: SIZE });
    }
    const [one, two] = [first, second].map(({ status }) => arrayHintOf(status?.id ?? ""));
    await rejects(fleet.findOnly({ names, kind: "block" }), (error) => {
      ok(isPsoError(error, "ambiguous"), String(error));
      equal(
        error.message,
        "2 arrays have a volume oracle-data, and the handle does not say which is meant: write " +
          `one of ${one}/oracle-data (fa-1), ${two}/oracle-data (fa-2) into the PersistentVolume`,
      );
      return true;
    });
    equal((await fleet.findOnly({ names, kind: "file" }))?.member, third);
    await rejects(fleet.findOnly({ names }), (error) => isPsoError(error, "ambiguous"));
    for (const { array } of [first, second]) await array.createSnapshot("oracle-data", "nightly");
    await rejects(
      fleet.findOnlySnapshot({ names: ["oracle-data.nightly"] }),
      /2 arrays have a snapshot oracle-data\.nightly, .* into the VolumeSnapshotContent$/,
    );
  }),
);

Deno.test(
  "Fleet.findOnly() and a silent array: only one that was listed without the name counts as no",
  withFleet(async ({ fleetOf, silence, clearFaults }) => {
    const names = ["k8s-pvc-1"];
    const fleet = fleetOf("k8s");
    await fleet.refresh();
    const [first, second] = fleet.members;
    ok(first && second);
    await first.array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await first.array.createVolume({ name: "oracle-data", sizeBytes: SIZE });
    await silence("fa-2");
    equal((await fleet.findOnly({ names }, undefined, { complete: true }))?.member, first);
    const isUnsure = (error: unknown) =>
      isPsoError(error, "unavailable") && /fa-2 did not answer/.test(error.message);
    await rejects(fleet.findOnly({ names: ["oracle-data"] }), isUnsure, "no list covers it");
    fleet.created(second, "k8s-pvc-1");
    await rejects(fleet.findOnly({ names }), isUnsure, "its list shows the name too");
    const cold = fleetOf("k8s");
    equal((await cold.findOnly({ names }))?.member.array, first.array, "never listed: our prefix");
    await rejects(cold.findOnly({ names }, undefined, { complete: true }), isUnsure);
    await rejects(cold.findOnly({ names: ["k8s-pvc-9"] }), isUnsure, "found nowhere");
    await rejects(cold.findOnly({ names: ["oracle-data"] }), isUnsure, "not our prefix");
    await rejects(cold.findOnly({ names: ["k8s-prod-pvc-1"] }), isUnsure, "cluster k8s-prod's");
    await clearFaults();
    equal(await cold.findOnly({ names: ["k8s-pvc-9"] }), undefined);
  }),
);

Deno.test(
  "Fleet.indexedVolumes() counts no volumes of a cluster whose longer name begins with ours",
  withFleet(async ({ fleetOf }) => {
    const fleet = fleetOf("k8s");
    const [first] = fleet.members;
    ok(first);
    for (const name of ["k8s-pvc-1", "k8s-prod-pvc-1", "k8s-prod-pvc-2"]) {
      await first.array.createVolume({ name, sizeBytes: SIZE });
    }
    await fleet.refresh();
    equal(fleet.indexedVolumes(first), 1);
    equal(fleet.mayHold(first, "k8s-prod-pvc-1"), true, "a name that is there is looked up");
  }),
);

Deno.test(
  "Fleet: two entries for one array make the second a problem that names the first",
  withFleet(async ({ open }) => {
    const fleet = new Fleet([{ array: open() }, { array: open({ name: "again" }) }], {
      log: silentLogger,
    });
    await fleet.refresh();
    const [first, second] = fleet.members;
    equal(first?.problem, undefined);
    match(
      second?.problem?.message ?? "",
      /is the same array as .* \(fa-1\): remove one of the two entries/,
    );
    ok(first);
    await first.array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    equal((await fleet.findOnly({ names: ["k8s-pvc-1"] }))?.member, first);
    await fleet.refresh();
    ok(second?.problem);
  }),
);

Deno.test(
  "Fleet: another array at an address that was one before is a problem, and is not asked for volumes",
  withFleet(async ({ fleet: served, open }) => {
    const [one, two] = served.arrays;
    ok(one && two);
    let entry = one;
    const clients = new Map(
      [one, two].map((
        { address },
      ) => [address, new HttpsClient({ scheme: "http", address, tls: { verify: true } })]),
    );
    // Both arrays take the same API token: only their ids tell them apart.
    const fetch: Fetch = (request) => {
      const { headers = {} } = request;
      const own = "api-token" in headers ? { ...headers, "api-token": entry.token } : headers;
      return clients.get(entry.address)?.fetch({ ...request, headers: own }) ??
        Promise.reject(new Error("no client"));
    };
    const fleet = new Fleet(
      [{ array: open({ token: new Secret(entry.token) }, { fetch }) }],
      { log: silentLogger },
    );
    await fleet.refresh();
    equal(fleet.members[0]?.status?.name, "fa-1");
    const [member] = fleet.members;
    ok(member?.status);
    const arrayHint = arrayHintOf(member.status.id);
    await member.array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    fleet.created(member, "k8s-pvc-1");
    equal(fleet.memberByHint(arrayHint), member);
    entry = two;
    await fleet.refresh();
    equal(fleet.memberByHint(arrayHint), undefined, "no call may go to the wrong array");
    const problem = fleet.members[0]?.problem?.message ?? "";
    match(
      problem,
      /is another one than before: id .*, and it was .*; if it was replaced on purpose, restart/,
    );
    await rejects(
      fleet.find({ arrayHint, name: "k8s-pvc-1" }),
      (error) => isPsoError(error, "unavailable") && /another one than before/.test(error.message),
    );
    for (const client of clients.values()) client.close();
  }),
);

Deno.test(
  "Fleet.run() keeps facts fresh until its signal and then ends",
  withFleet(async ({ fleetOf, silence }) => {
    const fleet = fleetOf();
    const stop = new AbortController();
    const running = fleet.run(stop.signal, { intervalMs: 20 });
    await until("all arrays warm", () => fleet.members.every(({ warm }) => warm), {
      timeoutMs: 10_000,
    });
    await silence("fa-2");
    await until("fa-2's problem", () => fleet.members[1]?.problem !== undefined, {
      timeoutMs: 10_000,
    });
    ok(fleet.members[1]?.status, "its last facts are kept");
    stop.abort();
    await running;
  }),
);
