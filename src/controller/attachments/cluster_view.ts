import { arrayHintOf, type Fleet, type FleetMember } from "../../arrays/fleet.ts";
import { pause } from "../../async/wait.ts";
import { FactTable } from "../../cluster/fact_table.ts";
import type {
  ClusterAttachment,
  ClusterNode,
  ClusterSinks,
  ClusterVolume,
} from "../../cluster/facts.ts";
import { isPsoError } from "../../errors.ts";
import { decodeNodeId, type NodeIdentity } from "../../handoff.ts";
import { nameKey } from "../../names.ts";
import { type Handle, isKeptId, parseVolumeId } from "../volume_id.ts";
import type { VolumePlace } from "../volume_locator.ts";
import type { NodeRegistry } from "./node_registry.ts";
import { NameGroups } from "./name_groups.ts";
import type { PublishMode } from "./publish_memory.ts";

/** A place, and by which handle a call means the volume there; absent: by none. */
export interface MeantPlace extends VolumePlace {
  handle?: string;
}

/** A node that needs a volume, as Kubernetes has it. */
export interface Use {
  attachment: ClusterAttachment;
  volume: ClusterVolume;
}

/** What of the fleet tells which array a handle means. */
type KnownArrays = Pick<Fleet, "memberByHint" | "isPrefix" | "namesakesOf">;

/**
 * What Kubernetes says of who uses which volume: its VolumeAttachments and PersistentVolumes, and
 * through them today's node_ids. It knows nothing where nobody tells it, as without Kubernetes. Who
 * is missing in it may use a volume all the same until the lists are whole.
 */
export class ClusterView {
  readonly #fleet: KnownArrays;
  readonly #nodes: FactTable<ClusterNode>;
  readonly #volumes: FactTable<ClusterVolume>;
  readonly #attachments: FactTable<ClusterAttachment>;
  /** PersistentVolumes that were deleted while nodes still have them. */
  readonly #gone = new Map<string, ClusterVolume>();
  /** Name on an array → PersistentVolumes. */
  readonly #byName = new NameGroups();
  /** PersistentVolume → VolumeAttachments. */
  readonly #byVolume = new NameGroups();
  /** Node → VolumeAttachments. */
  readonly #byNode = new NameGroups();
  /** Wakes those who wait for a change. */
  readonly #waiting = new Set<() => void>();
  #isFollowed = false;

