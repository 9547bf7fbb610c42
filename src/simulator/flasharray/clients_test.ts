import assert from "node:assert/strict";
import { firstOf } from "../fixture_test.ts";
import { MiB, withVolume } from "./fixture_test.ts";

// What clients in production send and rely on, beyond what the OpenAPI files say.

interface Item {
  name: string;
}

function names(body: { items: Item[] }): string[] {
  return body.items.map(({ name }) => name);
}

withVolume(
  "a change takes its parameters in the query and in the body alike",
  async ({ array }) => {
    const [snapshot] = names(
      await array.ok("POST /volume-snapshots?source_names=v1&suffix=snap-x"),
    );
    assert.equal(snapshot, "v1.snap-x");
    await array.ok("POST /hosts", { names: "h", iqns: ["iqn.2024-01.a:1"] });
    const [row] = (await array.ok("POST /connections", { host_names: "h", volume_names: ["v1"] }))
      .items;
    assert.deepEqual([row.host.name, row.volume.name, row.lun], ["h", "v1", 1]);
    await array.ok("POST /volumes?names=t", {});
    await array.ok("POST /volumes?overwrite=true", { names: "t", source: { name: "v1" } });
    const [copy] = (await array.ok("GET /volumes?names=t")).items;
    assert.equal(copy.source.name, "v1");
    const [made] = (await array.ok("POST /volumes?names=q&provisioned=2097152")).items;
    assert.equal(made.provisioned, 2_097_152);
    // The proper place wins.
    await array.ok("POST /volumes?names=from-query", { names: "from-body" });
    assert.equal(
      await array.refused("GET /volumes?names=from-body"),
      "400 Volume does not exist. (from-body)",
    );
  },
);

withVolume("REST 1.x gives the API token for the password, and nothing else", async (bench) => {
  const { array, fleet } = bench;
  const { token } = firstOf(fleet);
  const login = (password: string) =>
    array.raw("POST", "/api/1.19/auth/apitoken", { body: { username: "pureuser", password } });
  assert.deepEqual((await login(token)).body, { api_token: token });
  const refused = await login("pureuser");
  assert.deepEqual([refused.status, refused.body], [
    400,
    [{ ctx: "pureuser", msg: "invalid credentials" }],
  ]);
  assert.equal((await array.raw("GET", "/api/1.19/volume")).status, 404);
  assert.equal((await array.raw("POST", "/api/1.20/auth/apitoken", { body: {} })).status, 404);
});

withVolume("a host keeps each initiator once", async ({ array }) => {
  const iqns = ["iqn.2024-01.a:1", "iqn.2024-01.a:1"];
  const [host] = (await array.ok("POST /hosts?names=h", { iqns })).items;
  assert.deepEqual(host.iqns, ["iqn.2024-01.a:1"]);
  const [more] = (await array.ok("PATCH /hosts?names=h", {
    add_iqns: ["iqn.2024-01.a:2", "iqn.2024-01.A:2"],
  })).items;
  assert.equal(more.iqns.length, 2);
});

withVolume("filters: double quotes, several at once, and tags", async ({ array }) => {
  await array.ok("POST /volumes?names=f-a,f-b", {});
  await array.ok("PUT /volumes/tags/batch?resource_names=f-b", [{ key: "k", value: "v" }]);
  const found = async (query: string) => names(await array.ok(`GET /volumes?${query}`));
  assert.deepEqual(await found(`filter=name="f-a"`), ["f-a"]);
  assert.deepEqual(await found(`filter=name="f-*"&filter=name='*b'`), ["f-b"]);
  assert.deepEqual(await found("filter=tags('k','v')"), ["f-b"]);
  assert.deepEqual(await found("filter=tags('k','x')"), []);
  const ports = await array.ok(
    "GET /network-interfaces?filter=enabled='true'&filter=eth.address&filter=services='nvme-tcp'",
  );
  assert.equal(ports.items.length, 2);
});

withVolume("a snapshot is renamed by its suffix or by its whole name", async ({ array }) => {
  await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "a" });
  assert.deepEqual(names(await array.ok("PATCH /volume-snapshots?names=v1.a", { name: "v1.b" })), [
    "v1.b",
  ]);
  assert.deepEqual(names(await array.ok("PATCH /volume-snapshots?names=v1.b", { name: "c" })), [
    "v1.c",
  ]);
  assert.equal(
    await array.refused("PATCH /volume-snapshots?names=v1.c", { name: "v2.b" }),
    "400 A snapshot cannot be moved to another volume. (v2.b)",
  );
});

withVolume("a destroyed volume refuses in the words that clients compare", async ({ array }) => {
  await array.ok("PATCH /volumes?names=v1", { destroyed: true });
  assert.equal(
    await array.refused("PATCH /volumes?names=v1", { provisioned: 16_777_216 }),
    "400 Volume has been destroyed. (v1)",
  );
});

