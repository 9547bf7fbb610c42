import { deepEqual, equal, rejects } from "node:assert/strict";
import type { FleetMember } from "../../arrays/fleet.ts";
import type { ClusterAttachment, ClusterVolume } from "../../cluster/facts.ts";
import { encodeNodeId } from "../../handoff.ts";
import { ClusterView } from "./cluster_view.ts";
import { NodeRegistry } from "./node_registry.ts";
import { awaitNoUser } from "./users.ts";

const HOME = { id: "2dcf29ad-6465-4b8c-9b6b-1f0b0d5c7a11" } as FleetMember;
const OTHER = { id: "aaaabbbb-6465-4b8c-9b6b-1f0b0d5c7a11" } as FleetMember;
const N1 = encodeNodeId({ name: "n1", protocols: ["nfs"], wwpns: [], addresses: ["10.0.0.1"] });

function viewOf() {
  const members = new Map([["2dcf29ad", HOME], ["aaaabbbb", OTHER]]);
  const nodes = new NodeRegistry();
  const fleet = {
    memberByHint: (hint: string) => members.get(hint),
    isPrefix: (text: string) => text === "k8s",
    namesakesOf: () => [],
  };
  const view = new ClusterView({ fleet, nodes });
  const sinks = view.follow();
  /** All that there is, as lists tell it. */
  const tell = (volumes: ClusterVolume[], attachments: ClusterAttachment[]) => {
    sinks.volumes.begin();
    volumes.forEach((one) => sinks.volumes.put(one));
    sinks.volumes.listed();
    sinks.attachments.begin();
    attachments.forEach((one) => sinks.attachments.put(one));
    sinks.attachments.listed();
  };
  return { view, sinks, nodes, tell };
}

function volume(name: string, handle: string, change: Partial<ClusterVolume> = {}): ClusterVolume {
  return { name, handle, readOnly: false, modes: ["ReadWriteMany"], isBlock: false, ...change };
}

function attachment(
  name: string,
  [pv, node]: [string, string],
  change: Partial<ClusterAttachment> = {},
): ClusterAttachment {
  return { name, volume: pv, node, isDeleting: false, isAttached: true, ...change };
}

const AT_HOME = { member: HOME, name: "k8s-pvc-1" };

const HANDLES = [
  { handle: "2dcf29ad/k8s-pvc-1", means: [true, false] },
  { handle: "2DCF29AD/K8S-pvc-1", means: [true, false] },
  { handle: "aaaabbbb/k8s-pvc-1", means: [false, true] },
  { handle: "k8s-pvc-1", means: [true, true] },
  { handle: "k8s/pvc-1", means: [true, true] },
  { handle: "99999999/k8s-pvc-1", means: [true, true] },
  { handle: "2dcf29ad/k8s-pvc-2", means: [false, false] },
  { handle: "x".repeat(200), means: [false, false] },
];
for (const { handle, means } of HANDLES) {
  Deno.test(`ClusterView finds who uses a volume by the handle ${handle.slice(0, 30)}`, () => {
    const { view, tell } = viewOf();
    tell([volume("pv", handle)], [attachment("va", ["pv", "n1"])]);
    const found = [HOME, OTHER].map((member) => view.usersOf({ ...AT_HOME, member }).length > 0);
    deepEqual(found, means);
  });
}

Deno.test("ClusterView tells what PersistentVolumes mean on an array once it knows all, attached or not", () => {
  const { view, sinks, tell } = viewOf();
  deepEqual(view.namesMeantOn(HOME), undefined);
  tell(
    [volume("a", "2dcf29ad/MyData@keep"), volume("b", "aaaabbbb/other"), volume("c", "bare")],
    [],
  );
  deepEqual(view.namesMeantOn(HOME)?.filter((name) => !name.startsWith("2dcf")), [
    "mydata",
    "bare",
  ]);
  sinks.volumes.trouble("no answer");
  deepEqual(view.namesMeantOn(HOME), undefined);
});

Deno.test("ClusterView takes the handle of the call, whatever array it names", () => {
  const { view, tell } = viewOf();
  tell([volume("pv", "aaaabbbb/k8s-pvc-1")], [attachment("va", ["pv", "n1"])]);
  deepEqual(view.usersOf({ ...AT_HOME, handle: "aaaabbbb/k8s-pvc-1" }), ["n1"]);
});

Deno.test("ClusterView tells users, what they were, and in which mode they have it", () => {
  const { view, tell } = viewOf();
  tell([
    volume("pv", "2dcf29ad/k8s-pvc-1"),
    volume("ro", "k8s-pvc-1", { modes: ["ReadOnlyMany"] }),
  ], [
    attachment("a", ["pv", "n1"], { nodeId: N1 }),
    attachment("b", ["ro", "n2"], { nodeId: N1 }),
    attachment("c", ["pv", "n3"], { isAttached: false }),
    attachment("d", ["pv", "n4"], { isDeleting: true }),
  ]);
  deepEqual(view.usersOf(AT_HOME).sort(), ["n1", "n2", "n3"]);
  deepEqual(view.nodesOf(AT_HOME).sort(), ["n1", "n2"]);
  deepEqual(view.identitiesOn(AT_HOME, "n1")[0]?.addresses, ["10.0.0.1"]);
  deepEqual(view.identitiesOn(AT_HOME, "n2"), [], "a node_id of another node");
  deepEqual(view.modesOn(AT_HOME, "n1"), [{ readOnly: false, access: "mount" }]);
  deepEqual(view.modesOn(AT_HOME, "n2"), [{ readOnly: true, access: "mount" }]);
  deepEqual([view.handlesOn("n1"), view.handlesOn("n3"), view.handlesOn("n4")], [
    ["2dcf29ad/k8s-pvc-1"],
    [],
    [],
  ]);
});

