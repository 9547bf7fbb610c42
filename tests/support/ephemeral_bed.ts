// A cluster with one node and a pod that describes a volume itself, its leader over an array in
// memory, and the API server between both.
import type { EphemeralSettings } from "../../src/config/model.ts";
import { KeyedLock } from "../../src/async/keyed_lock.ts";
import { type EphemeralStatus, inlineIdOf, readEphemeral } from "../../src/ephemeral/object.ts";
import { EphemeralObjects } from "../../src/ephemeral/objects.ts";
import { EphemeralSteps, type VolumeMaker } from "../../src/ephemeral/steps.ts";
import { PsoError } from "../../src/errors.ts";
import { encodeAttachment, encodeNodeId } from "../../src/handoff.ts";
import { KubeClient, type KubeObject } from "../../src/kube/client.ts";
import { silentLogger } from "../../src/log.ts";
import { GiB } from "../../src/size.ts";
import { FakeKubeApi } from "./fake_kube_api.ts";

export const NAMESPACE = "pso";
export const POD = {
  namespace: "shop",
  name: "web-0",
  uid: "11111111-2222-3333-4444-555555555555",
};
export const NODE = "node-1";
/** The id that kubelet gives to the pod's volume `scratch`. */
export const ID = inlineIdOf(POD.uid, "scratch");
const DRIVER = "pure-csi";
/** What the array connects volumes by. */
export const ATTACHMENT = {
  protocol: "nfs" as const,
  address: "192.0.2.9",
  path: "/k8s-pvc-1",
};

/** An array in memory: volumes by handle, and the node_ids that each is connected to. */
export class FakeMaker implements VolumeMaker {
  readonly volumes = new Map<string, Set<string>>();
  readonly calls: string[] = [];
  /** What each call ends with, as long as it is set; a create is carried out all the same. */
  fault?: PsoError;

  lockKey(of: object): string {
    return JSON.stringify(of);
  }

  createVolume({ name, parameters, capacityRange }: Parameters<VolumeMaker["createVolume"]>[0]) {
    this.calls.push(`create ${name}`);
    const volumeId = `0badcafe/k8s-${name}`;
    this.parameters = parameters;
    if (!this.volumes.has(volumeId)) this.volumes.set(volumeId, new Set());
    const answer = {
      volumeId,
      capacityBytes: capacityRange?.requiredBytes ?? 0,
      volumeContext: { backend: "file" },
      accessibleTopology: [],
    };
    return this.fault ? Promise.reject(this.fault) : Promise.resolve(answer);
  }

  /** Of the last create. */
  parameters: Record<string, string> = {};

  /** Of the last publish. */
  chapUser?: string;

  /** The node_id of each publish. */
  readonly publishedTo: string[] = [];

  publishVolume({ volumeId, nodeId, chap }: Parameters<VolumeMaker["publishVolume"]>[0]) {
    this.calls.push("publish");
    this.publishedTo.push(nodeId);
    this.chapUser = chap?.host.user;
    this.volumes.get(volumeId)?.add(nodeId);
    const context = encodeAttachment(ATTACHMENT);
    return this.fault ? Promise.reject(this.fault) : Promise.resolve(context);
  }

  unpublishVolume({ volumeId }: { volumeId: string }): Promise<void> {
    this.calls.push("unpublish");
    this.volumes.get(volumeId)?.clear();
    return this.fault ? Promise.reject(this.fault) : Promise.resolve();
  }

  deleteVolume(volumeId: string): Promise<void> {
    this.calls.push("delete");
    if (this.fault) return Promise.reject(this.fault);
    if ((this.volumes.get(volumeId)?.size ?? 0) > 0) {
      return Promise.reject(new PsoError("in_use", "a host is connected"));
    }
    this.volumes.delete(volumeId);
    return Promise.resolve();
  }

  volumeIdsNamed(name: string): Promise<string[]> {
    if (this.fault) return Promise.reject(this.fault);
    return Promise.resolve([...this.volumes.keys()].filter((one) => one.endsWith(`/${name}`)));
  }
}

