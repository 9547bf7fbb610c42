import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { ConnectOptions } from "../../src/arrays/array.ts";
import { hostNameFor } from "../../src/names.ts";
import { TestClient } from "../../src/simulator/fixture_test.ts";
import type { ServedFleet } from "../../src/simulator/simulate.ts";
import { node } from "./array_bench.ts";
import { ISCSI, KNOWN, withHosts } from "./host_bench.ts";

// Who a host object is when the name says too little: another cluster's, another node's by now, or
// the node's own under a new name.

const [A, B, C] = ["A", "B", "C"].map((letter) => `2100001B32AABB${letter}0`) as [
  string,
  string,
  string,
];
const OLD = "iqn.1993-08.org.debian:01:old";
const NEW = "iqn.1993-08.org.debian:01:new";
const FC: ConnectOptions = { ...ISCSI, protocol: "fc" };
const V = "k8s-pvc-1";
const V2 = "k8s-pvc-2";

/** As an administrator does it: our own client takes no answer about another name. */
async function renameHost({ arrays }: ServedFleet, name: string, newName: string): Promise<void> {
  const [entry] = arrays;
  ok(entry);
  const client = new TestClient(entry);
  try {
    await client.login();
    await client.ok(`PATCH /hosts?names=${name}`, { name: newName });
  } finally {
    client.close();
  }
}

/** Node w1 with these FC ports. */
function ports(...wwns: string[]) {
  return node(1, { name: "w1", wwpns: wwns.map((wwn) => wwn.toLowerCase()) });
}

/** Node w1 with this IQN. */
function installed(iqn: string) {
  return node(1, { name: "w1", iqn, nqn: undefined });
}

for (const cluster of ["k8s-prod", "k8s-pvc"]) {
  Deno.test(
    `connect() leaves the host and the ports of a node of the cluster ${cluster} alone, whose volumes begin with our prefix too`,
    withHosts(async ({ array, addHost, connect, hosts, hostsOf, addVolume }) => {
      const volume = `${cluster}-pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11`;
      await addVolume(volume); // made by PSO: without a tag
      await addHost("w1", { iqns: [OLD] });
      await addHost("w2", { wwns: [A, B] });
      for (const host of ["w1", "w2"]) await connect(host, volume);
      await array.connect(V, installed(NEW), ISCSI);
      match((await hostsOf(V)).join(), /^w1-x[0-9a-f]{12}$/);
      const w2 = node(2, { name: "w2", wwpns: [A.toLowerCase()] });
      await array.connect(V2, w2, FC);
      const left = Object.fromEntries((await hosts()).map((host) => [host.name, host]));
      deepEqual([left.w1?.iqns, left.w2?.wwns], [[OLD], [A, B]]);
      await array.disconnect(volume, installed(NEW), { known: KNOWN });
      deepEqual((await hostsOf(volume)).toSorted(), ["w1", "w2"]);
    }),
  );
}

Deno.test(
  "connect() refuses a port that the node had and that another node has now",
  withHosts(async ({ array, addHost, connect, hosts, hostsOf }) => {
    await addHost("w1", { wwns: [A, B] });
    await connect("w1", V2);
    const known = {
      ...KNOWN,
      earlier: [ports(A, B)],
      otherNodeWith: (port: string) => port === B ? "w2" : undefined,
    };
    await rejects(array.connect(V, ports(A, C), { ...FC, known }), {
      code: "in_use",
      message: new RegExp(`together with ${B}, which is node w2's`),
    });
    deepEqual((await hosts())[0]?.wwns, [A, B]);
    await array.disconnect(V2, ports(C), { known: { ...known, earlier: [ports(B)] } });
    deepEqual(await hostsOf(V2), ["w1"], "the other node keeps its volume");
  }),
);

Deno.test(
  "disconnect() never ends the connection of the node that has a host object now, for the one that had it",
  withHosts(async ({ array, hostsOf }) => {
    await array.connect(V, installed(OLD), ISCSI);
    const heir = node(2, { name: "w2", iqn: OLD, nqn: undefined });
    const known = { ...KNOWN, otherNodeWith: (iqn: string) => iqn === OLD ? "w2" : undefined };
    await array.connect(V, heir, ISCSI);
    equal(array.nodeOf("w1")?.name, "w2");
    await array.disconnect(V, installed(NEW), { known: { ...known, earlier: [installed(OLD)] } });
    deepEqual(await hostsOf(V), ["w1"]);
  }),
);

