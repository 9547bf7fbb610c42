import type { ChapCredentials } from "../chap.ts";
import type { NodeIdentity } from "../handoff.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Protocol } from "../protocols.ts";

/**
 * What the controller knows of a node beside the identity that a call gives. It comes from the
 * memory of one process: a restart forgets all of it but the cluster's name, and every rule must
 * hold without it.
 */
export interface NodeKnowledge {
  /** The prefix of this cluster's volumes, without its `-`: `k8s`. */
  cluster?: string;
  /** Identities that the node of this name had before: it was installed anew, or got a new port. */
  earlier?: readonly NodeIdentity[];
  /** The name of another node that has this initiator; of any, when the call is about no node. */
  otherNodeWith?: (initiator: string) => string | undefined;
  /** Whether a node of this cluster stands behind a client address of the volume's rules. */
  isNodeAddress?: (client: string) => boolean;
  /** Other nodes that use the volume, each by all that it may be now. */
  otherUsers?: readonly NodeIdentity[];
  /** This process has published the volume to the node, and tried no other since. */
  isRepeat?: boolean;
  /** Awaited before another node loses the volume to this one; throws while one needs it. */
  othersMayLose?: (signal?: AbortSignal) => Promise<void>;
}

/** How the attachment of one node is looked at or ended. */
export interface NodeOptions {
  known?: NodeKnowledge;
  signal?: AbortSignal;
}

/** How a volume is to be connected to a node. */
export interface ConnectOptions {
  protocol: Protocol;
  /** Only this node may be connected. */
  exclusive: boolean;
  /** With `exclusive`: disconnect other hosts first; without it, another host is `in_use`. */
  preempt: boolean;
  /** File only: this node may not write. */
  readOnly: boolean;
  /**
   * iSCSI and NVMe over IP: the node may use only portals with an address in these blocks. Empty or
   * absent: every portal.
   */
  iscsiAllowedCidrs?: readonly Cidr[];
  /**
   * iSCSI only: set on the node's host object before the volume is connected. Absent: what the host
   * object has stays.
   */
  chap?: ChapCredentials;
  known?: NodeKnowledge;
  signal?: AbortSignal;
}

/** The identity of a call, and all that the node had before. */
export function identitiesOf(
  node: NodeIdentity,
  known: NodeKnowledge | undefined,
): readonly NodeIdentity[] {
  return [node, ...known?.earlier ?? []];
}
