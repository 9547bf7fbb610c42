import assert from "node:assert/strict";
import { bladeTest, exported, sized } from "./fixture_test.ts";

const MiB = 1024 * 1024;

bladeTest("quotas of users and groups, by number and by name", async ({ array }) => {
  await array.ok("POST /file-systems?names=fs1", sized(16 * MiB));
  const of = "file_system_names=fs1";
  const [made] = (await array.ok(`POST /quotas/users?${of}&uids=1001`, { quota: MiB })).items;
  assert.deepEqual([made.name, made.user, made.quota, made.usage], [
    "fs1/1001",
    { id: 1001, name: null },
    ...[MiB, 0],
  ]);
  assert.equal(
    await array.refused(`POST /quotas/users?${of}&uids=1001`, { quota: MiB }),
    "400 Quota already exists. (fs1/1001)",
  );
  await array.ok(`POST /quotas/users?${of}&user_names=ann`, { quota: MiB });
  await array.ok(`PATCH /quotas/users?${of}&uids=1001`, { quota: 2 * MiB });
  const found = await array.ok("GET /quotas/users?filter=user.id=1001");
  assert.deepEqual([found.total_item_count, found.items[0].quota], [1, 2 * MiB]);
  // A group of the same number is somebody else.
  assert.equal((await array.ok("GET /quotas/groups?gids=1001")).total_item_count, 0);
  assert.equal(
    await array.refused(`PATCH /quotas/groups?${of}&gids=1001`, { quota: MiB }),
    "400 Quota does not exist.",
  );
  assert.match(await array.refused(`POST /quotas/users?${of}&uids=x`, { quota: 1 }), /^400 /);
  assert.match(await array.refused(`POST /quotas/users?${of}&uids=7`, { quota: 0 }), /^400 /);
  await array.ok("DELETE /quotas/users?names=fs1/1001");
  const left = (await array.ok("GET /quotas/users")).items;
  assert.deepEqual(left.map(({ name }: { name: string }) => name), ["fs1/ann"]);
});

bladeTest(
  "15.13 B10: usage lists whom a quota holds with what they store, users and groups",
  async ({ array, root }) => {
    for (const name of ["fs1", "fs2"]) {
      await array.ok(`POST /file-systems?names=${name}`, sized(32 * MiB));
    }
    const folder = exported(root, "any", "fs1");
    const write = async (path: string, bytes: number, owner: number) => {
      await Deno.writeFile(`${folder}/${path}`, new Uint8Array(bytes).fill(1));
      await Deno.chown(`${folder}/${path}`, owner, 7);
    };
    await write("one", MiB, 1001);
    await Deno.mkdir(`${folder}/deep/deeper`, { recursive: true });
    await write("deep/deeper/two", 2 * MiB, 1001);
    await Deno.link(`${folder}/one`, `${folder}/deep/again`);
    await write("other", MiB, 1002);
    const usage = async (query: string) =>
      (await array.ok(`GET /usage/${query}`)).items.map(
        ({ name, quota, usage }: Record<string, unknown>) => [name, quota, usage],
      );
    assert.deepEqual(await usage("users"), []);
    await array.ok("POST /quotas/users?file_system_names=fs1&uids=1001", { quota: 8 * MiB });
    await array.ok("POST /quotas/users?file_system_names=fs1&user_names=ann", { quota: MiB });
    await array.ok("POST /quotas/groups?file_system_names=fs1&gids=7", { quota: 9 * MiB });
    await array.ok("POST /quotas/users?file_system_names=fs2&uids=1001", { quota: 6 * MiB });
    const mine = ["fs1/1001", 8 * MiB, 3 * MiB];
    assert.deepEqual(await usage("users"), [mine, ["fs1/ann", MiB, 0], ["fs2/1001", 6 * MiB, 0]]);
    assert.deepEqual(await usage("users?file_system_names=fs1&uids=1001"), [mine]);
    assert.deepEqual(await usage("groups"), [["fs1/7", 9 * MiB, 4 * MiB]]);
    const [quota] = (await array.ok("GET /quotas/users?file_system_names=fs1&uids=1001")).items;
    assert.equal(quota.usage, 3 * MiB);

    // The file system's own quota holds everybody who has no other.
    await array.ok("PATCH /file-systems?names=fs1", { default_user_quota: 4 * MiB });
    assert.deepEqual(await usage("users?file_system_names=fs1&uids=1002"), [
      ["fs1/1002", null, MiB],
    ]);
    const [other] = (await array.ok("GET /usage/users?uids=1002")).items;
    assert.deepEqual([other.user, other.file_system_default_quota], [
      { id: 1002, name: null },
      4 * MiB,
    ]);
    assert.equal(
      await array.refused("GET /usage/users?file_system_names=none"),
      "400 File system does not exist. (none)",
    );
    await array.ok("PATCH /file-systems?names=fs2", {
      destroyed: true,
      nfs: { v3_enabled: false, v4_1_enabled: false },
    });
    await array.ok("DELETE /file-systems?names=fs2");
    assert.deepEqual(await usage("users?uids=1001"), [mine]);
    assert.equal((await array.ok("GET /quotas/users?uids=1001")).total_item_count, 1);
  },
);
