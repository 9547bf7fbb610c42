// A claim that was deleted by mistake: the controller makes, publishes and deletes its volume, `admin
// undelete` brings it back, and the same controller publishes it by the handle of the manifest.
import { deepEqual, equal, partialDeepStrictEqual } from "node:assert/strict";
import type { Capability } from "../../src/capability.ts";
import { type Container, nameIn } from "../../src/names.ts";
import { runAdmin } from "../support/admin_bed.ts";
import { classOf, makeContainer } from "../support/containers.ts";
import { N1, N2, ProvisionerBed } from "./provisioner_bed.ts";

const NAME = "pvc-11111111-0000-4000-8000-000000000000";
const CLAIM = {
  "csi.storage.k8s.io/pvc/namespace": "shop",
  "csi.storage.k8s.io/pvc/name": "data",
  "csi.storage.k8s.io/pv/name": NAME,
};

/** What `admin undelete --yes` says of a volume that a controller has deleted. */
async function recovered(
  { served }: ProvisionerBed,
  name: string,
  { Labels = {}, ...values }: { Labels?: Record<string, string>; storagetopology?: object } = {},
) {
  const [array] = served.arrays;
  if (!array) throw new Error("no array");
  const entry = { MgmtEndPoint: `http://${array.address}`, APIToken: array.token, Labels };
  const files = { "values.yaml": JSON.stringify({ ...values, arrays: { FlashArrays: [entry] } }) };
  const words = ["undelete", "-f", "values.yaml", "--volume", name, "--yes", "-o", "json"];
  const { code, said } = await runAdmin(words, { files });
  equal(code, 0, said);
  return JSON.parse(said);
}

/** A volume is deleted and comes back, in a container of the array or in none. */
function deletedAndBack(container?: Container): Promise<void> {
  return ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const { provisioner, served, signal } = bed;
    if (container) await makeContainer(bed, { array: "fa-1", ...container });
    const parameters = { ...CLAIM, ...(container && classOf(container)) };
    const volumeId = await bed.create(NAME, { parameters });
    await bed.publish(volumeId, N1);
    await provisioner.unpublishVolume({ volumeId, nodeId: N1.name }, signal);
    await provisioner.deleteVolume(volumeId, signal);
    const [array] = served.arrays;
    if (!array) throw new Error("no array");
    const entry = { MgmtEndPoint: `http://${array.address}`, APIToken: array.token };
    const files = { "values.yaml": JSON.stringify({ arrays: { FlashArrays: [entry] } }) };
    const { objects: [pv, claim] } = await recovered(bed, nameIn(container, `k8s-${NAME}`));
    equal(pv.metadata.name, NAME);
    deepEqual(claim.metadata, { namespace: "shop", name: "data" });
    const { volumeHandle } = pv.spec.csi;
    equal(volumeHandle, volumeId);
    await bed.publish(volumeHandle, N2);
    equal(await bed.create(NAME, { parameters }), volumeId, "it is the same volume still");
    await provisioner.unpublishVolume({ volumeId, nodeId: N2.name }, signal);
    await provisioner.deleteVolume(volumeId, signal);
    const again = await runAdmin(["undelete", "-f", "values.yaml", "-o", "json"], { files });
    equal(JSON.parse(again.said).destroyed.length, 1, "it was deleted once more");
  });
}

Deno.test("what the controller deleted is recovered with the names of its claim, and published by its handle again", () =>
  deletedAndBack());

Deno.test("what the controller deleted in a pod is recovered there", () =>
  deletedAndBack({ what: "pod", name: "p1" }));

Deno.test("15.11: what the controller deleted in a volume group is recovered there", () =>
  deletedAndBack({ what: "volume group", name: "g1" }));

const RAW: Capability = { access: { type: "block" }, mode: "multi-node-multi-writer" };
const EXT4: Capability = {
  access: { type: "mount", fsType: "ext4", mountFlags: [] },
  mode: "single-node-multi-writer",
};
const READ: Capability = { ...EXT4, mode: "multi-node-reader-only" };

