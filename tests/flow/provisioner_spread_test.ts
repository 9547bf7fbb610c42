/** Volumes of a group go to different arrays, and a new controller knows where its members are. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { type ClaimFacts, SPREAD_ANNOTATION } from "../../src/controller/placement/spread_group.ts";
import { PsoError } from "../../src/errors.ts";
import { GiB } from "../../src/size.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

function claimOf(change: Partial<ClaimFacts>): ClaimFacts {
  return { namespace: "shop", annotations: {}, labels: {}, ...change };
}

/** Creates claims one after the other, and counts them by array. */
async function spread(bed: ProvisionerBed, names: string[]): Promise<number[]> {
  const counts = new Map(bed.fleet.members.map(({ id }) => [id?.slice(0, 8), 0]));
  for (const name of names) {
    const parameters = {
      "csi.storage.k8s.io/pvc/name": name,
      "csi.storage.k8s.io/pvc/namespace": "shop",
    };
    const array = (await bed.create(name, { parameters })).split("/")[0];
    counts.set(array, (counts.get(array) ?? 0) + 1);
  }
  return [...counts.values()].sort();
}

/** One array much fuller than the others, so that without groups it gets nothing. */
async function fill(bed: ProvisionerBed): Promise<void> {
  const parameters = { arrayID: bed.fleet.members[0]?.id ?? "" };
  const capacityRange = { requiredBytes: 300 * GiB, limitBytes: 0 };
  await bed.create("pvc-large", { parameters, capacityRange });
}

const GROUPS: { name: string; claim: Partial<ClaimFacts> }[] = [
  { name: "an annotation", claim: { annotations: { [SPREAD_ANNOTATION]: "orders" } } },
  { name: "a StatefulSet", claim: { statefulSet: "db" } },
  { name: "labels", claim: { labels: { app: "db" } } },
];
for (const { name, claim } of GROUPS) {
  Deno.test(`15.1: volumes of a group by ${name} are spread over all arrays, also after a restart`, async () => {
    const claims = () => Promise.resolve(claimOf(claim));
    await ProvisionerBed.run({ flasharrays: 3, capacityBytes: 1024 * GiB, claims }, async (bed) => {
      await fill(bed);
      deepEqual(await spread(bed, ["pvc-1", "pvc-2"]), [0, 1, 1]);
      await bed.restart();
      await bed.fleet.refresh(bed.signal);
      deepEqual(await spread(bed, ["pvc-3"]), [0, 0, 1]);
      const held = bed.fleet.members.map((member) => bed.fleet.indexedVolumes(member));
      deepEqual(held.sort(), [1, 1, 2]);
    });
  });
}

Deno.test("15.1: a group that belongs together is on one array, also after a restart", async () => {
  const claims = () =>
    Promise.resolve(claimOf({ annotations: { [SPREAD_ANNOTATION]: "together:orders" } }));
  await ProvisionerBed.run({ flasharrays: 3, claims }, async (bed) => {
    deepEqual(await spread(bed, ["pvc-1", "pvc-2"]), [0, 0, 2]);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    deepEqual(await spread(bed, ["pvc-3", "pvc-4"]), [0, 0, 2]);
    const held = bed.fleet.members.map((member) => bed.fleet.indexedVolumes(member));
    deepEqual(held.sort(), [0, 0, 4]);
  });
});

Deno.test("15.1: a wrong annotation is refused; a claim nobody can read is placed", async () => {
  const answers = [
    () => Promise.resolve(claimOf({ annotations: { [SPREAD_ANNOTATION]: "a b" } })),
    () => Promise.reject(new PsoError("timeout", "the API server did not answer in time")),
    () => Promise.resolve(undefined),
  ];
  const claims = () => (answers.shift() ?? (() => Promise.resolve(undefined)))();
  await ProvisionerBed.run({ claims }, async (bed) => {
    await rejects(spread(bed, ["pvc-1"]), { code: "invalid", message: /"a b"/ });
    const counts = await spread(bed, ["pvc-1", "pvc-2"]);
    equal(counts.reduce((sum, count) => sum + count), 2);
    equal(answers.length, 0);
  });
});
