import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { PsoError } from "../errors.ts";
import { decodeNodeId } from "../handoff.ts";
import { GiB, MiB } from "../size.ts";
import { EphemeralBed, ID, NAMESPACE, NODE, POD } from "../../tests/support/ephemeral_bed.ts";
import { ARRAY_FINALIZER, inlineIdOf, NODE_FINALIZER } from "./object.ts";

const OBJECT = { collection: "ephemeralvolumes", namespace: NAMESPACE, name: ID };

Deno.test("15.11: a volume is made, published and ready; it is destroyed when its node has let go of it", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  const made = await bed.objects.get(ID);
  equal(made?.status.phase, "Ready");
  deepEqual(made.finalizers, [NODE_FINALIZER, ARRAY_FINALIZER]);
  deepEqual(bed.maker.calls, [`create pvc-${made.uid}`, "publish"]);
  await bed.step();
  equal(bed.maker.calls.length, 2, "what is ready stays");
  await bed.objects.release(ID, NODE);
  await bed.step();
  equal(await bed.objects.get(ID), undefined);
  deepEqual(bed.maker.calls.slice(2), ["unpublish", "delete"]);
  equal(bed.maker.volumes.size, 0);
});

Deno.test("15.11: a leader that dies after any of its calls leaves nothing that the next one does not finish", async () => {
  for (let callsLeft = 1;; callsLeft++) {
    const bed = new EphemeralBed();
    await bed.ask();
    let left = callsLeft;
    const answer = bed.api.answer.bind(bed.api);
    bed.api.answer = (call) =>
      left-- > 0 ? answer(call) : { status: 500, text: `{"message":"died"}` };
    await bed.step().catch(() => {});
    bed.api.answer = answer;
    bed.restart();
    const isWhole = left >= 0;
    await bed.step();
    const made = await bed.objects.get(ID);
    equal(made?.status.phase, "Ready", `after ${callsLeft} calls`);
    equal(bed.maker.volumes.size, 1, `after ${callsLeft} calls`);
    await bed.objects.release(ID, NODE);
    await bed.step();
    equal(bed.maker.volumes.size, 0, `after ${callsLeft} calls`);
    equal(await bed.objects.get(ID), undefined);
    if (isWhole) break;
  }
});

Deno.test("15.11: a volume that is deleted in the middle of its making is destroyed, whatever the object says", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  bed.maker.fault = new PsoError("timeout", "the array did not answer");
  await rejects(bed.step(), { code: "timeout" });
  match(await bed.said(), /^Pending timeout the array did not answer/);
  equal(bed.maker.volumes.size, 1, "it was carried out all the same");
  bed.maker.fault = undefined;
  await bed.objects.release(ID, NODE);
  await rejects(bed.step(), { code: "unavailable", message: /may still carry out/ });
  bed.nowMs += 30_000;
  await bed.step();
  equal(bed.maker.volumes.size, 0);
  equal(await bed.objects.get(ID), undefined);
});

Deno.test("15.11: what a create left unclear is waited for from its end, however long it stood in a queue", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  const create = bed.maker.createVolume.bind(bed.maker);
  bed.maker.createVolume = (request) => {
    bed.nowMs += 40_000;
    return create(request);
  };
  bed.maker.fault = new PsoError("timeout", "the array did not answer");
  await rejects(bed.step(), { code: "timeout" });
  bed.maker.fault = undefined;
  await bed.objects.release(ID, NODE);
  await rejects(bed.step(), { code: "unavailable", message: /may still carry out/ });
});

Deno.test("15.11: a volume has the namespace of its pod, so that no other namespace may import it", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  equal(bed.maker.parameters["csi.storage.k8s.io/pvc/namespace"], POD.namespace);
});

