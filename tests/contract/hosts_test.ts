import { deepEqual, equal, fail, match, ok, rejects } from "node:assert/strict";
import { parseHostPort } from "../../src/net/address.ts";
import type { ConnectOptions, DeleteOptions } from "../../src/arrays/array.ts";
import { type Cidr, parseCidr } from "../../src/net/cidr.ts";
import { isPsoError } from "../../src/errors.ts";
import { MiB } from "../../src/size.ts";
import { node, withArray } from "./array_bench.ts";
import { ISCSI, KNOWN, VOLUME_BYTES, withHosts } from "./host_bench.ts";

// Host objects and portals of a FlashArray: what an administrator, another cluster or an older node
// may have left there.

function cidr(text: string): Cidr {
  return parseCidr(text) ?? fail(text);
}

Deno.test(
  "connect() creates the host with the node's initiator once, and the attachment names targets, portals, LUN and serial",
  withHosts(async ({ array, hosts }) => {
    const volume = await array.findVolume("k8s-pvc-1");
    const [first, second] = [
      await array.connect("k8s-pvc-1", node(1), ISCSI),
      await array.connect("k8s-pvc-2", node(1), ISCSI),
    ];
    ok(first.protocol === "iscsi" && second.protocol === "iscsi");
    deepEqual([first.lun, second.lun], [1, 2]);
    deepEqual([first.serial, first.sizeBytes, first.everWritten], [
      volume?.serial,
      VOLUME_BYTES,
      false,
    ]);
    ok(first.targets.length >= 1);
    for (const { iqn, portal } of first.targets) {
      match(iqn, /^iqn\.2010-06\.com\.purestorage:flasharray\./);
      match(portal, /:3260$/);
    }
    deepEqual((await hosts()).map(({ name, iqns }) => ({ name, iqns })), [{
      name: "node-1",
      iqns: [node(1).iqn],
    }]);
  }),
);

Deno.test(
  "connect() keeps to the allowed portals, and refuses when none is left",
  withHosts(async ({ array }) => {
    const all = await array.connect("k8s-pvc-1", node(1), ISCSI);
    ok(all.protocol === "iscsi");
    const [keep] = all.targets;
    ok(keep && all.targets.length > 1);
    const address = parseHostPort(keep.portal)?.host;
    const some = await array.connect("k8s-pvc-1", node(1), {
      ...ISCSI,
      iscsiAllowedCidrs: [cidr(`${address}/32`)],
    });
    ok(some.protocol === "iscsi");
    deepEqual(some.targets, [keep]);
    await rejects(
      array.connect("k8s-pvc-2", node(2), {
        ...ISCSI,
        iscsiAllowedCidrs: [cidr("198.51.100.0/24")],
      }),
      (error) => {
        ok(isPsoError(error, "unsupported"), String(error));
        match(error.message, /none of its portals is inside the allowed CIDRs/);
        return true;
      },
    );
    deepEqual(
      (await array.findVolume("k8s-pvc-2", { hosts: true }))?.hosts,
      [],
      "nothing was connected before it failed",
    );
  }),
);

Deno.test(
  "connect() refuses a node without the initiator that the protocol needs",
  withHosts(async ({ array }) => {
    await rejects(array.connect("k8s-pvc-1", node(1, { iqn: undefined }), ISCSI), (error) => {
      ok(isPsoError(error, "unsupported"), String(error));
      match(error.message, /node node-1 cannot attach by iscsi: it has no IQN/);
      return true;
    });
  }),
);

Deno.test(
  "connect() uses the host that holds the node's initiator already, whatever its name",
  withHosts(async ({ array, admin, hosts }) => {
    await admin({
      method: "POST",
      path: "hosts",
      query: { names: "by-hand" },
      body: { iqns: [node(1).iqn] },
    });
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, ["by-hand"]);
    equal((await hosts()).length, 1);
    await array.disconnect("k8s-pvc-1", node(1));
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, []);
  }),
);

Deno.test(
  "disconnect() in a new process finds the node's host under another name by its initiator",
  withHosts(async ({ array, admin, open }) => {
    await admin({
      method: "POST",
      path: "hosts",
      query: { names: "by-hand" },
      body: { iqns: [node(1).iqn] },
    });
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    await open().disconnect("k8s-pvc-1", node(1));
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, []);
  }),
);

Deno.test(
  "connect() refuses a host that holds other machines' initiators too, and names both",
  withHosts(async ({ array, admin }) => {
    await admin({
      method: "POST",
      path: "hosts",
      query: { names: "cluster" },
      body: { iqns: [node(1).iqn, node(2).iqn] },
    });
    await rejects(array.connect("k8s-pvc-1", node(1), ISCSI), (error) => {
      ok(isPsoError(error, "in_use"), String(error));
      match(
        error.message,
        /belongs to the host cluster together with iqn\..*node2, and the node's own host is node-1/,
      );
      return true;
    });
  }),
);

