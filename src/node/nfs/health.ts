import type { NodeContext } from "../context.ts";
import type { Condition, StorageCondition } from "../look.ts";
import type { FileAttachmentBy, ProbeRound } from "../protocol.ts";
import { nextInTurn } from "../rounds.ts";

type NfsAttachment = FileAttachmentBy<"nfs">;

/**
 * Exports that are asked for in one round, of each server: a twentieth of them, so that each has
 * its turn within twenty rounds.
 */
const PROBE_SHARE = 1 / 20;

/**
 * FileConnection.probe: asks each server for some of what is mounted from it, one after another,
 * and no further when it does not answer.
 */
export async function probeServers(
  { nfs }: NodeContext,
  { volumes, turn }: ProbeRound<NfsAttachment>,
  signal?: AbortSignal,
): Promise<void> {
  const byServer = Map.groupBy(volumes, ({ attachment }) => attachment.address);
  await Promise.all([...byServer].map(async ([server, mounted]) => {
    const count = Math.ceil(mounted.length * PROBE_SHARE);
    for (const { target } of nextInTurn(mounted, { turn, count })) {
      const found = await nfs.probe(server, { target, again: true, signal })
        .catch(() => undefined); // NfsServers has noted and logged that it is silent
      if (found === undefined) return;
    }
  }));
  nfs.forgetOthers(volumes.map(({ target }) => target));
}

/** FileConnection.look: whether the server answers and still has what is mounted. */
export function lookAtNfs(
  { nfs }: NodeContext,
  { attachment: { address, path }, target }: { attachment: NfsAttachment; target?: string },
): Condition[] {
  const silent = nfs.silent().find(({ server }) => server === address);
  if (silent) {
    const message = `NFS server ${silent.server} does not answer this node: ${silent.reason}`;
    return [{ status: "inaccessible", reason: "ServerNotAnswering", message }];
  }
  if (target === undefined || !nfs.isStale(target)) return [];
  const message = `NFS server ${address} says that ${path} is no longer what is mounted (stale ` +
    "file handle): pods that use it must end, then it is mounted anew";
  return [{ status: "inaccessible", reason: "StaleFileHandle", message }];
}

/** FileConnection.serverConditions: the servers that did not answer when they were asked last. */
export function silentServerConditions({ nfs }: NodeContext): StorageCondition[] {
  const silent = nfs.silent().map(({ server }) => server);
  if (silent.length === 0) return [];
  const message = `NFS servers do not answer this node: ${silent.join(", ")}`;
  return [{ status: "unreachable", reason: "ServerNotAnswering", message }];
}
