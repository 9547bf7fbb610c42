import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { ConnectOptions, NodeKnowledge } from "../../src/arrays/array.ts";
import { Fleet } from "../../src/arrays/fleet.ts";
import { isPsoError } from "../../src/errors.ts";
import type { NodeIdentity } from "../../src/handoff.ts";
import { silentLogger } from "../../src/log.ts";
import { node } from "./array_bench.ts";
import { type HostBench, ISCSI, KNOWN, withHosts } from "./host_bench.ts";

// A host object that this process connected a node by, and that somebody changed since: the name
// alone is no proof any more. The regular check of the fleet reads the hosts again.

const [A, B, C] = ["A", "B", "C"].map((letter) => `2100001B32AABB${letter}0`) as [
  string,
  string,
  string,
];
const W1_IQN = "iqn.1993-08.org.debian:01:w1";
const FC: ConnectOptions = { ...ISCSI, protocol: "fc" };
const V = "k8s-pvc-1";
const V2 = "k8s-pvc-2";
const W1 = node(1, { name: "w1", iqn: W1_IQN, nqn: undefined });

function ports(name: string, ...wwns: string[]): NodeIdentity {
  return node(1, {
    name,
    iqn: undefined,
    nqn: undefined,
    wwpns: wwns.map((one) => one.toLowerCase()),
  });
}

/** One round of the fleet's regular check of the array. */
async function check({ array }: HostBench): Promise<void> {
  const fleet = new Fleet([{ array }], { log: silentLogger });
  await fleet.refresh();
  deepEqual(fleet.members.map(({ problem }) => problem), [undefined]);
}

function patchHost({ admin }: HostBench, name: string, body: Record<string, unknown>) {
  return admin({ method: "PATCH", path: "hosts", query: { names: name }, body });
}

Deno.test(
  "connect() judges a host that it knows anew once another node is known to have one of its ports",
  withHosts(async ({ array, addHost, addVolume, connect, hostsOf }) => {
    await addVolume("boot-w2");
    await addHost("w2", { wwns: [A, B] });
    await connect("w2", "boot-w2"); // so that the strange port stays
    const w2 = ports("w2", A);
    await array.connect(V, w2, FC);
    const known: NodeKnowledge = {
      ...KNOWN,
      otherNodeWith: (port) => port.toUpperCase() === B ? "w3" : undefined,
    };
    await rejects(array.connect(V2, w2, { ...FC, known }), (error) => {
      return isPsoError(error, "in_use") && error.message.includes(`${B}, which is node w3's`);
    });
    deepEqual(await hostsOf(V2), []);
  }),
);

Deno.test(
  "connect() after the fleet's check refuses a host that got another machine's port since it was used",
  withHosts(async (bench) => {
    const { array, addHost, hostsOf } = bench;
    await addHost("old-server", { wwns: [A] });
    await array.connect(V, ports("w1", A), FC);
    equal(array.nodeOf("OLD-SERVER")?.name, "w1");
    await patchHost(bench, "old-server", { add_wwns: [B] });
    await check(bench);
    equal(
      array.nodeOf("old-server"),
      undefined,
      "a list shows the host, so that it is tried again",
    );
    await rejects(array.connect(V2, ports("w1", A), FC), (error) => {
      return isPsoError(error, "in_use") && error.message.includes(B) &&
        error.message.includes("old-server");
    });
    deepEqual(await hostsOf(V2), []);
  }),
);

Deno.test(
  "connect() after the fleet's check gives the node's host its initiator back that somebody took out",
  withHosts(async (bench) => {
    const { array, hosts, hostsOf } = bench;
    await array.connect(V, W1, ISCSI);
    await patchHost(bench, "w1", { iqns: [] });
    await check(bench);
    await array.connect(V, W1, ISCSI);
    deepEqual((await hosts()).map(({ name, iqns }) => [name, iqns]), [["w1", [W1_IQN]]]);
    deepEqual(await hostsOf(V), ["w1"]);
  }),
);

Deno.test(
  "connect() after the fleet's check follows the node's initiator to the host that somebody gave it to",
  withHosts(async (bench) => {
    const { array, addHost, hosts, hostsOf } = bench;
    await array.connect(V, W1, ISCSI);
    await patchHost(bench, "w1", { iqns: [] });
    await addHost("ucs-blade-07", { iqns: [W1_IQN] });
    await check(bench);
    await array.connect(V, W1, ISCSI);
    deepEqual(await hostsOf(V), ["ucs-blade-07"]);
    equal((await hosts()).length, 2);
  }),
);