Deno.test(
  "connect() never takes over a host of the node's name with a strange initiator, even an unused one: another cluster connects by that name",
  withHosts(async ({ array, admin, hosts }) => {
    const foreign = "iqn.1993-08.org.debian:01:other-cluster";
    await admin({
      method: "POST",
      path: "hosts",
      query: { names: "node-1" },
      body: { iqns: [foreign] },
    });
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    const [used] = (await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts ?? [];
    match(used ?? "", /^node-1-x[0-9a-f]{12}$/);
    deepEqual((await hosts()).find(({ name }) => name === "node-1")?.iqns, [foreign]);
    deepEqual((await hosts()).find(({ name }) => name === used)?.iqns, [node(1).iqn]);
  }),
);

Deno.test(
  "connect() gives an unused host of the node's name without any initiator the node's own",
  withHosts(async ({ array, admin, hosts }) => {
    await admin({ method: "POST", path: "hosts", query: { names: "node-1" }, body: {} });
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    deepEqual((await hosts()).map(({ name, iqns }) => ({ name, iqns })), [{
      name: "node-1",
      iqns: [node(1).iqn],
    }]);
  }),
);

Deno.test(
  "connect() leaves a host of the node's name alone that serves another cluster's volumes to another initiator, and makes a second",
  withHosts(async ({ array, addVolume, addHost, connect, hosts, hostsOf }) => {
    const foreign = "iqn.1993-08.org.debian:01:other-cluster";
    await addVolume("other-pvc-1");
    await addHost("node-1", { iqns: [foreign] });
    await connect("node-1", "other-pvc-1");
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    const found = await hosts();
    deepEqual(found.find(({ name }) => name === "node-1")?.iqns, [foreign]);
    const own = found.find(({ name }) => name !== "node-1");
    match(own?.name ?? "", /^node-1-x[0-9a-f]{12}$/);
    deepEqual(own?.iqns, [node(1).iqn]);
    await array.disconnect("other-pvc-1", node(1), { known: KNOWN });
    deepEqual(await hostsOf("other-pvc-1"), ["node-1"], "the other cluster's connection stays");
  }),
);

Deno.test(
  "connect() survives that an administrator deleted the host object",
  withHosts(async ({ array, admin, hosts }) => {
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    await array.disconnect("k8s-pvc-1", node(1));
    await admin({ method: "DELETE", path: "hosts", query: { names: "node-1" } });
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    equal((await hosts()).length, 1);
  }),
);

Deno.test(
  "connect() of many volumes to a new node at once makes one host",
  withHosts(async ({ array, hosts, calls }) => {
    const names = Array.from({ length: 8 }, (_, number) => `k8s-many-${number}`);
    for (const name of names) await array.createVolume({ name, sizeBytes: VOLUME_BYTES });
    const made = await calls(() =>
      Promise.all(names.map((name) => array.connect(name, node(1), ISCSI)))
    );
    equal(made.filter((call) => call === "POST /hosts").length, 1);
    equal((await hosts()).length, 1);
    const luns = await Promise.all(names.map((name) => array.connect(name, node(1), ISCSI)));
    equal(new Set(luns.map((one) => one.protocol === "iscsi" ? one.lun : 0)).size, names.length);
  }),
);

Deno.test(
  "a list that names hosts leaves out a volume that is destroyed between its two calls",
  withHosts(async ({ array, fault, admin }) => {
    for (const name of ["k8s-pvc-1", "k8s-pvc-2"]) await array.connect(name, node(1), ISCSI);
    await fault({
      action: "delay",
      value: 200,
      times: 1,
      match: { method: "GET", path: "/connections" },
    });
    const listing = array.listVolumes({ limit: 10, hosts: true });
    await admin({
      method: "DELETE",
      path: "connections",
      query: { host_names: "node-1", volume_names: "k8s-pvc-2" },
    });
    await admin({
      method: "PATCH",
      path: "volumes",
      query: { names: "k8s-pvc-2" },
      body: { destroyed: true },
    });
    const page = await listing;
    deepEqual(page.items.find(({ name }) => name === "k8s-pvc-1")?.hosts, ["node-1"]);
  }),
);

Deno.test(
  "deleteVolume() leaves a connected volume alone and names the host, by the array's refusal or by a look before",
  withHosts(async ({ array, calls }) => {
    for (const name of ["k8s-pvc-1", "oracle-data"]) {
      await array.createVolume({ name, sizeBytes: VOLUME_BYTES });
      await array.connect(name, node(1), ISCSI);
    }
    const refused = (name: string, options: DeleteOptions) =>
      calls(() =>
        rejects(
          array.deleteVolume(name, options),
          (error) =>
            isPsoError(error, "in_use") && /is connected to node-1: detach/.test(error.message),
        )
      );
    const own = await refused("k8s-pvc-1", { cluster: "k8s", isWatched: true });
    ok(own.includes("PATCH /volumes"), own.join(", "));
    for (
      const [name, options] of [
        ["oracle-data", { cluster: "k8s", isWatched: true }],
        ["k8s-pvc-1", { cluster: "k8s" }],
        ["k8s-pvc-1", { cluster: "k8s", isWatched: true, publishedTo: ["node-1"] }],
      ] as const
    ) {
      const made = await refused(name, options);
      deepEqual(made.filter((call) => !call.startsWith("GET ")), [], name);
      ok(await array.findVolume(name));
    }
  }),
);

Deno.test(
  "deleteVolume() is stopped by snapshots that people made, not by those of schedules",
  withHosts(async ({ array, admin }) => {
    await admin({
      method: "POST",
      path: "volume-snapshots",
      query: { source_names: "k8s-pvc-1" },
      body: {},
    });
    for (const suffix of ["a1", "b2", "c3", "d4"]) await array.createSnapshot("k8s-pvc-2", suffix);
    await array.deleteVolume("k8s-pvc-1");
    equal(
      await array.findVolume("k8s-pvc-1"),
      undefined,
      "a numbered snapshot goes with its volume",
    );
    await rejects(
      array.deleteVolume("k8s-pvc-2"),
      /has snapshots: k8s-pvc-2\.\w\d, k8s-pvc-2\.\w\d, k8s-pvc-2\.\w\d and more; delete them first/,
    );
  }),
);

Deno.test(
  "connect() by two protocols keeps the initiators of a host apart, in either order",
  withHosts(async ({ array, hosts }) => {
    const nvme: ConnectOptions = { ...ISCSI, protocol: "nvme-tcp" };
    if (!(await array.status()).protocols.has("nvme-tcp")) {
      throw new Error("the simulated array serves no NVMe/TCP");
    }
    await array.connect("k8s-pvc-1", node(1), ISCSI);
    const attachment = await array.connect("k8s-pvc-2", node(1), nvme);
    ok(
      attachment.protocol === "nvme-tcp" && attachment.portals.length > 0 &&
        attachment.nqn.startsWith("nqn."),
    );
    for (const { iqns, nqns } of await hosts()) equal(iqns.length + nqns.length, 1);
    equal((await hosts()).length, 2);
    await array.disconnect("k8s-pvc-1", node(1));
    await array.disconnect("k8s-pvc-2", node(1));
    for (const name of ["k8s-pvc-1", "k8s-pvc-2"]) {
      deepEqual((await array.findVolume(name, { hosts: true }))?.hosts, []);
    }
    await array.connect("k8s-pvc-2", node(1), ISCSI);
    const connected = (await array.findVolume("k8s-pvc-2", { hosts: true }))?.hosts?.[0];
    deepEqual((await hosts()).find(({ name }) => name === connected)?.iqns, [node(1).iqn]);
  }),
);

for (const other of [false, true]) {
  Deno.test(
    other
      ? "connections of different hosts change at the same time"
      : "connections of one host change one after another: a connect waits for the " +
        "disconnect that came before it",
    withHosts(async ({ array, fault, calls }) => {
      await array.connect("k8s-pvc-1", node(1), ISCSI);
      await array.connect("k8s-pvc-2", node(2), ISCSI);
      await array.disconnect("k8s-pvc-2", node(2));
      await fault({
        action: "delay",
        value: 400,
        times: 1,
        match: { method: "DELETE", path: "/connections" },
      });
      const ended = await calls(() =>
        Promise.all([
          array.disconnect("k8s-pvc-1", node(1)),
          array.connect("k8s-pvc-2", node(other ? 2 : 1), ISCSI),
        ])
      );
      const changes = ended.filter((call) => /^(POST|DELETE) \/connections$/.test(call));
      deepEqual(
        changes,
        other
          ? ["POST /connections", "DELETE /connections"]
          : ["DELETE /connections", "POST /connections"],
      );
    }),
  );
}

Deno.test("connect() never cuts a node off its own volume when another protocol is asked for: it refuses until the volume is detached", () =>
  withArray({ kind: "flasharray" }, async ({ array }) => {
    const name = "k8s-pvc-1";
    const options = { exclusive: true, preempt: true, readOnly: false } as const;
    await array.createVolume({ name, sizeBytes: 16 * MiB });
    await array.connect(name, node(1), { ...options, protocol: "iscsi" });
    const hosts = async () => (await array.findVolume(name, { hosts: true }))?.hosts;
    const before = await hosts();
    await rejects(array.connect(name, node(1), { ...options, protocol: "nvme-tcp" }), {
      code: "conflict",
    });
    deepEqual(await hosts(), before);
    await array.disconnect(name, node(1));
    await array.connect(name, node(1), { ...options, protocol: "nvme-tcp" });
  }));
