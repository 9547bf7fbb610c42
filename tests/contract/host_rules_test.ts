import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { ConnectOptions } from "../../src/arrays/array.ts";
import { isPsoError } from "../../src/errors.ts";
import type { Logger } from "../../src/log.ts";
import { node } from "./array_bench.ts";
import { ISCSI, KNOWN, withHosts } from "./host_bench.ts";

// Whose a host object is: by sets of initiators, by name only for volumes of this cluster. A, B, C
// and D are ports.

const [A, B, C, D] = ["A", "B", "C", "D"].map((letter) => `2100001B32AABB${letter}0`) as [
  string,
  string,
  string,
  string,
];
const OLD = "iqn.1993-08.org.debian:01:old";
const NEW = "iqn.1993-08.org.debian:01:new";
const FC: ConnectOptions = { ...ISCSI, protocol: "fc" };
const V = "k8s-pvc-1";
const V2 = "k8s-pvc-2";

/** Node w1 with these FC ports. */
function ports(...wwns: string[]) {
  return node(1, { name: "w1", wwpns: wwns.map((wwn) => wwn.toLowerCase()) });
}

/** A log that keeps the fields of its warnings. */
function warningsInto(warnings: Record<string, unknown>[]): Logger {
  const quiet = () => {};
  const log: Logger = {
    debug: quiet,
    info: quiet,
    error: quiet,
    warn: (_, fields = {}) => void warnings.push(fields),
    with: () => log,
  };
  return log;
}

/** Node w1 with this IQN. */
function installed(iqn: string) {
  return node(1, { name: "w1", iqn, nqn: undefined });
}

const EXTRA_PORT: { name: string; host: string; wwns: string[]; left: string[] }[] = [
  { name: "equal", host: "ucs-blade-07", wwns: [A, C], left: [A, C] },
  { name: "a part, another name", host: "ucs-blade-07", wwns: [A], left: [A, C] },
  { name: "a part, our name", host: "w1", wwns: [C], left: [A, C] },
  { name: "one exchanged, our name", host: "w1", wwns: [A, B], left: [A, C] },
  {
    name: "one exchanged, a second name of ours",
    host: "w1-x0123456789ab",
    wwns: [A, B],
    left: [A, C],
  },
];
for (const { name, host, wwns, left } of EXTRA_PORT) {
  Deno.test(
    `connect() takes a host as the node's whose ports are ${name}, and makes them the node's`,
    withHosts(async ({ array, addHost, connect, hosts, hostsOf }) => {
      await addHost(host, { wwns });
      await connect(host, V2);
      await array.connect(V, ports(A, C), FC);
      deepEqual(await hostsOf(V), [host]);
      deepEqual((await hosts()).map((one) => [one.name, one.wwns.toSorted()]), [[host, left]]);
    }),
  );
}

Deno.test(
  "connect() refuses a host of another name that has another machine's port too, and names host and port",
  withHosts(async ({ array, addHost, hosts, hostsOf }) => {
    await addHost("old-server", { wwns: [A, B] });
    await rejects(array.connect(V, ports(A, C), FC), (error) => {
      return isPsoError(error, "in_use") && error.message.includes("the host old-server") &&
        error.message.includes(B);
    });
    deepEqual((await hosts()).map((one) => one.wwns), [[A, B]]);
    deepEqual(await hostsOf(V), []);
  }),
);

Deno.test(
  "connect() refuses a host whose other kind of initiator is another machine's",
  withHosts(async ({ array, addHost }) => {
    await addHost("old-server", { iqns: [NEW], wwns: [B] });
    await rejects(
      array.connect(V, installed(NEW), ISCSI),
      (error) => isPsoError(error, "in_use") && error.message.includes(B),
    );
  }),
);

Deno.test(
  "connect() uses a host that holds the node's IQN and its ports, for both protocols",
  withHosts(async ({ array, addHost, hosts, hostsOf }) => {
    const both = node(1, { name: "w1", iqn: NEW, wwpns: [A.toLowerCase()] });
    await addHost("by-pso", { iqns: [NEW], wwns: [A] });
    await array.connect(V, both, FC);
    await array.connect(V2, both, ISCSI);
    deepEqual([await hostsOf(V), await hostsOf(V2)], [["by-pso"], ["by-pso"]]);
    equal((await hosts()).length, 1);
  }),
);

