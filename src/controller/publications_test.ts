import { deepEqual, equal } from "node:assert/strict";
import { Publications } from "./publications.ts";

const writable = { readOnly: false, access: "mount" } as const;
const alone = { publication: writable, exclusive: true };
const shared = { publication: writable, exclusive: false };

Deno.test("Publications count what a node holds, each volume once", () => {
  const published = new Publications();
  published.add("v1", "n1", alone);
  published.add("v1", "n1", alone);
  published.add("v2", "n1", shared);
  equal(published.countOf("n1"), 2);
  deepEqual(published.of("v1", "n1"), writable);
});

Deno.test("Publications take an exclusive volume from every other node", () => {
  const published = new Publications();
  published.add("v1", "n1", shared);
  published.add("v1", "n2", alone);
  equal(published.of("v1", "n1"), undefined);
  deepEqual([published.countOf("n1"), published.countOf("n2")], [0, 1]);
});

Deno.test("Publications forget a volume on one node, or on all, and again", () => {
  const published = new Publications();
  for (const node of ["n1", "n2"]) published.add("v1", node, shared);
  published.remove("v1", "n1");
  published.remove("v1", "n1");
  deepEqual([published.countOf("n1"), published.countOf("n2")], [0, 1]);
  published.removeAll("v1");
  equal(published.countOf("n2"), 0);
});
