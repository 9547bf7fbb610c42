// What was destroyed: how it is listed, what its tags say, and how it comes back.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { DestroyedVolume } from "../../src/arrays/rest/admin_array.ts";
import { TestClient } from "../../src/simulator/fixture_test.ts";
import { MiB } from "../../src/size.ts";
import { type ArrayBench, type Kind, versionsUpTo, withArray } from "./array_bench.ts";

const NAME = "k8s-pvc-1";
const SIZE = 16 * MiB;
const COLLECTIONS: Record<Kind, string> = { flasharray: "volumes", flashblade: "file-systems" };
const KINDS: Kind[] = ["flasharray", "flashblade"];

/** Makes a volume and destroys it, and gives what the array has of it. */
async function destroyed({ array }: ArrayBench): Promise<DestroyedVolume> {
  await array.createVolume({ name: NAME, sizeBytes: SIZE, tags: { cluster: "k8s", pv: "pvc-1" } });
  await array.deleteVolume(NAME);
  const { items: [one] } = await array.listDestroyed({ names: [NAME], limit: 10 });
  if (!one) throw new Error("it is not listed");
  return one;
}

/** A call of an administrator. */
async function byHand({ endpoint, kind }: ArrayBench, call: string, body?: unknown) {
  const { address, token } = endpoint;
  const client = new TestClient({ address, token: token.reveal() });
  try {
    await client.login(kind === "flashblade" ? "/api/login" : undefined);
    return await client.ok(call, body);
  } finally {
    client.close();
  }
}

for (const kind of KINDS) {
  Deno.test(`a destroyed volume of a ${kind} is listed with its time, and comes back by its id, once or twice`, () =>
    withArray({ kind }, async (bench) => {
      const { array } = bench;
      await array.createVolume({ name: "k8s-pvc-2", sizeBytes: SIZE });
      const { id, name, sizeBytes, remainingMs = 0 } = await destroyed(bench);
      deepEqual({ name, sizeBytes }, { name: NAME, sizeBytes: SIZE });
      equal(remainingMs > 86_000_000 && remainingMs <= 86_400_000, true);
      const all = await array.listDestroyed({ prefix: "k8s-", limit: 10 });
      deepEqual(all.items.map((one) => one.name), [NAME]);
      for (const _time of [1, 2]) {
        equal((await array.recoverVolume({ id, name })).name, NAME);
        equal((await array.findVolume(NAME, { hosts: true }))?.hosts?.length, 0);
      }
      deepEqual((await array.listDestroyed({ prefix: "k8s-", limit: 10 })).items, []);
    }));

  Deno.test(`a ${kind} does not recover by its name what has another id by now`, () =>
    withArray({ kind }, async (bench) => {
      const { array } = bench;
      const { id, name } = await destroyed(bench);
      await byHand(bench, `DELETE /${COLLECTIONS[kind]}?names=${NAME}`);
      await rejects(array.recoverVolume({ id, name }), {
        code: "not_found",
        message: /with the id .* is not among the destroyed ones any more: it is eradicated/,
      });
      await array.createVolume({ name: NAME, sizeBytes: SIZE });
      const error = await array.recoverVolume({ id, name }).catch((caught) => caught);
      equal(error.code, "conflict");
      match(
        error.message,
        new RegExp(`is live and has the id .*, and the destroyed one has ${id}`),
      );
      await array.deleteVolume(NAME);
      // Destroyed again, it is another one still.
      await rejects(array.recoverVolume({ id, name }), { code: "not_found" });
      equal((await array.traceVolume(NAME))?.isLive, false);
    }));
}

for (const last of [16, 56]) {
  Deno.test(`a destroyed volume of a FlashArray with REST up to 2.${last} tells its tags, and one that is eradicated none`, () =>
    withArray({ kind: "flasharray", restVersions: versionsUpTo(last) }, async (bench) => {
      const { array } = bench;
      await destroyed(bench);
      const tags = await array.destroyedTags([NAME, "k8s-pvc-gone"]);
      deepEqual([...tags.keys()], [NAME]);
      deepEqual(Object.fromEntries(tags.get(NAME) ?? []), { cluster: "k8s", pv: "pvc-1" });
    }));
}

Deno.test("a file system that is recovered is served again, and one that cannot be served says what to do", () =>
  withArray({ kind: "flashblade" }, async (bench) => {
    const { array, fault } = bench;
    const { id, name } = await destroyed(bench);
    const match = { method: "PATCH", path: "/file-systems" };
    await fault({ match, after: 1, times: 1, action: "status", value: 400 });
    await rejects(array.recoverVolume({ id, name }), {
      code: "unavailable",
      message:
        /^file system k8s-pvc-1 on array .* was recovered and is not served yet: .*; turn NFS/,
    });
    await array.recoverVolume({ id, name });
    const { items: [{ nfs }] } = await byHand(bench, `GET /file-systems?names=${NAME}`);
    deepEqual([nfs.v3_enabled, nfs.v4_1_enabled], [true, true]);
  }));

Deno.test("a FlashArray lists its host objects with what each holds, and a FlashBlade has none", async () => {
  await withArray({ kind: "flasharray" }, async (bench) => {
    await byHand(bench, "POST /hosts?names=h1", { iqns: ["iqn.2026-01.example:a"] });
    await byHand(bench, "POST /hosts?names=h2", { wwns: ["5001500150015001"] });
    const hosts = await bench.array.listHosts();
    deepEqual(hosts.map(({ name, initiators }) => [name, initiators.length]), [["h1", 1], [
      "h2",
      1,
    ]]);
  });
  await withArray({ kind: "flashblade" }, async ({ array }) => {
    deepEqual(await array.listHosts(), []);
  });
});
