/** Labels and segments of this prefix always say where an array or a node is (PSO 5.1 and later). */
export const TOPOLOGY_PREFIX = "topology.purestorage.com/";

/** Labels of a node or an array. */
export type LabelSet = Readonly<Record<string, string>>;

/**
 * The labels that say where something is: those of PSO's prefix, and those that `keys`
 * (storagetopology.nodeLabels) names. A label without a value says nothing.
 */
export function topologyLabels(labels: LabelSet, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([key, value]) =>
      value !== "" && (key.startsWith(TOPOLOGY_PREFIX) || keys.includes(key))
    ),
  );
}
