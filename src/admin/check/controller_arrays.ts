// What the controllers themselves say of their arrays, where no other look can know it.
import type { KubeObject } from "../../kube/client.ts";
import { foreignText } from "../../foreign_text.ts";
import type { ReadyState } from "../../readiness.ts";
import { adminPageOf, type Cluster } from "./cluster.ts";
import type { FoundList } from "./found.ts";
import { namesText, objectsAt, textAt } from "./kube_object.ts";

/** Controllers of one installation: a leader, standbys, and those that are exchanged. */
const PODS_MAX = 8;
/** How long one of them is waited for. */
const POD_MS = 5_000;

/** States that a controller alone knows, and what is said of the arrays in them. */
const TOLD: { state: ReadyState; text: (names: string) => string; fix: string }[] = [
  {
    state: "draining",
    text: (names) =>
      `${names} is out of the configuration, and is served until its last volume is gone`,
    fix: "move its volumes away before a controller restarts, or put its entry in again",
  },
  {
    state: "kept",
    text: (names) => `the changed entry of ${names} is not in use, and the last good one stays`,
    fix: "see the Event ArrayEntryRefused at the controller's pod, and mend the entry",
  },
];

/** The controllers' pods, and whom to tell. */
interface ControllerLook {
  pods: readonly KubeObject[];
  found: FoundList;
}

/**
 * Tells which arrays were taken out of the configuration and still hold something, and of which a
 * changed entry is of no use. A controller that does not answer tells nothing. Never throws.
 */
export async function tellControllerArrays(
  cluster: Cluster,
  { pods, found }: ControllerLook,
): Promise<void> {
  const answers = await Promise.all(
    pods.slice(0, PODS_MAX).map((pod) =>
      adminPageOf(cluster, { pod, timeoutMs: POD_MS, page: "/readyz" }).catch(() => undefined)
    ),
  );
  const checks = answers.flatMap((answer) => objectsAt(answer, "checks"));
  for (const { state, text, fix } of TOLD) {
    const names = new Set(
      checks.filter((check) => textAt(check, "state") === state)
        .map((check) => foreignText(textAt(check, "name"))),
    );
    if (names.size > 0) found.warn("controller", text(namesText([...names])), fix);
  }
}
