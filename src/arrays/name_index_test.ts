import { deepEqual, equal } from "node:assert/strict";
import { NameIndex } from "./name_index.ts";

Deno.test("NameIndex is complete after a listing, and not when a reset or a doubt came into it", () => {
  const index = new NameIndex();
  for (
    const [between, complete] of [["nothing", true], ["doubt", false], ["reset", false]] as const
  ) {
    const finish = index.beginListing();
    index.add("k8s-pvc-1");
    if (between !== "nothing") index[between]();
    finish();
    equal(index.complete, complete, between);
    index.beginListing()();
    equal(index.complete, true);
  }
});

Deno.test("NameIndex keeps what it knows in doubt, and forgets it in a reset", () => {
  const index = new NameIndex();
  index.add("k8s-pvc-1");
  index.doubt();
  equal(index.has("K8S-PVC-1"), true);
  index.reset();
  equal(index.has("k8s-pvc-1"), false);
});

Deno.test("NameIndex.remove() forgets the volume that is meant, in any spelling, and no other", () => {
  const index = new NameIndex();
  index.add("k8s-pvc-1");
  index.add("k8s-pvc-10");
  equal(index.count((name) => name.startsWith("k8s-")), 2);
  index.remove("K8S-pvc-1");
  equal(index.has("k8s-pvc-1"), false);
  equal(index.has("k8s-pvc-10"), true);
  equal(index.count((name) => name.startsWith("k8s-")), 1);
});

Deno.test("NameIndex counts the volumes of a group, each in one group, until they are gone", () => {
  const index = new NameIndex();
  index.add("k8s-a");
  index.add("k8s-b");
  for (const name of ["k8s-a", "K8S-A", "k8s-b", "k8s-unknown"]) index.setGroup(name, "shop/db");
  equal(index.countGroup("shop/db"), 2);
  index.setGroup("k8s-b", "shop/other");
  deepEqual([index.countGroup("shop/db"), index.countGroup("shop/other")], [1, 1]);
  index.remove("K8S-a");
  deepEqual([index.countGroup("shop/db"), index.countGroup("shop/other")], [0, 1]);
  index.reset();
  deepEqual(index.countGroup("shop/other"), 0);
});

Deno.test("NameIndex finds snapshots by what their suffix is, whatever their volume is", () => {
  const index = new NameIndex();
  for (const name of ["k8s-a.group-1", "K8S-a.Group-2", "k8s-b.snapshot-1"]) {
    index.addSnapshot(name);
  }
  const groups = () => index.snapshotsWith((suffix) => suffix.startsWith("group-"));
  deepEqual(groups(), ["k8s-a.group-1", "k8s-a.group-2"]);
  index.removeSnapshot("k8s-A.GROUP-1");
  deepEqual(groups(), ["k8s-a.group-2"]);
  index.remove("k8s-a");
  deepEqual(groups(), []);
});

Deno.test("NameIndex.namesLike() finds a name in every pod and group, and outside, until it is gone", () => {
  const index = new NameIndex();
  for (const name of ["k8s-a", "P1::K8s-a", "vg/k8s-a", "p1::vg/k8s-a", "p1::k8s-ab"]) {
    index.add(name);
  }
  const all = ["k8s-a", "p1::k8s-a", "vg/k8s-a", "p1::vg/k8s-a"];
  deepEqual(index.namesLike("k8s-a"), all);
  deepEqual(index.namesLike("P9::K8S-a"), all);
  index.remove("p1::k8s-a");
  index.remove("k8s-a");
  deepEqual(index.namesLike("k8s-a"), ["vg/k8s-a", "p1::vg/k8s-a"]);
  index.reset();
  deepEqual(index.namesLike("k8s-a"), []);
});
