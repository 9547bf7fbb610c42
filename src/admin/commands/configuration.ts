// Where a verb takes the configuration from.
import type { Config } from "../../config/model.ts";
import { loadConfig, type LoadedConfig, SECRET_FILE } from "../../config/load.ts";
import { ConfigError, problemText } from "../../config/problems.ts";
import { counted, FoundList } from "../check/found.ts";
import { isKubeStatus } from "../../kube/client.ts";
import { type Cluster, controllerDeployment, ifThere, installationOf } from "../check/cluster.ts";
import { mapAt } from "../check/kube_object.ts";
import type { AdminContext } from "./context.ts";
import { readerWith, secretText } from "./kube_target.ts";

/** A configuration, or why there is none; `found` tells either. */
export interface ReadConfiguration {
  /** Absent when it cannot be used. */
  loaded?: LoadedConfig;
  found: FoundList;
}

/** A place that a configuration is read from. */
export interface ConfigurationSource {
  /** What messages call it. */
  name: string;
  load(): Promise<LoadedConfig>;
}

/** The values file. */
export function valuesSource(
  file: string,
  { readTextFile, env }: Pick<AdminContext, "readTextFile" | "env">,
): ConfigurationSource {
  return {
    name: file,
    load: () => loadConfig({ valuesFile: file, mode: "admin", strict: true, readTextFile, env }),
  };
}

/** What the chart mounts into a pod, as the controller reads it. */
export function mountedSource(
  { readTextFile, env }: Pick<AdminContext, "readTextFile" | "env">,
): ConfigurationSource {
  const secretFile = env("PURE_DISCOVERY_CONF") ?? SECRET_FILE;
  return { name: secretFile, load: () => loadConfig({ mode: "admin", readTextFile, env }) };
}

/** The Secret and the ConfigMap of an installation, as its controller has them. */
export async function liveSource(
  cluster: Cluster,
  { readTextFile }: Pick<AdminContext, "readTextFile">,
): Promise<ConfigurationSource> {
  const { kube, namespace } = cluster;
  const { secret, configMap } = installationOf(await controllerDeployment(cluster), cluster);
  const config = await ifThere(
    kube,
    `/api/v1/namespaces/${namespace}/configmaps/${configMap.name}`,
  );
  const secretFile = `Secret ${namespace}/${secret.name}`;
  const appConfigFile = `ConfigMap ${namespace}/${configMap.name}`;
  const files = readerWith(cluster, readTextFile);
  const read = async (path: string) => {
    if (path === secretFile) return await secretText(kube, { namespace, ...secret });
    if (path === appConfigFile) return mapAt(config, "data")[configMap.key] ?? "";
    // A file that the controller's pod has beside its Secret is a key of it.
    const [, key] = /^\/etc\/pure\/([^/]+)$/.exec(path) ?? [];
    if (key === undefined) return await files(path);
    return await secretText(kube, { namespace, name: secret.name, key });
  };
  return {
    name: secretFile,
    load: () =>
      loadConfig({
        mode: "admin",
        secretFile,
        appConfigFile,
        readTextFile: (path) => asFile(path, read),
      }),
  };
}

/** What the API server does not have is as a file that is not there. */
async function asFile(path: string, read: (path: string) => Promise<string>): Promise<string> {
  try {
    return await read(path);
  } catch (error) {
    throw isKubeStatus(error, 404) ? new Deno.errors.NotFound(path) : error;
  }
}

/** Whether this process has what the chart mounts into a controller. */
export async function isMounted(
  { readTextFile, env }: Pick<AdminContext, "readTextFile" | "env">,
): Promise<boolean> {
  return await readTextFile(env("PURE_DISCOVERY_CONF") ?? SECRET_FILE).then(
    () => true,
    () => false,
  );
}

/** Reads the whole configuration, and tells every problem of it. Throws what is no problem of it. */
export async function readConfiguration(
  { name, load }: ConfigurationSource,
): Promise<ReadConfiguration> {
  const found = new FoundList(name);
  try {
    const loaded = await load();
    for (const problem of loaded.warnings) found.warn("values", problemText(problem));
    const { arrays, clusterId } = loaded.config;
    const text = `${counted(arrays.length, "array")}, volumes are named ${clusterId}-…`;
    if (arrays.length > 0) found.ok("values", text);
    else found.warn("values", `${text}: no volumes are made`, "add arrays");
    return { loaded, found };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      const text = problemText(problem);
      if (problem.severity === "error") found.fail("values", text);
      else found.warn("values", text);
    }
    return { found };
  }
}

/** The labels that nodes tell beside PSO's; undefined when they tell none, or it is not known. */
export function topologyKeysOf(config: Config | undefined): readonly string[] | undefined {
  return config?.topology.enable ? config.topology.nodeLabels : undefined;
}
