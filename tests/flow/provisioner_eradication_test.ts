// What a delete leaves on the array: with `eradicateOnDelete` nothing of what the cluster made, and
// else what `admin undelete` gives back.
import { deepEqual, ok } from "node:assert/strict";
import { createLogger } from "../../src/log.ts";
import { GiB } from "../../src/size.ts";
import { type BedOptions, ProvisionerBed, RWX } from "./provisioner_bed.ts";

interface Kind {
  fleet: Pick<BedOptions, "flasharrays" | "flashblades">;
  array: string;
  volumes: string;
  snapshots: string;
  change: Parameters<ProvisionerBed["request"]>[1];
}

const KINDS: Kind[] = [
  {
    fleet: { flasharrays: 1, flashblades: 0 },
    array: "fa-1",
    volumes: "volumes",
    snapshots: "volume-snapshots",
    change: {},
  },
  {
    fleet: { flasharrays: 0, flashblades: 1 },
    array: "fb-1",
    volumes: "file-systems",
    snapshots: "file-system-snapshots",
    change: { parameters: { backend: "file" }, capabilities: [RWX] },
  },
];
const ON = { eradicateOnDelete: true };

/** Names of what the array holds, live or destroyed. */
async function namesOf(bed: ProvisionerBed, { array }: Kind, path: string): Promise<string[]> {
  const items = await bed.admin<{ name: string }>(array, { method: "GET", path });
  return items.map(({ name }) => name);
}

async function snapshotOf(bed: ProvisionerBed, volumeId: string): Promise<string> {
  const request = { name: "snapshot-1", sourceVolumeId: volumeId };
  return (await bed.provisioner.createSnapshot(request, bed.signal)).snapshotId;
}