Deno.test(
  "connect() refuses a host of the node's name with a port that another known node has",
  withHosts(async ({ array, addHost, hosts }) => {
    await addHost("w1", { wwns: [A, B] });
    const known = { ...KNOWN, otherNodeWith: (port: string) => port === B ? "w2" : undefined };
    await rejects(array.connect(V, ports(A, C), { ...FC, known }), (error) => {
      return isPsoError(error, "in_use") && /which is node w2's/.test(error.message);
    });
    deepEqual((await hosts())[0]?.wwns, [A, B]);
  }),
);

Deno.test(
  "connect() leaves ports in the node's host that serve a volume which is not this cluster's, and warns of them",
  async () => {
    const warnings: Record<string, unknown>[] = [];
    const log = warningsInto(warnings);
    await withHosts(async ({ open, addHost, connect, hosts, hostsOf, addVolume }) => {
      await addHost("w1", { wwns: [A, B, C, D] });
      await addVolume("boot-w1");
      await connect("w1", "boot-w1");
      await open({}, { log }).connect(V, ports(A, B), FC);
      deepEqual(await hostsOf(V), ["w1"]);
      deepEqual((await hosts())[0]?.wwns, [A, B, C, D]);
      deepEqual(warnings.map(({ host, initiators }) => ({ host, initiators })), [
        { host: "w1", initiators: [C, D] },
      ]);
    })();
  },
);

Deno.test(
  "connect() takes a port out of the node's host that the node is known to have had, whatever the host serves",
  withHosts(async ({ array, addHost, connect, hosts, addVolume }) => {
    await addHost("w1", { wwns: [A, B, D] });
    await addVolume("boot-w1");
    await connect("w1", "boot-w1");
    const known = { ...KNOWN, earlier: [ports(A, B)] };
    await array.connect(V, ports(A, C), { ...FC, known });
    deepEqual((await hosts())[0]?.wwns.toSorted(), [A, C, D]);
  }),
);

Deno.test(
  "connect() adds to one host what it can, when two hosts hold the node's ports",
  withHosts(async ({ array, addHost, hosts, hostsOf }) => {
    await addHost("ucs-blade-07", { wwns: [A] });
    await addHost("w1", { wwns: [B] });
    await array.connect(V, ports(A, B, C), FC);
    deepEqual(await hostsOf(V), ["w1"]);
    deepEqual((await hosts()).map((one) => [one.name, one.wwns.toSorted()]), [
      ["ucs-blade-07", [A]],
      ["w1", [B, C]],
    ]);
  }),
);

Deno.test(
  "connect() takes over the node's host after a new installation, when only this cluster's volumes are on it",
  withHosts(async ({ array, addHost, connect, hosts, hostsOf, addVolume, tag }) => {
    await addHost("w1", { iqns: [OLD] });
    await addVolume("renamed-by-hand");
    await tag("renamed-by-hand", "cluster", "k8s");
    for (const volume of [V, "renamed-by-hand"]) await connect("w1", volume);
    await array.connect(V2, installed(NEW), ISCSI);
    deepEqual((await hosts()).map(({ name, iqns }) => ({ name, iqns })), [
      { name: "w1", iqns: [NEW] },
    ]);
    deepEqual(await hostsOf(V2), ["w1"]);
  }),
);

for (const volume of ["oracle-data", "other-pvc-1", "k8s-pvc-9"]) {
  Deno.test(
    `connect() leaves a host of the node's name alone that serves ${volume}, and uses a second name`,
    withHosts(async ({ array, addHost, connect, hosts, hostsOf, addVolume, tag }) => {
      await addHost("w1", { iqns: [OLD] });
      await addVolume(volume);
      // A name may say what it likes: the tag of another cluster decides.
      await tag(volume, "cluster", "other");
      await connect("w1", volume);
      await connect("w1", V2);
      await array.connect(V, installed(NEW), ISCSI);
      match((await hostsOf(V))[0] ?? "", /^w1-x[0-9a-f]{12}$/);
      deepEqual((await hosts()).find(({ name }) => name === "w1")?.iqns, [OLD]);
    }),
  );
}

