import assert from "node:assert/strict";
import { until } from "../../async/wait.ts";
import { silentLogger } from "../../log.ts";
import { GiB, MiB } from "../../size.ts";
import { Clock } from "../clock.ts";
import { testRun } from "../fixture_test.ts";
import { FlashBlade } from "./flashblade.ts";
import { LocalPlane } from "../local_plane.ts";
import { Store } from "../store.ts";
import {
  bladeTest,
  clientsOf,
  exported,
  hostState,
  NEWEST,
  NFS,
  nothingLeft,
  sized,
} from "./fixture_test.ts";

bladeTest(
  "a FlashBlade logs in without a version, lists its versions under its own key and " +
    "says that it is simulated",
  async ({ array }) => {
    const { body } = await array.raw("GET", "/api/api_version");
    assert.deepEqual(body.versions.slice(7, 15), [
      ...["1.7", "1.8", "1.8.1", "1.9", "1.10", "1.11", "1.12", "2.0"],
    ]);
    assert.deepEqual([body.versions.at(0), body.versions.at(-1), body.version], [
      "1.0",
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
      await array.refused("POST /file-systems?names=x", sized(-1)),
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
    const virtual = async () =>
      (await array.ok("GET /file-systems?names=fs1")).items[0].space.virtual;
    // XFS gives the blocks of a removed file back a moment later.
    await until("the space of the removed file", async () => await virtual() < 2 * MiB, {
      timeoutMs: 10_000,
    });
    const open = await Deno.open(`${folder}/kept`, { create: true, write: true });
    await array.ok("PATCH /file-systems?names=fs1", { provisioned: 128 * MiB });
    await open.write(new Uint8Array(60 * MiB).fill(7));
    open.close();
    const used = await virtual();
    assert.ok(used >= 60 * MiB && used < 62 * MiB, `${used}`);
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
