import { loadConfig } from "../../src/config/load.ts";
import type {
  FlashArraySettings,
  FlashBladeSettings,
  PlacementSettings,
} from "../../src/config/model.ts";
import type { NodePluginOptions } from "../../src/node/node_plugin.ts";

const { config } = await loadConfig({
  mode: "node",
  valuesFile: "an empty values file",
  readTextFile: () => Promise.resolve("{}"),
});

/** The section `flasharray` as an empty values file gives it. */
export const FLASHARRAY: FlashArraySettings = config.flasharray;

/** The section `flashblade` as an empty values file gives it. */
export const FLASHBLADE: FlashBladeSettings = config.flashblade;

/** The section `placement` as an empty values file gives it. */
export const PLACEMENT: PlacementSettings = config.placement;

/** What a test wants otherwise of a node than its bed has it; of `flasharray` single keys. */
export interface NodeChanges extends Omit<Partial<NodePluginOptions>, "flasharray"> {
  flasharray?: Partial<FlashArraySettings>;
}
