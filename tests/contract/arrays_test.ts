import { deepEqual, equal, match, notEqual, ok, rejects } from "node:assert/strict";
import type { ConnectOptions, Page } from "../../src/arrays/array.ts";
import { isPsoError } from "../../src/errors.ts";
import { GiB, MiB } from "../../src/size.ts";
import {
  type ArrayBench,
  type BenchOptions,
  node,
  versionsUpTo,
  withArray,
} from "./array_bench.ts";

// One suite over both kinds of array, against the simulator. `gaps` = rules that a case cannot
// fulfil, each with its reason.

interface Case extends BenchOptions {
  name: string;
  gaps?: Partial<Record<"clone", string>>;
}

const CASES: Case[] = [
  { name: "FlashArray, newest", kind: "flasharray" },
  {
    name: "FlashArray, REST 2.40 (tags with the volume)",
    kind: "flasharray",
    restVersions: versionsUpTo(40),
  },
  { name: "FlashArray, REST 2.16", kind: "flasharray", restVersions: versionsUpTo(16) },
  { name: "FlashArray, REST 2.4 (oldest)", kind: "flasharray", restVersions: versionsUpTo(4) },
  { name: "FlashBlade, newest", kind: "flashblade" },
  {
    name: "FlashBlade, REST 2.12",
    kind: "flashblade",
    restVersions: Array.from({ length: 13 }, (_, minor) => `2.${minor}`),
    gaps: { clone: "needs REST 2.25" },
  },
];

const LOCAL: ConnectOptions = {
  protocol: "local",
  exclusive: true,
  preempt: true,
  readOnly: false,
  known: { cluster: "k8s" },
};
const SIZE = 64 * MiB;

function each(rule: string, test: (bench: ArrayBench, one: Case) => Promise<void>): void {
  for (const one of CASES) {
    Deno.test(`${one.name}: ${rule}`, () => withArray(one, (bench) => test(bench, one)));
  }
}

/** All pages of a list. */
async function all<T>(list: (token?: string) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for (let token: string | undefined, more = true; more; more = token !== undefined) {
    const page = await list(token);
    items.push(...page.items);
    token = page.nextToken;
  }
  return items;
}

each("status() tells who the array is and what it can do", async ({ array, kind }, { gaps }) => {
  for (let time = 0; time < 2; time++) {
    const status = await array.status();
    match(status.id, /^[0-9a-f]{8}-/);
    equal(array.label, status.name);
    equal(status.kind, kind === "flasharray" ? "block" : "file");
    equal(array.kind, status.kind);
    match(status.restVersion, /^2\.\d+$/);
    notEqual(status.version, "");
    ok(
      status.capacityBytes > GiB && status.usedBytes >= 0 &&
        status.usedBytes < status.capacityBytes,
    );
    ok(status.protocols.has("local"), "a simulated array offers its local plane");
    ok(status.protocols.has(kind === "flasharray" ? "iscsi" : "nfs"));
    equal(status.features.has("clone"), gaps?.clone === undefined);
  }
});

each("a volume is created once, found, grown and deleted; each call twice", async ({ array }) => {
  const spec = {
    name: "k8s-pvc-1",
    sizeBytes: SIZE,
    tags: { cluster: "k8s", pvc: "default/data" },
  };
  const [first, second] = [await array.createVolume(spec), await array.createVolume(spec)];
  equal(first.name, spec.name);
  equal(first.sizeBytes, SIZE);
  equal(first.everWritten, false);
  deepEqual([second.name, second.sizeBytes, second.serial, second.createdMs], [
    first.name,
    first.sizeBytes,
    first.serial,
    first.createdMs,
  ]);
  deepEqual((await array.findVolume(spec.name, { hosts: true }))?.hosts, []);
  equal((await array.findVolume(spec.name))?.hosts, undefined);
  equal(await array.findVolume("k8s-no-such"), undefined);
  for (const name of [`${spec.name},${spec.name}`, "", "*", "a b"]) {
    equal(await array.findVolume(name), undefined);
    await array.deleteVolume(name);
    await array.deleteSnapshot(name);
  }

  equal((await array.growVolume(spec.name, 2 * SIZE)).sizeBytes, 2 * SIZE);
  equal((await array.growVolume(spec.name, 2 * SIZE)).sizeBytes, 2 * SIZE);
  equal((await array.growVolume(spec.name, SIZE)).sizeBytes, 2 * SIZE, "never smaller");
  await rejects(array.growVolume("k8s-no-such", SIZE), (error) => isPsoError(error, "not_found"));

  await array.deleteVolume(spec.name);
  await array.deleteVolume(spec.name);
  await array.deleteVolume("k8s-no-such");
  equal(await array.findVolume(spec.name), undefined, "a destroyed volume is not there");
});

