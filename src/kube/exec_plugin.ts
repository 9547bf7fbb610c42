import { Buffer } from "node:buffer";
import { isPsoError, messageOf, PsoError } from "../errors.ts";
import { foreignText } from "../foreign_text.ts";
import { Secret } from "../secret.ts";
import { isObject } from "./client.ts";
import type { ExecPlugin, KubeEndpoint } from "./kubeconfig.ts";
import { KUBE_LIMITS } from "./limits.ts";

/** Runs a program with these variables beside the process' own, and gives what it prints. */
export type RunPlugin = (
  command: string,
  options: { args: readonly string[]; env: Readonly<Record<string, string>> },
) => Promise<string>;

/** What a plugin gave. */
export interface PluginCredential {
  token?: Secret;
  certPem?: string;
  keyPem?: Secret;
  /** Milliseconds since 1970; absent: it does not expire while this process runs. */
  expiresMs?: number;
}

/**
 * Asks the plugin. `denied` with the plugin's own words when it fails, and when what it prints is
 * no credential; what it prints is told nowhere.
 */
export async function pluginCredential(
  plugin: ExecPlugin,
  { run, endpoint }: { run: RunPlugin; endpoint: KubeEndpoint },
): Promise<PluginCredential> {
  const { shown, command, args, env, apiVersion, wantsCluster, installHint } = plugin;
  const cluster = wantsCluster ? { cluster: clusterInfo(endpoint) } : {};
  const info = { apiVersion, kind: "ExecCredential", spec: { interactive: false, ...cluster } };
  let printed: string;
  try {
    printed = await run(command, {
      args,
      env: { ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
    });
  } catch (error) {
    if (!isPsoError(error)) throw error;
    const hint = installHint === undefined
      ? "run it by hand"
      : foreignText(installHint, KUBE_LIMITS.messageChars);
    throw new PsoError(
      "denied",
      `the plugin of ${shown} gives no credentials: ${messageOf(error)}: ${hint}`,
      {
        cause: error,
      },
    );
  }
  const credential = credentialIn(printed);
  if (credential) return credential;
  throw new PsoError(
    "denied",
    `the plugin of ${shown} prints no ExecCredential with a token or a certificate: run ${command} ` +
      "by hand",
  );
}

function clusterInfo(
  { scheme, address, pathPrefix, caPem, isUnverified, serverName }: KubeEndpoint,
) {
  return {
    server: `${scheme}://${address}${pathPrefix}`,
    "insecure-skip-tls-verify": isUnverified,
    ...(caPem === undefined
      ? {}
      : { "certificate-authority-data": Buffer.from(caPem).toString("base64") }),
    ...(serverName === undefined ? {} : { "tls-server-name": serverName }),
  };
}

function credentialIn(printed: string): PluginCredential | undefined {
  let value: unknown;
  try {
    value = JSON.parse(printed);
  } catch {
    return undefined;
  }
  const status = isObject(value) && isObject(value.status) ? value.status : {};
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = status;
  const hasToken = typeof token === "string" && token !== "";
  const hasCertificate = typeof clientCertificateData === "string" &&
    typeof clientKeyData === "string";
  if (!hasToken && !hasCertificate) return undefined;
  const expiresMs = Date.parse(String(expirationTimestamp ?? ""));
  return {
    ...(hasToken ? { token: new Secret(token) } : {}),
    ...(hasCertificate
      ? { certPem: clientCertificateData, keyPem: new Secret(clientKeyData) }
      : {}),
    ...(Number.isNaN(expiresMs) ? {} : { expiresMs }),
  };
}
