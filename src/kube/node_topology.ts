import { pause } from "../async/wait.ts";
import { messageOf, PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ReadinessCheck } from "../readiness.ts";
import { TOPOLOGY_PREFIX, topologyLabels } from "../config/arrays/topology_labels.ts";
import { isKubeStatus, isObject, type KubeClient } from "./client.ts";
import { kubePath } from "./names.ts";

/** How often the labels are looked at after the node was registered. */
const LOOK_MS = 300_000;

/** What the topology of a node is read with. */
interface NodeTopologySetup {
  /** Asked for at each look; throws where there is no API. */
  kube: () => KubeClient;
  /** The name of the Node object. */
  node: string;
  /** Labels that count beside those of PSO's prefix. */
  keys: readonly string[];
  log: Logger;
  /** Default: pause() of wait.ts. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Where a node is, by the labels of its Node object. csi-provisioner takes the values from the Node
 * itself at each claim, so that a changed value needs nothing. It knows the keys by what kubelet was
 * told when the driver registered: a label that comes later counts only after a new registration.
 */
export class NodeTopology {
  readonly #setup: NodeTopologySetup;
  /** Keys that kubelet was told last; absent: it has not asked yet. */
  #registered: readonly string[] | undefined;
  #missing: readonly string[] = [];

  constructor(setup: NodeTopologySetup) {
    this.#setup = setup;
  }

  /**
   * The segments for NodeGetInfo, read anew. `unavailable` when the Node cannot be read: kubelet
   * then asks again, and the node is not registered as one without a place.
   */
  async segments(): Promise<Record<string, string>> {
    const segments = await this.#read();
    this.#registered = Object.keys(segments);
    this.#missing = [];
    const { node, log, keys } = this.#setup;
    if (this.#registered.length === 0) {
      log.warn("node has no topology label", {
        node,
        fix: "label it by topology.purestorage.com/… or by a key of storagetopology.nodeLabels, " +
          "then restart this node-plugin pod",
        keys,
      });
    }
    return segments;
  }

  /** Looks for labels that came after the registration, until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { wait = pause } = this.#setup;
    while (!signal.aborted) {
      // A tenth of spread, so that a thousand nodes do not ask in one moment.
      await wait(LOOK_MS * (0.9 + Math.random() * 0.2), signal).catch(() => {});
      if (!signal.aborted) await this.#look();
    }
  }

  /** Labels that the node has and kubelet was not told of. */
  get missingKeys(): readonly string[] {
    return this.#missing;
  }

  /** For /readyz: shown, and never decisive, because pods run as before. */
  readiness(): ReadinessCheck[] {
    const isBare = this.#registered?.length === 0 && this.#missing.length === 0;
    const reason = this.#missing.length > 0
      ? staleText(this.#missing)
      : isBare
      ? bareText(this.#setup.node)
      : undefined;
    const name = "topology";
    return reason === undefined
      ? [{ name, ok: true, state: "ok" }]
      : [{ name, ok: false, state: "failed", optional: true, reason }];
  }

  async #look(): Promise<void> {
    const { log, node } = this.#setup;
    const registered = this.#registered;
    if (registered === undefined) return;
    try {
      const missing = Object.keys(await this.#read()).filter((key) => !registered.includes(key));
      if (registered !== this.#registered) return; // kubelet was told meanwhile
      if (missing.length > 0 && missing.join() !== this.#missing.join()) {
        log.warn("node has topology labels that it is not registered with", {
          node,
          labels: missing.join(", "),
          fix: "restart this node-plugin pod",
        });
      }
      this.#missing = missing;
    } catch (error) {
      log.debug("labels of the node not looked at", { node, reason: messageOf(error) });
    }
  }

  async #read(): Promise<Record<string, string>> {
    const { kube, node, keys } = this.#setup;
    try {
      const { metadata } = await kube().get(kubePath`/api/v1/nodes/${node}`);
      const labels = isObject(metadata) && isObject(metadata.labels) ? metadata.labels : {};
      const texts = Object.entries(labels).filter((label): label is [string, string] =>
        typeof label[1] === "string"
      );
      return topologyLabels(Object.fromEntries(texts), keys);
    } catch (error) {
      const advice = isKubeStatus(error, 404)
        ? "set NODE_NAME from the field spec.nodeName of the pod"
        : isKubeStatus(error, 403)
        ? "give the service account of the node pods the right `get` of `nodes`"
        : "storagetopology.enable needs the Kubernetes API on every node";
      throw new PsoError(
        "unavailable",
        `the labels of node ${node} cannot be read: ${messageOf(error)}; ${advice}`,
        { cause: error },
      );
    }
  }
}

/** What a person is told of a node that says no place. */
function bareText(node: string): string {
  return "the node has no label that counts as topology, so that no new volume is reached from it, and " +
    "none is made while all nodes lack one: kubectl label node " +
    `${node} ${TOPOLOGY_PREFIX}zone=ZONE, then restart this node-plugin pod`;
}

/** What a person is told of labels that came after the registration. */
function staleText(keys: readonly string[]): string {
  return `the node is registered without the topology labels ${keys.join(", ")}, which came ` +
    "later: restart this node-plugin pod";
}
