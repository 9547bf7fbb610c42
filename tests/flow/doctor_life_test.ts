// What the controller itself makes is in order for `admin doctor`: names, tags, hosts, rules, sizes and
// snapshots as they come out of its calls, beside the objects that the sidecars write.
import { deepEqual } from "node:assert/strict";
import { type Container, nameIn } from "../../src/names.ts";
import { classOf, makeContainer } from "../support/containers.ts";
import { WELL, withDoctor } from "./doctor_bed.ts";
import { N1, N2, ProvisionerBed, RWX } from "./provisioner_bed.ts";

const BLOCK = "pvc-11111111-0000-4000-8000-000000000000";
const FILE = "pvc-22222222-0000-4000-8000-000000000000";
const SNAPSHOT = "snapshot-33333333-0000-4000-8000-000000000000";

/** What doctor says of two volumes; the one of a FlashArray is in a container of it or in none. */
function lookedAt(container?: Container): Promise<void> {
  return ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
    const { provisioner, signal } = bed;
    if (container) await makeContainer(bed, { array: "fa-1", ...container });
    const named = { "csi.storage.k8s.io/pv/name": BLOCK };
    const parameters = { ...named, ...(container && classOf(container)) };
    const block = await bed.create(BLOCK, { parameters });
    const file = { capabilities: [RWX], parameters: { backend: "file" } };
    const shared = await bed.create(FILE, file);
    await bed.publish(block, N1);
    for (const node of [N1, N2]) await bed.publish(shared, node, { capability: RWX });
    const request = { name: SNAPSHOT, sourceVolumeId: block, parameters: {} };
    const { snapshotId } = await provisioner.createSnapshot(request, signal);
    await withDoctor(bed, async (doctor) => {
      const objects = {
        volumes: [
          { name: BLOCK, handle: block, mode: "ReadWriteOnce" as const },
          { name: FILE, handle: shared, mode: "ReadWriteMany" as const },
        ],
        snapshots: [snapshotId],
      };
      const attached = [[BLOCK, N1.name], [FILE, N1.name], [FILE, N2.name]] as const;
      deepEqual(await doctor({ ...objects, attached }), WELL);
      deepEqual(await doctor({ ...objects, attached: [[FILE, N1.name]] }), {
        code: 1,
        findings: [
          `stale host: ${nameIn(container, `k8s-${BLOCK}`)}`,
          `stale host: k8s-${FILE}`,
        ],
        unknown: [],
      });
    });
  });
}

Deno.test("admin doctor finds nothing in what the controller made, and each attachment that is taken away from Kubernetes alone", () =>
  lookedAt());

Deno.test("admin doctor finds the same of a volume in a pod", () =>
  lookedAt({ what: "pod", name: "p1" }));

Deno.test("15.11: admin doctor finds the same of a volume in a volume group", () =>
  lookedAt({ what: "volume group", name: "g1" }));
