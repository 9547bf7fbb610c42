// What is not this cluster's: stale rules, addresses that changed hands, and volumes, snapshots and
// file systems that somebody else made. docs/reach.md and docs/handles.md say it for administrators.
import { deepEqual, rejects } from "node:assert/strict";
import { decodeNodeId, encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { N1, N2, ProvisionerBed, RAW_RWX, RWX } from "./provisioner_bed.ts";

const BLOCK = { flasharrays: 1, flashblades: 0 };
const FILE = { flasharrays: 0, flashblades: 1 };
const SHARED_FILE = { parameters: { backend: "file" }, capabilities: [RWX] };
const SHARED = { capability: RWX };

function nodeOf(nodeId: string): NodeIdentity {
  const node = decodeNodeId(nodeId);
  if (!node) throw new Error(`${nodeId} is no node_id`);
  return node;
}

async function setRules(bed: ProvisionerBed, fileSystem: string, rules: string): Promise<void> {
  const query = { names: fileSystem };
  const body = { nfs: { rules } };
  await bed.admin("fb-1", { method: "PATCH", path: "file-systems", query, body });
}

async function rulesOf(bed: ProvisionerBed, fileSystem: string): Promise<string> {
  const query = { names: fileSystem };
  const call = { method: "GET", path: "file-systems", query } as const;
  const [item] = await bed.admin<{ nfs: { rules: string } }>("fb-1", call);
  return item?.nfs.rules ?? "";
}

/** Makes a volume as somebody else did. */
async function addVolume(
  bed: ProvisionerBed,
  name: string,
  tags?: Record<string, string>,
): Promise<void> {
  await bed.fleet.members[0]?.array.createVolume({ name, sizeBytes: GiB, tags });
}

/** A machine outside of the cluster that uses the volumes. */
async function connectEsx(bed: ProvisionerBed, ...volumes: string[]): Promise<void> {
  const body = { iqns: ["iqn.1998-01.com.vmware:esx-1"] };
  await bed.admin("fa-1", { method: "POST", path: "hosts", query: { names: "esx-1" }, body });
  for (const volume of volumes) {
    const query = { host_names: "esx-1", volume_names: volume };
    await bed.admin("fa-1", { method: "POST", path: "connections", query });
  }
}

async function hostsOf(bed: ProvisionerBed, volume: string): Promise<string[]> {
  const found = await bed.fleet.members[0]?.array.findVolume(volume, { hosts: true });
  return (found?.hosts ?? []).toSorted();
}

async function detachEsx(bed: ProvisionerBed, volume: string): Promise<void> {
  const query = { host_names: "esx-1", volume_names: volume };
  await bed.admin("fa-1", { method: "DELETE", path: "connections", query });
}

function fromAll(bed: ProvisionerBed, volumeId: string): Promise<void> {
  return bed.provisioner.unpublishVolume({ volumeId, nodeId: "" }, bed.signal);
}

Deno.test("an imported volume is taken from no machine outside of the cluster, and not destroyed while one is connected", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    await addVolume(bed, "oracle-data");
    await connectEsx(bed, "oracle-data");
    await rejects(bed.publish("oracle-data", N1), {
      code: "in_use",
      message: /volume oracle-data on array fa-1 is connected to esx-1 \(no known node of this/,
    });
    await rejects(bed.provisioner.deleteVolume("oracle-data", bed.signal), {
      code: "in_use",
      message: /connected to esx-1/,
    });
    deepEqual(await hostsOf(bed, "oracle-data"), ["esx-1"]);
    await detachEsx(bed, "oracle-data");
    await bed.publish("oracle-data", N1);
    await bed.publish("oracle-data", N2);
    deepEqual(await hostsOf(bed, "oracle-data"), [hostNameFor(N2.name)], "a known node is fenced");
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await rejects(bed.publish("oracle-data", N1), {
      code: "in_use",
      message: new RegExp(`is connected to ${hostNameFor(N2.name)} `),
    });
    await bed.provisioner.unpublishVolume(
      { volumeId: "oracle-data", nodeId: encodeNodeId(N2) },
      bed.signal,
    );
    await bed.publish("oracle-data", N1);
    deepEqual(await hostsOf(bed, "oracle-data"), [hostNameFor(N1.name)]);
  });
});

