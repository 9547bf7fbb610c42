import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import { encodeNodeId } from "../../src/handoff.ts";
import { GiB, MiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { isUnclear, N1, ProvisionerBed, RAW_RWX, RWO, RWX } from "./provisioner_bed.ts";

const NOTHING = { maxEntries: 0, startingToken: "" };

Deno.test("deleteVolume() takes two calls at most, and success for what is gone, unknown or never was a name", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const calls = await bed.calls(() => bed.provisioner.deleteVolume(volumeId, bed.signal));
    ok(calls.length <= 2, calls.join(", "));
    deepEqual(Object.values(await bed.volumes()).flat(), []);
    for (const id of [volumeId, "fake-vol-id", "k8s/pvc-9", "a,b"]) {
      await bed.provisioner.deleteVolume(id, bed.signal);
    }
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
    const { snapshotId } = await bed.provisioner.createSnapshot({
      name: "snapshot-1",
      sourceVolumeId: volumeId,
    }, bed.signal);
    await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), { code: "in_use" });
    // A controller that has listed nothing yet, too: the snapshot would be destroyed as well.
    await bed.restart();
    await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), { code: "in_use" });
    await bed.provisioner.deleteSnapshot(snapshotId, bed.signal);
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
  });
});

for (const backend of ["block", "file"] as const) {
  const ignore = backend === "file" && Deno.uid() !== 0 &&
    skip("file systems of the provisioner", "mounts need root");
  const name = `deleteVolume() of a ${backend} volume sees a snapshot made on the array just now`;
  Deno.test({
    name,
    ignore,
    fn: () =>
      ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
        const volumeId = await bed.create("pvc-1", {
          parameters: { backend },
          capabilities: [backend === "block" ? RAW_RWX : RWX],
          capacityRange: { requiredBytes: 512 * MiB, limitBytes: 0 },
        });
        const [array, path] = backend === "block"
          ? ["fa-1", "volume-snapshots"]
          : ["fb-1", "file-system-snapshots"];
        await bed.admin(array, {
          method: "POST",
          path,
          query: { source_names: "k8s-pvc-1" },
          body: { suffix: "before-upgrade" },
        });
        await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), {
          code: "in_use",
          message: /has snapshots: k8s-pvc-1\.before-upgrade; delete them first/,
        });
        const [snapshot] = await bed.admin<{ destroyed: boolean }>(array, {
          method: "GET",
          path,
          query: backend === "block"
            ? { names: "k8s-pvc-1.before-upgrade" }
            : { names_or_owner_names: "k8s-pvc-1.before-upgrade" },
        });
        equal(snapshot?.destroyed, false);
      }),
  });
}

Deno.test({
  name: "deleteVolume() refuses a file system that a node may mount, and not one that only " +
    "an administrator's rule exports",
  ignore: Deno.uid() !== 0 && skip("file systems of the provisioner", "mounts need root"),
  fn: () =>
    ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
      const shared = {
        parameters: { backend: "file" },
        capabilities: [RWX],
        capacityRange: { requiredBytes: 64 * MiB, limitBytes: 0 },
      };
      const volumeId = await bed.create("pvc-1", shared);
      await bed.publish(volumeId, N1, { capability: RWX });
      await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), {
        code: "in_use",
        message: /is exported to .*: unpublish it there first$/,
      });
      await bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(N1) }, bed.signal);
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      const open = await bed.create("pvc-2", {
        ...shared,
        parameters: { backend: "file", exportrules: "10.9.9.9(rw)" },
      });
      await bed.provisioner.deleteVolume(open, bed.signal);
    }),
});

Deno.test("deleteVolume() works while another array is down, and does not claim success for what may be there", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const label = (await bed.volumes())["fa-1"]?.length === 1 ? "fa-1" : "fa-2";
    const other = label === "fa-1" ? "fa-2" : "fa-1";
    await bed.silence(other);
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    await rejects(bed.provisioner.deleteVolume("imported-by-hand", bed.soon()), isUnclear);
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
      const page = await bed.provisioner.listVolumes(
        { maxEntries: 3, startingToken: token },
        bed.signal,
      );
      ok(page.entries.length <= 3);
      seen.push(...page.entries.map(({ volume }) => volume.volumeId));
      token = page.nextToken;
    } while (token !== "");
    deepEqual(seen.sort(), ids.sort());
    const { entries } = await bed.provisioner.listVolumes(NOTHING, bed.signal);
    deepEqual(entries.find(({ volume }) => volume.volumeId === first)?.publishedNodeIds, [
      encodeNodeId(N1),
    ]);
    await rejects(
      bed.provisioner.listVolumes({ maxEntries: 0, startingToken: "invalid-token" }, bed.signal),
      { code: "stale_token" },
    );
    await bed.silence("fa-2");
    await rejects(bed.provisioner.listVolumes(NOTHING, bed.soon()), isUnclear);
  });
});

