import assert from "node:assert/strict";
import { MiB } from "../../size.ts";
import { bladeTest, clientsOf, NFS, sized } from "./fixture_test.ts";

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
