import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { Capability } from "../capability.ts";
import type { ChapCredentials } from "../chap.ts";
import { PsoError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { StageRequest } from "../node/requests.ts";
import { Secret } from "../secret.ts";
import type { InlineState } from "../node/calls/inline.ts";
import { ATTACHMENT, EphemeralBed, ID, NODE, POD } from "../../tests/support/ephemeral_bed.ts";
import { type InlineSetup, InlineVolumes } from "./inline_volumes.ts";
import { NODE_FINALIZER } from "./object.ts";

const CAPABILITY: Capability = {
  access: { type: "mount", fsType: "", mountFlags: [] },
  mode: "single-node-writer",
};
const TARGET = `/var/lib/kubelet/pods/${POD.uid}/volumes/kubernetes.io~csi/scratch/mount`;
const REQUEST = {
  volumeId: ID,
  targetPath: TARGET,
  capability: CAPABILITY,
  readOnly: false,
  volumeContext: {
    "csi.storage.k8s.io/ephemeral": "true",
    "csi.storage.k8s.io/pod.namespace": POD.namespace,
    "csi.storage.k8s.io/pod.name": POD.name,
    "csi.storage.k8s.io/pod.uid": POD.uid,
    backend: "file",
    size: "1Gi",
  },
};

/** A node that remembers what it has, in place of mounts. */
class FakeNode {
  readonly calls: string[] = [];
  /** Of the last stage. */
  chap?: ChapCredentials;
  state: InlineState = { isPublished: false };
  fault?: PsoError;

  #call(what: string, next: InlineState): Promise<void> {
    this.calls.push(what);
    if (this.fault) return Promise.reject(this.fault);
    this.state = next;
    return Promise.resolve();
  }
  stage({ stagingPath, inline, chap }: StageRequest) {
    equal(inline, true);
    this.chap = chap;
    return this.#call("stage", { stagingPath, isPublished: false });
  }
  publish({ stagingPath }: { stagingPath: string }) {
    return this.#call("publish", { stagingPath, isPublished: true });
  }
  unpublish() {
    return this.#call("unpublish", { ...this.state, isPublished: false });
  }
  unstageInline() {
    return this.#call("unstage", { isPublished: false });
  }
  inlineState() {
    return Promise.resolve(this.state);
  }
}

/** A node of the bed; each poll of it is a step of the leader, and takes a second. */
function nodeOf(bed: EphemeralBed, changes: Partial<InlineSetup> = {}) {
  const node = new FakeNode();
  const inline = new InlineVolumes({
    node,
    nodeName: NODE,
    objects: bed.objects,
    chap: () => Promise.resolve(undefined),
    log: silentLogger,
    now: () => bed.nowMs,
    wait: async (ms) => {
      bed.nowMs += ms;
      await bed.step();
    },
    ...changes,
  });
  return { node, inline };
}

Deno.test("a node asks, waits, stages and publishes; at the unpublish it lets go of all of it", async () => {
  const bed = new EphemeralBed();
  const { node, inline } = nodeOf(bed);
  for (let times = 0; times < 2; times++) await inline.publish(REQUEST);
  deepEqual(node.calls.slice(0, 2), ["stage", "publish"]);
  match(node.state.stagingPath ?? "", /^\/var\/lib\/kubelet\/plugins\/.*\/globalmount$/);
  equal(bed.maker.volumes.size, 1);
  node.calls.length = 0;
  for (let times = 0; times < 2; times++) {
    equal(await inline.unpublish({ volumeId: ID, targetPath: TARGET }), true);
  }
  deepEqual(node.calls.slice(0, 2), ["unpublish", "unstage"]);
  await bed.step();
  deepEqual([bed.maker.volumes.size, bed.all()], [0, []]);
  equal(await inline.unpublish({ volumeId: ID, targetPath: TARGET }), false);
});

Deno.test("an iSCSI volume is staged by the CHAP of the installation, and a file system without", async () => {
  const chap = { host: { user: "node", password: new Secret("twelve-letters") } };
  const target = { iqn: "iqn.2010-06.com.purestorage:flasharray.1", portal: "192.0.2.1:3260" };
  const serial = "0123456789ABCDEF01234567";
  const facts = { serial, sizeBytes: 1, everWritten: false };
  for (
    const [attachment, wanted] of [
      [{ protocol: "iscsi", lun: 1, targets: [target], ...facts }, chap],
      [ATTACHMENT, undefined],
    ] as const
  ) {
    const bed = new EphemeralBed();
    bed.maker.publishVolume = () => Promise.resolve({ attachment: JSON.stringify(attachment) });
    const { node, inline } = nodeOf(bed, { chap: () => Promise.resolve(chap) });
    await inline.publish(REQUEST);
    equal(node.chap, wanted);
  }
});

Deno.test("volumes of claims are none of its business", async () => {
  const bed = new EphemeralBed();
  const { node, inline } = nodeOf(bed);
  for (const volumeId of ["0badcafe/k8s-pvc-1", ID]) {
    equal(await inline.unpublish({ volumeId, targetPath: TARGET }), false);
  }
  deepEqual(node.calls, []);
});

