import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { decodeAttachment, encodeNodeId } from "../../src/handoff.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { isUnclear, N1, N2, ProvisionerBed, RAW_RWX, RWX } from "./provisioner_bed.ts";

Deno.test("publishVolume() takes two calls once the node is known, three when it is exclusive, and answers the same each time", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeIds = [
      await bed.create("pvc-1"),
      await bed.create("pvc-2"),
      await bed.create("pvc-3"),
    ];
    const [first = "", , third = ""] = volumeIds;
    for (const volumeId of volumeIds.slice(0, 2)) await bed.publish(volumeId, N1);
    const shared = await bed.create("pvc-4", { capabilities: [RAW_RWX] });
    deepEqual(await bed.calls(() => bed.publish(shared, N1, { capability: RAW_RWX })), [
      "GET /volumes",
      "POST /connections",
    ]);
    deepEqual(await bed.calls(() => bed.publish(third, N1)), [
      "GET /volumes",
      "POST /connections",
      "GET /connections",
    ]);
    deepEqual(await bed.publish(first, N1), await bed.publish(first, N1));
    const attachment = decodeAttachment(await bed.publish(first, N1));
    ok(
      attachment.protocol === "local" && attachment.type === "block" &&
        attachment.sizeBytes === GiB,
    );
    const gone = await bed.calls(() =>
      bed.provisioner.unpublishVolume({ volumeId: first, nodeId: encodeNodeId(N1) }, bed.signal)
    );
    ok(gone.length <= 2, gone.join(", "));
    deepEqual(await bed.publishedTo(first), []);
    deepEqual(await bed.publishedTo(third), [encodeNodeId(N1)]);
  });
});

Deno.test("publishVolume() tells unknown volumes, unknown nodes, wrong capabilities and contradictions apart", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await rejects(bed.publish("fake-vol-id", N1), {
      code: "not_found",
      message: /^volume fake-vol-id does not exist/,
    });
    await rejects(bed.publish(`${volumeId}-x`, N1), { code: "not_found" });
    for (const handle of [volumeId, "fake-vol-id"]) {
      const asked = await bed.calls(() =>
        rejects(bed.publish(handle, N1, { nodeId: "some-node" }), {
          code: "not_found",
          message: /^node "some-node" is unknown/,
        })
      );
      deepEqual(asked, [], "no array is asked for a node that is not known");
    }
    await rejects(bed.publish(volumeId, N1, { capability: RWX }), { code: "invalid" });
    await rejects(bed.publish(volumeId, { ...N1, protocols: ["fc"] }), { code: "unsupported" });
    await bed.publish(volumeId, N1);
    await rejects(bed.publish(volumeId, N1, { readOnly: true }), {
      code: "conflict",
      message: /is published to node-1.example.org already, writable/,
    });
    await rejects(
      bed.publish(volumeId, N1, { capability: { ...RAW_RWX, mode: "single-node-writer" } }),
      { code: "conflict" },
    );
    await rejects(bed.publish(volumeId, { ...N2, iqn: N1.iqn }), {
      code: "in_use",
      message: /node-1.example.org and node-2.example.org/,
    });
  });
});

Deno.test("publishVolume() moves a single-node volume, and lets go of what it remembers of the node that lost it", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await bed.publish(volumeId, N1);
    await bed.publish(volumeId, N2);
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N2)]);
    await bed.publish(volumeId, N1, { readOnly: true });
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N1)]);
  });
});

Deno.test("publishVolume() without preemption refuses a volume that another node holds", async () => {
  await ProvisionerBed.run(
    { settings: { flasharray: { preemptAttachments: false } } },
    async (bed) => {
      const volumeId = await bed.create("pvc-1");
      await bed.publish(volumeId, N1);
      await rejects(bed.publish(volumeId, N2), { code: "in_use", message: /node-1/ });
      deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N1)]);
    },
  );
});

Deno.test("publishVolume() gives a shared raw block volume to several nodes, unpublishVolume() takes it from one or all", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1", { capabilities: [RAW_RWX] });
    for (const node of [N1, N2]) await bed.publish(volumeId, node, { capability: RAW_RWX });
    deepEqual(
      (await bed.publishedTo(volumeId)).sort(),
      [encodeNodeId(N1), encodeNodeId(N2)].sort(),
    );
    await bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(N1) }, bed.signal);
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N2)]);
    await bed.publish(volumeId, N1, { capability: RAW_RWX });
    await bed.provisioner.unpublishVolume({ volumeId, nodeId: "" }, bed.signal);
    deepEqual(await bed.publishedTo(volumeId), []);
  });
});

