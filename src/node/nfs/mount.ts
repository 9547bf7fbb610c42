import { isPsoError, PsoError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { mountFileSystem } from "../../host/mount.ts";
import { inBrackets } from "../../net/address.ts";

/** Tried in this order when the class names no version. */
const VERSIONS = ["4.1", "3"];
const NAMES_VERSION = /^(nfs)?vers=|^v[34](\.\d)?$|^minorversion=/;
/**
 * What mount.nfs says when the server lacks a version; every other failure is one of reach or
 * rights, and an older version hides it.
 */
const NO_SUCH_VERSION =
  /Protocol not supported|version or transport protocol is not supported|incorrect mount option/i;
/**
 * The server has the version, and does not export this file system by it: either it is exported by
 * v3 alone, as PSO 5 made them, or it is not there.
 */
const NOT_THERE = /reason given by server: No such file or directory/i;

/** `server:/path`, an IPv6 address in brackets. */
export function nfsSource({ address, path }: { address: string; path: string }): string {
  return `${inBrackets(address)}:${path}`;
}

/**
 * The option lists to try, best first: the class's own version if it names one, else v4.1 and then
 * v3. Never `nolock`: two pods on two nodes would each get a lock that the other holds.
 */
export function nfsOptions(flags: string[]): string[][] {
  const wanted = flags.filter((flag) => flag !== "nolock");
  if (wanted.some((flag) => NAMES_VERSION.test(flag))) return [wanted];
  return VERSIONS.map((version) => [`vers=${version}`, ...wanted]);
}

/** One export, and where and how it is to be mounted. */
interface NfsMount {
  /** `server:/path`, as nfsSource() writes it. */
  source: string;
  target: string;
  /** Mount options of the class. */
  flags: string[];
}

/**
 * Mounts an export, with v3 when server or file system has no v4.1. `denied` when the server
 * refuses this node, `not_found` when it has no such file system, else as mountFileSystem().
 */
export async function mountNfs(
  host: Host,
  { source, target, flags }: NfsMount,
  signal?: AbortSignal,
): Promise<void> {
  const tries = nfsOptions(flags);
  for (const [index, options] of tries.entries()) {
    try {
      await mountFileSystem(host, { source, target, type: "nfs", options }, signal);
      return;
    } catch (error) {
      if (!isPsoError(error, "unavailable")) throw error;
      const isLast = index === tries.length - 1;
      if (isLast || !NO_SUCH_VERSION.test(error.message) && !NOT_THERE.test(error.message)) {
        throw refusal(source, error);
      }
    }
  }
}

function refusal(source: string, error: PsoError): PsoError {
  if (/access denied by server/i.test(error.message)) {
    return new PsoError(
      "denied",
      `NFS server refuses ${source}: see that the file system is exported, and that its export ` +
        "rules name an address of this node",
      { cause: error },
    );
  }
  if (/nolock|rpc\.statd/.test(error.message)) {
    // mount.nfs advises nolock here, which would let two pods hold one lock.
    return new PsoError(
      "unavailable",
      `${source} cannot be mounted by NFS version 3, because rpc.statd does not run on this node: ` +
        "start it (package nfs-common; RHEL: nfs-utils) and rpcbind, or let the class name vers=4.1",
      { cause: error },
    );
  }
  if (!NOT_THERE.test(error.message)) return error;
  return new PsoError(
    "not_found",
    `NFS server does not export ${source} by the NFS version that was asked for: enable that ` +
      "version for the file system on the array, or name another one in mountOptions of the class",
    { cause: error },
  );
}
