// GetCapacity: the room that a create would find, by placement's own rules.
import { deepEqual, equal, rejects } from "node:assert/strict";
import {
  Controller,
  VolumeCapability_AccessMode_Mode as Mode,
} from "../../src/csi/generated/csi_pb.ts";
import { isPsoError } from "../../src/errors.ts";
import { GiB, MiB, PiB, TiB } from "../../src/size.ts";
import { type BedOptions, ProvisionerBed, RWO } from "./provisioner_bed.ts";
import { withRows } from "./service_rows.ts";

const RACK = "topology.purestorage.com/rack";
const BLOCK = { backend: "block" };

interface Case {
  what: string;
  bed?: BedOptions;
  parameters: Record<string, string>;
  topology?: Record<string, string>;
  /** How many of two equal arrays have room. */
  arrays: 0 | 1 | 2;
}

/** A class or a place, and on how many of two arrays a create would find room for it. */
const CASES: Case[] = [
  { what: "a class that asks for nothing", parameters: BLOCK, arrays: 2 },
  {
    what: "a class with all raw keys of Kubernetes",
    parameters: {
      ...BLOCK,
      "csi.storage.k8s.io/fstype": "xfs",
      "csi.storage.k8s.io/provisioner-secret-name": "chap",
      "csi.storage.k8s.io/provisioner-secret-namespace": "pso",
      "csi.storage.k8s.io/node-stage-secret-name": "${pvc.name}",
      "csi.storage.k8s.io/what-comes-later": "x",
    },
    arrays: 2,
  },
  { what: "labels", parameters: { ...BLOCK, array_selector: "tier=gold" }, arrays: 1 },
  {
    what: "a selector",
    parameters: {
      ...BLOCK,
      selector: '{"matchExpressions":[{"key":"tier","operator":"In","values":["gold","tin"]}]}',
    },
    arrays: 1,
  },
  { what: "a place", parameters: BLOCK, topology: { [RACK]: "1" }, arrays: 1 },
  { what: "a place that no array serves", parameters: BLOCK, topology: { [RACK]: "9" }, arrays: 0 },
  {
    what: "a place without a label that counts",
    parameters: BLOCK,
    topology: { "kubernetes.io/hostname": "n1" },
    arrays: 2,
  },
  {
    what: "the same where topology is strict",
    bed: { settings: { topology: { enable: true, strict: true, nodeLabels: [] } } },
    parameters: BLOCK,
    topology: { "kubernetes.io/hostname": "n1" },
    arrays: 0,
  },
  { what: "a suspended array", bed: { suspended: ["fa-2"] }, parameters: BLOCK, arrays: 1 },
  { what: "the other kind", parameters: { backend: "file" }, arrays: 0 },
  {
    what: "a class whose protocol is of the other kind",
    parameters: { ...BLOCK, protocol: "nfs" },
    arrays: 0,
  },
];

const LABELS = {
  "fa-1": { tier: "gold", [RACK]: "1" },
  "fa-2": { tier: "silver", [RACK]: "2" },
};

for (const { what, bed: options, parameters, topology, arrays } of CASES) {
  Deno.test(`15.10: getCapacity() of ${what} has the room that a create finds`, async () => {
    const fleet = { labels: LABELS, capacityBytes: 100 * GiB, ...options };
    await ProvisionerBed.run(fleet, async (bed) => {
      const room = bed.provisioner.getCapacity({ capabilities: [], parameters, topology });
      deepEqual([room.availableBytes, room.maximumVolumeBytes], [
        arrays * 95 * GiB,
        arrays === 0 ? 0 : 95 * GiB,
      ]);
      const created = bed.create("pvc-1", {
        parameters,
        topology: topology && { requisite: [topology], preferred: [] },
      });
      if (arrays > 0) await created;
      else await rejects(created, (error) => isPsoError(error, "exhausted", "invalid"));
    });
  });
}