Deno.test("unpublishVolume() of an unknown node succeeds once no host holds the volume", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await bed.provisioner.unpublishVolume({ volumeId: "fake-vol-id", nodeId: "gone" }, bed.signal);
    await bed.provisioner.unpublishVolume({ volumeId, nodeId: "gone" }, bed.signal);
    await bed.publish(volumeId, N1);
    await rejects(bed.provisioner.unpublishVolume({ volumeId, nodeId: "gone" }, bed.signal), {
      code: "not_found",
      message: /node-1/,
    });
    // PSO gave node names as node ids.
    await bed.provisioner.unpublishVolume({ volumeId, nodeId: N1.name }, bed.signal);
    deepEqual(await bed.publishedTo(volumeId), []);
  });
});

/**
 * The hosts that hold a volume now, by what the arrays say and not by what a controller remembers.
 */
async function hostsOf(bed: ProvisionerBed, volumeId: string): Promise<string[]> {
  const name = volumeId.split("/")[1] ?? "";
  const found = await Promise.all(
    bed.fleet.members.map(({ array }) => array.findVolume(name, { hosts: true })),
  );
  return found.flatMap((volume) => volume?.hosts ?? []);
}

for (
  const { name, fault, left } of [
    {
      name: "before the old node is disconnected",
      fault: { method: "DELETE", path: "/connections" },
      left: [hostNameFor(N1.name)],
    },
    {
      name: "between the disconnect and the connect",
      fault: { method: "POST", path: "/connections" },
      left: [],
    },
  ]
) {
  Deno.test(`publishVolume() that is cut off ${name} is finished by another controller, and the volume never has two nodes`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const volumeId = await bed.create("pvc-1");
      await bed.publish(volumeId, N1);
      await bed.fault({ action: "status", value: 503, times: 100_000, match: fault });
      await rejects(
        bed.provisioner.publishVolume(bed.publishRequest(volumeId, N2), bed.soon()),
        isUnclear,
      );
      deepEqual(await hostsOf(bed, volumeId), left);
      await bed.healFaults();
      await bed.restart();
      await bed.publish(volumeId, N2);
      deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N2)]);
      // csi-attacher's own, which comes late
      await bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(N1) }, bed.signal);
      deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N2)]);
    });
  });
}

Deno.test("publishVolume() connects nobody while the array refuses to disconnect the old node", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await bed.publish(volumeId, N1);
    await bed.fault({
      action: "status",
      value: 400,
      match: { method: "DELETE", path: "/connections" },
    });
    const calls = await bed.calls(() =>
      rejects(bed.publish(volumeId, N2), /refused DELETE connections/)
    );
    equal(calls.includes("POST /connections"), false);
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N1)]);
    await bed.healFaults();
    await bed.publish(volumeId, N2);
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N2)]);
  });
});

for (const method of ["DELETE", "POST"]) {
  Deno.test(`publishVolume() to another node whose ${method} is done and its answer lost succeeds, at the latest when it is repeated`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const volumeId = await bed.create("pvc-1");
      await bed.publish(volumeId, N1);
      await bed.fault({ action: "drop-after", times: 1, match: { method, path: "/connections" } });
      await bed.publish(volumeId, N2).catch((error) => ok(isUnclear(error), String(error)));
      deepEqual(await bed.publish(volumeId, N2), await bed.publish(volumeId, N2));
      deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N2)]);
    });
  });
}

Deno.test("deleteVolume() of a volume that an earlier process may have published looks for its hosts before it sends a change", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const [held, free, own] = [
      await bed.create("pvc-1"),
      await bed.create("pvc-2"),
      await bed.create("pvc-3"),
    ];
    await bed.publish(held, N1);
    const deleted = (volumeId: string) =>
      bed.calls(() => bed.provisioner.deleteVolume(volumeId, bed.signal));
    deepEqual((await deleted(own)).toSorted(), ["GET /volume-snapshots", "PATCH /volumes"]);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    const refused = await bed.calls(() =>
      rejects(bed.provisioner.deleteVolume(held, bed.signal), { code: "in_use", message: /node-1/ })
    );
    deepEqual(refused.filter((call) => !call.startsWith("GET ")), []);
    deepEqual((await deleted(free)).toSorted(), [
      "GET /volume-snapshots",
      "GET /volumes",
      "PATCH /volumes",
    ]);
  });
});

Deno.test("15.11: the handles of volumes are found by their name alone", async () => {
  await ProvisionerBed.run({ flasharrays: 2, flashblades: 1 }, async (bed) => {
    const { provisioner, signal } = bed;
    const ids = (name: string) => provisioner.volumeIdsNamed(`k8s-${name}`, signal);
    for (const backend of ["block", "file"]) {
      const volumeId = await bed.create("pvc-1", { parameters: { backend } });
      await bed.publish(volumeId, N1);
      deepEqual(await ids("pvc-1"), [volumeId]);
      deepEqual(await ids("pvc-2"), []);
      await provisioner.unpublishVolume({ volumeId, nodeId: "" }, signal);
      await provisioner.deleteVolume(volumeId, signal);
      deepEqual(await ids("pvc-1"), []);
    }
    await bed.create("pvc-3");
    await bed.silence();
    await rejects(provisioner.volumeIdsNamed("k8s-pvc-3", bed.soon()), isUnclear);
  });
});
