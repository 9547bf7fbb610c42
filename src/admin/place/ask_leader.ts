// The leader as the one who knows most of the arrays.
import type { PlacementQuestion } from "../../controller/placement/placement_view.ts";
import { messageOf } from "../../errors.ts";
import { isKubeStatus } from "../../kube/client.ts";
import { kubePath } from "../../kube/names.ts";
import { adminPageOf, type Cluster, leaderOf } from "../check/cluster.ts";
import { type LeaderView, queryOf, readLeaderView } from "./leader_view.ts";

/** How long the leader is waited for. */
const LEADER_MS = 10_000;

/** Why the leader could not be asked, and what to do. */
export interface NotAsked {
  why: string;
  fix: string;
}

/** What the leader sees. */
export interface LeaderSight {
  /** Its pod. */
  leader: string;
  view: LeaderView;
}

/** Asks the leader of the installation what it knows, through the API server. Never throws. */
export async function askLeader(
  cluster: Cluster,
  question: PlacementQuestion,
  now: () => number,
): Promise<LeaderSight | NotAsked> {
  try {
    const leader = await leaderOf(cluster, now);
    if (!("pod" in leader)) return leader;
    return await askPod(cluster, { name: leader.pod, question });
  } catch (error) {
    return { why: messageOf(error), fix: "see pso-bin admin check" };
  }
}

async function askPod(
  cluster: Cluster,
  { name, question }: { name: string; question: PlacementQuestion },
): Promise<LeaderSight | NotAsked> {
  const path = kubePath`/api/v1/namespaces/${cluster.namespace}/pods/${name}`;
  try {
    const pod = await cluster.kube.get(path);
    const page = `/placement?${queryOf(question)}`;
    const answer = await adminPageOf(cluster, { pod, timeoutMs: LEADER_MS, page });
    return answer === undefined
      ? { why: `its pod ${name} has no port named admin`, fix: "upgrade the release" }
      : { leader: name, view: readLeaderView(answer, question.container) };
  } catch (error) {
    return notAsked(name, error);
  }
}

function notAsked(name: string, error: unknown): NotAsked {
  if (isKubeStatus(error, 403)) {
    return {
      why: "the cluster lets you not reach its pod",
      fix: "get the rights to get pods and pods/proxy in the namespace of the driver",
    };
  }
  if (isKubeStatus(error, 404)) {
    return {
      why: `its pod ${name} is gone, or its program is too old for the question`,
      fix: "ask again in a minute; if that does not help, upgrade the release",
    };
  }
  if (isKubeStatus(error, 503)) {
    return {
      why: `its pod ${name} does not lead just now, or cannot be reached by the API server`,
      fix: "ask again in a minute; if that does not help, see pso-bin admin check",
    };
  }
  return { why: messageOf(error), fix: "see pso-bin admin check" };
}
