// Who may reach a volume: host objects and export rules that were there before, nodes that changed,
// and what lists, deletes and unpublishes make of them. docs/reach.md says it for administrators.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { isPsoError } from "../../src/errors.ts";
import { decodeNodeId, encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { isUnclear, N1, N2, ProvisionerBed, RAW_RWX, RWO, RWX } from "./provisioner_bed.ts";

const BLOCK = { flasharrays: 1, flashblades: 0 };
const FILE = { flasharrays: 0, flashblades: 1 };
const FILE_CLASS = { parameters: { backend: "file" } };
const SHARED_FILE = { ...FILE_CLASS, capabilities: [RWX] };
const FOREIGN = "iqn.1993-08.org.debian:01:foreign";

function nodeOf(nodeId: string): NodeIdentity {
  const node = decodeNodeId(nodeId);
  if (!node) throw new Error(`${nodeId} is no node_id`);
  equal(encodeNodeId(node), nodeId);
  return node;
}

const OLD_W1 = nodeOf("1;w1;i;i=iqn.1993-08.org.debian:01:old");
const NEW_W1 = nodeOf("1;w1;i;i=iqn.1993-08.org.debian:01:new");
const NA = nodeOf("1;na;n;a=10.0.0.1");
const NB = nodeOf("1;nb;n;a=10.0.0.1");

function unpublish(bed: ProvisionerBed, volumeId: string, node: NodeIdentity): Promise<void> {
  return bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(node) }, bed.signal);
}

/** Every entry of ListVolumes, in pages of one: handle → node_ids. */
async function listed(bed: ProvisionerBed): Promise<Record<string, string[]>> {
  const entries: Record<string, string[]> = {};
  let startingToken = "";
  do {
    const page = await bed.provisioner.listVolumes({ maxEntries: 1, startingToken }, bed.signal);
    for (const { volume, publishedNodeIds } of page.entries) {
      entries[volume.volumeId] = publishedNodeIds.toSorted();
    }
    startingToken = page.nextToken;
  } while (startingToken !== "");
  return entries;
}

async function hostsOf(bed: ProvisionerBed, volume: string): Promise<string[]> {
  const rows = await bed.admin<{ host: { name: string } }>("fa-1", {
    method: "GET",
    path: "connections",
    query: { volume_names: volume },
  });
  return rows.map(({ host }) => host.name);
}

async function addHost(bed: ProvisionerBed, name: string, body: { iqns: string[] }): Promise<void> {
  await bed.admin("fa-1", { method: "POST", path: "hosts", query: { names: name }, body });
}

async function rulesOf(bed: ProvisionerBed, fileSystem: string): Promise<string> {
  const [item] = await bed.admin<{ nfs: { rules: string } }>("fb-1", {
    method: "GET",
    path: "file-systems",
    query: { names: fileSystem },
  });
  return item?.nfs.rules ?? "";
}

async function setRules(bed: ProvisionerBed, fileSystem: string, rules: string): Promise<void> {
  const query = { names: fileSystem };
  const body = { nfs: { rules } };
  await bed.admin("fb-1", { method: "PATCH", path: "file-systems", query, body });
}

const isInUse = (error: unknown) => isPsoError(error, "in_use");

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

Deno.test("unpublishVolume() takes away every address that the node had, and the file system can be deleted", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", SHARED_FILE);
    const before = nodeOf("1;n1;n;a=10.1.0.1");
    const after = nodeOf("1;n1;n;a=10.1.0.99");
    for (const node of [before, after]) await bed.publish(volumeId, node, { capability: RWX });
    await unpublish(bed, volumeId, after);
    equal(await rulesOf(bed, "k8s-pvc-1"), "");
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
  });
});

Deno.test("unpublishVolume() leaves an address that another node uses the volume by", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", SHARED_FILE);
    for (const node of [NA, NB]) await bed.publish(volumeId, node, { capability: RWX });
    deepEqual((await bed.publishedTo(volumeId)).toSorted(), [encodeNodeId(NA), encodeNodeId(NB)]);
    await unpublish(bed, volumeId, NA);
    equal(await rulesOf(bed, "k8s-pvc-1"), "10.0.0.1(rw,no_root_squash)");
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(NB)]);
    await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), isInUse);
    await unpublish(bed, volumeId, NB);
    equal(await rulesOf(bed, "k8s-pvc-1"), "");
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
  });
});

Deno.test("lists do not guess which of several nodes an address means: the address itself is shown", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const [v1, v2] = [
      await bed.create("pvc-1", SHARED_FILE),
      await bed.create("pvc-2", SHARED_FILE),
    ];
    for (const node of [NA, NB]) await bed.publish(v1, node, { capability: RWX });
    await setRules(bed, "k8s-pvc-2", "10.0.0.1(rw,no_root_squash)");
    deepEqual(await bed.publishedTo(v2), ["10.0.0.1"]);
  });
});

