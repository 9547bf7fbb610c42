/** The take-over of a cluster with PSO 6 in docs/admin.md: planned, done, given back, stopped, refused. */
import { NAMESPACE, pathOf, pso62, volumeOf } from "../pso_objects.ts";
import { serveTakeoverCluster } from "../served_takeover_cluster.ts";
import { clusterWith, NODES_62 } from "../takeover_bed.ts";
import {
  arraysOf,
  entryOf,
  type PageBed,
  type PageScenes,
  type Scene,
  volume,
} from "./page_bed.ts";
import { valuesOf } from "./right_scenes.ts";

const LINE = "pso-bin admin takeover -f values.yaml --kubeconfig old.kubeconfig";
const GO_BACK = "pso-bin admin takeover --kubeconfig old.kubeconfig";
/** What stands above on the page, as it was said first. */
const PLAN = /^PSO 6 in [^]*? on the arrays\n\n/;
const FORBIDDEN =
  `daemonsets.apps "pso-csi-node" is forbidden: User "jane" cannot delete resource ` +
  `"daemonsets" in API group "apps" in the namespace "${NAMESPACE}"`;

/** In this order: each meets what those before it left. */
export async function takeoverScenes({ fleet }: Pick<PageBed, "fleet">): Promise<PageScenes> {
  const cluster = clusterWith(pso62({ arrays: { FlashArrays: [] } }), volume("1").slice(4));
  const served = serveTakeoverCluster(cluster);
  const parent = await Deno.makeTempDir();
  const { one } = arraysOf(fleet);
  const files = {
    ...valuesOf({ FlashArrays: [entryOf(one)] }),
    "old.kubeconfig": served.kubeconfig,
  };
  const scene = (name: string, flags: string, before?: () => void): Scene => ({
    name,
    line: flags.includes("--restore") ? `${GO_BACK} ${flags}` : `${LINE} ${flags}`.trimEnd(),
    drop: flags === "" ? undefined : PLAN,
    files,
    folders: { "pso-backup": `${parent}/first`, "pso-backup-2": `${parent}/second` },
    before: () => Promise.resolve(before?.()),
  });
  const deletion = `DELETE ${NODES_62}`;
  const scenes = [
    scene("takeover", ""),
    scene("takeover refused", "", () => {
      for (const object of strays()) cluster.put(pathOf(object), object);
    }),
    scene("takeover done", "--yes --backup pso-backup", () => {
      for (const object of strays()) cluster.objects.delete(pathOf(object));
    }),
    scene("takeover given back", "--restore pso-backup"),
    scene("takeover stopped", "--yes --backup pso-backup-2", () => {
      served.refused.set(deletion, FORBIDDEN);
    }),
    scene("takeover resumed", "--resume pso-backup-2", () => void served.refused.delete(deletion)),
  ];
  return {
    scenes,
    stop: async () => {
      await served.stop();
      await Deno.remove(parent, { recursive: true });
    },
  };
}

/** What stands in the way: a volume that no array has, and one that is being attached. */
function strays() {
  return [volumeOf(volume("9").slice(4)), {
    apiVersion: "storage.k8s.io/v1",
    kind: "VolumeAttachment",
    metadata: { name: "csi-4be1" },
    spec: {
      attacher: "pure-csi",
      nodeName: "worker-1",
      source: { persistentVolumeName: volume("1").slice(4) },
    },
  }];
}