Deno.test("15.11: a pod that is gone, or another of its name, ends the volume; its node lets go first", async () => {
  for (
    const gone of [
      (bed: EphemeralBed) => bed.endPod(),
      (bed: EphemeralBed) => bed.pod({}, { ...POD, uid: "another" }),
    ]
  ) {
    const bed = new EphemeralBed();
    await bed.ask();
    await bed.step();
    gone(bed);
    await bed.step();
    equal((await bed.objects.get(ID))?.isDeleting, true);
    for (let times = 0; times < 3; times++) await bed.step();
    equal(bed.maker.volumes.size, 1, "the node has it still");
    await bed.objects.release(ID, NODE);
    await bed.step();
    equal(bed.maker.volumes.size, 0);
  }
});

Deno.test("15.11: a volume whose node is gone is cut off before it is destroyed, and only when its pod is gone too", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  bed.endNode();
  await bed.step();
  const volume = await bed.objects.get(ID);
  if (volume) await bed.objects.remove(volume);
  await bed.step();
  equal(bed.maker.volumes.size, 1, "the pod is there: it may run");
  bed.endPod();
  await bed.step();
  deepEqual(bed.maker.calls.slice(-2), ["unpublish", "delete"]);
  equal(await bed.objects.get(ID), undefined);
});

const LIES: { name: string; tell: (bed: EphemeralBed) => Promise<void>; said: RegExp }[] = [
  {
    name: "a size that the pod does not ask for",
    tell: (bed) => bed.ask({ size: "50Gi" }),
    said: /^Refused invalid pod shop\/web-0 asks for size "1Gi", and node node-1 for "50Gi"$/,
  },
  {
    name: "a backend that the pod does not ask for",
    tell: (bed) => bed.ask({ backend: "block" }),
    said: /^Refused invalid .*backend "file", and node node-1 for "block"/,
  },
  {
    name: "a pod that it wrote itself",
    tell: (bed) => {
      bed.pod(undefined, POD, { annotations: { "kubernetes.io/config.mirror": "f00d" } });
      return bed.ask();
    },
    said: /^Refused invalid pod shop\/web-0 is a mirror pod, which node node-1 wrote itself/,
  },
  {
    name: "a volume that the pod does not have",
    tell: (bed) => bed.ask({}, { name: inlineIdOf(POD.uid, "other"), pod: POD }),
    said: /^Refused invalid pod shop\/web-0 has no volume of this driver with the id csi-/,
  },
];

for (const { name, tell, said } of LIES) {
  Deno.test(`15.11: a node that asks for ${name} gets nothing`, async () => {
    const bed = new EphemeralBed();
    await tell(bed);
    const [asked] = bed.all();
    await bed.step(asked?.name);
    match(await bed.said(asked?.name), said);
    deepEqual(bed.maker.calls, []);
    deepEqual(bed.all().map(({ finalizers }) => finalizers), [[NODE_FINALIZER]]);
  });
}

Deno.test("15.11: an object of a node that the pod is not on ends", async () => {
  const bed = new EphemeralBed();
  await bed.ask({ node: "node-2" });
  for (let times = 0; times < 2; times++) await bed.step();
  deepEqual([bed.maker.calls, bed.all()], [[], []]);
  await bed.ask();
  await bed.step();
  equal(await bed.said(), "Ready");
});

Deno.test("15.11: a volume that was made is destroyed also when somebody took the leader's word out of its object", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  const stored = bed.api.store.find(OBJECT);
  const metadata = { ...stored?.metadata, finalizers: [NODE_FINALIZER] };
  bed.api.store.put(OBJECT, { ...stored, metadata }, stored?.metadata.uid);
  bed.endPod();
  await bed.step();
  await bed.step();
  equal(bed.maker.volumes.size, 1, "the node has it still");
  bed.endNode();
  await bed.step();
  deepEqual([bed.maker.volumes.size, bed.all()], [0, []]);
});

Deno.test("15.11: a node that asks for a pod that does not exist gets nothing, and its object ends", async () => {
  const bed = new EphemeralBed();
  await bed.ask({}, { name: ID, pod: { ...POD, uid: "none" } });
  await bed.step();
  equal((await bed.objects.get(ID))?.isDeleting, true);
  await bed.step();
  deepEqual(
    [bed.maker.calls, bed.all()],
    [[], []],
    "what was never made needs no word of the node",
  );
});

