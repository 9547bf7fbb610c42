import { KeyedLock } from "../async/keyed_lock.ts";
import { pause } from "../async/wait.ts";
import type { Capability } from "../capability.ts";
import type { ChapCredentials } from "../chap.ts";
import { type ErrorCode, isPsoError, messageOf, PsoError } from "../errors.ts";
import { decodeAttachment } from "../handoff.ts";
import type { Logger } from "../log.ts";
import { inlineStagingPath } from "../node/calls/inline.ts";
import type { NodePlugin } from "../node/node_plugin.ts";
import { readAttributes } from "./demand.ts";
import {
  type EphemeralSpec,
  type EphemeralStatus,
  type EphemeralVolume,
  isInlineId,
  NODE_FINALIZER,
  present,
} from "./object.ts";
import type { EphemeralObjects } from "./objects.ts";

/** Less than the 2 minutes of kubelet's call, with time left for attach and format. */
const WAIT_MS = 90_000;
/** So often it is asked whether the leader has made the volume. */
const POLL_MS = 1_000;
/** So often a node looks for volumes that nobody wants any more. */
const LOOK_MS = 30_000;

/** NodePublishVolume of a volume that the pod describes itself. */
export interface InlinePublish {
  volumeId: string;
  targetPath: string;
  capability: Capability;
  readOnly: boolean;
  /** The pod's attributes, and kubelet's own. */
  volumeContext: Record<string, string>;
}

/** What InlineVolumes are made of. */
export interface InlineSetup {
  node: Pick<
    NodePlugin,
    "stage" | "publish" | "unpublish" | "inlineState" | "unstageInline"
  >;
  /** Name of the Node object. */
  nodeName: string;
  /** Where this node asks for them; a text says why it cannot. */
  objects: EphemeralObjects | string;
  /** By what iSCSI volumes are logged in to; undefined: without CHAP. */
  chap: () => Promise<ChapCredentials | undefined>;
  log: Logger;
  /** Default: pause() of wait.ts. */
  wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/**
 * Volumes that pods describe themselves, on one node: it asks the leader for each by an
 * EphemeralVolume, stages and publishes it as any other, and says when it has let go of it. Every
 * method is safe to repeat, also after a crash at any step.
 */
export class InlineVolumes {
  readonly #setup: InlineSetup;
  /** Two calls for one volume, and a look beside a call, are kept apart. */
  readonly #locks = new KeyedLock();
  /** Objects of this node that may be there. */
  readonly #known = new Set<string>();

  constructor(setup: InlineSetup) {
    this.#setup = setup;
  }

