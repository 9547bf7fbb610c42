// What a controller decides while another one leads, or has led until a moment ago.
import { deepEqual, equal, rejects } from "node:assert/strict";
import { type ChangeFence, FencedError, NO_FENCE } from "../../src/async/fence.ts";
import { GiB } from "../../src/size.ts";
import { N1, ProvisionerBed } from "./provisioner_bed.ts";

const refusal = () => new FencedError("another leads", { sent: false });

/** The fence of a standby: no change passes it. */
class Shut implements ChangeFence {
  isOpen = false;
  isSettled = true;
  heldForMs = Infinity;
  settled = () => this.isOpen ? Promise.resolve() : Promise.reject(refusal());
  pass: ChangeFence["pass"] = (signal, send) =>
    this.isOpen ? NO_FENCE.pass(signal, send) : Promise.reject(refusal());
}

for (const array of ["fa-1", "fa-2"]) {
  Deno.test(`createVolume() finds what a dead leader's create made on ${array} while it waited`, async () => {
    const fence = { ...NO_FENCE };
    await ProvisionerBed.run({ fence }, async (bed) => {
      fence.settled = async () => {
        await bed.admin(array, {
          method: "POST",
          path: "volumes",
          query: { names: "k8s-pvc-1" },
          body: { provisioned: GiB },
        });
        bed.provisioner.coolDown();
      };
      await bed.create("pvc-1");
      deepEqual((await bed.volumes())[array], ["k8s-pvc-1"]);
      equal(Object.values(await bed.volumes()).flat().length, 1);
    });
  });
}

Deno.test("a standby makes no volume and asks no array about it, and is UNAVAILABLE", async () => {
  const fence = new Shut();
  await ProvisionerBed.run({ fence }, async (bed) => {
    const calls = await bed.calls(() =>
      rejects(bed.create("pvc-1"), { code: "unavailable", message: /another leads/ })
    );
    deepEqual(calls, []);
  });
});

Deno.test("a standby unpublishes, grows and snapshots nothing", async () => {
  const fence = new Shut();
  await ProvisionerBed.run({ fence }, async (bed) => {
    fence.isOpen = true;
    const volumeId = await bed.create("pvc-1");
    await bed.publish(volumeId, N1);
    fence.isOpen = false;
    const { provisioner, signal } = bed;
    const range = { requiredBytes: 2 * GiB, limitBytes: 0 };
    const name = "snapshot-1";
    const { nodeId } = bed.publishRequest(volumeId, N1);
    const works: [string, () => Promise<unknown>][] = [
      ["unpublish", () => provisioner.unpublishVolume({ volumeId, nodeId }, signal)],
      ["grow", () => provisioner.expandVolume({ volumeId, capacityRange: range }, signal)],
      [
        "snapshot",
        () => provisioner.createSnapshot({ sourceVolumeId: volumeId, name }, signal),
      ],
    ];
    for (const [what, work] of works) {
      const calls = await bed.calls(() => rejects(work(), { code: "unavailable" }, what));
      deepEqual(calls.filter((call) => !call.startsWith("GET ")), [], what);
    }
    deepEqual(await bed.publishedTo(volumeId), [nodeId]);
  });
});

Deno.test("a standby does not say that a volume is gone by what it remembers", async () => {
  const fence = new Shut();
  await ProvisionerBed.run({ fence }, async (bed) => {
    bed.link("fa-2", "unreachable");
    const deletion = () => bed.provisioner.deleteVolume("k8s-pvc-9", bed.signal);
    await rejects(deletion(), { code: "unavailable", message: /cannot tell whether/ });
    fence.isOpen = true; // the list of fa-2 is whole then, and has no such volume
    await deletion();
  });
});