Deno.test(
  "connect() leaves a host of the node's name alone whose initiator another known node has, whatever is on it",
  withHosts(async ({ array, addHost, connect, hosts, hostsOf }) => {
    await addHost("w1", { iqns: [OLD] });
    await connect("w1", V2);
    const known = { ...KNOWN, otherNodeWith: (iqn: string) => iqn === OLD ? "w2" : undefined };
    await array.connect(V, installed(NEW), { ...ISCSI, known });
    match((await hostsOf(V))[0] ?? "", /^w1-x[0-9a-f]{12}$/);
    deepEqual((await hosts()).find(({ name }) => name === "w1")?.iqns, [OLD]);
    deepEqual(await hostsOf(V2), ["w1"]);
  }),
);

Deno.test(
  "connect() takes an old initiator out of the node's host and names one of another kind that stays",
  async () => {
    const warnings: Record<string, unknown>[] = [];
    const log = warningsInto(warnings);
    await withHosts(async ({ open, addHost, connect, hosts }) => {
      await addHost("w1", { iqns: [NEW, OLD], wwns: [B] });
      await connect("w1", V2);
      await open({}, { log }).connect(V, installed(NEW), ISCSI);
      deepEqual((await hosts()).map(({ iqns, wwns }) => ({ iqns, wwns })), [
        { iqns: [NEW], wwns: [B] },
      ]);
      deepEqual(warnings.map(({ host, initiators }) => ({ host, initiators })), [
        { host: "w1", initiators: [B] },
      ]);
    })();
  },
);

Deno.test(
  "connect() moves an exclusive volume from what the node was before, though preemption is off",
  withHosts(async ({ array, addHost, connect, hostsOf, addVolume }) => {
    const options = { ...ISCSI, preempt: false };
    await addHost("w1", { iqns: [OLD] });
    await connect("w1", V);
    await array.connect(V, installed(NEW), options);
    deepEqual(await hostsOf(V), ["w1"]);
    // The same when the host cannot be taken over, because it serves something else as well.
    await addHost("w2", { iqns: [`${OLD}-2`] });
    await addVolume("oracle-data");
    for (const volume of [V2, "oracle-data"]) await connect("w2", volume);
    await array.connect(V2, node(2, { name: "w2" }), options);
    match((await hostsOf(V2)).join(), /^w2-x[0-9a-f]{12}$/);
    deepEqual(await hostsOf("oracle-data"), ["w2"]);
  }),
);

Deno.test(
  "connect() without preemption refuses what another machine of the node's name may hold: a volume that is not this cluster's",
  withHosts(async ({ array, addHost, connect, hostsOf, addVolume }) => {
    await addHost("w1", { iqns: [OLD] });
    await addVolume("oracle-data");
    await connect("w1", "oracle-data");
    await rejects(
      array.connect("oracle-data", installed(NEW), { ...ISCSI, preempt: false }),
      (error) => isPsoError(error, "in_use") && /is connected to w1 /.test(error.message),
    );
    deepEqual(await hostsOf("oracle-data"), ["w1"]);
  }),
);

for (
  const { volume, what, tag: cluster, does } of [
    { volume: V, what: "ours by its name", does: "ends" },
    { volume: "oracle-data", what: "not ours, without a tag,", does: "leaves" },
    { volume: "renamed-by-hand", what: "ours by its tag", tag: "k8s", does: "ends" },
    { volume: "of-another", what: "another cluster's by its tag", tag: "other", does: "leaves" },
  ]
) {
  Deno.test(
    `disconnect() of a volume that is ${what} ${does} a connection that shows the node by its name alone`,
    withHosts(async ({ array, addHost, connect, hostsOf, addVolume, tag }) => {
      if (volume !== V) await addVolume(volume);
      if (cluster !== undefined) await tag(volume, "cluster", cluster);
      for (const [host, iqn] of [["w1", OLD], ["w1-x0123456789ab", `${OLD}-2`], ["w2", NEW]]) {
        await addHost(host ?? "", { iqns: [iqn ?? ""] });
        await connect(host ?? "", volume);
      }
      const one = installed("iqn.1993-08.org.debian:01:third");
      equal(await array.holds(volume, one, { known: KNOWN }), does === "ends");
      equal(await array.disconnect(volume, one, { known: KNOWN }), true);
      deepEqual(
        (await hostsOf(volume)).toSorted(),
        does === "ends" ? ["w2"] : ["w1", "w1-x0123456789ab", "w2"],
      );
    }),
  );
}

