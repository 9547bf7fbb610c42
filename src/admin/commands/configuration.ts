// Where a verb takes the configuration from.
import type { Config } from "../../config/model.ts";
import { loadConfig, type LoadedConfig, SECRET_FILE } from "../../config/load.ts";
import {
  ForbiddenFile,
  NAMED_FILES_FOLDER,
  namedFileReader,
  refuseOutside,
} from "../../config/arrays/named_files.ts";
import { topologyLabels } from "../../config/arrays/topology_labels.ts";
import { ConfigError, problemText } from "../../config/problems.ts";
import { counted, FoundList } from "../check/found.ts";
import { isKubeStatus, type KubeObject } from "../../kube/client.ts";
import {
  CHART,
  type Cluster,
  controllerDeployment,
  ifThere,
  installationOf,
} from "../check/cluster.ts";
import { mountedSecretKey } from "../check/mounted_secrets.ts";
import { mapAt } from "../check/kube_object.ts";
import { type AdminContext, givenName, readGiven } from "./context.ts";
import { secretText } from "./kube_target.ts";
import { kubePath } from "../../kube/names.ts";

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

/** The values file, or what comes in by standard input. What it names is read as it is written. */
export function valuesSource(
  file: string,
  context: Pick<AdminContext, "readTextFile" | "standardInput" | "env">,
): ConfigurationSource {
  const { readTextFile, env } = context;
  const name = givenName(file);
  return {
    name,
    load: () =>
      loadConfig({
        valuesFile: name,
        mode: "admin",
        strict: true,
        readTextFile: (path) => path === name ? readGiven(file, context) : readTextFile(path),
        env,
        advice: "name a values file that can be read, or - for standard input",
      }),
  };
}

/** What the chart mounts into a pod. It names no file beside what the chart mounts with it. */
export function mountedSource(
  { readTextFile, realPath, env }: Pick<AdminContext, "readTextFile" | "realPath" | "env">,
): ConfigurationSource {
  const secretFile = env("PURE_DISCOVERY_CONF") ?? SECRET_FILE;
  const rules = { within: NAMED_FILES_FOLDER, never: [], readTextFile, realPath };
  const readNamedFile = namedFileReader(rules);
  return {
    name: secretFile,
    load: () => loadConfig({ mode: "admin", readTextFile, readNamedFile, env }),
  };
}

/**
 * The Secret and the ConfigMap of an installation, as its controller has them. A file that they name
 * is read from the Secret that the controller's Deployment mounts there, and never from this
 * machine: whoever writes them would have the content sent to an address of their choice.
 */
export async function liveSource(cluster: Cluster): Promise<ConfigurationSource> {
  const { kube, namespace } = cluster;
  const deployment = await controllerDeployment(cluster);
  const { secret, configMap } = installationOf(deployment, cluster);
  const config = await ifThere(
    kube,
    kubePath`/api/v1/namespaces/${namespace}/configmaps/${configMap.name}`,
  );
  const secretFile = `Secret ${namespace}/${secret.name}`;
  const appConfigFile = `ConfigMap ${namespace}/${configMap.name}`;
  const read = async (path: string) => {
    if (path === secretFile) return await secretText(kube, { namespace, ...secret });
    if (path === appConfigFile) return mapAt(config, "data")[configMap.key] ?? "";
    throw new Deno.errors.NotFound(path);
  };
  const readNamed = async (path: string) =>
    await secretText(kube, {
      namespace,
      ...namedKey(path, { deployment, arrays: secret.name, namespace }),
    });
  return {
    name: secretFile,
    load: () =>
      loadConfig({
        mode: "admin",
        advice:
          "upgrade the release, which makes it, or name another namespace by -n or a values file",
        secretFile,
        appConfigFile,
        readTextFile: (path) => asFile(path, read),
        readNamedFile: (path) => asFile(path, readNamed),
      }),
  };
}

/** What an installation's controller reads files from. */
interface ControllerFiles {
  deployment: KubeObject | undefined;
  /** The Secret with the arrays. */
  arrays: string;
  namespace: string;
}

/** The key that a file of the controller is; ForbiddenFile for one that it does not have. */
function namedKey(path: string, { deployment, arrays, namespace }: ControllerFiles) {
  refuseOutside(path);
  // A file that the controller's pod has beside its Secret is a key of it.
  const [, key] = /^\/etc\/pure\/([^/]+)$/.exec(path) ?? [];
  if (key !== undefined) return { name: arrays, key };
  const mounted = mountedSecretKey(deployment, path);
  if (mounted) return mounted;
  throw new ForbiddenFile(
    `the Deployment ${namespace}/${CHART.controllerApp} mounts from no Secret`,
    "name the Secret in controllerServer.tokenSecrets of the values, and upgrade",
  );
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
    found.ok("values", `${counted(arrays.length, "array")}, volumes are named ${clusterId}-…`);
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

/** What lookAtCluster() must know of topology. */
interface TopologyFacts {
  /** The labels that nodes tell beside PSO's; absent when they tell none, or it is not known. */
  topologyKeys?: readonly string[];
  /** A label that some array has, as `KEY=VALUE`. */
  topologyExample?: string;
}

/** What a configuration says of topology; nothing while it is off, or the configuration not known. */
export function topologyOf(config: Config | undefined): TopologyFacts {
  if (!config?.topology.enable) return {};
  const { nodeLabels } = config.topology;
  const [label] = config.arrays.flatMap(({ labels }) =>
    Object.entries(topologyLabels(labels, nodeLabels))
  );
  return {
    topologyKeys: nodeLabels,
    ...(label === undefined ? {} : { topologyExample: label.join("=") }),
  };
}