each(
  "createVolume() refuses a name that a destroyed volume holds, and says what to do",
  async ({ array, kind }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await array.deleteVolume("k8s-pvc-1");
    await rejects(array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE }), (error) => {
      ok(isPsoError(error, "conflict"), String(error));
      match(
        error.message,
        kind === "flasharray"
          ? /purevol recover k8s-pvc-1.*purevol eradicate k8s-pvc-1/
          : /recover.*eradicate/,
      );
      return true;
    });
  },
);

each(
  "a snapshot is created once, found, listed and deleted; each call twice",
  async ({ array, kind }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    const first = await array.createSnapshot("k8s-pvc-1", "snapshot-1");
    deepEqual(first, await array.createSnapshot("k8s-pvc-1", "snapshot-1"));
    deepEqual(first, {
      name: "k8s-pvc-1.snapshot-1",
      volume: "k8s-pvc-1",
      sizeBytes: kind === "flasharray" ? SIZE : 0,
      createdMs: first.createdMs,
    });
    deepEqual(await array.findSnapshot(first.name), first);
    equal(await array.findSnapshot("k8s-pvc-1.snapshot-2"), undefined);
    deepEqual((await array.listSnapshots({ limit: 10, volume: "k8s-pvc-1" })).items, [first]);
    deepEqual((await array.listSnapshots({ limit: 10, prefix: "k8s-" })).items, [first]);
    deepEqual((await array.listSnapshots({ limit: 10, prefix: "other-" })).items, []);
    deepEqual((await array.listSnapshots({ limit: 10, volume: "k8s-no-such" })).items, []);
    await rejects(
      array.createSnapshot("k8s-no-such", "snapshot-1"),
      (error) => isPsoError(error, "not_found"),
    );

    await rejects(array.deleteVolume("k8s-pvc-1"), (error) => {
      ok(isPsoError(error, "in_use"));
      match(error.message, /k8s-pvc-1\.snapshot-1/);
      return true;
    });
    await array.deleteSnapshot(first.name);
    await array.deleteSnapshot(first.name);
    await array.deleteSnapshot("k8s-pvc-1.no-such");
    equal(await array.findSnapshot(first.name), undefined);
    await rejects(
      array.createSnapshot("k8s-pvc-1", "snapshot-1"),
      (error) => isPsoError(error, "conflict"),
      "destroyed, and its name still held",
    );
    await array.deleteVolume("k8s-pvc-1");
  },
);

