import type { ApiKinds } from "./api_kinds.ts";
import { nameOf } from "../check/kube_object.ts";
import type { TakeoverCluster } from "./cluster.ts";
import { type HelmRecord, readRecord, withManifest } from "./helm_release.ts";
import type { Release } from "./installation.ts";
import { mendManifest } from "./manifest.ts";
import { kubePath } from "../../kube/names.ts";

/** A release in its namespace, and the API that its objects must fit. */
interface RecordScope {
  release: Release;
  namespace: string;
  kinds: ApiKinds;
}

/** The records that Helm reads when it upgrades: the newest one, and the newest that is deployed. */
export function recordsToMend({ records }: Release): HelmRecord[] {
  const deployed = records.find(({ status }) => status === "deployed");
  return [...new Set([records[0], deployed])].filter((one) => one !== undefined);
}

/** What mendRecords() would change, record by record. */
export async function recordChanges({ release, namespace, kinds }: RecordScope): Promise<string[]> {
  const lists = await Promise.all(
    recordsToMend(release).map(async ({ manifest, revision }) => {
      const { changes } = await mendManifest(manifest, { namespace, kinds });
      return changes.map((change) => `in revision ${revision}, ${change}`);
    }),
  );
  return lists.flat();
}

/** Where Kubernetes has a Secret. */
export function secretPath(namespace: string, name: string): string {
  return kubePath`/api/v1/namespaces/${namespace}/secrets/${name}`;
}

/**
 * Makes every object in the records one that the API serves, so that Helm can build them. Each
 * record is read again before, and stays as it is when it is right.
 */
export async function mendRecords(cluster: TakeoverCluster, scope: RecordScope): Promise<void> {
  const { release, namespace, kinds } = scope;
  for (const { secret } of recordsToMend(release)) {
    const path = secretPath(namespace, nameOf(secret));
    const read = await cluster.find(path);
    if (read === undefined) continue;
    const record = readRecord(read);
    const { manifest, changes } = await mendManifest(record.manifest, { namespace, kinds });
    if (changes.length > 0) await cluster.update(path, withManifest(record, manifest));
  }
}
