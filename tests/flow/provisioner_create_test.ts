import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { Capability } from "../../src/capability.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { GiB, MiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { isUnclear, N1, N2, ProvisionerBed, RAW_RWX, RWX } from "./provisioner_bed.ts";

Deno.test("createVolume() of a new name on a warm fleet makes one REST call, a repeat gives the same volume", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const request = bed.request("pvc-1", { parameters: { "csi.storage.k8s.io/pvc/name": "data" } });
    const calls = await bed.calls(() => bed.provisioner.createVolume(request, bed.signal));
    ok(
      calls.length <= 2 && calls.filter((call) => call === "POST /volumes").length === 1,
      calls.join(", "),
    );
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
    await rejects(bed.create("pvc-3"), {
      code: "conflict",
      message: /it has the source k8s-pvc-1 and no source is asked for/,
    });
  });
});

Deno.test("createVolume() spreads many volumes evenly over equal arrays", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    for (let index = 0; index < 10; index++) await bed.create(`pvc-${index}`);
    deepEqual(Object.values(await bed.volumes()).map((names) => names.length), [5, 5]);
  });
});

const FILE = { backend: "file" };

/** A file system of this type for one writer, mounted with these options. */
function mounting(fsType: string, ...mountFlags: string[]): Capability {
  return { access: { type: "mount", fsType, mountFlags }, mode: "single-node-writer" };
}

Deno.test("createVolume() says which option is refused, why, and what to do", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const messageOf = async (change: Parameters<typeof bed.request>[1]) => {
      let message = "";
      await rejects(bed.create("pvc-1", change), (error: Error) => {
        message = error.message;
        return true;
      });
      return message;
    };
    equal(
      await messageOf({ parameters: { createoptions: "-q -p /protofile" } }),
      "Cannot create pvc-1: createoptions -p is refused for xfs: it reads or writes a file of " +
        "the host; take it out of the class, or of flasharray.defaultFSOpt",
    );
    equal(
      await messageOf({ capabilities: [mounting("ext4", "noatime", "loop")] }),
      "Cannot create pvc-1: mount option loop is refused: it mounts something other than the " +
        "volume as it is; take it out of the class",
    );
  });
});

Deno.test("createVolume() refuses bad input before any REST call", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const cases: [string, Parameters<typeof bed.request>[1]][] = [
      ["invalid", { parameters: { bakend: "block" } }],
      ["invalid", { capabilities: [RWX] }],
      ["invalid", { capabilities: [RWX], parameters: { backend: "block" } }],
      ["invalid", { parameters: { protocol: "nfs" } }],
      ["invalid", { parameters: { createoptions: "-l logdev=/dev/sdb" } }],
      ["invalid", { parameters: { createoptions: "-q -f" } }],
      ["invalid", { parameters: { createoptions: "-p /protofile" } }],
      ["invalid", { parameters: { createoptions: "//dev/loop1 -L" } }],
      ["invalid", { parameters: { createoptions: "-d /etc" }, capabilities: [mounting("ext4")] }],
      ["invalid", { parameters: { createoptions: "-d /etc" }, capabilities: [mounting("EXT4")] }],
      ["invalid", { capabilities: [mounting("ext4 -F")] }],
      ["invalid", { capabilities: [mounting("xfs", "loop")] }],
      ["invalid", { capabilities: [mounting("", "noatime", "offset=0")] }],
      ["invalid", { capabilities: [mounting("xfs", "data=ordered")] }],
      ["invalid", { capabilities: [mounting("ext4", "errors=panic")] }],
      ["invalid", { capabilities: [mounting("", "addr=192.0.2.1")], parameters: FILE }],
      ["invalid", { capabilities: [mounting("", "discard")], parameters: FILE }],
      ["out_of_range", { capacityRange: { requiredBytes: 100 * MiB, limitBytes: 0 } }],
      ["out_of_range", { capacityRange: { requiredBytes: 2 * GiB, limitBytes: GiB } }],
      ["exhausted", { parameters: { backend: "file" } }],
      ["exhausted", { parameters: { array_selector: "tier=gold" } }],
      ["exhausted", { parameters: { labels: "tier=gold" } }],
      ["exhausted", { parameters: { selector: "matchLabels: {tier: gold}" } }],
      ["exhausted", { parameters: { arrayID: "ffffffff-0000-0000-0000-000000000000" } }],
    ];
    for (const [code, change] of cases) {
      deepEqual(await bed.calls(() => rejects(bed.create("pvc-1", change), { code })), []);
    }
  });
});

