import assert from "node:assert/strict";
import { type Bench, TestClient, withFleet } from "../../fixture_test.ts";

const MiB = 1024 * 1024;

interface Pair extends Bench {
  /** The second array. */
  other: TestClient;
}

/** Runs with two FlashArrays; `p1` with the volume `p1::v1` is stretched over both. */
function withStretched(name: string, test: (bench: Pair) => Promise<void>): void {
  Deno.test(`15.13: ${name}`, () =>
    withFleet({ flasharrays: 2 }, async (bench) => {
      const entry = bench.fleet.arrays[1];
      assert(entry);
      const other = new TestClient(entry);
      try {
        await other.login();
        await bench.array.ok("POST /pods?names=p1", {});
        await bench.array.ok("POST /volumes?names=p1::v1", { provisioned: 8 * MiB });
        await connect(bench.array, other);
        await bench.array.ok("POST /pods/arrays?group_names=p1&member_names=fa-2");
        await test({ ...bench, other });
      } finally {
        other.close();
      }
    }));
}

async function connect(array: TestClient, other: TestClient): Promise<void> {
  const [{ connection_key }] = (await other.ok("GET /array-connections/connection-key")).items;
  await array.ok("POST /array-connections", {
    connection_key,
    management_address: "192.0.2.2",
    type: "sync-replication",
  });
}

/** Names and states of the arrays of the pod, as one array shows them. */
async function membersSeen(array: TestClient): Promise<string> {
  const [pod] = (await array.ok("GET /pods?names=p1")).items;
  return pod.arrays.map(({ name, status }: { name: string; status: string }) => `${name} ${status}`)
    .join();
}

// deno-lint-ignore no-explicit-any -- an answer of the wire
async function volume(array: TestClient, name = "p1::v1"): Promise<any> {
  return (await array.ok(`GET /volumes?names=${name}`)).items[0];
}

withStretched("a stretched pod has one volume on both arrays", async ({ array, other, fleet }) => {
  const [here, there] = [await volume(array), await volume(other)];
  assert.deepEqual([there.serial, there.provisioned], [here.serial, 8 * MiB]);
  assert.equal(await membersSeen(array), "fa-1 online,fa-2 online");
  assert.equal(await membersSeen(other), "fa-1 online,fa-2 online");
  const images = fleet.arrays.map(({ name }) => `${fleet.plane}/${name}/images/${here.id}`);
  Deno.writeTextFileSync(images[0] ?? "", "one content", { append: false });
  assert.equal(Deno.readTextFileSync(images[1] ?? ""), "one content");
});

withStretched("what either array changes is changed on both", async ({ array, other }) => {
  await other.ok("POST /volumes?names=p1::v2", { provisioned: MiB });
  assert.equal((await volume(array, "p1::v2")).serial, (await volume(other, "p1::v2")).serial);
  await other.ok("PATCH /volumes?names=p1::v1", { provisioned: 16 * MiB });
  assert.equal((await volume(array)).provisioned, 16 * MiB);
  await array.ok("PUT /volumes/tags/batch?resource_names=p1::v1", [{ key: "k", value: "v" }]);
  const [tag] = (await other.ok("GET /volumes/tags?resource_names=p1::v1")).items;
  assert.equal(tag.value, "v");
  await other.ok("POST /volume-snapshots?source_names=p1::v1", { suffix: "s" });
  await array.ok("GET /volume-snapshots?names=p1::v1.s");
  await array.ok("POST /volumes?names=p1::copy", { source: { name: "p1::v1.s" } });
  await other.ok("PATCH /volumes?names=p1::copy", { destroyed: true });
  assert.equal((await volume(array, "p1::copy")).destroyed, true);
  await array.ok("DELETE /volumes?names=p1::copy");
  assert.equal(
    await other.refused("GET /volumes?names=p1::copy"),
    "400 Volume does not exist. (p1::copy)",
  );
});

