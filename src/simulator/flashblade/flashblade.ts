import { type ArrayContext, versionRange } from "../array_context.ts";
import type { Dialect, SimulatedArray } from "../array_server.ts";
import { ArrayRoutes } from "../call.ts";
import { addEmptyLists } from "../known_lists.ts";
import { KNOWN_LISTS } from "./known_lists.ts";
import { addExportRoutes } from "./exports.ts";
import { addFileSystemRoutes, listOf } from "./file_systems.ts";
import { addBladeHardwareRoutes } from "./hardware.ts";
import { addExportPolicyRoutes } from "./policies.ts";
import { addQuotaRoutes } from "./quotas.ts";
import { addServerRoutes } from "./servers.ts";
import { addBladeSettingRoutes } from "./settings.ts";
import { addSnapshotPolicyRoutes } from "./snapshot_policies.ts";
import { addFileSystemSnapshotRoutes } from "./snapshots.ts";
import { FlashBladeState } from "./state.ts";

/** REST 2.0 to 2.28, without a gap. An array whose list ends below 2.25 cannot clone. */
const FLASHBLADE_VERSIONS: readonly string[] = versionRange(0, 28);
/** REST 1.x as recorded lists begin with it. */
const OLD_VERSIONS: readonly string[] = [
  ...Array.from({ length: 9 }, (_, minor) => `1.${minor}`),
  "1.8.1",
  ...["1.9", "1.10", "1.11", "1.12"],
];

/**
 * A simulated FlashBlade: REST 2.x as drivers use it, over one store and, when it has one, a local
 * data plane. `revision` of GET /arrays is SIMULATED_REVISION. What it leaves out is in limits.ts.
 */
export class FlashBlade implements SimulatedArray {
  readonly kind = "flashblade";
  readonly name: string;
  readonly versions: readonly string[];
  readonly dialect: Dialect = {
    versionsKey: "versions",
    loginHasVersion: false,
    loginBody: (username) => ({ username }),
    oldVersions: OLD_VERSIONS,
    mergesParameters: false,
  };
  readonly routes = new ArrayRoutes();
  readonly state: FlashBladeState;

  constructor(context: ArrayContext) {
    this.name = context.name;
    this.versions = context.versions ?? FLASHBLADE_VERSIONS;
    this.state = new FlashBladeState(context);
    addFileSystemRoutes(this.routes, this.state);
    addFileSystemSnapshotRoutes(this.routes, this.state);
    addExportPolicyRoutes(this.routes, this.state);
    addServerRoutes(this.routes, this.state);
    addExportRoutes(this.routes, this.state);
    addSnapshotPolicyRoutes(this.routes, this.state);
    addQuotaRoutes(this.routes, this.state);
    addBladeHardwareRoutes(this.routes, this.state);
    addBladeSettingRoutes(this.routes, this.state);
    const nothing = { what: "Object", all: () => [], keyOf: () => "", render: () => ({}) };
    addEmptyLists(this.routes, KNOWN_LISTS, (call) => listOf(this.state, call, nothing));
  }

  async start(): Promise<void> {
    await this.state.start();
  }

  async expire(): Promise<void> {
    if (this.state.isExpiryDue()) await this.state.turns.take(() => this.state.expire());
  }

  async stop(): Promise<void> {
    try {
      await this.state.turns.take(() => this.state.stop());
    } finally {
      this.state.context.store.close();
    }
  }
}
