// Attributes of a volume that is there: limits and tags of a FlashArray, export rules of a FlashBlade.
import { deepEqual, equal, rejects } from "node:assert/strict";
import { FLASHARRAY_DIALECT } from "../../src/arrays/flasharray/status.ts";
import { FLASHBLADE_DIALECT } from "../../src/arrays/flashblade/status.ts";
import { RestClient } from "../../src/arrays/rest/client.ts";
import { isPsoError } from "../../src/errors.ts";
import { silentLogger } from "../../src/log.ts";
import { HttpsClient } from "../../src/net/https.ts";
import { MiB } from "../../src/size.ts";
import { asIs } from "../support/as_is.ts";
import { type ArrayBench, node, versionsUpTo, withArray } from "./array_bench.ts";

const NAME = "k8s-pvc-1";
const SIZE = 16 * MiB;

/** What an administrator's GET shows. */
async function shown<T>({ endpoint, kind }: ArrayBench, path: string): Promise<T[]> {
  const https = new HttpsClient({ ...endpoint, tls: { verify: false } });
  const rest = new RestClient({
    fetch: https.fetch,
    dialect: kind === "flasharray" ? FLASHARRAY_DIALECT : FLASHBLADE_DIALECT,
    token: endpoint.token,
    label: () => "admin",
    log: silentLogger,
  });
  try {
    return (await rest.call({ method: "GET", path, item: asIs<T> })).items;
  } finally {
    https.close();
  }
}

async function limitsOf(bench: ArrayBench): Promise<unknown> {
  const items = await shown<{ name: string; qos: unknown }>(bench, "volumes");
  return items.find(({ name }) => name === NAME)?.qos;
}

async function tagsOf(bench: ArrayBench, volume = NAME): Promise<Record<string, string>> {
  const items = await shown<{ key: string; value: string; resource: { name: string } }>(
    bench,
    "volumes/tags",
  );
  return Object.fromEntries(
    items.filter(({ resource }) => resource.name === volume).map(({ key, value }) => [key, value]),
  );
}

async function rulesOf(bench: ArrayBench): Promise<string> {
  const [item] = await shown<{ nfs: { rules: string } }>(bench, "file-systems");
  return item?.nfs.rules ?? "";
}

Deno.test("modifyVolume() sets, keeps and takes away limits in one call, and sets tags in another", () =>
  withArray({ kind: "flasharray" }, async (bench) => {
    const { array, calls } = bench;
    await array.createVolume({ name: NAME, sizeBytes: SIZE, tags: { cluster: "k8s" } });
    const both = { iopsLimit: 1000, bandwidthLimitBytes: 2 * MiB };
    for (const _time of [1, 2]) {
      deepEqual(await calls(() => array.modifyVolume(NAME, { qos: both })), ["PATCH /volumes"]);
      deepEqual(await limitsOf(bench), { iops_limit: 1000, bandwidth_limit: 2 * MiB });
    }
    await array.modifyVolume(NAME, { qos: { iopsLimit: null } });
    deepEqual(await limitsOf(bench), { iops_limit: null, bandwidth_limit: 2 * MiB });
    const change = { qos: { iopsLimit: 500 }, tags: { tier: "gold" } };
    deepEqual(await calls(() => array.modifyVolume(NAME, change)), [
      "PATCH /volumes",
      "PUT /volumes/tags/batch",
    ]);
    await array.modifyVolume(NAME, { tags: { tier: "silver", team: "a" } });
    deepEqual(await tagsOf(bench), { cluster: "k8s", tier: "silver", team: "a" });
    deepEqual(await limitsOf(bench), { iops_limit: 500, bandwidth_limit: 2 * MiB });
  }));

