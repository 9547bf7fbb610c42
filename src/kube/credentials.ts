import { messageOf, PsoError, UsageError } from "../errors.ts";
import { type Fetch, HttpsClient } from "../net/https.ts";
import { printHostPort } from "../net/address.ts";
import { Secret } from "../secret.ts";
import { KUBE_LIMITS } from "./limits.ts";

/** A way to the API server, with what lets this process in at this moment. */
interface KubeAccess {
  fetch: Fetch;
  /** Absent for those who prove by their certificate who they are. */
  token?: Secret;
}

/** The API server of this process' cluster. */
export interface KubeServer {
  /** `host:port`, for messages. */
  readonly address: string;
  /**
   * The way in. What may change is read again at each call: kubelet renews a projected token, and
   * the cluster its CA. `denied` when a file cannot be read.
   */
  access(): Promise<KubeAccess>;
  /** Closes the connections. */
  close(): void;
}

/** Where a pod finds its API server. */
interface PodCredentials {
  env: (name: string) => string | undefined;
  readTextFile: (path: string) => Promise<string>;
  /** Has `token` and `ca.crt`. */
  folder: string;
}

/**
 * The API server that a pod was given by its variables and by the files of its service account.
 * UsageError when this process does not run in a pod.
 */
export function podServer({ env, readTextFile, folder }: PodCredentials): KubeServer {
  const [host, port] = [env("KUBERNETES_SERVICE_HOST"), env("KUBERNETES_SERVICE_PORT")];
  if (!host || !/^\d{1,5}$/.test(port ?? "")) {
    throw new UsageError(
      "the Kubernetes API is needed, and the variables KUBERNETES_SERVICE_HOST and " +
        "KUBERNETES_SERVICE_PORT do not name it: run this in a pod, or leave --lease and " +
        "--kube-config-from out",
    );
  }
  const address = printHostPort({ host, port: Number(port) });
  const read = async (name: string) => {
    try {
      return (await readTextFile(`${folder}/${name}`)).trim();
    } catch (error) {
      throw new PsoError(
        "denied",
        `cannot use the Kubernetes API: ${folder}/${name} cannot be read (${messageOf(error)}); ` +
          "give the container the pod's service account, or name its folder by --kube-credentials",
        { cause: error },
      );
    }
  };
  let client: HttpsClient | undefined;
  let trusted = "";
  let token = new Secret("");
  return {
    address,
    access: async () => {
      const [text, caPem] = await Promise.all([read("token"), read("ca.crt")]);
      if (text !== token.reveal()) token = new Secret(text);
      if (client === undefined || caPem !== trusted) {
        client?.close();
        trusted = caPem;
        client = new HttpsClient({
          address,
          tls: { verify: true, caPem },
          connectTimeoutMs: KUBE_LIMITS.callMs,
          maxResponseBytes: KUBE_LIMITS.answerBytes,
        });
      }
      return { fetch: client.fetch, token };
    },
    close: () => client?.close(),
  };
}