for (const rules of ["127.0.0.0/8(rw)", "*(rw,no_root_squash)"]) {
  Deno.test(`a file system with ${rules} is listed with its nodes, keeps its rules, and is not deleted in use`, async () => {
    await ProvisionerBed.run(FILE, async (bed) => {
      const parameters = { ...FILE_CLASS.parameters, exportrules: rules };
      const volumeId = await bed.create("pvc-1", { parameters, capabilities: [RWX] });
      for (const node of [N1, N2]) await bed.publish(volumeId, node, { capability: RWX });
      const both = [encodeNodeId(N1), encodeNodeId(N2)];
      deepEqual(await bed.publishedTo(volumeId), both);
      deepEqual(await listed(bed), { [volumeId]: both });
      await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), {
        code: "in_use",
        message: /node-1\.example\.org, node-2\.example\.org/,
      });
      await unpublish(bed, volumeId, N1);
      deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N2)]);
      // PSO gave node names as node ids.
      await bed.provisioner.unpublishVolume({ volumeId, nodeId: N2.name }, bed.signal);
      deepEqual(await bed.publishedTo(volumeId), []);
      equal(await rulesOf(bed, "k8s-pvc-1"), rules);
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
    });
  });
}

Deno.test("a rule that names no known node never stops a delete", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", SHARED_FILE);
    await bed.publish(volumeId, NA, { capability: RWX });
    await unpublish(bed, volumeId, NA);
    await setRules(bed, "k8s-pvc-1", "10.9.9.9(rw,no_root_squash) 10.0.0.1(rw)");
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    deepEqual(await bed.volumes(), { "fb-1": [] });
  });
});

Deno.test("a repeated publish of an exclusive file system drops no rule; the next node's drops ours and no administrator's", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", { ...FILE_CLASS, capabilities: [RWO] });
    const one = nodeOf("1;n1;n;a=10.1.0.1");
    const two = nodeOf("1;n2;n;a=10.1.0.2");
    const own = "10.1.0.1(rw,no_root_squash)";
    await bed.publish(volumeId, one);
    for (const added of ["10.77.0.5(ro)", "10.77.0.5(rw,no_root_squash)"]) {
      await setRules(bed, "k8s-pvc-1", `${own} ${added}`);
      await bed.publish(volumeId, one);
      equal(await rulesOf(bed, "k8s-pvc-1"), `${own} ${added}`);
    }
    await setRules(bed, "k8s-pvc-1", `${own} 10.77.0.5(ro) 10.88.0.0/16(ro)`);
    await bed.publish(volumeId, two);
    equal(
      await rulesOf(bed, "k8s-pvc-1"),
      "10.1.0.2(rw,no_root_squash) 10.77.0.5(ro) 10.88.0.0/16(ro)",
    );
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(two)]);
    await bed.provisioner.unpublishVolume({ volumeId, nodeId: "" }, bed.signal);
    equal(await rulesOf(bed, "k8s-pvc-1"), "10.77.0.5(ro) 10.88.0.0/16(ro)");
  });
});

Deno.test("an exclusive file system whose publish to another node was cut is fenced again for the first node", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", { ...FILE_CLASS, capabilities: [RWO] });
    const one = nodeOf("1;n1;n;a=10.1.0.1");
    const two = nodeOf("1;n2;n;a=10.1.0.2");
    await bed.publish(volumeId, one);
    for (const capability of [RWO, RWX]) {
      await bed.fault({
        action: "drop-after",
        match: { method: "PATCH", path: "/file-systems" },
        times: 1,
      });
      await rejects(bed.publish(volumeId, two, { capability }), isUnclear);
      await bed.publish(volumeId, one);
      equal(await rulesOf(bed, "k8s-pvc-1"), "10.1.0.1(rw,no_root_squash)");
    }
  });
});

Deno.test("a publish is no repeat once another controller has taken the node's own rule away", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", { ...FILE_CLASS, capabilities: [RWO] });
    const one = nodeOf("1;n1;n;a=10.1.0.1");
    await bed.publish(volumeId, one);
    await setRules(bed, "k8s-pvc-1", "10.1.0.2(rw,no_root_squash)");
    await bed.publish(volumeId, one);
    equal(await rulesOf(bed, "k8s-pvc-1"), "10.1.0.1(rw,no_root_squash)");
  });
});

Deno.test("a volume that two nodes shared becomes exclusive: the other node's rule goes", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", SHARED_FILE);
    const one = nodeOf("1;n1;n;a=10.1.0.1");
    const two = nodeOf("1;n2;n;a=10.1.0.2");
    for (const node of [one, two]) await bed.publish(volumeId, node, { capability: RWX });
    await bed.publish(volumeId, one);
    equal(await rulesOf(bed, "k8s-pvc-1"), "10.1.0.1(rw,no_root_squash)");
  });
});

