import { tellUnanswered } from "../check/cluster.ts";
import { type NodeFacts, nodesOf, tellNodes } from "../check/node_look.ts";
import type { AdminContext } from "./context.ts";
import { openCluster } from "./kube_target.ts";
import { structured, tableOf } from "./output.ts";
import { withTroubles } from "./report.ts";
import { choiceOf } from "./sources.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "./verb_flags.ts";

/** `pso-bin admin nodes`, as help and completion show it. */
export const NODES: VerbUse = {
  name: "nodes",
  meaning: "lists the nodes of a cluster: registered, node plugin, protocols that work there",
  text:
    `Lists the nodes of a cluster: whether kubelet knows the driver there, whether the node plugin's pod is
ready, and by which protocols the node can attach, as that pod says (asked through the API server).
Below the table stands what is wrong with one, and what to do.`,
  usage: ["[--kubeconfig FILE] [--context NAME] [-n NAMESPACE]"],
  flags: [...COMMON_FLAGS.kube, ...COMMON_FLAGS.output, COMMON_FLAGS.help],
  example: {
    line: "pso-bin admin nodes --context production",
    what: "after you added nodes to a cluster",
  },
  notes:
    `Exit codes: 0 every node with a node plugin is registered and can attach, 1 one does not or none is
registered, or the cluster cannot be read, 2 wrong use.`,
};

/** `pso-bin admin nodes`. */
export async function nodes(args: string[], context: AdminContext): Promise<number> {
  const flags = new VerbFlags(NODES, args);
  const target = await openCluster(choiceOf(flags).kube, context);
  const { cluster, found } = target;
  try {
    const { progress } = context;
    const all = await nodesOf(cluster, { progress }).catch((error) => {
      tellUnanswered(found, { check: "nodes", error });
      return [];
    });
    if (found.all.every(({ level }) => level !== "fail")) tellNodes(all, found);
    const problems = found.all.filter(({ level }) => level !== "ok");
    const format = flags.format();
    context.print(
      format === "table"
        ? withTroubles(tableFor(all, flags.isSet("wide")), {
          findings: problems,
          colours: context.colours,
          columns: context.columns,
        })
        : structured({ nodes: all, problems }, format),
    );
    const isWrong = problems.some(({ level }) => level === "fail") || all.some(isBroken);
    return isWrong ? 1 : 0;
  } finally {
    target.close();
  }
}

/** A node that has the node plugin, and where no volume can be attached all the same. */
function isBroken({ pod, registered, podReady, usable }: NodeFacts): boolean {
  return pod !== undefined && (!registered || !podReady || usable?.length === 0);
}

const HEADINGS = ["NODE", "REGISTERED", "READY", "CAN ATTACH BY"];
const WIDE_HEADINGS = ["NOT BY", "POD", "MOST VOLUMES", "NEW TOPOLOGY KEYS"];

function tableFor(all: readonly NodeFacts[], wide: boolean): string {
  if (all.length === 0) return "";
  const rows = all.map((one) => [
    one.name,
    one.registered ? "yes" : "no",
    one.pod === undefined ? "no pod" : one.podReady ? "yes" : `no: ${one.trouble ?? ""}`,
    one.usable === undefined ? "unknown" : one.usable.join(", ") || "nothing",
    ...(wide
      ? [
        one.unusable?.join(", ") || "-",
        one.pod ?? "-",
        one.maxVolumes === undefined ? "-" : String(one.maxVolumes),
        one.newKeys.join(", ") || "-",
      ]
      : []),
  ]);
  return tableOf([...HEADINGS, ...(wide ? WIDE_HEADINGS : [])], rows);
}
