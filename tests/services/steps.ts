/** What the scenarios beyond claims share: their arrays, their pods, and what the arrays hold. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { type ChartCluster, NAMESPACE } from "../kubernetes/chart_cluster.ts";
import { RESTRICTED } from "../kubernetes/examples.ts";
import { type KubeObject, WAIT_MS } from "../kubernetes/kubectl.ts";
import { clientOf } from "../kubernetes/steps.ts";

/** The volumes of a group snapshot are on one array, and the example names none: there is one. */
const LEFT_OUT = ["fa-2", "fa-3"];

/** Installs the chart over one FlashArray and one FlashBlade, or changes its release; waits. */
export async function install(cluster: ChartCluster): Promise<void> {
  await cluster.install(...LEFT_OUT);
  for (const one of ["deployment/pure-provisioner", "daemonset/pure-csi"]) {
    await cluster.kubectl("rollout", "status", "--namespace", NAMESPACE, one);
  }
}

/** A pod as the namespace of the examples wants it, with each of its claims at `/CLAIM`. */
export function examplePod(name: string, ...claims: string[]): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: RESTRICTED },
    spec: {
      terminationGracePeriodSeconds: 0,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        fsGroup: 1000,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [{
        name: "main",
        image: "busybox:1",
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        volumeMounts: claims.map((claim) => ({ name: claim, mountPath: `/${claim}` })),
      }],
      volumes: claims.map((claim) => ({
        name: claim,
        persistentVolumeClaim: { claimName: claim },
      })),
    },
  };
}

/** Whose volume or file system is looked for, and where. */
export interface Held {
  claim: string;
  namespace: string;
  array: "fa-1" | "fb-1";
}

/** What the array has for that claim, as its REST API tells it. */
// deno-lint-ignore no-explicit-any -- an item of the array's REST
export async function itemOf(cluster: ChartCluster, held: Held): Promise<any> {
  const { spec } = await cluster.get("pvc", held.claim, "--namespace", held.namespace);
  const client = await clientOf(cluster.fleet.array(held.array));
  const what = held.array === "fa-1" ? "volumes" : "file-systems";
  const { items } = await client.ok(`GET /${what}?destroyed=false`);
  client.close();
  const found = items.find(({ name }: { name: string }) => name.endsWith(spec.volumeName));
  assert.ok(found, `${held.array} has nothing for ${spec.volumeName}`);
  return found;
}

/** Waits until no node has any volume attached. */
export async function letGo(cluster: ChartCluster): Promise<void> {
  await until(
    "the last volume is detached",
    async () => (await cluster.get("volumeattachments")).items.length === 0,
    { timeoutMs: WAIT_MS },
  );
}

/** Waits until the cluster has so many PersistentVolumes, and no more. */
export async function persistentVolumesLeft(cluster: ChartCluster, count: number): Promise<void> {
  await until(
    `${count} PersistentVolumes are left`,
    async () => (await cluster.get("pv")).items.length === count,
    { timeoutMs: WAIT_MS },
  );
}

/** Waits for an Event that says that. */
export async function eventSays(cluster: ChartCluster, what: string): Promise<void> {
  await until(`an Event says ${what}`, async () => (await cluster.events()).includes(what), {
    timeoutMs: WAIT_MS,
    intervalMs: 500,
  });
}

/** A claim, and the VolumeAttributesClass that it is to have. */
export interface Attributed {
  claim: string;
  namespace: string;
  attributes: string;
}

/** Changes which VolumeAttributesClass the claim names. */
export async function giveAttributes(cluster: ChartCluster, given: Attributed): Promise<void> {
  const patch = JSON.stringify({ spec: { volumeAttributesClassName: given.attributes } });
  const where = ["--namespace", given.namespace];
  await cluster.kubectl(...where, "patch", "pvc", given.claim, "--patch", patch);
}

/** Waits until the volume of the claim is as that class says. */
export async function hasAttributes(cluster: ChartCluster, given: Attributed): Promise<void> {
  const wanted = `jsonpath={.status.currentVolumeAttributesClassName}=${given.attributes}`;
  await cluster.awaited(wanted, `pvc/${given.claim}`, "--namespace", given.namespace);
}
