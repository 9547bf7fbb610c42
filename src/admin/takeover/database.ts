// What PSO 6's database leaves in a cluster: its operator made it, so that no upgrade takes it away.
import { nameOf } from "../check/kube_object.ts";
import { kubePath } from "../../kube/names.ts";
import type { TakeoverCluster } from "./cluster.ts";

const APPS = "/apis/apps/v1";
/** Kinds of what PSO's operator and chart made under names of the database, as kubectl writes them. */
const KINDS = [
  { api: APPS, kind: "statefulset" },
  { api: APPS, kind: "deployment" },
  { api: "/api/v1", kind: "service" },
  { api: "/api/v1", kind: "configmap" },
] as const;
/** `pso-db` is a Service, `pso-db-3` a StatefulSet, `pso-db-deployer` a Deployment. */
const DATABASE = /^pso-db(-(public|config|deployer|cockroach-operator|\d{1,4}))?$/;
const DEFINITION = "intrusions.pso.purestorage.com";

/**
 * The objects of PSO 6's database in this namespace, each as `kind/name` for kubectl. Nobody needs
 * them once the controller is gone. Throws what KubeClient throws.
 */
export async function databaseObjects(
  cluster: TakeoverCluster,
  namespace: string,
): Promise<string[]> {
  const lists = await Promise.all(KINDS.map(async ({ api, kind }) => {
    const path = api + kubePath`/namespaces/${namespace}/${`${kind}s`}`;
    const names = (await cluster.list({ path })).map(nameOf);
    return names.filter((name) => DATABASE.test(name)).sort().map((name) => `${kind}/${name}`);
  }));
  const definition = await cluster.find(
    `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${DEFINITION}`,
  );
  return [...lists.flat(), ...(definition ? [`crd/${DEFINITION}`] : [])];
}