Deno.test("getCapacity() of a class with arrayID is the room of that array", async () => {
  await ProvisionerBed.run({ capacityBytes: 100 * GiB }, (bed) => {
    const arrayID = bed.fleet.members[1]?.id ?? "";
    const ask = (id: string) =>
      bed.provisioner.getCapacity({ capabilities: [], parameters: { ...BLOCK, arrayID: id } })
        .availableBytes;
    deepEqual([ask(arrayID), ask(crypto.randomUUID())], [95 * GiB, 0]);
    return Promise.resolve();
  });
});

Deno.test("getCapacity() heeds headroom, limits and silence", async () => {
  const settings = { placement: { headroomPercent: 20, volumesPerArray: 1 } };
  await ProvisionerBed.run({ settings, capacityBytes: 100 * GiB }, async (bed) => {
    const room = () =>
      bed.provisioner.getCapacity({ capabilities: [RWO], parameters: BLOCK }).availableBytes;
    equal(room(), 160 * GiB);
    await bed.create("pvc-1");
    equal(room(), 80 * GiB, "one array holds all that it may");
    for (const array of ["fa-1", "fa-2"]) bed.link(array, "unreachable");
    await bed.fleet.refresh(bed.signal);
    equal(room(), 0);
  });
});

Deno.test("getCapacity() of an array that was taken out of the configuration is nothing", async () => {
  await ProvisionerBed.run({ capacityBytes: 100 * GiB }, async (bed) => {
    const [first, second] = bed.fleet.members;
    await bed.create("pvc-1");
    bed.fleet.replace([first, second].flatMap((one) => one ? [{ array: one.array }] : []).slice(1));
    equal(
      bed.provisioner.getCapacity({ capabilities: [], parameters: BLOCK }).availableBytes,
      95 * GiB,
    );
  });
});

Deno.test("getCapacity() tells no larger volume than an array takes", async () => {
  await ProvisionerBed.run({ flasharrays: 2, capacityBytes: 8 * PiB }, (bed) => {
    const room = bed.provisioner.getCapacity({ capabilities: [], parameters: BLOCK });
    equal(room.maximumVolumeBytes, 4 * PiB);
    equal(room.availableBytes > 8 * PiB, true);
    return Promise.resolve();
  });
  await ProvisionerBed.run({ flasharrays: 1, capacityBytes: 200 * MiB }, (bed) => {
    const xfs = bed.provisioner.getCapacity({ capabilities: [RWO], parameters: BLOCK });
    deepEqual([xfs.availableBytes, xfs.minimumVolumeBytes], [0, 300 * MiB]);
    const raw = bed.provisioner.getCapacity({ capabilities: [], parameters: BLOCK });
    deepEqual([raw.availableBytes, raw.minimumVolumeBytes], [190 * MiB, MiB]);
    return Promise.resolve();
  });
});

Deno.test("getCapacity() of FlashBlades and of FlashArrays are two things", async () => {
  await ProvisionerBed.run({ flasharrays: 1, flashblades: 1, capacityBytes: TiB }, (bed) => {
    const ask = (backend: string) =>
      bed.provisioner.getCapacity({ capabilities: [], parameters: { backend } });
    for (const backend of ["block", "file"]) {
      equal(ask(backend).availableBytes, ask(backend).maximumVolumeBytes, backend);
      equal(ask(backend).availableBytes > 0, true, backend);
    }
    return Promise.resolve();
  });
});

Deno.test(
  "GetCapacity takes a capability without a mode, of older callers",
  withRows(async (rows) => {
    const all = await rows.call(Controller.method.getCapacity, {});
    const asked = await rows.call(Controller.method.getCapacity, {
      volumeCapabilities: [{
        accessType: { case: "mount", value: {} },
        accessMode: { mode: Mode.UNKNOWN },
      }],
    });
    equal(asked.availableCapacity, all.availableCapacity);
  }),
);
