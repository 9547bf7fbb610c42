// What a controller knows after a restart by Kubernetes alone: who uses which volume, and who the
// nodes are. What takes away waits for it, and what serves does not.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { ClusterAttachment, ClusterSinks, ClusterVolume } from "../../src/cluster/facts.ts";
import type { Capability } from "../../src/capability.ts";
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { N1, N2, ProvisionerBed, RWO, RWX } from "./provisioner_bed.ts";
import {
  BLOCK,
  FILE,
  FILE_CLASS,
  isInUse,
  listed,
  NA,
  NB,
  nodeOf,
  rulesOf,
  SHARED_FILE,
  unpublish,
} from "./reach_bed.ts";

/** A node that has a volume, and what Kubernetes writes of it. */
interface Use {
  handle: string;
  node: NodeIdentity;
  /** Name of the PersistentVolume; default: one for each handle. */
  pv?: string;
  change?: Partial<ClusterAttachment>;
  volume?: Partial<ClusterVolume>;
}

function attachmentOf({ handle, node, pv = handle, change }: Use): ClusterAttachment {
  return {
    name: `csi-${pv}-${node.name}`,
    volume: pv,
    node: node.name,
    isDeleting: false,
    isAttached: true,
    nodeId: encodeNodeId(node),
    ...change,
  };
}

/** Tells nodes and uses as whole lists. */
function tell(sinks: ClusterSinks, nodes: readonly NodeIdentity[], uses: readonly Use[]): void {
  sinks.nodes.begin();
  for (const node of nodes) sinks.nodes.put({ name: node.name, nodeId: encodeNodeId(node) });
  sinks.nodes.listed();
  sinks.volumes.begin();
  for (const { handle, pv = handle, volume } of uses) {
    const modes = ["ReadWriteMany"];
    sinks.volumes.put({ name: pv, handle, readOnly: false, modes, isBlock: false, ...volume });
  }
  sinks.volumes.listed();
  sinks.attachments.begin();
  for (const use of uses) sinks.attachments.put(attachmentOf(use));
  sinks.attachments.listed();
}

/** As a process that begins to lead after another one. */
async function restarted(bed: ProvisionerBed): Promise<ClusterSinks> {
  await bed.restart();
  await bed.fleet.refresh(bed.signal);
  return bed.provisioner.followCluster();
}

const ENDED = { isDeleting: true };

Deno.test("15.3: after a restart an unpublish leaves an address another node uses", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const handle = await bed.create("pvc-1", SHARED_FILE);
    for (const node of [NA, NB]) await bed.publish(handle, node, { capability: RWX });
    const sinks = await restarted(bed);
    tell(sinks, [NA, NB], [{ handle, node: NA, change: ENDED }, { handle, node: NB }]);
    await unpublish(bed, handle, NA);
    equal(await rulesOf(bed, "k8s-pvc-1"), "10.0.0.1(rw,no_root_squash)");
    tell(sinks, [NA, NB], [{ handle, node: NB, change: ENDED }]);
    await unpublish(bed, handle, NB);
    equal(await rulesOf(bed, "k8s-pvc-1"), "");
  });
});

Deno.test("15.3: after a restart an unpublish takes the address of the attach away", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const handle = await bed.create("pvc-1", SHARED_FILE);
    const before = nodeOf("1;n1;n;a=10.1.0.1");
    const after = nodeOf("1;n1;n;a=10.1.0.99");
    await bed.publish(handle, before, { capability: RWX });
    tell(await restarted(bed), [after], [{ handle, node: before, change: ENDED }]);
    await unpublish(bed, handle, after);
    equal(await rulesOf(bed, "k8s-pvc-1"), "");
  });
});

