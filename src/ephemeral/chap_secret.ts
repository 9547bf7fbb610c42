import { type ChapCredentials, chapOf } from "../chap.ts";
import { PsoError } from "../errors.ts";
import { isKubeStatus, isObject, type KubeClient, type KubeObject } from "../kube/client.ts";
import { kubePath } from "../kube/names.ts";

/** Where `ephemeral.chapSecret` is. */
interface ChapSecret {
  namespace: string;
  /** Empty: there is none, and volumes of pods are connected without CHAP. */
  name: string;
}

/**
 * The CHAP credentials of volumes that pods describe themselves, read anew each time; undefined
 * where none are wanted. `unavailable` while there is no such Secret, `invalid` for one that holds
 * none or wrong ones.
 */
export async function readChapSecret(
  kube: Pick<KubeClient, "get">,
  { namespace, name }: ChapSecret,
): Promise<ChapCredentials | undefined> {
  if (name === "") return undefined;
  let secret: KubeObject;
  try {
    secret = await kube.get(kubePath`/api/v1/namespaces/${namespace}/secrets/${name}`);
  } catch (error) {
    if (!isKubeStatus(error, 404)) throw error;
    throw new PsoError(
      "unavailable",
      `Secret ${namespace}/${name}, which ephemeral.chapSecret names, does not exist: make it, of ` +
        "the type kubernetes.io/iscsi-chap",
      { cause: error },
    );
  }
  const chap = chapOf(decoded(isObject(secret.data) ? secret.data : {}));
  if (chap) return chap;
  throw new PsoError(
    "invalid",
    `Secret ${namespace}/${name}, which ephemeral.chapSecret names, holds no CHAP credentials: give ` +
      "it the keys of the type kubernetes.io/iscsi-chap",
  );
}

/** Values that are no base64 are none of the API server's. */
function decoded(data: KubeObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).flatMap(([key, value]) => {
      try {
        return [[key, new TextDecoder().decode(Uint8Array.fromBase64(String(value)))]];
      } catch {
        return [];
      }
    }),
  );
}
