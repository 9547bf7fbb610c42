import type { HostView } from "../host/host_view.ts";

/**
 * One thing that is wrong with a volume; status and reason together are unique per volume (CSI
 * 1.13, VolumeHealth).
 */
export interface Condition {
  status: "degraded" | "inaccessible";
  /** One CamelCase word, for programs. */
  reason: string;
  /** For people: what is wrong, where. */
  message: string;
}

/**
 * One thing that is wrong with an array or server, as this node sees it (CSI 1.13,
 * StorageBackendHealth).
 */
export interface StorageCondition {
  status: "degraded" | "unreachable";
  reason: string;
  message: string;
}

/** How many paths of volumes carry I/O, are there and do not, and are not there. */
export interface PathCounts {
  up: number;
  down: number;
  missing: number;
}

/** The counts of a volume that has no paths. */
export const NONE: Readonly<PathCounts> = { up: 0, down: 0, missing: 0 };

/** A route to an array by which a staged volume has no session or connection now. */
export interface MissingRoute {
  /** The same text for the same route, whichever volume lacks it. */
  key: string;
  /**
   * Makes the session or connection by the code of attach, in the queue of attach. There already
   * is success.
   */
  reconnect: (signal?: AbortSignal) => Promise<void>;
}

/** What one look at a staged volume found. */
export interface VolumeLook {
  conditions: Condition[];
  /** Something on this host mounts the volume, or its device. */
  isUsed: boolean;
  paths: PathCounts;
  missingRoutes: MissingRoute[];
  /** The array behind it: its IQN, NQN, or WWPNs; absent for what has no paths. */
  array?: string;
  /** What host tools can repair at its paths or its map; absent when there is nothing to do. */
  repair?: string;
}

/** What one look at the device and the paths of a volume found. */
export type PathLook = Omit<VolumeLook, "isUsed">;

/** The condition of a volume by its paths; none while all are up. `faults` names the others. */
export function pathConditions(paths: PathCounts, faults: string[]): Condition[] {
  const said = faults.join("; ");
  if (paths.up === 0) {
    return [{
      status: "inaccessible",
      reason: "NoPath",
      message: `no path carries I/O: ${said || "none is there"}`,
    }];
  }
  if (faults.length === 0) return [];
  const all = paths.up + paths.down + paths.missing;
  const message = `${paths.up} of ${all} paths carry I/O: ${said}`;
  return [{ status: "degraded", reason: "PathsMissing", message }];
}

/** One device without paths to choose from: it is there and runs, or the volume is inaccessible. */
export function lookAtDevice(view: HostView, device: string | undefined): PathLook {
  const state = device === undefined || view.sizeOf(device) === undefined
    ? undefined
    : view.path(device)?.state ?? "running";
  if (state === "running") return { conditions: [], paths: { ...NONE, up: 1 }, missingRoutes: [] };
  if (state !== undefined) {
    const message = `the only path ${device} is ${state}`;
    return {
      conditions: [{ status: "inaccessible", reason: "NoPath", message }],
      paths: { ...NONE, down: 1 },
      missingRoutes: [],
    };
  }
  const message = `the device ${device ?? "of the volume"} is gone from this node`;
  return {
    conditions: [{ status: "inaccessible", reason: "DeviceMissing", message }],
    paths: { ...NONE, missing: 1 },
    missingRoutes: [],
  };
}
