// A claim that no other controller can have tried waits for no array that does not answer.
import { deepEqual, equal, rejects } from "node:assert/strict";
import type { ClaimReader } from "../../src/controller/context.ts";
import { isPsoError } from "../../src/errors.ts";
import { isUnclear, ProvisionerBed } from "./provisioner_bed.ts";

const UID = "6c84fb90-12c4-11e1-840d-7b25c5ee775a";
const NAME = `pvc-${UID}`;
const parameters = {
  "csi.storage.k8s.io/pvc/name": "orders",
  "csi.storage.k8s.io/pvc/namespace": "shop",
};

/** A claim that is there, and what is known of when it was made. */
function claimsOf(uid: string | undefined, isNew?: () => boolean): ClaimReader {
  return () => Promise.resolve({ namespace: "shop", uid, isNew, annotations: {}, labels: {} });
}

const isNew = () => true;
const waits = (error: unknown) => isPsoError(error, "unavailable") && /fa-2/.test(error.message);

for (const link of ["silent", "unreachable"] as const) {
  Deno.test(`15.2: createVolume() of a new claim waits for no ${link} array`, async () => {
    await ProvisionerBed.run({ cold: true, claims: claimsOf(UID, isNew) }, async (bed) => {
      bed.link("fa-2", link);
      await bed.fleet.refresh(bed.signal);
      const calls = await bed.calls(() => bed.create(NAME, { parameters }));
      deepEqual(calls.filter((call) => call.startsWith("POST")), ["POST /volumes"]);
      bed.link("fa-2", "whole");
      await bed.fleet.refresh(bed.signal);
      equal(Object.values(await bed.volumes()).flat().length, 1);
    });
  });
}

const OLD: { name: string; claims?: ClaimReader; as?: string; bare?: boolean }[] = [
  { name: "a claim of which nothing is known", claims: claimsOf(UID) },
  { name: "a claim of the list", claims: claimsOf(UID, () => false) },
  { name: "a claim that is gone", claims: () => Promise.resolve(undefined) },
  { name: "a claim that cannot be read", claims: () => Promise.reject(new Error("no answer")) },
  { name: "a name of another claim", claims: claimsOf(UID, isNew), as: "pvc-1" },
  { name: "a claim without a UID", claims: claimsOf(undefined, isNew), as: "pvc-undefined" },
  { name: "a request without its claim", claims: claimsOf(UID, isNew), bare: true },
  { name: "any claim where nobody can ask" },
];
for (const { name, claims, as = NAME, bare } of OLD) {
  Deno.test(`15.2: createVolume() of ${name} waits for a silent array, and names it`, async () => {
    await ProvisionerBed.run({ cold: true, ...claims ? { claims } : {} }, async (bed) => {
      bed.link("fa-2", "unreachable");
      await bed.fleet.refresh(bed.signal);
      await rejects(bed.create(as, bare ? {} : { parameters }), waits);
      bed.link("fa-2", "whole");
      await bed.create(as, bare ? {} : { parameters });
      equal(Object.values(await bed.volumes()).flat().length, 1);
    });
  });
}

Deno.test("15.2: createVolume() of a new claim waits for where this process tried it", async () => {
  await ProvisionerBed.run({ cold: true, claims: claimsOf(UID, isNew) }, async (bed) => {
    bed.link("fa-1", "unreachable");
    await bed.fleet.refresh(bed.signal);
    await bed.fault({
      action: "drop-after",
      match: { method: "POST", path: "/volumes" },
      times: 1,
    });
    await rejects(bed.create(NAME, { parameters }), isUnclear);
    bed.link("fa-1", "whole");
    bed.link("fa-2", "unreachable");
    await bed.fleet.refresh(bed.signal);
    await rejects(bed.create(NAME, { parameters }), waits);
    bed.link("fa-2", "whole");
    await bed.fleet.refresh(bed.signal);
    await bed.create(NAME, { parameters });
    equal(Object.values(await bed.volumes()).flat().length, 1);
  });
});