Deno.test(
  "disconnect() ends every connection of the node: by each protocol, by what it was, by a host of another name",
  withHosts(async ({ array, open, addHost, connect, hostsOf }) => {
    const now = node(1, { name: "w1", iqn: NEW, nqn: undefined, wwpns: [A.toLowerCase()] });
    await addHost("by-iscsi", { iqns: [NEW] });
    await addHost("by-fc", { wwns: [A] });
    await addHost("as-it-was", { iqns: [OLD] });
    await addHost("another", { wwns: [B] });
    for (const one of [array, open()]) {
      for (const host of ["by-iscsi", "by-fc", "as-it-was", "another"]) await connect(host, V);
      const known = { ...KNOWN, earlier: [installed(OLD)] };
      equal(await one.disconnect(V, now, { known }), true);
      deepEqual(await hostsOf(V), ["another"]);
      await one.disconnect(V, "all", { known: KNOWN });
      deepEqual(await hostsOf(V), []);
    }
  }),
);

Deno.test(
  "disconnect() never ends the connection of another known node whose host bears the node's name",
  withHosts(async ({ array, addHost, connect, hostsOf }) => {
    await addHost("w1-x0123456789ab", { iqns: [OLD] });
    await connect("w1-x0123456789ab", V);
    const known = { ...KNOWN, otherNodeWith: (iqn: string) => iqn === OLD ? "w1-x" : undefined };
    await array.disconnect(V, installed(NEW), { known });
    deepEqual(await hostsOf(V), ["w1-x0123456789ab"]);
  }),
);

Deno.test(
  "connect() on the local plane by a node without initiators changes no host",
  withHosts(async ({ array, addHost, hosts, hostsOf }) => {
    await addHost("w1", { iqns: [OLD] });
    const bare = node(1, { name: "w1", iqn: undefined, nqn: undefined });
    await array.connect(V, bare, { ...ISCSI, protocol: "local" });
    deepEqual(await hostsOf(V), ["w1"]);
    deepEqual((await hosts())[0]?.iqns, [OLD]);
  }),
);

Deno.test(
  "connect() gives the array's own words when it refuses NVMe beside iSCSI, as a conflict",
  withHosts(async ({ array, addHost, connect }) => {
    await addHost("elsewhere", { nqns: ["nqn.2014-08.org.nvmexpress:uuid:1"] });
    await connect("elsewhere", V);
    await rejects(array.connect(V, installed(NEW), { ...ISCSI, exclusive: false }), {
      code: "conflict",
      message:
        /Non-NVME connected hgroups and hosts cannot be connected to volumes already connected/,
    });
  }),
);

Deno.test(
  "connect() of an exclusive volume looks again after its own connect, and ends a connect of an earlier publish that hung in the array",
  withHosts(async ({ array, open, fault, hostsOf }) => {
    const [one, two] = [installed(OLD), node(2)];
    const other = open();
    // Both controllers know the array and the hosts; both connects hang for a while in the array.
    await other.connect(V2, one, { ...ISCSI, exclusive: false });
    await array.connect(V2, two, { ...ISCSI, exclusive: false });
    const match = { method: "POST", path: "/connections" };
    await fault({ action: "delay", value: 400, times: 2, match });
    const gaveUp = AbortSignal.timeout(100);
    await rejects(other.connect(V, one, { ...ISCSI, signal: gaveUp }));
    await array.connect(V, two, ISCSI);
    deepEqual(await hostsOf(V), ["node-2"]);
  }),
);

Deno.test(
  "connect() without preemption undoes its own connect when another host turns out to be connected",
  withHosts(async ({ array, open, fault, hostsOf }) => {
    const [one, two] = [installed(OLD), node(2)];
    const other = open();
    await other.connect(V2, one, { ...ISCSI, exclusive: false });
    await array.connect(V2, two, { ...ISCSI, exclusive: false });
    const match = { method: "POST", path: "/connections" };
    await fault({ action: "delay", value: 400, times: 2, match });
    await rejects(other.connect(V, one, { ...ISCSI, signal: AbortSignal.timeout(100) }));
    await rejects(array.connect(V, two, { ...ISCSI, preempt: false }), { code: "in_use" });
    deepEqual(await hostsOf(V), ["w1"]);
  }),
);
