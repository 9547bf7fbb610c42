// The nodes of a cluster, as far as the driver is concerned.
import type { KubeObject } from "../../kube/client.ts";
import { topologyLabels } from "../../config/arrays/topology_labels.ts";
import { messageOf } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import { PROTOCOLS } from "../../protocols.ts";
import {
  adminPageOf,
  CHART,
  type Cluster,
  DRIVER,
  ifThere,
  isReady,
  podsOf,
  podTrouble,
} from "./cluster.ts";
import { counted, type FoundList } from "./found.ts";
import { Round } from "./round.ts";
import { at, mapAt, nameOf, namesText, objectsAt, textAt, textsAt } from "./kube_object.ts";
import { kubePath } from "../../kube/names.ts";

/** One node, for people and programs. */
export interface NodeFacts {
  name: string;
  /** Whether kubelet knows the driver there. */
  registered: boolean;
  /** The node plugin's pod; absent when there is none. */
  pod?: string;
  podReady: boolean;
  /** Why the pod is not ready; absent when it is. */
  trouble?: string;
  /** Protocols that the node can attach by; absent when its pod was not asked or did not answer. */
  usable?: string[];
  /** The others. */
  unusable?: string[];
  /** Why the pod's own checks are not known. */
  unknown?: string;
  /** Keys of its labels that count as topology; absent when it is not known which do. */
  topologyKeys?: string[];
  /** Topology keys of labels that the node has got since it was registered. */
  newKeys: string[];
  /** Most volumes at once; absent: no limit is known. */
  maxVolumes?: number;
}

/** What is read of the nodes. */
interface NodeScope {
  /** Labels that count as topology beside PSO's; absent: it is not known whether any does. */
  topologyKeys?: readonly string[];
  progress: (text: string) => void;
}

/** How long the pod of one node is waited for: one that is dead takes no longer. */
const NODE_MS = 5_000;
const AT_ONCE = 16;
/** So many that are dead are waited for, which takes 80 seconds. */
const SILENT_MAX = 256;

/**
 * Every node with what kubelet and the node plugin say of it. The pods are asked by way of the API
 * server, 16 at once and 5 seconds each; whoever does not answer is told. Throws what KubeClient
 * throws for the lists.
 */
export async function nodesOf(cluster: Cluster, scope: NodeScope): Promise<NodeFacts[]> {
  const { kube } = cluster;
  const nodes = await kube.list({ path: "/api/v1/nodes" });
  const registrations = await kube.list({ path: "/apis/storage.k8s.io/v1/csinodes" });
  const pods = await podsOf(cluster, CHART.nodeApp);
  const podByNode = new Map(pods.map((pod) => [textAt(pod, "spec", "nodeName"), pod]));
  const entryByNode = new Map(registrations.map((one) => [nameOf(one), entryIn(one)]));
  const round = new Round({ whom: "nodes", atOnce: AT_ONCE, silentMax: SILENT_MAX });
  let asked = 0;
  const facts = await Promise.all(nodes.map(async (node): Promise<NodeFacts> => {
    const name = nameOf(node);
    const pod = podByNode.get(name);
    const checks = pod && await round.ask(() => {
      scope.progress(`asking node ${++asked} of ${nodes.length}: ${name}`);
      return checksOf(cluster, pod);
    }).catch((error): Checks => ({ unknown: messageOf(error) }));
    const entry = entryByNode.get(name);
    return {
      name,
      registered: entry !== undefined,
      podReady: pod !== undefined && isReady(pod),
      ...(scope.topologyKeys && { topologyKeys: topologyOf(node, scope.topologyKeys) }),
      newKeys: entry ? newKeysOf(node, { entry, keys: scope.topologyKeys }) : [],
      ...maxVolumesOf(entry),
      ...(pod ? { pod: nameOf(pod) } : {}),
      ...(pod && !isReady(pod) ? { trouble: podTrouble(pod) } : {}),
      ...checks,
    };
  }));
  scope.progress("");
  return facts;
}

function entryIn(registration: KubeObject): KubeObject | undefined {
  return objectsAt(registration, "spec", "drivers").find((one) => one.name === DRIVER);
}

function maxVolumesOf(entry: KubeObject | undefined): Pick<NodeFacts, "maxVolumes"> {
  const count = at(entry, "allocatable", "count");
  return typeof count === "number" ? { maxVolumes: count } : {};
}

function newKeysOf(
  node: KubeObject,
  { entry, keys }: { entry: KubeObject; keys?: readonly string[] },
): string[] {
  const known = textsAt(entry, "topologyKeys");
  // Without the configuration, a node that was registered with keys shows that they are wanted.
  if (keys === undefined && known.length === 0) return [];
  return topologyOf(node, keys ?? []).filter((key) => !known.includes(key));
}

function topologyOf(node: KubeObject, keys: readonly string[]): string[] {
  return Object.keys(topologyLabels(mapAt(node, "metadata", "labels"), keys)).sort();
}

type Checks = Pick<NodeFacts, "usable" | "unusable" | "unknown">;

/**
 * What the node plugin itself says of its host, asked through the API server. Throws what KubeClient
 * throws.
 */
