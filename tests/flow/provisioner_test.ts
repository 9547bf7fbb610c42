import { deepEqual, equal, match, notEqual, ok, rejects } from "node:assert/strict";
import { decodeAttachment, encodeNodeId } from "../../src/handoff.ts";
import { GiB, MiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { nodeNamed, ProvisionerBed, RAW_RWX, RWO, RWX } from "./provisioner_bed.ts";

const N1 = nodeNamed("node-1.example.org");
const N2 = nodeNamed("node-2.example.org", "127.0.0.12");
/** Codes that csi-provisioner does not take as "nothing was made". */
const UNCLEAR = (error: { code: string }) => ["unavailable", "timeout"].includes(error.code);
const NOTHING = { maxEntries: 0, startingToken: "" };

Deno.test("createVolume() of a new name on a warm fleet makes one REST call, a repeat gives the same volume", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const request = bed.request("pvc-1", { parameters: { "csi.storage.k8s.io/pvc/name": "data" } });
    const calls = await bed.calls(() => bed.provisioner.createVolume(request, bed.signal));
    ok(calls.length <= 2 && calls.filter((call) => call === "POST /volumes").length === 1, calls.join(", "));
    const first = await bed.provisioner.createVolume(request, bed.signal);
    const second = await bed.provisioner.createVolume(request, bed.signal);
    deepEqual(first, second);
    equal(first.capacityBytes, GiB);
    match(first.volumeId, /^[0-9a-f]{8}\/k8s-pvc-1$/);
    deepEqual(first.volumeContext, { backend: "block", createoptions: "-q" });
    deepEqual(Object.values(await bed.volumes()).flat(), ["k8s-pvc-1"]);
  });
});

Deno.test("createVolume() answers conflict for the name with another size, source or kind", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const exact = { requiredBytes: GiB, limitBytes: GiB };
    const volumeId = await bed.create("pvc-1", { capacityRange: exact });
    const other = await bed.create("pvc-2");
    const changes = [
      { capacityRange: { requiredBytes: 2 * GiB, limitBytes: 2 * GiB } },
      { capacityRange: { requiredBytes: 0, limitBytes: 512 * MiB } },
      { capacityRange: exact, contentSource: { volumeId: other } },
    ];
    for (const change of changes) await rejects(bed.create("pvc-1", change), { code: "conflict" });
    equal(await bed.create("pvc-1", { capacityRange: exact }), volumeId);
    await bed.create("pvc-3", { contentSource: { volumeId } });
    await rejects(bed.create("pvc-3"), { code: "conflict", message: /it has the source k8s-pvc-1 and no source is asked for/ });
  });
});

Deno.test("createVolume() spreads many volumes evenly over equal arrays", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    for (let index = 0; index < 10; index++) await bed.create(`pvc-${index}`);
    deepEqual(Object.values(await bed.volumes()).map((names) => names.length), [5, 5]);
  });
});

Deno.test("createVolume() refuses bad input before any REST call", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const cases: [string, Parameters<typeof bed.request>[1]][] = [
      ["invalid", { parameters: { bakend: "block" } }],
      ["invalid", { capabilities: [RWX] }],
      ["invalid", { capabilities: [RWX], parameters: { backend: "block" } }],
      ["invalid", { parameters: { protocol: "nfs" } }],
      ["out_of_range", { capacityRange: { requiredBytes: 100 * MiB, limitBytes: 0 } }],
      ["out_of_range", { capacityRange: { requiredBytes: 2 * GiB, limitBytes: GiB } }],
      ["exhausted", { parameters: { backend: "file" } }],
      ["exhausted", { parameters: { array_selector: "tier=gold" } }],
    ];
    for (const [code, change] of cases) {
      deepEqual(await bed.calls(() => rejects(bed.create("pvc-1", change), { code })), []);
    }
  });
});

