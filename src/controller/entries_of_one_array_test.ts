import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import type { StorageArray } from "../arrays/array.ts";
import { Fleet } from "../arrays/fleet.ts";
import { isPsoError } from "../errors.ts";
import { encodeNodeId, type NodeIdentity } from "../handoff.ts";
import { silentLogger } from "../log.ts";
import { memberArrays } from "./calls/placing.ts";
import { unpublishVolume } from "./calls/unpublishing.ts";
import type { ControllerContext } from "./context.ts";
import { ClusterView } from "./attachments/cluster_view.ts";
import { NodeRegistry } from "./attachments/node_registry.ts";
import { RecentPlacements } from "./placement/recent_placements.ts";
import { PublishMemory } from "./attachments/publish_memory.ts";
import { placeKey, VolumeLocator } from "./volume_locator.ts";

const OPTIONS = () => ({ placement: { headroomPercent: 5, volumesPerArray: 0 } });
const NODE: NodeIdentity = { name: "n1", protocols: ["local"], wwpns: [], addresses: [] };

/** What an unpublish reads. */
function contextOf(fleet: Fleet, published: PublishMemory): ControllerContext {
  const locator = new VolumeLocator(fleet);
  const options = () => ({ clusterId: "k8s" });
  const nodes = new NodeRegistry();
  return {
    fleet,
    locator,
    published,
    nodes,
    cluster: new ClusterView({ fleet, nodes }),
    options,
  } as unknown as ControllerContext;
}

const ID = "2dcf29ad-6465-4b8c-9b6b-1f0b0d5c7a11";

/** `disconnected` gets the address when the array is asked to disconnect a volume. */
function arrayAt(
  address: string,
  key: string,
  disconnected: string[] = [],
): { array: StorageArray } {
  const none = () => Promise.resolve({ items: [] });
  const array = {
    label: address,
    configuredName: address,
    kind: "block",
    address,
    serverKey: () => Promise.resolve(key),
    status: () => Promise.resolve({ id: ID }),
    findVolume: () => Promise.resolve(undefined),
    listVolumes: none,
    listSnapshots: none,
    disconnect: () => Promise.resolve(disconnected.push(address) > 0),
  };
  return { array: array as unknown as StorageArray };
}

Deno.test("lists and placement see an array once that has two entries", async () => {
  const fleet = new Fleet([arrayAt("fa-1", "k1"), arrayAt("10.0.0.1", "k1")], {
    log: silentLogger,
  });
  await fleet.refresh();
  const addresses = (members: { member: { array: StorageArray } }[]) =>
    members.map(({ member }) => member.array.address);
  deepEqual(addresses(new VolumeLocator(fleet).listOrder()), ["fa-1"]);
  deepEqual(addresses(memberArrays({ fleet, recent: new RecentPlacements(), options: OPTIONS })), [
    "fa-1",
  ]);
});

Deno.test("an unpublish goes once to an array that has two entries, and nowhere while two arrays claim its id", async () => {
  for (const secondKey of ["k1", "k2"]) {
    const asked: string[] = [];
    const entries = [arrayAt("fa-1", "k1", asked), arrayAt("10.0.0.1", secondKey, asked)];
    // The second entry has answered, and has the id, before the first one is there.
    const fleet = new Fleet(entries.slice(1), { log: silentLogger });
    await fleet.refresh();
    fleet.replace(entries);
    await fleet.refresh();
    const volumeId = "oracle-data";
    const published = new PublishMemory();
    const [member] = fleet.members;
    ok(member);
    const key = placeKey({ member, name: volumeId });
    const done = { readOnly: false, access: "mount", exclusive: true, handle: volumeId } as const;
    published.add(key, NODE.name, done);
    const context = contextOf(fleet, published);
    const request = { volumeId, nodeId: encodeNodeId(NODE) };
    const unpublished = unpublishVolume(context, request, AbortSignal.timeout(5_000));
    if (secondKey === "k1") await unpublished;
    else await rejects(unpublished, /their TLS keys differ/);
    deepEqual(asked, secondKey === "k1" ? ["fa-1"] : []);
    deepEqual(published.nodesOf(key), secondKey === "k1" ? [] : [NODE.name]);
  }
});

Deno.test("lists are refused, and placement passes by, while two arrays claim one id", async () => {
  const fleet = new Fleet([arrayAt("fa-1", "k1"), arrayAt("10.0.0.1", "k2")], {
    log: silentLogger,
  });
  for (let round = 0; round < 2; round++) {
    await fleet.refresh();
    throws(
      () => new VolumeLocator(fleet).listOrder(),
      (error) => isPsoError(error, "unavailable") && /their TLS keys differ/.test(error.message),
    );
    const arrays = memberArrays({ fleet, recent: new RecentPlacements(), options: OPTIONS });
    equal(arrays.filter(({ problem }) => problem === undefined).length, 0);
  }
});