async function checksOf(cluster: Cluster, pod: KubeObject): Promise<Checks> {
  const answer = await adminPageOf(cluster, { pod, timeoutMs: NODE_MS, page: "/readyz" });
  return answer === undefined
    ? { unknown: "its pod has no port named admin" }
    : protocolsIn(answer);
}

/** The answer of /readyz: one check for each protocol. */
export function protocolsIn(answer: unknown): Checks {
  const protocols: readonly string[] = PROTOCOLS;
  const checks = objectsAt(answer, "checks").filter((check) =>
    protocols.includes(textAt(check, "name"))
  );
  if (checks.length === 0) return { unknown: "its pod tells no checks" };
  const named = (ok: boolean) =>
    checks.filter((check) => (check.ok === true) === ok).map((check) => textAt(check, "name"));
  return { usable: named(true), unusable: named(false) };
}

/**
 * Tells whether the DaemonSet of the node plugin has all of its pods, and why some were not made: a
 * namespace may refuse them. Throws what KubeClient throws.
 */
export async function tellNodePlugin(cluster: Cluster, found: FoundList): Promise<void> {
  const { kube, namespace } = cluster;
  const set = await ifThere(
    kube,
    kubePath`/apis/apps/v1/namespaces/${namespace}/daemonsets/${CHART.nodeApp}`,
  );
  if (set === undefined) {
    found.fail(
      "node plugin",
      `there is no DaemonSet ${namespace}/${CHART.nodeApp}: no node can attach a volume`,
      "install the chart, or name its namespace by -n",
    );
    return;
  }
  const count = (field: string) => Number(at(set, "status", field) ?? 0);
  const [wanted, ready] = [count("desiredNumberScheduled"), count("numberReady")];
  const text = `${ready} of ${counted(wanted, "pod")} ready`;
  if (ready >= wanted) {
    found.ok("node plugin", text);
    return;
  }
  const events = await kube.list({ path: kubePath`/api/v1/namespaces/${namespace}/events` });
  const refusal = events.find((event) =>
    event.reason === "FailedCreate" &&
    textAt(event, "involvedObject", "kind") === "DaemonSet" &&
    textAt(event, "involvedObject", "name") === CHART.nodeApp
  );
  const said = refusal === undefined ? "" : foreignText(textAt(refusal, "message"));
  if (/PodSecurity/.test(said)) {
    found.fail(
      "node plugin",
      `${text}; the namespace refuses them: ${said}`,
      `kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=privileged`,
    );
  } else if (said !== "") found.fail("node plugin", `${text}; they cannot be made: ${said}`);
  else found.warn("node plugin", text, `see kubectl -n ${namespace} describe pods`);
}

/** Tells what the nodes lack. */
export function tellNodes(nodes: readonly NodeFacts[], found: FoundList): void {
  if (nodes.length === 0) {
    found.warn("nodes", "the cluster has no nodes", "add some: pods and the driver run there");
    return;
  }
  const registered = nodes.filter((node) => node.registered);
  const missing = nodes.filter((node) => !node.registered);
  const text = `${registered.length} of ${counted(nodes.length, "node")} registered`;
  if (missing.length === 0) found.ok("nodes", text);
  else {
    const hasReadyPod = missing.some(({ podReady }) => podReady);
    const fix = hasReadyPod
      ? "the pod is ready and kubelet does not know it: see the log of its container " +
        "node-driver-registrar; kubelet may have another folder (orchestrator.basePath)"
      : "look at the node plugin's pod there; a taint may keep it away (nodeServer.tolerations)";
    const names = namesText(missing.map(({ name }) => name));
    if (registered.length === 0) found.fail("nodes", `${text}; not: ${names}`, fix);
    else found.warn("nodes", `${text}; not: ${names}`, fix);
  }
  for (const { name, trouble } of nodes) {
    if (trouble !== undefined) {
      found.warn("nodes", `${name}: ${trouble}`, "see kubectl logs of that pod");
    }
  }
  tellChecks(nodes, found);
}

function tellChecks(nodes: readonly NodeFacts[], found: FoundList): void {
  const asked = nodes.filter(({ pod }) => pod !== undefined);
  const silent = asked.filter(({ unknown }) => unknown !== undefined);
  const useless = asked.filter(({ usable }) => usable?.length === 0);
  for (const { name } of useless) {
    found.fail(
      "node checks",
      `${name} can attach by no protocol`,
      `see pso-bin node --check there: kubectl logs of its node-plugin pod names what is missing`,
    );
  }
  if (silent.length > 0) {
    found.warn(
      "node checks",
      `${counted(silent.length, "node")} not collected: ${
        silent.map(({ name, unknown }) => `${name} (${unknown})`).slice(0, 2).join("; ")
      }`,
      "it needs the right to get pods/proxy, and a way from the API server to the node's port; or " +
        "run pso-bin node --check there",
    );
  }
  const groups = Map.groupBy(
    asked.filter(({ usable }) => (usable?.length ?? 0) > 0),
    ({ usable = [] }) => usable.join(", "),
  );
  for (const [usable, members] of groups) {
    found.ok("node checks", `${namesText(members.map(({ name }) => name))}: ${usable} usable`);
  }
}
