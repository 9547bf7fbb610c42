// Changed blocks: what the SnapshotMetadata service tells of snapshots on simulated arrays.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { onlyReading } from "../../src/async/only_reads.ts";
import { callSamples } from "../../src/csi/call.ts";
import {
  BlockMetadataType,
  type GetMetadataAllocatedResponse,
  type GetMetadataDeltaResponse,
  SnapshotMetadata,
} from "../../src/csi/generated/csi_pb.ts";
import { snapshotMetadataService } from "../../src/csi/snapshot_metadata_service.ts";
import { answerStream } from "../../src/csi/streamed.ts";
import { silentLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { KiB, MiB } from "../../src/size.ts";
import { ProvisionerBed, RAW_RWX } from "./provisioner_bed.ts";

const { getMetadataAllocated, getMetadataDelta } = SnapshotMetadata.method;
const SIZE = 64 * MiB;
const BLOCK = 64 * KiB;

type Answer = GetMetadataAllocatedResponse | GetMetadataDeltaResponse;

/** How one stream ended, and what it said until then. */
interface Read {
  code: status;
  error: string;
  messages: Answer[];
  /** Each as its offset and size in KiB. */
  ranges: number[][];
}

async function read<I extends DescMessage, O extends DescMessage>(
  bed: ProvisionerBed,
  desc: DescMethodServerStreaming<I, O>,
  init: MessageInitShape<I>,
  signal = bed.signal,
): Promise<Read> {
  const row = snapshotMetadataService(() => bed.provisioner).find(({ name }) => name === desc.name);
  ok(row);
  const bytes = toBinary(desc.input, create(desc.input, init));
  const messages: Answer[] = [];
  const ended = await answerStream(row, { bytes, signal }, {
    log: silentLogger,
    samples: callSamples(new Metrics()),
    driverName: "pure-csi",
    send: (bytes) => {
      // Both calls answer with the same fields.
      messages.push(fromBinary(getMetadataAllocated.output, bytes));
      return Promise.resolve();
    },
  });
  const ranges = messages.flatMap(({ blockMetadata }) => blockMetadata)
    .map(({ byteOffset, sizeBytes }) => [Number(byteOffset) / KiB, Number(sizeBytes) / KiB]);
  return { code: ended?.code ?? status.OK, error: ended?.message ?? "", messages, ranges };
}

function allocated(bed: ProvisionerBed, snapshotId: string, more = {}): Promise<Read> {
  return read(bed, getMetadataAllocated, { snapshotId, ...more });
}

function delta(bed: ProvisionerBed, [base, target]: [string, string], more = {}): Promise<Read> {
  const request = { baseSnapshotId: base, targetSnapshotId: target, ...more };
  return read(bed, getMetadataDelta, request);
}

function volume(bed: ProvisionerBed, name: string): Promise<string> {
  const capacityRange = { requiredBytes: SIZE, limitBytes: 0 };
  return bed.create(name, { capacityRange, capabilities: [RAW_RWX] });
}

async function snapshot(bed: ProvisionerBed, sourceVolumeId: string, name: string) {
  const request = { name, sourceVolumeId };
  return (await bed.provisioner.createSnapshot(request, bed.signal)).snapshotId;
}

function nameOf(handle: string): string {
  return handle.slice(handle.indexOf("/") + 1);
}

/** Writes into the volume as a host does. */
async function write(bed: ProvisionerBed, volumeId: string, ...at: number[]): Promise<void> {
  const query = { names: nameOf(volumeId) };
  const call = { method: "GET", path: "volumes", query } as const;
  const [item] = await bed.admin<{ id: string }>("fa-1", call);
  using image = await Deno.open(`${bed.served.plane}/fa-1/images/${item?.id}`, { write: true });
  for (const offset of at) {
    await image.seek(offset, Deno.SeekMode.Start);
    await image.write(new Uint8Array(4 * KiB).fill(7 + at.length));
  }
}

function withArray(
  test: (bed: ProvisionerBed) => Promise<void>,
  options: { flasharrays?: number; flashblades?: number } = {},
): () => Promise<void> {
  return () => ProvisionerBed.run({ flasharrays: 1, flashblades: 0, ...options }, test);
}

Deno.test(
  "15.7: a snapshot's data and the changes since another are told, whatever was written after",
  withArray(async (bed) => {
    const id = await volume(bed, "pvc-1");
    const empty = await snapshot(bed, id, "snapshot-0");
    await write(bed, id, 0, 4 * KiB, MiB, 10 * MiB + BLOCK - KiB, SIZE - 4 * KiB);
    const first = await snapshot(bed, id, "snapshot-1");
    await write(bed, id, MiB + 8 * KiB, 30 * MiB);
    const second = await snapshot(bed, id, "snapshot-2");
    await write(bed, id, 50 * MiB);
    const data = [[0, 64], [1024, 64], [10 * 1024, 128], [64 * 1024 - 64, 64]];
    const full = await allocated(bed, first);
    deepEqual([full.code, full.ranges], [status.OK, data]);
    for (const { blockMetadataType, volumeCapacityBytes } of full.messages) {
      equal(blockMetadataType, BlockMetadataType.VARIABLE_LENGTH);
      equal(volumeCapacityBytes, BigInt(SIZE));
    }
    deepEqual((await delta(bed, [first, second])).ranges, [[1024, 64], [30 * 1024, 64]]);
    deepEqual((await delta(bed, [empty, first])).ranges, data);
    deepEqual((await delta(bed, [first, first])).ranges, []);
    const nothing = await allocated(bed, empty);
    deepEqual([nothing.code, nothing.ranges, nothing.messages.length], [status.OK, [], 1]);
    equal(nothing.messages[0]?.volumeCapacityBytes, BigInt(SIZE));
  }),
);

Deno.test(
  "15.7: a list that was cut goes on where its last range ended, and no message has more than asked for",
  withArray(async (bed) => {
    const id = await volume(bed, "pvc-1");
    const places = Array.from({ length: 7 }, (_, at) => at * 5 * MiB);
    await write(bed, id, ...places);
    const taken = await snapshot(bed, id, "snapshot-1");
    const whole = await allocated(bed, taken, { maxResults: 2 });
    deepEqual(whole.messages.map(({ blockMetadata }) => blockMetadata.length), [2, 2, 2, 1]);
    equal(whole.ranges.length, 7);
    for (const [at, [offset = 0, size = 0]] of whole.ranges.entries()) {
      const startingOffset = BigInt((offset + size) * KiB);
      const rest = await allocated(bed, taken, { startingOffset });
      deepEqual(rest.ranges, whole.ranges.slice(at + 1));
    }
    const inside = await allocated(bed, taken, { startingOffset: BigInt(5 * MiB + 512) });
    deepEqual(inside.ranges[0], [5 * 1024 + 0.5, 63.5]);
    const end = await allocated(bed, taken, { startingOffset: BigInt(SIZE) });
    deepEqual([end.code, end.ranges, end.messages.length], [status.OK, [], 1]);
  }),
);

Deno.test(
  "15.7: a volume that grew is compared in its new size",
  withArray(async (bed) => {
    const id = await volume(bed, "pvc-1");
    const before = await snapshot(bed, id, "snapshot-1");
    const capacityRange = { requiredBytes: 2 * SIZE, limitBytes: 0 };
    await bed.provisioner.expandVolume({ volumeId: id, capacityRange }, bed.signal);
    await write(bed, id, SIZE + MiB);
    const after = await snapshot(bed, id, "snapshot-2");
    const { messages, ranges } = await delta(bed, [before, after]);
    deepEqual(ranges, [[(SIZE + MiB) / KiB, 64]]);
    equal(messages[0]?.volumeCapacityBytes, BigInt(2 * SIZE));
  }),
);

Deno.test(
  "15.7: every form of a snapshot's handle is read: PSO's, a bare one, and one of a group",
  withArray(async (bed) => {
    const id = await volume(bed, "pvc-1");
    await write(bed, id, MiB);
    const taken = nameOf(await snapshot(bed, id, "snapshot-1"));
    const name = "groupsnapshot-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
    const request = { name, sourceVolumeIds: [id] };
    const group = await bed.provisioner.createGroupSnapshot(request, bed.signal);
    const [member] = group.snapshots;
    ok(taken.startsWith("k8s-pvc-1."), taken);
    for (const form of [taken, taken.replace("k8s-", "k8s/"), member?.snapshotId ?? ""]) {
      deepEqual((await allocated(bed, form)).ranges, [[1024, 64]], form);
    }
    deepEqual((await delta(bed, [taken, member?.snapshotId ?? ""])).ranges, []);
  }),
);

Deno.test(
  "15.7: the codes of changed blocks are those of the specification",
  withArray(async (bed) => {
    const [one, other] = [await volume(bed, "pvc-1"), await volume(bed, "pvc-2")];
    const first = await snapshot(bed, one, "snapshot-1");
    const foreign = await snapshot(bed, other, "snapshot-2");
    const file = await bed.create("pvc-3", { parameters: { backend: "file" } });
    const ofFile = await snapshot(bed, file, "snapshot-3");
    const beyond = { startingOffset: BigInt(SIZE + 1) };
    const cases: [call: Promise<Read>, code: status, error: RegExp][] = [
      [allocated(bed, ""), status.INVALID_ARGUMENT, /^snapshot_id is missing$/],
      [delta(bed, ["", first]), status.INVALID_ARGUMENT, /^base_snapshot_id is missing$/],
      [delta(bed, [first, ""]), status.INVALID_ARGUMENT, /^target_snapshot_id is missing$/],
      [
        allocated(bed, first, { startingOffset: -1n }),
        status.INVALID_ARGUMENT,
        /starting_offset is -1, it must not be negative/,
      ],
      [allocated(bed, first, { maxResults: -1 }), status.INVALID_ARGUMENT, /max_results is -1/],
      [
        delta(bed, [foreign, first]),
        status.INVALID_ARGUMENT,
        /^snapshots k8s-pvc-2\..* and k8s-pvc-1\..* on array fa-1 are of different volumes: /,
      ],
      [
        delta(bed, [ofFile, first]),
        status.INVALID_ARGUMENT,
        /^snapshot .* is on array fb-1 and .* on fa-1: name two snapshots of one volume/,
      ],
      [allocated(bed, `${first}-none`), status.NOT_FOUND, /does not exist: no array that could/],
      [delta(bed, [`${first}-none`, first]), status.NOT_FOUND, /-none does not exist/],
      [delta(bed, [first, `${first}-none`]), status.NOT_FOUND, /-none does not exist/],
      [allocated(bed, "nothing"), status.NOT_FOUND, /^snapshot nothing does not exist/],
      [
        allocated(bed, first, beyond),
        status.OUT_OF_RANGE,
        /^starting_offset is 67108865, and snapshot .* has 67108864 bytes: begin below that$/,
      ],
      [delta(bed, [first, first], beyond), status.OUT_OF_RANGE, /^starting_offset is/],
      [
        allocated(bed, ofFile),
        status.FAILED_PRECONDITION,
        /^array fb-1 is a FlashBlade and tells no blocks of .*: back up the files of a claim/,
      ],
      [delta(bed, [ofFile, ofFile]), status.FAILED_PRECONDITION, /is a FlashBlade/],
    ];
    for (const [call, code, error] of cases) {
      const ended = await call;
      deepEqual([ended.code, ended.messages.length], [code, 0], `${error}: ${ended.error}`);
      match(ended.error, error);
    }
  }, { flashblades: 1 }),
);

Deno.test(
  "15.7: snapshots of two arrays have no changes in common",
  withArray(async (bed) => {
    const taken = new Map<string, string>();
    for (let at = 1; taken.size < 2 && at <= 20; at++) {
      const id = await volume(bed, `pvc-${at}`);
      taken.set(id.split("/")[0] ?? "", await snapshot(bed, id, `snapshot-${at}`));
    }
    const [first = "", second = ""] = taken.values();
    const { code, error } = await delta(bed, [first, second]);
    equal(code, status.INVALID_ARGUMENT);
    match(
      error,
      /^snapshot .* is on array fa-\d and .* on fa-\d: name two snapshots of one volume/,
    );
  }, { flasharrays: 2 }),
);

Deno.test(
  "15.7: a silent array makes the call UNAVAILABLE and says which one it is",
  withArray(async (bed) => {
    const id = await volume(bed, "pvc-1");
    const taken = await snapshot(bed, id, "snapshot-1");
    await bed.silence("fa-1");
    const request = { snapshotId: taken };
    const { code, error } = await read(bed, getMetadataAllocated, request, bed.soon());
    equal(code, status.UNAVAILABLE, error);
    match(error, /fa-1/);
  }),
);

Deno.test(
  "15.7: a destroyed snapshot is not found",
  withArray(async (bed) => {
    const id = await volume(bed, "pvc-1");
    const taken = await snapshot(bed, id, "snapshot-1");
    await bed.provisioner.deleteSnapshot(taken, bed.signal);
    equal((await allocated(bed, taken)).code, status.NOT_FOUND);
  }),
);

Deno.test(
  "15.7: whatever is asked of the service, nothing but reads leaves for an array",
  withArray(async (bed) => {
    const id = await volume(bed, "pvc-1");
    await write(bed, id, MiB);
    const [first, second] = [
      await snapshot(bed, id, "snapshot-1"),
      await snapshot(bed, id, "snapshot-2"),
    ];
    await bed.restart();
    const calls = await bed.calls(async () => {
      for (const handle of [first, nameOf(first), `${first}-none`, "none", ""]) {
        await allocated(bed, handle);
        await delta(bed, [handle, second]);
        await delta(bed, [second, handle], { startingOffset: 1n << 60n });
      }
    });
    ok(calls.some((call) => call.endsWith("/volumes/diff")));
    deepEqual(calls.filter((call) => !call.startsWith("GET ")), []);
  }),
);

Deno.test(
  "15.7: a change that is tried on behalf of a call that only reads never leaves",
  withArray(async (bed) => {
    const [id, unused] = [await volume(bed, "pvc-1"), await volume(bed, "pvc-2")];
    const taken = await snapshot(bed, id, "snapshot-1");
    const tries: [what: string, change: () => Promise<unknown>][] = [
      ["create", () => bed.create("pvc-3")],
      ["delete", () => bed.provisioner.deleteVolume(unused, bed.signal)],
      ["snapshot", () => snapshot(bed, id, "snapshot-2")],
      ["delete of a snapshot", () => bed.provisioner.deleteSnapshot(taken, bed.signal)],
    ];
    const calls = await bed.calls(async () => {
      for (const [what, change] of tries) {
        await rejects(onlyReading(change), /on behalf of a call that only reads/, what);
      }
    });
    deepEqual(calls.filter((call) => !call.startsWith("GET ")), []);
    await bed.provisioner.deleteSnapshot(taken, bed.signal);
    await bed.provisioner.deleteVolume(unused, bed.signal);
  }),
);