Deno.test(
  "connect() after the fleet's check makes the node's host object again that somebody deleted and made for another machine",
  withHosts(async (bench) => {
    const { array, addHost, admin, hostsOf } = bench;
    await array.connect(V, ports("w1", A), FC);
    await array.disconnect(V, ports("w1", A), { known: KNOWN });
    await admin({ method: "DELETE", path: "hosts", query: { names: "w1" } });
    await addHost("w1", { wwns: [C] });
    await check(bench);
    await array.connect(V, ports("w1", A), FC);
    const [host = ""] = await hostsOf(V);
    match(host, /^w1-x[0-9a-f]{12}$/);
  }),
);

Deno.test(
  "the fleet's check reads hosts once a round, only where nodes were connected, and a connect after it needs no look",
  withHosts(async (bench) => {
    const { array, calls } = bench;
    const asked = (made: string[]) => made.filter((call) => call === "GET /hosts").length;
    equal(asked(await calls(() => check(bench))), 0);
    await array.connect(V, W1, ISCSI);
    await array.connect(V2, node(2), ISCSI);
    equal(asked(await calls(() => check(bench))), 1);
    equal(asked(await calls(() => array.connect(V2, W1, { ...ISCSI, exclusive: false }))), 0);
  }),
);

Deno.test(
  "a node's second host object, of its other protocol, is judged by what it holds itself",
  withHosts(async (bench) => {
    const { array, calls } = bench;
    const both = node(1, { name: "w1", iqn: W1_IQN });
    await array.connect(V, both, ISCSI);
    await array.connect(V2, both, { ...ISCSI, protocol: "nvme-tcp" });
    await check(bench);
    const again = await calls(async () => {
      await array.connect(V, both, { ...ISCSI, exclusive: false });
      await array.connect(V2, both, { ...ISCSI, exclusive: false, protocol: "nvme-tcp" });
    });
    deepEqual(again.filter((call) => call === "GET /hosts"), []);
  }),
);

Deno.test(
  "holds() sees a node in the host of another one that holds its port too; disconnect() ends that, but not while the other uses the volume",
  withHosts(async ({ array, addHost, addVolume, connect, hostsOf }) => {
    await addVolume("boot-w2");
    await addHost("w2", { wwns: [A, B] });
    await connect("w2", "boot-w2"); // so that the strange port stays
    const [w2, w3] = [ports("w2", A), ports("w3", B)];
    await array.connect(V, w2, FC);
    equal(await array.holds(V, w3, { known: KNOWN }), true);
    equal(await array.holds(V, ports("w4", C), { known: KNOWN }), false);
    await array.disconnect(V, w3, { known: { ...KNOWN, otherUsers: [w2] } });
    deepEqual(await hostsOf(V), ["w2"]);
    await array.disconnect(V, w3, { known: KNOWN });
    deepEqual(await hostsOf(V), []);
  }),
);

for (
  const { name, before, now, earlier, left } of [
    { name: "one port exchanged", before: [A, B], now: [A, C], earlier: false, left: [A, C] },
    { name: "all ports exchanged, and known", before: [A, B], now: [C], earlier: true, left: [C] },
    { name: "strange ports only", before: [A, B], now: [C], earlier: false, left: [A, B] },
  ]
) {
  Deno.test(
    `connect() of a node whose host of its name has no connections, ${name}: ${
      left.includes(C) ? "the host gets the node's ports" : "the host stays, and a second is made"
    }`,
    withHosts(async ({ array, addHost, hosts, hostsOf }) => {
      await addHost("w1", { wwns: before });
      const known = { ...KNOWN, earlier: earlier ? [ports("w1", ...before)] : [] };
      await array.connect(V, ports("w1", ...now), { ...FC, known });
      const all = await hosts();
      deepEqual(all.find((host) => host.name === "w1")?.wwns.toSorted(), left);
      const [used = ""] = await hostsOf(V);
      if (left.includes(C)) return equal(used, "w1");
      match(used, /^w1-x[0-9a-f]{12}$/);
      deepEqual(all.find((host) => host.name === used)?.wwns, now);
    }),
  );
}
