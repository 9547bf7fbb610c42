/** What the tests of who may reach a volume have in common. */
import { equal } from "node:assert/strict";
import { isPsoError } from "../../src/errors.ts";
import { decodeNodeId, encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { ProvisionerBed, RWX } from "./provisioner_bed.ts";

export const BLOCK = { flasharrays: 1, flashblades: 0 };
export const FILE = { flasharrays: 0, flashblades: 1 };
export const FILE_CLASS = { parameters: { backend: "file" } };
export const SHARED_FILE = { ...FILE_CLASS, capabilities: [RWX] };
export const FOREIGN = "iqn.1993-08.org.debian:01:foreign";

export function nodeOf(nodeId: string): NodeIdentity {
  const node = decodeNodeId(nodeId);
  if (!node) throw new Error(`${nodeId} is no node_id`);
  equal(encodeNodeId(node), nodeId);
  return node;
}

export const OLD_W1 = nodeOf("1;w1;i;i=iqn.1993-08.org.debian:01:old");
export const NEW_W1 = nodeOf("1;w1;i;i=iqn.1993-08.org.debian:01:new");
export const NA = nodeOf("1;na;n;a=10.0.0.1");
export const NB = nodeOf("1;nb;n;a=10.0.0.1");

export function unpublish(
  bed: ProvisionerBed,
  volumeId: string,
  node: NodeIdentity,
): Promise<void> {
  return bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(node) }, bed.signal);
}

/** Every entry of ListVolumes, in pages of one: handle → node_ids. */
export async function listed(bed: ProvisionerBed): Promise<Record<string, string[]>> {
  const entries: Record<string, string[]> = {};
  let startingToken = "";
  do {
    const page = await bed.provisioner.listVolumes({ maxEntries: 1, startingToken }, bed.signal);
    for (const { volume, publishedNodeIds } of page.entries) {
      entries[volume.volumeId] = publishedNodeIds.toSorted();
    }
    startingToken = page.nextToken;
  } while (startingToken !== "");
  return entries;
}

export async function hostsOf(bed: ProvisionerBed, volume: string): Promise<string[]> {
  const rows = await bed.admin<{ host: { name: string } }>("fa-1", {
    method: "GET",
    path: "connections",
    query: { volume_names: volume },
  });
  return rows.map(({ host }) => host.name);
}

export async function addHost(
  bed: ProvisionerBed,
  name: string,
  body: { iqns: string[] },
): Promise<void> {
  await bed.admin("fa-1", { method: "POST", path: "hosts", query: { names: name }, body });
}

export async function rulesOf(bed: ProvisionerBed, fileSystem: string): Promise<string> {
  const [item] = await bed.admin<{ nfs: { rules: string } }>("fb-1", {
    method: "GET",
    path: "file-systems",
    query: { names: fileSystem },
  });
  return item?.nfs.rules ?? "";
}

export async function setRules(
  bed: ProvisionerBed,
  fileSystem: string,
  rules: string,
): Promise<void> {
  const query = { names: fileSystem };
  const body = { nfs: { rules } };
  await bed.admin("fb-1", { method: "PATCH", path: "file-systems", query, body });
}

export const isInUse = (error: unknown) => isPsoError(error, "in_use");
