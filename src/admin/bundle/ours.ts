// What in a namespace belongs to the driver: by labels and names that are known, and nothing else.
import type { KubeObject } from "../../kube/client.ts";
import { UPSTREAM_LEASES } from "../../kube/obstacles.ts";
import { CHART, DRIVER } from "../check/cluster.ts";
import { mapAt, nameOf, objectsAt, textAt } from "../check/kube_object.ts";

/** The chart labels each of its objects and pods so. */
const PART_OF = { key: "app.kubernetes.io/part-of", value: "pure-service-orchestrator" } as const;

/** Workloads of this chart, of PSO 5 and of PSO 6; those of its database have a number. */
const WORKLOAD = new RegExp(
  `^(?:${CHART.controllerApp}|${CHART.nodeApp}|pso-node-config|pso-csi-controller|pso-csi-node|` +
    "pso-db-deployer|pso-db-cockroach-operator|pso-db-[0-9]{1,4})$",
);
/** Letters of the parts of names that Kubernetes makes up. */
const LETTERS = "[bcdfghjklmnpqrstvwxz2456789]";
/** What Kubernetes puts behind the name of a Deployment for its ReplicaSets. */
const HASH = new RegExp(`-${LETTERS}{8,10}$`);
/** And behind the name of a workload for its pods. */
const POD = new RegExp(`(?:-${LETTERS}{8,10})?-(?:${LETTERS}{5}|[0-9]{1,4})$`);

const LEASES: readonly string[] = [CHART.lease, ...UPSTREAM_LEASES];

/** Whether a Deployment, DaemonSet or StatefulSet is one of the driver, or of a PSO. */
export function isOurWorkload(object: KubeObject): boolean {
  return isLabelled(object) || WORKLOAD.test(nameOf(object));
}

/**
 * Whether a pod is one of the driver, or of a PSO: by its labels, or by the workload whose pod it is,
 * one of `workloads` too.
 */
export function isOurPod(pod: KubeObject, workloads: ReadonlySet<string>): boolean {
  return isLabelled(pod) || WORKLOAD.test(mapAt(pod, "metadata", "labels").app ?? "") ||
    objectsAt(pod, "metadata", "ownerReferences").some((owner) => {
      const name = textAt(owner, "name");
      const workload = owner.kind === "ReplicaSet" ? name.replace(HASH, "") : name;
      return WORKLOAD.test(workload) || workloads.has(workload);
    });
}

/** Whether a Lease is the driver's, or one by which the sidecars of a PSO choose. */
export function isOurLease(lease: KubeObject): boolean {
  return isLabelled(lease) || LEASES.includes(nameOf(lease));
}

/** Whether an Event was written by the driver, or is about one of the objects of these names. */
export function isOurEvent(event: KubeObject, names: ReadonlySet<string>): boolean {
  const writer = textAt(event, "source", "component") || textAt(event, "reportingComponent");
  if (writer === DRIVER || writer.startsWith(`${DRIVER}_`)) return true;
  const about = textAt(event, "involvedObject", "name");
  if (names.has(about) || LEASES.includes(about)) return true;
  // Of a pod or a ReplicaSet that is gone.
  return [about, about.replace(HASH, ""), about.replace(POD, "")].some((one) => WORKLOAD.test(one));
}

function isLabelled(object: KubeObject): boolean {
  return mapAt(object, "metadata", "labels")[PART_OF.key] === PART_OF.value;
}
