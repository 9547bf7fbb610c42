import { Buffer } from "node:buffer";
import { parseMapping } from "../config/files.ts";
import { ConfigError, ProblemList } from "../config/problems.ts";
import { isMapping, type Mapping } from "../config/tree.ts";
import { fileFault, messageOf, PsoError, UsageError } from "../errors.ts";
import { Secret } from "../secret.ts";

// A kubeconfig file, as far as people reach clusters with it: kubectl's own reader takes more, and
// whatever is not taken here is refused by its name.

/** How the files of a workstation are found and read. */
export interface KubeconfigSource {
  /** Best first: what an earlier file has counts. */
  files: readonly string[];
  /** Absent: the current one. */
  context?: string;
  readTextFile: (path: string) => Promise<string>;
}

/** A program that gives a kubeconfig's user its credentials. */
export interface ExecPlugin {
  /** Which user has it, for messages. */
  shown: string;
  command: string;
  args: readonly string[];
  /** Beside the environment of this process. */
  env: Readonly<Record<string, string>>;
  apiVersion: string;
  /** It is told which cluster it is asked for. */
  wantsCluster: boolean;
  /** How to install it, by whoever wrote the kubeconfig. */
  installHint?: string;
}

/** How a user proves who it is; each field alone, and all absent: it does not. */
export interface KubeUser {
  token?: Secret;
  /** A file that holds the token, read at each call. */
  tokenFile?: string;
  certPem?: string;
  keyPem?: Secret;
  exec?: ExecPlugin;
}

/** An API server, and what is known of it. */
export interface KubeEndpoint {
  scheme: "https" | "http";
  /** `host:port`. */
  address: string;
  /** What stands before `/api`; empty for nothing. */
  pathPrefix: string;
  caPem?: string;
  /** The certificate is not checked. */
  isUnverified: boolean;
  serverName?: string;
}

/** What one context of a kubeconfig says. */
export interface KubeContext {
  name: string;
  /** Absent: the context names none. */
  namespace?: string;
  endpoint: KubeEndpoint;
  user: KubeUser;
}

/** Where kubectl looks, too: the flag, else KUBECONFIG with `:` between files, else the home folder. */
export function kubeconfigFiles(
  flag: string | undefined,
  env: (name: string) => string | undefined,
): string[] {
  if (flag !== undefined) return [flag];
  const named = (env("KUBECONFIG") ?? "").split(":").filter((file) => file !== "");
  if (named.length > 0) return named;
  const home = env("HOME");
  return home ? [`${home}/.kube/config`] : [];
}

/** A mapping of a kubeconfig, and the folder that its relative paths begin at. */
interface Part {
  /** For messages: `user "admin" of /home/a/.kube/config`. */
  shown: string;
  folder: string;
  fields: Mapping;
  readTextFile: (path: string) => Promise<string>;
}

/**
 * Reads the context that is asked for. UsageError when there is none or when it says what is not
 * taken here; ConfigError for a file that is no kubeconfig; `denied` when a file that it names
 * cannot be read.
 */
