import assert from "node:assert/strict";
import { freePorts, TestClient, testFleet, withFleet } from "./fixture_test.ts";

const MiB = 1024 * 1024;
const DISABLED = { errors: [{ context: null, message: "Eradication is disabled." }] };

/** What each kind calls its objects, and what a destruction says besides `destroyed`. */
const KINDS = [
  {
    fleet: { flasharrays: 1, flashblades: 0 },
    objects: "volumes",
    snapshots: "volume-snapshots",
    off: {},
  },
  {
    fleet: { flasharrays: 0, flashblades: 1 },
    objects: "file-systems",
    snapshots: "file-system-snapshots",
    off: { nfs: { v3_enabled: false, v4_1_enabled: false } },
  },
];

for (const { fleet, objects, snapshots, off } of KINDS) {
  Deno.test(`with SafeMode only time eradicates ${objects}`, async () => {
    const eradication = { isManual: false, delayMs: 60_000 };
    await withFleet({ ...fleet, eradication }, async ({ array, control }) => {
      await array.ok(`POST /${objects}?names=v`, { provisioned: 16 * MiB });
      await array.ok(`POST /${snapshots}?source_names=v`, { suffix: "s" });
      await array.ok(`PATCH /${snapshots}?names=v.s`, { destroyed: true });
      assert.deepEqual((await array.send(`DELETE /${snapshots}?names=v.s`)).body, DISABLED);
      await array.ok(`PATCH /${objects}?names=v`, { destroyed: true, ...off });
      const refused = await array.send(`DELETE /${objects}?names=v`);
      assert.deepEqual([refused.status, refused.body], [400, DISABLED]);
      const [{ eradication_config: shown }] = (await array.ok("GET /arrays")).items;
      assert.deepEqual([shown.manual_eradication, shown.eradication_delay], [
        "all-disabled",
        60_000,
      ]);
      const [{ time_remaining: left }] = (await array.ok(`GET /${objects}?names=v`)).items;
      assert.equal(left > 0 && left <= 60_000, true, String(left));
      await control("POST /clock", { advance: 61 });
      assert.deepEqual((await array.ok(`GET /${objects}`)).items, []);
      assert.deepEqual((await array.ok(`GET /${snapshots}`)).items, []);
    });
  });
}

Deno.test("arrays have an address each, one port, and certificates for their addresses", async () => {
  const port = freePorts(1);
  const fleet = await testFleet({
    ...{ flasharrays: 2, http: false, addressPerArray: true },
    listen: { hostname: "127.0.0.11", port },
  });
  try {
    assert.deepEqual(fleet.arrays.map(({ address }) => address), [
      `127.0.0.11:${port}`,
      `127.0.0.12:${port}`,
    ]);
    for (const entry of fleet.arrays) {
      const client = new TestClient(entry);
      await client.login();
      assert.equal((await client.ok("GET /arrays")).items[0].name, entry.name);
      client.close();
    }
  } finally {
    await fleet.stop();
  }
});

Deno.test("arrays that shall have an address each need a first IP address", async () => {
  await assert.rejects(
    testFleet({ addressPerArray: true, listen: { hostname: "localhost", port: 0 } }),
    /arrays cannot have an address each from localhost on/,
  );
});
