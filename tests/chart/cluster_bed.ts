/** A real API server with the definitions that the chart can make objects of. */
import { ApiServer, definitions, NAMESPACE } from "./helm.ts";
import { withApiServer } from "./api_server.ts";

export const HERE = new URL(".", import.meta.url).pathname;
export const valuesOf = (name: string) => `${HERE}values/${name}.yaml`;

/** A cluster in which a person of the namespace is warned of what `restricted` forbids. */
export async function withCluster(test: (server: ApiServer) => Promise<void>): Promise<void> {
  await withApiServer(async (env) => {
    const server = new ApiServer(env);
    await Deno.mkdir(server.dir);
    await server.kubectl("apply", "--server-side", "-f", definitions());
    await server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s");
    // The second one has Secrets of classes in one of the values files.
    await server.apply(...[NAMESPACE, "apps"].map((name) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "pod-security.kubernetes.io/warn": "restricted" } },
    })));
    await test(server);
  });
}
