import assert from "node:assert/strict";
import { silentLogger } from "../log.ts";
import { GiB, MiB } from "../size.ts";
import { until } from "../async/wait.ts";
import { Clock } from "./clock.ts";
import { type Bench, testRun, withFleet } from "./fixture_test.ts";
import { FlashBlade } from "./flashblade.ts";
import { LocalPlane } from "./local_plane.ts";
import { versionRange } from "./array_context.ts";
import type { SimulateOptions } from "./simulate.ts";
import { Store } from "./store.ts";

const NEWEST = "2.28";

/** Mounts and loop devices of this machine that have to do with `folder`. */
async function hostState(folder: string): Promise<string> {
  const mounts = await testRun("findmnt", ["-rn", "-t", "xfs", "-o", "TARGET,SOURCE"], {
    okCodes: [0, 1],
  });
  const loops = await testRun("losetup", ["-n", "-O", "NAME,BACK-FILE"]);
  return [mounts, loops].flatMap(({ stdout }) =>
    stdout.split("\n").filter((line) => line.includes(folder))
  ).join("\n");
}

/** A loop device goes a moment after its last mount when another process looks at it just then. */
async function nothingLeft(folder: string): Promise<void> {
  await until(`nothing of ${folder} left on the host`, async () => await hostState(folder) === "", {
    timeoutMs: 10_000,
  });
}

/** Runs `test` against one FlashBlade; afterwards nothing of it is mounted or attached. */
function bladeTest(
  name: string,
  test: (bench: Bench) => Promise<void>,
  options: Partial<SimulateOptions> & { version?: string } = {},
): void {
  const { version = NEWEST, ...simulate } = options;
  Deno.test(name, async () => {
    let folder = "";
    await withFleet({ flasharrays: 0, flashblades: 1, ...simulate }, async (bench) => {
      bench.array.version = version;
      folder = bench.root;
      await test(bench);
    });
    await nothingLeft(folder);
  });
}

const NFS = { v3_enabled: true, v4_1_enabled: true, rules: "*(rw,no_root_squash)" };
const OFF = { nfs: { v3_enabled: false, v4_1_enabled: false }, destroyed: true };

function sized(provisioned: number, more: Record<string, unknown> = {}) {
  return { provisioned, hard_limit_enabled: true, nfs: NFS, ...more };
}

/** Where a client finds the file system on this host. */
function exported(root: string, client: string, name: string): string {
  return `${root}/hosts/${client}/${name}`;
}

function clientsOf(root: string): string[] {
  return [...Deno.readDirSync(`${root}/hosts`)].flatMap(({ name: client }) =>
    [...Deno.readDirSync(`${root}/hosts/${client}`)].map(({ name }) => `${client}/${name}`)
  ).sort();
}

bladeTest(
  "a FlashBlade logs in without a version, lists its versions under its own key and " +
    "says that it is simulated",
  async ({ array }) => {
    const { body } = await array.raw("GET", "/api/api_version");
    assert.deepEqual([body.versions.at(0), body.versions.at(-1), body.version], [
      "2.0",
      NEWEST,
      undefined,
    ]);
    assert.equal((await array.ok("GET /arrays")).items[0].revision, "pso-simulated");
    array.version = "2.latest";
    assert.equal((await array.ok("GET /arrays")).items[0].os, "Purity//FB");
    assert.equal(
      (await array.raw("POST", "/api/2.28/login")).status,
      401,
      "only the path without a version logs in",
    );
  },
);

bladeTest(
  "POST /file-systems creates with what was sent, and a name is taken once",
  async ({ array }) => {
    const [made] = (await array.ok(
      "POST /file-systems?names=fs1",
      sized(64 * MiB, { snapshot_directory_enabled: false }),
    )).items;
    assert.deepEqual(
      [made.name, made.provisioned, made.nfs.rules, made.snapshot_directory_enabled],
      ["fs1", 64 * MiB, NFS.rules, false],
    );
    assert.deepEqual([
      made.time_remaining,
      made.source.name,
      made.nfs.export_policy.id,
      made.space.virtual,
    ], [null, null, null, 0]);
    assert.equal(
      await array.refused("POST /file-systems?names=FS1", sized(MiB)),
      "400 File system already exists. (FS1)",
    );
    assert.match(
      await array.refused("POST /file-systems?names=a.b", sized(MiB)),
      /^400 Invalid file system name.*\(a\.b\)$/,
    );
    assert.equal(await array.refused("POST /file-systems", sized(MiB)), "400 names is required.");
    assert.match(
      await array.refused("POST /file-systems?names=x", sized(MiB, { nfs: { rules: "*(write)" } })),
      /unknown option write/,
    );
    assert.match(
      await array.refused("POST /file-systems?names=x", sized(0)),
      /Invalid value for provisioned/,
    );
    assert.equal(
      await array.refused("GET /file-systems?names=fs1,none"),
      "400 File system does not exist. (none)",
    );
  },
);

