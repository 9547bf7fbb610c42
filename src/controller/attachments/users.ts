import type { ClusterAttachment } from "../../cluster/facts.ts";
import { PsoError } from "../../errors.ts";
import type { ClusterView, MeantPlace, Use } from "./cluster_view.ts";

/** How long a change waits for the first lists, and for what a watch is about to tell. */
const WHOLE_MS = 5_000, LAG_MS = 3_000;

/** Something that takes a volume away from nodes. */
interface TakingAway {
  place: MeantPlace;
  /** Completes "Cannot …": `take k8s-pvc-1 on fa-1 away from node n1`. */
  what: string;
  /** Whether the attachment is one of those that lose the volume, and still needs it. */
  needs: (attachment: ClusterAttachment) => boolean;
}

/**
 * Resolves when no VolumeAttachment needs what is to be taken away, after complete lists that
 * succeeded; at once where there is no Kubernetes. `unavailable` while the lists are not whole,
 * `in_use` when one needs it, naming volume and node.
 */
export async function awaitNoUser(
  cluster: ClusterView,
  { place, what, needs }: TakingAway,
  signal: AbortSignal,
): Promise<void> {
  if (!cluster.isFollowed) return;
  if (!await cluster.waitFor(() => cluster.isWhole, { ms: WHOLE_MS, signal })) {
    throw new PsoError(
      "unavailable",
      `Cannot ${what} before all PersistentVolumes and VolumeAttachments were listed ` +
        `(${cluster.problem ?? "the list goes on"}); this is tried again by itself`,
    );
  }
  const user = (): Use | undefined =>
    cluster.usesOf(place).find(({ attachment }) => needs(attachment));
  // What a person or a sidecar just ended is told by the watch in a moment.
  if (await cluster.waitFor(() => user() === undefined, { ms: LAG_MS, signal })) return;
  const found = user();
  if (!found) return;
  const { attachment, volume } = found;
  throw new PsoError(
    "in_use",
    `Cannot ${what}: by VolumeAttachment ${attachment.name} node ${attachment.node} has it as ` +
      `PersistentVolume ${volume.name}; delete the pods that use it there, and that ` +
      "VolumeAttachment if it stays without a pod",
  );
}