Deno.test("createVolume() looks a name up whose creation had an unclear outcome, and finds it", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    await bed.fault({ action: "drop-after", match: { method: "POST", path: "/volumes" }, times: 100 });
    await bed.fault({ action: "status", value: 503, match: { method: "GET" }, times: 100_000 });
    await rejects(bed.provisioner.createVolume(bed.request("pvc-1"), bed.soon()), UNCLEAR);
    await bed.healFaults();
    deepEqual(Object.values(await bed.volumes()).flat(), ["k8s-pvc-1"]);
    await bed.create("pvc-1");
    deepEqual(Object.values(await bed.volumes()).flat(), ["k8s-pvc-1"]);
  });
});

Deno.test("createVolume() after a restart never makes a second volume of a name, whatever array is preferred now", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const names = ["pvc-1", "pvc-2", "pvc-3", "pvc-4"];
    const before = await Promise.all(names.map((name) => bed.create(name)));
    await bed.restart();
    await bed.fault({ action: "delay", value: 20 });
    deepEqual(await Promise.all(names.map((name) => bed.create(name))), before);
    equal(Object.values(await bed.volumes()).flat().length, 4);
  });
});

Deno.test("createVolume() refuses a name that may be on an array that is silent, and makes it when the array is back", async () => {
  await ProvisionerBed.run({ cold: true }, async (bed) => {
    await bed.silence("fa-2");
    await bed.fleet.refresh(bed.signal);
    await rejects(bed.provisioner.createVolume(bed.request("pvc-1"), bed.soon()), {
      code: "unavailable",
      message: /may exist already on an array that is silent: fa-2/,
    });
    deepEqual((await bed.fleet.members[0]?.array.listVolumes({ limit: 10 }, bed.signal))?.items, []);
    await bed.healFaults();
    await bed.fleet.refresh(bed.signal);
    await bed.create("pvc-1");
  });
});

Deno.test("createVolume() takes the next array when the first one turns out to be full", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    for (const name of ["fa-1", "fa-2"]) {
      await bed.fault({ array: name, action: "full" });
      const id = await bed.create(`pvc-${name}`);
      const [other] = bed.fleet.members.filter(({ array }) => array.label !== name);
      ok(other?.status && id.startsWith(other.status.id.slice(0, 8)));
      await bed.healFaults();
    }
    await bed.fault({ action: "full" });
    await rejects(bed.create("pvc-9"), { code: "exhausted" });
  });
});

Deno.test("createVolume() keeps to topology and tells it, and answers exhausted where nothing fits", async () => {
  const zone = "topology.purestorage.com/zone";
  await ProvisionerBed.run({ labels: { "fa-1": { [zone]: "a" }, "fa-2": { [zone]: "b" } } }, async (bed) => {
    for (const value of ["a", "b"]) {
      const topology = { requisite: [{ [zone]: value }], preferred: [{ [zone]: value }] };
      const { accessibleTopology } = await bed.provisioner.createVolume(bed.request(`pvc-${value}`, { topology }), bed.signal);
      deepEqual(accessibleTopology, [{ [zone]: value }]);
    }
    deepEqual(await bed.volumes(), { "fa-1": ["k8s-pvc-a"], "fa-2": ["k8s-pvc-b"] });
    const nowhere = { requisite: [{ [zone]: "c" }], preferred: [] };
    await rejects(bed.create("pvc-c", { topology: nowhere }), {
      code: "exhausted",
      message: `Cannot place pvc-c (1 GiB): fa-1 is not labelled ${zone}=c, fa-2 is not labelled ${zone}=c; add space or change the class`,
    });
    await rejects(bed.create("pvc-a", { topology: nowhere }), { code: "conflict" });
  });
});

