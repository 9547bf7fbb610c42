// Changed blocks from two controllers of the program: the leader and a standby.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { claimNameOf } from "../../scripts/claim.ts";
import { connectCsi } from "../../scripts/csi_client.ts";
import { until } from "../../src/async/wait.ts";
import {
  type GetMetadataAllocatedResponse,
  type GetMetadataDeltaResponse,
  SnapshotMetadata,
} from "../../src/csi/generated/csi_pb.ts";
import { MiB } from "../../src/size.ts";
import { StreamClient } from "../support/stream_client.ts";
import { LeaderBed, type Replica } from "./leader_bed.ts";

const { getMetadataAllocated, getMetadataDelta } = SnapshotMetadata.method;
const START_MS = 30_000;
const BLOCK = 65_536;

type Answer = GetMetadataAllocatedResponse | GetMetadataDeltaResponse;

/** Every range of the messages, as its offset and size. */
function rangesOf(messages: Answer[]): number[][] {
  return messages.flatMap(({ blockMetadata }) => blockMetadata)
    .map(({ byteOffset, sizeBytes }) => [Number(byteOffset), Number(sizeBytes)]);
}

async function read<T extends Answer>(stream: ClientReadableStream<T>): Promise<number[][]> {
  const messages: T[] = [];
  for await (const message of stream) messages.push(message);
  ok(messages.length > 0);
  return rangesOf(messages);
}

/** Two controllers that serve changed blocks: the one that leads, and the standby. */
async function twoReplicas(bed: LeaderBed): Promise<{ leader: Replica; standby: Replica }> {
  bed.start("pso-a", { hasMetadata: true });
  const leader = await bed.leader(START_MS);
  const standby = bed.start("pso-b", { hasMetadata: true });
  const isStandby = async () => /another process leads/.test(await standby.child.output());
  await until("the standby", isStandby, { timeoutMs: START_MS });
  return { leader, standby };
}

/** A volume with two snapshots, written before each of them. */
async function snapshots(bed: LeaderBed, leader: Replica): Promise<[string, string]> {
  await leader.create(claimNameOf("blocks"));
  const csi = leader.connect();
  try {
    const { entries } = await csi.controller.listVolumes({});
    const sourceVolumeId = entries[0]?.volume?.volumeId ?? "";
    const image = await bed.imageOf(sourceVolumeId.slice(sourceVolumeId.indexOf("/") + 1));
    const take = async (name: string, ...at: number[]) => {
      using file = await Deno.open(image, { write: true });
      for (const offset of at) {
        await file.seek(offset, Deno.SeekMode.Start);
        await file.write(new Uint8Array(512).fill(at.length));
      }
      const { snapshot } = await csi.controller.createSnapshot({ name, sourceVolumeId });
      return snapshot?.snapshotId ?? "";
    };
    return [await take("snapshot-1", 0, 10 * MiB, 900 * MiB), await take("snapshot-2", 20 * MiB)];
  } finally {
    csi.close();
  }
}

Deno.test("15.7: leader and standby tell changed blocks by a socket of their own, and change nothing", async () => {
  await LeaderBed.run(async (bed) => {
    const { leader, standby } = await twoReplicas(bed);
    const [base, target] = await snapshots(bed, leader);
    await bed.forget();
    for (const { name, metadata } of [leader, standby]) {
      const csi = connectCsi(metadata, { ownConnection: true });
      using streams = new StreamClient(metadata);
      try {
        equal((await csi.identity.getPluginInfo({})).name, "pure-csi", name);
        equal((await csi.identity.probe({}, { timeoutMs: 5_000 })).ready, true, name);
        const { capabilities } = await csi.identity.getPluginCapabilities({});
        const services = capabilities.map(({ type }) => [type.case, type.value?.type]);
        deepEqual(services.filter(([kind]) => kind === "service"), [
          ["service", 1],
          ["service", 3],
          ["service", 4],
        ], name);
        deepEqual(await read(streams.open(getMetadataAllocated, { snapshotId: base })), [
          [0, BLOCK],
          [10 * MiB, BLOCK],
          [900 * MiB, BLOCK],
        ], name);
        const delta = { baseSnapshotId: base, targetSnapshotId: target };
        deepEqual(await read(streams.open(getMetadataDelta, delta)), [[20 * MiB, BLOCK]], name);
        const gone = read(streams.open(getMetadataAllocated, { snapshotId: `${base}-none` }));
        await rejects(gone, { code: status.NOT_FOUND }, name);
        const change = csi.controller.createVolume({ name: "pvc-never" });
        await rejects(change, { code: status.UNIMPLEMENTED }, name);
        const deletion = csi.controller.deleteSnapshot({ snapshotId: base });
        await rejects(deletion, { code: status.UNIMPLEMENTED }, name);
      } finally {
        csi.close();
      }
    }
    equal(await bed.changes(), 0);
  });
});

Deno.test("15.7: a list that lost its controller goes on at the standby, where it was", async () => {
  await LeaderBed.run(async (bed) => {
    const { leader, standby } = await twoReplicas(bed);
    const [base] = await snapshots(bed, leader);
    const request = { snapshotId: base, maxResults: 1 };
    using first = new StreamClient(leader.metadata);
    const stream = first.open(getMetadataAllocated, request);
    const begun: GetMetadataAllocatedResponse[] = [];
    for await (const message of stream) {
      begun.push(message);
      break; // the reader goes away
    }
    leader.child.signal("SIGKILL");
    await leader.child.ended;
    const [[offset = 0, size = 0] = []] = rangesOf(begun);
    using second = new StreamClient(standby.metadata);
    const startingOffset = BigInt(offset + size);
    const rest = await read(second.open(getMetadataAllocated, { ...request, startingOffset }));
    deepEqual([[offset, size], ...rest], [[0, BLOCK], [10 * MiB, BLOCK], [900 * MiB, BLOCK]]);
  });
});

Deno.test("15.7: without the flag there is no second socket, and the first one offers nothing new", async () => {
  await LeaderBed.run(async (bed) => {
    bed.start("pso-a");
    const leader = await bed.leader(START_MS);
    const csi = leader.connect();
    try {
      const { capabilities } = await csi.identity.getPluginCapabilities({});
      const types = capabilities.filter(({ type }) => type.case === "service")
        .map(({ type }) => type.value?.type);
      deepEqual(types, [1, 3]);
    } finally {
      csi.close();
    }
    await rejects(Deno.stat(leader.metadata.replace("unix://", "")), Deno.errors.NotFound);
    using streams = new StreamClient(leader.metadata.replace("-metadata", ""));
    const stream = streams.open(getMetadataAllocated, { snapshotId: "a/v.s" });
    await rejects(read(stream), { code: status.UNIMPLEMENTED });
  });
});
