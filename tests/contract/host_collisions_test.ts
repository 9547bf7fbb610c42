import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { ConnectOptions } from "../../src/arrays/array.ts";
import type { NodeIdentity } from "../../src/handoff.ts";
import { node } from "./array_bench.ts";
import { type HostBench, ISCSI, withHosts } from "./host_bench.ts";

// Whose host object is it, when names or initiators collide? A volume that is connected to the
// wrong one is mounted by two machines.

const FC: ConnectOptions = { ...ISCSI, protocol: "fc" };
const NVME: ConnectOptions = { ...ISCSI, protocol: "nvme-tcp" };
const [PORT_A, PORT_B, OTHER] = ["0000000000000A", "0000000000000B", "000000000000FF"].map((end) =>
  `52${end}`
);

/** A node with two Fibre Channel ports. */
function fcNode(): NodeIdentity {
  return node(1, { protocols: ["fc"], wwpns: [PORT_A ?? "", PORT_B ?? ""] });
}

async function makeHost({ admin }: HostBench, name: string, body: Record<string, unknown>) {
  await admin({ method: "POST", path: "hosts", query: { names: name }, body });
}

/** WWNs of each host, in one spelling. */
async function wwnsByHost({ hosts }: HostBench): Promise<Record<string, string[]>> {
  return Object.fromEntries(
    (await hosts()).map(({ name, wwns }) => [
      name,
      wwns.map((wwn) => wwn.replaceAll(":", "")).sort(),
    ]),
  );
}

async function hostsOf({ array }: HostBench, volume: string): Promise<string[] | undefined> {
  return (await array.findVolume(volume, { hosts: true }))?.hosts;
}

for (
  const { name, held } of [
    { name: "lacks one of the node's ports (an adapter was added)", held: [PORT_A] },
    { name: "has an old port (an adapter was exchanged)", held: [PORT_A, OTHER] },
    { name: "has an old port beside all of the node's", held: [PORT_A, PORT_B, OTHER] },
  ]
) {
  Deno.test(
    `connect() by FC corrects the node's own host when it ${name}`,
    withHosts(async (bench) => {
      await makeHost(bench, "node-1", { wwns: held });
      await bench.array.connect("k8s-pvc-1", fcNode(), FC);
      deepEqual(await wwnsByHost(bench), { "node-1": [PORT_A, PORT_B] });
      deepEqual(await hostsOf(bench, "k8s-pvc-1"), ["node-1"]);
    }),
  );
}

for (const held of [[PORT_A, OTHER], [PORT_A, PORT_B, OTHER]]) {
  Deno.test(
    `connect() by FC refuses a host of another name that holds a strange port too, of ${held.length} in all`,
    withHosts(async (bench) => {
      await makeHost(bench, "cluster", { wwns: held });
      await rejects(bench.array.connect("k8s-pvc-1", fcNode(), FC), {
        code: "in_use",
        message:
          /belongs to the host cluster together with .*FF, and the node's own host is node-1/,
      });
      deepEqual(await wwnsByHost(bench), { cluster: held.toSorted() });
      deepEqual(await hostsOf(bench, "k8s-pvc-1"), []);
    }),
  );
}

Deno.test(
  "connect() uses a host that holds the node's initiators alone as it is, without a change to it",
  withHosts(async (bench) => {
    await makeHost(bench, "by-hand", { wwns: [PORT_B, PORT_A] });
    const calls = await bench.calls(() => bench.array.connect("k8s-pvc-1", fcNode(), FC));
    deepEqual(calls.filter((call) => call.endsWith(" /hosts")), ["GET /hosts"]);
    deepEqual(await hostsOf(bench, "k8s-pvc-1"), ["by-hand"]);
  }),
);

Deno.test(
  "connect() takes an empty host of the node's name, also one that a volume is connected to",
  withHosts(async (bench) => {
    await makeHost(bench, "node-1", {});
    const query = { host_names: "node-1", volume_names: "k8s-pvc-2" };
    await bench.admin({ method: "POST", path: "connections", query });
    await bench.array.connect("k8s-pvc-1", node(1), ISCSI);
    deepEqual((await bench.hosts()).map(({ name, iqns }) => ({ name, iqns })), [
      { name: "node-1", iqns: [node(1).iqn] },
    ]);
  }),
);

