import type { Config } from "../../config/model.ts";
import { ConfigError, type Problem as ConfigProblem } from "../../config/problems.ts";
import { isPsoError, messageOf, PsoError, UsageError } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";
import { RELEASE_ANNOTATION } from "../../kube/obstacles.ts";
import { ApiKinds } from "./api_kinds.ts";
import { Backup, makeBackup, VALUES_FILE } from "./backup.ts";
import { at, nameOf, textAt } from "../check/kube_object.ts";
import { fullNameOf, numberAt, type TakeoverCluster } from "./cluster.ts";
import { databaseObjects } from "./database.ts";
import { findInstallation, type Installation } from "./installation.ts";
import { attachmentProblems, clusterProblems, inlinePods, volumesOf } from "./obstacles.ts";
import { type Mark, markOf } from "./old_controller.ts";
import type { Problem } from "./problem.ts";
import { replicasOf, type Step, stepsOf, type Takeover } from "./steps.ts";
import { kubePath } from "../../kube/names.ts";

/** What a take-over is asked for, and what it works with. */
export interface TakeoverRequest {
  cluster: TakeoverCluster;
  /** Absent: where PSO's controller is. */
  namespace?: string;
  /** The release for the new objects where Helm knows of none that has PSO. */
  newRelease: string;
  /**
   * The configuration that the new controller will have: of a file, or without one of the values
   * that PSO's release was given. Throws ConfigError; UsageError when there is neither.
   */
  loadConfig: (found: Installation) => Promise<Config>;
  /** What is wrong with the arrays and these PersistentVolumes: `volumeProblems`. */
  lookAtVolumes: (config: Config, volumes: readonly KubeObject[]) => Promise<Problem[]>;
  /** How long pods may take to end. */
  waitMs: number;
  /** Told of each thing that is done, as a line. */
  tell: (line: string) => void;
  /** Told of what is under way; an empty text at its end. */
  progress: (text: string) => void;
  now: () => number;
}

/** What a take-over would do, and what stands in its way. */
export interface TakeoverPlan {
  found: Installation;
  /** The release of Helm that will have the new objects. */
  release: string;
  /** While there is one, nothing is changed. */
  problems: Problem[];
  /** What a person should know. */
  notes: string[];
  steps: Step[];
  /** How many PersistentVolumes of the driver there are. */
  volumes: number;
  /** Set when a take-over was begun before. */
  mark?: Mark;
}

/** What the plan is made for. */
interface PlanScope {
  /** A take-over goes on that was begun before: the backup's folder. */
  isResumed: boolean;
}

/** Looks at everything that a take-over depends on. Changes nothing. */
export async function planTakeover(
  request: TakeoverRequest,
  { isResumed }: PlanScope,
): Promise<TakeoverPlan> {
  const { cluster, newRelease, waitMs } = request;
  const { found, problems } = await findInstallation(cluster, request.namespace);
  const isThere = found.controller ?? found.release ?? found.driver;
  if (found.namespace === "" || !isThere) throw new UsageError(nothingText(cluster));
  const kinds = new ApiKinds(cluster);
  const release = found.release?.name ?? newRelease;
  const takeover: Takeover = { cluster, found, kinds, release, waitMs };
  const volumes = await volumesOf(cluster);
  const { halfDone, abandoned } = await attachmentProblems(cluster, found);
  const notes = await notesOf(cluster, found);
  const mark = markOf(found.controller);
  // Without a controller nothing attaches until the upgrade: that an attachment waits then is what
  // the take-over did itself.
  const isStopped = found.controller === undefined || (isResumed && mark !== undefined);
  if (mark && !isResumed) notes.push(begunText(found, mark));
  if (isStopped) notes.push(...halfDone.map(({ object, what }) => `${object} ${what}`));
  const all = [
    ...problems,
    ...await clusterProblems(cluster, { found, kinds }),
    ...abandoned,
    ...isStopped ? [] : halfDone,
    ...await arrayProblems(request, { found, volumes }),
  ];
  const steps = await stepsOf(takeover);
  return { found, release, problems: all, notes, steps, volumes: volumes.length, mark };
}

function nothingText({ name }: TakeoverCluster): string {
  return `there is no PSO 5 or 6 in the cluster ${name}: neither a StatefulSet pure-provisioner or ` +
    "pso-csi-controller nor a CSIDriver pure-csi of a release. Name the cluster by --kubeconfig and " +
    "--context, and PSO's namespace by -n";
}

async function notesOf(
  cluster: TakeoverCluster,
  { kind, namespace, clusterId = "<clusterID>" }: Installation,
): Promise<string[]> {
  const database = await databaseObjects(cluster, namespace);
  // After the upgrade nothing but these tells of a PSO 6.
  if (kind?.major !== 6 && database.length === 0) return [];
  const pods = await inlinePods(cluster);
  const shown = pods.slice(0, 5).join(", ") +
    (pods.length > 5 ? ` and ${pods.length - 5} more` : "");
  return [
    "PSO's database stays, and nothing needs it. When all is well for some days, delete " +
    `${database.length === 0 ? "" : "it in the cluster, and then "}its volumes ` +
    `${clusterId}-pso-db_… on the arrays`,
    ...database.length > 0
      ? [`of PSO's database: kubectl -n ${namespace} delete ${database.join(" ")}`]
      : [],
    ...pods.length > 0
      ? [`${shown}: pods with an inline volume, which this driver does not make; replace them`]
      : [],
  ];
}

