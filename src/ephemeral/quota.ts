import { PsoError } from "../errors.ts";
import { formatSize } from "../size.ts";
import type { LeaderSettings } from "./leader_settings.ts";
import { countedBytes, type Demand } from "./demand.ts";
import { ARRAY_FINALIZER, type EphemeralVolume } from "./object.ts";
import { hasOwnHandle } from "./own_volume.ts";

/** A watch that works has told a change by then. */
const RECENT_MS = 60_000;

/** What a quota is judged by. */
interface QuotaSetup {
  /** All objects, by the watch. */
  volumes: () => readonly EphemeralVolume[];
  settings: () => LeaderSettings;
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
}

/**
 * What the namespaces and nodes have of volumes that pods describe themselves: those count that were
 * taken up, in the size in which they are made.
 */
export class EphemeralQuota {
  readonly #setup: QuotaSetup;
  /** What was taken up lately, and when: the watch may not have told it yet. */
  readonly #recent = new Map<string, { volume: EphemeralVolume; atMs: number }>();

  constructor(setup: QuotaSetup) {
    this.#setup = setup;
  }

  /** Counts a volume from now on, before the watch tells of it. */
  taken(volume: EphemeralVolume): void {
    this.#recent.set(volume.name, { volume, atMs: this.#setup.now() });
  }

  /** The volume is gone. */
  ended(name: string): void {
    this.#recent.delete(name);
  }

  /** `exhausted`, naming whose limit it is, when one more is too many. */
  refuseBeyond({ name, spec: { node, pod } }: EphemeralVolume, { bytes }: Demand): void {
    const { ephemeral, maxVolumesPerNode } = this.#setup.settings();
    const { namespaceBytes, namespaceVolumes } = ephemeral;
    const others = this.#counted().filter((one) => one.name !== name);
    const onNode = others.filter(({ spec }) => spec.node === node);
    if (onNode.length >= maxVolumesPerNode) {
      throw new PsoError(
        "exhausted",
        `node ${node} has ${onNode.length} volumes that pods describe themselves, and one more ` +
          `for pod ${pod.name} would be more than ${maxVolumesPerNode} (maxVolumesPerNode): end ` +
          "pods there that have some, or let this one run on another node",
      );
    }
    const within = others.filter(({ spec }) => spec.pod.namespace === pod.namespace);
    if (within.length >= namespaceVolumes) {
      throw new PsoError(
        "exhausted",
        `namespace ${pod.namespace} has ${within.length} volumes that pods describe themselves, ` +
          `and one more for pod ${pod.name} would be more than ${namespaceVolumes} ` +
          "(ephemeral.namespaceVolumes): end pods that have some, or use a claim",
      );
    }
    const used = within.reduce((sum, one) => sum + countedBytes(one), 0);
    if (used + bytes <= namespaceBytes) return;
    throw new PsoError(
      "exhausted",
      `namespace ${pod.namespace} has ${formatSize(used)} in volumes that pods describe ` +
        `themselves, and with ${formatSize(bytes)} for pod ${pod.name} it would be more than ` +
        `${formatSize(namespaceBytes)} (ephemeral.namespaceGiB): end pods that have some, or use ` +
        "a claim",
    );
  }

  /**
   * Whether the node has more objects that wait than it could ever have volumes: no kubelet asks for
   * so many.
   */
  isFlooded({ spec: { node } }: EphemeralVolume): boolean {
    const waiting = this.#setup.volumes().filter((one) =>
      one.spec.node === node && !one.isDeleting && !this.isTaken(one)
    );
    return waiting.length > this.#setup.settings().maxVolumesPerNode;
  }

  /**
   * Whether the arrays may have the volume: from its admission on. A handle of another volume proves
   * nothing.
   */
  isTaken(volume: EphemeralVolume): boolean {
    return volume.finalizers.includes(ARRAY_FINALIZER) ||
      hasOwnHandle(volume, this.#setup.settings().clusterId);
  }

  #counted(): EphemeralVolume[] {
    for (const [recent, { atMs }] of this.#recent) {
      if (this.#setup.now() - atMs > RECENT_MS) this.#recent.delete(recent);
    }
    const known = this.#setup.volumes().filter((volume) => this.isTaken(volume));
    const counted = new Map([
      ...[...this.#recent.values()].map(({ volume }) => [volume.name, volume] as const),
      ...known.map((volume) => [volume.name, volume] as const),
    ]);
    return [...counted.values()];
  }
}