Deno.test("ClusterView keeps a deleted PersistentVolume while a node has it", () => {
  const { view, sinks, tell } = viewOf();
  const pv = volume("pv", "2dcf29ad/k8s-pvc-1");
  tell([pv], [attachment("va", ["pv", "n1"])]);
  sinks.volumes.remove("pv");
  deepEqual(view.usersOf(AT_HOME), ["n1"]);
  sinks.attachments.remove("va");
  deepEqual(view.usersOf(AT_HOME), []);
  sinks.attachments.put(attachment("va", ["pv", "n1"]));
  deepEqual(view.usersOf(AT_HOME), []);
  sinks.volumes.put(pv);
  deepEqual(view.usersOf(AT_HOME), ["n1"]);
});

Deno.test("ClusterView calls a volume by its old handle, unless the cluster has ours", () => {
  const { view, sinks, tell } = viewOf();
  tell([volume("old", "k8s/pvc-1"), volume("gone", "99999999/k8s-pvc-1")], []);
  equal(view.oldHandleOf(AT_HOME), "k8s/pvc-1");
  sinks.volumes.put(volume("ours", "2dcf29ad/k8s-pvc-1"));
  equal(view.oldHandleOf(AT_HOME), undefined);
});

Deno.test("ClusterView calls an imported volume that is kept by its handle", () => {
  const { view, sinks, tell } = viewOf();
  tell([volume("kept", "2dcf29ad/k8s-pvc-1@keep"), volume("old", "k8s/pvc-1")], []);
  equal(view.oldHandleOf(AT_HOME), "2dcf29ad/k8s-pvc-1@keep");
  sinks.volumes.put(volume("ours", "2dcf29ad/k8s-pvc-1"));
  equal(view.oldHandleOf(AT_HOME), undefined);
});

Deno.test("ClusterView takes no CSINode of another node, and none takes an address away", () => {
  const { sinks, nodes } = viewOf();
  sinks.nodes.put({ name: "n2", nodeId: N1 });
  sinks.nodes.put({ name: "n3", nodeId: "somebody's" });
  deepEqual(nodes.nodesBehind("10.0.0.1"), { ever: [], now: [] });
  sinks.nodes.put({ name: "n1", nodeId: N1 });
  sinks.nodes.remove("n1");
  sinks.nodes.begin();
  sinks.nodes.listed();
  deepEqual(nodes.nodesBehind("10.0.0.1").now, ["n1"]);
  equal(nodes.nodeIdOf("n1"), N1);
});

const TAKING = { place: AT_HOME, what: "take v away", needs: () => true };

Deno.test("awaitNoUser() waits for nothing where nobody tells of a cluster", async () => {
  const view = new ClusterView({
    fleet: { memberByHint: () => undefined, isPrefix: () => false, namesakesOf: () => [] },
    nodes: new NodeRegistry(),
  });
  await awaitNoUser(view, TAKING, new AbortController().signal);
});

Deno.test("awaitNoUser() waits for whole lists, then for attachments", async () => {
  const { view, sinks, tell } = viewOf();
  let ended = false;
  const waiting = awaitNoUser(view, TAKING, new AbortController().signal)
    .then(() => ended = true);
  const va = attachment("va", ["pv", "n1"]);
  sinks.volumes.begin();
  sinks.volumes.listed();
  await Promise.resolve();
  equal(ended, false);
  tell([volume("pv", "2dcf29ad/k8s-pvc-1")], [va]);
  sinks.attachments.remove("va");
  await waiting;
  equal(ended, true);
});

Deno.test("awaitNoUser() names what stays, and ends with its caller", async () => {
  const { view, tell } = viewOf();
  tell([volume("pv", "2dcf29ad/k8s-pvc-1")], [attachment("va", ["pv", "n1"])]);
  await rejects(awaitNoUser(view, TAKING, new AbortController().signal), {
    code: "in_use",
    message: /^Cannot take v away: by VolumeAttachment va node n1 has it as PersistentVolume pv;/,
  });
  await rejects(awaitNoUser(view, TAKING, AbortSignal.abort()), { code: "timeout" });
});

Deno.test("awaitNoUser() is UNAVAILABLE while the lists cannot be read", async () => {
  const { view, sinks } = viewOf();
  sinks.attachments.trouble("403: give the account this right");
  await rejects(awaitNoUser(view, TAKING, new AbortController().signal), {
    code: "unavailable",
    message: /listed \(403: give the account this right\); this is tried again/,
  });
});