/** The PersistentVolumes that are looked for, as one installation has them. */
interface Volumes {
  found: Installation;
  volumes: readonly KubeObject[];
}

async function arrayProblems(
  { loadConfig, lookAtVolumes }: TakeoverRequest,
  { found, volumes }: Volumes,
): Promise<Problem[]> {
  if (isTakenOver(found)) return []; // there is nothing to do, and perhaps no values
  let config: Config;
  try {
    config = await loadConfig(found);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.flatMap(valuesProblem);
    throw error;
  }
  const { clusterId } = found;
  const problems: Problem[] = [];
  if (clusterId !== undefined && clusterId !== config.clusterId) {
    problems.push({
      object: "values: clusterID",
      what:
        `is ${config.clusterId}, and PSO's pods have ${clusterId}: no volume would be known as ` +
        "this cluster's",
      fix: `set clusterID: ${clusterId}`,
    });
  }
  return [...problems, ...await lookAtVolumes(config, volumes)];
}

function valuesProblem(problem: ConfigProblem): Problem[] {
  if (problem.severity !== "error") return [];
  const { path, found, wanted, fix } = problem;
  return [{
    object: `values: ${path}`,
    what: wanted === undefined ? found : `${found}, wanted ${wanted}`,
    fix: fix ?? "correct it, and give the file by -f",
  }];
}

/** Whether the upgrade was done already: the CSIDriver is ours and PSO's controller is gone. */
export function isTakenOver({ driver, controller }: Installation): boolean {
  return controller === undefined &&
    textAt(driver, "metadata", "annotations", RELEASE_ANNOTATION) !== "";
}

/**
 * Makes the backup and goes through the steps. UsageError when a take-over was begun before: it
 * must go on with the backup that shows how everything was.
 */
export async function takeOver(
  request: TakeoverRequest,
  { plan, folder }: { plan: TakeoverPlan; folder: string },
): Promise<void> {
  const { cluster, tell, now } = request;
  const { found, mark, release } = plan;
  if (mark) throw new UsageError(begunText(found, mark));
  const replicas = replicasOf(found);
  const kinds = new ApiKinds(cluster);
  const scope = { found, kinds, newRelease: release, replicas, now };
  const index = await makeBackup(cluster, { folder, ...scope });
  tell(
    `${index.objects.length} objects are saved in ${folder}, which holds tokens: keep it private`,
  );
  await runSteps(request, { plan, mark: { replicas, backup: folder } });
}

function begunText({ controller }: Installation, { backup }: Mark): string {
  return `a take-over of StatefulSet ${
    fullNameOf(controller)
  } was begun with the backup ${backup}: ` +
    `go on by --resume ${backup}, or go back by --restore ${backup}`;
}

/** Goes on with a take-over that was begun before. UsageError for a backup of something else. */
export async function resume(
  request: TakeoverRequest,
  { plan, folder }: { plan: TakeoverPlan; folder: string },
): Promise<void> {
  const { index } = await Backup.open(folder, request.cluster);
  if (index.namespace !== plan.found.namespace) {
    throw new UsageError(
      `${folder} is a backup of the namespace ${index.namespace}, and PSO is in ` +
        plan.found.namespace,
    );
  }
  const replicas = index.controller?.replicas ?? 0;
  await runSteps(request, { plan, mark: plan.mark ?? { replicas, backup: folder } });
}

async function runSteps(
  { cluster, tell, progress }: TakeoverRequest,
  { plan, mark }: { plan: TakeoverPlan; mark: Mark },
): Promise<void> {
  for (const [number, { what, run, isDone }] of plan.steps.entries()) {
    progress(what[0] ?? "");
    try {
      if (number > 0) await refuseRunning(cluster, plan.found);
      await run(mark);
    } catch (error) {
      if (!isPsoError(error)) throw error;
      throw new PsoError(
        error.code,
        // As planText() counts: the backup is the first one.
        `the take-over stopped in step ${number + 2}: ${messageOf(error)}. Go on by --resume ` +
          `${mark.backup}, or go back by --restore ${mark.backup}`,
        { cause: error },
      );
    } finally {
      progress("");
    }
    tell(`${isDone ? "was done" : "done"}: ${what.join("\n")}`);
  }
}

/** `busy` when somebody scaled PSO's controller up again: two controllers must never work. */
async function refuseRunning(
  cluster: TakeoverCluster,
  { controller, namespace }: Installation,
): Promise<void> {
  if (!controller) return;
  const path = kubePath`/apis/apps/v1/namespaces/${namespace}/statefulsets/${nameOf(controller)}`;
  const live = await cluster.find(path);
  if (!live || (at(live, "spec", "replicas") === 0 && numberAt(live, "status", "replicas") === 0)) {
    return;
  }
  throw new PsoError(
    "busy",
    `StatefulSet ${
      fullNameOf(controller)
    } has replicas again: somebody, or an operator, scales it ` +
      "up; end that",
  );
}

/** Arguments of `helm` for what comes after the steps. `file` is the values file that was named. */
export function helmCommand(
  { found, release }: Pick<TakeoverPlan, "found" | "release">,
  { file, folder }: { file?: string; folder: string },
): string[] {
  const verb = found.release ? "upgrade" : "install";
  const values = file ?? `${folder}/${VALUES_FILE}`;
  return ["-n", found.namespace, verb, release, "deploy/helm/pure-csi", "-f", values];
}
