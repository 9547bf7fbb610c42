// Two simulated arrays with a pod that is stretched over both, for the tests of stretched pods.
import { type Attachment, decodeAttachment, type NodeIdentity } from "../../src/handoff.ts";
import { type BedOptions, ProvisionerBed } from "./provisioner_bed.ts";

export const IN_P1 = { parameters: { pod: "p1" } };

/** Runs `work` with the pod `p1` stretched over fa-1 and fa-2. */
export async function withStretched(
  options: BedOptions,
  work: (bed: ProvisionerBed) => Promise<void>,
): Promise<void> {
  await ProvisionerBed.run({ flasharrays: 2, ...options }, async (bed) => {
    const key = { method: "GET", path: "array-connections/connection-key" } as const;
    const [other] = await bed.admin<{ connection_key: string }>("fa-2", key);
    const body = {
      connection_key: other?.connection_key,
      management_address: "192.0.2.2",
      type: "sync-replication",
    };
    await bed.admin("fa-1", { method: "POST", path: "array-connections", body });
    await bed.admin("fa-1", { method: "POST", path: "pods", query: { names: "p1" }, body: {} });
    const query = { group_names: "p1", member_names: "fa-2" };
    await bed.admin("fa-1", { method: "POST", path: "pods/arrays", query });
    await bed.fleet.refresh(bed.signal);
    await work(bed);
  });
}

/** The array is gone as a whole, and the controller has noticed. */
export async function takeDown(bed: ProvisionerBed, array: string): Promise<void> {
  await bed.fault({ array, action: "down" });
  await bed.fleet.refresh(bed.signal);
}

/** All arrays are back, in sync again, and the controller has noticed. */
export async function bringBack(bed: ProvisionerBed): Promise<void> {
  await bed.healFaults();
  const body = JSON.stringify({ advance: 60 });
  await (await fetch(`${bed.served.control}/clock`, { method: "POST", body })).body?.cancel();
  await bed.fleet.refresh(bed.signal);
}

/** Hosts that have a volume, by array, of all arrays or of some: `fa-1 node-1`. */
export async function connected(
  bed: ProvisionerBed,
  arrays: readonly string[] = bed.served.arrays.map(({ name }) => name),
): Promise<string[]> {
  const found: string[] = [];
  for (const name of arrays) {
    const list = { method: "GET", path: "connections" } as const;
    const rows = await bed.admin<{ host: { name: string } }>(name, list);
    // Each array shows the other one's hosts too, as `fa-2:node-1`.
    const own = rows.filter(({ host }) => !host.name.includes(":"));
    found.push(...own.map(({ host }) => `${name} ${host.name}`));
  }
  return found.sort();
}

/** The arrays that a publish gives a node, the first one first. */
export function arraysIn(context: Record<string, string>): string[] {
  const attachment: Attachment = decodeAttachment(context);
  if (attachment.protocol !== "local" || attachment.type !== "block") return [];
  return [attachment, ...attachment.also ?? []].map(({ array }) => array);
}

/** Connects a volume to a node by hand, on one array alone. */
export async function connectByHand(
  bed: ProvisionerBed,
  array: string,
  { volume, host, node }: { volume: string; host: string; node: NodeIdentity },
): Promise<void> {
  const body = { iqns: [node.iqn] };
  await bed.admin(array, { method: "POST", path: "hosts", query: { names: host }, body });
  const query = { host_names: host, volume_names: volume };
  await bed.admin(array, { method: "POST", path: "connections", query });
}