for (
  const { name, bed: options, create, capability } of [
    { name: "a block volume", bed: BLOCK, create: {}, capability: RWO },
    { name: "a file system", bed: FILE, create: SHARED_FILE, capability: RWX },
  ]
) {
  Deno.test(`15.3: after a restart lists name the nodes of ${name} at once`, async () => {
    await ProvisionerBed.run(options, async (bed) => {
      const handle = await bed.create("pvc-1", create);
      await bed.publish(handle, N1, { capability });
      const sinks = await restarted(bed);
      ok((await bed.publishedTo(handle))[0] !== encodeNodeId(N1), "nobody has told yet");
      tell(sinks, [N1, N2], [{ handle, node: N1 }]);
      deepEqual(await bed.publishedTo(handle), [encodeNodeId(N1)]);
      deepEqual(await listed(bed), { [handle]: [encodeNodeId(N1)] });
      sinks.nodes.remove(N1.name);
      deepEqual(await listed(bed), { [handle]: [encodeNodeId(N1)] });
    });
  });
}

Deno.test("15.3: after a restart a host object of two machines is no node in lists", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const handle = await bed.create("pvc-1");
    await bed.publish(handle, N1);
    const [host] = await bed.admin<{ name: string; iqns: string[] }>("fa-1", {
      method: "GET",
      path: "hosts",
    });
    ok(host);
    await bed.admin("fa-1", {
      method: "PATCH",
      path: "hosts",
      query: { names: host.name },
      body: { iqns: [...host.iqns, "iqn.1993-08.org.debian:01:foreign"] },
    });
    tell(await restarted(bed), [N1], [{ handle, node: N1 }]);
    deepEqual(await bed.publishedTo(handle), [host.name]);
  });
});

Deno.test("15.3: after a restart ListVolumes has the old handle of a volume", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const handle = await bed.create("pvc-1", SHARED_FILE);
    await bed.publish(handle, N1, { capability: RWX });
    tell(await restarted(bed), [N1], [{ handle: "k8s/pvc-1", node: N1 }]);
    deepEqual(await listed(bed), { "k8s/pvc-1": [encodeNodeId(N1)] });
  });
});

Deno.test("15.3: after a restart ListVolumes shows an imported volume a node has", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    await bed.admin("fb-1", {
      method: "POST",
      path: "file-systems",
      query: { names: "imported" },
      body: { provisioned: 1024 ** 3, nfs: { v3_enabled: true, rules: "*(rw)" } },
    });
    const handle = `${(await bed.create("pvc-1", SHARED_FILE)).split("/")[0]}/imported`;
    await bed.publish(handle, N1, { capability: RWX });
    const sinks = await restarted(bed);
    deepEqual(Object.keys(await listed(bed)).length, 1);
    tell(sinks, [N1], [{ handle, node: N1 }]);
    deepEqual((await listed(bed))[handle], [encodeNodeId(N1)]);
  });
});

Deno.test("15.3: after a restart a node's limit counts what it has, not what waits", async () => {
  await ProvisionerBed.run({ settings: { maxVolumesPerNode: 1 } }, async (bed) => {
    const [one, two] = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    await bed.publish(one, N1);
    const sinks = await restarted(bed);
    const waiting = { handle: two, node: N1, change: { isAttached: false } };
    tell(sinks, [N1], [{ handle: one, node: N1 }, waiting]);
    await rejects(bed.publish(two, N1), { code: "exhausted", message: /holds 1 volumes/ });
    await bed.publish(one, N1);
    tell(sinks, [N1], [{ handle: two, node: N1, change: { isAttached: false } }]);
    await unpublish(bed, one, N1);
    await bed.publish(two, N1);
  });
});

Deno.test("15.3: after a restart a publish that contradicts one before is refused", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const handle = await bed.create("pvc-1", SHARED_FILE);
    await bed.publish(handle, N1, { capability: RWX });
    tell(await restarted(bed), [N1], [{ handle, node: N1 }]);
    const readOnly = { capability: RWX, readOnly: true };
    await rejects(bed.publish(handle, N1, readOnly), {
      code: "conflict",
      message: /published to node-1.example.org already, writable as file system/,
    });
    await bed.publish(handle, N1, { capability: RWX });
    await bed.publish(handle, N2, readOnly);
  });
});

