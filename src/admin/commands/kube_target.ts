// The cluster that a verb looks at.
import { Buffer } from "node:buffer";
import { isPsoError, PsoError } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import { createRun } from "../../host/tools/command.ts";
import { KubeClient, type KubeReader } from "../../kube/client.ts";
import { podServer } from "../../kube/credentials.ts";
import type { RunPlugin } from "../../kube/exec_plugin.ts";
import { kubeconfigFiles, readKubeconfig } from "../../kube/kubeconfig.ts";
import { kubeconfigServer } from "../../kube/kubeconfig_server.ts";
import { silentLogger } from "../../log.ts";
import { CHART, type Cluster, installedNamespace } from "../check/cluster.ts";
import { FoundList } from "../check/found.ts";
import { mapAt } from "../check/kube_object.ts";
import type { AdminContext } from "./context.ts";
import { kubePath } from "../../kube/names.ts";

/** What the flags of a verb say of a cluster. */
export interface KubeChoice {
  kubeconfig?: string;
  context?: string;
  namespace?: string;
}

/** A cluster, and what a person should know of the way to it. */
export interface KubeTarget {
  cluster: Cluster & { kube: KubeClient };
  found: FoundList;
  close(): void;
}

const POD_CREDENTIALS = "/var/run/secrets/kubernetes.io/serviceaccount";
/** A plugin may ask a server of its own, which asks another one. */
const PLUGIN_MS = 60_000;
/** One call: a leader's limit is for those who hold a Lease. */
const ANSWER_MS = 30_000;
/** A server that gave no answer to the first call is not waited for as long again. */
const SILENT_MS = 2_000;
const EVERY_CODE = Array.from({ length: 256 }, (_, code) => code);

/**
 * Whether a cluster is meant without a flag: by KUBECONFIG, by a kubeconfig in its usual place, or
 * because this is a pod. That one of them cannot be used is for openCluster() to tell.
 */
export async function hasCluster({ env, readTextFile }: AdminContext): Promise<boolean> {
  if (env("KUBERNETES_SERVICE_HOST") || env("KUBECONFIG")) return true;
  for (const file of kubeconfigFiles(undefined, env)) {
    const isThere = await readTextFile(file).then(
      () => true,
      (error) => !(error instanceof Deno.errors.NotFound),
    );
    if (isThere) return true;
  }
  return false;
}

/**
 * The cluster of the flags, of KUBECONFIG, of ~/.kube/config, or of this pod. UsageError when there
 * is none. Its namespace: the flag's, that of the installation, the context's, the chart's.
 */
export async function openCluster(
  choice: KubeChoice,
  context: AdminContext,
): Promise<KubeTarget> {
  const { env, readTextFile, environment, answerMs = ANSWER_MS } = context;
  const isAsked = choice.kubeconfig !== undefined || choice.context !== undefined;
  if (!isAsked && !env("KUBECONFIG") && env("KUBERNETES_SERVICE_HOST")) {
    const server = podServer({ env, readTextFile, folder: POD_CREDENTIALS });
    return await targetOf({ server, name: "of this pod", choice, callMs: answerMs });
  }
  const files = kubeconfigFiles(choice.kubeconfig, env);
  const found = await readKubeconfig({ files, context: choice.context, readTextFile });
  const server = kubeconfigServer(found, {
    readTextFile,
    runPlugin: pluginRunner(env, environment),
  });
  const { name, namespace, endpoint, user } = found;
  const callMs = answerMs + (user.exec ? PLUGIN_MS : 0);
  const target = await targetOf({ server, name, choice, contextNamespace: namespace, callMs });
  if (endpoint.isUnverified) {
    target.found.warn(
      "kubeconfig",
      `its context ${name} has insecure-skip-tls-verify: whoever answers at ${endpoint.address} ` +
        "gets your credentials",
      "set certificate-authority-data in its place",
    );
  }
  return target;
}

/** A server, and what is known of it. */
interface TargetParts {
  server: ReturnType<typeof podServer>;
  name: string;
  choice: KubeChoice;
  contextNamespace?: string;
  /** Longest wait for one answer, with the time of a plugin in it. */
  callMs: number;
}

async function targetOf(
  { server, name, choice, contextNamespace, callMs }: TargetParts,
): Promise<KubeTarget> {
  let kube = new KubeClient(server, { timeoutMs: callMs });
  // What is wrong with the way there is told by the look at the cluster.
  const installed = choice.namespace ?? await installedNamespace(kube).catch((error) => {
    const timeoutMs = Math.min(SILENT_MS, callMs);
    if (isPsoError(error, "timeout")) kube = new KubeClient(server, { timeoutMs });
    return undefined;
  });
  const namespace = installed ?? contextNamespace ?? CHART.namespace;
  return {
    cluster: { kube, namespace, name },
    found: new FoundList(`cluster ${name}`),
    close: () => server.close(),
  };
}

/** Runs plugins with the whole environment of this process, as kubectl does. */
function pluginRunner(
  env: AdminContext["env"],
  environment: AdminContext["environment"],
): RunPlugin {
  return async (command, options) => {
    const run = createRun({
      namespaces: "direct",
      hostRoot: "/",
      log: silentLogger,
      path: env("PATH"),
      environment: { ...environment(), ...options.env },
    });
    const { code, stdout, stderr } = await run(command, [...options.args], {
      okCodes: EVERY_CODE, // what it prints may be a credential, and is told nowhere
      timeoutMs: PLUGIN_MS,
      shownAs: command,
    });
    if (code === 0) return stdout;
    throw new PsoError(
      "denied",
      `${command} ended with code ${code}: ${foreignText(stderr.trim())}`,
    );
  };
}

/** A file in a pod of the controller that is a key of a Secret: `<folder>/<secret>/<key>`. */
const TOKEN_FILE = /^\/etc\/pure\/tokens\/([^/]+)\/([^/]+)$/;

/**
 * Reads files, and what a controller with this values file has mounted from Secrets of its namespace
 * from these Secrets themselves. For a values file of the person at this machine alone.
 */
export function readerWith(
  { kube, namespace }: Cluster,
  readTextFile: AdminContext["readTextFile"],
): AdminContext["readTextFile"] {
  return async (path) => {
    const [, name, key] = TOKEN_FILE.exec(path) ?? [];
    if (name === undefined || key === undefined) return await readTextFile(path);
    return await secretText(kube, { namespace, name, key });
  };
}

/** One key of a Secret or a ConfigMap. */
export interface ObjectKey {
  namespace: string;
  name: string;
  key: string;
}

/** The text of a Secret's key; NotFound when there is none, and what KubeClient throws. */
export async function secretText(
  kube: KubeReader,
  { namespace, name, key }: ObjectKey,
): Promise<string> {
  const object = await kube.get(kubePath`/api/v1/namespaces/${namespace}/secrets/${name}`);
  const data = mapAt(object, "data");
  const text = Object.hasOwn(data, key) ? data[key] : undefined;
  if (text === undefined) throw new Deno.errors.NotFound(`Secret ${namespace}/${name} key ${key}`);
  return Buffer.from(text, "base64").toString("utf8");
}