Deno.test("an unpublish that fails keeps the volume, and a repetition ends it", async () => {
  const bed = new EphemeralBed();
  const { node, inline } = nodeOf(bed);
  await inline.publish(REQUEST);
  node.fault = new PsoError("in_use", "busy mount");
  await rejects(inline.unpublish({ volumeId: ID, targetPath: TARGET }), { code: "in_use" });
  bed.endPod();
  await bed.step();
  await bed.step();
  equal(bed.maker.volumes.size, 1, "the node has it");
  node.fault = undefined;
  await inline.unpublish({ volumeId: ID, targetPath: TARGET });
  await bed.step();
  equal(bed.maker.volumes.size, 0);
});

Deno.test("a refusal of the leader is the answer to kubelet, at once", async () => {
  const bed = new EphemeralBed();
  bed.settings.maxBytes = 1;
  const { node, inline } = nodeOf(bed);
  await rejects(inline.publish(REQUEST), { code: "out_of_range", message: /maxSizeGiB/ });
  equal(bed.nowMs, 1_000);
  deepEqual(node.calls, []);
});

Deno.test("a leader that says nothing is waited for 90 seconds, and one that cannot make it is quoted", async () => {
  for (const why of [undefined, "array fa-1 does not answer"]) {
    const bed = new EphemeralBed();
    const { inline } = nodeOf(bed, {
      wait: (ms) => {
        bed.nowMs += ms;
        if (why !== undefined) bed.maker.fault = new PsoError("unavailable", why);
        return why === undefined ? Promise.resolve() : bed.step().catch(() => {});
      },
    });
    const failure = { code: "unavailable", message: new RegExp(why ?? "see whether one leads") };
    await rejects(inline.publish(REQUEST), failure);
    equal(bed.nowMs, 90_000);
  }
});

Deno.test("what is to be deleted and is mounted nowhere is let go of, also by a node that started anew", async () => {
  const bed = new EphemeralBed();
  const first = nodeOf(bed);
  await first.inline.publish(REQUEST);
  bed.endPod();
  await bed.step();
  const second = nodeOf(bed);
  second.node.state = first.node.state;
  const stop = new AbortController();
  const looks: (() => void)[] = [];
  const { inline, node } = nodeOf(bed, {
    node: second.node,
    wait: () => {
      looks.shift()?.();
      return Promise.resolve();
    },
  });
  looks.push(
    () => {
      equal(bed.all().length, 1, "a pod has it mounted");
      second.node.state = { ...second.node.state, isPublished: false };
    },
    () => stop.abort(),
  );
  await inline.run(stop.signal);
  deepEqual([node.calls, second.node.calls], [[], ["unstage"]]);
  deepEqual(bed.all().map(({ finalizers }) => finalizers.includes(NODE_FINALIZER)), [false]);
});

Deno.test("a publish of what is being deleted waits for the end of it", async () => {
  const bed = new EphemeralBed();
  const { inline, node } = nodeOf(bed);
  await bed.ask();
  const [asked] = bed.all();
  if (asked) await bed.objects.remove(asked);
  await rejects(inline.publish(REQUEST), { code: "unavailable", message: /is being deleted/ });
  deepEqual(node.calls, []);
});

Deno.test("an object of another node, and one of another pod, is used by nobody else", async () => {
  for (const changes of [{ node: "node-2" }, { pod: { ...POD, uid: "other" } }]) {
    const bed = new EphemeralBed();
    await bed.ask(changes);
    await rejects(nodeOf(bed).inline.publish(REQUEST), {
      code: "conflict",
      message: /see who made/,
    });
  }
});

Deno.test("where nobody can make such a volume the answer says why, and what is there is let go of", async () => {
  const bed = new EphemeralBed();
  const { inline, node } = nodeOf(bed, { objects: "ephemeral.enabled is off" });
  await rejects(inline.publish(REQUEST), {
    code: "unimplemented",
    message: /not made here: ephemeral\.enabled is off/,
  });
  node.state = { stagingPath: "/stage", isPublished: true };
  equal(await inline.unpublish({ volumeId: ID, targetPath: TARGET }), true);
  deepEqual(node.calls, ["unpublish", "unstage"]);
});

Deno.test("a raw device, an unknown target and a silent kubelet are refused before anything is asked", async () => {
  const bed = new EphemeralBed();
  const { inline } = nodeOf(bed);
  const raw: Capability = { ...CAPABILITY, access: { type: "block" } };
  await rejects(inline.publish({ ...REQUEST, capability: raw }), { code: "unsupported" });
  await rejects(inline.publish({ ...REQUEST, targetPath: "/mnt/x" }), { code: "invalid" });
  await rejects(inline.publish({ ...REQUEST, volumeContext: {} }), { message: /podInfoOnMount/ });
  deepEqual(bed.all(), []);
});