withVolume("an empty X-Request-ID is answered with one of the array's own", async ({ array }) => {
  const { headers } = await array.raw("GET", "/api/api_version", {
    headers: { "x-request-id": "" },
  });
  assert.match(headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
});

const NOT_MODELLED: [call: string, body: unknown, error: string][] = [
  [
    "POST /volumes?names=v2&add_to_protection_group_names=pg1",
    {},
    "400 Protection group does not exist. (pg1)",
  ],
  [
    "POST /volumes?names=v2",
    { subtype: "protocol_endpoint" },
    "400 Parameter subtype is not supported by this array. (v2)",
  ],
  [
    "POST /volumes?names=v2",
    { destroyed: true },
    "400 Parameter destroyed is not supported by this array. (v2)",
  ],
  [
    "POST /volume-snapshots?source_names=v1&on=other",
    {},
    "400 Parameter on is not supported by this array. (v1)",
  ],
  [
    "POST /volume-snapshots?source_names=v1&replicate_now=true",
    {},
    "400 Parameter replicate_now is not supported by this array. (v1)",
  ],
  [
    "PATCH /hosts?names=h",
    { preferred_arrays: [{ name: "fa-9" }] },
    "400 Array does not exist. (fa-9)",
  ],
  [
    "PATCH /volumes?names=v1",
    { requested_promotion_state: "demoted" },
    "400 Parameter requested_promotion_state is not supported by this array. (v1)",
  ],
  [
    "POST /volumes?names=v2&context_names=nofleet",
    {},
    "400 Context does not exist. (nofleet)",
  ],
];

withVolume(
  "what is not modelled is refused, and not answered as if it were done",
  async (bench) => {
    const { array } = bench;
    await array.ok("POST /hosts?names=h", {});
    for (const [call, body, error] of NOT_MODELLED) {
      assert.equal(await array.refused(call, body), error, call);
    }
    assert.deepEqual(names(await array.ok("GET /volumes")), ["v1"]);
    assert.deepEqual((await array.ok("GET /volume-snapshots")).items, []);
    // What is so anyway, and what asks for nothing, is taken.
    await array.ok("POST /volumes?names=v2&context_names=fa-1&allow_throttle=false", {
      subtype: "regular",
      destroyed: false,
      tags: [],
    });
    await array.ok("PATCH /hosts?names=h", { preferred_arrays: [] });
    await array.ok("POST /protection-groups?names=pg");
    await array.ok("PATCH /protection-groups?names=pg", { snapshot_schedule: { enabled: false } });
    assert.equal(
      await array.refused("PATCH /protection-groups?names=pg", {
        snapshot_schedule: { enabled: true },
      }),
      "400 Parameter snapshot_schedule is not supported by this array. (pg)",
    );
    await array.ok("PATCH /volumes?names=v1", { requested_promotion_state: "promoted" });
  },
);

withVolume(
  "a snapshot shows numbers for its space, and destroyed volumes provision nothing",
  async (bench) => {
    const { array } = bench;
    const [{ id }] = (await array.ok("GET /volumes?names=v1")).items;
    await Deno.writeFile(`${bench.root}/images/${id}`, new Uint8Array(MiB).fill(1), {
      create: false,
    });
    const [{ space }] = (await array.ok("POST /volume-snapshots?source_names=v1", {})).items;
    assert.deepEqual([space.unique, space.virtual, space.thin_provisioning], [0, MiB, 7 / 8]);
    const used = async () => (await array.ok("GET /arrays")).items[0].space.used_provisioned;
    const before = await used();
    await array.ok("PATCH /volumes?names=v1", { destroyed: true });
    assert.deepEqual([before, await used()], [8 * MiB, 0]);
  },
);

withVolume("the sums of performance stand beside the rows", async ({ array }) => {
  const { items, total } = await array.ok("GET /volumes/performance");
  assert.deepEqual([items.length, total.length, total[0].name, total[0].writes_per_sec], [
    ...[1, 1],
    null,
    0,
  ]);
});

withVolume(
  "allow_errors lists what is there beside what is missing, from REST 2.38 on",
  async (bench) => {
    const { array } = bench;
    array.version = "2.38";
    const reply = await array.send("GET /volumes?names=v1,none&allow_errors=true");
    assert.deepEqual([reply.status, names(reply.body), reply.body.errors], [
      207,
      ["v1"],
      [{ context: "none", message: "Volume does not exist." }],
    ]);
    const whole = await array.send("GET /volumes?names=v1&allow_errors=true");
    assert.deepEqual([whole.status, "errors" in whole.body], [200, false]);
    array.version = "2.26";
    assert.equal(
      await array.refused("GET /volumes?names=v1,none&allow_errors=true"),
      "400 Volume does not exist. (none)",
    );
  },
);

withVolume(
  "snapshots and clones share what they have in common with their source",
  async (bench) => {
    const { array, root } = bench;
    const [{ id }] = (await array.ok("GET /volumes?names=v1")).items;
    const write = async (at: number, bytes: number, value: number) => {
      using image = await Deno.open(`${root}/images/${id}`, { write: true });
      await image.seek(at, Deno.SeekMode.Start);
      await image.write(new Uint8Array(bytes).fill(value));
    };
    const used = async () => (await array.ok("GET /arrays/space")).items[0].space.total_physical;
    await write(0, 4 * MiB, 1);
    await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "a" });
    await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "b" });
    await array.ok("POST /volumes?names=c1", { source: { name: "v1.a" } });
    await array.ok("POST /volumes?names=c2", { source: { name: "v1" } });
    assert.equal(await used(), 4 * MiB);
    const [clone] = (await array.ok("GET /volumes?names=c1")).items;
    // What a clone holds is shown as before: the driver never formats it.
    assert.deepEqual([clone.space.unique, clone.space.virtual], [0, 4 * MiB]);
    await write(0, 2 * MiB, 2);
    await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "c" });
    // The two MiB from before are kept once for v1.b, and once for c2, which had the volume itself.
    const [a, b, c] = (await array.ok("GET /volume-snapshots?source_names=v1")).items;
    assert.deepEqual([a, b, c].map(({ space }) => space.unique), [0, 2 * MiB, 0]);
    const [volume] = (await array.ok("GET /volumes?names=v1")).items;
    assert.deepEqual([volume.space.unique, volume.space.snapshots], [4 * MiB, 2 * MiB]);
    assert.equal(await used(), 8 * MiB);
  },
);
