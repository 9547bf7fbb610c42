import { deepEqual, equal, rejects } from "node:assert/strict";
import { PublishMemory } from "./publish_memory.ts";

const writable = { readOnly: false, access: "mount" } as const;
const alone = { ...writable, exclusive: true, handle: "h1" };
const shared = { ...writable, exclusive: false, handle: "h1" };

Deno.test("PublishMemory counts what a node holds, each volume once", () => {
  const published = new PublishMemory();
  published.add("v1", "n1", alone);
  published.add("v1", "n1", alone);
  published.add("v2", "n1", shared);
  equal(published.handlesOn("n1").length, 2);
  deepEqual(published.modeOf("v1", "n1"), alone);
});

Deno.test("PublishMemory takes an exclusive volume from every other node", () => {
  const published = new PublishMemory();
  published.add("v1", "n1", shared);
  published.add("v1", "n2", alone);
  equal(published.modeOf("v1", "n1"), undefined);
  deepEqual([published.handlesOn("n1").length, published.handlesOn("n2").length], [0, 1]);
});

Deno.test("PublishMemory forgets a volume on one node, or on all, and again", () => {
  const published = new PublishMemory();
  for (const node of ["n1", "n2"]) published.add("v1", node, shared);
  published.remove("v1", "n1");
  published.remove("v1", "n1");
  deepEqual([published.handlesOn("n1").length, published.handlesOn("n2").length], [0, 1]);
  published.removeAll("v1");
  equal(published.handlesOn("n2").length, 0);
});

Deno.test("PublishMemory counts no volume that it had to forget", () => {
  const published = new PublishMemory(2);
  for (const volume of ["v1", "v2", "v3"]) published.add(volume, "n1", alone);
  deepEqual(published.volumes(), ["v2", "v3"]);
  equal(published.handlesOn("n1").length, 2);
  published.add("v1", "n2", shared);
  deepEqual([published.handlesOn("n1").length, published.handlesOn("n2").length], [1, 1]);
});

Deno.test("PublishMemory knows who uses a volume, and whether one node alone does", () => {
  const published = new PublishMemory();
  published.add("v1", "n1", alone);
  published.add("v2", "n1", shared);
  equal(published.isExclusive("v1", "n1"), true);
  equal(published.isExclusive("v2", "n1"), false);
  equal(published.isExclusive("v1", "n2"), false);
  published.add("v1", "n2", shared);
  equal(published.isExclusive("v1", "n1"), false);
  deepEqual(published.nodesOf("v1"), ["n1", "n2"]);
  deepEqual(published.nodesOf("v3"), []);
  deepEqual(published.volumes().toSorted(), ["v1", "v2"]);
});

Deno.test("PublishMemory takes nobody for a volume's only user once a publish to another node was tried", () => {
  const published = new PublishMemory();
  published.add("v1", "n1", alone);
  published.trying("v1", "n1");
  equal(published.isExclusive("v1", "n1"), true);
  published.trying("v1", "n2");
  equal(published.isExclusive("v1", "n1"), false);
  deepEqual([published.nodesOf("v1"), published.handlesOn("n1").length], [["n1"], 1]);
  published.add("v1", "n1", alone);
  equal(published.isExclusive("v1", "n1"), true);
});

Deno.test("PublishMemory saw all of a volume only while it remembers that this process made it", () => {
  const published = new PublishMemory(2);
  published.made("v1");
  published.add("v2", "n1", alone);
  published.add("v1", "n1", alone);
  published.removeAll("v1");
  deepEqual([published.sawAllOf("v1"), published.sawAllOf("v2")], [true, false]);
  for (const volume of ["v3", "v4"]) published.made(volume);
  equal(published.sawAllOf("v1"), false);
  published.add("v4", "n1", shared);
  for (const volume of ["v5", "v6"]) published.add(volume, "n1", shared);
  equal(published.sawAllOf("v4"), false, "where it is published was forgotten");
});

Deno.test("PublishMemory in doubt knows no volume as a node's alone, and keeps what was done", () => {
  const published = new PublishMemory();
  published.made("v1");
  published.add("v1", "n1", alone);
  published.doubt();
  deepEqual([published.isExclusive("v1", "n1"), published.sawAllOf("v1")], [false, false]);
  deepEqual([published.nodesOf("v1"), published.handlesOn("n1").length], [["n1"], 1]);
  published.add("v1", "n1", alone);
  equal(published.isExclusive("v1", "n1"), true);
});

Deno.test("PublishMemory knows by which handle a volume was last published to each node", () => {
  const published = new PublishMemory();
  published.add("v1", "n1", shared);
  published.add("v1", "n2", { ...shared, handle: "h2" });
  deepEqual([published.handlesOf("v1"), published.handlesOf("v1", "n2")], [["h1", "h2"], ["h2"]]);
  published.add("v1", "n1", { ...shared, handle: "h3" });
  deepEqual(published.handlesOf("v1", "n1"), ["h3"]);
  published.remove("v1", "n1");
  deepEqual([published.handlesOf("v1", "n1"), published.handlesOf("v2")], [[], []]);
});

Deno.test("PublishMemory is sure of a node unless a change is under way or it is in doubt", async () => {
  const published = new PublishMemory();
  published.add("v1", "n1", shared);
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const changes = gates.map(({ promise }) => published.changing("v1", () => promise));
  deepEqual([published.surelyOn("v1"), published.nodesOf("v1")], [[], ["n1"]]);
  gates[0].resolve();
  await changes[0];
  deepEqual(published.surelyOn("v1"), []);
  gates[1].reject(new Error("no answer"));
  await rejects(Promise.resolve(changes[1]));
  deepEqual(published.surelyOn("v1"), ["n1"]);
  published.doubt();
  published.add("v1", "n2", shared);
  deepEqual(published.surelyOn("v1"), ["n2"]);
  published.add("v1", "n1", shared);
  deepEqual(published.surelyOn("v1").toSorted(), ["n1", "n2"]);
});