Deno.test("listVolumes() names a volume as the cluster does once it was published by an old handle", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    await bed.create("pvc-1");
    await bed.publish("k8s/pvc-1", N1);
    const { entries } = await bed.provisioner.listVolumes(NOTHING, bed.signal);
    deepEqual(entries.map(({ volume, publishedNodeIds }) => [volume.volumeId, publishedNodeIds]), [[
      "k8s/pvc-1",
      [encodeNodeId(N1)],
    ]]);
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
    deepEqual([snapshot.snapshotId, snapshot.sourceVolumeId, snapshot.sizeBytes], [
      `${source}.snapshot-1`,
      source,
      GiB,
    ]);
    for (const sourceVolumeId of ids.slice(1)) {
      await rejects(
        bed.provisioner.createSnapshot({ name: "snapshot-1", sourceVolumeId }, bed.signal),
        { code: "conflict" },
      );
    }
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await rejects(
      bed.provisioner.createSnapshot(
        { name: "snapshot-1", sourceVolumeId: ids[1] ?? "" },
        bed.signal,
      ),
      { code: "conflict" },
    );
    await rejects(
      bed.provisioner.createSnapshot({ name: "snapshot-2", sourceVolumeId: "none" }, bed.signal),
      { code: "not_found" },
    );
    const long = await bed.provisioner.createSnapshot({
      name: "s".repeat(128),
      sourceVolumeId: source,
    }, bed.signal);
    ok(long.snapshotId.length <= 128);
    deepEqual(await bed.provisioner.getSnapshot(long.snapshotId, bed.signal), long);
  });
});

Deno.test("listSnapshots() filters by handle and by volume, pages, and is empty for what is unknown", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const [a, b] = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    const made = [];
    for (
      const [name, sourceVolumeId] of [["s-1", a], ["s-2", a], ["s-3", b], ["s-4", b], [
        "s-5",
        b,
      ]] as const
    ) {
      made.push(await bed.provisioner.createSnapshot({ name, sourceVolumeId }, bed.signal));
    }
    const list = async (
      change: {
        snapshotId?: string;
        sourceVolumeId?: string;
        maxEntries?: number;
        startingToken?: string;
      },
    ) =>
      await bed.provisioner.listSnapshots({
        ...NOTHING,
        snapshotId: "",
        sourceVolumeId: "",
        ...change,
      }, bed.signal);
    deepEqual((await list({ snapshotId: made[0]?.snapshotId })).entries, [made[0]]);
    deepEqual(
      (await list({ sourceVolumeId: a })).entries.map(({ snapshotId }) => snapshotId).sort(),
      [`${a}.s-1`, `${a}.s-2`],
    );
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

Deno.test("listSnapshots() of a snapshot and its volume knows the volume by each of its handles", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const [volume, other] = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    const made = await bed.provisioner.createSnapshot(
      { name: "s-1", sourceVolumeId: volume },
      bed.signal,
    );
    const list = async (snapshotId: string, sourceVolumeId: string) => {
      const asked = { ...NOTHING, snapshotId, sourceVolumeId };
      return (await bed.provisioner.listSnapshots(asked, bed.signal)).entries;
    };
    for (const snapshotId of [made.snapshotId, "k8s-pvc-1.s-1"]) {
      for (const source of [volume, `${volume}@keep`, "k8s-pvc-1", "k8s/pvc-1", "K8S-PVC-1"]) {
        const entries = await list(snapshotId, source);
        deepEqual(entries.map((one) => one.snapshotId), [snapshotId], source);
      }
      for (const source of [other, "k8s-pvc-2", "nothing"]) {
        deepEqual(await list(snapshotId, source), [], source);
      }
    }
  });
});

for (const id of ["k8s-pvc-1.snapshot-1", "k8s/pvc-1.snapshot-1"]) {
  Deno.test(`deleteSnapshot(), getSnapshot() and a restore know k8s-pvc-1.snapshot-1 by PSO's old handle ${id}`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const sourceVolumeId = await bed.create("pvc-1");
      const made = await bed.provisioner.createSnapshot(
        { name: "snapshot-1", sourceVolumeId },
        bed.signal,
      );
      const got = await bed.provisioner.getSnapshot(id, bed.signal);
      deepEqual(got, { ...made, snapshotId: id });
      const restored = bed.request("pvc-2", { contentSource: { snapshotId: id } });
      const first = await bed.provisioner.createVolume(restored, bed.signal);
      deepEqual(await bed.provisioner.createVolume(restored, bed.signal), first);
      await bed.provisioner.deleteSnapshot(id, bed.signal);
      await rejects(bed.provisioner.getSnapshot(made.snapshotId, bed.signal), {
        code: "not_found",
      });
    });
  });
}

