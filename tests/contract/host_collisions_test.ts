import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { ConnectOptions } from "../../src/arrays/array.ts";
import type { NodeIdentity } from "../../src/handoff.ts";
import { node } from "./array_bench.ts";
import { type Host, type HostBench, ISCSI, KNOWN, withHosts } from "./host_bench.ts";

// Whose host object is it, when names or initiators collide? A volume that is connected to the
// wrong one is mounted by two machines.

const FC: ConnectOptions = { ...ISCSI, protocol: "fc" };
const NVME: ConnectOptions = { ...ISCSI, protocol: "nvme-tcp" };
const [PORT_A, PORT_B, OTHER] = [
  "520000000000000A",
  "520000000000000B",
  "52000000000000FF",
] as const;

/** A node with two Fibre Channel ports. */
function fcNode(): NodeIdentity {
  return node(1, { protocols: ["fc"], wwpns: [PORT_A, PORT_B] });
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
      await bench.addHost("node-1", { wwns: held });
      await bench.array.connect("k8s-pvc-1", fcNode(), FC);
      deepEqual(await wwnsByHost(bench), { "node-1": [PORT_A, PORT_B] });
      deepEqual(await bench.hostsOf("k8s-pvc-1"), ["node-1"]);
    }),
  );
}

for (const held of [[PORT_A, OTHER], [PORT_A, PORT_B, OTHER]]) {
  Deno.test(
    `connect() by FC refuses a host of another name that holds a strange port too, of ${held.length} in all`,
    withHosts(async (bench) => {
      await bench.addHost("cluster", { wwns: held });
      await rejects(bench.array.connect("k8s-pvc-1", fcNode(), FC), {
        code: "in_use",
        message:
          /belongs to the host cluster together with .*FF, and the node's own host is node-1/,
      });
      deepEqual(await wwnsByHost(bench), { cluster: held.toSorted() });
      deepEqual(await bench.hostsOf("k8s-pvc-1"), []);
    }),
  );
}

Deno.test(
  "connect() uses a host that holds the node's initiators alone as it is, without a change to it",
  withHosts(async (bench) => {
    await bench.addHost("by-hand", { wwns: [PORT_B, PORT_A] });
    const calls = await bench.calls(() => bench.array.connect("k8s-pvc-1", fcNode(), FC));
    deepEqual(calls.filter((call) => call.endsWith(" /hosts")), ["GET /hosts"]);
    deepEqual(await bench.hostsOf("k8s-pvc-1"), ["by-hand"]);
  }),
);

Deno.test(
  "connect() takes an empty host of the node's name, also one that a volume is connected to",
  withHosts(async (bench) => {
    await bench.addHost("node-1", {});
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
    const [used] = await bench.hostsOf("k8s-pvc-1");
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
      deepEqual(await bench.hostsOf(name), ["node-1"]);
    }
  }),
);

for (const path of ["/hosts", "/connections"]) {
  Deno.test(
    `connect() fails in the array's words when it refuses POST ${path}, and nothing is there that would do`,
    withHosts(async (bench) => {
      await bench.fault({ action: "status", value: 400, match: { method: "POST", path } });
      await rejects(
        bench.array.connect("k8s-pvc-1", node(1), ISCSI),
        new RegExp(`refused POST ${path.slice(1)}`),
      );
      deepEqual(await bench.hostsOf("k8s-pvc-1"), []);
    }),
  );
}

const HOLDERS: { name: string; host: string; body: Partial<Host>; holds: string[] }[] = [
  {
    name: "a host of another name with its initiator",
    host: "by-hand",
    body: { iqns: [node(1).iqn ?? ""] },
    holds: ["k8s-pvc-1", "oracle-data"],
  },
  {
    name: "a host of its name without initiators",
    host: "node-1",
    body: {},
    holds: ["k8s-pvc-1"],
  },
  {
    name: "a host of its name with a strange initiator",
    host: "node-1",
    body: { iqns: [node(2).iqn ?? ""] },
    holds: ["k8s-pvc-1"],
  },
  { name: "another host without initiators", host: "node-2", body: {}, holds: [] },
];

for (const { name, host, body, holds } of HOLDERS) {
  Deno.test(
    `holds() of a node says yes for ${name} about ${holds.join(" and ") || "no volume"}`,
    withHosts(async (bench) => {
      await bench.addVolume("oracle-data");
      await bench.addHost(host, body);
      for (const volume of ["k8s-pvc-1", "oracle-data"]) {
        await bench.connect(host, volume);
        const isHeld = await bench.array.holds(volume, node(1), { known: KNOWN });
        equal(isHeld, holds.includes(volume), volume);
      }
    }),
  );
}

Deno.test(
  "holds() goes by the name alone for a node of which no initiator is known",
  withHosts(async (bench) => {
    await bench.array.connect("k8s-pvc-1", node(1), ISCSI);
    const nameless = { name: "node-1", protocols: [], wwpns: [], addresses: [] };
    const holds = (volume: string, name = "node-1") =>
      bench.open().holds(volume, { ...nameless, name }, { known: KNOWN });
    ok(await holds("k8s-pvc-1"));
    equal(await holds("k8s-pvc-1", "node-2"), false);
    equal(await holds("k8s-pvc-2"), false);
  }),
);
