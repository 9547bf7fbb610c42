import assert from "node:assert/strict";
import { firstOf } from "../fixture_test.ts";
import { withVolume } from "./fixture_test.ts";

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