Deno.test("a volume that PX-CSI made is found by its name, used, moved, and counts as imported", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const name = "px_1a2b3c4d-pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
    await addVolume(bed, name);
    await bed.publish(name, N1);
    await bed.publish(name, N2);
    deepEqual(await hostsOf(bed, name), [hostNameFor(N2.name)]);
    await rejects(bed.provisioner.deleteVolume(name, bed.signal), { code: "in_use" });
    await fromAll(bed, name);
    await connectEsx(bed, name);
    await rejects(bed.publish(name, N1), { code: "in_use", message: /connected to esx-1/ });
  });
});

Deno.test("a volume of this cluster, by its name or its tag, is fenced off from any machine", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    await addVolume(bed, "renamed-by-hand", { cluster: "k8s" });
    await bed.create("pvc-1");
    await connectEsx(bed, "renamed-by-hand", "k8s-pvc-1");
    for (const name of ["renamed-by-hand", "k8s-pvc-1"]) {
      await bed.publish(name, N1);
      deepEqual(await hostsOf(bed, name), [hostNameFor(N1.name)]);
    }
  });
});

Deno.test("unpublishVolume() from all nodes ends what nodes have of an imported volume, and names who else has it", async () => {
  await ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
    await addVolume(bed, "oracle-data");
    await bed.publish("oracle-data", N1, { capability: RAW_RWX });
    await connectEsx(bed, "oracle-data");
    await rejects(fromAll(bed, "oracle-data"), { code: "in_use", message: /connected to esx-1/ });
    deepEqual(await hostsOf(bed, "oracle-data"), ["esx-1"]);
    await bed.fleet.members[1]?.array.createVolume({ name: "shared-data", sizeBytes: GiB });
    await setRules(bed, "shared-data", "10.9.9.9(rw,no_root_squash)");
    await bed.publish("shared-data", N1, SHARED);
    await rejects(fromAll(bed, "shared-data"), {
      code: "in_use",
      message: /exported to 10\.9\.9\.9/,
    });
    deepEqual(await rulesOf(bed, "shared-data"), "10.9.9.9(rw,no_root_squash)");
  });
});

Deno.test("an imported file system is taken from no unknown client, and not destroyed while a rule names one", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const [one, two] = [nodeOf("1;n1;n;a=10.1.0.1"), nodeOf("1;n2;n;a=10.1.0.2")];
    const foreign = "10.9.9.9(rw,no_root_squash)";
    await bed.fleet.members[0]?.array.createVolume({ name: "oracle-data", sizeBytes: GiB });
    await setRules(bed, "oracle-data", foreign);
    await rejects(bed.publish("oracle-data", one), {
      code: "in_use",
      message: /10\.9\.9\.9 \(no known/,
    });
    for (const rule of [foreign, "10.9.9.9(rw)"]) {
      await setRules(bed, "oracle-data", rule);
      await rejects(bed.provisioner.deleteVolume("oracle-data", bed.signal), {
        code: "in_use",
        message: /oracle-data .* is exported to 10\.9\.9\.9: .* or set reclaimPolicy Retain/,
      });
      deepEqual(await rulesOf(bed, "oracle-data"), rule);
    }
    await setRules(bed, "oracle-data", "10.0.0.0/16(ro)");
    await bed.publish("oracle-data", one);
    await bed.publish("oracle-data", two);
    deepEqual(await rulesOf(bed, "oracle-data"), "10.1.0.2(rw,no_root_squash) 10.0.0.0/16(ro)");
    await fromAll(bed, "oracle-data");
    await bed.provisioner.deleteVolume("oracle-data", bed.signal);
    deepEqual(await bed.volumes(), { "fb-1": [] });
  });
});