for (const kind of KINDS) {
  Deno.test(`15.6: with eradicateOnDelete nothing is left of what was deleted in ${kind.volumes}`, () =>
    ProvisionerBed.run({ ...kind.fleet, settings: ON }, async (bed) => {
      const { provisioner, signal } = bed;
      const volumeId = await bed.create("pvc-1", kind.change);
      await bed.create("pvc-2", kind.change);
      const snapshotId = await snapshotOf(bed, volumeId);
      await provisioner.deleteSnapshot(snapshotId, signal);
      deepEqual(await namesOf(bed, kind, kind.snapshots), []);
      await provisioner.deleteVolume(volumeId, signal);
      deepEqual(await namesOf(bed, kind, kind.volumes), ["k8s-pvc-2"]);
      // The name is free, and a repeated delete is about nothing.
      await provisioner.deleteVolume(volumeId, signal);
      const again = await bed.create("pvc-1", kind.change);
      deepEqual((await namesOf(bed, kind, kind.volumes)).toSorted(), ["k8s-pvc-1", "k8s-pvc-2"]);
      ok(again.endsWith("/k8s-pvc-1"), again);
    }));

  Deno.test(`without eradicateOnDelete the array keeps what was deleted in ${kind.volumes}`, () =>
    ProvisionerBed.run(kind.fleet, async (bed) => {
      const volumeId = await bed.create("pvc-1", kind.change);
      const calls = await bed.calls(() => bed.provisioner.deleteVolume(volumeId, bed.signal));
      deepEqual(calls.filter((call) => call.startsWith("DELETE")), []);
      deepEqual(await namesOf(bed, kind, kind.volumes), ["k8s-pvc-1"]);
    }));

  Deno.test(`eradicateOnDelete leaves to the array what this cluster did not make in ${kind.volumes}`, () =>
    ProvisionerBed.run({ ...kind.fleet, settings: ON }, async (bed) => {
      const [member] = bed.fleet.members;
      await member?.array.createVolume({ name: "oracle-data", sizeBytes: GiB });
      await bed.provisioner.deleteVolume("oracle-data", bed.signal);
      deepEqual(await namesOf(bed, kind, kind.volumes), ["oracle-data"]);
      deepEqual(await member?.array.findVolume("oracle-data"), undefined);
    }));

  Deno.test(`eradicateOnDelete leaves to the array a snapshot of a volume that another made in ${kind.volumes}`, () =>
    ProvisionerBed.run({ ...kind.fleet, settings: ON }, async (bed) => {
      const [member] = bed.fleet.members;
      const own = await bed.create("pvc-1", kind.change);
      for (const name of ["oracle-data", "blue-pvc-1"]) {
        await member?.array.createVolume({ name, sizeBytes: GiB });
        await member?.array.createSnapshot(name, "snapshot-1");
        const handle = `${own.replace("k8s-pvc-1", name)}.snapshot-1`;
        await bed.provisioner.deleteSnapshot(handle, bed.signal);
      }
      const kept = ["blue-pvc-1.snapshot-1", "oracle-data.snapshot-1"];
      deepEqual((await namesOf(bed, kind, kind.snapshots)).toSorted(), kept);
    }));

  Deno.test(`15.6: SafeMode keeps what was deleted in ${kind.volumes}, and the delete is done and says why`, async () => {
    const said: string[] = [];
    const log = createLogger({ level: "info", format: "json", write: (line) => said.push(line) });
    const eradication = { isManual: false };
    await ProvisionerBed.run({ ...kind.fleet, settings: ON, eradication, log }, async (bed) => {
      const volumeId = await bed.create("pvc-1", kind.change);
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      deepEqual(await namesOf(bed, kind, kind.volumes), ["k8s-pvc-1"]);
    });
    const lines = said.filter((line) => line.includes("not eradicated"));
    deepEqual(lines.length, 1, said.join("\n"));
    const [line = ""] = lines;
    ok(line.includes(`k8s-pvc-1 on array ${kind.array}`), line);
    ok(line.includes("Eradication is disabled, status 400; SafeMode is on: what is "), line);
  });

  Deno.test(`an eradication whose answer was lost is done, and says so, in ${kind.volumes}`, async () => {
    const said: string[] = [];
    const log = createLogger({ level: "info", format: "json", write: (line) => said.push(line) });
    await ProvisionerBed.run({ ...kind.fleet, settings: ON, log }, async (bed) => {
      const volumeId = await bed.create("pvc-1", kind.change);
      const match = { method: "DELETE", path: `/${kind.volumes}` };
      await bed.fault({ action: "drop-after", times: 1, match });
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      deepEqual(await namesOf(bed, kind, kind.volumes), []);
    });
    const told = said.map((line): unknown => JSON.parse(line)).filter((line) =>
      JSON.stringify(line).includes("eradicated")
    );
    deepEqual(told.length, 1, said.join("\n"));
    ok(!JSON.stringify(told).includes("not eradicated"), JSON.stringify(told));
  });

  Deno.test(`a delete whose answer was lost eradicates nothing by its name in ${kind.volumes}`, () =>
    ProvisionerBed.run({ ...kind.fleet, settings: ON }, async (bed) => {
      const volumeId = await bed.create("pvc-1", kind.change);
      const match = { method: "PATCH", path: `/${kind.volumes}` };
      await bed.fault({ action: "drop-after", times: 1, match });
      const deleted = () => bed.provisioner.deleteVolume(volumeId, bed.signal);
      await deleted().catch(() => deleted());
      deepEqual(await namesOf(bed, kind, kind.volumes), ["k8s-pvc-1"]);
    }));
}

const UNSURE: [what: string, pattern: RegExp, text: string][] = [
  ["does not say that the volume is destroyed", /"destroyed":true/g, '"destroyed":false'],
  ["does not say the volume's id", /"id":"[^"]+"/g, '"id":""'],
];
for (const [what, pattern, text] of UNSURE) {
  Deno.test(`an answer that ${what} eradicates nothing`, () =>
    ProvisionerBed.run({ flasharrays: 1, flashblades: 0, settings: ON }, async (bed) => {
      const volumeId = await bed.create("pvc-1");
      bed.rewrite(
        "fa-1",
        (said, path) => path.includes("/volumes?") ? said.replaceAll(pattern, text) : said,
      );
      const calls = await bed.calls(() =>
        bed.provisioner.deleteVolume(volumeId, bed.signal).catch(() => {})
      );
      deepEqual(calls.filter((call) => call.startsWith("DELETE")), []);
      ok(calls.includes("PATCH /volumes"), calls.join(", "));
    }));
}
