import { deepEqual, equal, match, ok } from "node:assert/strict";
import { PsoError } from "../../errors.ts";
import { silentLogger } from "../../log.ts";
import type { StorageArray } from "../array.ts";
import { Fleet, type FleetMember } from "../fleet.ts";
import { arrayReadiness } from "../readiness.ts";
import type { FleetEntry, FleetNotice } from "./roster.ts";

const MINUTES = 60_000;

/** What answers at an address by a client: an array with its volumes, or a refusal. */
interface Answering {
  id: string;
  volumes: Set<string>;
  refusal?: PsoError;
}

function holding(id: string, ...volumes: string[]): Answering {
  return { id, volumes: new Set(volumes) };
}

/** A client of what answers; two clients of one array are two of these over one `Answering`. */
function clientOf(there: Answering, address = `${there.id}.example`): StorageArray {
  const array = {
    label: address,
    configuredName: address,
    address,
    kind: "block",
    serverKey: () => Promise.resolve("key"),
    status: () => there.refusal ? Promise.reject(there.refusal) : Promise.resolve({ id: there.id }),
    findVolume: (name: string) => Promise.resolve(there.volumes.has(name) ? { name } : undefined),
    listVolumes: ({ prefix = "" }) => {
      const items = [...there.volumes].filter((name) => name.startsWith(prefix));
      return Promise.resolve({ items: items.map((name) => ({ name })) });
    },
    listSnapshots: () => Promise.resolve({ items: [] }),
    lookAtHosts: () => Promise.resolve(),
    groupsOf: () => Promise.resolve(new Map()),
  };
  return array as unknown as StorageArray;
}

/** A fleet that knows its arrays already, and what it did with the clients and told. */
async function fleetOf(
  entries: FleetEntry[],
  meantOn?: (member: FleetMember) => readonly string[] | undefined,
) {
  const acts: string[] = [];
  const told: FleetNotice[] = [];
  const clock = { nowMs: 0 };
  const nameOf = new Map<StorageArray, string>();
  const call = (name: string, array: StorageArray) => {
    nameOf.set(array, name);
    return array;
  };
  const fleet = new Fleet(entries, {
    log: silentLogger,
    cluster: "k8s",
    now: () => clock.nowMs,
    clients: {
      join: (stays, other) => acts.push(`${nameOf.get(stays)} by ${nameOf.get(other)}`),
      leave: (array) => acts.push(`${nameOf.get(array)} leaves`),
    },
    tell: (notice) => told.push(notice),
    meantOn,
  });
  await fleet.refresh();
  return { fleet, acts, told, clock, call, reasons: () => told.map(({ reason }) => reason) };
}

/** Runs the fleet's own checks until `isDone`; new members are asked by these alone. */
async function asked(fleet: Fleet, isDone: () => boolean): Promise<void> {
  const stop = new AbortController();
  const running = fleet.run(stop.signal, { intervalMs: 1 });
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  await running;
}

Deno.test("15.4: an array that is taken out stays for a PersistentVolume of any name, which nobody used yet", async () => {
  const [one, two] = [holding("a1"), holding("b2", "mydata")];
  let meant: string[] | undefined;
  const [first, second] = [clientOf(one), clientOf(two)];
  const { fleet, reasons } = await fleetOf([{ array: first }, { array: second }], () => meant);
  fleet.replace([{ array: first }]);
  await fleet.refresh();
  deepEqual(reasons(), ["ArrayRemoved"], "Kubernetes has not told all");
  meant = ["gone", "mydata"];
  await fleet.refresh();
  deepEqual(reasons(), ["ArrayRemoved"]);
  const [, member] = fleet.members;
  ok(member);
  equal(fleet.keptBy(member), 1);
  meant = ["gone"];
  two.volumes.delete("mydata");
  fleet.deleted(member, "mydata");
  await fleet.refresh();
  deepEqual(reasons(), ["ArrayRemoved", "ArrayDrained"]);
});

