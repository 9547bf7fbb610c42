import { type ArrayContext, versionRange } from "../array_context.ts";
import type { Dialect, SimulatedArray } from "../array_server.ts";
import { ArrayRoutes } from "../call.ts";
import { addConnectionRoutes } from "./connections.ts";
import { addDefaultProtectionRoutes } from "./containers/default_protection.ts";
import { addPodRoutes } from "./containers/pods.ts";
import { addVolumeGroupRoutes } from "./containers/volume_groups.ts";
import { addHardwareRoutes } from "./hardware/hardware.ts";
import { addEmptyLists, knownLists } from "../known_lists.ts";
import { KNOWN_LISTS } from "./known_lists.ts";
import { addHostGroupRoutes } from "./host_groups.ts";
import { addHostRoutes } from "./hosts.ts";
import { addArrayConnectionRoutes } from "./replication/array_connections.ts";
import { neighboursOf } from "./replication/neighbours.ts";
import { addPodMemberRoutes } from "./replication/pod_members.ts";
import { addGroupSnapshotRoutes } from "./protection/group_snapshots.ts";
import { addProtectionGroupRoutes } from "./protection/protection_groups.ts";
import { addSnapshotRoutes } from "./snapshots.ts";
import { FlashArrayState } from "./state.ts";
import { addTagRoutes } from "./tags.ts";
import { addDiffRoutes } from "./volume_diff.ts";
import { addVolumeRoutes } from "./volumes.ts";
import { addVolumeBatchRoutes } from "./volumes_batch.ts";

/** REST 2.0 to 2.56; 2.12 and 2.18 were never released. */
const FLASHARRAY_VERSIONS: readonly string[] = versionRange(0, 56, { missing: [12, 18] });

/** Lists that are empty here and never say how many they have (OpenAPI file of 2.56). */
const UNCOUNTED_LISTS = knownLists({ 40: "presets/workload workloads", 51: "arrays/cache" });

/**
 * A simulated FlashArray: REST 2.x as drivers use it, over one store and, when it has one, a data
 * plane. `banner` of GET /arrays says which (SIMULATED_BANNER). What it leaves out is in limits.ts.
 */
export class FlashArray implements SimulatedArray {
  readonly kind = "flasharray";
  readonly name: string;
  readonly versions: readonly string[];
  readonly dialect: Dialect = {
    versionsKey: "version",
    loginHasVersion: true,
    loginBody: (username) => ({ items: [{ username }] }),
    oldVersions: Array.from({ length: 20 }, (_, minor) => `1.${minor}`),
    mergesParameters: true,
  };
  readonly routes = new ArrayRoutes();
  readonly state: FlashArrayState;

  constructor(context: ArrayContext) {
    this.name = context.name;
    this.versions = context.versions ?? FLASHARRAY_VERSIONS;
    this.state = new FlashArrayState(context);
    neighboursOf(this.state)?.join(this.state);
    addVolumeRoutes(this.routes, this.state);
    addPodRoutes(this.routes, this.state);
    addPodMemberRoutes(this.routes, this.state);
    addArrayConnectionRoutes(this.routes, this.state);
    addDefaultProtectionRoutes(this.routes, this.state);
    addVolumeGroupRoutes(this.routes, this.state);
    addVolumeBatchRoutes(this.routes, this.state);
    addDiffRoutes(this.routes, this.state);
    addTagRoutes(this.routes, this.state);
    addSnapshotRoutes(this.routes, this.state);
    addHostRoutes(this.routes, this.state);
    addHostGroupRoutes(this.routes, this.state);
    addConnectionRoutes(this.routes, this.state);
    addProtectionGroupRoutes(this.routes, this.state);
    addGroupSnapshotRoutes(this.routes, this.state);
    addHardwareRoutes(this.routes, this.state);
    const nothing = { what: "Object", all: () => [], keyOf: () => "", render: () => ({}) };
    addEmptyLists(this.routes, KNOWN_LISTS, (call) => this.state.list(call, nothing));
    addEmptyLists(this.routes, UNCOUNTED_LISTS, () => ({ body: { items: [] } }));
  }

  start(): Promise<void> {
    const { state } = this;
    const { plane } = state.context;
    plane?.images.keepOnly(
      [...state.volumes.values(), ...state.snapshots.values()].map(({ id }) => id),
    );
    // A crash between an image's new size and the state: the state was not answered, so the image
    // follows it.
    for (const { id, provisioned } of state.volumes.values()) {
      plane?.images.sizeImage(id, provisioned);
    }
    plane?.block.reconcile([...state.hosts.values()].map((host) => state.planeHost(host)));
    return Promise.resolve();
  }

  async expire(): Promise<void> {
    const { state } = this;
    if (!state.isExpiryDue() && !state.containers.isExpiryDue()) return;
    await state.turns.take(() => {
      state.expire();
      state.containers.expire();
    });
  }

  stop(): Promise<void> {
    try {
      this.state.context.plane?.block.stop();
    } finally {
      this.state.context.store.close();
    }
    return Promise.resolve();
  }
}
