import type { KubeObject } from "../../kube/client.ts";
import { RELEASE_ANNOTATION } from "../../kube/obstacles.ts";
import type { ApiKinds } from "./api_kinds.ts";
import { at, nameOf, objectsAt, textAt } from "../check/kube_object.ts";
import { fullNameOf, numberAt, type TakeoverCluster } from "./cluster.ts";
import { DRIVER, type Installation, PATHS } from "./installation.ts";
import { mendManifest } from "./manifest.ts";
import type { Problem } from "./problem.ts";
import { recordsToMend } from "./release_record.ts";

/** Deployments of operators, by name, and what each does while a cluster is taken over. */
const OPERATORS: Readonly<Record<string, string>> = {
  "pso-operator": "is PSO's operator, and puts back what is changed",
  "pso-csi-operator": "is the operator of this driver, and would install beside Helm",
};

/** The PersistentVolumes of the driver, whatever their state is. */
export async function volumesOf(cluster: TakeoverCluster): Promise<KubeObject[]> {
  const volumes = await cluster.list({ path: "/api/v1/persistentvolumes" });
  return volumes.filter((volume) => textAt(volume, "spec", "csi", "driver") === DRIVER);
}

/** The VolumeAttachments of the driver. */
export async function attachmentsOf(cluster: TakeoverCluster): Promise<KubeObject[]> {
  const attachments = await cluster.list({ path: "/apis/storage.k8s.io/v1/volumeattachments" });
  return attachments.filter((one) => textAt(one, "spec", "attacher") === DRIVER);
}

/** What in the cluster itself stands in the way, whatever the arrays say. */
export async function clusterProblems(
  cluster: TakeoverCluster,
  { found, kinds }: { found: Installation; kinds: ApiKinds },
): Promise<Problem[]> {
  const operators = await Promise.all(
    Object.entries(OPERATORS).map(async ([name, what]) => {
      const found = await cluster.list({
        path: PATHS.deployments,
        fields: { "metadata.name": name },
      });
      return found.flatMap((operator) => operatorProblem(operator, what));
    }),
  );
  return [
    ...driverProblems(found),
    ...operators.flat(),
    ...await recordProblems(found, kinds),
  ];
}

function driverProblems({ driver, namespace }: Installation): Problem[] {
  const release = textAt(driver, "metadata", "annotations", RELEASE_ANNOTATION);
  if (release === "" || release.startsWith(`${namespace}/`)) return [];
  return [{
    object: `CSIDriver ${DRIVER}`,
    what: `belongs to the installation ${release} of this driver`,
    fix: "uninstall that one first: only one installation can serve a cluster",
  }];
}

/** What is wrong with the attachments of a cluster. */
export interface AttachmentProblems {
  /** Begun by the old controller, and not ended. */
  halfDone: Problem[];
  /**
   * Left by this driver when it gave the cluster back to PSO 5. Kubernetes wants them gone, and PSO 5
   * has no attacher that would end them. Ours would, and cut off the node, where a pod that PSO has
   * started since may use the volume.
   */
  abandoned: Problem[];
}

/** The attachments that are not whole; with the CSIDriver of PSO 5, those that nobody ends apart. */
export async function attachmentProblems(
  cluster: TakeoverCluster,
  { driver }: Installation,
): Promise<AttachmentProblems> {
  const isWithoutAttacher = at(driver, "spec", "attachRequired") === false;
  const isAbandoned = (one: KubeObject) => isWithoutAttacher && isBeingDeleted(one);
  const attachments = await attachmentsOf(cluster);
  return {
    halfDone: attachments.filter((one) => !isAbandoned(one)).flatMap(attachmentProblem),
    abandoned: attachments.filter(isAbandoned).map((one) => ({
      ...namedAttachment(one, "is being detached, and nobody ends that while PSO 5 is there"),
      fix: "take it away, which changes nothing on the array: kubectl patch volumeattachment " +
        `${nameOf(one)} --type=merge -p '{"metadata":{"finalizers":null}}'`,
    })),
  };
}

function isBeingDeleted(attachment: KubeObject): boolean {
  return textAt(attachment, "metadata", "deletionTimestamp") !== "";
}

/** Why an attachment is half done; undefined for a whole one. */
function halfDone(attachment: KubeObject): string | undefined {
  for (const field of ["attachError", "detachError"]) {
    const error = at(attachment, "status", field);
    if (error !== undefined) return `failed (${field}: ${textAt(error, "message") || "no reason"})`;
  }
  if (isBeingDeleted(attachment)) return "is being detached";
  return at(attachment, "status", "attached") === true ? undefined : "is not attached yet";
}

function attachmentProblem(attachment: KubeObject): Problem[] {
  const why = halfDone(attachment);
  if (why === undefined) return [];
  return [{
    ...namedAttachment(attachment, why),
    fix:
      "wait until it is attached or gone, or end the pod that wants it (`kubectl get volumeattachment`)",
  }];
}

function namedAttachment(attachment: KubeObject, why: string): Omit<Problem, "fix"> {
  const volume = textAt(attachment, "spec", "source", "persistentVolumeName");
  const node = textAt(attachment, "spec", "nodeName");
  return {
    object: `VolumeAttachment ${nameOf(attachment)}`,
    what: `of PersistentVolume ${volume} on node ${node} ${why}`,
  };
}

function operatorProblem(operator: KubeObject, what: string): Problem[] {
  if (at(operator, "spec", "replicas") === 0 && numberAt(operator, "status", "replicas") === 0) {
    return [];
  }
  const namespace = textAt(operator, "metadata", "namespace");
  return [{
    object: `Deployment ${fullNameOf(operator)}`,
    what,
    fix: `end it first: kubectl -n ${namespace} scale deployment ${nameOf(operator)} --replicas=0`,
  }];
}

async function recordProblems(
  { release, namespace }: Installation,
  kinds: ApiKinds,
): Promise<Problem[]> {
  const newest = release?.records[0];
  if (!release || !newest) return [];
  const problems: Problem[] = [];
  if (newest.status.startsWith("pending-") || newest.status === "uninstalling") {
    problems.push({
      object: `release ${release.name}`,
      what:
        `is ${newest.status} in revision ${newest.revision}: Helm works on it, or was interrupted`,
      fix: "if no Helm runs any more, delete that record: " +
        `kubectl -n ${namespace} delete secret ${nameOf(newest.secret)}`,
    });
  }
  for (const record of recordsToMend(release)) {
    const { unknown } = await mendManifest(record.manifest, { namespace, kinds });
    for (const what of unknown) {
      problems.push({
        object: `release ${release.name} revision ${record.revision}`,
        what: `holds ${what}: the cluster does not serve it, and Helm will refuse the upgrade`,
        fix: "take it out by the plugin `helm mapkubeapis`",
      });
    }
  }
  return problems;
}

/** Pods with a volume of PSO 6 that has no PersistentVolume. */
export async function inlinePods(cluster: TakeoverCluster): Promise<string[]> {
  const pods = await cluster.list({ path: "/api/v1/pods" });
  const isInline = (pod: KubeObject) =>
    objectsAt(pod, "spec", "volumes").some((volume) => textAt(volume, "csi", "driver") === DRIVER);
  return pods.filter(isInline).map(fullNameOf);
}
