// The life of volumes that PSO 5.2, PSO 6.2 and PX-CSI have left, by this driver.
// docs/upgrading-from-pso.md is the way there.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { volumeProblems } from "../../src/admin/takeover/volumes.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { volumeOf } from "../support/pso_objects.ts";
import { type Layout, layOut, LAYOUTS, type LeftVolume, PX_PREFIX } from "./adoption_layouts.ts";
import { type Doctor, WELL, withDoctor, type WrittenObjects } from "./doctor_bed.ts";
import { IMPORT, ImportBed, RECLAIM } from "./import_bed.ts";
import { type BedOptions, ProvisionerBed, RWO, RWX } from "./provisioner_bed.ts";

const noFiles = Deno.uid() !== 0 && skip("adopted file systems", "mounts need root");

/** One FlashArray and one FlashBlade, and this driver with the values of the one before. */
function bedOf({ clusterId, san }: Layout): BedOptions {
  const settings = { clusterId, flasharray: { sanType: san } };
  return { flasharrays: 1, flashblades: 1, allPorts: true, settings };
}

interface ConnectionRow {
  host: { name: string };
  volume: { name: string };
}

async function connections(bed: ProvisionerBed): Promise<string[]> {
  const rows = await bed.admin<ConnectionRow>("fa-1", { method: "GET", path: "connections" });
  return rows.map(({ host, volume }) => `${volume.name} ${host.name}`).sort();
}

function neighboursOf({ neighbours, hostNameOf, nodes }: Layout): string[] {
  return neighbours.map((name) => `${name} ${hostNameOf(nodes[1].name)}`).sort();
}

const capabilityOf = ({ array }: LeftVolume) => array === "fb-1" ? RWX : RWO;

/** What the cluster has of these volumes when all of them are attached to the first node. */
function objectsOf(
  { volumes, nodes }: Layout,
  { gibibytes, snapshots = [], attached = volumes }: {
    gibibytes: number;
    snapshots?: string[];
    attached?: LeftVolume[];
  },
): WrittenObjects {
  return {
    nodes,
    volumes: volumes.map(({ pv: name, handle, array, volumeAttributes }) => ({
      name,
      handle,
      mode: array === "fb-1" ? "ReadWriteMany" : "ReadWriteOnce",
      gibibytes,
      volumeAttributes,
    })),
    attached: attached.map(({ pv }) => [pv, nodes[0].name]),
    snapshots: [
      ...volumes.flatMap(({ handle, snapshots: [old] }) => old ? [`${handle}.${old}`] : []),
      ...snapshots,
    ],
  };
}

/** Publish, grow and snapshot, by the PersistentVolume's handle; gives the snapshot's. */
async function use(
  bed: ProvisionerBed,
  { left, layout, at }: { left: LeftVolume; layout: Layout; at: number },
): Promise<string> {
  const { provisioner, signal } = bed;
  const { handle: volumeId, array, volumeAttributes: volumeContext } = left;
  const capability = capabilityOf(left);
  const context = await bed.publish(volumeId, layout.nodes[0], { capability, volumeContext });
  equal(context.protocol, array === "fb-1" ? "nfs" : layout.san);
  const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
  const grown = await provisioner.expandVolume({ volumeId, capacityRange, capability }, signal);
  equal(grown.capacityBytes, 2 * GiB);
  const request = { name: `snapshot-new-${at}`, sourceVolumeId: volumeId };
  return (await provisioner.createSnapshot(request, signal)).snapshotId;
}

/** Restores of the snapshots of before and of now, and the end of all of it. */
async function end(
  bed: ProvisionerBed,
  { left, made, at }: { left: LeftVolume; made: string; at: number },
): Promise<void> {
  const { provisioner, signal } = bed;
  const { handle: volumeId, name, array, snapshots: [old] } = left;
  for (const snapshotId of [made, ...old === undefined ? [] : [`${volumeId}.${old}`]]) {
    const one = { snapshotId, sourceVolumeId: "", maxEntries: 0, startingToken: "" };
    const [listed] = (await provisioner.listSnapshots(one, signal)).entries;
    equal(listed?.readyToUse, true, `${snapshotId} is ready without a first mount`);
    const restored = await bed.create(`restored-${at}-${snapshotId === made}`, {
      contentSource: { snapshotId },
      capabilities: [capabilityOf(left)],
      capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 },
      parameters: { backend: array === "fb-1" ? "file" : "block" },
    });
    await provisioner.deleteVolume(restored, signal);
    await provisioner.deleteSnapshot(snapshotId, signal);
  }
  await provisioner.unpublishVolume({ volumeId, nodeId: "" }, signal);
  await provisioner.deleteVolume(volumeId, signal);
  ok(!(await bed.volumes())[array]?.includes(name), `${name} is deleted`);
}

/** Each volume's life, with a look by doctor before, in the middle and after. */
async function live(bed: ProvisionerBed, layout: Layout, doctor: Doctor): Promise<void> {
  const { volumes } = layout;
  const attached = volumes.filter(({ usedBy }) => usedBy.length > 0);
  deepEqual(await doctor(objectsOf(layout, { gibibytes: 1, attached })), WELL, "as it was left");
  const made: string[] = [];
  for (const [at, left] of volumes.entries()) made.push(await use(bed, { left, layout, at }));
  deepEqual(await doctor(objectsOf(layout, { gibibytes: 2, snapshots: made })), WELL, "in use");
  for (const [at, left] of volumes.entries()) await end(bed, { left, made: made[at] ?? "", at });
  const nothing = { volumes: [], attached: [], snapshots: [], nodes: layout.nodes };
  deepEqual(await doctor(nothing), WELL, "when all is deleted");
}

