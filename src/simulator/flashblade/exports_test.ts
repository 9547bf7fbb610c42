import assert from "node:assert/strict";
import { MiB } from "../../size.ts";
import { bladeTest, clientsOf, NFS, sized } from "./fixture_test.ts";

const OFF_BY_PROTOCOL = { v3_enabled: false, v4_1_enabled: false };

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

interface Named {
  name: string;
}

bladeTest(
  "15.13 B10: an export by a policy is nfs.export_policy, and lets in whom the policy does",
  async ({ array, root }) => {
    const rules = [{ client: "127.0.0.11", permission: "rw", access: "no-squash" }];
    await array.ok("POST /nfs-export-policies?names=p1", { rules });
    await array.ok("POST /file-systems?names=fs1", sized(MiB));
    const exported = async () => (await array.ok("GET /file-system-exports")).items;
    assert.deepEqual(await exported(), []);
    const post = "POST /file-system-exports?member_names=fs1&policy_names=p1";
    const [made] = (await array.ok(post, {})).items;
    assert.deepEqual(
      [made.name, made.export_name, made.policy_type, made.enabled, made.status, made.server.name],
      ["_array_server::NFS::fs1", "fs1", "NFS", true, null, "_array_server"],
    );
    assert.deepEqual([made.member.name, made.policy.name], ["fs1", "p1"]);
    assert.deepEqual(clientsOf(root), ["127.0.0.11/fs1"]);
    const [{ nfs }] = (await array.ok("GET /file-systems?names=fs1")).items;
    assert.deepEqual([nfs.rules, nfs.export_policy.name], [null, "p1"]);
    assert.equal(
      await array.refused(post, {}),
      "400 File system export already exists. (_array_server::NFS::fs1)",
    );
    // As the vendor's collection looks for one.
    const filter = "export_name='fs1' and policy_type='NFS' and member.name='fs1' and " +
      "server.name='_array_server'";
    const found = await array.ok(`GET /file-system-exports?filter=${filter}`);
    assert.deepEqual([found.total_item_count, found.items[0].id], [1, made.id]);

    const status = async () => (await exported()).map((row: { status: string }) => row.status);
    await array.ok("PATCH /file-systems?names=fs1", { nfs: OFF_BY_PROTOCOL });
    assert.deepEqual(await status(), ["protocol_disabled"]);
    await array.ok("PATCH /nfs-export-policies?names=p1", { enabled: false });
    assert.deepEqual(await status(), ["policy_disabled"]);

    await array.ok("PATCH /file-systems?names=fs1", { nfs: { ...NFS, rules: "*(rw)" } });
    assert.deepEqual(await exported(), []);
    await array.ok("PATCH /nfs-export-policies?names=p1", { enabled: true });
    await array.ok("PATCH /file-systems?names=fs1", { nfs: { export_policy: { name: "p1" } } });
    const [again] = await exported();
    assert.notEqual(again.id, made.id);
    await array.ok(`DELETE /file-system-exports?ids=${again.id}`);
    const [left] = (await array.ok("GET /file-systems?names=fs1")).items;
    assert.deepEqual([left.nfs.rules, left.nfs.export_policy.name], ["", null]);
    assert.deepEqual(clientsOf(root), []);
  },
);