for (
  const [what, exclusive] of [["an exclusive volume", true], ["a shared volume", false]] as const
) {
  Deno.test(
    `connect() finds the node's host object again that an administrator renamed while ${what} was connected`,
    withHosts(async ({ array, fleet, hosts, hostsOf }) => {
      const options = { ...ISCSI, exclusive };
      await array.connect(V, installed(NEW), options);
      await renameHost(fleet, "w1", "ucs-blade-07");
      for (const volume of [V, V2, V]) await array.connect(volume, installed(NEW), options);
      deepEqual(await hostsOf(V), ["ucs-blade-07"]);
      deepEqual((await hosts()).length, 1);
      await array.disconnect(V, installed(NEW), { known: KNOWN });
      deepEqual(await hostsOf(V), []);
    }),
  );
}

/** Two nodes of which the host names were one for PSO. */
const dotted = (changes: Parameters<typeof node>[1]) =>
  node(1, { name: "a.b", nqn: undefined, ...changes });
const dashed = (changes: Parameters<typeof node>[1]) =>
  node(2, { name: "a-b", nqn: undefined, ...changes });

Deno.test(
  "connect() gives nodes a.b and a-b a host object each, whoever comes first and whatever a controller remembers",
  withHosts(async ({ open, hosts, hostsOf }) => {
    const [one, other] = [dotted({ iqn: OLD }), dashed({ iqn: NEW })];
    for (const [first, second] of [[one, other], [other, one]] as const) {
      await open().connect(V, first, ISCSI);
      await open().connect(V2, second, ISCSI);
      deepEqual(await hostsOf(V), [hostNameFor(first.name)]);
      deepEqual(await hostsOf(V2), [hostNameFor(second.name)]);
    }
    deepEqual(
      new Map((await hosts()).map(({ name, iqns }) => [name, iqns])),
      new Map([[hostNameFor("a.b"), [OLD]], ["a-b", [NEW]]]),
    );
  }),
);

Deno.test(
  "a host a-b is no node's a.b by its name alone: it is not taken over, and no volume is taken from it",
  withHosts(async ({ array, addHost, connect, hosts, hostsOf }) => {
    await addHost("a-b", { iqns: [OLD] });
    await connect("a-b", V);
    const one = dotted({ iqn: NEW });
    await array.connect(V2, one, ISCSI);
    deepEqual((await hosts()).find(({ name }) => name === "a-b")?.iqns, [OLD]);
    for (const nameless of [one, { ...one, iqn: undefined }]) {
      equal(await array.holds(V, nameless, { known: KNOWN }), false);
      await array.disconnect(V, nameless, { known: KNOWN });
    }
    await rejects(array.connect(V, one, { ...ISCSI, preempt: false }), { code: "in_use" });
    deepEqual(await hostsOf(V), ["a-b"]);
  }),
);

Deno.test(
  "connect() uses the host object that PSO made for the node a.b, by the initiator that both have",
  withHosts(async ({ array, addHost, connect, hosts, hostsOf }) => {
    await addHost("a-b", { wwns: [A, B] });
    await connect("a-b", V2);
    const wwpns = [A, C].map((wwn) => wwn.toLowerCase());
    await array.connect(V, dotted({ iqn: undefined, wwpns }), FC);
    deepEqual(await hostsOf(V), ["a-b"]);
    deepEqual((await hosts()).map(({ wwns }) => wwns.toSorted()), [[A, C]]);
  }),
);

Deno.test(
  "connect() takes over the host of the node a.b after a new installation, and disconnect() ends what it had",
  withHosts(async ({ open, hosts, hostsOf }) => {
    await open().connect(V, dotted({ iqn: OLD }), ISCSI);
    const again = open();
    await again.connect(V2, dotted({ iqn: NEW }), ISCSI);
    deepEqual((await hosts()).map(({ name, iqns }) => [name, iqns]), [[hostNameFor("a.b"), [NEW]]]);
    await again.disconnect(V, dotted({ iqn: NEW }), { known: KNOWN });
    deepEqual(await hostsOf(V), []);
  }),
);