withStretched("hosts and connections are each array's own", async ({ array, other }) => {
  for (const one of [array, other]) {
    await one.ok("POST /hosts?names=w1", { iqns: ["iqn.2024-01.a:1"] });
  }
  await array.ok("PATCH /hosts?names=w1", { preferred_arrays: [{ name: "fa-2" }] });
  const [host] = (await array.ok("GET /hosts?names=w1")).items;
  assert.equal(host.preferred_arrays[0].name, "fa-2");
  assert.equal(
    await array.refused("PATCH /hosts?names=w1", { preferred_arrays: [{ name: "none" }] }),
    "400 Array does not exist. (none)",
  );
  await other.ok("POST /connections?host_names=w1&volume_names=p1::v1");
  const [seen] = (await array.ok("GET /connections")).items;
  assert.deepEqual([seen.host.name, seen.volume.name], ["fa-2:w1", "p1::v1"]);
  assert.deepEqual((await array.ok("GET /connections?host_names=w1")).items, []);
  const all = (await array.ok("GET /hosts")).items.map(
    ({ name, is_local }: { name: string; is_local: boolean }) => `${name} ${is_local}`,
  );
  assert.deepEqual(all, ["fa-2:w1 false", "w1 true"]);
  assert.equal((await array.ok("GET /hosts?filter=is_local")).items.length, 1);
  assert.equal(
    await array.refused("DELETE /hosts?names=fa-2:w1"),
    "400 Host does not exist. (fa-2:w1)",
  );
  assert.equal(
    await array.refused("PATCH /volumes?names=p1::v1", { destroyed: true }),
    "400 Volume cannot be destroyed due to existing connections. (p1::v1)",
  );
});

withStretched("an array that is down is made up with what it missed", async (bench) => {
  const { array, other, control } = bench;
  await array.ok("POST /hosts?names=w1", { iqns: ["iqn.2024-01.a:1"] });
  await array.ok("POST /connections?host_names=w1&volume_names=p1::v1");
  const link = `${bench.root}/hosts/w1/1`;
  assert(Deno.lstatSync(link).isSymlink);
  assert.equal((await control("POST /faults", { array: "fa-1", action: "down" })).status, 200);
  await assert.rejects(array.send("GET /volumes"));
  assert.throws(() => Deno.lstatSync(link), Deno.errors.NotFound);
  assert.equal(await membersSeen(other), "fa-1 offline,fa-2 online");
  await other.ok("POST /volumes?names=p1::v2", { provisioned: MiB });
  await other.ok("PATCH /volumes?names=p1::v1", { provisioned: 16 * MiB });
  await control("DELETE /faults?array=fa-1");
  assert(Deno.lstatSync(link).isSymlink);
  assert.equal(await membersSeen(array), "fa-1 resyncing,fa-2 online");
  await control("POST /clock", { advance: 60 });
  assert.equal(await membersSeen(array), "fa-1 online,fa-2 online");
  assert.equal((await volume(array)).provisioned, 16 * MiB);
  await volume(array, "p1::v2");
  // What the array that came back changes is on both again.
  await array.ok("POST /volumes?names=p1::v3", { provisioned: MiB });
  await volume(other, "p1::v3");
});

withStretched(
  "an array that comes back alone does not take its pod up",
  async ({ array, control }) => {
    await control("POST /faults", { array: "fa-1", action: "down" });
    await control("POST /faults", { array: "fa-2", action: "down" });
    await control("DELETE /faults?array=fa-1");
    assert.equal(await membersSeen(array), "fa-1 offline,fa-2 unknown");
    await control("DELETE /faults");
    await control("POST /clock", { advance: 60 });
    assert.equal(await membersSeen(array), "fa-1 online,fa-2 online");
  },
);

