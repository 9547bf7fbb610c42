import { messageOf, PsoError } from "../errors.ts";
import { type Fetch, HttpsClient } from "../net/https.ts";
import type { ClientIdentity } from "../net/tls_handshakes.ts";
import { Secret } from "../secret.ts";
import type { KubeServer } from "./credentials.ts";
import { type PluginCredential, pluginCredential, type RunPlugin } from "./exec_plugin.ts";
import type { KubeContext, KubeUser } from "./kubeconfig.ts";
import { KUBE_LIMITS } from "./limits.ts";

/** What the server of a kubeconfig needs of the outside. */
interface ServerSetup {
  readTextFile: (path: string) => Promise<string>;
  runPlugin: RunPlugin;
  now?: () => number;
}

/** A credential is asked for anew so long before it expires. */
const EARLY_MS = 10_000;

/** What lets in, and until when. */
type Credential = PluginCredential;

/**
 * The API server of a kubeconfig's context. The credentials of a plugin are asked for when they are
 * first needed and when they expire, once for all who wait; `denied` when there are none, and then
 * the plugin is not run again: it may ask a person, or take a minute.
 */
export function kubeconfigServer(
  { endpoint, user }: KubeContext,
  { readTextFile, runPlugin, now = Date.now }: ServerSetup,
): KubeServer {
  const { scheme, address, pathPrefix, caPem, isUnverified, serverName } = endpoint;
  let known: Credential | undefined;
  let asking: Promise<Credential> | undefined;
  let client: { https: HttpsClient; certPem?: string } | undefined;
  const clientFor = ({ certPem, keyPem }: Credential): HttpsClient => {
    if (client && client.certPem === certPem) return client.https;
    client?.https.close();
    const identity: ClientIdentity | undefined = certPem !== undefined && keyPem !== undefined
      ? { certPem, keyPem }
      : undefined;
    const https = new HttpsClient({
      scheme,
      address,
      tls: { verify: !isUnverified, ...(caPem === undefined ? {} : { caPem }) },
      ...(identity ? { identity } : {}),
      ...(serverName === undefined ? {} : { serverName }),
      connectTimeoutMs: KUBE_LIMITS.callMs,
      maxResponseBytes: KUBE_LIMITS.answerBytes,
    });
    client = { https, certPem };
    return https;
  };
  const credential = async (): Promise<Credential> => {
    if (user.exec === undefined) return await ownCredential(user, readTextFile);
    if (known && now() <= (known.expiresMs ?? Infinity) - EARLY_MS) return known;
    asking ??= pluginCredential(user.exec, { run: runPlugin, endpoint });
    known = await asking; // after a failure it stays, and every call tells the same
    asking = undefined;
    return known;
  };
  return {
    address,
    access: async () => {
      const current = await credential();
      const https = clientFor(current);
      const fetch: Fetch = (request) =>
        https.fetch({ ...request, path: `${pathPrefix}${request.path}` });
      return { fetch, ...(current.token ? { token: current.token } : {}) };
    },
    close: () => client?.https.close(),
  };
}

async function ownCredential(
  { token, tokenFile, certPem, keyPem }: KubeUser,
  readTextFile: (path: string) => Promise<string>,
): Promise<Credential> {
  const pair = { ...(certPem === undefined ? {} : { certPem }), ...(keyPem ? { keyPem } : {}) };
  if (tokenFile === undefined) return { ...pair, ...(token ? { token } : {}) };
  try {
    return { ...pair, token: new Secret((await readTextFile(tokenFile)).trim()) };
  } catch (error) {
    throw new PsoError(
      "denied",
      `the kubeconfig's tokenFile ${tokenFile} cannot be read (${messageOf(error)}): correct it`,
      { cause: error },
    );
  }
}