Deno.test("createVolume() from a volume and from a snapshot stays on the source's array, grown in three calls", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const source = await bed.create("pvc-1");
    const snapshot = await bed.provisioner.createSnapshot({ name: "snapshot-1", sourceVolumeId: source }, bed.signal);
    const larger = { requiredBytes: 2 * GiB, limitBytes: 0 };
    const calls = await bed.calls(() => bed.create("pvc-2", { contentSource: { volumeId: source }, capacityRange: larger }));
    ok(calls.length <= 3, calls.join(", "));
    const contentSource = { snapshotId: snapshot.snapshotId };
    for (const name of ["pvc-3", "pvc-3"]) {
      const copy = await bed.provisioner.createVolume(bed.request(name, { contentSource, capacityRange: larger }), bed.signal);
      equal(copy.volumeId.slice(0, 8), source.slice(0, 8));
      deepEqual([copy.capacityBytes, copy.contentSource], [2 * GiB, contentSource]);
    }
    const small = { requiredBytes: 512 * MiB, limitBytes: 0 };
    await rejects(bed.create("pvc-4", { contentSource, capacityRange: small }), {
      code: "out_of_range",
      message: /smaller than the source/,
    });
    for (const gone of [{ snapshotId: "none.none" }, { snapshotId: "nothing" }, { volumeId: "nothing" }]) {
      await rejects(bed.create("pvc-5", { contentSource: gone }), { code: "not_found" });
    }
    equal(Object.values(await bed.volumes()).flat().length, 3);
  });
});

Deno.test("createVolume() finishes a clone that was made and not grown", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const contentSource = { volumeId: await bed.create("pvc-1") };
    const clone = bed.request("pvc-2", { contentSource, capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 } });
    await bed.fault({ action: "drop-before", match: { method: "PATCH", path: "/volumes" }, times: 10 });
    await rejects(
      bed.provisioner.createVolume(clone, bed.signal),
      (error: { code: string }) => ["unavailable", "timeout"].includes(error.code),
    );
    await bed.healFaults();
    equal((await bed.provisioner.createVolume(clone, bed.signal)).capacityBytes, 2 * GiB);
    equal(Object.values(await bed.volumes()).flat().length, 2);
  });
});

Deno.test("deleteVolume() takes two calls at most, and success for what is gone, unknown or never was a name", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const calls = await bed.calls(() => bed.provisioner.deleteVolume(volumeId, bed.signal));
    ok(calls.length <= 2, calls.join(", "));
    deepEqual(Object.values(await bed.volumes()).flat(), []);
    for (const id of [volumeId, "fake-vol-id", "k8s/pvc-9", "a,b"]) await bed.provisioner.deleteVolume(id, bed.signal);
  });
});

for (const id of ["k8s-pvc-1", "k8s/pvc-1"]) {
  Deno.test(`deleteVolume() finds k8s-pvc-1 by PSO's old handle ${id}`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      await bed.create("pvc-1");
      await bed.provisioner.deleteVolume(id, bed.signal);
      deepEqual(Object.values(await bed.volumes()).flat(), []);
    });
  });
}

Deno.test("deleteVolume() refuses a volume that a node or a snapshot holds", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await bed.publish(volumeId, N1);
    await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), { code: "in_use" });
    await bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(N1) }, bed.signal);
    const { snapshotId } = await bed.provisioner.createSnapshot({ name: "snapshot-1", sourceVolumeId: volumeId }, bed.signal);
    await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), { code: "in_use" });
    await bed.provisioner.deleteSnapshot(snapshotId, bed.signal);
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
  });
});

Deno.test("deleteVolume() works while another array is down, and does not claim success for what may be there", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const label = (await bed.volumes())["fa-1"]?.length === 1 ? "fa-1" : "fa-2";
    const other = label === "fa-1" ? "fa-2" : "fa-1";
    await bed.silence(other);
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    await rejects(bed.provisioner.deleteVolume("imported-by-hand", bed.soon()), UNCLEAR);
  });
});

