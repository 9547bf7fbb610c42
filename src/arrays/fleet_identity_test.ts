import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { until } from "../async/wait.ts";
import { isPsoError, PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { silentLogger } from "../log.ts";
import type { StorageArray } from "./array.ts";
import { arrayHintOf, Fleet } from "./fleet.ts";

const ID = "2dcf29ad-6465-4b8c-9b6b-1f0b0d5c7a11";
const OTHER_ID = "4f5b3a1c-6465-4b8c-9b6b-1f0b0d5c7a12";
const HANDLE = { arrayHint: arrayHintOf(ID), name: "k8s-pvc-1" };

/** What one address answers; a test changes it. */
interface Answers {
  id: string;
  /** Absent: plain HTTP, or a server that shows none now. */
  key?: string;
  /** Resolves before the answer is given. */
  status?: () => Promise<unknown>;
  list?: () => Promise<unknown>;
}

/** An array with one volume, which notes every call but those of checks. */
function arrayAt(address: string, answers: Answers) {
  const asked: string[] = [];
  const array = {
    label: address,
    configuredName: address,
    kind: "block",
    address,
    serverKey: () => Promise.resolve(answers.key),
    status: async () => {
      await answers.status?.();
      return { id: answers.id, name: address, protocols: new Set(), features: new Set() };
    },
    listVolumes: async () => {
      await answers.list?.();
      return { items: [{ name: HANDLE.name }] };
    },
    listSnapshots: () => Promise.resolve({ items: [] }),
    lookAtHosts: () => Promise.resolve(),
    groupsOf: () => Promise.resolve(new Map()),
    tagsOf: () => Promise.resolve(new Map()),
    findVolume: (name: string) => {
      if (name !== HANDLE.name) return Promise.resolve(undefined); // a check of the fleet
      asked.push(name);
      return Promise.resolve({ name });
    },
  } as unknown as StorageArray;
  return { array, asked, answers };
}

const SOON = { timeoutMs: 10_000 };

const isRefused = (error: unknown) => isPsoError(error, "unavailable");

for (const key of ["k1", undefined]) {
  Deno.test(`one array under two entries, ${key ? "with one key" : "over HTTP"}: the first counts, and the second is said`, async () => {
    const warnings: unknown[] = [];
    const log: Logger = { ...silentLogger, warn: (_, facts) => warnings.push(facts?.problem) };
    const [one, two] = [arrayAt("fa-1", { id: ID, key }), arrayAt("10.0.0.1", { id: ID, key })];
    const fleet = new Fleet([one, two], { log });
    for (let round = 0; round < 2; round++) await fleet.refresh();
    deepEqual(fleet.members.map(({ twin, warm }) => [twin, warm]), [[false, true], [true, false]]);
    deepEqual(warnings, [
      "10.0.0.1 is the same array as fa-1 (fa-1): remove one of the two entries",
    ]);
    equal((await fleet.find(HANDLE))?.member.array, one.array);
    deepEqual(two.asked, []);
  });
}

Deno.test("the entry of an array that is used takes over the names of the one that stood for it so far", async () => {
  const [one, two] = [arrayAt("10.0.0.1", { id: ID }), arrayAt("fa-1", { id: ID })];
  const fleet = new Fleet([two], { log: silentLogger, cluster: "k8s" });
  await fleet.refresh();
  const [known] = fleet.members;
  ok(known);
  // A create whose answer was lost: the array may still carry it out, and lists it later.
  fleet.unclear(known, "k8s-pvc-9");
  fleet.snapshotCreated(known, "k8s-pvc-1.snapshot-9");
  fleet.grouped(known, "k8s-pvc-9", "shop/db");
  fleet.replace([one, two]);
  await fleet.refresh();
  const [first, second] = fleet.members;
  ok(first && second);
  deepEqual([first.warm, first.twin, second.twin], [true, false, true]);
  deepEqual(["k8s-pvc-9", "k8s-pvc-8"].map((name) => fleet.mayHold(first, name)), [true, false]);
  deepEqual(fleet.volumesWithSnapshot("snapshot-9").map(({ member }) => member === first), [true]);
  equal(fleet.groupedVolumes(first, "shop/db"), 1);
});

Deno.test("an entry that led to another one's array, and leads to its own now, is listed anew", async () => {
  for (const isLater of [false, true]) {
    const [one, two] = [arrayAt("fa-1", { id: ID }), arrayAt("fa-2", { id: OTHER_ID })];
    if (!isLater) two.answers.id = ID;
    const fleet = new Fleet([one, two], { log: silentLogger, cluster: "k8s" });
    await fleet.refresh();
    const [first, second] = fleet.members;
    ok(first && second);
    fleet.unclear(first, "k8s-pvc-9");
    two.answers.id = OTHER_ID;
    let lists = 0;
    two.answers.list = () => Promise.resolve(lists += 1);
    await fleet.refresh();
    await fleet.refresh();
    deepEqual([first.warm, second.warm, second.twin], [true, true, false]);
    equal(lists, isLater ? 0 : 1);
    equal(fleet.mayHold(second, "k8s-pvc-9"), false, "it is a name of the other array");
    equal(fleet.mayHold(first, "k8s-pvc-9"), true);
    fleet.unclear(second, "k8s-pvc-8");
    equal(fleet.mayHold(first, "k8s-pvc-8"), false);
  }
});

Deno.test("two arrays that claim one id with different keys are both asked nothing, until one entry is gone", async () => {
  const [one, two] = [
    arrayAt("fa-1", { id: ID, key: "k1" }),
    arrayAt("10.0.0.1", { id: ID, key: "k2" }),
  ];
  const fleet = new Fleet([one, two], { log: silentLogger });
  for (let round = 0; round < 2; round++) {
    await fleet.refresh();
    for (const member of fleet.members) {
      match(
        member.problem?.message ?? "",
        /(fa-1 and 10\.0\.0\.1|10\.0\.0\.1 and fa-1) both say that they are the array 2dcf29ad-/,
      );
      equal(fleet.mayHold(member, "k8s-pvc-9"), true, "what was listed may be the other's");
    }
    equal(fleet.memberByHint(HANDLE.arrayHint), undefined);
    await rejects(fleet.find(HANDLE), isRefused);
    await rejects(
      fleet.findOnly({ names: [HANDLE.name] }, undefined, { complete: true }),
      isRefused,
    );
  }
  deepEqual([one.asked, two.asked], [[], []]);
  const [first, left] = fleet.members;
  ok(first && left);
  fleet.unclear(first, "k8s-pvc-9");
  fleet.replace([two]);
  await fleet.refresh();
  equal((await fleet.find(HANDLE))?.member.array, two.array);
  equal(left.warm, true);
  deepEqual(
    ["k8s-pvc-9", "k8s-pvc-8"].map((name) => fleet.mayHold(left, name)),
    [true, false],
    "the entry that is gone may have meant the array that stays",
  );
});

Deno.test("a server that shows no key for a moment keeps the one that it proved", async () => {
  const [one, two] = [
    arrayAt("fa-1", { id: ID, key: "k1" }),
    arrayAt("10.0.0.1", { id: ID, key: "k1" }),
  ];
  const fleet = new Fleet([one, two], { log: silentLogger });
  await fleet.refresh();
  one.answers.key = undefined;
  await fleet.refresh();
  equal((await fleet.find(HANDLE))?.member.array, one.array);
  two.answers.key = "k2";
  await fleet.refresh();
  await rejects(fleet.find(HANDLE), isRefused);
});

for (const ending of ["ends well", "fails"]) {
  Deno.test(`an entry that turns out to be another's while it is listed is used no more, though the list ${ending}`, async () => {
    let isListing = false;
    const one = arrayAt("fa-1", {
      id: ID,
      status: () => until("the second is being listed", () => isListing, SOON),
    });
    const two = arrayAt("10.0.0.1", {
      id: ID,
      list: async () => {
        isListing = true;
        await until("the first is known", () => fleet.members[1]?.twin === true, SOON);
        if (ending === "fails") throw new PsoError("timeout", "the list did not end");
      },
    });
    const fleet = new Fleet([one, two], { log: silentLogger });
    await fleet.refresh();
    const [, second] = fleet.members;
    match(second?.problem?.message ?? "", /is the same array as/);
    equal(second?.warm, false);
    equal((await fleet.find(HANDLE))?.member.array, one.array);
    await fleet.findAll({ names: [HANDLE.name] });
    deepEqual(two.asked, []);
  });
}

Deno.test("an address that led to another array is asked nothing after a time-out either", async () => {
  const one = arrayAt("fa-1", { id: ID });
  const fleet = new Fleet([one], { log: silentLogger });
  await fleet.refresh();
  one.answers.id = "99999999-6465-4b8c-9b6b-1f0b0d5c7a11";
  await fleet.refresh();
  one.answers.status = () => Promise.reject(new PsoError("timeout", "no answer"));
  await fleet.refresh();
  match(fleet.members[0]?.problem?.message ?? "", /is another one than before/);
  await rejects(fleet.find(HANDLE), isRefused);
  deepEqual(one.asked, []);
});

Deno.test("two arrays of one name are both used, and that is said once, with the addresses of both", async () => {
  const warnings: unknown[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (message, facts) => warnings.push([message, facts]),
  };
  const [one, two] = [
    arrayAt("10.0.0.1", { id: ID, key: "k1" }),
    arrayAt("10.0.0.2", { id: OTHER_ID, key: "k2" }),
  ];
  for (const { array } of [one, two]) Object.assign(array, { label: "fa-2" });
  const fleet = new Fleet([one, two], { log });
  for (let round = 0; round < 2; round++) await fleet.refresh();
  deepEqual(warnings.map((warning) => JSON.stringify(warning)), [
    JSON.stringify(["two arrays have one name: set Name in one of the two entries", {
      array: "fa-2",
      addresses: "10.0.0.1, 10.0.0.2",
    }]),
  ]);
  equal((await fleet.find(HANDLE))?.member.array, one.array);
  const other = { ...HANDLE, arrayHint: arrayHintOf(OTHER_ID) };
  equal((await fleet.find(other))?.member.array, two.array);
});