bladeTest(
  "15.13 B10: exports of other names and servers are shown, keep what they need, and move",
  async ({ array, root }) => {
    await array.ok("POST /nfs-export-policies?names=p1", { rules: [{ client: "*" }] });
    await array.ok("POST /nfs-export-policies?names=p2", { rules: [{ client: "127.0.0.12" }] });
    await array.ok("POST /file-systems?names=fs1", sized(MiB, { nfs: { ...NFS, rules: "" } }));
    await array.ok("POST /servers?names=srv&create_ds=srv_nfs", {});
    const post = "POST /file-system-exports?member_names=fs1&policy_names";
    const at = { export_name: "/data", server: { name: "srv" } };
    const [made] = (await array.ok(`${post}=p1`, at)).items;
    assert.equal(made.name, "srv::NFS::/data");
    assert.deepEqual(clientsOf(root), []);
    assert.equal(
      await array.refused(`${post}=p2`, at),
      "400 File system export already exists. (srv::NFS::/data)",
    );
    // All or none.
    assert.equal(
      await array.refused(`${post}=p1,p2`, { ...at, export_name: "/two" }),
      "400 File system export already exists. (srv::NFS::/two)",
    );
    assert.equal((await array.ok("GET /file-system-exports")).total_item_count, 1);
    for (
      const [call, body, error] of [
        [`${post}=none`, {}, "400 Policy does not exist. (none)"],
        [`${post}=p1`, { server: { name: "none" } }, "400 Server does not exist. (none)"],
        [`${post}=p1`, { export_name: "a b" }, "400 Invalid file system export name. (a b)"],
        [
          `${post}=p1`,
          { share_policy: { name: "s" } },
          "400 Parameter share_policy is not supported by this array.",
        ],
        [
          "DELETE /nfs-export-policies?names=p1",
          undefined,
          "400 NFS export policy is in use by file system export srv::NFS::/data. (p1)",
        ],
        [
          "DELETE /servers?names=srv&cascade_delete=directory-services",
          undefined,
          "400 Server is in use by a file system export. (srv)",
        ],
      ] as const
    ) {
      assert.equal(await array.refused(call, body), error);
    }
    const own = { export_name: "fs1", server: { name: "_array_server" }, policy: { name: "p2" } };
    const [moved] = (await array.ok(`PATCH /file-system-exports?ids=${made.id}`, own)).items;
    assert.deepEqual([moved.id, moved.name], [made.id, "_array_server::NFS::fs1"]);
    assert.deepEqual(clientsOf(root), ["127.0.0.12/fs1"]);
    await array.ok("DELETE /nfs-export-policies?names=p1");
    await array.ok(`PATCH /file-system-exports?ids=${made.id}`, { export_name: "elsewhere" });
    assert.deepEqual(clientsOf(root), []);

    await array.ok("PATCH /file-systems?names=fs1", {
      destroyed: true,
      nfs: OFF_BY_PROTOCOL,
    });
    await array.ok("DELETE /file-systems?names=fs1");
    assert.equal((await array.ok("GET /file-system-exports")).total_item_count, 0);
  },
);

bladeTest("15.13 B10: servers are made and deleted beside the array's own", async ({ array }) => {
  const names = async () => (await array.ok("GET /servers")).items.map(({ name }: Named) => name);
  assert.deepEqual(await names(), ["_array_server"]);
  const [made] = (await array.ok("POST /servers?names=srv&create_ds=srv_nfs", {})).items;
  assert.deepEqual(
    [made.name, made.dns, made.directory_services.map(({ name }: Named) => name)],
    ["srv", [], ["srv_nfs"]],
  );
  assert.ok(Math.abs(made.created - Date.now()) < 3_600_000);
  for (
    const [call, error] of [
      ["POST /servers?names=SRV&create_ds=SRV_nfs", "400 Server already exists. (SRV)"],
      [
        "POST /servers?names=two",
        "400 create_ds must be the name of the server followed by _nfs. (two)",
      ],
      ["DELETE /servers?names=srv", /^400 .*cascade_delete is needed\. \(srv\)$/],
      [
        "DELETE /servers?names=_array_server&cascade_delete=directory-services",
        "400 The server of the array cannot be deleted. (_array_server)",
      ],
      ["GET /servers?names=two", "400 Server does not exist. (two)"],
    ] as const
  ) {
    const body = call.startsWith("POST") ? {} : undefined;
    const said = await array.refused(call, body);
    if (typeof error === "string") assert.equal(said, error);
    else assert.match(said, error);
  }
  assert.equal(
    await array.refused("PATCH /servers?names=srv", { dns: [{ name: "corp" }] }),
    "400 DNS configuration does not exist. (corp)",
  );
  await array.ok("DELETE /servers?names=srv&cascade_delete=directory-services");
  assert.deepEqual(await names(), ["_array_server"]);
  const [data] = (await array.ok("GET /network-interfaces?filter=services='data'")).items;
  assert.deepEqual(data.attached_servers.map(({ name }: Named) => name), ["_array_server"]);
  array.version = "2.12";
  assert.match(await array.refused("GET /servers"), /^404 /);
  assert.match(await array.refused("GET /file-system-exports"), /^404 /);
});
