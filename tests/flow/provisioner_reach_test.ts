// Who may reach a volume: host objects and export rules that were there before, nodes that changed,
// and what lists, deletes and unpublishes make of them. docs/reach.md says it for administrators.
import { deepEqual, rejects } from "node:assert/strict";
import { encodeNodeId } from "../../src/handoff.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { N1, N2, ProvisionerBed, RAW_RWX, RWX } from "./provisioner_bed.ts";
import {
  addHost,
  BLOCK,
  FOREIGN,
  hostsOf,
  isInUse,
  listed,
  NEW_W1,
  OLD_W1,
  unpublish,
} from "./reach_bed.ts";

Deno.test("unpublishVolume() after a new installation and a restart leaves nothing connected, and the volume can be deleted", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const [v1, v2, v3] = [
      await bed.create("pvc-1"),
      await bed.create("pvc-2"),
      await bed.create("pvc-3"),
    ];
    await bed.publish(v1, OLD_W1);
    await bed.publish(v2, NEW_W1);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await bed.publish(v3, NEW_W1);
    await unpublish(bed, v1, NEW_W1);
    deepEqual(await hostsOf(bed, "k8s-pvc-1"), []);
    await bed.provisioner.deleteVolume(v1, bed.signal);
    deepEqual((await bed.volumes())["fa-1"], ["k8s-pvc-2", "k8s-pvc-3"]);
  });
});

Deno.test("unpublishVolume() ends what the node had before its installation, also where its host could not be taken over", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const [v1, v2] = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    await bed.publish(v1, OLD_W1);
    await bed.fleet.members[0]?.array.createVolume({ name: "boot-w1", sizeBytes: GiB });
    await bed.admin("fa-1", {
      method: "POST",
      path: "connections",
      query: { host_names: "w1", volume_names: "boot-w1" },
    });
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await bed.publish(v2, NEW_W1);
    await unpublish(bed, v1, NEW_W1);
    deepEqual(await hostsOf(bed, "k8s-pvc-1"), []);
    deepEqual(await hostsOf(bed, "boot-w1"), ["w1"]);
    await bed.provisioner.deleteVolume(v1, bed.signal);
  });
});

Deno.test("unpublishVolume() never cuts a machine off that only bears the node's name: a volume that is not this cluster's", async () => {
  for (const nodeId of [encodeNodeId(NEW_W1), "w1"]) {
    await ProvisionerBed.run(BLOCK, async (bed) => {
      await bed.fleet.members[0]?.array.createVolume({ name: "oracle-data", sizeBytes: GiB });
      await addHost(bed, "w1", { iqns: [FOREIGN] });
      await bed.admin("fa-1", {
        method: "POST",
        path: "connections",
        query: { host_names: "w1", volume_names: "oracle-data" },
      });
      const request = { volumeId: "oracle-data", nodeId };
      const done = bed.provisioner.unpublishVolume(request, bed.signal);
      if (nodeId === "w1") await rejects(done, { code: "not_found", message: /w1 on fa-1/ });
      else await done;
      deepEqual(await hostsOf(bed, "oracle-data"), ["w1"]);
    });
  }
});

Deno.test("publishVolume() without preemption knows a node that was installed anew", async () => {
  const settings = { flasharray: { preemptAttachments: false } };
  await ProvisionerBed.run({ ...BLOCK, settings }, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await bed.publish(volumeId, OLD_W1);
    await bed.restart();
    await bed.publish(volumeId, NEW_W1);
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(NEW_W1)]);
    deepEqual(await hostsOf(bed, "k8s-pvc-1"), ["w1"]);
  });
});

Deno.test("publishVolume() by iSCSI of a volume that NVMe holds is a conflict in the array's own words", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const volumeId = await bed.create("pvc-1", { capabilities: [RAW_RWX] });
    const nqns = ["nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001"];
    await bed.admin("fa-1", {
      method: "POST",
      path: "hosts",
      query: { names: "elsewhere" },
      body: { nqns },
    });
    await bed.admin("fa-1", {
      method: "POST",
      path: "connections",
      query: { host_names: "elsewhere", volume_names: "k8s-pvc-1" },
    });
    await rejects(bed.publish(volumeId, NEW_W1, { capability: RAW_RWX }), {
      code: "conflict",
      message:
        /Non-NVME connected hgroups and hosts cannot be connected to volumes already connected to NVME connected hosts/,
    });
  });
});

