// Fleets as PSO 5.2, PSO 6.2 and PX-CSI leave them, and the life of their volumes by this driver.
// docs/upgrading-from-pso.md is the way there.
import { deepEqual, equal, ok } from "node:assert/strict";
import { hostNameFor, psoHostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { N1, N2, ProvisionerBed, RWO, RWX } from "./provisioner_bed.ts";

const noFiles = Deno.uid() !== 0 && skip("adopted file systems", "mounts need root");

/** UUIDs of the claims that the volumes were made for. */
const UIDS = [
  "0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
  "1c6f3fa5-405d-4d3f-8078-1e3e2c2e8b22",
  "2d704ab6-516e-4e40-9189-2f4f3d3f9c33",
];
const SNAPSHOT_UID = "9a1c7d52-6f0e-4b7a-8a55-77aa66bb55cc";

/** A volume that a PersistentVolume means. */
interface LeftVolume {
  array: "fa-1" | "fb-1";
  /** Its name there. */
  name: string;
  /** What the PersistentVolume says. */
  handle: string;
  volumeAttributes: Record<string, string>;
  /** Suffixes of its snapshots; the first has a VolumeSnapshotContent. */
  snapshots: string[];
  /** Names of the nodes that its pods are on: the driver before attached it there. */
  usedBy?: (typeof N1)[];
}

/** What a driver leaves on the arrays. */
interface Layout {
  /** The driver, with what its PersistentVolumes have. */
  name: string;
  /** What it called the host object of a node. */
  hostNameOf: (node: string) => string;
  volumes: LeftVolume[];
  /** What nobody may touch: names on the FlashArray, connected to a host. */
  neighbours: string[];
  /** Rules of each file system. */
  rules: string;
}

const PSO_RULES = "*(rw,no_root_squash)";

const LAYOUTS: Layout[] = [
  {
    name: "PSO 5.2",
    hostNameOf: psoHostNameFor,
    volumes: [
      {
        array: "fa-1",
        name: `k8s-pvc-${UIDS[0]}`,
        handle: `k8s-pvc-${UIDS[0]}`,
        volumeAttributes: { backend: "block", createoptions: "-q" },
        snapshots: [`snapshot-${SNAPSHOT_UID}`],
        usedBy: [N1],
      },
      {
        // A volume that was made by 5.0, and a snapshot of the FlexVolume driver's command.
        array: "fa-1",
        name: `k8s-pvc-${UIDS[1]}`,
        handle: `k8s/pvc-${UIDS[1]}`,
        volumeAttributes: { backend: "block" },
        snapshots: ["snapshot-1", "883661"],
        usedBy: [N1],
      },
      {
        array: "fb-1",
        name: `k8s-pvc-${UIDS[2]}`,
        handle: `k8s-pvc-${UIDS[2]}`,
        volumeAttributes: { backend: "file" },
        snapshots: [],
      },
      {
        // Imported by hand: it keeps its name.
        array: "fa-1",
        name: "oracle-data",
        handle: "oracle-data",
        volumeAttributes: { backend: "block" },
        snapshots: ["daily"],
      },
    ],
    neighbours: [],
    rules: PSO_RULES,
  },
  {
    name: "PSO 6.2",
    hostNameOf: psoHostNameFor,
    volumes: [
      {
        array: "fa-1",
        name: `k8s-pvc-${UIDS[0]}`,
        handle: `k8s-pvc-${UIDS[0]}`,
        volumeAttributes: {
          backend: "block",
          createoptions: "-q",
          namespace: "k8s",
          volumeName: `pvc-${UIDS[0]}`,
        },
        snapshots: [`snapshot-${SNAPSHOT_UID}`],
        usedBy: [N1],
      },
      {
        array: "fb-1",
        name: `k8s-pvc-${UIDS[2]}`,
        handle: `k8s-pvc-${UIDS[2]}`,
        volumeAttributes: { backend: "file", namespace: "k8s", volumeName: `pvc-${UIDS[2]}` },
        snapshots: [`snapshot-${SNAPSHOT_UID}`],
      },
    ],
    // Its database, and an inline volume.
    neighbours: ["k8s-pso-db_0", "k8s-pso-db_1", "k8s-shop-web-0-a1b2c3"],
    rules: PSO_RULES,
  },
  {
    name: "PX-CSI",
    hostNameOf: (node) => `px-${psoHostNameFor(node).slice(0, 40)}`,
    volumes: [
      {
        // Made by PX-CSI; its PersistentVolume was written anew for this driver.
        array: "fa-1",
        name: `px_1a2b3c4d-pvc-${UIDS[0]}`,
        handle: `px_1a2b3c4d-pvc-${UIDS[0]}`,
        volumeAttributes: { backend: "block" },
        snapshots: [`snapshot-${SNAPSHOT_UID}`],
      },
      {
        // Made by PSO, and moved by pso2px, which changed Kubernetes alone.
        array: "fa-1",
        name: `k8s-pvc-${UIDS[1]}`,
        handle: `k8s-pvc-${UIDS[1]}`,
        volumeAttributes: { backend: "block" },
        snapshots: [],
      },
      {
        array: "fb-1",
        name: `px_1a2b3c4d-pvc-${UIDS[2]}`,
        handle: `px_1a2b3c4d-pvc-${UIDS[2]}`,
        volumeAttributes: { backend: "file" },
        snapshots: [],
      },
    ],
    neighbours: ["px_1a2b3c4d-pvc-ffffffff-0000-4000-8000-000000000000"],
    rules: "10.0.0.0/8(rw,no_root_squash)",
  },
];

async function layOut(bed: ProvisionerBed, layout: Layout): Promise<void> {
  const { hostNameOf, volumes, neighbours, rules } = layout;
  const post = async (path: string, query: Record<string, string>, body = {}) =>
    void await bed.admin("fa-1", { method: "POST", path, query, body });
  for (const { name, iqn } of [N1, N2]) {
    await post("hosts", { names: hostNameOf(name) }, { iqns: [iqn] });
  }
  for (const { array, name, snapshots, usedBy = [] } of volumes) {
    if (array === "fb-1") {
      const body = { provisioned: GiB, nfs: { v3_enabled: true, v4_1_enabled: true, rules } };
      await bed.admin("fb-1", {
        method: "POST",
        path: "file-systems",
        query: { names: name },
        body,
      });
    } else {
      await post("volumes", { names: name }, { provisioned: GiB });
      for (const node of usedBy) {
        await post("connections", { host_names: hostNameOf(node.name), volume_names: name });
      }
    }
    const path = array === "fb-1" ? "file-system-snapshots" : "volume-snapshots";
    for (const suffix of snapshots) {
      const query = { source_names: name };
      await bed.admin(array, { method: "POST", path, query, body: { suffix } });
    }
  }
  for (const name of neighbours) {
    await post("volumes", { names: name }, { provisioned: GiB });
    await post("connections", { host_names: hostNameOf(N2.name), volume_names: name });
  }
}

interface ConnectionRow {
  host: { name: string };
  volume: { name: string };
}

async function connections(bed: ProvisionerBed): Promise<string[]> {
  const rows = await bed.admin<ConnectionRow>("fa-1", { method: "GET", path: "connections" });
  return rows.map(({ host, volume }) => `${volume.name} ${host.name}`).sort();
}

/** Publish, grow, snapshot, restore, delete: by the handle that the PersistentVolume has. */
async function live(bed: ProvisionerBed, left: LeftVolume, at: number): Promise<void> {
  const { provisioner, signal } = bed;
  const { handle: volumeId, name, array, volumeAttributes, snapshots } = left;
  const capability = array === "fb-1" ? RWX : RWO;
  const context = await bed.publish(volumeId, N1, { capability, volumeContext: volumeAttributes });
  ok(Object.keys(context).length > 0, "the node is told how to reach it");
  const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
  const grown = await provisioner.expandVolume({ volumeId, capacityRange, capability }, signal);
  equal(grown.capacityBytes, 2 * GiB);
  const made = await provisioner.createSnapshot(
    { name: `snapshot-new-${at}`, sourceVolumeId: volumeId },
    signal,
  );
  const [old] = snapshots;
  const ids = [made.snapshotId, ...old === undefined ? [] : [`${volumeId}.${old}`]];
  for (const [each, snapshotId] of ids.entries()) {
    const one = { snapshotId, sourceVolumeId: "", maxEntries: 0, startingToken: "" };
    const [listed] = (await provisioner.listSnapshots(one, signal)).entries;
    equal(listed?.readyToUse, true, `${snapshotId} is ready without a first mount`);
    const restored = await bed.create(`restored-${at}-${each}`, {
      contentSource: { snapshotId },
      capabilities: [capability],
      capacityRange,
      parameters: { backend: array === "fb-1" ? "file" : "block" },
    });
    await provisioner.deleteVolume(restored, signal);
    await provisioner.deleteSnapshot(snapshotId, signal);
  }
  await provisioner.unpublishVolume({ volumeId, nodeId: "" }, signal);
  await provisioner.deleteVolume(volumeId, signal);
  ok(!(await bed.volumes())[array]?.includes(name), `${name} is deleted`);
}

for (const layout of LAYOUTS) {
  Deno.test({
    name:
      `15.5: the fleet that ${layout.name} leaves is adopted: publish, expand, snapshot, restore and delete of each volume`,
    ignore: noFiles,
    fn: async () => {
      await ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
        await layOut(bed, layout);
        await bed.restart();
        await bed.fleet.refresh(bed.signal);
        for (const [at, volume] of layout.volumes.entries()) await live(bed, volume, at);
        deepEqual((await bed.volumes())["fa-1"], [...layout.neighbours].sort());
        const host = layout.hostNameOf(N2.name);
        deepEqual(
          await connections(bed),
          layout.neighbours.map((name) => `${name} ${host}`).sort(),
        );
        const hosts = await bed.admin<{ name: string }>("fa-1", { method: "GET", path: "hosts" });
        const made = hosts.map(({ name }) => name).filter((name) => name === hostNameFor(N1.name));
        deepEqual(made, [], "the host objects of before are used on");
      });
    },
  });
}

for (const layout of LAYOUTS.filter(({ volumes }) => volumes.some(({ usedBy }) => usedBy))) {
  Deno.test(`a volume that pods use since ${layout.name} is not disconnected by its first publish, and is taken from no node`, async () => {
    await ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
      await layOut(bed, layout);
      await bed.restart();
      const before = await connections(bed);
      const calls = await bed.calls(async () => {
        for (const { handle, usedBy = [], volumeAttributes: volumeContext } of layout.volumes) {
          for (const node of usedBy) await bed.publish(handle, node, { volumeContext });
        }
      });
      deepEqual(calls.filter((call) => !call.startsWith("GET ")), []);
      deepEqual(await connections(bed), before);
    });
  });
}