Deno.test("deleteSnapshot() is success for what is gone, getSnapshot() not_found", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { snapshotId } = await bed.provisioner.createSnapshot({
      name: "s-1",
      sourceVolumeId: await bed.create("pvc-1"),
    }, bed.signal);
    for (const id of [snapshotId, snapshotId, "fake-snapshot-id", "none.none"]) {
      await bed.provisioner.deleteSnapshot(id, bed.signal);
    }
    for (const id of [snapshotId, "fake-snapshot-id"]) {
      await rejects(bed.provisioner.getSnapshot(id, bed.signal), { code: "not_found" });
    }
  });
});

Deno.test("expandVolume() grows once, leaves what is large enough, and refuses what cannot be", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const expand = (requiredBytes: number, limitBytes = 0) =>
      bed.provisioner.expandVolume({
        volumeId,
        capacityRange: { requiredBytes, limitBytes },
        capability: RWO,
      }, bed.signal);
    for (const size of [2 * GiB, 2 * GiB, GiB]) {
      deepEqual(await expand(size), { capacityBytes: 2 * GiB, nodeExpansionRequired: true });
    }
    await rejects(expand(0, GiB), { code: "out_of_range" });
    const range = { requiredBytes: GiB, limitBytes: 0 };
    await rejects(
      bed.provisioner.expandVolume({ volumeId: "none", capacityRange: range }, bed.signal),
      { code: "not_found" },
    );
    await rejects(
      bed.provisioner.expandVolume({ volumeId, capacityRange: range, capability: RWX }, bed.signal),
      { code: "invalid" },
    );
  });
});

Deno.test("validateCapabilities() confirms what works and says why not otherwise", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const validate = (change: object) =>
      bed.provisioner.validateCapabilities({
        volumeContext: {},
        volumeId,
        capabilities: [RWO],
        parameters: {},
        ...change,
      }, bed.signal);
    deepEqual(await validate({}), { confirmed: true });
    const looped = { ...RWO, access: { type: "mount", fsType: "", mountFlags: ["loop"] } };
    const refused = [{ capabilities: [RWO, RWX] }, { parameters: { backend: "file" } }, {
      parameters: { nonsense: "1" },
    }, { capabilities: [looped] }];
    for (const change of refused) equal((await validate(change)).confirmed, false);
    await rejects(validate({ volumeId: "none" }), { code: "not_found" });
  });
});

Deno.test("getCapacity() sums the room of the arrays that fit, without a REST call", async () => {
  const zone = "topology.purestorage.com/zone";
  await ProvisionerBed.run(
    { labels: { "fa-1": { [zone]: "a" } }, capacityBytes: 100 * GiB },
    async (bed) => {
      const calls = await bed.calls(() => {
        const ask = (change: object) =>
          bed.provisioner.getCapacity({ capabilities: [], parameters: {}, ...change });
        deepEqual(ask({}), {
          availableBytes: 190 * GiB,
          maximumVolumeBytes: 95 * GiB,
          minimumVolumeBytes: MiB,
        });
        equal(
          ask({ parameters: { "csi.storage.k8s.io/fstype": "xfs", backend: "block" } })
            .availableBytes,
          190 * GiB,
        );
        equal(ask({ topology: { [zone]: "b" } }).availableBytes, 95 * GiB);
        equal(ask({ parameters: { backend: "file" } }).availableBytes, 0);
        equal(ask({ capabilities: [RWX] }).availableBytes, 0);
        return Promise.resolve();
      });
      deepEqual(calls, []);
    },
  );
});

Deno.test("lockKey() is the same for a CSI name and every handle of what it names", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, ({ provisioner }) => {
    const key = provisioner.lockKey({ volumeName: "pvc-1" });
    for (const volumeId of ["2dcf29ad/k8s-pvc-1", "k8s-pvc-1", "k8s/pvc-1"]) {
      equal(provisioner.lockKey({ volumeId }), key);
    }
    const snapshot = provisioner.lockKey({ snapshotName: "snapshot-1" });
    for (const snapshotId of ["2dcf29ad/k8s-pvc-1.snapshot-1", "v.snapshot-1"]) {
      equal(provisioner.lockKey({ snapshotId }), snapshot);
    }
    notEqual(snapshot, key);
    return Promise.resolve();
  });
});
