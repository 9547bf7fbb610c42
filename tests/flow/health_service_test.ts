// Health of volumes as a sidecar asks for it: by gRPC, of a controller's own socket.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { type VolumeHealth, VolumeHealthErrorType } from "../../src/csi/generated/csi_pb.ts";
import { MiB } from "../../src/size.ts";
import { N1, ProvisionerBed } from "./provisioner_bed.ts";
import { withSocket } from "./service_socket.ts";

const RAW = { access: { type: "block" as const }, mode: "single-node-writer" as const };
const CAPACITY = 20 * MiB;
const DATA = 19 * MiB;

/** Fills what the volume stores on its array, so that nothing of it is equal or zero. */
async function fill(bed: ProvisionerBed, { array, name }: { array: string; name: string }) {
  const call = { method: "GET" as const, path: "volumes", query: { names: name } };
  const [volume] = await bed.admin<{ id: string }>(array, call);
  const image = `${bed.served.plane}/${array}/images/${volume?.id}`;
  using file = await Deno.open(image, { write: true });
  const block = new Uint8Array(64 * 1024);
  for (let written = 0; written < DATA; written += block.length) {
    crypto.getRandomValues(block);
    await file.write(block);
  }
}

/** What is told of one volume: status and reason of each finding, and its words. */
function told(entry: VolumeHealth | undefined): { reasons: string[]; messages: string[] } {
  const statuses = entry?.healthStatuses ?? [];
  return {
    reasons: statuses.map(({ status, reason }) => `${VolumeHealthErrorType[status]}: ${reason}`),
    messages: statuses.map(({ message }) => message),
  };
}

Deno.test("15.9: by gRPC an array that is nearly full, and too few paths to a host, are told of the volumes that they concern, until all is well", () =>
  ProvisionerBed.run({ flasharrays: 2, capacityBytes: CAPACITY }, async (bed) => {
    const capacityRange = { requiredBytes: DATA, limitBytes: 0 };
    const ids: string[] = [];
    for (const { id } of bed.fleet.members) {
      const parameters = { arrayID: id ?? "" };
      const change = { parameters, capacityRange, capabilities: [RAW] };
      ids.push(await bed.create(`pvc-${ids.length + 1}`, change));
    }
    const [full = "", published = ""] = ids;
    await bed.publish(published, N1, { capability: RAW });
    const control = async (method: string, body?: unknown) => {
      const answer = await fetch(`${bed.served.control}/controllers`, {
        method,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      equal(answer.status, 200, await answer.text());
    };
    await withSocket(bed, async ({ controller }) => {
      const all = async () => {
        await bed.fleet.refresh(bed.signal);
        const first = await controller.controllerListVolumeHealth({ maxEntries: 1 });
        const { nextToken: startingToken } = first;
        const rest = startingToken === ""
          ? undefined
          : await controller.controllerListVolumeHealth({ startingToken });
        return [...first.entries, ...rest?.entries ?? []];
      };
      deepEqual(await all(), []);
      await fill(bed, { array: "fa-1", name: "k8s-pvc-1" });
      await control("POST", { array: "fa-2", name: "CT1", status: "not ready" });
      const entries = await all();
      deepEqual(entries.map(({ volumeId }) => volumeId).sort(), [...ids].sort());
      const nearlyFull = told(entries.find(({ volumeId }) => volumeId === full));
      deepEqual(nearlyFull.reasons, ["DEGRADED: ArrayNearlyFull"]);
      match(nearlyFull.messages.join(), /^array fa-1 is 9\d % full: free or add space/);
      const fewPaths = told(entries.find(({ volumeId }) => volumeId === published));
      deepEqual(fewPaths.reasons, ["DEGRADED: FewPaths"]);
      match(fewPaths.messages.join(), /too few paths to node-1-example-org-x/);
      for (const volumeId of ids) {
        const { volumeHealth } = await controller.controllerGetVolumeHealth({ volumeId });
        deepEqual(told(volumeHealth), told(entries.find((one) => one.volumeId === volumeId)));
      }
      await control("DELETE");
      await controller.deleteVolume({ volumeId: full });
      const query = { names: "k8s-pvc-1" };
      await bed.admin("fa-1", { method: "DELETE", path: "volumes", query });
      deepEqual(await all(), []);
      ok((await controller.controllerGetVolume({ volumeId: published })).volume);
    });
  }));