for (const rules of ["", "*(rw,no_root_squash)"]) {
  Deno.test(`publishVolume() without preemption refuses a file system that another node uses, though ${rules || "one shared address"} does not show it`, async () => {
    const settings = { flasharray: { preemptAttachments: false } };
    await ProvisionerBed.run({ ...FILE, settings }, async (bed) => {
      const parameters = { ...FILE_CLASS.parameters, ...(rules ? { exportrules: rules } : {}) };
      const volumeId = await bed.create("pvc-1", { parameters });
      await bed.publish(volumeId, NA);
      await bed.publish(volumeId, NA);
      await rejects(bed.publish(volumeId, NB), { code: "in_use", message: /to node na and may/ });
      deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(NA)]);
      await unpublish(bed, volumeId, NA);
      await bed.publish(volumeId, NB);
      deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(NB)]);
    });
  });
}

for (const rules of ["10.0.0.0/8(rw)", "10.0.0.1(rw)"]) {
  Deno.test(`publishVolume() without preemption refuses a file system that another node uses by ${rules}`, async () => {
    const settings = { flasharray: { preemptAttachments: false } };
    await ProvisionerBed.run({ ...FILE, settings }, async (bed) => {
      const parameters = { ...FILE_CLASS.parameters, exportrules: rules };
      const volumeId = await bed.create("pvc-1", { parameters });
      await bed.publish(volumeId, NA);
      await rejects(bed.publish(volumeId, N1), { code: "in_use", message: /to node na and may/ });
      equal(await rulesOf(bed, "k8s-pvc-1"), rules);
    });
  });
}

Deno.test("a block of an administrator's keeps no node out: each gets a rule of its own that the block does not let in", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", SHARED_FILE);
    const blocks = "10.9.0.0/16(ro) 10.8.0.0/16(rw)";
    await setRules(bed, "k8s-pvc-1", blocks);
    const [outside, reader, inside] = ["10.1.0.1", "10.9.0.1", "10.8.0.1"].map((address, index) =>
      nodeOf(`1;n${index};n;a=${address}`)
    );
    ok(outside && reader && inside);
    for (const node of [outside, reader, inside]) {
      await bed.publish(volumeId, node, { capability: RWX });
    }
    const own = "(rw,no_root_squash)";
    equal(await rulesOf(bed, "k8s-pvc-1"), `10.1.0.1${own} 10.9.0.1${own} ${blocks}`);
    const nodes = [outside, reader, inside].map(encodeNodeId);
    deepEqual((await bed.publishedTo(volumeId)).toSorted(), nodes.toSorted());
    await bed.publish(volumeId, outside);
    equal(await rulesOf(bed, "k8s-pvc-1"), `10.1.0.1${own} ${blocks}`);
    await unpublish(bed, volumeId, outside);
    equal(await rulesOf(bed, "k8s-pvc-1"), blocks);
  });
});

Deno.test("a node whose address has a rule of an administrator's is let in by that one, and listed", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", SHARED_FILE);
    const one = nodeOf("1;n1;n;a=10.1.0.1");
    await setRules(bed, "k8s-pvc-1", "10.1.0.1(rw,sec=krb5)");
    await bed.publish(volumeId, one, { capability: RWX });
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(one)]);
    await unpublish(bed, volumeId, one);
    equal(await rulesOf(bed, "k8s-pvc-1"), "10.1.0.1(rw,sec=krb5)");
    deepEqual(await bed.publishedTo(volumeId), []);
  });
});

Deno.test("after a restart an unpublish ends the access of a node behind the same address, the list says so, and a publish gives it back", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", SHARED_FILE);
    for (const node of [NA, NB]) await bed.publish(volumeId, node, { capability: RWX });
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await unpublish(bed, volumeId, NA);
    equal(await rulesOf(bed, "k8s-pvc-1"), "");
    // csi-attacher publishes again what a list does not show.
    deepEqual(await listed(bed), { [volumeId]: [] });
    await bed.publish(volumeId, NB, { capability: RWX });
    equal(await rulesOf(bed, "k8s-pvc-1"), "10.0.0.1(rw,no_root_squash)");
    deepEqual(await listed(bed), { [volumeId]: [encodeNodeId(NB)] });
    // Published again before the other's unpublish, both are known, and nobody is cut off.
    await bed.publish(volumeId, NA, { capability: RWX });
    await unpublish(bed, volumeId, NA);
    equal(await rulesOf(bed, "k8s-pvc-1"), "10.0.0.1(rw,no_root_squash)");
  });
});