Deno.test("modifyVolume() that ended between limits and tags is not final, and is finished by its repetition", () =>
  withArray({ kind: "flasharray" }, async (bench) => {
    const { array } = bench;
    await array.createVolume({ name: NAME, sizeBytes: SIZE });
    const change = { qos: { iopsLimit: 500 }, tags: { tier: "gold" } };
    const match = { method: "PUT", path: "/volumes/tags/batch" };
    await bench.fault({ action: "status", value: 400, match, times: 1 });
    await rejects(
      array.modifyVolume(NAME, change),
      (error) =>
        isPsoError(error, "unavailable") &&
        /has its limits and cannot be tagged/.test(error.message),
    );
    deepEqual(await limitsOf(bench), { iops_limit: 500, bandwidth_limit: null });
    await array.modifyVolume(NAME, change);
    deepEqual(await tagsOf(bench), { tier: "gold" });
  }));

for (const minor of [38, 39]) {
  Deno.test(`createVolume() sets tags that were asked for on a volume and on its clone by REST 2.${minor}`, () =>
    withArray({ kind: "flasharray", restVersions: versionsUpTo(minor) }, async (bench) => {
      const { array } = bench;
      const askedTags = { tier: "gold" };
      await array.createVolume({
        name: NAME,
        sizeBytes: SIZE,
        tags: { cluster: "k8s" },
        askedTags,
      });
      deepEqual(await tagsOf(bench), { cluster: "k8s", tier: "gold" });
      const source = { volume: NAME };
      await array.createVolume({ name: "k8s-clone", sizeBytes: SIZE, source, askedTags });
      deepEqual(await tagsOf(bench, "k8s-clone"), askedTags);
    }));
}

Deno.test("modifyVolume() replaces an administrator's rules, keeps a node's, and is done once", () =>
  withArray({ kind: "flashblade" }, async (bench) => {
    const { array, calls } = bench;
    await array.createVolume({ name: NAME, sizeBytes: SIZE, exportRules: "10.1.0.0/16(rw)" });
    const nfs = { protocol: "nfs", exclusive: false, preempt: true, readOnly: false } as const;
    await array.connect(NAME, node(1, { addresses: ["10.9.0.1"] }), nfs);
    const own = "10.9.0.1(rw,no_root_squash)";
    const user = { node: node(2, { addresses: ["10.1.0.2"] }), readOnly: false };
    const exports = { rules: "10.2.0.0/16(ro)", users: [user], areAllUsersKnown: true };
    deepEqual(await calls(() => array.modifyVolume(NAME, { exports })), [
      "GET /file-systems",
      "PATCH /file-systems",
    ]);
    const rules = `${own} 10.1.0.2(rw,no_root_squash) 10.2.0.0/16(ro)`;
    equal(await rulesOf(bench), rules);
    deepEqual(await calls(() => array.modifyVolume(NAME, { exports })), ["GET /file-systems"]);
    const unknown = { rules: "", users: [], areAllUsersKnown: false };
    await rejects(
      array.modifyVolume(NAME, { exports: unknown }),
      (error) => isPsoError(error, "in_use"),
    );
    equal(await rulesOf(bench), rules);
  }));

Deno.test("modifyVolume() refuses what the kind of array does not have, and a volume that is not there", async () => {
  const exports = { rules: "*(ro)", users: [], areAllUsersKnown: true };
  const [qos, tags] = [{ iopsLimit: 500 }, { tier: "gold" }];
  await withArray({ kind: "flasharray" }, async ({ array }) => {
    await array.createVolume({ name: NAME, sizeBytes: SIZE });
    await rejects(
      array.modifyVolume(NAME, { exports }),
      (error) => isPsoError(error, "unsupported"),
    );
    await rejects(
      array.modifyVolume("k8s-gone", { qos }),
      (error) => isPsoError(error, "not_found"),
    );
  });
  await withArray({ kind: "flashblade" }, async ({ array, calls }) => {
    await array.createVolume({ name: NAME, sizeBytes: SIZE });
    for (const changes of [{ qos }, { tags, exports }]) {
      const made = await calls(() =>
        rejects(array.modifyVolume(NAME, changes), (error) => isPsoError(error, "unsupported"))
      );
      deepEqual(made, []);
    }
    await rejects(
      array.modifyVolume("k8s-gone", { exports }),
      (error) => isPsoError(error, "not_found"),
    );
  });
});
