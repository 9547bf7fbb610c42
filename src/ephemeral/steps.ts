import type { ChangeFence } from "../async/fence.ts";
import type { KeyedLock } from "../async/keyed_lock.ts";
import { topologyLabels } from "../config/arrays/topology_labels.ts";
import type { Provisioner } from "../controller/provisioner.ts";
import { isNeverFinal, isPsoError, PsoError } from "../errors.ts";
import { decodeNodeId } from "../handoff.ts";
import { isKubeStatus, isObject, type KubeObject } from "../kube/client.ts";
import { kubePath } from "../kube/names.ts";
import type { Logger } from "../log.ts";
import { volumeNameFor } from "../names.ts";
import { readChapSecret } from "./chap_secret.ts";
import { type Demand, demandOf } from "./demand.ts";
import { hostMarkOf } from "./host_mark.ts";
import type { LeaderSettings } from "./leader_settings.ts";
import { ARRAY_FINALIZER, type EphemeralVolume, NODE_FINALIZER, textsOf } from "./object.ts";
import type { EphemeralKube, EphemeralObjects } from "./objects.ts";
import { csiNameOf, ownHandleOf } from "./own_volume.ts";
import { EphemeralQuota } from "./quota.ts";
import { Remakes } from "./remakes.ts";
import { EphemeralWarnings } from "./warnings.ts";

/** The calls of the Controller service by which volumes are made and taken away. */
export type VolumeMaker = Pick<
  Provisioner,
  | "createVolume"
  | "publishVolume"
  | "unpublishVolume"
  | "deleteVolume"
  | "volumeIdsNamed"
  | "lockKey"
>;

/** What the steps of the leader stand on. */
export interface StepsSetup {
  kube: EphemeralKube;
  objects: EphemeralObjects;
  /** The driver's name, as CSINodes have it. */
  driver: string;
  maker: () => VolumeMaker;
  /** Those of the endpoint: no call of a sidecar runs beside a step for one volume. */
  locks: KeyedLock;
  settings: () => LeaderSettings;
  fence: Pick<ChangeFence, "isOpen">;
  /** All objects, by the watch. */
  volumes: () => readonly EphemeralVolume[];
  log: Logger;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** What an array carries out after its caller has gone is there so long after the try. */
const UNCLEAR_MS = 30_000;

/**
 * What the leader does for one EphemeralVolume, each time somebody changed it and now and then
 * beside that. It may be repeated at any moment, also by another leader: the object says what was
 * made. A volume is destroyed only when its node has let go of it, or when pod and node are gone and
 * no host is connected.
 */
export class EphemeralSteps {
  readonly #setup: StepsSetup;
  /** When a create was last tried whose outcome is not known, by the volume's name. */
  readonly #unclear = new Map<string, number>();
  /** One admission after another: each must see those before it. */
  #admission: Promise<unknown> = Promise.resolve();
  readonly #quota: EphemeralQuota;
  readonly #warnings: EphemeralWarnings;
  readonly #remakes = new Remakes(() => this.#nowMs());

  constructor(setup: StepsSetup) {
    this.#setup = setup;
    this.#warnings = new EphemeralWarnings({ ...setup, namespace: setup.objects.namespace });
    this.#quota = new EphemeralQuota({ ...setup, now: () => this.#nowMs() });
  }

  /** Throws what must be tried again soon; what a person must change is in the object's status. */
  async step(volume: EphemeralVolume, signal: AbortSignal): Promise<void> {
    if (volume.isDeleting) return await this.#takeAway(volume, signal);
    const pod = await this.#podOf(volume);
    const reason = this.#whyUnwanted(volume, pod);
    if (pod !== undefined && reason === undefined) return await this.#serve(volume, pod, signal);
    this.#mayChange();
    const { log, objects } = this.#setup;
    log.info("ephemeral volume is not wanted any more", { volume: volume.name, reason });
    await objects.remove(volume);
  }

