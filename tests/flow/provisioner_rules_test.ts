// Who may reach a file system: export rules of ours and of administrators, nodes that changed, and what lists, deletes
// and unpublishes make of them. docs/reach.md says it for administrators.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { encodeNodeId } from "../../src/handoff.ts";
import { isUnclear, N1, N2, ProvisionerBed, RWO, RWX } from "./provisioner_bed.ts";
import {
  FILE,
  FILE_CLASS,
  isInUse,
  listed,
  NA,
  NB,
  nodeOf,
  rulesOf,
  setRules,
  SHARED_FILE,
  unpublish,
} from "./reach_bed.ts";

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
