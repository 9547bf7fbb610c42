import { deepEqual, equal } from "node:assert/strict";
import type { NodeIdentity } from "../../handoff.ts";
import { silentLogger } from "../../log.ts";
import type { Fetch } from "../../net/https.ts";
import { Secret } from "../../secret.ts";
import { RestClient } from "../rest/client.ts";
import { HostObjects } from "./hosts.ts";
import { FLASHARRAY_DIALECT } from "./status.ts";

// Host objects of a replication partner, which the simulated arrays do not have: an array lists them
// beside its own, as `array:host`.

const IQN = "iqn.2024-01.org.example:w1";
const W1: NodeIdentity = { name: "w1", protocols: ["iscsi"], iqn: IQN, wwpns: [], addresses: [] };

/** An array that lists these hosts; it adds what is created. */
function listing(hosts: { name: string; iqns: string[]; is_local?: boolean }[]) {
  const changes: string[] = [];
  const fetch: Fetch = ({ method, path, body }) => {
    const json = (answer: unknown, headers: Record<string, string> = {}) =>
      Promise.resolve({ status: 200, headers, text: JSON.stringify(answer) });
    if (path === "/api/api_version") return json({ version: ["2.26"] });
    if (path.endsWith("/login")) return json({ items: [] }, { "x-auth-token": "session" });
    const { pathname, searchParams } = new URL(path, "https://array");
    if (method === "GET") return json({ items: pathname.endsWith("/hosts") ? hosts : [] });
    const name = searchParams.get("names") ?? "";
    changes.push(`${method} ${name}`);
    const iqns = JSON.parse(String(body ?? "{}")).iqns ?? [];
    if (method === "POST") hosts.push({ name, iqns, is_local: true });
    return json({ items: [{ name, iqns }] });
  };
  const label = () => "fa-1";
  const token = new Secret("token");
  const dialect = FLASHARRAY_DIALECT;
  const rest = new RestClient({ fetch, dialect, token, label, log: silentLogger });
  return { objects: new HostObjects({ rest, label, log: silentLogger }), changes };
}

Deno.test("ensure() makes the node a host of its own beside a replication partner's with its name and initiator", async () => {
  const { objects, changes } = listing([
    { name: "fa-2:w1", iqns: [IQN], is_local: false },
    { name: "w1", iqns: [IQN], is_local: false },
  ]);
  equal(await objects.ensure(W1, { protocol: "iscsi", known: { cluster: "k8s" } }), "w1");
  deepEqual(changes, ["POST w1"]);
});

Deno.test("ensure() uses the array's own host, also of an array that tells of no partner", async () => {
  for (const own of [{ is_local: true }, {}]) {
    const { objects, changes } = listing([
      { name: "fa-2:w1", iqns: [IQN, `${IQN}-2`], is_local: false },
      { name: "ucs-blade-07", iqns: [IQN], ...own },
    ]);
    equal(await objects.ensure(W1, { protocol: "iscsi" }), "ucs-blade-07");
    deepEqual(changes, []);
  }
});

Deno.test("rolesOf() and nodesAmong() take no host of a replication partner for a node", async () => {
  const { objects } = listing([
    { name: "fa-2:w1", iqns: [IQN], is_local: false },
    { name: "w1", iqns: [IQN], is_local: true },
  ]);
  const names = ["fa-2:w1", "w1"];
  const known = { cluster: "k8s", otherNodeWith: (iqn: string) => iqn === IQN ? "w1" : undefined };
  deepEqual([...await objects.rolesOf(names, "k8s-pvc-1", { node: W1 })], [["w1", "current"]]);
  deepEqual([...await objects.nodesAmong(names, { known })], ["w1"]);
});