/** What a claim asks for, and what the manifest of its volume says of it. */
const SHAPES = [
  {
    what: "a raw block volume for many",
    capabilities: [RAW],
    spec: { volumeMode: "Block", accessModes: ["ReadWriteMany"] },
    csi: { volumeAttributes: { backend: "block" } },
  },
  {
    what: "a file system that is not the default, for two modes of access, by a protocol",
    capabilities: [EXT4, READ],
    parameters: { protocol: "nvme-tcp" },
    spec: { volumeMode: "Filesystem", accessModes: ["ReadWriteOnce", "ReadOnlyMany"] },
    csi: { fsType: "ext4", volumeAttributes: { backend: "block", protocol: "nvme-tcp" } },
  },
];

for (const { what, capabilities, parameters, spec, csi } of SHAPES) {
  Deno.test(`15.6: ${what} comes back as its claim had it, made, cloned or restored`, () =>
    ProvisionerBed.run({
      ...{ flasharrays: 1, allPorts: true },
      claims: ({ namespace }) =>
        Promise.resolve({ namespace, annotations: {}, labels: {}, storageClass: "pure-gold" }),
    }, async (bed) => {
      const { provisioner, signal } = bed;
      const change = { capabilities, parameters: { ...CLAIM, ...parameters } };
      const source = await bed.create("source", change);
      const { snapshotId } = await provisioner.createSnapshot(
        { name: "snapshot-1", sourceVolumeId: source, parameters: {} },
        signal,
      );
      const sources = [undefined, { volumeId: source }, { snapshotId }];
      for (const [at, contentSource] of sources.entries()) {
        let volumeId = "";
        const calls = await bed.calls(async () => {
          volumeId = await bed.create(`pvc-${at}`, { ...change, contentSource });
        });
        equal(calls.filter((call) => !call.startsWith("GET ")).length, 1, calls.join());
        await provisioner.deleteVolume(volumeId, signal);
        const { objects: [pv, claim], assumed } = await recovered(bed, `k8s-pvc-${at}`);
        const common = { ...spec, storageClassName: "pure-gold" };
        partialDeepStrictEqual(pv.spec, { ...common, csi });
        partialDeepStrictEqual(claim.spec, common);
        deepEqual(assumed, []);
      }
    }));
}

Deno.test("15.6: a clone of before REST 2.39 has no such tags, and the recovery says what it assumes", () =>
  ProvisionerBed.run({ flasharrays: 1, versions: { flasharray: ["2.38"] } }, async (bed) => {
    const source = await bed.create("source", { parameters: CLAIM });
    const clones = [
      { name: "pvc-1", parameters: CLAIM, assumed: 5 },
      // A class with tags pays for a call in any case.
      { name: "pvc-2", parameters: { ...CLAIM, tags: "tier=gold" }, assumed: 1 },
    ];
    for (const { name, parameters, assumed } of clones) {
      const change = { parameters, contentSource: { volumeId: source } };
      const volumeId = await bed.create(name, change);
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      const told = await recovered(bed, `k8s-${name}`);
      equal(told.assumed.length, assumed, told.assumed.join());
      equal(told.objects[0].spec.volumeMode, "Filesystem");
    }
  }));

Deno.test("15.6: what is recovered is for the nodes that reach its array, where the cluster has a topology", () =>
  ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const zone = "topology.purestorage.com/zone";
    const Labels = { [zone]: "a", rack: "r1", tier: "gold" };
    const nodeLabels = ["rack"];
    const affinities = [];
    for (const enable of [true, false]) {
      const volumeId = await bed.create(NAME, { parameters: CLAIM });
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      const told = await recovered(bed, `k8s-${NAME}`, {
        Labels,
        storagetopology: { enable, nodeLabels },
      });
      affinities.push(told.objects[0].spec.nodeAffinity);
    }
    const matchExpressions = [
      { key: zone, operator: "In", values: ["a"] },
      { key: "rack", operator: "In", values: ["r1"] },
    ];
    deepEqual(affinities, [
      { required: { nodeSelectorTerms: [{ matchExpressions }] } },
      undefined,
    ]);
  }));
