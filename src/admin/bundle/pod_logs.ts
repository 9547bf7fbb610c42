// The logs of pods for a support bundle: bounded each and together, and none under a name that leads
// out of the bundle.
import { foreignText } from "../../foreign_text.ts";
import type { KubeObject } from "../../kube/client.ts";
import { isDnsLabel, isDnsName, kubePath } from "../../kube/names.ts";
import { type BundleFile, notRead } from "./bundle_file.ts";
import { type Cluster, containersOf } from "../check/cluster.ts";
import { counted } from "../check/found.ts";
import { nameOf } from "../check/kube_object.ts";
import { redactedText } from "./redaction.ts";
import { Round } from "../check/round.ts";

/** Of one log. */
const LOG_LINES = 5_000;
const LOG_BYTES = 2_000_000;
/** Of all of them, because they are held in memory until the bundle is written. */
const ALL_LOGS_BYTES = 200_000_000;
/** Logs that are read at one time, how long each is waited for, and how many may be silent. */
const AT_ONCE = 16;
const LOG_MS = 10_000;
const SILENT_MAX = 64;
/** Letters of a name that is no name. */
const NAME_CHARS = 80;

/** Where logs come from, and how much of them is taken. */
interface LogScope {
  cluster: Cluster;
  progress: (text: string) => void;
  logBytes?: number;
}

/** One log of a container: of its present or its last run. */
interface LogName {
  pod: string;
  container: string;
  isPrevious: boolean;
}

/**
 * The last lines of every container's log, redacted, in the order of the pods, and a line for each
 * thing that was left out. What cannot be read stands in the place of its text. Never throws.
 */
export async function logsOf(
  pods: readonly KubeObject[],
  { cluster, progress, logBytes = ALL_LOGS_BYTES }: LogScope,
): Promise<{ files: BundleFile[]; leftOut: string[] }> {
  const leftOut: string[] = [];
  const names = pods.flatMap((pod) => namesOf(pod, leftOut));
  const room = new Room(logBytes);
  const round = new Round({ whom: "logs", atOnce: AT_ONCE, silentMax: SILENT_MAX });
  let unread = 0;
  let begun = 0;
  const files = await Promise.all(names.map(async (name): Promise<BundleFile[]> => {
    const text = await round.ask(async () => {
      progress(`reading log ${++begun} of ${names.length}`);
      return await textOf(name, { cluster, room });
    }).catch(notRead);
    if (text === undefined) unread++;
    return text === undefined ? [] : [{ path: fileOf(name), text }];
  }));
  if (unread > 0) {
    leftOut.push(
      `${counted(unread, "log")} of ${names.length}: all together may have ${
        Math.round(logBytes / 1e6)
      } MB; see kubectl logs`,
    );
  }
  return { files: files.flat(), leftOut };
}

function namesOf(pod: KubeObject, leftOut: string[]): LogName[] {
  const name = nameOf(pod);
  if (!isDnsName(name)) {
    leftOut.push(`logs of the pod ${quoted(name)}: that is no name of a pod`);
    return [];
  }
  return containersOf(pod).flatMap(({ name: container, restarts }) => {
    if (!isDnsLabel(container)) {
      leftOut.push(`logs of ${name}, container ${quoted(container)}: that is no name of one`);
      return [];
    }
    const runs = restarts > 0 ? [false, true] : [false];
    return runs.map((isPrevious) => ({ pod: name, container, isPrevious }));
  });
}

function quoted(name: string): string {
  return JSON.stringify(redactedText(foreignText(name, NAME_CHARS)));
}

function fileOf({ pod, container, isPrevious }: LogName): string {
  return `logs/${pod}.${container}${isPrevious ? ".before" : ""}.log`;
}

/** Undefined when there is no room for it any more. */
async function textOf(
  { pod, container, isPrevious }: LogName,
  { cluster, room }: { cluster: Cluster; room: Room },
): Promise<string | undefined> {
  const bytes = room.take(LOG_BYTES);
  if (bytes === 0) return undefined;
  let used = 0;
  try {
    const query = new URLSearchParams({
      container,
      tailLines: String(LOG_LINES),
      limitBytes: String(bytes),
      ...(isPrevious ? { previous: "true" } : {}),
    });
    const path = kubePath`/api/v1/namespaces/${cluster.namespace}/pods/${pod}/log`;
    const said = await cluster.kube.text(`${path}?${query}`, { timeoutMs: LOG_MS });
    const text = new TextEncoder().encode(redactedText(said)).subarray(0, bytes);
    used = text.length;
    return new TextDecoder().decode(text);
  } finally {
    room.giveBack(bytes - used);
  }
}

/** Bytes that may still be taken. */
class Room {
  #left: number;
  constructor(bytes: number) {
    this.#left = bytes;
  }
  take(wanted: number): number {
    const bytes = Math.min(wanted, this.#left);
    this.#left -= bytes;
    return bytes;
  }
  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}