Deno.test(
  "connect() by a second protocol takes over the node's own host that serves nothing, and forgets what it was",
  withHosts(async (bench) => {
    const { array, hosts } = bench;
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    await array.disconnect("k8s-pvc-1", node(1));
    await array.connect("k8s-pvc-2", node(1), NVME);
    deepEqual((await hosts()).map(({ name, iqns, nqns }) => ({ name, iqns, nqns })), [
      { name: "node-1", iqns: [], nqns: [node(1).nqn] },
    ]);
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    const [used] = await hostsOf(bench, "k8s-pvc-1") ?? [];
    match(used ?? "", /^node-1-x[0-9a-f]{12}$/);
    deepEqual((await hosts()).find(({ name }) => name === used)?.iqns, [node(1).iqn]);
    deepEqual((await hosts()).find(({ name }) => name === "node-1")?.nqns, [node(1).nqn]);
  }),
);

Deno.test(
  "connect() by two controllers that meet a new node at once makes one host, and both use it",
  withHosts(async (bench) => {
    const { array, open, hosts, fault } = bench;
    const other = open();
    await Promise.all([array.status(), other.status()]);
    await fault({
      action: "delay",
      value: 300,
      times: 2,
      match: { method: "POST", path: "/hosts" },
    });
    await Promise.all([
      array.connect("k8s-pvc-1", node(1), ISCSI),
      other.connect("k8s-pvc-2", node(1), ISCSI),
    ]);
    equal((await hosts()).length, 1);
    for (const name of ["k8s-pvc-1", "k8s-pvc-2"]) {
      deepEqual(await hostsOf(bench, name), ["node-1"]);
    }
  }),
);

for (const path of ["/hosts", "/connections"]) {
  Deno.test(
    `connect() fails when the array refuses POST ${path}, and does not look for what somebody else made`,
    withHosts(async (bench) => {
      await bench.fault({ action: "status", value: 400, match: { method: "POST", path } });
      const calls = await bench.calls(() =>
        rejects(
          bench.array.connect("k8s-pvc-1", node(1), ISCSI),
          new RegExp(`refused POST ${path.slice(1)}`),
        )
      );
      equal(calls.at(-1), `POST ${path}`);
      deepEqual(await hostsOf(bench, "k8s-pvc-1"), []);
    }),
  );
}

const HOLDERS: { name: string; host: string; body: Record<string, unknown>; holds: boolean }[] = [
  {
    name: "a host of another name with its initiator",
    host: "by-hand",
    body: { iqns: [node(1).iqn] },
    holds: true,
  },
  { name: "a host of its name without initiators", host: "node-1", body: {}, holds: true },
  {
    name: "a host of its name with a strange initiator",
    host: "node-1",
    body: { iqns: [node(2).iqn] },
    holds: false,
  },
  { name: "another host without initiators", host: "node-2", body: {}, holds: false },
];

for (const { name, host, body, holds } of HOLDERS) {
  Deno.test(
    `holds() says ${holds} of a node for ${name}`,
    withHosts(async (bench) => {
      await makeHost(bench, host, body);
      const query = { host_names: host, volume_names: "k8s-pvc-1" };
      await bench.admin({ method: "POST", path: "connections", query });
      equal(await bench.array.holds("k8s-pvc-1", node(1)), holds);
    }),
  );
}

Deno.test(
  "holds() goes by the name alone for a node of which no initiator is known",
  withHosts(async (bench) => {
    await bench.array.connect("k8s-pvc-1", node(1), ISCSI);
    const nameless = { name: "node-1", protocols: [], wwpns: [], addresses: [] };
    ok(await bench.array.holds("k8s-pvc-1", nameless));
    equal(await bench.array.holds("k8s-pvc-1", { ...nameless, name: "node-2" }), false);
    equal(await bench.array.holds("k8s-pvc-2", nameless), false);
  }),
);
