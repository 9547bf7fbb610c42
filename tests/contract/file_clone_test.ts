import { deepEqual, equal, rejects } from "node:assert/strict";
import { passingSuffix } from "../../src/arrays/flashblade/wire.ts";
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

for (const from of ["volume", "snapshot"] as const) {
  Deno.test(`createVolume() of a clone of a ${from} gives it its own rules, which a cut call left as the source's`, () =>
    withArray({ kind: "flashblade" }, async ({ array, calls }) => {
      await array.createVolume({ name: "k8s-pvc-1", sizeBytes: GiB });
      await array.createSnapshot("k8s-pvc-1", "s-1");
      const source = from === "volume" ? { volume: "k8s-pvc-1" } : { snapshot: "k8s-pvc-1.s-1" };
      const spec = { name: "k8s-clone", sizeBytes: GiB, source, exportRules: "10.8.0.0/16(ro)" };
      // What a call leaves that was cut between its POST and its PATCH: rules of other nodes.
      const ofSource = "10.1.0.1(rw,no_root_squash) 10.9.0.0/16(rw)";
      await array.createVolume({ ...spec, exportRules: ofSource });
      await array.createVolume(spec);
      const clone = await array.findVolume(spec.name, { hosts: true });
      deepEqual([clone?.hosts, clone?.adminClients], [[], "any"]);
      await array.createVolume({ ...spec, exportRules: undefined });
      deepEqual((await array.findVolume(spec.name, { hosts: true }))?.adminClients, []);
      const repeated = await calls(() => array.createVolume({ ...spec, exportRules: undefined }));
      equal(repeated.includes("PATCH /file-systems"), false, repeated.join(", "));
    }));
}

Deno.test("createVolume() of a clone that nodes use already takes no rule away", () =>
  withArray({ kind: "flashblade" }, async ({ array }) => {
    const source = { volume: "k8s-pvc-1" };
    await array.createVolume({ name: source.volume, sizeBytes: GiB });
    const spec = { name: "k8s-clone", sizeBytes: GiB, source };
    await array.createVolume({ ...spec, exportRules: "10.1.0.1(rw,no_root_squash)" });
    for (const sizeBytes of [GiB, 2 * GiB]) {
      const clone = await array.createVolume({ ...spec, sizeBytes, isPublished: true });
      equal(clone.sizeBytes, sizeBytes);
      const { hosts } = await array.findVolume(spec.name, { hosts: true }) ?? {};
      deepEqual(hosts, ["10.1.0.1"]);
    }
  }));

Deno.test("createVolume() of a clone finds it before it asks for a new one: a full array takes no POST", () =>
  withArray({ kind: "flashblade" }, async ({ array, calls }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: GiB });
    await array.createSnapshot("k8s-pvc-1", "s-1");
    const source = { snapshot: "k8s-pvc-1.s-1" };
    const spec = { name: "k8s-clone", sizeBytes: GiB, source };
    await array.createVolume(spec);
    deepEqual(await calls(() => array.createVolume(spec)), ["GET /file-systems"]);
  }));

Deno.test("a snapshot that somebody calls as this driver calls a clone's is listed, and its file system is not deleted", () =>
  withArray({ kind: "flashblade" }, async ({ array }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: GiB });
    for (const suffix of ["clone-0123456789abcdef", "clone-0123456789abcdef-01234567"]) {
      await array.createSnapshot("k8s-pvc-1", suffix);
      const { items } = await array.listSnapshots({ limit: 10, volume: "k8s-pvc-1" });
      deepEqual(items.map(({ name }) => name), [`k8s-pvc-1.${suffix}`]);
      await rejects(array.deleteVolume("k8s-pvc-1"), { code: "in_use" });
      await array.deleteSnapshot(`k8s-pvc-1.${suffix}`);
    }
    await array.deleteVolume("k8s-pvc-1");
  }));

Deno.test("15.6: createVolume() of a clone names the snapshot that SafeMode keeps in its way", () =>
  withArray({ kind: "flashblade", eradication: { isManual: false } }, async ({ array }) => {
    const source = { volume: "k8s-pvc-1" };
    await array.createVolume({ name: source.volume, sizeBytes: GiB });
    const suffix = passingSuffix({ source: source.volume, target: "k8s-clone" });
    await array.createSnapshot(source.volume, suffix);
    await array.deleteSnapshot(`${source.volume}.${suffix}`);
    await rejects(array.createVolume({ name: "k8s-clone", sizeBytes: GiB, source }), {
      code: "unavailable",
      message: new RegExp(
        `^file system snapshot k8s-pvc-1.${suffix} is destroyed, and a clone needs its name: .*` +
          "Eradication is disabled, status 400; SafeMode is on: what is destroyed keeps its room",
      ),
    });
    deepEqual(await array.findVolume("k8s-clone"), undefined);
  }));

Deno.test("the snapshot that a cut clone left is in no list, and keeps no file system", () =>
  withArray({ kind: "flashblade" }, async ({ array }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: GiB });
    const suffix = passingSuffix({ source: "k8s-pvc-1", target: "k8s-clone" });
    await array.createSnapshot("k8s-pvc-1", suffix);
    deepEqual((await array.listSnapshots({ limit: 10 })).items, []);
    await array.deleteVolume("k8s-pvc-1");
  }));
