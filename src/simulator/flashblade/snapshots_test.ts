import assert from "node:assert/strict";
import { MiB } from "../../size.ts";
import { versionRange } from "../array_context.ts";
import { bladeTest, clientsOf, exported, NFS, sized } from "./fixture_test.ts";

const OFF = { nfs: { v3_enabled: false, v4_1_enabled: false }, destroyed: true };

bladeTest(
  "a snapshot keeps the files of its time: it is restored in place and cloned larger",
  async ({ array, root }) => {
    await array.ok("POST /file-systems?names=fs1", sized(32 * MiB));
    const file = (name: string) => `${exported(root, "any", name)}/file`;
    await Deno.writeTextFile(file("fs1"), "before");
    const [snapshot] =
      (await array.ok("POST /file-system-snapshots?source_names=fs1", { suffix: "s1" })).items;
    assert.deepEqual([
      snapshot.name,
      snapshot.suffix,
      snapshot.owner.name,
      snapshot.owner_destroyed,
    ], ["fs1.s1", "s1", "fs1", false]);
    assert.equal(
      await array.refused("POST /file-system-snapshots?source_names=fs1", { suffix: "s1" }),
      "400 File system snapshot already exists. (fs1.s1)",
    );
    await Deno.writeTextFile(file("fs1"), "after");

    const source = { source: { name: "fs1.s1" } };
    assert.match(
      await array.refused("POST /file-systems?names=fs2", source),
      /include_snapshot must be true/,
    );
    const [clone] = (await array.ok("POST /file-systems?names=fs2&include_snapshot=true", {
      ...source,
      ...sized(100 * MiB),
    })).items;
    assert.deepEqual([clone.source.name, clone.provisioned], ["fs1.s1", 100 * MiB]);
    assert.equal(await Deno.readTextFile(file("fs2")), "before");
    await Deno.writeFile(`${exported(root, "any", "fs2")}/big`, new Uint8Array(80 * MiB));

    const held = await Deno.open(file("fs1"));
    assert.match(
      await array.refused("POST /file-systems?names=fs1&overwrite=true", source),
      /discard_non_snapshotted_data must be true/,
    );
    await array.ok(
      "POST /file-systems?names=fs1&overwrite=true&discard_non_snapshotted_data=true",
      source,
    );
    held.close();
    assert.equal(await Deno.readTextFile(file("fs1")), "before");
    assert.equal(
      await array.refused("POST /file-systems?names=x&include_snapshot=true", {
        source: { name: "fs1.no" },
      }),
      "400 File system snapshot does not exist. (fs1.no)",
    );
  },
);

bladeTest(
  "destroying needs the protocols off; destroyed can be recovered, refuses changes and " +
    "is eradicated by DELETE",
  async ({ array, root }) => {
    await array.ok("POST /file-systems?names=fs1", sized(MiB));
    await array.ok("POST /file-system-snapshots?source_names=fs1", { suffix: "s1" });
    assert.match(
      await array.refused("PATCH /file-systems?names=fs1", { destroyed: true }),
      /while a protocol is enabled/,
    );
    assert.match(await array.refused("DELETE /file-systems?names=fs1"), /must be destroyed before/);
    const [gone] = (await array.ok("PATCH /file-systems?names=fs1", OFF)).items;
    assert.ok(gone.destroyed && gone.time_remaining > 86_000_000);
    assert.deepEqual(clientsOf(root), []);
    assert.equal(
      await array.refused("PATCH /file-systems?names=fs1", { provisioned: 2 * MiB }),
      "400 File system has been destroyed. (fs1)",
    );
    assert.equal(
      await array.refused("POST /file-systems?names=fs1", sized(MiB)),
      "400 File system has been destroyed. (fs1)",
    );
    assert.equal(
      await array.refused("POST /file-system-snapshots?source_names=fs1", {}),
      "400 File system has been destroyed. (fs1)",
    );
    assert.deepEqual((await array.ok("GET /file-systems?destroyed=false")).items, []);
    const [snapshot] =
      (await array.ok("GET /file-system-snapshots?names_or_owner_names=fs1")).items;
    assert.deepEqual([snapshot.destroyed, snapshot.owner_destroyed], [true, true]);

    const [back] =
      (await array.ok("PATCH /file-systems?names=fs1", { destroyed: false, nfs: NFS })).items;
    assert.deepEqual([back.destroyed, back.time_remaining], [false, null]);
    assert.equal(
      (await array.ok("GET /file-system-snapshots?names_or_owner_names=fs1.s1")).items[0].destroyed,
      false,
    );
    assert.deepEqual(clientsOf(root), ["any/fs1"]);

    await array.ok("PATCH /file-systems?names=fs1", OFF);
    assert.equal(await array.ok("DELETE /file-systems?names=fs1"), undefined);
    assert.deepEqual([...Deno.readDirSync(`${root}/images`)], []);
    assert.deepEqual((await array.ok("GET /file-system-snapshots")).items, []);
  },
);

