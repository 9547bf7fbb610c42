import { PROTOCOLS } from "../protocols.ts";
import type { ReadinessCheck } from "../readiness.ts";
import type { NodePlugin } from "./node_plugin.ts";

/**
 * One check per protocol: what this host lacks for it. When at least one protocol works, the others
 * become optional, because a node without Fibre Channel is no broken node.
 */
export async function nodeReadiness(
  node: Pick<NodePlugin, "protocolReasons">,
): Promise<ReadinessCheck[]> {
  const reasons = await node.protocolReasons();
  const isUseful = PROTOCOLS.some((protocol) => reasons[protocol] === undefined);
  return PROTOCOLS.map((name) => ({
    name,
    ok: reasons[name] === undefined,
    state: reasons[name] === undefined ? "ok" : "unusable",
    reason: reasons[name],
    optional: isUseful,
  }));
}