Deno.test("15.4: an array that is taken out goes with its last volume", async () => {
  const [one, two] = [holding("a1"), holding("b2", "k8s-pvc-0001", "other")];
  const kept = clientOf(two);
  const { fleet, acts, call, reasons } = await fleetOf([{ array: clientOf(one) }, { array: kept }]);
  call("two", kept);
  fleet.replace([{ array: fleet.members[0]?.array ?? kept }]);
  const states = () => fleet.members.map(({ array, draining }) => [array.label, draining]);
  deepEqual(states(), [["a1.example", false], ["b2.example", true]]);
  await fleet.refresh();
  deepEqual([reasons(), acts], [["ArrayRemoved"], []]);
  const [, member] = fleet.members;
  ok(member);
  equal(fleet.keptBy(member), 1);
  const [, shown] = arrayReadiness(fleet);
  deepEqual([shown?.ok, shown?.state], [true, "draining"]);
  match(shown?.reason ?? "", /taken out of the configuration.*\(1 known now\)/);

  two.volumes.delete("k8s-pvc-0001");
  fleet.deleted(member, "k8s-pvc-0001");
  await fleet.refresh();
  deepEqual(states(), [["a1.example", false]]);
  deepEqual([reasons(), acts], [["ArrayRemoved", "ArrayDrained"], ["two leaves"]]);
});

Deno.test("15.4: an array is kept by what it shows; what two looks miss is forgotten", async () => {
  const there = holding("b2", "k8s-pvc-0001");
  const { fleet, clock } = await fleetOf([{ array: clientOf(there) }]);
  const [member] = fleet.members;
  ok(member);
  fleet.replace([]);
  fleet.deleted(member, "k8s-pvc-0001");
  await fleet.refresh();
  equal(fleet.keptBy(member), 1, "another leader may have made it since");

  there.volumes.clear();
  for (const looks of [1, 2]) {
    equal(fleet.members.length, 1, `before look ${looks}`);
    clock.nowMs += 11 * MINUTES;
    await fleet.refresh();
  }
  equal(fleet.members.length, 0);
});

Deno.test("15.4: a create of unknown outcome keeps an array that is taken out", async () => {
  const there = holding("b2");
  const { fleet } = await fleetOf([{ array: clientOf(there) }]);
  const [member] = fleet.members;
  ok(member);
  fleet.unclear(member, "k8s-pvc-0001");
  fleet.replace([]);
  await fleet.refresh();
  equal(fleet.mayHold(member, "k8s-pvc-0001"), true);
  equal(fleet.mayHold(member, "k8s-pvc-0002"), false);
  there.refusal = new PsoError("unavailable", "silent");
  await fleet.refresh();
  equal(fleet.mayHold(member, "k8s-pvc-0001"), true, "our own try forbids to go on without it");
  fleet.coolDown();
  equal(fleet.mayHold(member, "k8s-pvc-0002"), false, "nobody waits for an array that is out");
});

Deno.test("15.4: an imported volume that was used keeps an array that is taken out", async () => {
  const there = holding("b2", "oracle-data");
  const { fleet, clock } = await fleetOf([{ array: clientOf(there) }]);
  const [member] = fleet.members;
  ok(member);
  fleet.seen(member, "oracle-data");
  fleet.replace([]);
  for (let look = 0; look < 3; look++) {
    clock.nowMs += 11 * MINUTES;
    await fleet.refresh();
  }
  equal(fleet.members.length, 1);
  fleet.deleted(member, "oracle-data");
  await fleet.refresh();
  equal(fleet.members.length, 0);
});