Deno.test("publishVolume() takes two calls once the node is known, and answers the same each time", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeIds = [await bed.create("pvc-1"), await bed.create("pvc-2"), await bed.create("pvc-3")];
    const [first = "", , third = ""] = volumeIds;
    for (const volumeId of volumeIds.slice(0, 2)) await bed.publish(volumeId, N1);
    const calls = await bed.calls(() => bed.publish(third, N1));
    ok(calls.length <= 2, calls.join(", "));
    deepEqual(await bed.publish(first, N1), await bed.publish(first, N1));
    const attachment = decodeAttachment(await bed.publish(first, N1));
    ok(attachment.protocol === "local" && attachment.type === "block" && attachment.sizeBytes === GiB);
    const gone = await bed.calls(() => bed.provisioner.unpublishVolume({ volumeId: first, nodeId: encodeNodeId(N1) }, bed.signal));
    ok(gone.length <= 2, gone.join(", "));
    deepEqual(await bed.publishedTo(first), []);
    deepEqual(await bed.publishedTo(third), [encodeNodeId(N1)]);
  });
});

Deno.test("publishVolume() tells unknown volumes, unknown nodes, wrong capabilities and contradictions apart", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await rejects(bed.publish("fake-vol-id", N1), { code: "not_found", message: /^volume fake-vol-id does not exist/ });
    await rejects(bed.publish(`${volumeId}-x`, N1), { code: "not_found" });
    await rejects(bed.publish(volumeId, N1, { nodeId: "some-node" }), { code: "not_found", message: /^node "some-node" is unknown/ });
    await rejects(bed.publish(volumeId, N1, { capability: RWX }), { code: "invalid" });
    await rejects(bed.publish(volumeId, { ...N1, protocols: ["fc"] }), { code: "unsupported" });
    await bed.publish(volumeId, N1);
    await rejects(bed.publish(volumeId, N1, { readOnly: true }), {
      code: "conflict",
      message: /is published to node-1.example.org already, writable/,
    });
    await rejects(bed.publish(volumeId, N1, { capability: { ...RAW_RWX, mode: "single-node-writer" } }), { code: "conflict" });
    await rejects(bed.publish(volumeId, { ...N2, iqn: N1.iqn }), { code: "in_use", message: /node-1.example.org and node-2.example.org/ });
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
  await ProvisionerBed.run({ provisioner: { preemptAttachments: false } }, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    await bed.publish(volumeId, N1);
    await rejects(bed.publish(volumeId, N2), { code: "in_use", message: /node-1/ });
    deepEqual(await bed.publishedTo(volumeId), [encodeNodeId(N1)]);
  });
});

Deno.test("publishVolume() gives a shared raw block volume to several nodes, unpublishVolume() takes it from one or all", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1", { capabilities: [RAW_RWX] });
    for (const node of [N1, N2]) await bed.publish(volumeId, node, { capability: RAW_RWX });
    deepEqual((await bed.publishedTo(volumeId)).sort(), [encodeNodeId(N1), encodeNodeId(N2)].sort());
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
    await rejects(bed.provisioner.unpublishVolume({ volumeId, nodeId: "gone" }, bed.signal), { code: "in_use", message: /node-1/ });
    // PSO gave node names as node ids.
    await bed.provisioner.unpublishVolume({ volumeId, nodeId: N1.name }, bed.signal);
    deepEqual(await bed.publishedTo(volumeId), []);
  });
});

Deno.test("listVolumes() goes through all arrays in pages and shows where volumes are published", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const ids: string[] = [];
    for (let index = 0; index < 7; index++) ids.push(await bed.create(`pvc-${index}`));
    const [first = ""] = ids;
    await bed.publish(first, N1);
    const seen: string[] = [];
    let token = "";
    do {
      const page = await bed.provisioner.listVolumes({ maxEntries: 3, startingToken: token }, bed.signal);
      ok(page.entries.length <= 3);
      seen.push(...page.entries.map(({ volume }) => volume.volumeId));
      token = page.nextToken;
    } while (token !== "");
    deepEqual(seen.sort(), ids.sort());
    const { entries } = await bed.provisioner.listVolumes(NOTHING, bed.signal);
    deepEqual(entries.find(({ volume }) => volume.volumeId === first)?.publishedNodeIds, [encodeNodeId(N1)]);
    await rejects(bed.provisioner.listVolumes({ maxEntries: 0, startingToken: "invalid-token" }, bed.signal), { code: "stale_token" });
    await bed.silence("fa-2");
    await rejects(bed.provisioner.listVolumes(NOTHING, bed.soon()), UNCLEAR);
  });
});

