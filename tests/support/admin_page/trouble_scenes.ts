/** The commands of docs/admin.md in clusters that are in trouble themselves: one for each trouble. */
import { type FakeCluster, fakeCluster, installIn, podOf, pvOf } from "../fake_cluster.ts";
import {
  arraysOf,
  NOBODY,
  type PageBed,
  type PageScenes,
  type Scene,
  secretEntryOf,
  send,
  volume,
} from "./page_bed.ts";
import { CLAIM, NO_ARRAYS, register } from "./right_scenes.ts";

const KUBE = "--kubeconfig prod.kubeconfig";
const LINES = {
  check: `pso-bin admin check ${KUBE}`,
  doctor: `pso-bin admin doctor ${KUBE}`,
  nodes: `pso-bin admin nodes ${KUBE}`,
  place: `pso-bin admin place -f pvc.yaml ${KUBE}`,
} as const;
type Verb = keyof typeof LINES;

/** One trouble, and the verbs that meet it. */
interface Trouble {
  name: string;
  verbs: readonly Verb[];
  spoil: (cluster: FakeCluster) => void;
  /** Text of the kubeconfig; default: that of the cluster. */
  kubeconfig?: string;
}

const SECRETS = "/api/v1/namespaces/pso/secrets";
const SECRET = "pure-provisioner-secret";

const TROUBLES: readonly Trouble[] = [
  {
    name: "no server",
    verbs: ["check", "doctor", "place"],
    spoil: () => {},
    kubeconfig: JSON.stringify({
      "current-context": "prod",
      contexts: [{ name: "prod", context: { cluster: "prod" } }],
      clusters: [{ name: "prod", cluster: { server: `http://${NOBODY}` } }],
    }),
  },
  {
    name: "no rights",
    verbs: ["check", "doctor", "place"],
    spoil: (cluster) => {
      forbid(cluster, `${SECRETS}/${SECRET}`, {
        verb: "get",
        what: "secrets",
        where: 'in the namespace "pso"',
      });
      for (const what of ["persistentvolumes", "nodes"]) {
        forbid(cluster, `/api/v1/${what}`, { verb: "list", what, where: "at the cluster scope" });
      }
    },
  },
  {
    name: "sick pods",
    verbs: ["check", "nodes"],
    spoil: ({ items }) => {
      items.set("/apis/storage.k8s.io/v1/csinodes", [{
        metadata: { name: "node-a" },
        spec: { drivers: [] },
      }]);
      const pods = items.get("/api/v1/namespaces/pso/pods") ?? [];
      const images = ["pso-bin:7.0.0", "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0"];
      const sick = podOf("pure-provisioner-1", { app: "pure-provisioner" }, images);
      const waiting = { waiting: { reason: "CrashLoopBackOff" } };
      items.set("/api/v1/namespaces/pso/pods", [{
        ...sick,
        status: {
          phase: "Running",
          conditions: [{ type: "Ready", status: "False" }],
          containerStatuses: [
            { name: "driver", ready: false, restartCount: 6, state: waiting },
            { name: "sidecar-1", ready: true, restartCount: 0 },
          ],
        },
      }, ...pods.slice(1)]);
      const leases = "/apis/coordination.k8s.io/v1/namespaces/pso/leases";
      const [lease] = items.get(leases) ?? [];
      items.set(leases, [{
        ...lease,
        spec: {
          holderIdentity: "pure-provisioner-1_abc",
          renewTime: new Date(Date.now() - 600_000).toISOString().replace("Z", "000Z"),
          leaseDurationSeconds: 15,
        },
      }]);
    },
  },
  {
    name: "no secret",
    verbs: ["check", "place"],
    spoil: ({ items }) => void items.set(SECRETS, []),
  },
  {
    name: "damaged secret",
    verbs: ["check", "doctor"],
    spoil: ({ items }) => {
      const data = { "pure.json": btoa('{"FlashArrays": [{"MgmtEndPoint": "10.21.0.1", ') };
      items.set(SECRETS, [{ metadata: { name: SECRET }, data }]);
    },
  },
];

/** Refuses a call as the API server does whose RBAC has no rule for it. */
function forbid(
  { answers }: FakeCluster,
  path: string,
  { verb, what, where }: { verb: string; what: string; where: string },
): void {
  const name = path.endsWith(`/${what}`) ? "" : ` ${JSON.stringify(path.split("/").at(-1))}`;
  const message = `${what}${name} is forbidden: User "jane" cannot ${verb} resource "${what}" in ` +
    `API group "" ${where}`;
  answers.set(path, () => Response.json({ kind: "Status", message }, { status: 403 }));
}

/** A cluster with one volume for each trouble. */
export async function troubleScenes({ fleet }: Pick<PageBed, "fleet">): Promise<PageScenes> {
  const { one } = arraysOf(fleet);
  const { items: [{ id }] } = await send(one, ["GET /arrays"]);
  const arrays = JSON.stringify({ FlashArrays: [await secretEntryOf(one)] });
  const clusters: FakeCluster[] = [];
  const scenes = TROUBLES.flatMap(({ name, verbs, spoil, kubeconfig }) => {
    const cluster = fakeCluster();
    clusters.push(cluster);
    installIn(cluster, { arrays, now: Date.now() });
    register({ cluster }, "node-a");
    const handle = `${id.slice(0, 8)}/${volume("1")}`;
    cluster.items.set("/api/v1/persistentvolumes", [pvOf(volume("1").slice(4), { handle })]);
    spoil(cluster);
    const files = {
      "prod.kubeconfig": kubeconfig ?? cluster.kubeconfig,
      "pvc.yaml": CLAIM,
    };
    return verbs.map((verb): Scene => ({
      name: `${name}, ${verb}`,
      line: LINES[verb],
      files,
      ...verb === "check" && { drop: NO_ARRAYS },
    }));
  });
  return {
    scenes,
    stop: async () => void await Promise.all(clusters.map((cluster) => cluster.stop())),
  };
}