  /** Why nobody wants the volume; undefined for one that its pod waits for or has. */
  #whyUnwanted(volume: EphemeralVolume, pod: KubeObject | undefined): string | undefined {
    const { finalizers, spec: { node } } = volume;
    if (pod === undefined) return "its pod is gone";
    if (!finalizers.includes(NODE_FINALIZER)) return "its node has let go of it";
    // An object of another node would keep the pod's own node from asking: both have one name.
    const home = isObject(pod.spec) ? pod.spec.nodeName : undefined;
    if (home !== node) return `its pod is on node ${home ?? "none"}, and node ${node} asks for it`;
    if (this.#quota.isTaken(volume) || !this.#quota.isFlooded(volume)) return undefined;
    return `node ${node} asks for more than it can have`;
  }

  async #serve(volume: EphemeralVolume, pod: KubeObject, signal: AbortSignal): Promise<void> {
    const nodeId = await this.#nodeIdOf(volume.spec.node);
    const { phase, nodeId: publishedTo } = volume.status;
    const isPublished = phase === "Ready" && publishedTo === hostMarkOf(nodeId);
    try {
      const isMade = this.#handleOf(volume) !== undefined;
      if (isMade && isPublished) return;
      const { ephemeral } = this.#setup.settings();
      // A limit is for what is not made yet: a lower one takes no volume from a pod that has it.
      const maxBytes = isMade ? Infinity : ephemeral.maxBytes;
      const demand = demandOf(pod, volume, { ...ephemeral, maxBytes });
      const admitted = await this.#admit(volume, demand);
      const made = await this.#made(admitted, demand, signal);
      await this.#publish(made, { demand, nodeId }, signal);
    } catch (error) {
      if (!isPsoError(error) || isKubeStatus(error, 409)) throw error;
      await this.#tell(volume, error);
      if (isNeverFinal(error)) throw error;
    }
  }

  /** Writes down why it waits; a status that says so already stays, without another Event. */
  async #tell({ name, uid }: EphemeralVolume, { code, message }: PsoError): Promise<void> {
    const now = await this.#setup.objects.get(name);
    const phase = NEVER_LATER.includes(code) ? "Refused" : "Pending";
    if (!now || now.uid !== uid || !this.#setup.fence.isOpen) return;
    const { status } = now;
    if (status.phase === phase && status.code === code && status.message === message) return;
    await this.#setup.objects.setStatus(now, { phase, code, message });
    this.#setup.log.warn("ephemeral volume is not served", { volume: name, code, reason: message });
    if (phase === "Refused") await this.#warnings.ofVolume(now, { reason: "Refused", message });
  }

