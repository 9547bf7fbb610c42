import type { KubeObject, KubeReader } from "../../kube/client.ts";
import { isKubeStatus, KubeError } from "../../kube/client.ts";
import { messageOf } from "../../errors.ts";
import { leaseOf } from "../../kube/lease_object.ts";
import { RELEASE_ANNOTATION } from "../../kube/obstacles.ts";
import type { FoundList } from "./found.ts";
import { mapAt, nameOf, objectsAt, textAt, textsAt } from "./kube_object.ts";
import { kubePath } from "../../kube/names.ts";

/** The name by which Kubernetes knows this driver. */
export const DRIVER = "pure-csi";
/** Names that the chart gives. */
export const CHART = {
  namespace: "pso",
  controllerApp: "pure-provisioner",
  nodeApp: "pure-csi",
  lease: "pure-csi-leader",
  secret: "pure-provisioner-secret",
  configMap: "pure-csi-container-configmap",
} as const;

/** A cluster that is looked at. */
export interface Cluster {
  kube: KubeReader;
  /** Where the driver is installed. */
  namespace: string;
  /** What messages call it: the context's name. */
  name: string;
}

/**
 * Tells that the API server refuses a call, or that there was no answer at all: then the way to it is
 * wrong, whatever was asked.
 */
export function tellUnanswered(
  found: FoundList,
  { check, error }: { check: string; error: unknown },
): void {
  if (error instanceof KubeError) found.fail(check, messageOf(error));
  else {
    found.fail(
      "server",
      messageOf(error),
      "look at the server and the credentials of this context in the kubeconfig, and try kubectl with it",
    );
  }
}

/** Whether tellUnanswered() told of a server without an answer: nothing else is to be had from it. */
export function isUnanswered({ all }: FoundList): boolean {
  return all.some(({ check, level }) => check === "server" && level === "fail");
}

