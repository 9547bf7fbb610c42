// What the leader does when somebody else wrote the status of an object: it names another volume.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { MiB } from "../size.ts";
import { EphemeralBed, ID, NAMESPACE, NODE, POD } from "../../tests/support/ephemeral_bed.ts";
import { inlineIdOf, NODE_FINALIZER } from "./object.ts";
import { hasOwnHandle } from "./own_volume.ts";

const OTHER_UID = "99999999-8888-7777-6666-555555555555";

const FOREIGN: { what: string; handle: (uid: string) => string }[] = [
  { what: "another PersistentVolume", handle: () => `0badcafe/k8s-pvc-${OTHER_UID}` },
  { what: "a volume that is nobody's", handle: () => "0badcafe/production-db" },
  { what: "another cluster, with this uid", handle: (uid) => `0badcafe/other-pvc-${uid}` },
  { what: "another volume, by a handle of PSO 6", handle: () => `k8s/pvc-${OTHER_UID}` },
  {
    what: "another volume whose group is called so",
    handle: (uid) => `0badcafe/k8s-pvc-${uid}/db`,
  },
  { what: "another volume that ends like it", handle: (uid) => `0badcafe/x-k8s-pvc-${uid}` },
  { what: "this volume, to be kept", handle: (uid) => `0badcafe/k8s-pvc-${uid}@keep` },
  { what: "this volume without its array", handle: (uid) => `k8s-pvc-${uid}` },
  { what: "nothing that could be", handle: () => "x".repeat(200) },
  { what: "two volumes", handle: (uid) => `0badcafe/k8s-pvc-${uid},production-db` },
];

/** The messages of the Events of the object. */
const events = (bed: EphemeralBed) =>
  bed.api.store.select({ collection: "events", namespace: NAMESPACE }).map(({ message }) =>
    message
  );

for (const { what, handle } of FOREIGN) {
  Deno.test(`15.11: a status with the handle of ${what} destroys nothing`, async () => {
    const bed = new EphemeralBed();
    await bed.ask();
    await bed.step();
    const uid = (await bed.objects.get(ID))?.uid ?? "";
    const victim = handle(uid);
    bed.maker.volumes.set(victim, new Set());
    await bed.forge({ volumeHandle: victim });
    await bed.objects.release(ID, NODE);
    for (let times = 0; times < 3; times++) {
      await rejects(bed.step(), { code: "conflict", message: /take the handle out: kubectl/ });
    }
    deepEqual(bed.maker.calls.slice(2), []);
    equal(bed.maker.volumes.size, 2);
    const said = await bed.said();
    match(
      said,
      new RegExp(`^Refused conflict the status of EphemeralVolume ${ID} names the volume`),
    );
    equal(said.includes(`names the volume ${victim}, and its own is called k8s-pvc-${uid}`), true);
    deepEqual(events(bed), [said.replace("Refused conflict ", "")]);
    // What the message says is to be done lets the leader go on by the name alone.
    const found = await bed.objects.get(ID);
    if (found) await bed.objects.setStatus(found, { volumeHandle: null });
    bed.nowMs += 30_000;
    await bed.step();
    deepEqual([...bed.maker.volumes.keys()], [victim]);
    deepEqual(bed.maker.calls.slice(2), ["unpublish", "delete"]);
    equal(await bed.objects.get(ID), undefined);
  });
}

Deno.test("15.11: a status with the handle of another volume publishes nothing", async () => {
  for (const isMade of [false, true]) {
    const bed = new EphemeralBed();
    await bed.ask();
    if (isMade) await bed.step();
    const before = [...bed.maker.calls];
    const victim = `0badcafe/k8s-pvc-${OTHER_UID}`;
    bed.maker.volumes.set(victim, new Set());
    await bed.forge({ phase: "Ready", volumeHandle: victim });
    bed.register(NODE, "192.0.2.77");
    await bed.step();
    match(await bed.said(), /^Refused conflict the status of EphemeralVolume/);
    deepEqual([bed.maker.calls, bed.maker.volumes.get(victim)], [before, new Set()]);
    const found = await bed.objects.get(ID);
    if (found) await bed.objects.setStatus(found, { volumeHandle: null });
    await bed.step();
    equal(await bed.said(), "Ready");
    equal(bed.maker.volumes.get(victim)?.size, 0);
  }
});

Deno.test("15.11: a status that says Ready makes no volume superfluous", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  await bed.step();
  const { nodeId } = (await bed.objects.get(ID))?.status ?? {};
  const other = new EphemeralBed();
  await other.ask();
  await other.forge({ phase: "Ready", nodeId });
  await other.step();
  deepEqual(other.maker.calls.length, 2);
  equal((await other.objects.get(ID))?.status.volumeHandle !== undefined, true);
});

Deno.test("15.11: a handle of another volume takes no room of the namespace", async () => {
  const bed = new EphemeralBed();
  bed.settings.namespaceBytes = 1024 * MiB;
  await bed.ask();
  await bed.forge({ volumeHandle: `0badcafe/k8s-pvc-${OTHER_UID}` });
  const pod = { ...POD, name: "web-1", uid: "uid-1" };
  const name = inlineIdOf(pod.uid, "scratch");
  bed.pod(undefined, pod);
  await bed.ask({}, { name, pod });
  await bed.step(name);
  equal(await bed.said(name), "Ready");
  // The one with the handle ends only when somebody has looked at it.
  bed.endPod();
  await bed.step();
  bed.endNode();
  await rejects(bed.step(), { code: "conflict" });
  deepEqual((await bed.objects.get(ID))?.finalizers, [NODE_FINALIZER]);
});

Deno.test("hasOwnHandle() knows the volume wherever it is, in any letters", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  const volume = await bed.objects.get(ID);
  if (!volume) throw new Error("the object is gone");
  const of = (volumeHandle?: string) =>
    hasOwnHandle({ ...volume, status: { volumeHandle } }, "k8s");
  const name = `k8s-pvc-${volume.uid}`;
  for (const handle of [name, name.toUpperCase(), `pod::${name}`, `group/${name}`]) {
    equal(of(`0badcafe/${handle}`), true, handle);
  }
  equal(of(undefined), false);
});