Deno.test("createVolume() looks a name up whose creation had an unclear outcome, and finds it", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    await bed.fault({
      action: "drop-after",
      match: { method: "POST", path: "/volumes" },
      times: 100,
    });
    await bed.fault({ action: "status", value: 503, match: { method: "GET" }, times: 100_000 });
    await rejects(bed.provisioner.createVolume(bed.request("pvc-1"), bed.soon()), isUnclear);
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
    deepEqual(
      (await bed.fleet.members[0]?.array.listVolumes({ limit: 10 }, bed.signal))?.items,
      [],
    );
    await bed.healFaults();
    await bed.fleet.refresh(bed.signal);
    await bed.create("pvc-1");
  });
});

Deno.test("createVolume() right after the start waits for the first word of an array, and is not tried again", async () => {
  await ProvisionerBed.run({ flasharrays: 1, cold: true }, async (bed) => {
    const match = { method: "GET", path: "/arrays" };
    await bed.fault({ action: "delay", value: 200, match });
    const stop = new AbortController();
    const checking = bed.fleet.run(stop.signal, { intervalMs: 60_000 });
    await bed.create("pvc-1");
    stop.abort();
    await checking;
    deepEqual(await bed.volumes(), { "fa-1": ["k8s-pvc-1"] });
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
  await ProvisionerBed.run(
    { labels: { "fa-1": { [zone]: "a" }, "fa-2": { [zone]: "b" } } },
    async (bed) => {
      for (const value of ["a", "b"]) {
        const topology = { requisite: [{ [zone]: value }], preferred: [{ [zone]: value }] };
        const { accessibleTopology } = await bed.provisioner.createVolume(
          bed.request(`pvc-${value}`, { topology }),
          bed.signal,
        );
        deepEqual(accessibleTopology, [{ [zone]: value }]);
      }
      deepEqual(await bed.volumes(), { "fa-1": ["k8s-pvc-a"], "fa-2": ["k8s-pvc-b"] });
      const nowhere = { requisite: [{ [zone]: "c" }], preferred: [] };
      await rejects(bed.create("pvc-c", { topology: nowhere }), {
        code: "exhausted",
        message: `Cannot place pvc-c (1 GiB): each of fa-1, fa-2 is not labelled ${zone}=c\n` +
          "It waits until an array takes it; add space or change the class",
      });
      await rejects(bed.create("pvc-a", { topology: nowhere }), { code: "conflict" });
    },
  );
});

const noFiles = Deno.uid() !== 0 && skip("file systems of the provisioner", "mounts need root");

Deno.test({
  name: "createVolume() of a shared file system goes to the FlashBlade by itself, from " +
    "publish to delete",
  ignore: noFiles,
  fn: async () => {
    await ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
      const request = bed.request("pvc-1", {
        capabilities: [RWX],
        capacityRange: { requiredBytes: 64 * MiB, limitBytes: 0 },
      });
      const calls = await bed.calls(() => bed.provisioner.createVolume(request, bed.signal));
      deepEqual(calls, ["POST /file-systems"]);
      const { volumeId, volumeContext } = await bed.provisioner.createVolume(request, bed.signal);
      deepEqual(volumeContext, { backend: "file" });
      for (const node of [N1, N2]) {
        const published = await bed.calls(() => bed.publish(volumeId, node, { capability: RWX }));
        ok(published.length <= 2, published.join(", "));
      }
      deepEqual(
        (await bed.publishedTo(volumeId)).sort(),
        [encodeNodeId(N1), encodeNodeId(N2)].sort(),
      );
      await rejects(bed.publish(volumeId, N1, { capability: RAW_RWX }), { code: "invalid" });
      for (const node of [N1, N2]) {
        const gone = await bed.calls(() =>
          bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(node) }, bed.signal)
        );
        ok(gone.length <= 2, gone.join(", "));
      }
      deepEqual(await bed.publishedTo(volumeId), []);
      const range = { requiredBytes: 128 * MiB, limitBytes: 0 };
      const grown = await bed.provisioner.expandVolume(
        { volumeId, capacityRange: range },
        bed.signal,
      );
      deepEqual(grown, { capacityBytes: 128 * MiB, nodeExpansionRequired: false });
      const deleted = await bed.calls(() => bed.provisioner.deleteVolume(volumeId, bed.signal));
      deepEqual(
        deleted.toSorted(),
        ["GET /file-system-snapshots", "GET /file-systems", "PATCH /file-systems"],
      );
      deepEqual(await bed.volumes(), { "fa-1": [], "fb-1": [] });
    });
  },
});