for (
  const [what, address] of [["token", "a1.example"], ["address", "berlin.example"]] as const
) {
  Deno.test(`15.4: an entry with another ${what} means the array with the id, and all known stays`, async () => {
    const there = holding("a1");
    const before = clientOf(there);
    const after = clientOf(there, address);
    const { fleet, acts, call, reasons } = await fleetOf([{ array: before }]);
    call("before", before);
    call("after", after);
    const [member] = fleet.members;
    ok(member);
    fleet.unclear(member, "k8s-pvc-0001");
    fleet.replace([{ array: after, labels: { tier: "gold" } }]);
    await asked(fleet, () => acts.length > 0);
    deepEqual(acts, ["before by after"]);
    deepEqual(fleet.members.map((one) => one === member), [true]);
    deepEqual([member.draining, member.labels], [false, { tier: "gold" }]);
    equal(fleet.mayHold(member, "k8s-pvc-0001"), true);
    equal(fleet.mayHold(member, "k8s-pvc-0002"), false, "listed, and warm all the time");
    equal(reasons().at(-1), "ArrayEntryTakenUp");
  });
}

Deno.test("15.4: a changed entry that is refused is told once; the last good stays", async () => {
  const there = holding("a1");
  const refused = { ...there, refusal: new PsoError("denied", "refuses the API token") };
  const [before, wrong, right] = [clientOf(there), clientOf(refused), clientOf(there)];
  const { fleet, acts, told, call } = await fleetOf([{ array: before }]);
  call("before", before);
  call("wrong", wrong);
  call("right", right);
  fleet.replace([{ array: wrong }]);
  const [member] = fleet.members;
  ok(member);
  await asked(fleet, () => member.entryProblem !== undefined && told.length > 0);
  deepEqual(told.map(({ type, reason }) => `${type} ${reason}`), ["Warning ArrayEntryRefused"]);
  match(told[0]?.note ?? "", /the last good one stays: refuses the API token/);
  deepEqual([member.array === before, member.problem, member.draining], [true, undefined, false]);
  deepEqual(arrayReadiness(fleet).map(({ state, optional }) => [state, optional]), [
    ["kept", true],
  ]);

  fleet.replace([{ array: right }]);
  await asked(fleet, () => acts.length > 1);
  deepEqual(acts, ["wrong leaves", "before by right"]);
  equal(member.entryProblem, undefined);
});

Deno.test("15.4: a changed entry that is changed back is tried no more", async () => {
  const there = holding("a1");
  const refused = { ...there, refusal: new PsoError("denied", "no") };
  const [before, wrong] = [clientOf(there), clientOf(refused)];
  const { fleet, acts, call } = await fleetOf([{ array: before }]);
  call("wrong", wrong);
  fleet.replace([{ array: wrong }]);
  fleet.replace([{ array: before }]);
  deepEqual(acts, ["wrong leaves"]);
  equal(fleet.members[0]?.entryProblem, undefined);
});

Deno.test("15.4: an entry that is tried keeps its client when another entry gets the address that it left", async () => {
  const [there, next] = [holding("a1", "k8s-pvc-0001"), holding("b2")];
  const silent: Answering = { ...there, refusal: new PsoError("unavailable", "not yet") };
  const before = clientOf(there, "old.example");
  // It bears the name of the first one, so that it stands for that array until it has answered.
  const moved = { ...clientOf(silent, "new.example"), configuredName: "old.example" };
  const other = { ...clientOf(next, "old.example"), configuredName: "other" };
  const { fleet, acts, call } = await fleetOf([{ array: before }]);
  for (const [name, array] of Object.entries({ before, moved, other })) call(name, array);
  fleet.replace([{ array: moved }]);
  fleet.replace([{ array: other }, { array: moved }]);
  deepEqual(acts, []);
  delete silent.refusal;
  await asked(fleet, () => acts.length > 0);
  deepEqual(acts, ["before by moved"]);
  await fleet.refresh();
  deepEqual(fleet.members.map(({ array, id, draining }) => [array === before, id, draining]), [
    [false, "b2", false],
    [true, "a1", false],
  ]);
});

