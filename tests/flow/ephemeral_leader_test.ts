// A controller of the cluster makes the volumes that pods describe themselves, over simulated arrays.
import { deepEqual, match } from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { inlineIdOf, NODE_FINALIZER, readEphemeral } from "../../src/ephemeral/object.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { claimNameOf } from "../../scripts/claim.ts";
import { LeaderBed, type Replica } from "./leader_bed.ts";

const START_MS = 30_000;
const POD = { namespace: "shop", name: "web-0", uid: "1-2-3" };
const ID = inlineIdOf(POD.uid, "scratch");
const KEY = { collection: "ephemeralvolumes", namespace: "pso", name: ID };

/** The node of the pod, registered by kubelet, and what it asks for. */
function ask({ api }: LeaderBed): void {
  const node = { name: "node-1", protocols: ["iscsi" as const], wwpns: [], addresses: [] };
  const iqn = "iqn.2024-01.org.example:node-1";
  const drivers = [{ name: "pure-csi", nodeID: encodeNodeId({ ...node, iqn }) }];
  api.put({ collection: "nodes", name: "node-1" });
  api.put({ collection: "csinodes", name: "node-1" }, { spec: { drivers } });
  const csi = { driver: "pure-csi", volumeAttributes: { size: "1Gi" } };
  api.store.put({ collection: "pods", namespace: POD.namespace, name: POD.name }, {
    spec: { nodeName: "node-1", volumes: [{ name: "scratch", csi }] },
  }, POD.uid);
  api.put(KEY, {
    metadata: { finalizers: [NODE_FINALIZER] },
    spec: { node: "node-1", pod: POD, size: "1Gi" },
  });
}

/** A claim of the pod's namespace names the volume: that one ends with its pod. */
async function refuseImport(bed: LeaderBed, controller: Replica): Promise<void> {
  const [volume = ""] = await bed.volumes();
  const answers = await Promise.all(["fa-1", "fa-2"].map((array) => {
    const csiName = claimNameOf(`of-${array}`);
    const key = { collection: "persistentvolumeclaims", namespace: "shop", name: `of-${array}` };
    const annotations = { "pso.purestorage.com/import": `${array}/${volume}` };
    const created = { creationTimestamp: "2026-01-01T00:00:00Z" };
    bed.api.store.put(key, { metadata: { ...created, annotations } }, csiName.slice(4));
    return controller.create(csiName, {
      "csi.storage.k8s.io/pvc/name": `of-${array}`,
      "csi.storage.k8s.io/pvc/namespace": "shop",
      allowImport: "true",
    }).then(() => "imported", (error: Error) => error.message);
  }));
  const [absent = "", there = ""] = answers.sort((one) => one.includes("NOT_FOUND") ? -1 : 1);
  match(absent, /NOT_FOUND: .*has no live volume of that name/);
  match(there, /it is the volume of the pod shop\/web-0, and is destroyed when that ends/);
}

/** The node lets go of the volume. */
function letGo({ api }: LeaderBed): void {
  const stored = api.store.find(KEY);
  if (!stored) throw new Error("the object is gone");
  const { finalizers } = readEphemeral(stored) ?? { finalizers: [] };
  const metadata = {
    ...stored.metadata,
    finalizers: finalizers.filter((one) => one !== NODE_FINALIZER),
    deletionTimestamp: "2026-01-01T00:00:00Z",
  };
  api.store.put(KEY, { ...stored, metadata }, stored.metadata.uid);
}

Deno.test("a controller makes and publishes a volume for a pod; the next leader destroys it when the node lets go", async () => {
  await LeaderBed.run(async (bed) => {
    await Deno.writeTextFile(bed.values, "\nephemeral: {enabled: true}\n", { append: true });
    const first = bed.start("pso-a");
    await bed.leader(START_MS);
    ask(bed);
    const status = () => {
      const stored = bed.api.store.find(KEY);
      return stored && readEphemeral(stored)?.status;
    };
    await until("it is ready", () => status()?.phase === "Ready", { timeoutMs: START_MS });
    const uid = bed.api.store.find(KEY)?.metadata.uid;
    deepEqual(await bed.volumes(), [`k8s-pvc-${uid}`]);
    match(
      status()?.publishContext?.attachment ?? "",
      /"protocol":"iscsi".*"serial":"[0-9A-F]{24}"/,
    );
    await refuseImport(bed, first);
    first.child.signal("SIGKILL");
    await first.child.ended;
    letGo(bed);
    bed.start("pso-b");
    await until("it is gone", async () => {
      return bed.api.store.find(KEY) === undefined && (await bed.volumes()).length === 0;
    }, { timeoutMs: 2 * START_MS });
  });
});