export async function readKubeconfig(source: KubeconfigSource): Promise<KubeContext> {
  const files = await readFiles(source);
  const current = files.map(({ root }) => root["current-context"]).find(isText);
  const name = source.context ?? current;
  if (files.every(({ root }) => entriesOf(root, "contexts").length === 0)) {
    throw new UsageError(
      `${source.files.join(", ")} names no contexts, as a kubeconfig does: name another one by ` +
        "--kubeconfig",
    );
  }
  if (name === undefined) {
    throw new UsageError(
      `${source.files.join(", ")} names no current-context: name one by --context (${
        namesIn(files, "contexts")
      })`,
    );
  }
  const context = find(files, { list: "contexts", key: "context", name });
  const { cluster, user, namespace } = context.fields;
  if (!isText(cluster)) throw new UsageError(`${context.shown} names no cluster: correct the file`);
  const endpoint = await endpointOf(
    find(files, { list: "clusters", key: "cluster", name: cluster }),
  );
  const who = isText(user)
    ? await userOf(find(files, { list: "users", key: "user", name: user }))
    : {};
  if (endpoint.scheme === "http" && Object.keys(who).length > 0) {
    throw new UsageError(
      `cluster ${JSON.stringify(cluster)} is served by plain HTTP, and the credentials of user ` +
        `${JSON.stringify(user)} would be seen on the way: use https`,
    );
  }
  return { name, endpoint, user: who, ...(isText(namespace) ? { namespace } : {}) };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

interface ReadFile {
  file: string;
  root: Mapping;
  readTextFile: (path: string) => Promise<string>;
}

async function readFiles({ files, readTextFile }: KubeconfigSource): Promise<ReadFile[]> {
  const found: ReadFile[] = [];
  for (const file of files) {
    let text: string;
    try {
      text = await readTextFile(file);
    } catch (error) {
      // kubectl passes over the files of KUBECONFIG that are not there, too.
      if (files.length > 1 && error instanceof Deno.errors.NotFound) continue;
      throw new UsageError(
        `kubeconfig ${file} ${fileFault(error)}: name another one by --kubeconfig`,
      );
    }
    const problems = new ProblemList();
    const root = parseMapping(text, { file, problems });
    if (root === undefined) throw new ConfigError(problems.all);
    found.push({ file, root, readTextFile });
  }
  if (found.length > 0) return found;
  throw new UsageError(
    files.length === 0
      ? "there is no kubeconfig: name one by --kubeconfig, or set KUBECONFIG"
      : `none of the kubeconfigs ${files.join(", ")} exists: correct KUBECONFIG, or name one by ` +
        "--kubeconfig",
  );
}

/** One entry of a list of named entries. */
interface EntryKey {
  list: "contexts" | "clusters" | "users";
  /** Where the entry has its fields. */
  key: "context" | "cluster" | "user";
  name: string;
}

function entriesOf(root: Mapping, list: EntryKey["list"]): Mapping[] {
  const entries = root[list];
  return Array.isArray(entries) ? entries.filter(isMapping) : [];
}

function namesIn(files: readonly ReadFile[], list: EntryKey["list"]): string {
  const names = files.flatMap(({ root }) =>
    entriesOf(root, list).flatMap(({ name }) => isText(name) ? [name] : [])
  );
  return names.length > 0 ? `there is ${[...new Set(names)].join(", ")}` : "there is none";
}

function find(files: readonly ReadFile[], { list, key, name }: EntryKey): Part {
  for (const { file, root, readTextFile } of files) {
    const entry = entriesOf(root, list).find((one) => one.name === name);
    if (entry === undefined) continue;
    const fields = isMapping(entry[key]) ? entry[key] : {};
    const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : ".";
    return { shown: `${key} ${JSON.stringify(name)} of ${file}`, folder, fields, readTextFile };
  }
  const where = files.map(({ file }) => file).join(", ");
  throw new UsageError(
    `there is no ${key} ${JSON.stringify(name)} in ${where}: ${namesIn(files, list)}`,
  );
}

/** Fields that change how a server is reached and that are not taken here. */
const REFUSED_CLUSTER_FIELDS = ["proxy-url"];
/** How a user proves who it is in a way that is not taken here, and what to do instead. */
const REFUSED_USER_FIELDS: Readonly<Record<string, string>> = {
  "auth-provider": "Kubernetes took it out in 1.26: use exec",
  username: "Kubernetes took passwords out in 1.19: use a token or a certificate",
  password: "Kubernetes took passwords out in 1.19: use a token or a certificate",
  as: "use a user that has the rights itself",
  "as-uid": "use a user that has the rights itself",
  "as-groups": "use a user that has the rights itself",
};

async function endpointOf(part: Part): Promise<KubeEndpoint> {
  const { fields, shown } = part;
  const refused = REFUSED_CLUSTER_FIELDS.find((field) => isText(fields[field]));
  if (refused !== undefined) {
    throw new UsageError(
      `${shown} has ${refused}, which is not taken here: reach the server without a proxy, or ` +
        "run this in a pod",
    );
  }
  const { protocol, host, pathname } = urlOf(part);
  const scheme = protocol === "http:" ? "http" : "https";
  const caPem = await pemOf(part, "certificate-authority");
  const serverName = fields["tls-server-name"];
  return {
    scheme,
    address: /:\d+$/.test(host) ? host : `${host}:${scheme === "http" ? 80 : 443}`,
    pathPrefix: pathname.replace(/\/$/, ""),
    isUnverified: fields["insecure-skip-tls-verify"] === true,
    ...(caPem === undefined ? {} : { caPem }),
    ...(isText(serverName) ? { serverName } : {}),
  };
}

function urlOf({ fields, shown }: Part): URL {
  const { server } = fields;
  const url = isText(server) ? URL.parse(server) : null;
  if (url && ["http:", "https:"].includes(url.protocol) && url.username === "") return url;
  throw new UsageError(
    `${shown} has no server of the form https://HOST:PORT: correct the file, for example by ` +
      "`kubectl config set-cluster`",
  );
}

async function userOf(part: Part): Promise<KubeUser> {
  const { fields, shown, folder } = part;
  for (const [field, advice] of Object.entries(REFUSED_USER_FIELDS)) {
    if (fields[field] !== undefined) {
      throw new UsageError(`${shown} has ${field}, which is not taken here: ${advice}`);
    }
  }
  const { token, tokenFile, exec } = fields;
  const certPem = await pemOf(part, "client-certificate");
  const keyPem = await pemOf(part, "client-key");
  if ((certPem === undefined) !== (keyPem === undefined)) {
    throw new UsageError(`${shown} has only one of client-certificate and client-key: give both`);
  }
  return {
    // As kubectl: the file counts before the text.
    ...(isText(tokenFile)
      ? { tokenFile: inFolder(folder, tokenFile) }
      : isText(token)
      ? { token: new Secret(token) }
      : {}),
    ...(certPem !== undefined && keyPem !== undefined
      ? { certPem, keyPem: new Secret(keyPem) }
      : {}),
    ...(isMapping(exec) ? { exec: execOf(part, exec) } : {}),
  };
}

/** The text that a field names as a file, or has in base64 under `NAME-data`, which counts first. */
async function pemOf(part: Part, name: string): Promise<string | undefined> {
  const { fields, folder, shown, readTextFile } = part;
  const data = fields[`${name}-data`];
  if (isText(data)) return Buffer.from(data, "base64").toString("utf8");
  const file = fields[name];
  if (!isText(file)) return undefined;
  const path = inFolder(folder, file);
  try {
    return await readTextFile(path);
  } catch (error) {
    throw new PsoError(
      "denied",
      `${shown} names ${path} as ${name}, which cannot be read (${messageOf(error)}): correct it`,
      { cause: error },
    );
  }
}

function inFolder(folder: string, path: string): string {
  return path.startsWith("/") ? path : `${folder}/${path}`;
}

/** The versions of the protocol between kubectl and a plugin. */
const EXEC_VERSION = /^client\.authentication\.k8s\.io\/v1(beta1)?$/;

function execOf({ shown, folder }: Part, exec: Mapping): ExecPlugin {
  const { command, args, env, apiVersion, interactiveMode, installHint, provideClusterInfo } = exec;
  if (!isText(command) || !isText(apiVersion) || !EXEC_VERSION.test(apiVersion)) {
    throw new UsageError(
      `${shown} has an exec without a command, or not of client.authentication.k8s.io/v1: have ` +
        "its maker's tool write it anew",
    );
  }
  if (interactiveMode === "Always") {
    throw new UsageError(
      `${shown} has an exec that asks a person (interactiveMode Always), and nobody is asked ` +
        "here: log in by kubectl first and use a token",
    );
  }
  const given = Array.isArray(env) ? env.filter(isMapping) : [];
  return {
    shown,
    // As kubectl: a path with a slash begins at the file's folder, a bare name is looked for in PATH.
    command: command.includes("/") ? inFolder(folder, command) : command,
    args: Array.isArray(args) ? args.map(String) : [],
    env: Object.fromEntries(given.map(({ name, value }) => [String(name), String(value ?? "")])),
    apiVersion,
    wantsCluster: provideClusterInfo === true,
    ...(isText(installHint) ? { installHint } : {}),
  };
}