for (const deleteImported of [true, false]) {
  Deno.test(`deleteVolume() and deleteSnapshot() of what this cluster did not make, with deleteImported ${deleteImported}`, async () => {
    const options = { flasharrays: 1, flashblades: 1, settings: { deleteImported } };
    await ProvisionerBed.run(options, async (bed) => {
      const { provisioner, signal } = bed;
      for (const { array } of bed.fleet.members) {
        const name = `data-on-${array.label}`;
        await array.createVolume({ name, sizeBytes: GiB });
        for (const suffix of ["daily", "snapshot-1"]) await array.createSnapshot(name, suffix);
        // What this driver made goes in any case, also on an imported volume.
        await provisioner.deleteSnapshot(`${name}.snapshot-1`, signal);
        const deletes = [
          {
            what: () => provisioner.deleteSnapshot(`${name}.daily`, signal),
            retain: "deletionPolicy",
          },
          { what: () => provisioner.deleteVolume(name, signal), retain: "reclaimPolicy" },
        ];
        for (const { what, retain } of deletes) {
          if (deleteImported) await what();
          else {
            await rejects(what(), {
              code: "in_use",
              message: new RegExp(`${name}.*deleteImported is false: .*, or set ${retain} Retain`),
            });
            await array.deleteSnapshot(`${name}.daily`);
          }
        }
        const left = (await bed.volumes())[array.label];
        deepEqual(left, deleteImported ? [] : [name]);
      }
      await provisioner.deleteVolume(await bed.create("pvc-1"), signal);
    });
  });
}

for (const kind of ["block", "file"] as const) {
  Deno.test(`a repeated delete of a ${kind} volume of any name touches none that got the name meanwhile`, async () => {
    await ProvisionerBed.run(kind === "block" ? BLOCK : FILE, async (bed) => {
      const { provisioner, signal } = bed;
      const [member] = bed.fleet.members;
      if (!member) throw new Error("no array");
      const { array } = member;
      const volumeId = `${member.id?.slice(0, 8)}/oracle-data`;
      await addVolume(bed, "oracle-data");
      for (let round = 0; round < 2; round++) {
        await provisioner.deleteVolume(volumeId, signal);
        deepEqual(await array.findVolume("oracle-data"), undefined);
        const path = kind === "block" ? "volumes" : "file-systems";
        const query = { names: "oracle-data" };
        await bed.admin(array.label, { method: "DELETE", path, query });
        await addVolume(bed, "oracle-data");
        await provisioner.deleteVolume(volumeId, signal);
        deepEqual((await array.findVolume("oracle-data"))?.name, "oracle-data");
        // Used again, the handle means what is there now.
        const capability = kind === "block" ? RAW_RWX : RWX;
        await bed.publish(volumeId, N1, { capability });
        await provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(N1) }, signal);
      }
    });
  });
}