bladeTest(
  "a list comes whole unless limit is sent, always with its count and never with " +
    "more_items_remaining",
  async ({ array }) => {
    for (const name of ["a", "b", "c"]) {
      await array.ok(`POST /file-systems?names=${name}`, sized(MiB));
    }
    const whole = await array.ok("GET /file-systems");
    assert.deepEqual([
      whole.items.length,
      whole.total_item_count,
      whole.continuation_token,
      "more_items_remaining" in whole,
    ], [
      3,
      3,
      null,
      false,
    ]);
    assert.equal(whole.total.provisioned, 3 * MiB);
    const first = await array.ok("GET /file-systems?limit=2");
    const second = await array.ok(
      `GET /file-systems?limit=2&continuation_token=${
        encodeURIComponent(first.continuation_token)
      }`,
    );
    assert.deepEqual([...first.items, ...second.items].map(({ name }) => name), ["a", "b", "c"]);
    assert.equal(second.continuation_token, null);
  },
);

bladeTest(
  "NFS rules decide which clients find the file system on the host",
  async ({ array, root }) => {
    await array.ok("POST /file-systems?names=fs1", sized(MiB, { nfs: { ...NFS, rules: "" } }));
    assert.deepEqual(clientsOf(root), []);
    await array.ok("PATCH /file-systems?names=fs1", {
      nfs: { rules: "127.0.0.11(rw) 127.0.0.12(ro) 10.0.0.0/8(rw)" },
    });
    assert.deepEqual(clientsOf(root), ["127.0.0.11/fs1", "127.0.0.12/fs1"]);
    await array.ok("PATCH /file-systems?names=fs1", { nfs: { rules: "*(rw)" } });
    await array.ok("PATCH /file-systems?names=fs1", { name: "fs2" });
    assert.deepEqual(clientsOf(root), ["any/fs2"]);
    await array.ok("PATCH /file-systems?names=fs2", {
      nfs: { v3_enabled: false, v4_1_enabled: false },
    });
    assert.deepEqual(clientsOf(root), []);
  },
);