for (const layout of LAYOUTS) {
  Deno.test({
    name:
      `15.5: the fleet that ${layout.name} leaves is adopted: publish, expand, snapshot, restore and delete of each volume, and doctor finds nothing`,
    ignore: noFiles,
    fn: async () => {
      await ProvisionerBed.run(bedOf(layout), async (bed) => {
        await layOut(bed, layout);
        await bed.restart();
        await bed.fleet.refresh(bed.signal);
        await withDoctor(bed, (doctor) => live(bed, layout, doctor));
        deepEqual((await bed.volumes())["fa-1"], [...layout.neighbours].sort());
        deepEqual(await connections(bed), neighboursOf(layout));
        const hosts = await bed.admin<{ name: string }>("fa-1", { method: "GET", path: "hosts" });
        const made = layout.nodes.map(({ name }) => hostNameFor(name));
        deepEqual(
          hosts.map(({ name }) => name).filter((name) => made.includes(name)),
          [],
          "the host objects of before are used on",
        );
      });
    },
  });
}

for (const layout of LAYOUTS.filter(({ name }) => name.startsWith("PX-CSI"))) {
  Deno.test({
    name:
      `15.5: volumes that ${layout.name} made are imported by annotations once deletePrefixes names its prefix, and live on`,
    ignore: noFiles,
    fn: async () => {
      const options = bedOf(layout);
      const settings = { ...options.settings, deletePrefixes: [PX_PREFIX] };
      await ImportBed.run({ ...options, settings }, async (bed, imports) => {
        await layOut(bed, layout);
        await bed.restart();
        await bed.fleet.refresh(bed.signal);
        const volumes: LeftVolume[] = [];
        for (const left of layout.volumes) {
          const { name, array, pv } = left;
          if (!name.startsWith(PX_PREFIX)) {
            volumes.push(left);
            continue;
          }
          const wish = { [IMPORT]: `${array}/${name}`, [RECLAIM]: "delete" };
          const { volumeId } = await imports.import(`shop/${pv}`, wish, {
            capabilities: [capabilityOf(left)],
            parameters: { backend: array === "fb-1" ? "file" : "block" },
          });
          volumes.push({ ...left, handle: volumeId });
        }
        await withDoctor(bed, (doctor) => live(bed, { ...layout, volumes }, doctor));
        deepEqual(await connections(bed), neighboursOf(layout));
      });
    },
  });
}

/** PersistentVolumes as the driver before wrote them. */
function asItWas({ volumes, ...layout }: Layout): Layout {
  return {
    ...layout,
    volumes: volumes.map((left) => ({ ...left, handle: left.databaseId ?? left.handle })),
  };
}

for (const layout of LAYOUTS) {
  const lost = layout.volumes.filter(({ databaseId }) => databaseId !== undefined);
  const told = lost.length > 0 ? ", but for an id of a database, of which the volume is told" : "";
  Deno.test({
    name:
      `15.5: takeover and doctor find each volume that ${layout.name} leaves by its handle${told}`,
    ignore: noFiles,
    fn: async () => {
      await ProvisionerBed.run(bedOf(layout), async (bed) => {
        await layOut(bed, layout);
        await bed.restart();
        const { volumes, clusterId: cluster } = asItWas(layout);
        const pvs = volumes.map(({ pv, handle: volumeHandle, volumeAttributes }) =>
          volumeOf(pv, { volumeHandle, volumeAttributes })
        );
        const problems = await volumeProblems(bed.fleet, { volumes: pvs, cluster });
        deepEqual(
          problems.map(({ object }) => object),
          lost.map(({ pv }) => `PersistentVolume ${pv}`),
        );
        for (const [at, { name, array }] of lost.entries()) {
          const { what = "" } = problems[at] ?? {};
          ok(what.includes(`; array ${array} has ${name}, as`), what);
        }
        const attached = volumes.filter(({ usedBy }) => usedBy.length > 0);
        await withDoctor(bed, async (doctor) => {
          const { findings } = await doctor(objectsOf(asItWas(layout), { gibibytes: 1, attached }));
          deepEqual(findings, lost.map(({ pv }) => `PV without volume: ${pv}`));
        });
        const before = await bed.volumes();
        for (const { databaseId = "" } of lost) {
          await rejects(bed.publish(databaseId, layout.nodes[0]), { code: "not_found" });
          await bed.provisioner.deleteVolume(databaseId, bed.signal);
        }
        deepEqual(await bed.volumes(), before);
      });
    },
  });
}

for (const layout of LAYOUTS.filter(({ volumes }) => volumes.some(({ usedBy }) => usedBy[0]))) {
  Deno.test(`15.5: a volume that pods use since ${layout.name} is not disconnected by its first publish, and is taken from no node`, async () => {
    await ProvisionerBed.run(bedOf(layout), async (bed) => {
      await layOut(bed, layout);
      await bed.restart();
      const before = await connections(bed);
      const calls = await bed.calls(async () => {
        for (const { handle, usedBy, volumeAttributes: volumeContext } of layout.volumes) {
          for (const node of usedBy) await bed.publish(handle, node, { volumeContext });
        }
      });
      deepEqual(calls.filter((call) => !call.startsWith("GET ")), []);
      deepEqual(await connections(bed), before);
    });
  });
}
