import { deepEqual, equal } from "node:assert/strict";
import { GiB } from "../../src/size.ts";
import { withArray } from "./array_bench.ts";

// A clone of a file system takes several calls: what a repetition does with a file system that bears
// the clone's name already.

Deno.test("createVolume() finishes a clone that a lost call left with the size of its source, from no second snapshot", () =>
  withArray({ kind: "flashblade" }, async ({ array, calls }) => {
    const source = { volume: "k8s-pvc-1" };
    await array.createVolume({ name: source.volume, sizeBytes: GiB });
    await array.createVolume({ name: "k8s-clone", sizeBytes: GiB, source });
    const made = await calls(async () => {
      const clone = await array.createVolume({ name: "k8s-clone", sizeBytes: 2 * GiB, source });
      equal(clone.sizeBytes, 2 * GiB);
    });
    equal(made.includes("POST /file-system-snapshots"), false, made.join(", "));
    const repeated = await calls(() =>
      array.createVolume({ name: "k8s-clone", sizeBytes: 2 * GiB, source })
    );
    equal(repeated.includes("PATCH /file-systems"), false, repeated.join(", "));
    equal((await array.findVolume("k8s-clone"))?.sizeBytes, 2 * GiB);
    equal((await array.findVolume(source.volume))?.sizeBytes, GiB);
  }));

Deno.test("createVolume() of a clone leaves a file system of its name alone that was not made from the source", () =>
  withArray({ kind: "flashblade" }, async ({ array, calls }) => {
    const source = { volume: "k8s-pvc-1" };
    await array.createVolume({ name: source.volume, sizeBytes: GiB });
    await array.createVolume({ name: "k8s-other", sizeBytes: GiB, exportRules: "10.0.0.1(rw)" });
    const before = await array.findVolume("k8s-other");
    const made = await calls(async () => {
      const found = await array.createVolume({ name: "k8s-other", sizeBytes: 2 * GiB, source });
      equal(found.sizeBytes, GiB);
      equal(found.source, undefined);
    });
    equal(made.includes("PATCH /file-systems"), false, made.join(", "));
    deepEqual(await array.findVolume("k8s-other"), before);
  }));