withStretched("a pod is taken from an array again", async ({ array, other, control }) => {
  await other.ok("POST /hosts?names=w1", { iqns: ["iqn.2024-01.a:1"] });
  await other.ok("POST /connections?host_names=w1&volume_names=p1::v1");
  const path = "/pods/arrays?group_names=p1&member_names=fa-2";
  assert.equal(
    await array.refused("PATCH /pods?names=p1", { destroyed: true }),
    "400 Stretched pod cannot be destroyed. (p1)",
  );
  assert.equal(
    await array.refused("DELETE /array-connections?names=fa-2"),
    "400 Array connection is in use by a stretched pod. (fa-2)",
  );
  await control("POST /faults", { array: "fa-2", action: "down" });
  assert.equal(
    await array.refused(`DELETE ${path}`),
    "400 Remote array cannot be reached. (fa-2)",
  );
  await array.ok(`DELETE ${path}&with_unknown=true`);
  await control("DELETE /faults");
  assert.equal(await membersSeen(array), "fa-1 online");
  await volume(array);
  const [left] = (await other.ok("GET /pods")).items;
  assert.deepEqual([left.name, left.destroyed], ["p1.restretch", true]);
  assert.deepEqual((await other.ok("GET /connections")).items, []);
  array.version = "2.36";
  await array.ok("POST /pods/members?pod_names=p1&member_names=fa-2");
  assert.equal(await membersSeen(other), "fa-1 online,fa-2 online");
  const { items } = await array.ok("GET /pods/members?pod_names=p1");
  assert.equal(items.length, 2);
});

withStretched("what cannot be stretched is refused", async ({ array, other }) => {
  const stretch = "POST /pods/arrays?group_names";
  for (
    const [call, body, error] of [
      [`${stretch}=p1&member_names=fa-2`, {}, "Pod is already stretched to this array. (p1)"],
      [`${stretch}=p1&member_names=none`, {}, "Array does not exist. (none)"],
      [`${stretch}=none&member_names=fa-2`, {}, "Pod does not exist. (none)"],
      ["POST /array-connections", { management_address: "a" }, "Invalid connection key."],
    ] as const
  ) assert.equal(await array.refused(call, body), `400 ${error}`);
  await array.ok("POST /pods?names=p2", {});
  await other.ok("POST /pods?names=p2", {});
  assert.equal(
    await array.refused(`${stretch}=p2&member_names=fa-2`),
    "400 Pod already exists on the remote array. (p2)",
  );
  await array.ok("POST /volumes?names=out", { provisioned: MiB });
  assert.equal(
    await array.refused("PATCH /volumes?names=out", { pod: { name: "p1" } }),
    "400 Volume cannot be moved into or out of a stretched pod. (out)",
  );
});

withStretched("a connection, a mediator and preferences are kept and shown", async ({ array }) => {
  const [end] = (await array.ok("GET /array-connections?names=fa-2")).items;
  assert.deepEqual([end.status, end.type], ["connected", "sync-replication"]);
  const [limited] = (await array.ok("PATCH /array-connections?names=fa-2", {
    default_limit: MiB,
  })).items;
  assert.equal(limited.throttle.default_limit, MiB);
  const [pod] = (await array.ok("PATCH /pods?names=p1", {
    mediator: "https://m.example.org",
    failover_preferences: [{ name: "fa-2" }],
  })).items;
  assert.deepEqual([pod.mediator, pod.failover_preferences[0].name, pod.array_count], [
    "https://m.example.org",
    "fa-2",
    2,
  ]);
});

Deno.test("15.13: a stretched pod is there after a restart", async () => {
  const stateDir = await Deno.makeTempDir();
  const options = { flasharrays: 2, stateDir };
  try {
    await withFleet(options, async ({ array, fleet }) => {
      const other = new TestClient(fleet.arrays[1] ?? assert.fail("no second array"));
      await other.login();
      await array.ok("POST /pods?names=p1", {});
      await array.ok("POST /volumes?names=p1::v1", { provisioned: MiB });
      await connect(array, other);
      await array.ok("POST /pods/arrays?group_names=p1&member_names=fa-2");
      other.close();
    });
    await withFleet(options, async ({ array, fleet }) => {
      const other = new TestClient(fleet.arrays[1] ?? assert.fail("no second array"));
      await other.login();
      await other.ok("PATCH /volumes?names=p1::v1", { provisioned: 2 * MiB });
      assert.equal((await volume(array)).provisioned, 2 * MiB);
      other.close();
    });
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
});
