import { deepEqual, equal, match } from "node:assert/strict";
import type { NodeIdentity } from "../../handoff.ts";
import { type ClusterView, type DoctorPv, steadyCluster } from "./cluster_view.ts";

function pv(name: string, uid: string): DoctorPv {
  const handle = `00000000/${name}`;
  return {
    pv: name,
    uid,
    phase: "Bound",
    storageClass: "",
    reclaimPolicy: "Delete",
    handle,
    names: [name],
    isDeleting: false,
    accessModes: [],
    claimUid: "",
  };
}

const identity = (name: string, iqn: string): NodeIdentity => ({
  name,
  iqn,
  protocols: ["iscsi"],
  wwpns: [],
  addresses: [],
});

function view(changes: Partial<ClusterView>): ClusterView {
  return {
    pvs: { value: [] },
    claims: { value: new Map() },
    attachments: { value: new Set() },
    nodes: { value: [] },
    contents: { value: new Set() },
    ...changes,
  };
}

Deno.test("steadyCluster() keeps PersistentVolumes that both looks show as one object, and knows those of either", () => {
  const before = view({ pvs: { value: [pv("stays", "1"), pv("goes", "2"), pv("anew", "3")] } });
  const after = view({ pvs: { value: [pv("stays", "1"), pv("made", "4"), pv("anew", "5")] } });
  const { pvs, anyPvs } = steadyCluster(before, after);
  deepEqual(pvs.value?.map((one) => one.pv), ["stays"]);
  deepEqual(
    new Set(anyPvs.value?.map((one) => one.pv)),
    new Set(["stays", "goes", "made", "anew"]),
  );
});

Deno.test("steadyCluster() knows attachments, claims and contents that either look shows", () => {
  const { attachments, claims, contents } = steadyCluster(
    view({
      attachments: { value: new Set(["pv-1 node-a"]) },
      claims: { value: new Map([["old", {}]]) },
      contents: { value: new Set(["k8s-pvc-1.snapshot-1"]) },
    }),
    view({
      attachments: { value: new Set(["pv-2 node-b"]) },
      claims: { value: new Map([["new", {}]]) },
      contents: { value: new Set(["snapshot-2"]) },
    }),
  );
  equal(attachments.value?.has("pv-1", "node-a"), true);
  equal(attachments.value?.has("pv-2", "node-b"), true);
  equal(attachments.value?.has("pv-1", "node-b"), false);
  deepEqual([...claims.value?.keys() ?? []], ["old", "new"]);
  const names = ["K8S-pvc-1.snapshot-1", "k8s-pvc-9.Snapshot-2", "k8s-pvc-9.snapshot-1"];
  deepEqual(names.map((name) => contents.value?.has(name)), [true, true, false]);
});

Deno.test("steadyCluster() takes a node that registered anew, came or went for one that is not known", () => {
  const same = { name: "same", identity: identity("same", "iqn.a:1") };
  const before = [same, { name: "anew", identity: identity("anew", "iqn.a:2") }, {
    name: "gone",
    identity: identity("gone", "iqn.a:3"),
  }];
  const after = [same, { name: "anew", identity: identity("anew", "iqn.a:4") }, { name: "new" }];
  const { nodes } = steadyCluster(
    view({ nodes: { value: before } }),
    view({ nodes: { value: after } }),
  );
  deepEqual(nodes.value?.map(({ name, identity }) => [name, identity?.iqn]), [
    ["same", "iqn.a:1"],
    ["anew", undefined],
    ["gone", undefined],
    ["new", undefined],
  ]);
});

Deno.test("steadyCluster() knows nothing of what one of the looks could not read", () => {
  const none = { why: "VolumeAttachments cannot be read: 403" };
  for (
    const [before, after] of [[view({ attachments: none }), view({})], [
      view({}),
      view({ attachments: none }),
    ]] as const
  ) {
    const { attachments, pvs } = steadyCluster(before, after);
    equal(attachments.value, undefined);
    match(attachments.why ?? "", /403/);
    deepEqual(pvs.value, []);
  }
});