  /**
   * `unimplemented` where nobody can make it; `invalid`, `out_of_range`, `exhausted` as the leader
   * says; `unavailable` when it is not there after 90 seconds.
   */
  async publish(request: InlinePublish, signal?: AbortSignal): Promise<void> {
    const { volumeId } = request;
    const objects = this.#objects();
    await this.#locks.tryRun([volumeId], "publish", async () => {
      const { nodeName, node } = this.#setup;
      const stagingPath = inlineStagingPath(request.targetPath, volumeId);
      const spec = specOf(request, nodeName);
      this.#known.add(volumeId);
      const { status } = await this.#ready(objects, { volumeId, spec }, signal);
      const { publishContext = {}, volumeContext = {} } = status;
      const attachment = decodeAttachment(publishContext);
      const chap = attachment.protocol === "iscsi" ? await this.#setup.chap() : undefined;
      const { capability, targetPath, readOnly } = request;
      const wanted = { volumeId, stagingPath, capability, attachment, volumeContext };
      await node.stage({ ...wanted, chap, inline: true }, signal);
      await node.publish({ ...wanted, targetPath, readOnly }, signal);
    });
  }

  /** Unmounts, unstages and lets go of the volume. False when it is none that a pod described. */
  unpublish(
    { volumeId, targetPath }: { volumeId: string; targetPath: string },
    signal?: AbortSignal,
  ): Promise<boolean> {
    if (!isInlineId(volumeId)) return Promise.resolve(false);
    return this.#locks.tryRun([volumeId], "unpublish", async () => {
      const { node, objects } = this.#setup;
      const { stagingPath } = await node.inlineState(volumeId);
      const isAsked = typeof objects !== "string" && await objects.get(volumeId) !== undefined;
      if (stagingPath === undefined && !isAsked) return false;
      await node.unpublish({ volumeId, targetPath }, signal);
      await this.#letGo(volumeId, signal);
      return true;
    });
  }

  /** Finds what was left, until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { wait = pause, objects, nodeName } = this.#setup;
    if (typeof objects === "string") return;
    let isListed = false;
    while (!signal.aborted) {
      try {
        if (!isListed) {
          for (const { name, spec } of await objects.list()) {
            if (spec.node === nodeName) this.#known.add(name);
          }
          isListed = true;
        }
        await this.look(signal);
      } catch (error) {
        this.#setup.log.warn("volumes of pods are not looked at", { reason: messageOf(error) });
      }
      await wait(LOOK_MS * (0.9 + 0.2 * Math.random()), signal).catch(() => {});
    }
  }

  /** Lets go of volumes that are to be deleted and that no pod has here, such as of a pod that never ran. */
  async look(signal?: AbortSignal): Promise<void> {
    const { objects, node, nodeName, log } = this.#setup;
    if (typeof objects === "string") return;
    for (const volumeId of this.#known) {
      try {
        await this.#locks.tryRun([volumeId], "look", async () => {
          const found = await objects.get(volumeId);
          const isOurs = found?.spec.node === nodeName;
          if (isOurs && !found.isDeleting) return;
          if ((await node.inlineState(volumeId)).isPublished) return;
          await this.#letGo(volumeId, signal);
          log.info("volume of a pod that has none mounted was let go", { volume: volumeId });
        });
      } catch (error) {
        if (isPsoError(error, "busy")) continue;
        log.warn("volume of a pod is not let go", { volume: volumeId, reason: messageOf(error) });
      }
    }
  }

  async #letGo(volumeId: string, signal?: AbortSignal): Promise<void> {
    const { node, objects, nodeName } = this.#setup;
    const { stagingPath } = await node.inlineState(volumeId);
    if (stagingPath !== undefined) await node.unstageInline({ volumeId, stagingPath }, signal);
    if (typeof objects !== "string") await objects.release(volumeId, nodeName);
    this.#known.delete(volumeId);
  }

  #objects(): EphemeralObjects {
    const { objects } = this.#setup;
    if (typeof objects !== "string") return objects;
    throw new PsoError(
      "unimplemented",
      `a volume that the pod itself describes (csi among its volumes) is not made here: ${objects}`,
    );
  }

  /** The object when the leader has published the volume to this node. */
  async #ready(
    objects: EphemeralObjects,
    { volumeId, spec }: { volumeId: string; spec: EphemeralSpec },
    signal?: AbortSignal,
  ): Promise<EphemeralVolume> {
    const { wait = pause, now = () => performance.now() } = this.#setup;
    const endMs = now() + WAIT_MS;
    const asked = await objects.get(volumeId) ?? await objects.create(volumeId, spec);
    let found: EphemeralVolume | undefined = asked;
    for (;;) {
      if (!found || found.uid !== asked.uid || found.isDeleting) throw endingError(volumeId);
      refuseOthers(found, spec);
      const { phase } = found.status;
      if (phase === "Ready") return found;
      if (phase === "Refused") throw refusalOf(found.status);
      if (now() >= endMs) throw lateError(volumeId, found.status);
      await wait(POLL_MS, signal);
      found = await objects.get(volumeId);
    }
  }
}

function specOf(
  { volumeContext, capability: { access } }: InlinePublish,
  node: string,
): EphemeralSpec {
  if (access.type === "block") {
    throw new PsoError(
      "unsupported",
      "a volume that the pod itself describes is a file system: use a claim for a raw device",
    );
  }
  const [namespace = "", name = "", uid = ""] = ["namespace", "name", "uid"].map((key) =>
    volumeContext[`csi.storage.k8s.io/pod.${key}`]
  );
  if (namespace === "" || name === "" || uid === "") {
    throw new PsoError(
      "invalid",
      "kubelet does not say which pod the volume is for: set podInfoOnMount in the CSIDriver",
    );
  }
  const { backend, size } = readAttributes(volumeContext);
  return {
    node,
    pod: { namespace, name, uid },
    ...present({ backend, size, fsType: access.fsType }),
  };
}

/** `conflict` for an object that asks for something else: its id is of one pod and one volume. */
function refuseOthers({ name, spec, finalizers }: EphemeralVolume, wanted: EphemeralSpec): void {
  const isSame = spec.node === wanted.node && spec.pod.uid === wanted.pod.uid;
  if (isSame && finalizers.includes(NODE_FINALIZER)) return;
  throw new PsoError(
    "conflict",
    `EphemeralVolume ${name} is of node ${spec.node} and pod ${spec.pod.namespace}/` +
      `${spec.pod.name}, and node ${wanted.node} asks for one of pod ${wanted.pod.namespace}/` +
      `${wanted.pod.name}: see who made it, and delete it`,
  );
}

/** What a leader may say by its code; anything else is trouble of the moment. */
const CODES: readonly ErrorCode[] = [
  "invalid",
  "unsupported",
  "out_of_range",
  "conflict",
  "in_use",
  "exhausted",
];

function refusalOf(status: EphemeralStatus): PsoError {
  const code = CODES.find((known) => known === status.code) ?? "unavailable";
  return new PsoError(code, `${status.message}`);
}

function endingError(volumeId: string): PsoError {
  return new PsoError(
    "unavailable",
    `EphemeralVolume ${volumeId} is being deleted; a new one is asked for when it is gone`,
  );
}

function lateError(volumeId: string, status: EphemeralStatus): PsoError {
  const why = status.message ?? "no controller has taken it up: see whether one leads";
  return new PsoError(
    "unavailable",
    `EphemeralVolume ${volumeId} is not ready after ${
      WAIT_MS / 1000
    } s: ${why}; kubelet will try ` +
      "again",
  );
}