Deno.test("15.3: initiator names that two nodes share are found before a publish", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const handle = await bed.create("pvc-1");
    const clone = { ...N2, iqn: N1.iqn };
    tell(await restarted(bed), [N1, clone], []);
    for (const [node, other] of [[N1, clone], [clone, N1]] as const) {
      const calls = await bed.calls(() =>
        rejects(bed.publish(handle, node), {
          code: "in_use",
          message: new RegExp(`nodes ${other.name} and ${node.name} both have`),
        })
      );
      deepEqual(calls, []);
    }
  });
});

Deno.test("15.3: a node that writes another node's name into its registration gets no volume in that name", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const handle = await bed.create("pvc-1");
    const stolen = { ...N1, iqn: N2.iqn };
    const sinks = await restarted(bed);
    tell(sinks, [N1], []);
    // Of its own CSINode, as csi-attacher gives it.
    sinks.nodes.put({ name: N2.name, nodeId: encodeNodeId(stolen) });
    for (const isKnown of [true, false]) {
      if (!isKnown) sinks.nodes.remove(N1.name);
      const calls = await bed.calls(() =>
        rejects(bed.publish(handle, stolen), { code: "unavailable" })
      );
      deepEqual(calls, []);
    }
    await bed.publish(handle, N1);
    await rejects(unpublish(bed, handle, stolen), {
      code: "unavailable",
      message: /^Cannot unpublish from node /,
    });
    await unpublish(bed, handle, N1);
  });
});

Deno.test("15.3: a publish goes on while a roll of the node plugin takes the driver out of the CSINode", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const handle = await bed.create("pvc-1");
    const sinks = await restarted(bed);
    tell(sinks, [N1, N2], []);
    sinks.nodes.remove(N1.name);
    await bed.publish(handle, N1);
    await bed.publish(handle, N1);
  });
});

/** A volume that one node has for itself alone, after a restart of which nothing was told yet. */
async function exclusive(
  bed: ProvisionerBed,
  capability: Capability,
): Promise<{ handle: string; sinks: ClusterSinks }> {
  const create = bed.options.flashblades ? FILE_CLASS : {};
  const handle = await bed.create("pvc-1", { ...create, capabilities: [capability] });
  await bed.publish(handle, N1, { capability });
  return { handle, sinks: await restarted(bed) };
}

for (const { name, bed: options } of [{ name: "block", bed: BLOCK }, { name: "file", bed: FILE }]) {
  Deno.test(`15.3: a ${name} volume is taken from no node that an attachment names, nor before lists`, async () => {
    await ProvisionerBed.run(options, async (bed) => {
      const { handle, sinks } = await exclusive(bed, RWO);
      const holds = (node: NodeIdentity) => bed.fleet.members[0]?.array.holds("k8s-pvc-1", node);
      await rejects(bed.publish(handle, N2), { code: "unavailable", message: /were listed/ });
      deepEqual([await holds(N1), await holds(N2)], [true, false]);
      tell(sinks, [N1, N2], [{ handle, node: N1 }]);
      await rejects(bed.publish(handle, N2), {
        code: "in_use",
        message: /away from all nodes but node-2.*VolumeAttachment csi-.*node node-1/,
      });
      deepEqual([await holds(N1), await holds(N2)], [true, false]);
      const taken = bed.publish(handle, N2);
      sinks.attachments.remove(attachmentOf({ handle, node: N1 }).name);
      await taken;
      deepEqual([await holds(N1), await holds(N2)], [false, true]);
    });
  });

  Deno.test(`15.3: a ${name} volume's publish that takes nothing waits for no list`, async () => {
    await ProvisionerBed.run(options, async (bed) => {
      const { handle, sinks } = await exclusive(bed, RWO);
      sinks.attachments.trouble("403");
      await bed.publish(handle, N1);
      await rejects(unpublish(bed, handle, N1), {
        code: "unavailable",
        message: /Cannot take k8s-pvc-1 on f.-1 away from node node-1.* \(403\)/,
      });
      equal(await bed.fleet.members[0]?.array.holds("k8s-pvc-1", N1), true);
      tell(sinks, [N1], []);
      sinks.attachments.trouble(undefined);
      await unpublish(bed, handle, N1);
      equal(await bed.fleet.members[0]?.array.holds("k8s-pvc-1", N1), false);
    });
  });

  Deno.test(`15.3: an unpublish leaves a ${name} volume that the node has by another handle`, async () => {
    await ProvisionerBed.run(options, async (bed) => {
      const { handle, sinks } = await exclusive(bed, RWO);
      const [ours, old] = [
        { handle, node: N1, change: ENDED },
        { handle: "k8s/pvc-1", node: N1 },
      ];
      tell(sinks, [N1], [ours, old]);
      const calls = await bed.calls(() => rejects(unpublish(bed, handle, N1), isInUse));
      deepEqual(calls, []);
      tell(sinks, [N1], [ours, { ...old, change: ENDED }]);
      await unpublish(bed, handle, N1);
    });
  });
}

