import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { arrayHintOf, Fleet } from "../../src/arrays/fleet.ts";
import { isPsoError } from "../../src/errors.ts";
import { type Fetch, HttpsClient } from "../../src/https.ts";
import { silentLogger } from "../../src/log.ts";
import { Secret } from "../../src/secret.ts";
import { MiB } from "../../src/size.ts";
import { until } from "../../src/async/wait.ts";
import { type ArrayBench, withArray } from "./array_bench.ts";

const SIZE = 16 * MiB;

interface FleetBench extends ArrayBench {
  fleetOf: (prefix?: string) => Fleet;
  /** The array of that name answers nothing any more. */
  silence: (array: string) => Promise<void>;
}

/** Two FlashArrays (fa-1, fa-2) and a FlashBlade (fb-1), each with a client. */
function withFleet(test: (bench: FleetBench) => Promise<void>): () => Promise<void> {
  return () =>
    withArray({ kind: "flasharray", flasharrays: 2, flashblades: 1 }, async (bench) => {
      const arrays = bench.fleet.arrays.map(({ kind, address, token, name }) => ({
        array: bench.open({ kind, address, token: () => new Secret(token) }),
        labels: { array: name },
      }));
      await test({
        ...bench,
        fleetOf: (prefix) => new Fleet(arrays, { log: silentLogger, prefix }),
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
    equal(fleet.mayHaveSnapshots(first, "k8s-pvc-1"), true);
    equal(fleet.indexedVolumes(first), 1);
    await clearFaults();
    await fleet.refresh();
    ok(fleet.members.every(({ warm, problem }) => warm && problem === undefined));
  }),
);

Deno.test(
  "Fleet keeps its index right by the notes of those who change things",
  withFleet(async ({ fleetOf }) => {
    const fleet = fleetOf("k8s-");
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
    equal(
      fleet.mayHaveSnapshots(first, "k8s-pvc-1"),
      true,
      "b is left, however often a was told deleted",
    );
    fleet.snapshotDeleted(first, "k8s-pvc-1.b");
    equal(fleet.mayHaveSnapshots(first, "k8s-pvc-1"), false);
    fleet.deleted(first, "k8s-pvc-1");
    equal(fleet.mayHold(first, "k8s-pvc-1"), false);
    fleet.coolDown();
    equal(fleet.mayHold(first, "k8s-pvc-1"), true);
  }),
);

Deno.test(
  "Fleet.find() asks the hinted array alone, and all others when it is not there",
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
    const moved = { arrayHint: arrayHintOf(first.status.id), name: "k8s-pvc-1" };
    equal((await fleet.find(moved))?.member, second);
    equal((await fleet.find({ name: "k8s-pvc-1" }))?.member, second);
    equal(await fleet.find({ arrayHint, name: "k8s-pvc-2" }), undefined);
    equal(
      (await fleet.findSnapshot({ arrayHint, name: "k8s-pvc-1.snapshot-1" }))?.snapshot.volume,
      "k8s-pvc-1",
    );
    equal(await fleet.findSnapshot({ name: "k8s-pvc-1.snapshot-2" }), undefined);
  }),
);

Deno.test(
  "Fleet.find() says 'not there' only when every array that could hold it has answered",
  withFleet(async ({ fleetOf, silence }) => {
    const fleet = fleetOf();
    await fleet.refresh();
    const [first, second] = fleet.members;
    ok(first?.status && second?.status);
    await silence("fa-2");
    const arrayHint = arrayHintOf(first.status.id);
    equal(
      await fleet.find({ arrayHint, name: "k8s-pvc-1" }),
      undefined,
      "fa-2 was listed and has no such name: it is unrelated",
    );
    fleet.unclear(second, "k8s-pvc-1");
    await rejects(fleet.find({ arrayHint, name: "k8s-pvc-1" }), (error) => {
      ok(isPsoError(error, "unavailable"), String(error));
      match(error.message, /cannot tell whether volume k8s-pvc-1 exists: fa-2 did not answer/);
      return true;
    });
    const lost = fleet.find({ arrayHint: arrayHintOf(second.status.id), name: "k8s-pvc-9" });
    await rejects(
      lost,
      (error) => isPsoError(error, "unavailable"),
      "the array that made it does not answer",
    );
    await rejects(fleet.find({ arrayHint: "00000000", name: "k8s-pvc-9" }), (error) => {
      ok(isPsoError(error, "unavailable"), String(error));
      match(
        error.message,
        /made on the array 00000000…, which is not among the configured arrays \(fa-1, fa-2, fb-1\)/,
      );
      return true;
    });
  }),
);

Deno.test(
  "Fleet: cold, an array that does not answer makes any absence unsure",
  withFleet(async ({ fleetOf, silence }) => {
    await silence("fb-1");
    await rejects(
      fleetOf().find({ name: "k8s-pvc-1" }),
      (error) => isPsoError(error, "unavailable") && /did not answer/.test(error.message),
    );
  }),
);

Deno.test(
  "Fleet: two entries for one array make the second a problem that names the first",
  withFleet(async ({ open }) => {
    const fleet = new Fleet([{ array: open() }, { array: open({ label: "again" }) }], {
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
    equal((await fleet.find({ name: "k8s-pvc-1" }))?.member, first);
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
    const fetch: Fetch = (request) =>
      clients.get(entry.address)?.fetch(request) ?? Promise.reject(new Error("no client"));
    const fleet = new Fleet(
      [{ array: open({ token: () => new Secret(entry.token) }, { fetch }) }],
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
