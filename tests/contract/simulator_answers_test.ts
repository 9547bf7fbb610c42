import { equal, ok } from "node:assert/strict";
import { versionRange } from "../../src/simulator/array_context.ts";
import { KNOWN_LISTS as FLASHARRAY_LISTS } from "../../src/simulator/flasharray/known_lists.ts";
import { KNOWN_LISTS as FLASHBLADE_LISTS } from "../../src/simulator/flashblade/known_lists.ts";
import type { OpenApiChecker } from "./openapi.ts";
import { withSimulated } from "./simulated_array.ts";

const MiB = 1024 * 1024;
const NFS = { v3_enabled: true, v4_1_enabled: true, rules: "127.0.0.11(rw)" };
const OFF = { nfs: { v3_enabled: false, v4_1_enabled: false }, destroyed: true };

/**
 * `METHOD /path?query`, the body, and the first REST version that has it. Each must be answered
 * with 200, in this order.
 */
type Step = [call: string, body?: unknown, since?: number];

const FLASHARRAY: Step[] = [
  ["GET /arrays"],
  ["GET /arrays/space"],
  ["GET /arrays/performance"],
  ["GET /controllers?filter=status='ready'"],
  ["GET /ports?sort=name-"],
  ["GET /network-interfaces?filter=services='iscsi'"],
  ["GET /alerts"],
  ["PATCH /alerts?names=1000", { flagged: false }],
  ["GET /hardware?filter=type='controller'"],
  ["POST /volumes?names=v1,v2&with_default_protection=false", {
    provisioned: 4 * MiB,
    qos: { iops_limit: 1000 },
  }, 16],
  ["POST /volumes?names=v3", { provisioned: MiB }],
  ["POST /volumes?names=v4", {
    provisioned: MiB,
    tags: [{ namespace: "n", key: "k", value: "v", copyable: true }],
  }, 39],
  ["PUT /volumes/tags/batch?resource_names=v3", [{
    namespace: "n",
    key: "k",
    value: "v",
    copyable: false,
  }]],
  ["GET /volumes/tags?resource_names=v3&namespaces=n"],
  ["DELETE /volumes/tags?resource_names=v3&namespaces=n&keys=k"],
  ["PATCH /volumes?names=v3", {
    provisioned: 2 * MiB,
    qos: { iops_limit: "", bandwidth_limit: 2 * MiB },
  }],
  ["POST /volume-snapshots?source_names=v3", { suffix: "s1" }],
  ["PUT /volume-snapshots/tags/batch?resource_names=v3.s1", [{ key: "k", value: "v" }]],
  ["GET /volume-snapshots/tags?resource_names=v3.s1"],
  ["DELETE /volume-snapshots/tags?resource_names=v3.s1&keys=k"],
  ["POST /volumes/batch", [{ name: "b1", provisioned: MiB }, { name: "b2" }], 32],
  ["POST /volumes?names=c1", { source: { name: "v3.s1" } }],
  ["POST /volumes?names=c1&overwrite=true", { source: { name: "v3" } }],
  ["POST /hosts?names=h1", {
    iqns: ["iqn.2026-01.org.example:h1"],
    chap: { host_user: "user", host_password: "123456789012" },
  }],
  ["POST /hosts?names=h2", {
    nqns: ["nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000002"],
  }],
  ["POST /hosts?names=h3", { wwns: ["2100F4C7AA002706"] }],
  ["PATCH /hosts?names=h1", { add_iqns: ["iqn.2026-01.org.example:h1b"] }],
  ["POST /connections?host_names=h1&volume_names=v3", {}],
  ["POST /connections?host_names=h3&volume_names=v3", {}],
  ["POST /connections?host_names=h2&volume_names=c1", {}],
  ["GET /connections?volume_names=v3,c1"],
  ["POST /volumes?names=v5", { provisioned: MiB }],
  ["POST /host-groups?names=g1", {}],
  ["POST /host-groups/hosts?group_names=g1&member_names=h1"],
  ["POST /hosts/host-groups?group_names=g1&member_names=h3"],
  ["POST /connections?host_group_names=g1&volume_names=v5", {}],
  ["GET /host-groups?names=g1"],
  ["GET /host-groups/hosts?group_names=g1"],
  ["GET /hosts/host-groups?member_names=h3"],
  ["GET /connections?host_group_names=g1"],
  ["GET /hosts?names=h1"],
  ["DELETE /host-groups/hosts?group_names=g1&member_names=h1,h3"],
  ["GET /connections?host_group_names=g1"],
  ["DELETE /connections?host_group_names=g1&volume_names=v5"],
  ["PATCH /host-groups?names=g1", { name: "g2" }],
  ["DELETE /host-groups?names=g2"],
  ["GET /hosts?filter=is_local"],
  ["GET /volumes?destroyed=false&limit=1&total_item_count=true"],
  ["GET /volumes?total_only=true"],
  ["GET /volumes/space?names=v3"],
  ["GET /volumes/performance?names=v3"],
  ["GET /volumes/performance?names=v3&resolution=30000"],
  ["GET /hosts/performance"],
  ["GET /network-interfaces/performance"],
  ["GET /volume-snapshots?source_names=v3"],
  ["DELETE /connections?host_names=h1&volume_names=v3"],
  ["DELETE /connections?host_names=h3&volume_names=v3"],
  ["DELETE /connections?host_names=h2&volume_names=c1"],
  ["DELETE /hosts?names=h1,h2,h3"],
  ["PATCH /volume-snapshots?names=v3.s1", { destroyed: true }],
  ["DELETE /volume-snapshots?names=v3.s1"],
  ["GET /volumes/diff?names=v3&block_size=4096&segment_length=1048576"],
  ["POST /protection-groups?names=pg1"],
  ["POST /protection-groups/volumes?group_names=pg1&member_names=v3"],
  ["POST /volumes?names=pv1&add_to_protection_group_names=pg1", { provisioned: MiB }, 16],
  ["POST /protection-group-snapshots?source_names=pg1", { suffix: "s1" }],
  ["GET /protection-groups"],
  ["GET /protection-groups/volumes?group_names=pg1"],
  ["GET /volumes/protection-groups?member_names=v3"],
  ["GET /protection-group-snapshots?source_names=pg1"],
  ["GET /volume-snapshots?names=pg1.s1.v3"],
  ["PATCH /protection-groups?names=pg1", { name: "pg2" }],
  ["DELETE /volumes/protection-groups?group_names=pg2&member_names=v3"],
  ["PATCH /protection-group-snapshots?names=pg2.s1", { destroyed: true }],
  ["DELETE /protection-group-snapshots?names=pg2.s1"],
  ["PATCH /protection-groups?names=pg2", { destroyed: true }],
  ["DELETE /protection-groups?names=pg2"],
  ["POST /pods?names=p1", {}],
  ["PATCH /pods?names=p1", { quota_limit: 64 * MiB }, 23],
  ["POST /volumes?names=p1::v1", { provisioned: MiB }],
  ["POST /volume-groups?names=vg1", { qos: { iops_limit: 1000 } }],
  ["POST /volume-groups?names=p1::vg2", {}],
  ["POST /volumes?names=vg1/v1,p1::vg2/v1", { provisioned: MiB }],
  ["GET /volumes?names=p1::v1,vg1/v1,p1::vg2/v1"],
  ["POST /volume-snapshots?source_names=p1::v1", { suffix: "s1" }],
  ["PATCH /volumes?names=v5", { pod: { name: "p1" } }],
  ["PATCH /volumes?names=p1::v5", { volume_group: { name: "p1::vg2" } }],
  ["PATCH /volume-groups?names=vg1", { qos: { bandwidth_limit: 2 * MiB } }],
  ["GET /pods"],
  ["GET /pods/arrays?group_names=p1"],
  ["GET /volume-groups"],
  ["GET /volume-groups/volumes?group_names=vg1"],
  ["GET /volumes/volume-groups?member_names=vg1/v1"],
  ["GET /container-default-protections?names=p1", undefined, 16],
  ["PATCH /container-default-protections?names=p1", { default_protections: [] }, 16],
  ["PATCH /volume-groups?names=vg1&destroy_contents=true", { destroyed: true }],
  ["DELETE /volume-groups?names=vg1&eradicate_contents=true"],
  ["PATCH /pods?names=p1&destroy_contents=true", { destroyed: true }],
  ["GET /pods?destroyed=true"],
  ["DELETE /pods?names=p1&eradicate_contents=true"],
  ["PATCH /volumes?names=v3", { name: "renamed" }],
  ["PATCH /volumes?names=renamed", { destroyed: true }],
  ["GET /volumes?destroyed=true"],
  ["DELETE /volumes?names=renamed"],
];

