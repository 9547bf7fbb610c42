import { nodeService } from "../../src/csi/node_service.ts";
import type { UnaryMethod } from "../../src/csi/unary.ts";
import { InlineVolumes } from "../../src/ephemeral/inline_volumes.ts";
import { silentLogger } from "../../src/log.ts";
import type { NodePlugin } from "../../src/node/node_plugin.ts";

/** The rows of a node that runs without Kubernetes. */
export function nodeRows(node: NodePlugin): UnaryMethod[] {
  const objects = "there is no Kubernetes here";
  return nodeService(
    node,
    new InlineVolumes({
      node,
      nodeName: "n",
      objects,
      chap: () => Promise.resolve(undefined),
      log: silentLogger,
    }),
  );
}
