import { deepEqual, equal, rejects } from "node:assert/strict";
import type { NodeIdentity } from "../../handoff.ts";
import { silentLogger } from "../../log.ts";
import type { Fetch } from "../../net/https.ts";
import { Secret } from "../../secret.ts";
import { RestClient } from "../rest/client.ts";
import { Connections } from "./connections.ts";
import { FLASHARRAY_DIALECT } from "./status.ts";

// Connections by a host group, which the simulated arrays do not have: they end for all of its hosts.

const W1: NodeIdentity = {
  name: "w1",
  protocols: ["iscsi"],
  iqn: "iqn.2024-01.org.example:w1",
  wwpns: [],
  addresses: [],
};
const ESX = "iqn.1998-01.com.vmware:esx-1";

/** An array whose host group g, of w1 and another host, has the volume. */
function grouped(volume: string, other: string, { w1 = [W1.iqn] } = {}) {
  let isConnected = true;
  const deletes: string[] = [];
  const warned: Record<string, unknown>[] = [];
  const warn = (_: string, { volume, node, sharedWith, group }: Record<string, unknown> = {}) =>
    void warned.push({ volume, node, sharedWith, group });
  const log = { ...silentLogger, warn };
  const itemsOf = (path: string, method: string): unknown[] => {
    if (path.startsWith("hosts")) {
      return [{ name: "w1", iqns: w1 }, { name: "other", iqns: [other] }];
    }
    if (method === "DELETE") {
      deletes.push(decodeURIComponent(path));
      isConnected = false;
    }
    if (!path.startsWith("connections") || !isConnected) return [];
    return ["w1", "other"].map((name) => ({
      host: { name },
      host_group: { name: "g" },
      volume: { name: volume },
      lun: 1,
    }));
  };
  const fetch: Fetch = ({ method, path }) => {
    const json = (body: unknown, headers: Record<string, string> = {}) =>
      Promise.resolve({ status: 200, headers, text: JSON.stringify(body) });
    if (path === "/api/api_version") return json({ version: ["2.26"] });
    if (path.endsWith("/login")) return json({ items: [] }, { "x-auth-token": "session" });
    return json({ items: itemsOf(path.replace("/api/2.26/", ""), method) });
  };
  const label = () => "fa-1";
  const token = new Secret("token");
  const dialect = FLASHARRAY_DIALECT;
  const rest = new RestClient({ fetch, dialect, token, label, log: silentLogger });
  const nobody = () => Promise.reject(new Error("not asked for"));
  const find = () => Promise.resolve(undefined);
  const connections = new Connections({ rest, label, log, facts: nobody, find });
  return { connections, deletes, warned };
}

for (const node of [W1, "all"] as const) {
  const who = node === "all" ? "all nodes" : "a node";
  Deno.test(`disconnect() of an imported volume from ${who} ends no host group with a machine outside of the cluster in it`, async () => {
    const known = {
      cluster: "k8s",
      otherNodeWith: (iqn: string) => node === "all" && iqn === W1.iqn ? "w1" : undefined,
    };
    const { connections, deletes } = grouped("oracle-data", ESX);
    await rejects(connections.disconnect("oracle-data", node, { known }), {
      code: "in_use",
      message: /is still connected to .*other/,
    });
    deepEqual(deletes, []);
    const own = grouped("k8s-pvc-1", ESX);
    equal(await own.connections.disconnect("k8s-pvc-1", node, { known }), true);
    deepEqual(
      [...new Set(own.deletes)],
      ["connections?host_group_names=g&volume_names=k8s-pvc-1"],
    );
  });
}

Deno.test("disconnect() of an imported volume ends a host group of which all hosts are known nodes", async () => {
  const known = { cluster: "k8s", otherNodeWith: (iqn: string) => iqn === ESX ? "w2" : undefined };
  const { connections, deletes } = grouped("oracle-data", ESX);
  equal(await connections.disconnect("oracle-data", W1, { known }), true);
  deepEqual(deletes, ["connections?host_group_names=g&volume_names=oracle-data"]);
});

const W2_IQN = "iqn.2024-01.org.example:w2";
const W2: NodeIdentity = { ...W1, name: "w2", iqn: W2_IQN };

Deno.test("disconnect() of one node never ends the host group of another node that uses the volume, and ends it with the last of them", async () => {
  for (const volume of ["k8s-pvc-1", "oracle-data"]) {
    const known = {
      cluster: "k8s",
      otherNodeWith: (iqn: string) => iqn === W2_IQN ? "w2" : undefined,
    };
    const { connections, deletes, warned } = grouped(volume, W2_IQN);
    equal(
      await connections.disconnect(volume, W1, { known: { ...known, otherUsers: [W2] } }),
      true,
    );
    deepEqual(deletes, [], volume);
    deepEqual(warned, [{ volume, node: "w1", sharedWith: "other", group: "g" }]);
    equal(await connections.disconnect(volume, W1, { known }), true);
    deepEqual(deletes, [`connections?host_group_names=g&volume_names=${volume}`]);
  }
});

Deno.test("disconnect() of one node never ends the connection of a host that another node uses the volume by too", async () => {
  const known = { cluster: "k8s", otherUsers: [W2] };
  const { connections, deletes } = grouped("k8s-pvc-1", ESX, { w1: [W1.iqn ?? "", W2_IQN] });
  equal(await connections.disconnect("k8s-pvc-1", W1, { known }), true);
  deepEqual(deletes, []);
});