bladeTest("what is destroyed goes for ever a day later", async ({ array, control, root }) => {
  for (const name of ["fs1", "fs2"]) await array.ok(`POST /file-systems?names=${name}`, sized(MiB));
  for (const suffix of ["s1", "s2"]) {
    await array.ok("POST /file-system-snapshots?source_names=fs2", { suffix });
  }
  await array.ok("PATCH /file-systems?names=fs1", OFF);
  await array.ok("PATCH /file-system-snapshots?names=fs2.s1", { destroyed: true });
  await control("POST /clock", { advance: 86_399 });
  await array.login("/api/login");
  assert.equal((await array.ok("GET /file-systems")).total_item_count, 2);
  await control("POST /clock", { advance: 2 });
  assert.deepEqual(
    (await array.ok("GET /file-systems")).items.map(({ name }: { name: string }) => name),
    ["fs2"],
  );
  assert.deepEqual(
    (await array.ok("GET /file-system-snapshots")).items.map(({ name }: { name: string }) => name),
    ["fs2.s2"],
  );
  assert.equal([...Deno.readDirSync(`${root}/images`)].length, 2);
});

bladeTest(
  "POST /file-system-snapshots without a source takes every live file system; " +
    "destroyed snapshots are eradicated by DELETE",
  async ({ array }) => {
    for (const name of ["fs1", "fs2", "fs3"]) {
      await array.ok(`POST /file-systems?names=${name}`, sized(MiB));
    }
    await array.ok("PATCH /file-systems?names=fs3", OFF);
    const made = (await array.ok("POST /file-system-snapshots", { suffix: "all" })).items.map((
      { name }: { name: string },
    ) => name);
    assert.deepEqual(made.sort(), ["fs1.all", "fs2.all"]);
    assert.match(
      await array.refused("DELETE /file-system-snapshots?names=fs1.all"),
      /must be destroyed before/,
    );
    await array.ok("PATCH /file-system-snapshots?names=fs1.all", { destroyed: true });
    await array.ok("DELETE /file-system-snapshots?names=fs1.all");
    assert.equal(
      await array.refused("GET /file-system-snapshots?names_or_owner_names=fs1.all"),
      "400 File system snapshot does not exist. (fs1.all)",
    );
    assert.deepEqual(
      (await array.ok("GET /file-system-snapshots?names_or_owner_names=fs1")).items,
      [],
    );
  },
);

bladeTest(
  "an array of REST 2.12 restores in place and cannot clone",
  async ({ array }) => {
    assert.equal((await array.raw("GET", "/api/api_version")).body.versions.at(-1), "2.12");
    const [made] = (await array.ok("POST /file-systems?names=fs1", sized(MiB))).items;
    assert.deepEqual(["context" in made, "storage_class" in made, "group_ownership" in made], [
      false,
      false,
      false,
    ]);
    await array.ok("POST /file-system-snapshots?source_names=fs1", { suffix: "s1" });
    const source = { source: { name: "fs1.s1" } };
    assert.equal(
      await array.refused("POST /file-systems?names=fs2", source),
      "400 A snapshot cannot be copied to a new file system in REST 2.12: 2.25 is needed. (fs2)",
    );
    await array.ok(
      "POST /file-systems?names=fs1&overwrite=true&discard_non_snapshotted_data=true",
      source,
    );
    array.version = "2.25";
    assert.match(
      await array.refused("GET /file-systems"),
      /^404 REST version 2\.25 is not supported/,
    );
  },
  { version: "2.12", versions: { flashblade: versionRange(0, 12) } },
);