  /**
   * The handle of the volume, as it is about to be used; undefined before it was made. `conflict`
   * when somebody wrote that of another volume.
   */
  #handleOf(volume: EphemeralVolume): string | undefined {
    const { settings, objects: { namespace } } = this.#setup;
    return ownHandleOf(volume, { clusterId: settings().clusterId, namespace });
  }

  /** Takes the volume up: from here on the arrays may have it. `exhausted` beyond the quota. */
  async #admit(volume: EphemeralVolume, demand: Demand): Promise<EphemeralVolume> {
    if (volume.finalizers.includes(ARRAY_FINALIZER)) return volume;
    this.#remakes.refuseTooSoon(volume);
    const turn = this.#admission.then(async () => {
      this.#quota.refuseBeyond(volume, demand);
      this.#mayChange();
      const finalizers = [...volume.finalizers, ARRAY_FINALIZER];
      const admitted = await this.#setup.objects.setFinalizers(volume, finalizers);
      this.#quota.taken(admitted);
      return admitted;
    });
    this.#admission = turn.catch(() => {});
    const admitted = await turn;
    if (demand.ignoredRules !== undefined) {
      await this.#warnings.ofPod(volume, {
        reason: "ExportRulesIgnored",
        message: "exportrules of the volume are ignored: a pod may not choose who may mount a " +
          "file system (ephemeral.allowExportRules is off)",
      });
    }
    return admitted;
  }

  /** The volume with its handle in the object. */
  async #made(
    volume: EphemeralVolume,
    { bytes, parameters, capability }: Demand,
    signal: AbortSignal,
  ): Promise<EphemeralVolume> {
    if (this.#handleOf(volume) !== undefined) return volume;
    const { maker, locks, objects } = this.#setup;
    const csiName = csiNameOf(volume);
    const topology = await this.#topologyOf(volume.spec.node);
    this.#unclear.set(volume.name, this.#nowMs());
    const answer = await locks.tryRun(
      [maker().lockKey({ volumeName: csiName })],
      "the making of an ephemeral volume",
      () =>
        maker().createVolume({
          name: csiName,
          capacityRange: { requiredBytes: bytes, limitBytes: 0 },
          capabilities: [capability],
          parameters: {
            ...parameters,
            "csi.storage.k8s.io/pv/name": volume.name,
            // Becomes a tag: no claim of another namespace may import the volume or a copy of it.
            "csi.storage.k8s.io/pvc/namespace": volume.spec.pod.namespace,
          },
          topology,
        }, signal),
    ).catch((error) => {
      // The call may have begun just now, after a wait in the array's queue.
      this.#unclear.set(volume.name, this.#nowMs());
      throw error;
    });
    this.#mayChange();
    const { volumeId: volumeHandle, volumeContext } = answer;
    return await objects.setStatus(volume, { phase: "Pending", volumeHandle, volumeContext });
  }

  async #publish(
    volume: EphemeralVolume,
    { demand: { capability }, nodeId }: { demand: Demand; nodeId: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { maker, locks, objects, log } = this.#setup;
    const { volumeContext = {} } = volume.status;
    const volumeId = this.#handleOf(volume) ?? "";
    const now = await objects.get(volume.name);
    if (!now || now.isDeleting || now.uid !== volume.uid) return;
    const { ephemeral: { chapSecret: name } } = this.#setup.settings();
    const chap = await readChapSecret(this.#setup.kube, { namespace: objects.namespace, name });
    const publishContext = await locks.tryRun(
      [maker().lockKey({ volumeId })],
      "the publish of an ephemeral volume",
      () =>
        maker().publishVolume(
          { volumeId, nodeId, capability, readOnly: false, volumeContext, chap },
          signal,
        ),
    );
    this.#mayChange();
    const ready = { code: null, message: null, nodeId: hostMarkOf(nodeId), publishContext };
    await objects.setStatus(now, { phase: "Ready", ...ready });
    log.info("ephemeral volume is ready", { volume: volumeId, node: volume.spec.node });
  }

  /** Destroys what was made, once nobody can use it. */
  async #takeAway(volume: EphemeralVolume, signal: AbortSignal): Promise<void> {
    // What was never taken up the node cannot have.
    const mayBeMade = this.#quota.isTaken(volume) || volume.status.volumeHandle !== undefined;
    const isNodes = volume.finalizers.includes(NODE_FINALIZER) && mayBeMade;
    if (isNodes && !await this.#isLeftBehind(volume)) return;
    if (mayBeMade) {
      try {
        await this.#destroy(volume, signal);
      } catch (error) {
        if (isPsoError(error) && !isKubeStatus(error, 409)) await this.#tell(volume, error);
        throw error;
      }
    }
    this.#mayChange();
    const others = volume.finalizers.filter((one) =>
      one !== ARRAY_FINALIZER && one !== NODE_FINALIZER
    );
    if (others.length === volume.finalizers.length) return;
    await this.#setup.objects.setFinalizers(volume, others);
    if (mayBeMade) this.#remakes.ended(volume.name);
    this.#unclear.delete(volume.name);
    this.#quota.ended(volume.name);
  }

  async #destroy(volume: EphemeralVolume, signal: AbortSignal): Promise<void> {
    const { maker, locks, settings, log } = this.#setup;
    const handle = this.#handleOf(volume);
    if (handle === undefined) this.#refuseUnclear(volume.name);
    // Without a handle the name tells whether anything was made: somebody may have taken it out.
    const name = volumeNameFor(settings().clusterId, csiNameOf(volume));
    const handles = handle === undefined ? await maker().volumeIdsNamed(name, signal) : [handle];
    for (const volumeId of handles) {
      await locks.tryRun(
        [maker().lockKey({ volumeId })],
        "the delete of an ephemeral volume",
        async () => {
          await maker().unpublishVolume({ volumeId, nodeId: "" }, signal);
          await maker().deleteVolume(volumeId, signal);
        },
      );
    }
    log.info("ephemeral volume is deleted", { volume: name, node: volume.spec.node });
  }

  /** `unavailable` while a create may still come to be: a look-up now would not show it. */
  #refuseUnclear(name: string): void {
    const tried = this.#unclear.get(name);
    if (tried === undefined || this.#nowMs() - tried >= UNCLEAR_MS) return;
    throw new PsoError(
      "unavailable",
      `EphemeralVolume ${name} is deleted when what an array may still carry out has ended; it ` +
        "will be tried again",
    );
  }

  /**
   * Whether the node will never let go of the volume: its Node is gone, and so is the pod. What runs
   * there all the same loses its connection before the volume is destroyed.
   */
  async #isLeftBehind(volume: EphemeralVolume): Promise<boolean> {
    if (await this.#podOf(volume) !== undefined) return false;
    try {
      await this.#setup.kube.get(kubePath`/api/v1/nodes/${volume.spec.node}`);
      return false;
    } catch (error) {
      if (!isKubeStatus(error, 404)) throw error;
    }
    this.#setup.log.warn("node of an ephemeral volume is gone, its volume is taken away", {
      volume: volume.name,
      node: volume.spec.node,
    });
    return true;
  }

  /** The pod as it is now; undefined when it is gone, also when another one has its name. */
  async #podOf({ spec: { pod } }: EphemeralVolume): Promise<KubeObject | undefined> {
    try {
      const path = kubePath`/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
      const found = await this.#setup.kube.get(path);
      return isObject(found.metadata) && found.metadata.uid === pod.uid ? found : undefined;
    } catch (error) {
      if (isKubeStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /**
   * The node_id by which kubelet has registered the driver; kubelet alone writes it. One that names
   * another node would lend that one its initiators and addresses.
   */
  async #nodeIdOf(node: string): Promise<string> {
    const { kube, driver } = this.#setup;
    const { spec } = await kube.get(kubePath`/apis/storage.k8s.io/v1/csinodes/${node}`);
    const drivers = isObject(spec) && Array.isArray(spec.drivers) ? spec.drivers : [];
    const nodeId = drivers.find((one) => isObject(one) && one.name === driver)?.nodeID;
    if (typeof nodeId === "string") {
      const name = decodeNodeId(nodeId)?.name;
      if (name === node) return nodeId;
      throw new PsoError(
        "unavailable",
        `node ${node} is registered with a node_id of ${
          name ?? "no node"
        }: restart its node plugin`,
      );
    }
    throw new PsoError(
      "unavailable",
      `node ${node} is not registered with the driver ${driver}: look at its node-plugin pod`,
    );
  }

  /** Where the node is: the volume must be reached from there. */
  async #topologyOf(node: string) {
    const { topology: { enable, nodeLabels } } = this.#setup.settings();
    if (!enable) return undefined;
    const { metadata } = await this.#setup.kube.get(kubePath`/api/v1/nodes/${node}`);
    const labels = isObject(metadata) && isObject(metadata.labels) ? textsOf(metadata.labels) : {};
    const place = topologyLabels(labels, nodeLabels);
    return { requisite: [place], preferred: [place] };
  }

  /** `unavailable` when this process does not lead: the API server knows no fence. */
  #mayChange(): void {
    if (this.#setup.fence.isOpen) return;
    throw new PsoError("unavailable", "this controller does not lead any more: the leader goes on");
  }

  #nowMs(): number {
    return (this.#setup.now ?? (() => performance.now()))();
  }
}

/** What waits for a person; all else may pass by itself. */
const NEVER_LATER: readonly string[] = [
  "invalid",
  "unsupported",
  "out_of_range",
  "conflict",
  "in_use",
  "ambiguous",
  "exhausted",
];