Deno.test("lists name the node, whatever its host object is called and whatever the volume's name is", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    await addHost(bed, "ucs-blade-07", { iqns: [NEW_W1.iqn ?? ""] });
    const imported = ["oracle-a", "oracle-b", "oracle-c"];
    for (const name of [...imported, "oracle-unused"]) {
      await bed.fleet.members[0]?.array.createVolume({ name, sizeBytes: GiB });
    }
    const volumeId = await bed.create("pvc-1");
    const handles = [volumeId, ...imported];
    for (const handle of handles) await bed.publish(handle, NEW_W1);
    const nodeIds = [encodeNodeId(NEW_W1)];
    deepEqual(await listed(bed), Object.fromEntries(handles.map((handle) => [handle, nodeIds])));
    for (const handle of handles) deepEqual(await bed.publishedTo(handle), nodeIds);
    await rejects(bed.provisioner.deleteVolume("oracle-a", bed.signal), isInUse);
    await unpublish(bed, "oracle-a", NEW_W1);
    deepEqual(Object.keys(await listed(bed)).length, 3);
    await bed.provisioner.deleteVolume("oracle-a", bed.signal);
  });
});

Deno.test("lists hold imported file systems and volumes of several arrays, each once", async () => {
  await ProvisionerBed.run({ flasharrays: 2, flashblades: 1 }, async (bed) => {
    const wanted: Record<string, string[]> = {};
    for (const { array } of bed.fleet.members) {
      const name = `data-on-${array.label}`;
      await array.createVolume({ name, sizeBytes: GiB });
      const capability = array.kind === "file" ? RWX : RAW_RWX;
      for (const node of [N1, N2]) await bed.publish(name, node, { capability });
      wanted[name] = [encodeNodeId(N1), encodeNodeId(N2)];
    }
    deepEqual(await listed(bed), wanted);
  });
});

Deno.test("lists hold no volumes and snapshots of a cluster whose longer name begins with ours, but for those that are published here", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const array = bed.fleet.members[0]?.array;
    for (const name of ["k8s-prod-pvc-1", "k8s-prod-pvc-2"]) {
      await array?.createVolume({ name, sizeBytes: GiB });
      await array?.createSnapshot(name, "snapshot-1");
    }
    const volumeId = await bed.create("pvc-1");
    await array?.createSnapshot("k8s-pvc-1", "snapshot-1");
    await bed.publish("k8s-prod-pvc-2", NEW_W1);
    deepEqual(await listed(bed), {
      [volumeId]: [],
      "k8s-prod-pvc-2": [encodeNodeId(NEW_W1)],
    });
    const all = { maxEntries: 0, startingToken: "", snapshotId: "", sourceVolumeId: "" };
    const { entries } = await bed.provisioner.listSnapshots(all, bed.signal);
    deepEqual(entries.map(({ sourceVolumeId }) => sourceVolumeId), [volumeId]);
  });
});

Deno.test("a node's host that somebody emptied is listed by its own name, so that the volume is published again, which repairs it", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await bed.publish(volumeId, NEW_W1);
    const [query, empty] = [{ names: "w1" }, { iqns: [] }];
    await bed.admin("fa-1", { method: "PATCH", path: "hosts", query, body: empty });
    await bed.fleet.refresh(bed.signal);
    deepEqual(await listed(bed), { [volumeId]: ["w1"] });
    await bed.publish(volumeId, NEW_W1);
    deepEqual(await listed(bed), { [volumeId]: [encodeNodeId(NEW_W1)] });
    const call = { method: "GET", path: "hosts", query } as const;
    const [host] = await bed.admin<{ iqns: string[] }>("fa-1", call);
    deepEqual(host?.iqns, [NEW_W1.iqn]);
  });
});

Deno.test("lists take no machine for a node because its host object has the node's name on another array", async () => {
  await ProvisionerBed.run({ flasharrays: 2, flashblades: 0 }, async (bed) => {
    const [one, two] = bed.fleet.members;
    await one?.array.createVolume({ name: "oracle-a", sizeBytes: GiB });
    await two?.array.createVolume({ name: "k8s-elsewhere", sizeBytes: GiB });
    await bed.publish("oracle-a", N1);
    const name = hostNameFor(N1.name);
    const query = { names: name };
    await bed.admin("fa-2", { method: "POST", path: "hosts", query, body: { iqns: [FOREIGN] } });
    await bed.admin("fa-2", {
      method: "POST",
      path: "connections",
      query: { host_names: name, volume_names: "k8s-elsewhere" },
    });
    deepEqual(await bed.publishedTo("k8s-elsewhere"), [name]);
  });
});
