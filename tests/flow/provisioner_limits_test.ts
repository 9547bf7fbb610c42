// Limits that a class or the configuration sets, where they must arrive: QoS on the array, volumes
// per node at publish.
import { deepEqual, ok, rejects } from "node:assert/strict";
import { FLASHARRAY_DIALECT } from "../../src/arrays/flasharray/status.ts";
import { RestClient } from "../../src/arrays/rest/client.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { HttpsClient } from "../../src/net/https.ts";
import { silentLogger } from "../../src/log.ts";
import { GiB } from "../../src/size.ts";
import { Secret } from "../../src/secret.ts";
import { asIs } from "../support/as_is.ts";
import { N1, N2, ProvisionerBed } from "./provisioner_bed.ts";

interface Limits {
  name: string;
  qos: { iops_limit: number | null; bandwidth_limit: number | null };
}

/** What the bed's first array says of the limits of its volumes. */
async function limitsOnArray(
  { served, signal }: ProvisionerBed,
): Promise<Record<string, Limits["qos"]>> {
  const [entry] = served.arrays;
  ok(entry);
  const https = new HttpsClient({ scheme: "http", address: entry.address, tls: { verify: true } });
  const token = new Secret(entry.token);
  const rest = new RestClient({
    fetch: https.fetch,
    dialect: FLASHARRAY_DIALECT,
    token,
    label: () => "admin",
    log: silentLogger,
  });
  try {
    const { items } = await rest.call({
      method: "GET",
      path: "volumes",
      item: asIs<Limits>,
      signal,
    });
    return Object.fromEntries(items.map(({ name, qos }) => [name, qos]));
  } finally {
    https.close();
  }
}

Deno.test("createVolume() gives a clone the limits of its own class, not those of its source", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const sourceVolumeId = await bed.create("pvc-1", { parameters: { iops_limit: "1000" } });
    const { snapshotId } = await bed.provisioner.createSnapshot(
      { name: "s-1", sourceVolumeId },
      bed.signal,
    );
    const parameters = { iops_limit: "2000", bandwidth_limit: "10M" };
    await bed.create("pvc-2", { contentSource: { snapshotId }, parameters });
    await bed.create("pvc-3", { contentSource: { volumeId: sourceVolumeId }, parameters });
    const own = { iops_limit: 2000, bandwidth_limit: 10 * 1024 * 1024 };
    deepEqual(await limitsOnArray(bed), {
      "k8s-pvc-1": { iops_limit: 1000, bandwidth_limit: null },
      "k8s-pvc-2": own,
      "k8s-pvc-3": own,
    });
  });
});

Deno.test("publishVolume() answers exhausted at the node's limit, for that node and new volumes only", async () => {
  await ProvisionerBed.run({ settings: { maxVolumesPerNode: 1 } }, async (bed) => {
    const [first, second] = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    await bed.publish(first, N1);
    await rejects(bed.publish(second, N1), {
      code: "exhausted",
      message: /node-1.*holds 1 volumes.*maxVolumesPerNode/,
    });
    await bed.publish(first, N1);
    await bed.publish(second, N2);
    await bed.provisioner.unpublishVolume(
      { volumeId: first, nodeId: encodeNodeId(N1) },
      bed.signal,
    );
    await bed.publish(second, N1);
  });
});

for (const last of ["unpublish", "unpublish by name", "unpublish from all", "delete"] as const) {
  Deno.test(`a node holds no volume any more that was destroyed by hand, after ${last}`, async () => {
    await ProvisionerBed.run({ settings: { maxVolumesPerNode: 1 } }, async (bed) => {
      const [member] = bed.fleet.members;
      ok(member);
      for (const name of ["oracle-1", "oracle-2"]) {
        await member.array.createVolume({ name, sizeBytes: GiB });
      }
      await bed.publish("oracle-1", N1);
      await member.array.disconnect("oracle-1", N1);
      await member.array.deleteVolume("oracle-1");
      await rejects(bed.publish("oracle-2", N1), { code: "exhausted" });
      const nodeId = last === "unpublish"
        ? encodeNodeId(N1)
        : last === "unpublish by name"
        ? N1.name
        : "";
      if (last === "delete") await bed.provisioner.deleteVolume("oracle-1", bed.signal);
      else await bed.provisioner.unpublishVolume({ volumeId: "oracle-1", nodeId }, bed.signal);
      await bed.publish("oracle-2", N1);
    });
  });
}
