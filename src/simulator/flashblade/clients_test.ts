import assert from "node:assert/strict";
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