bladeTest(
  "a file system refuses writes when it is full, grows while it is in use, and its " +
    "space follows the files",
  async ({ array, root }) => {
    await array.ok("POST /file-systems?names=fs1", sized(32 * MiB));
    const folder = exported(root, "any", "fs1");
    await assert.rejects(
      Deno.writeFile(`${folder}/big`, new Uint8Array(48 * MiB).fill(7)),
      /No space left/,
    );
    await Deno.remove(`${folder}/big`);
    const open = await Deno.open(`${folder}/kept`, { create: true, write: true });
    await array.ok("PATCH /file-systems?names=fs1", { provisioned: 128 * MiB });
    await open.write(new Uint8Array(60 * MiB).fill(7));
    open.close();
    const [shown] = (await array.ok("GET /file-systems?names=fs1")).items;
    assert.ok(
      shown.space.virtual >= 60 * MiB && shown.space.virtual < 62 * MiB,
      `${shown.space.virtual}`,
    );
    assert.ok((await array.ok("GET /arrays/space")).items[0].space.total_physical >= 60 * MiB);
    assert.match(
      await array.refused("PATCH /file-systems?names=fs1", { provisioned: 32 * MiB }),
      /bytes in use; ignore_usage is needed/,
    );
    assert.equal(
      (await array.ok("PATCH /file-systems?names=fs1&ignore_usage=true", { provisioned: 32 * MiB }))
        .items[0].provisioned,
      32 * MiB,
    );
  },
);

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
  "an export policy rules the exports; a stale version is 412 and changes nothing",
  async ({ array, root }) => {
    const rules = [{ client: "127.0.0.11", permission: "rw", access: "no-squash" }];
    const [policy] = (await array.ok("POST /nfs-export-policies?names=p1", { rules })).items;
    assert.deepEqual([policy.rules[0].name, policy.rules[0].index, policy.rules[0].anonuid], [
      "p1.1",
      1,
      null,
    ]);
    await array.ok(
      "POST /file-systems?names=fs1",
      sized(MiB, { nfs: { v4_1_enabled: true, export_policy: { name: "p1" } } }),
    );
    assert.deepEqual(clientsOf(root), ["127.0.0.11/fs1"]);

    const added = await array.ok(
      `POST /nfs-export-policies/rules?policy_names=p1&versions=${policy.version}`,
      { client: "127.0.0.12" },
    );
    assert.deepEqual([added.items[0].name, added.items[0].permission, added.items[0].access], [
      "p1.2",
      "ro",
      "root-squash",
    ]);
    assert.deepEqual(clientsOf(root), ["127.0.0.11/fs1", "127.0.0.12/fs1"]);
    for (
      const call of [
        "DELETE /nfs-export-policies/rules?names=p1.1",
        "PATCH /nfs-export-policies/rules?names=p1.1",
        "PATCH /nfs-export-policies?names=p1",
      ]
    ) {
      assert.match(
        await array.refused(`${call}&versions=${policy.version}`, { client: "*", rules: [] }),
        /^412 Precondition failed/,
      );
    }
    const [changed] = (await array.ok("GET /nfs-export-policies?names=p1")).items;
    assert.notEqual(changed.version, policy.version);
    await array.ok(`DELETE /nfs-export-policies/rules?names=p1.1&versions=${changed.version}`);
    await array.ok("PATCH /nfs-export-policies/rules?names=p1.2", { client: "*" });
    assert.deepEqual(clientsOf(root), ["any/fs1"]);
    await array.ok("PATCH /nfs-export-policies?names=p1", { enabled: false });
    assert.deepEqual(clientsOf(root), []);
    assert.match(
      await array.refused("DELETE /nfs-export-policies?names=p1"),
      /in use by file system fs1/,
    );
    assert.match(
      await array.refused("PATCH /file-systems?names=fs1", {
        nfs: { rules: "", export_policy: { name: "p1" } },
      }),
      /cannot be used together/,
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

bladeTest(
  "a full array, its limits and stale lists come on request",
  async ({ array, control }) => {
    await control("POST /faults", {
      action: "full",
      times: 1,
      match: { method: "POST", path: "/file-systems" },
    });
    assert.match(
      await array.refused("POST /file-systems?names=fs1", sized(MiB)),
      /^400 Insufficient space: .*no space left/,
    );
    for (const name of ["fs1", "fs2"]) {
      await array.ok(
        `POST /file-systems?names=${name}`,
        sized(MiB),
      );
    }
    assert.match(await array.refused("POST /file-systems?names=fs3", sized(MiB)), /limit reached/);
    await control("POST /faults", {
      action: "stale",
      times: 1,
      match: { method: "GET", path: "/file-systems" },
    });
    assert.equal((await array.ok("GET /file-systems")).total_item_count, 1);
    assert.equal((await array.ok("GET /file-systems")).total_item_count, 2);
  },
  { limits: { volumes: 2 } },
);

bladeTest("filters, performance, interfaces and subnets are served", async ({ array }) => {
  await array.ok("POST /file-systems?names=fs1", sized(GiB));
  await array.ok("POST /file-systems?names=other", sized(MiB));
  const filtered = await array.ok("GET /file-systems?filter=name='fs*' and provisioned>1048576");
  assert.deepEqual(filtered.items.map(({ name }: { name: string }) => name), ["fs1"]);
  assert.equal(
    (await array.ok("GET /file-systems/performance?names=fs1&protocol=NFS")).items[0]
      .writes_per_sec,
    0,
  );
  assert.equal((await array.ok("GET /arrays/performance?protocol=all")).items[0].reads_per_sec, 0);
  assert.match(await array.refused("GET /arrays/space?type=nothing"), /Invalid value for type/);
  const data = (await array.ok("GET /network-interfaces?filter=services='data'")).items;
  assert.deepEqual([data.length, data[0].type, data[0].enabled], [1, "vip", true]);
  assert.equal(
    (await array.ok("GET /subnets?names=data")).items[0].interfaces[0].name,
    data[0].name,
  );
});

Deno.test("state, mounts and exports survive a crash of the simulator, and what it did not finish is gone", async () => {
  const folder = await Deno.makeTempDir({ prefix: "blade-test-" });
  const open = () => {
    const store = new Store(`${folder}/journal`);
    const plane = new LocalPlane(`${folder}/plane`, { array: "fb-1", run: testRun });
    const clock = new Clock();
    return {
      store,
      plane,
      blade: new FlashBlade({
        name: "fb-1",
        id: crypto.randomUUID(),
        clock,
        store,
        plane,
        run: testRun,
        log: silentLogger,
      }),
    };
  };
  const call = (body: unknown, query: string) => ({
    minor: 28,
    query: new URLSearchParams(query),
    body,
    stale: false,
    full: false,
  });
  const first = open();
  await first.blade.start();
  await first.blade.routes.answer("POST", "/file-systems", call(sized(MiB), "names=fs1"));
  const file = `${exported(first.plane.root, "any", "fs1")}/file`;
  await Deno.writeTextFile(file, "kept");
  // A crash in the middle of a create: image and mount are there, the state does not know them. And
  // a lost link.
  await first.blade.state.images?.create("11111111-1111-4111-8111-111111111111", MiB);
  first.plane.unlink("any", "fs1");
  first.store.close();

  const second = open();
  await second.blade.start();
  assert.equal(await Deno.readTextFile(file), "kept");
  assert.equal([...Deno.readDirSync(`${second.plane.root}/images`)].length, 1);
  assert.equal(
    (await hostState(folder)).split("\n").filter((line) => line.includes("11111111")).length,
    0,
  );
  await second.blade.stop();
  await nothingLeft(folder);
  assert.deepEqual(clientsOf(second.plane.root), []);

  const third = open();
  await third.blade.start();
  assert.equal(await Deno.readTextFile(file), "kept");
  await third.blade.stop();
  await Deno.remove(folder, { recursive: true });
});