Deno.test("15.4: an entry that is changed to lead to the array of another entry is refused, and the last good one stays", async () => {
  const [one, two] = [holding("a1", "k8s-pvc-0001"), holding("b2")];
  const [first, second] = [clientOf(one), clientOf(two)];
  const wrong = { ...clientOf(two, "again.example"), configuredName: "a1.example" };
  const { fleet, acts, told } = await fleetOf([{ array: first }, { array: second }]);
  fleet.replace([{ array: wrong }, { array: second }]);
  await asked(fleet, () => told.length > 0);
  deepEqual(told.map(({ reason, note }) => [reason, note]), [[
    "ArrayEntryRefused",
    "the changed entry of array a1.example is not in use, the last good one stays: again.example " +
    "is the same array as b2.example (b2.example), which has an entry of its own: correct the " +
    "address, or remove one of the two entries",
  ]]);
  const members = () => fleet.members.map(({ id, twin, draining }) => [id, twin, draining]);
  deepEqual(members(), [["a1", false, false], ["b2", false, false]]);
  ok(fleet.members[0]?.entryProblem);
  deepEqual(acts, []);
  // Without that other entry it is the one that leads there.
  fleet.replace([{ array: wrong }]);
  await asked(fleet, () => acts.length > 0);
  deepEqual(members(), [["b2", false, false], ["a1", false, true]]);
});

Deno.test("15.4: another array at the address of a changed entry is another one", async () => {
  const [first, second] = [holding("a1", "k8s-pvc-0001"), holding("b2")];
  const [before, after] = [clientOf(first, "fa.example"), clientOf(second, "fa.example")];
  const { fleet, acts, reasons } = await fleetOf([{ array: before }]);
  fleet.replace([{ array: after }]);
  await asked(fleet, () => fleet.members.length === 2);
  deepEqual(fleet.members.map(({ array, draining }) => [array === after, draining]), [
    [true, false],
    [false, true],
  ]);
  deepEqual([acts, reasons()], [[], ["ArrayRemoved"]]);
});

Deno.test("15.4: an array that comes back by another token is served by that", async () => {
  const there = holding("a1", "k8s-pvc-0001");
  const [before, after] = [clientOf(there), clientOf(there)];
  const { fleet, acts } = await fleetOf([{ array: before }]);
  const [member] = fleet.members;
  fleet.replace([]);
  equal(member?.draining, true);
  fleet.replace([{ array: after }]);
  equal(member?.draining, false);
  await asked(fleet, () => acts.length > 0);
  deepEqual(fleet.members.map((one) => one === member), [true]);
});

Deno.test("15.4: the entry behind another one of the same array takes its place", async () => {
  const there = holding("a1", "k8s-pvc-0001");
  const [first, second] = [clientOf(there), clientOf(there, "again.example")];
  const { fleet, acts, call } = await fleetOf([{ array: first }, { array: second }]);
  call("first", first);
  call("second", second);
  const [member] = fleet.members;
  equal(fleet.members[1]?.twin, true);
  fleet.replace([{ array: second }]);
  await asked(fleet, () => acts.length > 0);
  deepEqual(acts, ["first by second"]);
  deepEqual(fleet.members.map((one) => [one === member, one.draining]), [[true, false]]);
});

Deno.test("15.4: an array that comes later is waited for only once it answered", async () => {
  const silent = { ...holding("b2"), refusal: new PsoError("unavailable", "silent") };
  const known = clientOf(holding("a1"));
  const { fleet } = await fleetOf([{ array: known }]);
  fleet.replace([{ array: known }, { array: clientOf(silent) }]);
  const [, member] = fleet.members;
  ok(member);
  equal(fleet.mayHold(member, "k8s-pvc-0001"), false);
  fleet.coolDown();
  equal(fleet.mayHold(member, "k8s-pvc-0001"), true, "the leader before may have tried it there");

  fleet.replace([{ array: known }]);
  deepEqual(fleet.members.length, 1, "of an array that never answered nothing is known");
});