each(
  "a clone of a snapshot and of a volume grows to its size; each call twice",
  async ({ array }, { gaps }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await array.createSnapshot("k8s-pvc-1", "snapshot-1");
    const fromSnapshot = {
      name: "k8s-pvc-2",
      sizeBytes: 2 * SIZE,
      source: { snapshot: "k8s-pvc-1.snapshot-1" },
    };
    const fromVolume = { name: "k8s-pvc-3", sizeBytes: SIZE, source: { volume: "k8s-pvc-1" } };
    if (gaps?.clone) {
      await rejects(
        array.createVolume(fromSnapshot),
        (error) => isPsoError(error, "unsupported") && /2\.25/.test(error.message),
      );
      await rejects(array.createVolume(fromVolume), (error) => isPsoError(error, "unsupported"));
      equal(await array.findVolume("k8s-pvc-2"), undefined);
      return;
    }
    for (const spec of [fromSnapshot, fromSnapshot, fromVolume, fromVolume]) {
      const volume = await array.createVolume(spec);
      equal(volume.sizeBytes, spec.sizeBytes);
      ok(volume.everWritten, "a clone is never blank");
      match(volume.source ?? "", /^k8s-pvc-1/);
    }
    deepEqual(
      (await array.listSnapshots({ limit: 10 })).items.map(({ name }) => name),
      ["k8s-pvc-1.snapshot-1"],
      "nothing is left of the cloning",
    );
    await rejects(
      array.createVolume({
        name: "k8s-pvc-4",
        sizeBytes: SIZE,
        source: { snapshot: "k8s-pvc-1.no-such" },
      }),
      (error) => isPsoError(error, "not_found"),
    );
    await rejects(
      array.createVolume({ name: "k8s-pvc-4", sizeBytes: SIZE, source: { volume: "k8s-no-such" } }),
      (error) => isPsoError(error, "not_found"),
    );
  },
);

each(
  "connect() and disconnect() twice each; another node is fenced off or refused",
  async ({ array, kind }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    const hostOf = (number: number) =>
      kind === "flasharray" ? `node-${number}` : `127.0.0.1${number}`;
    const attachment = await array.connect("k8s-pvc-1", node(1), LOCAL);
    equal(attachment.protocol, "local");
    deepEqual(await array.connect("k8s-pvc-1", node(1), LOCAL), attachment);
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, [hostOf(1)]);
    deepEqual(
      (await array.listVolumes({ limit: 10, hosts: true })).items.map(({ hosts }) => hosts),
      [[hostOf(1)]],
    );

    await rejects(array.connect("k8s-pvc-1", node(2), { ...LOCAL, preempt: false }), (error) => {
      ok(isPsoError(error, "in_use"), String(error));
      ok(error.message.includes(hostOf(1)), error.message);
      return true;
    });
    await array.connect("k8s-pvc-1", node(2), LOCAL);
    deepEqual(
      (await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts,
      [hostOf(2)],
      "node-1 was disconnected first",
    );
    await array.connect("k8s-pvc-1", node(1), { ...LOCAL, exclusive: false });
    await array.connect("k8s-pvc-1", node(1), { ...LOCAL, exclusive: false });
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts?.toSorted(), [
      hostOf(1),
      hostOf(2),
    ]);
    if (kind === "flasharray") {
      await rejects(
        array.deleteVolume("k8s-pvc-1"),
        (error) => isPsoError(error, "in_use"),
      );
    }
    await array.disconnect("k8s-pvc-1", node(1));
    await array.disconnect("k8s-pvc-1", node(1));
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, [hostOf(2)]);
    await array.disconnect("k8s-pvc-1", "all", { known: LOCAL.known });
    await array.disconnect("k8s-pvc-1", "all", { known: LOCAL.known });
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, []);
    await array.disconnect("k8s-no-such", node(1));
    await array.disconnect("k8s-no-such", "all", { known: LOCAL.known });
    await rejects(
      array.connect("k8s-no-such", node(1), LOCAL),
      (error) => isPsoError(error, "not_found"),
    );
    await rejects(
      array.connect("k8s-pvc-1", node(1), {
        ...LOCAL,
        protocol: kind === "flasharray" ? "nfs" : "iscsi",
      }),
      (error) => isPsoError(error, "unsupported"),
    );
  },
);

