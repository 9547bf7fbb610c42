import { absolutePath } from "../../config/arrays/named_files.ts";
import type { KubeObject } from "../../kube/client.ts";
import { objectsAt, textAt, textsAt } from "./kube_object.ts";

/** One key of a Secret of the installation's namespace. */
export interface SecretKey {
  name: string;
  key: string;
}

/**
 * What a file of the controller's container is made of, as its Deployment says: the key of a Secret
 * that is mounted there. Undefined for every other file, and for one that a part of a volume
 * (`subPath`) gives.
 */
export function mountedSecretKey(
  deployment: KubeObject | undefined,
  path: string,
): SecretKey | undefined {
  const file = absolutePath(path);
  const pod = ["spec", "template", "spec"];
  const mounts = objectsAt(deployment, ...pod, "containers")
    .filter((container) => textsAt(container, "args")[0] === "controller")
    .flatMap((container) => objectsAt(container, "volumeMounts"))
    .map((mount) => ({ mount, folder: absolutePath(textAt(mount, "mountPath")) }))
    .filter(({ folder }) => file.startsWith(`${folder}/`))
    // What is mounted deeper hides what is there.
    .sort((a, b) => b.folder.length - a.folder.length);
  const [deepest] = mounts;
  if (!deepest) return undefined;
  const { mount, folder } = deepest;
  if (textAt(mount, "subPath") !== "" || textAt(mount, "subPathExpr") !== "") return undefined;
  const volume = objectsAt(deployment, ...pod, "volumes")
    .find(({ name }) => name === mount.name);
  return keyIn(volume, file.slice(folder.length + 1));
}

/** The key that a volume shows as `path`. */
function keyIn(volume: KubeObject | undefined, path: string): SecretKey | undefined {
  const sources = [
    { name: textAt(volume, "secret", "secretName"), source: volume?.secret },
    ...objectsAt(volume, "projected", "sources").map(({ secret }) => ({
      name: textAt(secret, "name"),
      source: secret,
    })),
  ];
  for (const { name, source } of sources.filter(({ name }) => name !== "")) {
    const items = objectsAt(source, "items");
    if (items.length === 0 && !path.includes("/")) return { name, key: path };
    const item = items.find((one) => absolutePath(textAt(one, "path")) === absolutePath(path));
    if (item) return { name, key: textAt(item, "key") };
  }
  return undefined;
}
