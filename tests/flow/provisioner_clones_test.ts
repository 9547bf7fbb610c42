// Volumes that are made from a volume or a snapshot.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { GiB, MiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { N1, ProvisionerBed, RWX } from "./provisioner_bed.ts";

const noFiles = Deno.uid() !== 0 && skip("file systems of the provisioner", "mounts need root");

Deno.test("createVolume() from a volume and from a snapshot stays on the source's array, grown in three calls", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const source = await bed.create("pvc-1");
    const snapshot = await bed.provisioner.createSnapshot({
      name: "snapshot-1",
      sourceVolumeId: source,
    }, bed.signal);
    const larger = { requiredBytes: 2 * GiB, limitBytes: 0 };
    const calls = await bed.calls(() =>
      bed.create("pvc-2", { contentSource: { volumeId: source }, capacityRange: larger })
    );
    ok(calls.length <= 3, calls.join(", "));
    const contentSource = { snapshotId: snapshot.snapshotId };
    for (const name of ["pvc-3", "pvc-3"]) {
      const copy = await bed.provisioner.createVolume(
        bed.request(name, { contentSource, capacityRange: larger }),
        bed.signal,
      );
      equal(copy.volumeId.slice(0, 8), source.slice(0, 8));
      deepEqual([copy.capacityBytes, copy.contentSource], [2 * GiB, contentSource]);
    }
    const small = { requiredBytes: 512 * MiB, limitBytes: 0 };
    await rejects(bed.create("pvc-4", { contentSource, capacityRange: small }), {
      code: "out_of_range",
      message: /smaller than the source/,
    });
    for (
      const gone of [{ snapshotId: "none.none" }, { snapshotId: "nothing" }, {
        volumeId: "nothing",
      }]
    ) {
      await rejects(bed.create("pvc-5", { contentSource: gone }), { code: "not_found" });
    }
    equal(Object.values(await bed.volumes()).flat().length, 3);
  });
});

Deno.test("createVolume() finishes a clone that was made and not grown", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const contentSource = { volumeId: await bed.create("pvc-1") };
    const clone = bed.request("pvc-2", {
      contentSource,
      capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 },
    });
    await bed.fault({
      action: "drop-before",
      match: { method: "PATCH", path: "/volumes" },
      times: 10,
    });
    await rejects(
      bed.provisioner.createVolume(clone, bed.signal),
      (error: { code: string }) => ["unavailable", "timeout"].includes(error.code),
    );
    await bed.healFaults();
    equal((await bed.provisioner.createVolume(clone, bed.signal)).capacityBytes, 2 * GiB);
    equal(Object.values(await bed.volumes()).flat().length, 2);
  });
});

Deno.test("createVolume() never forgets a clone that the array has no room to grow", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const contentSource = { volumeId: await bed.create("pvc-1") };
    const match = { method: "PATCH", path: "/volumes" };
    await bed.fault({ action: "full", match, times: 10 });
    const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
    const clone = bed.request("pvc-2", { contentSource, capacityRange });
    await rejects(bed.provisioner.createVolume(clone, bed.signal), {
      code: "unavailable",
      message: /^Could not create pvc-2 on fa-.*: /,
    });
    await bed.healFaults();
    equal((await bed.provisioner.createVolume(clone, bed.signal)).capacityBytes, 2 * GiB);
    equal(Object.values(await bed.volumes()).flat().length, 2);
  });
});

Deno.test({
  name: "createVolume() of a file system from a snapshot works by REST version, with a clear " +
    "error below it",
  ignore: noFiles,
  fn: async () => {
    const range = { requiredBytes: 64 * MiB, limitBytes: 0 };
    const parameters = { backend: "file" };
    await ProvisionerBed.run({
      flasharrays: 1,
      flashblades: 1,
      versions: { flashblade: ["2.0", "2.3", "2.12"] },
    }, async (bed) => {
      const sourceVolumeId = await bed.create("pvc-1", { parameters, capacityRange: range });
      const { snapshotId } = await bed.provisioner.createSnapshot(
        { name: "s-1", sourceVolumeId },
        bed.signal,
      );
      await rejects(
        bed.create("pvc-2", { parameters, capacityRange: range, contentSource: { snapshotId } }),
        {
          code: "unsupported",
          message:
            /^Cannot place pvc-2 \(64 MiB\): fb-1 cannot make a volume from a snapshot or a volume \(REST 2\.12\)/,
        },
      );
    });
    await ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
      const sourceVolumeId = await bed.create("pvc-1", { parameters, capacityRange: range });
      const { snapshotId } = await bed.provisioner.createSnapshot(
        { name: "s-1", sourceVolumeId },
        bed.signal,
      );
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
        await bed.create(name, {
          parameters,
          capacityRange: larger,
          contentSource: { volumeId: sourceVolumeId },
        });
      }
      await rejects(
        bed.create("pvc-4", { parameters: { backend: "block" }, contentSource: { snapshotId } }),
        {
          code: "invalid",
          message: /its source is a file volume on fb-1 and backend block is asked for/,
        },
      );
      equal((await bed.volumes())["fb-1"]?.length, 3);
    });
  },
});

Deno.test({
  name: "createVolume() adopts a clone of a file system with the class's rules, never its source's",
  ignore: noFiles,
  fn: async () => {
    await ProvisionerBed.run({ flasharrays: 0, flashblades: 1 }, async (bed) => {
      const request = {
        parameters: { backend: "file" },
        capabilities: [RWX],
        capacityRange: { requiredBytes: 64 * MiB, limitBytes: 0 },
      };
      const volumeId = await bed.create("pvc-1", request);
      const clone = { ...request, contentSource: { volumeId } };
      const cloneId = await bed.create("pvc-2", clone);
      const fileSystem = { path: "file-systems", query: { names: "k8s-pvc-2" } } as const;
      const rules = async () => {
        const call = { ...fileSystem, method: "GET" } as const;
        return (await bed.admin<{ nfs: { rules: string } }>("fb-1", call))[0]?.nfs.rules;
      };
      // What a call leaves that was cut between the POST of the clone and the PATCH of its rules.
      const ofSource = "127.0.0.12(rw,no_root_squash) 10.9.0.0/16(rw)";
      await bed.admin("fb-1", {
        ...fileSystem,
        method: "PATCH",
        body: { nfs: { rules: ofSource } },
      });
      equal(await bed.create("pvc-2", clone), cloneId);
      equal(await rules(), "");
      await bed.publish(cloneId, N1, { capability: RWX });
      equal(await bed.create("pvc-2", clone), cloneId);
      equal(await rules(), "127.0.0.11(rw,no_root_squash)", "a node that has it keeps it");
    });
  },
});