Deno.test("listVolumes() names a volume as the cluster does once it was published by an old handle", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    await bed.create("pvc-1");
    await bed.publish("k8s/pvc-1", N1);
    const { entries } = await bed.provisioner.listVolumes(NOTHING, bed.signal);
    deepEqual(entries.map(({ volume, publishedNodeIds }) => [volume.volumeId, publishedNodeIds]), [["k8s/pvc-1", [encodeNodeId(N1)]]]);
  });
});

Deno.test("createSnapshot() is repeatable, one call when new, and refuses a name of another volume on any array", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const ids = [await bed.create("pvc-1"), await bed.create("pvc-2"), await bed.create("pvc-3")];
    const [source = ""] = ids;
    const request = { name: "snapshot-1", sourceVolumeId: source };
    const calls = await bed.calls(() => bed.provisioner.createSnapshot(request, bed.signal));
    deepEqual(calls, ["POST /volume-snapshots"]);
    const snapshot = await bed.provisioner.createSnapshot(request, bed.signal);
    deepEqual(snapshot, await bed.provisioner.createSnapshot(request, bed.signal));
    deepEqual([snapshot.snapshotId, snapshot.sourceVolumeId, snapshot.sizeBytes], [`${source}.snapshot-1`, source, GiB]);
    for (const sourceVolumeId of ids.slice(1)) {
      await rejects(bed.provisioner.createSnapshot({ name: "snapshot-1", sourceVolumeId }, bed.signal), { code: "conflict" });
    }
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await rejects(bed.provisioner.createSnapshot({ name: "snapshot-1", sourceVolumeId: ids[1] ?? "" }, bed.signal), { code: "conflict" });
    await rejects(bed.provisioner.createSnapshot({ name: "snapshot-2", sourceVolumeId: "none" }, bed.signal), { code: "not_found" });
    const long = await bed.provisioner.createSnapshot({ name: "s".repeat(128), sourceVolumeId: source }, bed.signal);
    ok(long.snapshotId.length <= 128);
    deepEqual(await bed.provisioner.getSnapshot(long.snapshotId, bed.signal), long);
  });
});

Deno.test("listSnapshots() filters by handle and by volume, pages, and is empty for what is unknown", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const [a, b] = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    const made = [];
    for (const [name, sourceVolumeId] of [["s-1", a], ["s-2", a], ["s-3", b], ["s-4", b], ["s-5", b]] as const) {
      made.push(await bed.provisioner.createSnapshot({ name, sourceVolumeId }, bed.signal));
    }
    const list = async (change: { snapshotId?: string; sourceVolumeId?: string; maxEntries?: number; startingToken?: string }) =>
      await bed.provisioner.listSnapshots({ ...NOTHING, snapshotId: "", sourceVolumeId: "", ...change }, bed.signal);
    deepEqual((await list({ snapshotId: made[0]?.snapshotId })).entries, [made[0]]);
    deepEqual((await list({ sourceVolumeId: a })).entries.map(({ snapshotId }) => snapshotId).sort(), [`${a}.s-1`, `${a}.s-2`]);
    deepEqual((await list({ sourceVolumeId: "nothing" })).entries, []);
    deepEqual((await list({ snapshotId: "nothing" })).entries, []);
    deepEqual((await list({ snapshotId: "none.none" })).entries, []);
    const page = await list({ maxEntries: 2 });
    equal(page.entries.length, 2);
    const rest = await list({ startingToken: page.nextToken });
    equal(rest.entries.length, 3);
    equal(new Set([...page.entries, ...rest.entries].map(({ snapshotId }) => snapshotId)).size, 5);
    await rejects(list({ startingToken: "invalid-token" }), { code: "stale_token" });
  });
});