/** What pods of one node ask for. */
interface Asked {
  count: number;
  size?: string;
  /** Done after each. */
  then?: (name: string) => Promise<void>;
}

/** Pods of one node that ask for a volume each; gives the names of their objects. */
async function askFor(
  bed: EphemeralBed,
  { count, size = "1Gi", then }: Asked,
): Promise<string[]> {
  const names: string[] = [];
  for (let at = 0; at < count; at++) {
    const pod = { ...POD, name: `web-${at}`, uid: `uid-${at}` };
    const name = inlineIdOf(pod.uid, "scratch");
    bed.pod({ volumeAttributes: { size, backend: "file" } }, pod);
    await bed.ask({ size }, { name, pod });
    names.push(name);
    await then?.(name);
  }
  return names;
}

for (
  const { whose, limit, said } of [
    {
      whose: "namespace",
      limit: (bed: EphemeralBed) => bed.settings.namespaceVolumes = 2,
      said: /^Refused exhausted namespace shop has 2 volumes .*ephemeral\.namespaceVolumes/,
    },
    {
      whose: "node",
      limit: (bed: EphemeralBed) => bed.maxVolumesPerNode = 2,
      said: /^Refused exhausted node node-1 has 2 volumes .*maxVolumesPerNode/,
    },
  ]
) {
  Deno.test(`15.11: a ${whose} has no more volumes than it may, however small`, async () => {
    const bed = new EphemeralBed();
    limit(bed);
    const names = await askFor(bed, { count: 3, size: "1", then: (name) => bed.step(name) });
    deepEqual(await Promise.all(names.slice(0, 2).map((name) => bed.said(name))), [
      "Ready",
      "Ready",
    ]);
    match(await bed.said(names[2]), said);
  });
}

Deno.test("15.11: a volume counts with what is made of it: size 1 is as much as the least that an array makes", async () => {
  const bed = new EphemeralBed();
  bed.settings.namespaceBytes = 2 * MiB;
  const names = await askFor(bed, { count: 3, size: "1" });
  for (const name of names) await bed.step(name);
  match(await bed.said(names[2]), /^Refused exhausted namespace shop has 2 MiB/);
});

Deno.test("15.11: objects of a node that asks for more than it can have end, and those that have volumes stay", async () => {
  const bed = new EphemeralBed();
  bed.maxVolumesPerNode = 2;
  const [first = ""] = await askFor(bed, { count: 1 });
  await bed.step(first);
  await askFor(bed, { count: 8 });
  const names = bed.all().map(({ name }) => name);
  for (let times = 0; times < 2; times++) for (const name of names) await bed.step(name);
  equal(await bed.said(first), "Ready");
  const left = bed.all();
  ok(left.length <= 2 * bed.maxVolumesPerNode, `${left.length} are left`);
  equal(bed.maker.volumes.size, 2);
});

Deno.test("15.11: a pod's own words are judged: size, secrets, attributes", async () => {
  for (
    const [csi, said] of [
      [{ volumeAttributes: { size: "101Gi" } }, /^Refused out_of_range .*100 GiB.*maxSizeGiB/],
      [
        { volumeAttributes: { size: "much" } },
        /^Refused invalid size "much" of the pod is no size/,
      ],
      [{ volumeAttributes: { sise: "1Gi" } }, /^Refused invalid .*"sise", did you mean size/],
      [{ nodePublishSecretRef: { name: "chap" } }, /^Refused invalid .*nodePublishSecretRef/],
    ] as const
  ) {
    const bed = new EphemeralBed();
    const { size } = {
      size: undefined,
      ...("volumeAttributes" in csi ? csi.volumeAttributes : {}),
    };
    bed.pod(csi);
    await bed.ask({ size, backend: undefined });
    await bed.step();
    match(await bed.said(), said);
    deepEqual(bed.maker.calls, []);
  }
});