Deno.test("createVolume() under strict topology takes no request that names no place", async () => {
  const zone = "topology.purestorage.com/zone";
  const settings = { topology: { enable: true, strict: true, nodeLabels: [] } };
  const labels = { "fa-1": { [zone]: "a" }, "fa-2": { [zone]: "b" } };
  await ProvisionerBed.run({ settings, labels }, async (bed) => {
    const nowhere = [undefined, { requisite: [], preferred: [] }, {
      requisite: [{ "kubernetes.io/hostname": "n1" }],
      preferred: [],
    }];
    for (const topology of nowhere) {
      await rejects(bed.create("pvc-1", { topology }), {
        code: "exhausted",
        message:
          /^Cannot place pvc-1: storagetopology\.strictTopology is on, and the request names no/,
      });
    }
    await bed.create("pvc-1", { topology: { requisite: [{ [zone]: "b" }], preferred: [] } });
    deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": ["k8s-pvc-1"] });
    await bed.create("pvc-1");
  });
});

Deno.test({
  name:
    "a file system's snapshot has no size, and a restore of its old size works after it has grown",
  ignore: noFiles,
  fn: async () => {
    await ProvisionerBed.run({ flasharrays: 0, flashblades: 1 }, async (bed) => {
      const range = (required: number, limit = 0) => ({
        capabilities: [RWX],
        capacityRange: { requiredBytes: required * MiB, limitBytes: limit * MiB },
      });
      const volumeId = await bed.create("pvc-1", range(64));
      const snapshot = { name: "s-1", sourceVolumeId: volumeId };
      const before = await bed.provisioner.createSnapshot(snapshot, bed.signal);
      await bed.provisioner.expandVolume({ volumeId, ...range(128) }, bed.signal);
      const after = await bed.provisioner.createSnapshot(snapshot, bed.signal);
      const list = { maxEntries: 0, startingToken: "", snapshotId: "", sourceVolumeId: "" };
      const { entries: [listed] } = await bed.provisioner.listSnapshots(list, bed.signal);
      const { snapshotId } = before;
      const got = await bed.provisioner.getSnapshot(snapshotId, bed.signal);
      deepEqual([before, after, listed, got].map((one) => one?.sizeBytes), [0, 0, 0, 0]);
      const restored = async (name: string, required: number, limit = 0) => {
        const request = bed.request(name, {
          ...range(required, limit),
          contentSource: { snapshotId },
        });
        const { capacityBytes } = await bed.provisioner.createVolume(request, bed.signal);
        const again = await bed.provisioner.createVolume(request, bed.signal);
        equal(again.capacityBytes, capacityBytes);
        return capacityBytes / MiB;
      };
      equal(await restored("pvc-2", 64), 128, "the larger of what is asked and what it has now");
      equal(await restored("pvc-3", 200), 200);
      equal(await restored("pvc-4", 64, 96), 96, "the limit forbids more");
      equal(await restored("pvc-5", 64, 64), 64);
      equal(await restored("pvc-6", 0), 128);
    });
  },
});

Deno.test("provisioner: a class that names an array has its volumes there alone", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    for (const { id, array } of bed.fleet.members) {
      for (const name of ["pvc-1", "pvc-2", "pvc-3"]) {
        const parameters = { ARRAYID: ` ${id?.toUpperCase()} ` };
        const volumeId = await bed.create(`${name}-${array.label}`, { parameters });
        equal(volumeId.split("/")[0], id?.replaceAll("-", "").slice(0, 8).toLowerCase());
      }
    }
  });
});