Deno.test("deleteSnapshot() is success for what is gone, getSnapshot() not_found", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { snapshotId } = await bed.provisioner.createSnapshot({ name: "s-1", sourceVolumeId: await bed.create("pvc-1") }, bed.signal);
    for (const id of [snapshotId, snapshotId, "fake-snapshot-id", "none.none"]) await bed.provisioner.deleteSnapshot(id, bed.signal);
    for (const id of [snapshotId, "fake-snapshot-id"]) await rejects(bed.provisioner.getSnapshot(id, bed.signal), { code: "not_found" });
  });
});

Deno.test("expandVolume() grows once, leaves what is large enough, and refuses what cannot be", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const expand = (requiredBytes: number, limitBytes = 0) =>
      bed.provisioner.expandVolume({ volumeId, capacityRange: { requiredBytes, limitBytes }, capability: RWO }, bed.signal);
    for (const size of [2 * GiB, 2 * GiB, GiB]) deepEqual(await expand(size), { capacityBytes: 2 * GiB, nodeExpansionRequired: true });
    await rejects(expand(0, GiB), { code: "out_of_range" });
    const range = { requiredBytes: GiB, limitBytes: 0 };
    await rejects(bed.provisioner.expandVolume({ volumeId: "none", capacityRange: range }, bed.signal), { code: "not_found" });
    await rejects(bed.provisioner.expandVolume({ volumeId, capacityRange: range, capability: RWX }, bed.signal), { code: "invalid" });
  });
});

Deno.test("validateCapabilities() confirms what works and says why not otherwise", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const validate = (change: object) =>
      bed.provisioner.validateCapabilities({ volumeId, capabilities: [RWO], parameters: {}, ...change }, bed.signal);
    deepEqual(await validate({}), { confirmed: true });
    const refused = [{ capabilities: [RWO, RWX] }, { parameters: { backend: "file" } }, { parameters: { nonsense: "1" } }];
    for (const change of refused) equal((await validate(change)).confirmed, false);
    await rejects(validate({ volumeId: "none" }), { code: "not_found" });
  });
});

Deno.test("getCapacity() sums the room of the arrays that fit, without a REST call", async () => {
  const zone = "topology.purestorage.com/zone";
  await ProvisionerBed.run({ labels: { "fa-1": { [zone]: "a" } }, capacityBytes: 100 * GiB }, async (bed) => {
    const calls = await bed.calls(() => {
      const ask = (change: object) => bed.provisioner.getCapacity({ capabilities: [], parameters: {}, ...change });
      deepEqual(ask({}), { availableBytes: 190 * GiB, maximumVolumeBytes: 95 * GiB, minimumVolumeBytes: MiB });
      equal(ask({ parameters: { "csi.storage.k8s.io/fstype": "xfs", backend: "block" } }).availableBytes, 190 * GiB);
      equal(ask({ topology: { [zone]: "b" } }).availableBytes, 95 * GiB);
      equal(ask({ parameters: { backend: "file" } }).availableBytes, 0);
      equal(ask({ capabilities: [RWX] }).availableBytes, 0);
      return Promise.resolve();
    });
    deepEqual(calls, []);
  });
});

Deno.test("lockKey() is the same for a CSI name and every handle of what it names", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, ({ provisioner }) => {
    const key = provisioner.lockKey({ volumeName: "pvc-1" });
    for (const volumeId of ["2dcf29ad/k8s-pvc-1", "k8s-pvc-1", "k8s/pvc-1"]) equal(provisioner.lockKey({ volumeId }), key);
    const snapshot = provisioner.lockKey({ snapshotName: "snapshot-1" });
    for (const snapshotId of ["2dcf29ad/k8s-pvc-1.snapshot-1", "v.snapshot-1"]) equal(provisioner.lockKey({ snapshotId }), snapshot);
    notEqual(snapshot, key);
    return Promise.resolve();
  });
});

const noFiles = Deno.uid() !== 0 && skip("file systems of the provisioner", "mounts need root");