each("lists come in pages, by prefix, and hold no destroyed volume", async ({ array, kind }) => {
  const count = kind === "flasharray" ? 120 : 12;
  const limit = kind === "flasharray" ? 50 : 5;
  const names = Array.from(
    { length: count },
    (_, number) => `k8s-pvc-${String(number).padStart(3, "0")}`,
  );
  await Promise.all(names.map((name) => array.createVolume({ name, sizeBytes: SIZE })));
  // Names that PSO 5 and 6 gave, and another cluster's.
  const old = [
    "k8s-pvc-0a1b2c3d-1111-2222-3333-444455556666",
    "prod_db-pvc-0a1b2c3d-1111-2222-3333-444455556666",
  ];
  for (const name of old) await array.createVolume({ name, sizeBytes: SIZE });
  for (const name of old) equal((await array.findVolume(name))?.name, name);
  await array.deleteVolume("k8s-pvc-000");
  const pages: number[] = [];
  const found = await all(async (token) => {
    const page = await array.listVolumes({ prefix: "k8s-", limit, token });
    pages.push(page.items.length);
    return page;
  });
  deepEqual(found.map(({ name }) => name).toSorted(), [...names.slice(1), old[0]].toSorted());
  ok(pages.length >= 3 && pages.every((length) => length <= limit), String(pages));
  await rejects(
    array.listVolumes({ limit, token: "bm9uc2Vuc2U" }),
    (error) => isPsoError(error, "stale_token"),
  );
});

Deno.test("createVolume() on a FlashBlade refuses limits of IOPS and bandwidth, and makes nothing", () =>
  withArray({ kind: "flashblade" }, async ({ array, calls }) => {
    const spec = { name: "k8s-pvc-1", sizeBytes: SIZE, qos: { iopsLimit: 1000 } };
    const made = await calls(() =>
      rejects(array.createVolume(spec), (error) => isPsoError(error, "unsupported"))
    );
    deepEqual(made.filter((call) => !call.startsWith("GET ")), []);
    equal(await array.findVolume(spec.name), undefined);
  }));

each(
  "warm, every operation stays within its budget of REST calls",
  async ({ array, calls, kind }, { gaps }) => {
    const block = kind === "flasharray";
    const minor = Number((await array.status()).restVersion.split(".")[1]);
    await array.createVolume({ name: "k8s-pvc-0", sizeBytes: SIZE });
    await array.connect("k8s-pvc-0", node(1), LOCAL);
    const spec = { name: "k8s-pvc-1", sizeBytes: SIZE, tags: { cluster: "k8s" } };
    const [objects, grants] = block
      ? ["/volumes", "/connections"]
      : ["/file-systems", "/file-systems"];
    // 2.39 is the first with tags in the POST.
    const tagCall = block && minor < 39 ? ["PUT /volumes/tags/batch"] : [];
    deepEqual(await calls(() => array.createVolume(spec)), [`POST ${objects}`, ...tagCall]);
    // The connections of an exclusive volume are read once more after it was connected.
    const grant = block ? [`POST ${grants}`, `GET ${grants}`] : [`PATCH ${grants}`];
    deepEqual(await calls(() => array.connect(spec.name, node(1), LOCAL)), [
      `GET ${objects}`,
      ...grant,
    ]);
    const again = block ? [`GET ${objects}`, `GET ${grants}`] : [`GET ${objects}`];
    deepEqual(await calls(() => array.connect(spec.name, node(1), LOCAL)), again);
    const undo = block
      ? [`DELETE ${grants}`, `GET ${grants}`]
      : [`GET ${objects}`, `PATCH ${objects}`];
    deepEqual(await calls(() => array.disconnect(spec.name, node(1))), undo);
    equal((await calls(() => array.findVolume(spec.name))).length, 1);
    ok((await calls(() => array.growVolume(spec.name, 2 * SIZE))).length <= 2);
    ok((await calls(() => array.createSnapshot(spec.name, "snapshot-1"))).length <= 2);
    if (!gaps?.clone) {
      const clone = {
        name: "k8s-pvc-2",
        sizeBytes: 4 * SIZE,
        source: { snapshot: "k8s-pvc-1.snapshot-1" },
      };
      ok((await calls(() => array.createVolume(clone))).length <= 3);
      const deleted = await calls(() =>
        array.deleteVolume("k8s-pvc-2", { cluster: "k8s", isWatched: true })
      );
      // A FlashArray itself refuses to destroy what is connected; a FlashBlade serves on.
      equal(deleted.length, block ? 2 : 3, deleted.join(", "));
    }
  },
);