const FLASHBLADE: Step[] = [
  ["GET /arrays"],
  ["GET /arrays/space?type=file-system"],
  ["GET /arrays/performance?protocol=nfs"],
  ["GET /network-interfaces?filter=services='data'"],
  ["GET /subnets"],
  ["POST /policies?names=s1", { rules: [{ every: 3_600_000, keep_for: 86_400_000 }] }],
  ["PATCH /policies?names=s1", {
    add_rules: [{ at: 0, every: 86_400_000, keep_for: 86_400_000, time_zone: "UTC" }],
    remove_rules: [{ every: 3_600_000, keep_for: 86_400_000 }],
  }],
  ["GET /policies"],
  ["GET /alerts"],
  ["GET /hardware"],
  ["POST /nfs-export-policies?names=p1", {
    enabled: true,
    rules: [{ client: "127.0.0.11", permission: "rw", access: "no-squash" }],
  }],
  ["POST /nfs-export-policies/rules?policy_names=p1", { client: "127.0.0.12", permission: "ro" }],
  ["PATCH /nfs-export-policies/rules?names=p1.2", { permission: "rw", anonuid: "7777" }],
  ["GET /nfs-export-policies/rules?policy_names=p1"],
  ["GET /nfs-export-policies?names=p1"],
  ["PATCH /nfs-export-policies?names=p1", { enabled: false }],
  [
    "POST /file-systems?names=fs1",
    {
      provisioned: 4 * MiB,
      hard_limit_enabled: true,
      nfs: NFS,
      fast_remove_directory_enabled: false,
      snapshot_directory_enabled: false,
    },
  ],
  ["POST /file-systems?names=fs2", {
    provisioned: MiB,
    nfs: { v4_1_enabled: true, export_policy: { name: "p1" } },
  }],
  ["POST /quotas/users?file_system_names=fs1&uids=1001", { quota: MiB }],
  ["PATCH /quotas/users?file_system_names=fs1&uids=1001", { quota: 2 * MiB }],
  ["POST /quotas/groups?file_system_names=fs1&group_names=staff", { quota: MiB }],
  ["GET /quotas/users?filter=user.id=1001"],
  ["GET /quotas/groups"],
  ["GET /usage/users?file_system_names=fs1&uids=1001"],
  ["GET /usage/groups?filter=file_system.name='fs1'"],
  ["GET /servers", undefined, 16],
  ["POST /servers?names=srv1&create_ds=srv1_nfs", {}, 16],
  ["PATCH /servers?names=srv1", { dns: [] }, 16],
  ["GET /file-system-exports?filter=policy_type='NFS'", undefined, 16],
  [
    "POST /file-system-exports?member_names=fs1&policy_names=p1",
    { export_name: "/data", server: { name: "srv1" } },
    16,
  ],
  ["PATCH /file-system-exports?names=srv1::NFS::/data", { export_name: "/more" }, 16],
  ["GET /file-system-exports?names=srv1::NFS::/more,_array_server::NFS::fs2", undefined, 16],
  ["DELETE /file-system-exports?names=srv1::NFS::/more", undefined, 16],
  ["DELETE /servers?names=srv1&cascade_delete=directory-services", undefined, 16],
  ["DELETE /quotas/users?file_system_names=fs1&uids=1001"],
  ["POST /policies/file-systems?policy_names=s1&member_names=fs1"],
  ["GET /file-systems/policies?member_names=fs1"],
  ["DELETE /policies/file-systems?policy_names=s1&member_names=fs1"],
  ["DELETE /policies?names=s1"],
  ["PATCH /file-systems?names=fs1", {
    provisioned: 8 * MiB,
    nfs: { rules: "*(rw,no_root_squash)" },
  }],
  ["POST /file-system-snapshots?source_names=fs1", { suffix: "s1" }],
  ["GET /file-system-snapshots?names_or_owner_names=fs1&destroyed=false"],
  ["POST /file-systems?names=fs1&overwrite=true&discard_non_snapshotted_data=true", {
    source: { name: "fs1.s1" },
  }],
  [
    "POST /file-systems?names=fs3&include_snapshot=true",
    { source: { name: "fs1.s1" }, nfs: NFS },
    25,
  ],
  ["GET /file-systems?limit=1&sort=name-"],
  ["GET /file-systems?filter=name='fs*'"],
  ["GET /file-systems?total_only=true"],
  ["GET /file-systems/performance?names=fs1&protocol=nfs"],
  ["PATCH /file-system-snapshots?names=fs1.s1", { destroyed: true }],
  ["DELETE /file-system-snapshots?names=fs1.s1"],
  ["PATCH /file-systems?names=fs1", { name: "renamed" }],
  ["PATCH /file-systems?names=renamed,fs2", OFF],
  ["GET /file-systems?destroyed=true"],
  ["DELETE /file-systems?names=renamed,fs2"],
  ["DELETE /nfs-export-policies/rules?names=p1.1"],
  ["DELETE /nfs-export-policies?names=p1"],
];

