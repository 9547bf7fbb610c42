import { type ArrayContext, eradicationOf } from "../../array_context.ts";
import { refused } from "../../rest_error.ts";
import { Derived, type Table } from "../../store.ts";

/** What a container must know of a volume. */
interface ContainedVolume {
  id: string;
  name: string;
  provisioned: number;
  destroyedMs: number | null;
}

/** What a pod and a volume group have alike. */
export interface ContainerRecord {
  id: string;
  /** Of a volume group in a pod with the pod before it: `pod::group`. */
  name: string;
  /** `null` while live. */
  destroyedMs: number | null;
}

/** An array that a stretched pod is on. */
export interface PodMember {
  id: string;
  name: string;
  /** Since when the pod goes on without it; absent while it takes part. */
  lostMs?: number;
  /** Until then it takes over what it missed. */
  resyncUntilMs?: number;
}

/** A pod as it is stored. */
export interface PodRecord extends ContainerRecord {
  /** The arrays that it is on once it was stretched; absent: its own alone. */
  members?: PodMember[];
  /** Absent: the vendor's. */
  mediator?: string;
  /** Absent: none. */
  failoverPreferences?: { id: string; name: string }[];
  /** The most that its volumes may have together, whole sizes counted; `null` for no limit. */
  quotaBytes: number | null;
}

/** A volume group as it is stored. */
export interface VolumeGroupRecord extends ContainerRecord {
  qos: { bandwidthLimit: number | null; iopsLimit: number | null };
  priority: { operator: "+" | "-" | "="; value: number };
}

/** The protection groups that new volumes of a container join by themselves. */
interface DefaultProtection {
  container: "array";
  groupIds: string[];
}

/** The parts of a volume's name: `pod::group/base`, of which the first two may be absent. */
export interface NameParts {
  pod?: string;
  /** The volume group's whole name, its pod included. */
  group?: string;
  base: string;
}

/** Takes a volume's name apart. */
export function partsOf(name: string): NameParts {
  const slash = name.lastIndexOf("/");
  const group = slash < 0 ? undefined : name.slice(0, slash);
  const colons = (group ?? name).lastIndexOf("::");
  const pod = colons < 0 ? undefined : name.slice(0, colons);
  const base = name.slice(slash >= 0 ? slash + 1 : colons >= 0 ? colons + 2 : 0);
  return { pod, group, base };
}

/** The name of a volume `base` in a pod or volume group. */
export function nameIn({ pod, group, base }: NameParts): string {
  if (group !== undefined) return `${group}/${base}`;
  return pod === undefined ? base : `${pod}::${base}`;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * The pods and volume groups of one array. A volume is in the one that its name begins with, so
 * that no two places can differ.
 */
export class Containers<V extends ContainedVolume = ContainedVolume> {
  readonly pods: Table<PodRecord>;
  readonly groups: Table<VolumeGroupRecord>;
  /** By container, of which only the array itself has any. */
  readonly defaults: Table<DefaultProtection>;
  readonly #context: ArrayContext;
  readonly #volumes: Table<V>;
  readonly #members: Derived<Map<string, V[]>>;

  constructor(context: ArrayContext, volumes: Table<V>) {
    const { store } = context;
    this.#context = context;
    this.#volumes = volumes;
    this.pods = store.table("pods", ({ name }) => name.toLowerCase());
    this.groups = store.table("volume-groups", ({ name }) => name.toLowerCase());
    this.defaults = store.table("default-protections", ({ container }) => container);
    this.#members = new Derived(store, () => this.#findMembers());
  }

  /** The pod of a volume or volume group of that name. */
  podOf(name: string): PodRecord | undefined {
    const { pod } = partsOf(name);
    return pod === undefined ? undefined : this.pods.find(pod.toLowerCase());
  }

  /** The volume group of a volume of that name. */
  groupOf(name: string): VolumeGroupRecord | undefined {
    const { group } = partsOf(name);
    return group === undefined ? undefined : this.groups.find(group.toLowerCase());
  }

  /** All volumes in a pod or in a volume group, destroyed ones included. */
  volumesIn({ id }: ContainerRecord): V[] {
    return this.#members.get().get(id) ?? [];
  }

  groupsIn(pod: ContainerRecord): VolumeGroupRecord[] {
    return [...this.groups.values()].filter(({ name }) => this.podOf(name)?.id === pod.id);
  }

  /**
   * The name as a new volume of it is called, its containers in their own spelling; RestError 400
   * unless they are there.
   */
  requirePlace(name: string): string {
    const { pod, group, base } = partsOf(name);
    const foundPod = this.podOf(name);
    if (pod !== undefined) requireLive("Pod", pod, foundPod);
    const foundGroup = this.groupOf(name);
    if (group !== undefined) requireLive("Volume group", group, foundGroup);
    return nameIn({ pod: foundPod?.name, group: foundGroup?.name, base });
  }

  /** RestError 400 when volumes as they are to be would have more than the quota of their pod. */
  requireQuota(changed: readonly V[]): void {
    const ids = new Set(changed.map(({ id }) => id));
    for (const pod of new Set(changed.map(({ name }) => this.podOf(name)))) {
      if (pod === undefined || pod.quotaBytes === null) continue;
      const mine = changed.filter(({ name }) => this.podOf(name)?.id === pod.id);
      const others = this.volumesIn(pod).filter(({ id }) => !ids.has(id));
      if (this.#provisioned([...mine, ...others]) > pod.quotaBytes) {
        throw refused("Pod quota limit exceeded.", pod.name);
      }
    }
  }

  /** What counts against the quota of a pod: the whole sizes of its live volumes. */
  usedOf(pod: PodRecord): number {
    return this.#provisioned(this.volumesIn(pod));
  }

  /** True when a container has been destroyed for longer than the delay. */
  isExpiryDue(): boolean {
    return [...this.pods.values(), ...this.groups.values()].some((one) => this.#isDue(one));
  }

  /** Eradicates what is due. Its volumes were destroyed before it, and are gone by now. */
  expire(): void {
    this.#context.store.change(() => {
      for (const table of [this.pods, this.groups]) {
        for (const one of [...table.values()]) if (this.#isDue(one)) table.delete(one.id);
      }
    });
  }

  #isDue({ destroyedMs }: ContainerRecord): boolean {
    return destroyedMs !== null &&
      destroyedMs + eradicationOf(this.#context).delayMs <= this.#context.clock.now();
  }

  #provisioned(volumes: V[]): number {
    return sum(
      volumes.filter(({ destroyedMs }) => destroyedMs === null).map((one) => one.provisioned),
    );
  }

  #findMembers(): Map<string, V[]> {
    const members = new Map<string, V[]>();
    for (const volume of this.#volumes.values()) {
      for (const container of [this.podOf(volume.name), this.groupOf(volume.name)]) {
        if (container === undefined) continue;
        const found = members.get(container.id);
        if (found === undefined) members.set(container.id, [volume]);
        else found.push(volume);
      }
    }
    return members;
  }
}

function requireLive(what: string, name: string, found: ContainerRecord | undefined): void {
  if (found === undefined) throw refused(`${what} does not exist.`, name);
  if (found.destroyedMs !== null) throw refused(`${what} has been destroyed.`, name);
}