for (const options of [BLOCK, FILE]) {
  const kind = options === BLOCK ? "block" : "file";
  Deno.test(`a repeated delete of a ${kind} snapshot of any name touches none that got the name meanwhile`, async () => {
    await ProvisionerBed.run(options, async (bed) => {
      const { provisioner, signal } = bed;
      const [member] = bed.fleet.members;
      if (!member) throw new Error("no array");
      const { array } = member;
      await addVolume(bed, "oracle-data");
      await array.createSnapshot("oracle-data", "daily");
      const snapshotId = `${member.id?.slice(0, 8)}/oracle-data.daily`;
      await provisioner.deleteSnapshot(snapshotId, signal);
      const path = kind === "block" ? "volume-snapshots" : "file-system-snapshots";
      const query = { names: "oracle-data.daily" };
      await bed.admin(array.label, { method: "DELETE", path, query });
      await array.createSnapshot("oracle-data", "daily");
      await provisioner.deleteSnapshot(snapshotId, signal);
      deepEqual((await array.findSnapshot("oracle-data.daily"))?.name, "oracle-data.daily");
    });
  });

  Deno.test(`a ${kind} snapshot that is made again by the name of a deleted one is deleted again`, async () => {
    await ProvisionerBed.run(options, async (bed) => {
      const { provisioner, signal } = bed;
      const change = kind === "block" ? {} : SHARED_FILE;
      const sourceVolumeId = await bed.create("pvc-1", change);
      const [array] = bed.fleet.members.map((member) => member.array);
      for (let round = 0; round < 2; round++) {
        const made = await provisioner.createSnapshot({ name: "s-1", sourceVolumeId }, signal);
        const name = made.snapshotId.slice("12345678/".length);
        await provisioner.deleteSnapshot(made.snapshotId, signal);
        deepEqual(await array?.findSnapshot(name), undefined);
        const path = kind === "block" ? "volume-snapshots" : "file-system-snapshots";
        await bed.admin(array?.label ?? "", { method: "DELETE", path, query: { names: name } });
      }
    });
  });
}

Deno.test("deleteVolume() and deleteSnapshot() of what has another cluster's tag want its prefix in deletePrefixes", async () => {
  for (const deletePrefixes of [[], ["prod"]]) {
    await ProvisionerBed.run({ ...BLOCK, settings: { deletePrefixes } }, async (bed) => {
      const { provisioner, signal } = bed;
      const array = bed.fleet.members[0]?.array;
      const names = ["prod-pvc-1", "test-pvc-1"];
      for (const name of names) {
        await addVolume(bed, name, { cluster: name.split("-")[0] ?? "" });
        await array?.createSnapshot(name, "daily");
      }
      for (const name of names) {
        for (
          const what of [
            () => provisioner.deleteSnapshot(`${name}.daily`, signal),
            () => provisioner.deleteVolume(name, signal),
          ]
        ) {
          if (deletePrefixes.some((prefix) => name.startsWith(prefix))) await what();
          else {
            await rejects(what(), {
              code: "in_use",
              message:
                /cluster=\w+, and this one is k8s; put \w+ into deletePrefixes .*, or set \w+ Retain/,
            });
          }
        }
      }
      const left = deletePrefixes.length > 0 ? ["test-pvc-1"] : names;
      deepEqual((await bed.volumes())["fa-1"], left);
    });
  }
});

Deno.test("a stale rule whose address another node has by now stops no delete and makes that node no user", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const [stale, other] = [
      await bed.create("pvc-1", SHARED_FILE),
      await bed.create("pvc-2", SHARED_FILE),
    ];
    const [before, after] = [nodeOf("1;n1;n;a=10.1.0.1"), nodeOf("1;n1;n;a=10.1.0.99")];
    const heir = nodeOf("1;n2;n;a=10.1.0.1");
    for (const node of [before, after, heir]) await bed.publish(other, node, SHARED);
    await setRules(bed, "k8s-pvc-1", "10.1.0.1(rw,no_root_squash)");
    deepEqual(await bed.publishedTo(stale), ["10.1.0.1"]);
    deepEqual((await bed.publishedTo(other)).toSorted(), [after, heir].map(encodeNodeId));
    await rejects(bed.provisioner.deleteVolume(other, bed.signal), { code: "in_use" });
    await bed.provisioner.deleteVolume(stale, bed.signal);
    deepEqual(await bed.volumes(), { "fb-1": ["k8s-pvc-2"] });
  });
});

Deno.test("a rule for the address of a node that alone ever had it stops a delete after a restart too", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const [one, other] = [
      await bed.create("pvc-1", SHARED_FILE),
      await bed.create("pvc-2", SHARED_FILE),
    ];
    const node = nodeOf("1;n1;n;a=10.1.0.1");
    await bed.publish(one, node, SHARED);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await bed.publish(other, node, SHARED);
    await rejects(bed.provisioner.deleteVolume(one, bed.signal), { code: "in_use" });
  });
});
