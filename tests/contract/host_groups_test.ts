import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { isPsoError } from "../../src/errors.ts";
import { node } from "./array_bench.ts";
import { type HostBench, ISCSI, KNOWN, withHosts } from "./host_bench.ts";

// Host groups, which this driver does not make and meets: an administrator puts hosts of the nodes
// into one, or connects a volume by one.

/** Hosts of the nodes 1 and 2, both in the group `nodes`, and the volume connected by it. */
async function connectGroup({ array, admin }: HostBench): Promise<void> {
  for (const number of [1, 2]) {
    await array.connect("k8s-pvc-2", node(number), { ...ISCSI, exclusive: false });
    await array.disconnect("k8s-pvc-2", node(number));
  }
  await admin({ method: "POST", path: "host-groups", query: { names: "nodes" } });
  const query = { group_names: "nodes", member_names: ["node-1", "node-2"] };
  await admin({ method: "POST", path: "host-groups/hosts", query });
  const pair = { host_group_names: "nodes", volume_names: "k8s-pvc-1" };
  await admin({ method: "POST", path: "connections", query: pair });
}

Deno.test(
  "connect() of a volume that the node reaches by a host group gives the group's LUN",
  withHosts(async (bench) => {
    await connectGroup(bench);
    const made = await bench.array.connect("k8s-pvc-1", node(1), { ...ISCSI, exclusive: false });
    equal(made.protocol === "iscsi" && made.lun, 254);
  }),
);

Deno.test(
  "disconnect() of a node that has the volume by a host group ends the group's connection",
  withHosts(async (bench) => {
    const { array, calls } = bench;
    await connectGroup(bench);
    equal(await array.holds("k8s-pvc-1", node(1)), true);
    const made = await calls(() => array.disconnect("k8s-pvc-1", node(1), { known: KNOWN }));
    ok(made.includes("DELETE /connections"), made.join(", "));
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, []);
  }),
);

Deno.test(
  "disconnect() that would cut off hosts which are no known nodes is refused and names them",
  withHosts(async (bench) => {
    const { array } = bench;
    await connectGroup(bench);
    await rejects(array.disconnect("k8s-pvc-1", node(1)), (error) => {
      ok(isPsoError(error, "in_use"), String(error));
      ok(error.message.includes("still connected to node-2"), error.message);
      return true;
    });
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, ["node-1", "node-2"]);
  }),
);

Deno.test(
  "disconnect() leaves a host group's connection that another node uses",
  withHosts(async (bench) => {
    const { array } = bench;
    await connectGroup(bench);
    const known = { cluster: "k8s", otherUsers: [node(2)] };
    equal(await array.disconnect("k8s-pvc-1", node(1), { known }), true);
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, ["node-1", "node-2"]);
  }),
);

Deno.test(
  "an exclusive connect() takes a volume from a host group and gives it to the node alone",
  withHosts(async (bench) => {
    const { array, addHost } = bench;
    await connectGroup(bench);
    await addHost("node-3", { iqns: [node(3).iqn ?? ""] });
    const made = await array.connect("k8s-pvc-1", node(3), ISCSI);
    equal(made.protocol === "iscsi" && made.lun, 1);
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, ["node-3"]);
  }),
);

Deno.test(
  "an exclusive connect() that may not take a volume names the hosts of the group",
  withHosts(async (bench) => {
    const { array } = bench;
    await connectGroup(bench);
    await rejects(
      array.connect("k8s-pvc-1", node(3), { ...ISCSI, preempt: false }),
      (error) => {
        ok(isPsoError(error, "in_use"), String(error));
        ok(error.message.includes("node-1, node-2"), error.message);
        return true;
      },
    );
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, ["node-1", "node-2"]);
  }),
);