Deno.test({
  name: "createVolume() of a shared file system goes to the FlashBlade by itself, from publish to delete",
  ignore: noFiles,
  fn: async () => {
    await ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
      const request = bed.request("pvc-1", { capabilities: [RWX], capacityRange: { requiredBytes: 64 * MiB, limitBytes: 0 } });
      const calls = await bed.calls(() => bed.provisioner.createVolume(request, bed.signal));
      deepEqual(calls, ["POST /file-systems"]);
      const { volumeId, volumeContext } = await bed.provisioner.createVolume(request, bed.signal);
      deepEqual(volumeContext, { backend: "file" });
      for (const node of [N1, N2]) {
        const published = await bed.calls(() => bed.publish(volumeId, node, { capability: RWX }));
        ok(published.length <= 2, published.join(", "));
      }
      deepEqual((await bed.publishedTo(volumeId)).sort(), [encodeNodeId(N1), encodeNodeId(N2)].sort());
      await rejects(bed.publish(volumeId, N1, { capability: RAW_RWX }), { code: "invalid" });
      for (const node of [N1, N2]) {
        const gone = await bed.calls(() => bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(node) }, bed.signal));
        ok(gone.length <= 2, gone.join(", "));
      }
      deepEqual(await bed.publishedTo(volumeId), []);
      const range = { requiredBytes: 128 * MiB, limitBytes: 0 };
      const grown = await bed.provisioner.expandVolume({ volumeId, capacityRange: range }, bed.signal);
      deepEqual(grown, { capacityBytes: 128 * MiB, nodeExpansionRequired: false });
      const deleted = await bed.calls(() => bed.provisioner.deleteVolume(volumeId, bed.signal));
      ok(deleted.length <= 2, deleted.join(", "));
      deepEqual(await bed.volumes(), { "fa-1": [], "fb-1": [] });
    });
  },
});

Deno.test({
  name: "createVolume() of a file system from a snapshot works by REST version, with a clear error below it",
  ignore: noFiles,
  fn: async () => {
    const range = { requiredBytes: 64 * MiB, limitBytes: 0 };
    const parameters = { backend: "file" };
    await ProvisionerBed.run({ flasharrays: 1, flashblades: 1, versions: { flashblade: ["2.0", "2.3", "2.12"] } }, async (bed) => {
      const sourceVolumeId = await bed.create("pvc-1", { parameters, capacityRange: range });
      const { snapshotId } = await bed.provisioner.createSnapshot({ name: "s-1", sourceVolumeId }, bed.signal);
      await rejects(bed.create("pvc-2", { parameters, capacityRange: range, contentSource: { snapshotId } }), {
        code: "unsupported",
        message: /^Cannot place pvc-2 \(64 MiB\): fb-1 cannot make a volume from a snapshot or a volume \(REST 2\.12\)/,
      });
    });
    await ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
      const sourceVolumeId = await bed.create("pvc-1", { parameters, capacityRange: range });
      const { snapshotId } = await bed.provisioner.createSnapshot({ name: "s-1", sourceVolumeId }, bed.signal);
      const larger = { requiredBytes: 96 * MiB, limitBytes: 0 };
      for (const name of ["pvc-2", "pvc-2"]) {
        const contentSource = { snapshotId };
        const copy = await bed.provisioner.createVolume(
          bed.request(name, { parameters, capacityRange: larger, contentSource }),
          bed.signal,
        );
        equal(copy.capacityBytes, 96 * MiB);
      }
      for (const name of ["pvc-3", "pvc-3"]) {
        await bed.create(name, { parameters, capacityRange: larger, contentSource: { volumeId: sourceVolumeId } });
      }
      await rejects(bed.create("pvc-4", { parameters: { backend: "block" }, contentSource: { snapshotId } }), {
        code: "invalid",
        message: /its source is a file volume on fb-1 and backend block is asked for/,
      });
      equal((await bed.volumes())["fb-1"]?.length, 3);
    });
  },
});
