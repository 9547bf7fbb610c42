import { equal, throws } from "node:assert/strict";
import { NameIndex } from "./name_index.ts";
import { NameListing } from "./name_listing.ts";
import { REST_LIMITS } from "./rest/limits.ts";

const ENDLESS: [string, (page: number) => string[]][] = [
  ["full pages", (page) => Array.from({ length: 500 }, (_, at) => `k8s-${page}-${at}`)],
  ["long names", (page) => Array.from({ length: 500 }, (_, at) => `k8s-${page}-${at}`.padEnd(500))],
  ["pages of one", (page) => [`k8s-${page}`]],
  ["the same page", () => ["k8s-1"]],
];

for (const [name, pageOf] of ENDLESS) {
  Deno.test(`NameListing ends a listing of ${name} without end, with at most what is allowed`, () => {
    const listing = new NameListing("fa-1");
    let [pages, names] = [0, 0];
    throws(() => {
      for (;;) {
        const page = pageOf(pages++);
        names += page.length;
        listing.add(pages % 2 === 0 ? "volumes" : "snapshots", page);
      }
    }, { code: "unavailable", message: /fa-1 lists .* there is no end/ });
    equal(pages <= REST_LIMITS.pages.value + 1, true);
    equal(names <= REST_LIMITS.listedNames.value + 500, true);
  });
}

Deno.test("NameListing notes in the index what it was given, and nothing before", () => {
  const index = new NameIndex();
  const listing = new NameListing("fa-1");
  listing.add("volumes", ["k8s-1"]);
  listing.add("snapshots", ["k8s-2.a"]);
  equal(index.has("k8s-1"), false);
  listing.noteIn(index);
  equal(index.has("K8S-1"), true);
  equal(index.volumesWithSnapshot("a")[0], "k8s-2");
});
