import { doesNotThrow, equal, match, throws } from "node:assert/strict";
import type { StorageArray, Volume, VolumeKind } from "../../arrays/array.ts";
import type { FleetMember } from "../../arrays/fleet.ts";
import { isPsoError } from "../../errors.ts";
import { GiB } from "../../size.ts";
import { parseParameters } from "../parameters.ts";
import type { CreateVolumeRequest } from "../requests.ts";
import { refuseDifferentVolume } from "./existing_volume.ts";

/** Where the volume of the name is, what it is like, and what is asked for. */
interface Meeting {
  has?: VolumeKind;
  volume?: Partial<Volume>;
  labels?: Record<string, string>;
  asks?: VolumeKind;
  request?: Partial<CreateVolumeRequest>;
  range?: { requiredBytes: number; limitBytes: number };
}

function meet(
  { has = "block", volume, labels = {}, asks = "block", request, range }: Meeting,
): void {
  const array = { label: "array-1", kind: has } as StorageArray;
  const member = { array, labels } as unknown as FleetMember;
  refuseDifferentVolume(
    { member, volume: { name: "k8s-pvc-1", sizeBytes: GiB, ...volume } as Volume },
    {
      request: { name: "pvc-1", capabilities: [], parameters: {}, ...request },
      name: "k8s-pvc-1",
      kind: asks,
      parameters: parseParameters({}),
      range: range ?? { requiredBytes: GiB, limitBytes: 0 },
    },
  );
}

const PLACE = { "topology.purestorage.com/rack": "1" };
const SOURCE = { volumeId: "2dcf29ad/k8s-pvc-0" };
const SMALL = { requiredBytes: 2 * GiB, limitBytes: 0 };

const ALIKE: (Meeting & { name: string })[] = [
  { name: "a block volume of the size" },
  { name: "a file system of the size", has: "file", asks: "file" },
  {
    name: "a clone of the source",
    volume: { source: "k8s-pvc-0" },
    request: { contentSource: SOURCE },
  },
  {
    name: "a clone that is not grown yet",
    volume: { source: "k8s-pvc-0" },
    request: { contentSource: SOURCE },
    range: SMALL,
  },
  {
    name: "a volume on an array that the topology asks for",
    labels: PLACE,
    request: { topology: { requisite: [PLACE], preferred: [] } },
  },
];

for (const { name, ...meeting } of ALIKE) {
  Deno.test(`refuseDifferentVolume() lets ${name} pass`, () => doesNotThrow(() => meet(meeting)));
}

const DIFFERENT: (Meeting & { name: string; says: RegExp })[] = [
  {
    name: "a block volume where a file system is asked for",
    asks: "file",
    says: /it is a block volume and file is asked for$/,
  },
  {
    name: "a file system where a block volume is asked for",
    has: "file",
    says: /it is a file volume and block is asked for$/,
  },
  {
    name: "a clone where a new volume is asked for",
    volume: { source: "k8s-pvc-0" },
    says: /it has the source k8s-pvc-0 and no source is asked for$/,
  },
  {
    name: "a new volume where a clone is asked for",
    request: { contentSource: SOURCE },
    says: /it has no source and the source 2dcf29ad\/k8s-pvc-0 is asked for$/,
  },
  {
    name: "a clone of another volume",
    volume: { source: "k8s-pvc-7" },
    request: { contentSource: SOURCE },
    says: /it has the source k8s-pvc-7 and the source 2dcf29ad\/k8s-pvc-0 is asked for$/,
  },
  { name: "a smaller volume", range: SMALL, says: /differs: .*1 GiB.*2 GiB/ },
  {
    name: "a volume that is larger than the limit",
    volume: { sizeBytes: 4 * GiB },
    range: { requiredBytes: GiB, limitBytes: 2 * GiB },
    says: /differs: .*4 GiB/,
  },
  {
    name: "a volume on an array that the topology does not ask for",
    labels: { "topology.purestorage.com/rack": "2" },
    request: { topology: { requisite: [PLACE], preferred: [] } },
    says: /differs: the array .*rack/,
  },
];

for (const { name, says, ...meeting } of DIFFERENT) {
  Deno.test(`refuseDifferentVolume() refuses ${name}, and names claim, array and difference`, () => {
    throws(() => meet(meeting), (error) => {
      equal(isPsoError(error, "conflict"), true, String(error));
      match(String(error), /pvc-1 exists already on array-1 as k8s-pvc-1, and differs: /);
      match(String(error), says);
      return true;
    });
  });
}