Deno.test("15.11: a namespace has no more than its quota, also when pods come at once; what ends makes room", async () => {
  const bed = new EphemeralBed();
  bed.settings.namespaceBytes = 2 * GiB;
  const pods = ["a", "b", "c"].map((name) => ({ ...POD, name, uid: `uid-${name}` }));
  const names = pods.map(({ uid }) => inlineIdOf(uid, "scratch"));
  for (const [at, pod] of pods.entries()) {
    bed.pod(undefined, pod);
    await bed.ask({}, { name: names[at] ?? "", pod });
  }
  await Promise.all(names.map((name) => bed.step(name)));
  const said = await Promise.all(names.map((name) => bed.said(name)));
  equal(said.filter((one) => one === "Ready").length, 2);
  const at = said.findIndex((one) => one !== "Ready");
  match(said[at] ?? "", /^Refused exhausted namespace shop has 2 GiB .*namespaceGiB/);
  await bed.objects.release(names[at === 0 ? 1 : 0] ?? "", NODE);
  await bed.step(names[at === 0 ? 1 : 0]);
  await bed.step(names[at]);
  equal(await bed.said(names[at]), "Ready");
});

Deno.test("15.11: export rules of a pod are ignored, and the pod is told; a values key heeds them", async () => {
  const volumeAttributes = { size: "1Gi", backend: "file", exportrules: "*(rw)" };
  for (const allowExportRules of [false, true]) {
    const bed = new EphemeralBed();
    bed.settings.allowExportRules = allowExportRules;
    bed.pod({ volumeAttributes });
    await bed.ask();
    await bed.step();
    equal(bed.maker.parameters.exportrules, allowExportRules ? "*(rw)" : undefined);
    const events = bed.api.store.select({ collection: "events", namespace: POD.namespace });
    deepEqual(
      events.map(({ reason, involvedObject }) => [reason, Object(involvedObject).uid]),
      allowExportRules ? [] : [["ExportRulesIgnored", POD.uid]],
    );
  }
});

Deno.test("15.11: a process that does not lead writes nothing and makes nothing", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  bed.fence.isOpen = false;
  await rejects(bed.step(), { code: "unavailable" });
  deepEqual(bed.maker.calls, []);
  deepEqual((await bed.objects.get(ID))?.finalizers, [NODE_FINALIZER]);
  bed.fence.isOpen = true;
  await bed.step();
  bed.endPod();
  bed.fence.isOpen = false;
  await rejects(bed.step(), { code: "unavailable" });
  equal((await bed.objects.get(ID))?.isDeleting, false);
});

Deno.test("15.11: a new machine under the name of the node is published to anew", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  bed.register(NODE, "192.0.2.77");
  await bed.step();
  await bed.step();
  deepEqual(bed.maker.calls.slice(1), ["publish", "publish"]);
  deepEqual(bed.maker.publishedTo.map((nodeId) => decodeNodeId(nodeId)?.addresses), [
    ["192.0.2.1"],
    ["192.0.2.77"],
  ]);
});

Deno.test("15.11: a volume that was made by an earlier version stays ready, whatever the limits are by now", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  // An earlier version wrote the node_id itself; the upgrade brought a lower limit.
  const [nodeId] = bed.maker.publishedTo;
  await bed.forge({ nodeId });
  bed.settings = { ...bed.settings, maxBytes: 1024 ** 2, namespaceVolumes: 0 };
  await bed.step();
  equal(await bed.said(), "Ready");
  equal((await bed.objects.get(ID))?.status.nodeId === nodeId, false);
  equal(bed.maker.volumes.size, 1);
});

Deno.test("15.11: a node that is registered under another node's name gets no volume, and lends that one nothing", async () => {
  const bed = new EphemeralBed();
  bed.register("victim");
  await bed.ask();
  await rejects(bed.step(), { code: "unavailable", message: /with a node_id of victim/ });
  deepEqual(bed.maker.calls, []);
});

Deno.test("15.11: an object that its node has let go of without a delete is ended by the leader", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  const stored = bed.api.store.find(OBJECT);
  const metadata = { ...stored?.metadata, finalizers: [ARRAY_FINALIZER] };
  bed.api.store.put(OBJECT, { ...stored, metadata }, stored?.metadata.uid);
  await bed.step();
  await bed.step();
  deepEqual([bed.maker.volumes.size, bed.all()], [0, []]);
});
