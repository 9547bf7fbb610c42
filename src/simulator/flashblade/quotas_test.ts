import assert from "node:assert/strict";
import { bladeTest, sized } from "./fixture_test.ts";

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
