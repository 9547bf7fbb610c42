// The first publish of volumes that pods use since PSO 5. Its nodes attached by themselves
// (attachRequired false), so that Kubernetes makes a VolumeAttachment for each of them only after
// the take-over, while the pods write: nothing may be disconnected, not even for a moment.
import { deepEqual, notEqual } from "node:assert/strict";
import type { NodeIdentity } from "../../src/handoff.ts";
import { hostNameFor, psoHostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { N1, N2, ProvisionerBed, RAW_RWX, RWO } from "./provisioner_bed.ts";

const BLOCK = { flasharrays: 2, flashblades: 0 };
const ARRAY = "fa-1";
const CLAIMS = [
  "pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
  "pvc-1c6f3fa5-405d-4d3f-8078-1e3e2c2e8b22",
];
/** As PSO 5.2 wrote handles, and as 5.0 did. */
const HANDLE_FORMS = [(pv: string) => `k8s-${pv}`, (pv: string) => `k8s/${pv}`];

/** A volume as PSO 5.2 leaves it: no tag, its own name for each node's host, connected there. */
async function leaveVolume(bed: ProvisionerBed, pv: string, nodes: NodeIdentity[]): Promise<void> {
  const post = async (path: string, query: Record<string, string>, body = {}) =>
    void await bed.admin(ARRAY, { method: "POST", path, query, body });
  const volume = `k8s-${pv}`;
  await post("volumes", { names: volume }, { provisioned: GiB });
  for (const node of nodes) {
    await post("connections", { host_names: psoHostNameFor(node.name), volume_names: volume });
  }
}

/** The host objects that PSO made of both nodes, with the initiators that it saw. */
async function leaveHosts(bed: ProvisionerBed): Promise<void> {
  for (const { name, iqn } of [N1, N2]) {
    notEqual(psoHostNameFor(name), hostNameFor(name), "a node that PSO and we call otherwise");
    const query = { names: psoHostNameFor(name) };
    await bed.admin(ARRAY, { method: "POST", path: "hosts", query, body: { iqns: [iqn] } });
  }
}

interface ConnectionRow {
  host: { name: string };
  volume: { name: string };
  lun?: number;
}

async function connections(bed: ProvisionerBed): Promise<string[]> {
  const rows = await bed.admin<ConnectionRow>(ARRAY, { method: "GET", path: "connections" });
  return rows.map(({ host, volume, lun }) => `${volume.name} ${host.name} ${lun}`).sort();
}

function changesIn(calls: readonly string[]): string[] {
  return calls.filter((call) => !call.startsWith("GET "));
}

for (const isCold of [true, false]) {
  Deno.test(`publishVolume() of volumes in use since PSO 5 finds the connections by initiator and changes nothing, by a controller that ${isCold ? "has just started" : "knows its arrays"}`, async () => {
    await ProvisionerBed.run({ ...BLOCK, cold: isCold }, async (bed) => {
      await leaveHosts(bed);
      for (const [at, pv] of CLAIMS.entries()) await leaveVolume(bed, pv, [at === 0 ? N1 : N2]);
      if (!isCold) await bed.fleet.refresh(bed.signal);
      const before = await connections(bed);
      const contexts: Record<string, string>[] = [];
      const calls = await bed.calls(async () => {
        for (const [at, pv] of CLAIMS.entries()) {
          for (const handle of HANDLE_FORMS) {
            contexts.push(await bed.publish(handle(pv), at === 0 ? N1 : N2, { capability: RWO }));
          }
        }
      });
      deepEqual(changesIn(calls), []);
      deepEqual(await connections(bed), before, "the LUNs are those that the pods write to");
      deepEqual(contexts[0], contexts[1]);
      deepEqual(contexts[2], contexts[3]);
    });
  });
}

Deno.test("publishVolume() of a raw volume that two nodes share since PSO 5 takes it from neither", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    await leaveHosts(bed);
    await leaveVolume(bed, CLAIMS[0] ?? "", [N1, N2]);
    await bed.restart();
    const before = await connections(bed);
    const calls = await bed.calls(async () => {
      for (const node of [N1, N2]) {
        await bed.publish(`k8s-${CLAIMS[0]}`, node, { capability: RAW_RWX });
      }
    });
    // The array refuses to connect them once more: each POST only learns that all is there.
    deepEqual([...new Set(changesIn(calls))], ["POST /connections"]);
    deepEqual(await connections(bed), before);
  });
});