/** The object at `path`; undefined when there is none. Throws what KubeClient throws else. */
export async function ifThere(kube: KubeReader, path: string): Promise<KubeObject | undefined> {
  try {
    return await kube.get(path);
  } catch (error) {
    if (isKubeStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Where the driver is installed, as its CSIDriver says; undefined when it does not. */
export async function installedNamespace(kube: KubeReader): Promise<string | undefined> {
  const driver = await ifThere(kube, `/apis/storage.k8s.io/v1/csidrivers/${DRIVER}`);
  const release = mapAt(driver, "metadata", "annotations")[RELEASE_ANNOTATION];
  return release?.split("/")[0];
}

/** What the manifest of the controller says of the installation. */
export interface Installation {
  /** Where the arrays are. */
  secret: { name: string; key: string };
  configMap: { name: string; key: string };
  lease: { namespace: string; name: string };
}

/**
 * As the controller's Deployment says, by its flags or else by what it mounts; what it does not say
 * is as the chart has it by default.
 */
export function installationOf(
  deployment: KubeObject | undefined,
  { namespace }: Pick<Cluster, "namespace">,
): Installation {
  const pod = ["spec", "template", "spec"];
  const args = objectsAt(deployment, ...pod, "containers").flatMap((one) => textsAt(one, "args"));
  const flags = (name: string) =>
    args.filter((one) => one.startsWith(`--${name}=`)).map((one) => one.slice(name.length + 3));
  const volumes = objectsAt(deployment, ...pod, "volumes");
  const from = flags("kube-config-from").map(apiObjectOf);
  const secret = from.find(({ kind }) => kind === "secret") ??
    volumes.flatMap(secretsOf).find(({ path }) => path === "pure.json");
  const configMap = from.find(({ kind }) => kind === "configmap") ??
    volumes.map((volume) => ({ name: textAt(volume, "configMap", "name"), key: "" })).find((
      { name },
    ) => name !== "");
  const [leaseNamespace, lease] = flags("lease")[0]?.split("/") ?? [];
  return {
    secret: { name: secret?.name || CHART.secret, key: secret?.key || "pure.json" },
    configMap: {
      name: configMap?.name || CHART.configMap,
      key: configMap?.key || "appconfig.json",
    },
    lease: { namespace: leaseNamespace ?? namespace, name: lease ?? CHART.lease },
  };
}

/** `NAMESPACE/KIND/NAME[/KEY]`, as the controller takes it. */
function apiObjectOf(text: string): { kind: string; name: string; key: string } {
  const [, kind = "", name = "", key = ""] = text.split("/");
  return { kind: kind.toLowerCase(), name, key };
}

/** A key of a Secret, and the file that a volume makes of it. */
interface MountedKey {
  name: string;
  key: string;
  path: string;
}

function secretsOf(volume: KubeObject): MountedKey[] {
  const direct = textAt(volume, "secret", "secretName");
  const sources = [
    ...(direct === "" ? [] : [{ name: direct, source: volume.secret }]),
    ...objectsAt(volume, "projected", "sources").map(({ secret }) => ({
      name: textAt(secret, "name"),
      source: secret,
    })),
  ];
  return sources.flatMap(({ name, source }) => {
    const items = objectsAt(source, "items");
    return items.length === 0 ? [{ name, key: "pure.json", path: "pure.json" }] : items.map((
      item,
    ) => ({ name, key: textAt(item, "key"), path: textAt(item, "path") }));
  }).filter(({ name }) => name !== "");
}

/** The controller's Deployment; undefined when there is none. */
export function controllerDeployment(
  { kube, namespace }: Cluster,
): Promise<KubeObject | undefined> {
  return ifThere(
    kube,
    kubePath`/apis/apps/v1/namespaces/${namespace}/deployments/${CHART.controllerApp}`,
  );
}

/** Pods of the installation that have this label `app`. */
export async function podsOf({ kube, namespace }: Cluster, app: string): Promise<KubeObject[]> {
  const pods = await kube.list({ path: kubePath`/api/v1/namespaces/${namespace}/pods` });
  return pods.filter((pod) => mapAt(pod, "metadata", "labels").app === app);
}

/** One program in a pod. */
export interface PodContainer {
  name: string;
  image: string;
  ready: boolean;
  restarts: number;
  /** Why it does not run, as kubelet says. */
  waiting: string;
}

/** The containers of a pod with what kubelet says of them. */
export function containersOf(pod: KubeObject): PodContainer[] {
  const states = objectsAt(pod, "status", "containerStatuses");
  return objectsAt(pod, "spec", "containers").map((container) => {
    const name = textAt(container, "name");
    const state = states.find((one) => one.name === name);
    const { ready, restartCount } = state ?? {};
    return {
      name,
      image: textAt(container, "image"),
      ready: ready === true,
      restarts: typeof restartCount === "number" ? restartCount : 0,
      waiting: textAt(state, "state", "waiting", "reason"),
    };
  });
}

/** Whether the pod's condition Ready is true. */
export function isReady(pod: KubeObject): boolean {
  return objectsAt(pod, "status", "conditions").some(({ type, status }) =>
    type === "Ready" && status === "True"
  );
}

/** A pod and why it is not ready, for a finding. */
export function podTrouble(pod: KubeObject): string {
  const waiting = containersOf(pod).filter(({ ready }) => !ready).map(
    ({ name, waiting, restarts }) =>
      `${name} ${waiting === "" ? "is not ready" : `waits: ${waiting}`}${
        restarts > 0 ? `, started ${restarts + 1} times` : ""
      }`,
  );
  const phase = textAt(pod, "status", "phase") || "unknown";
  return `${nameOf(pod)} (${waiting.length > 0 ? waiting.join("; ") : `phase ${phase}`})`;
}

/** A pod that is asked, and how long it is waited for. */
interface AskedPod {
  pod: KubeObject;
  timeoutMs: number;
  /** With the query: `/readyz`. */
  page: string;
}

/**
 * The answer of a page of a pod of the driver, asked through the API server; `undefined` when the
 * pod has no port for it. Throws what KubeClient throws.
 */
export async function adminPageOf(
  { kube, namespace }: Cluster,
  { pod, timeoutMs, page }: AskedPod,
): Promise<KubeObject | undefined> {
  const port = objectsAt(pod, "spec", "containers").flatMap((one) => objectsAt(one, "ports"))
    .find(({ name }) => name === "admin")?.containerPort;
  if (typeof port !== "number") return undefined;
  const proxy = kubePath`/api/v1/namespaces/${namespace}/pods/${nameOf(pod)}:${port}/proxy`;
  return await kube.get(`${proxy}${page}`, { timeoutMs });
}

/** A leader renews every 2 seconds; its Lease ends after 15. */
const LEASE_OLD_MS = 30_000;

/** Which controller leads, or why none does and what to do. */
export type LeaderLook = { pod: string } | { why: string; fix: string };

/** Who leads by the Lease of the installation. Throws what KubeClient throws. */
export async function leaderOf(cluster: Cluster, now: () => number): Promise<LeaderLook> {
  const deployment = await controllerDeployment(cluster);
  const { lease } = installationOf(deployment, cluster);
  const path =
    kubePath`/apis/coordination.k8s.io/v1/namespaces/${lease.namespace}/leases/${lease.name}`;
  const object = await ifThere(cluster.kube, path);
  if (object === undefined) {
    return {
      why: `there is no Lease ${lease.namespace}/${lease.name}: no controller can lead`,
      fix: "upgrade the release, which makes it again",
    };
  }
  const { holder, renewedMs } = leaseOf(object);
  const ageMs = now() - renewedMs;
  const pod = holder.replace(/_[^_]*$/, "");
  if (holder === "") {
    return {
      why: "no controller leads: no volume is made or attached",
      fix: "look at the controller's pods",
    };
  }
  return ageMs > LEASE_OLD_MS
    ? {
      why: `${pod} led, and renewed its Lease last ${Math.round(ageMs / 1000)} s ago`,
      fix: "look at the controller's pods, and at the clocks",
    }
    : { pod };
}
