import assert from "node:assert/strict";
import { until } from "../../async/wait.ts";
import { testRun } from "../fixture_test.ts";
import { bladeTest, exported, NFS, sized } from "./fixture_test.ts";

const MiB = 1024 * 1024;

bladeTest("what clients of a FlashBlade send and rely on", async ({ array }) => {
  const [made] = (await array.ok("POST /file-systems?names=fs0", { provisioned: 0, nfs: NFS }))
    .items;
  assert.deepEqual([made.provisioned, made.source.is_local], [null, true]);
  assert.equal(
    await array.refused("POST /file-systems?names=fs1,fs0", sized(16 * MiB)),
    "400 File system already exists. (fs0)",
  );
  assert.equal(
    await array.refused("POST /file-systems?names=fs1,FS1", sized(16 * MiB)),
    "400 Duplicate names are not allowed. (FS1)",
  );
  assert.equal(
    await array.refused("POST /file-systems?names=fs1&policy_names=none", sized(16 * MiB)),
    "400 Policy does not exist. (none)",
  );
  assert.equal(
    await array.refused("POST /file-systems?names=fs1", {
      ...sized(16 * MiB),
      workload: { id: "w" },
    }),
    "400 Parameter workload is not supported by this array. (fs1)",
  );
  await array.ok("POST /file-systems?names=fs2", sized(16 * MiB));
  await array.ok("POST /file-system-snapshots?source_names=fs2", { suffix: "s" });
  assert.equal(
    await array.refused("POST /file-system-snapshots?source_names=fs0,fs2", { suffix: "s" }),
    "400 File system snapshot already exists. (fs2.s)",
  );
  assert.equal(
    await array.refused("POST /file-system-snapshots?source_names=fs0,FS0", { suffix: "t" }),
    "400 Duplicate names are not allowed. (fs0)",
  );
  assert.equal(
    await array.refused("POST /file-system-snapshots?source_names=fs0&context_names=other", {}),
    "400 Context does not exist. (other)",
  );
  assert.equal((await array.ok("GET /file-system-snapshots")).total_item_count, 1);
  // None of the refused calls made anything.
  assert.equal((await array.ok("GET /file-systems")).total_item_count, 2);
  const { total } = await array.ok("GET /file-systems/performance");
  assert.deepEqual([total.length, total[0].name], [1, null]);
});

bladeTest(
  "space: what is destroyed is counted, and an object store holds nothing",
  async (bench) => {
    const { array, root } = bench;
    await array.ok("POST /file-systems?names=fs1", sized(64 * MiB));
    await Deno.writeFile(`${exported(root, "any", "fs1")}/file`, new Uint8Array(8 * MiB).fill(1));
    await array.ok("PATCH /file-systems?names=fs1", {
      destroyed: true,
      nfs: { v3_enabled: false, v4_1_enabled: false },
    });
    const space = async (query: string) =>
      (await array.ok(`GET /arrays/space?${query}`)).items[0].space;
    const { destroyed, destroyed_virtual: virtual } = await space("type=file-system");
    assert.equal(destroyed >= 8 * MiB, true, String(destroyed));
    assert.equal(virtual, destroyed);
    const store = await space("type=object-store");
    assert.deepEqual([store.virtual, store.total_physical, store.total_provisioned], [0, 0, 0]);
  },
);

/** XFS itself writes some blocks, such as those of its log, which has 4 MiB. */
function assertAbout(bytes: number, wanted: number, what: string): void {
  assert.ok(bytes >= wanted && bytes < wanted + 5 * MiB, `${what}: ${bytes}, not ${wanted}`);
}

bladeTest(
  "15.13 A6: snapshots and clones of a file system share what they have in common with it",
  async ({ array, root }) => {
    const written = new Uint8Array(16 * MiB).fill(1);
    const path = (name: string) => `${exported(root, "any", name)}/file`;
    const used = async () => (await array.ok("GET /arrays/space")).items[0].space.total_physical;
    const spaceOf = async (name: string) =>
      (await array.ok(`GET /file-systems?names=${name}`)).items[0].space;
    await array.ok("POST /file-systems?names=fs1", sized(64 * MiB));
    await Deno.writeFile(path("fs1"), written);
    for (const suffix of ["a", "b"]) {
      await array.ok("POST /file-system-snapshots?source_names=fs1", { suffix });
    }
    const source = { source: { name: "fs1.a" } };
    const clone = "POST /file-systems?names=fs2&include_snapshot=true";
    await array.ok(clone, { ...source, ...sized(64 * MiB) });
    assertAbout(await used(), 16 * MiB, "two snapshots and a clone cost nothing");
    const copied = await spaceOf("fs2");
    assertAbout(copied.virtual, 16 * MiB, "the clone holds what its source did");
    assertAbout(copied.unique, 0, "of its own it has nothing");

    // What is overwritten is kept once, for the younger snapshot.
    await Deno.writeFile(path("fs1"), new Uint8Array(8 * MiB).fill(2), { append: true });
    {
      using file = await Deno.open(path("fs1"), { write: true });
      await file.write(new Uint8Array(8 * MiB).fill(3));
    }
    await testRun("sync", ["-f", path("fs1")]);
    // Images are compared again only after a rest.
    await until(
      "the space of the snapshots",
      async () => (await spaceOf("fs1")).snapshots >= 8 * MiB,
      { timeoutMs: 60_000 },
    );
    const own = await spaceOf("fs1");
    assertAbout(own.unique, 24 * MiB, "the file system counts whole");
    assertAbout(own.snapshots, 8 * MiB, "its snapshots keep what was overwritten");
    assert.equal(own.total_physical, own.unique + own.snapshots);
    assertAbout(await used(), 32 * MiB, "the clone leans on the snapshot");

    // New files count at once.
    await Deno.writeFile(`${exported(root, "any", "fs2")}/new`, written);
    assertAbout((await spaceOf("fs2")).unique, 16 * MiB, "what the clone wrote");
    await array.ok("PATCH /file-system-snapshots?names=fs1.a,fs1.b", { destroyed: true });
    await array.ok("DELETE /file-system-snapshots?names=fs1.a,fs1.b");
    assertAbout((await spaceOf("fs2")).unique, 32 * MiB, "alone, the clone counts whole");
  },
);