Deno.test("15.3: a roll of the node plugin, seen in CSINodes, changes no rule", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const handle = await bed.create("pvc-1", SHARED_FILE);
    for (const node of [N1, N2]) await bed.publish(handle, node, { capability: RWX });
    const sinks = await restarted(bed);
    tell(sinks, [N1, N2], [{ handle, node: N1 }, { handle, node: N2 }]);
    const rules = await rulesOf(bed, "k8s-pvc-1");
    const calls = await bed.calls(async () => {
      for (const { name } of [N1, N2]) sinks.nodes.remove(name);
      for (const node of [N1, N2]) await bed.publish(handle, node, { capability: RWX });
      tell(sinks, [], [{ handle, node: N1 }, { handle, node: N2 }]);
      tell(sinks, [N2, N1], [{ handle, node: N1 }, { handle, node: N2 }]);
    });
    deepEqual(calls.filter((call) => !call.startsWith("GET")), []);
    equal(await rulesOf(bed, "k8s-pvc-1"), rules);
    deepEqual((await bed.publishedTo(handle)).sort(), [N1, N2].map(encodeNodeId).sort());
  });
});

Deno.test("15.3: after a restart a file system in use by a fixed rule is not deleted", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const parameters = { ...FILE_CLASS.parameters, exportrules: "*(rw,no_root_squash)" };
    const handle = await bed.create("pvc-1", { parameters, capabilities: [RWX] });
    await bed.publish(handle, N1, { capability: RWX });
    const sinks = await restarted(bed);
    tell(sinks, [N1], [{ handle, node: N1 }]);
    const destroyed = () => bed.provisioner.deleteVolume(handle, bed.signal);
    await rejects(destroyed(), isInUse);
    deepEqual(await bed.publishedTo(handle), [encodeNodeId(N1)]);
    tell(sinks, [N1], []);
    await destroyed();
  });
});

Deno.test("15.3: after a restart it is told which volume somebody took from its node", async () => {
  await ProvisionerBed.run(BLOCK, async (bed) => {
    const [one, two] = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    for (const handle of [one, two]) await bed.publish(handle, N1);
    const sinks = await restarted(bed);
    const uses = [{ handle: one, node: N1 }, { handle: two, node: N1 }];
    tell(sinks, [N1], uses);
    const request = { maxEntries: 0, startingToken: "" };
    const found = async () => {
      const { entries } = await bed.provisioner.listVolumeHealth(request, bed.signal);
      return entries.map(({ volumeId, findings }) => [volumeId, findings[0]?.reason]);
    };
    deepEqual(await found(), []);
    const [row] = await bed.admin<{ host: { name: string } }>("fa-1", {
      method: "GET",
      path: "connections",
      query: { volume_names: "k8s-pvc-1" },
    });
    const query = { volume_names: "k8s-pvc-1", host_names: row?.host.name ?? "" };
    await bed.admin("fa-1", { method: "DELETE", path: "connections", query });
    deepEqual(await found(), [[one, "Disconnected"]]);
    const { findings } = await bed.provisioner.getVolumeHealth(one, bed.signal);
    deepEqual(findings.map(({ reason }) => reason), ["Disconnected"]);
    tell(sinks, [N1], [{ handle: one, node: N1, change: ENDED }]);
    deepEqual(await found(), []);
  });
});
