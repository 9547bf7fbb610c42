// Connects a controller with the Lease of its cluster, or lets it be alone.
import type { LeaderOptions } from "./src/cli/leader.ts";
import { arrayReadiness } from "./src/arrays/readiness.ts";
import type { Fleet } from "./src/arrays/fleet.ts";
import { DRIVER_NAME, type ProbeCall } from "./src/csi/identity_service.ts";
import { type ChangeFence, NO_FENCE } from "./src/async/fence.ts";
import { leaseStore } from "./src/kube/lease_object.ts";
import { Leadership } from "./src/kube/leadership.ts";
import { obstacles } from "./src/kube/obstacles.ts";
import type { Kube } from "./main_kube.ts";
import type { Logger } from "./src/log.ts";
import type { ReadinessCheck } from "./src/readiness.ts";

/** A controller's part in the choice of the leader. */
export interface Leader {
  fence: ChangeFence;
  /** Resolves when another process leads: this one must end. Never without a lease. */
  lost: Promise<string>;
  /** What a Probe is answered. */
  isReady(fleet: Fleet, probe: ProbeCall): boolean | Promise<boolean>;
  readiness(fleet: Fleet): ReadinessCheck[];
  /** Fights for the lease and holds it until the signal; never throws. */
  run(signal: AbortSignal): Promise<void>;
  /** Answers the Probes that are held, so that the endpoint can end. */
  leave(): void;
  /** Lets another lead; after the last change. Never throws. */
  giveBack(): Promise<void>;
}

/** Without Kubernetes nobody else makes volumes: this process always leads. */
const ALONE: Leader = {
  fence: NO_FENCE,
  lost: new Promise(() => {}),
  isReady: ({ members }) => members.length === 0 || members.some(({ status }) => status),
  readiness: (fleet) => arrayReadiness(fleet),
  run: () => Promise.resolve(),
  leave: () => {},
  giveBack: () => Promise.resolve(),
};

/** What a leader tells, and to whom. */
interface LeaderSetup {
  /** Needed with a lease. */
  kube?: Kube;
  log: Logger;
  /** Called at each take-over, before the first change. */
  onLead: () => void;
}

/** The part of a controller with these flags; alone without `--lease`. */
export function leaderOf(
  options: LeaderOptions | undefined,
  { kube, log, onLead }: LeaderSetup,
): Leader {
  if (options === undefined || kube === undefined) return ALONE;
  const { lease, pod, release } = options;
  const { client, tell } = kube;
  const leadership = new Leadership({
    store: leaseStore(client, lease),
    identity: `${pod}_${crypto.randomUUID()}`,
    obstacle: obstacles({ kube: client, own: lease, driver: DRIVER_NAME, release, tell }),
    onLead,
    log,
  });
  return {
    fence: leadership,
    lost: leadership.lost,
    isReady: (_fleet, probe) => leadership.ready(probe),
    // Arrays are shown and decide nothing: a standby must be there when they come back.
    readiness: (fleet) => [
      leadership.readiness(),
      ...arrayReadiness(fleet).map((check) => check.ok ? check : { ...check, optional: true }),
    ],
    run: (signal) => leadership.run(signal),
    leave: () => leadership.leave(),
    giveBack: () => leadership.giveBack(),
  };
}
