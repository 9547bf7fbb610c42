import type { KubeEvent } from "./events.ts";
import { foreignText } from "../foreign_text.ts";
import { isKubeStatus, isObject, type KubeClient } from "./client.ts";
import { leaseOf, leasesNamed, type ObjectName } from "./lease_object.ts";
import { KUBE_LIMITS } from "./limits.ts";
import { type Clock, machineClock } from "./moment.ts";
import { kubePath } from "./names.ts";

/** The annotation of the CSIDriver that says which installation the driver belongs to. */
export const RELEASE_ANNOTATION = "pso.purestorage.com/release";

/**
 * The Leases by which the sidecars of a PSO of before choose among themselves: while one of them is
 * renewed, that PSO changes the arrays.
 */
export const UPSTREAM_LEASES = [
  "pure-csi",
  "external-attacher-leader-pure-csi",
  "external-snapshotter-leader-pure-csi",
  "external-resizer-pure-csi",
];

/** A Lease that was renewed within so long has a living holder; sidecars renew every 5 seconds. */
const ALIVE_MS = 30_000;

/** Whom a candidate looks out for. */
interface ObstacleSetup {
  kube: KubeClient;
  /** The Lease that this process wants itself. */
  own: ObjectName;
  /** The CSIDriver's name. */
  driver: string;
  /** `namespace/name` of this installation; absent: it is not compared. */
  release?: string;
  clock?: Clock;
  /** Called with what holds the candidate back, at most once in TELL_MS. */
  tell: (event: KubeEvent) => void;
}

/**
 * From one Event to the next. Whoever writes such a Lease chooses its text, and must not crowd out
 * other Events; and an Event is kept for an hour.
 */
const TELL_MS = 600_000;

/**
 * Why a candidate must not lead although its Lease is free: another installation of the driver owns
 * the cluster, or a PSO of before is still at work. To be asked again and again, because a holder
 * whose clock is wrong is known by its Lease's changes alone. Throws what KubeClient throws.
 */
export function obstacles(setup: ObstacleSetup): () => Promise<string | undefined> {
  const { clock = machineClock, tell } = setup;
  const look = lookout(setup);
  let toldMs = -Infinity;
  return async () => {
    const note = await look();
    const { monotonicMs } = clock();
    if (note === undefined || monotonicMs - toldMs < TELL_MS) return note;
    toldMs = monotonicMs;
    tell({ type: "Warning", reason: "LeadershipHeldBack", action: "TakeLease", note });
    return note;
  };
}

function lookout(setup: ObstacleSetup): () => Promise<string | undefined> {
  const { kube, driver, release } = setup;
  const upstream = upstreamWatch(setup);
  return async () => {
    const [found, other] = await Promise.all([
      upstream(),
      release === undefined ? undefined : releaseOf(kube, driver),
    ]);
    if (other === undefined || other === release) return found;
    return `CSIDriver ${driver} belongs to the installation ` +
      `${foreignText(other, KUBE_LIMITS.holderChars)}, and this controller to ${release}: ` +
      "uninstall one of them";
  };
}

async function releaseOf(kube: KubeClient, driver: string): Promise<string | undefined> {
  try {
    const { metadata } = await kube.get(kubePath`/apis/storage.k8s.io/v1/csidrivers/${driver}`);
    const annotations = isObject(metadata) ? metadata.annotations : undefined;
    const release = isObject(annotations) ? annotations[RELEASE_ANNOTATION] : undefined;
    return typeof release === "string" ? release : undefined;
  } catch (error) {
    if (isKubeStatus(error, 404)) return undefined;
    throw error;
  }
}

function upstreamWatch(
  { kube, own, clock = machineClock }: ObstacleSetup,
): () => Promise<string | undefined> {
  /** By namespace and name: the content last seen, and when it was seen to change. */
  const seen = new Map<string, { version: string; changedMs: number }>();
  return async () => {
    const lists = await Promise.all(UPSTREAM_LEASES.map((name) => leasesNamed(kube, name)));
    const { monotonicMs, wallMs } = clock();
    for (const object of lists.flat()) {
      const { namespace = "", name = "" } = isObject(object.metadata) ? object.metadata : {};
      const { holder, renewedMs, version } = leaseOf(object);
      if (holder === "" || (namespace === own.namespace && name === own.name)) continue;
      const key = `${namespace}/${name}`;
      const before = seen.get(key);
      if (before?.version !== version) {
        seen.set(key, { version, changedMs: before === undefined ? -Infinity : monotonicMs });
      }
      const changedMs = seen.get(key)?.changedMs ?? -Infinity;
      if (Math.abs(wallMs - renewedMs) >= ALIVE_MS && monotonicMs - changedMs >= ALIVE_MS) continue;
      return "another provisioner of this driver is at work: " +
        `${foreignText(holder, KUBE_LIMITS.holderChars)} renews the lease ${key}; ` +
        "scale its workload to 0, or, if no PSO is there, take the right to write that lease away " +
        "from who renews it";
    }
    return undefined;
  };
}