/** One cluster. */
export class EphemeralBed {
  readonly api = new FakeKubeApi();
  readonly maker = new FakeMaker();
  readonly objects: EphemeralObjects;
  readonly fence = { isOpen: true, isSettled: true };
  settings: EphemeralSettings = {
    enable: true,
    maxBytes: 100 * GiB,
    namespaceBytes: 1_000 * GiB,
    namespaceVolumes: 1_000,
    allowExportRules: false,
    chapSecret: "",
  };
  maxVolumesPerNode = 256;
  nowMs = 0;
  steps: EphemeralSteps;
  readonly kube: KubeClient;

  constructor() {
    this.kube = new KubeClient(this.api.server());
    this.objects = new EphemeralObjects(() => this.kube, NAMESPACE);
    this.pod();
    this.api.put({ collection: "nodes", name: NODE });
    this.register(NODE);
    this.steps = this.restart();
  }

  /** A leader as after a restart, or another one. */
  restart(): EphemeralSteps {
    this.steps = new EphemeralSteps({ ...this.parts(), volumes: () => this.all() });
    return this.steps;
  }

  /** What a leader is made of. */
  parts() {
    return {
      kube: this.kube,
      objects: this.objects,
      driver: DRIVER,
      maker: () => this.maker,
      locks: new KeyedLock(),
      settings: () => ({
        ephemeral: this.settings,
        clusterId: "k8s",
        maxVolumesPerNode: this.maxVolumesPerNode,
        topology: { enable: false, nodeLabels: [] },
      }),
      fence: this.fence,
      log: silentLogger,
      now: () => this.nowMs,
    };
  }

  /** The pod with its volume `scratch`; `csi` is what it says of it beside the driver. */
  pod(
    csi: KubeObject = { volumeAttributes: { size: "1Gi", backend: "file" } },
    pod = POD,
    metadata: KubeObject = {},
  ): void {
    const { uid, ...key } = pod;
    const volumes = [{ name: "scratch", csi: { driver: DRIVER, ...csi } }];
    const spec = { nodeName: NODE, volumes };
    this.api.store.put({ collection: "pods", ...key }, { metadata, spec }, uid);
  }

  endPod({ uid: _uid, ...key } = POD): void {
    this.api.remove({ collection: "pods", ...key });
  }

  endNode(): void {
    this.api.remove({ collection: "nodes", name: NODE });
  }

  /** kubelet registers the driver with this name and address in its node_id. */
  register(name: string, address = "192.0.2.1"): void {
    const node = { name, protocols: ["nfs" as const], wwpns: [], addresses: [address] };
    const drivers = [{ name: DRIVER, nodeID: encodeNodeId(node) }];
    this.api.put({ collection: "csinodes", name: NODE }, { spec: { drivers } });
  }

  /** What the node asks for, as it does. */
  async ask(changes: KubeObject = {}, { name = ID, pod = POD } = {}): Promise<void> {
    const spec = { node: NODE, pod, size: "1Gi", backend: "file", ...changes };
    await this.objects.create(name, spec);
  }

  all() {
    return this.api.store.select({ collection: "ephemeralvolumes" }).flatMap((one) =>
      readEphemeral(one) ?? []
    );
  }

  /** Somebody other than the leader writes a status. */
  async forge(status: EphemeralStatus): Promise<void> {
    const found = await this.objects.get(ID);
    if (found) await this.objects.setStatus(found, status);
  }

  /** One step of the leader for an object as it is now; nothing when it is gone. */
  async step(name = ID): Promise<void> {
    const volume = await this.objects.get(name);
    if (volume) await this.steps.step(volume, AbortSignal.timeout(10_000));
  }

  /** Phase, code and message of an object. */
  async said(name = ID): Promise<string> {
    const { phase = "", code = "", message = "" } = (await this.objects.get(name))?.status ?? {};
    return `${phase} ${code} ${message}`.trim();
  }
}