/**
 * A fleet with one array of that kind, which serves every version up to the newest that has a file.
 */
async function withArray(
  kind: "flasharray" | "flashblade",
  test: (call: Call, checker: OpenApiChecker) => Promise<void>,
): Promise<void> {
  const versions = { flasharray: versionRange(0, 56, { missing: [12, 18] }) };
  await withSimulated({ kind, versions, allPorts: true }, async (fleet, checker) => {
    const [array] = fleet.arrays;
    ok(array);
    const send: Call = (method, path, { headers, body } = {}) =>
      fetch(`http://${array.address}${encodeURI(path)}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    await (await send("GET", "/api/api_version")).body?.cancel();
    const alert = { array: array.name, summary: "a drive failed", component_name: "CH0.BAY1" };
    const raised = await fetch(`${fleet.control}/alerts`, {
      method: "POST",
      body: JSON.stringify(alert),
    });
    equal(raised.status, 200, await raised.text());
    await test(
      (method, path, options) =>
        send(method, path, { headers: { "api-token": array.token }, ...options }),
      checker,
    );
  });
}

type Call = (
  method: string,
  path: string,
  options?: { headers?: Record<string, string>; body?: unknown },
) => Promise<Response>;

async function walk(
  kind: "flasharray" | "flashblade",
  minor: number,
  steps: Step[] = kind === "flasharray" ? FLASHARRAY : FLASHBLADE,
): Promise<void> {
  const login = kind === "flasharray" ? `/api/2.${minor}/login` : "/api/login";
  await withArray(kind, async (call, checker) => {
    const greeting = await call("POST", login);
    await greeting.body?.cancel();
    const headers = {
      "x-auth-token": greeting.headers.get("x-auth-token") ?? "",
      "content-type": "application/json",
    };
    for (const [step, body] of steps.filter(([, , since]) => minor >= (since ?? 0))) {
      const [, method = "", path = ""] = /^(\w+) (.*)$/.exec(step) ?? [];
      const response = await call(method, `/api/2.${minor}${path}`, { headers, body });
      const text = await response.text();
      equal(response.status, 200, `${step}: ${text}`);
    }
    await (await call("POST", login.replace("login", "logout"), { headers })).body?.cancel();
    checker.assertClean();
    if (checker.active) {
      ok([...checker.checked.values()].reduce((sum, times) => sum + times, 0) > steps.length / 2);
    }
  });
}

// 2.4 is the oldest version that our client takes, 2.56 the newest that a simulated FlashArray
// offers.
for (const minor of [4, 16, 26, 38, 56]) {
  Deno.test(`every answer of a simulated FlashArray at REST 2.${minor} fits its OpenAPI file`, () =>
    walk("flasharray", minor));
}
// 2.22 is the first in which a rule's anonuid is a number, as in the file of 2.28.
for (const minor of [3, 12, 22, 28]) {
  Deno.test(`every answer of a simulated FlashBlade at REST 2.${minor} fits its OpenAPI file`, () =>
    walk("flashblade", minor));
}

// The versions that have files of their own.
for (
  const [kind, known, minors] of [
    ["flasharray", FLASHARRAY_LISTS, [16, 26, 56]],
    ["flashblade", FLASHBLADE_LISTS, [12, 28]],
  ] as const
) {
  for (const minor of minors) {
    Deno.test(`each list that a ${kind} of REST 2.${minor} knows is answered as its OpenAPI file has it`, () => {
      const steps = [...known].flatMap(([since, paths]) =>
        since > minor ? [] : paths.map((path): Step => [`GET /${path}`])
      );
      return walk(kind, minor, steps);
    });
  }
}