  constructor({ fleet, nodes }: { fleet: KnownArrays; nodes: NodeRegistry }) {
    this.#fleet = fleet;
    this.#nodes = new FactTable((before, after) => {
      if (after) this.#register(nodes, after);
      else if (before) nodes.unregister(before.name);
      this.#wake();
    });
    this.#volumes = new FactTable((before, after) => this.#volumeChanged(before, after));
    this.#attachments = new FactTable((before, after) => this.#attachmentChanged(before, after));
  }

  /** Who is to be told of the cluster. From now on who uses a volume is asked here. */
  follow(): ClusterSinks {
    this.#isFollowed = true;
    return { nodes: this.#nodes, volumes: this.#volumes, attachments: this.#attachments };
  }

  /** Whether there is a cluster to ask. */
  get isFollowed(): boolean {
    return this.#isFollowed;
  }

  /** Whether every user of every volume is known. */
  get isWhole(): boolean {
    return this.#volumes.isWhole && this.#attachments.isWhole;
  }

  /**
   * Why users may be missing; absent while the lists are read for the first time, and once whole.
   */
  get problem(): string | undefined {
    return this.#attachments.problem ?? this.#volumes.problem;
  }

  /**
   * A CSINode by which the node_id is not that of the node of this name. Undefined when none says
   * so: also while the node's own is missing or CSINodes cannot be read.
   */
  registrationAgainst({ nodeId, name }: ClusterNode): ClusterNode | undefined {
    if (this.#nodes.problem !== undefined) return undefined;
    const own = this.#nodes.get(name);
    if (own !== undefined) return own.nodeId === nodeId ? undefined : own;
    return [...this.#nodes.all()].find((other) => other.nodeId === nodeId);
  }

  /** Every VolumeAttachment of the volume, those that somebody ended among them. */
  usesOf(place: MeantPlace): Use[] {
    return [...this.#byName.of(nameKey(place.name))].flatMap((name) => {
      const volume = this.#volumeOf(name);
      if (!volume || !this.#isMeant(volume.handle, place)) return [];
      return this.#attachmentsOf(name).map((attachment) => ({ attachment, volume }));
    });
  }

  /** Names of the nodes that need the volume. */
  usersOf(place: MeantPlace): string[] {
    const live = this.usesOf(place).filter(({ attachment }) => !attachment.isDeleting);
    return [...new Set(live.map(({ attachment }) => attachment.node))];
  }

  /** Names of the nodes that the volume is published to. */
  nodesOf(place: MeantPlace): string[] {
    const published = this.usesOf(place).filter(({ attachment }) => isPublished(attachment));
    return [...new Set(published.map(({ attachment }) => attachment.node))];
  }

  /** What the node was when the volume was published to it. */
  identitiesOn(place: MeantPlace, node: string): NodeIdentity[] {
    return this.usesOf(place).flatMap(({ attachment: { node: name, nodeId } }) => {
      const identity = name === node && nodeId !== undefined ? decodeNodeId(nodeId) : undefined;
      return identity?.name === node ? [identity] : [];
    });
  }

  /** In which ways the volume is published to the node. */
  modesOn(place: MeantPlace, node: string): PublishMode[] {
    return this.usesOf(place).filter(({ attachment }) =>
      attachment.node === node && isPublished(attachment)
    ).map(({ volume: { readOnly, modes, isBlock } }) => ({
      readOnly: readOnly || (modes.length > 0 && modes.every((mode) => mode === "ReadOnlyMany")),
      access: isBlock ? "block" : "mount",
    }));
  }

  /** The handles of the volumes that the node holds. */
  handlesOn(node: string): string[] {
    return [...this.#byNode.of(node)].flatMap((name) => {
      const attachment = this.#attachments.get(name);
      if (!attachment || !isPublished(attachment)) return [];
      return this.#volumeOf(attachment.volume)?.handle ?? [];
    });
  }

  /**
   * The handle by which the cluster calls the volume, if it is not ours: one without an array, or
   * that of an imported volume that is kept. Undefined where it uses ours, or none, and where
   * another array has the name too.
   */
  oldHandleOf({ member, name }: VolumePlace): string | undefined {
    const arrayHint = idHintOf(member);
    if (arrayHint === undefined) return undefined;
    const handles = [...this.#byName.of(nameKey(name))].flatMap((one) =>
      this.#volumeOf(one)?.handle ?? []
    );
    const hinted = handles.filter((handle) => hintOf(handle) === arrayHint);
    if (hinted.length > 0) return hinted.every(isKeptId) ? hinted[0] : undefined;
    if (this.#fleet.namesakesOf({ arrayHint, name }).length > 0) return undefined;
    return handles.find((handle) => {
      const hint = hintOf(handle);
      return hint === undefined || this.#fleet.isPrefix(hint);
    });
  }

  /**
   * Names, in lower case, of volumes on that array that nodes have by handles that name the array.
   */
  namesOn(member: FleetMember): string[] {
    const found = new Set<string>();
    for (const { volume } of this.#attachments.all()) {
      const handle = this.#volumeOf(volume)?.handle;
      const { arrayHint, names: [name] } = handleOf(handle ?? "");
      if (name !== undefined && arrayHint !== undefined && arrayHint === idHintOf(member)) {
        found.add(nameKey(name));
      }
    }
    return [...found];
  }

  /**
   * Names, in lower case, of volumes that PersistentVolumes may mean on that array; undefined until
   * all of these were told.
   */
  namesMeantOn(member: FleetMember): string[] | undefined {
    if (!this.#volumes.isWhole) return undefined;
    const found = new Set<string>();
    for (const { handle } of [...this.#volumes.all(), ...this.#gone.values()]) {
      const { arrayHint, names } = handleOf(handle);
      if (arrayHint !== undefined && arrayHint !== idHintOf(member)) continue;
      for (const name of names) found.add(nameKey(name));
    }
    return [...found];
  }

  /**
   * Waits until `fact` holds, at each change of what is known; false when it does not within `ms`.
   * Throws `timeout` when the signal fires.
   */
  async waitFor(
    fact: () => boolean,
    { ms, signal }: { ms: number; signal: AbortSignal },
  ): Promise<boolean> {
    const endMs = performance.now() + ms;
    while (!fact()) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) return false;
      await this.#nextChange(leftMs, signal);
    }
    return true;
  }

  async #nextChange(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    try {
      if (signal.aborted) wake();
      await pause(ms, woken.signal).catch(() => {});
    } finally {
      signal.removeEventListener("abort", wake);
      this.#waiting.delete(wake);
    }
    if (signal.aborted) await pause(0, signal);
  }

  /** A CSINode whose node_id names another node would lend it its addresses. */
  #register(nodes: NodeRegistry, { name, nodeId }: ClusterNode): void {
    const identity = decodeNodeId(nodeId);
    if (identity?.name === name) nodes.register(nodeId, identity);
    else nodes.unregister(name);
  }

  #volumeChanged(before?: ClusterVolume, after?: ClusterVolume): void {
    if (after) {
      this.#forgetGone(after.name);
      if (before) this.#unindex(before);
      for (const name of namesOf(after.handle)) this.#byName.add(name, after.name);
    } else if (before) {
      if (this.#attachmentsOf(before.name).length > 0) this.#gone.set(before.name, before);
      else this.#unindex(before);
    }
    this.#wake();
  }

  #attachmentChanged(before?: ClusterAttachment, after?: ClusterAttachment): void {
    if (before) {
      this.#byVolume.remove(before.volume, before.name);
      this.#byNode.remove(before.node, before.name);
    }
    if (after) {
      this.#byVolume.add(after.volume, after.name);
      this.#byNode.add(after.node, after.name);
    } else if (before && this.#attachmentsOf(before.volume).length === 0) {
      this.#forgetGone(before.volume);
    }
    this.#wake();
  }

  #forgetGone(name: string): void {
    const gone = this.#gone.get(name);
    if (gone && this.#gone.delete(name)) this.#unindex(gone);
  }

  #unindex({ name, handle }: ClusterVolume): void {
    for (const one of namesOf(handle)) this.#byName.remove(one, name);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #volumeOf(name: string): ClusterVolume | undefined {
    return this.#volumes.get(name) ?? this.#gone.get(name);
  }

  #attachmentsOf(volume: string): ClusterAttachment[] {
    return [...this.#byVolume.of(volume)].flatMap((name) => this.#attachments.get(name) ?? []);
  }

  /**
   * Whether the handle may mean the volume at the place: one without an array means any of its
   * name, one of another array means it only if that array is not configured.
   */
  #isMeant(handle: string, { member, name, handle: asked }: MeantPlace): boolean {
    if (asked !== undefined && nameKey(asked) === nameKey(handle)) return true;
    const { arrayHint, names: [ours] } = handleOf(handle);
    if (arrayHint === undefined) return true;
    if (arrayHint === idHintOf(member)) {
      return ours !== undefined && nameKey(ours) === nameKey(name);
    }
    return this.#fleet.memberByHint(arrayHint) === undefined;
  }
}

/** Whether the node has the volume, and nobody ended that. */
export function isPublished({ isAttached, isDeleting }: ClusterAttachment): boolean {
  return isAttached && !isDeleting;
}

function handleOf(handle: string): Handle {
  try {
    return parseVolumeId(handle);
  } catch (error) {
    if (isPsoError(error, "invalid")) return { names: [] };
    throw error;
  }
}

function namesOf(handle: string): string[] {
  return handleOf(handle).names.map(nameKey);
}

/** The array that a handle names, by the first digits of its id; undefined for one without. */
export function hintOf(handle: string): string | undefined {
  return handleOf(handle).arrayHint;
}

function idHintOf({ id }: FleetMember): string | undefined {
  return id === undefined ? undefined : arrayHintOf(id);
}
