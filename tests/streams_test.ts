// What a reader that reads nothing costs a stream of the endpoint, by frames of HTTP/2 by hand:
// clients of gRPC read ahead, whatever their user does.
import { deepEqual, ok } from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { until } from "../src/async/wait.ts";
import { startEndpoint } from "../src/csi/endpoint.ts";
import { SnapshotMetadata } from "../src/csi/generated/csi_pb.ts";
import { streamed } from "../src/csi/streamed.ts";
import { silentLogger } from "../src/log.ts";
import { Metrics } from "../src/metrics/metrics.ts";
import {
  DATA,
  encode,
  END_HEADERS,
  END_STREAM,
  type Frame,
  HEADERS,
  PING,
  PREFACE,
  readUntil,
  requestHeaders,
  SETTINGS,
} from "./goaway/raw_frames.ts";

const { getMetadataAllocated } = SnapshotMetadata.method;
/** What a client takes before it says that it has room for more (RFC 9113 6.9.2). */
const WINDOW_BYTES = 65_535;

/** A message of some 10 KiB. */
const MESSAGE = {
  volumeCapacityBytes: 1n << 44n,
  blockMetadata: Array.from({ length: 500 }, (_, at) => ({
    byteOffset: (1n << 43n) + BigInt(at * 131_072),
    sizeBytes: 65_536n,
  })),
};

/** The request, in the frame that gRPC puts around a message. */
function requestData(): Uint8Array {
  const { input } = getMetadataAllocated;
  const message = toBinary(input, create(input, { snapshotId: "a/v.s" }));
  return Uint8Array.from([0, 0, 0, 0, message.length, ...message]);
}

/** A client by frames, with one stream that its window is full of; undefined when it is refused. */
async function openStream(path: string) {
  const connection = await Deno.connect({ transport: "unix", path });
  const send = async (frame: Partial<Frame> & { type: number }) => {
    const bytes = encode({ flags: 0, stream: 0, payload: new Uint8Array(), ...frame });
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  };
  await connection.write(PREFACE);
  await send({ type: SETTINGS });
  const payload = requestHeaders("/csi.v1.SnapshotMetadata/GetMetadataAllocated");
  await send({ type: HEADERS, flags: END_HEADERS, stream: 1, payload });
  await send({ type: DATA, flags: END_STREAM, stream: 1, payload: requestData() });
  let given = 0;
  await readUntil(connection, ({ type, flags, payload }) => {
    if (type === DATA) given += payload.length;
    const isRefused = type === HEADERS && (flags & END_STREAM) !== 0;
    return given === WINDOW_BYTES || isRefused;
  });
  if (given === WINDOW_BYTES) return { connection, send };
  connection.close();
  return undefined;
}

Deno.test("15.7: a reader that reads nothing stops the work, and its going away ends it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pso-streams-" });
  const path = `${folder}/csi.sock`;
  let made = 0;
  let ended = 0;
  const handle = async function* () {
    try {
      for (;;) {
        made++;
        yield await Promise.resolve(MESSAGE);
      }
    } finally {
      ended++;
    }
  };
  const endpoint = await startEndpoint({
    endpoint: path,
    driverName: "pure-csi",
    methods: [],
    streams: [streamed(getMetadataAllocated, { handle })],
    log: silentLogger,
    metrics: new Metrics(),
    drainMs: 0,
    limits: { calls: 1 },
  });
  // One after the other: what is gone holds no place.
  for (let round = 1; round <= 3; round++) {
    made = 0;
    const { connection, send } = await until(`stream ${round}`, () => openStream(path), {
      timeoutMs: 10_000,
    });
    // The server goes on with all else, and makes nothing more.
    const before = made;
    for (let ping = 0; ping < 20; ping++) {
      await send({ type: PING, payload: new Uint8Array(8) });
      await readUntil(connection, ({ type }) => type === PING);
    }
    ok(made < 100, `${made} messages for nobody`);
    ok(made - before < 20, `${made - before} more while nothing was read`);
    deepEqual([endpoint.running(), ended], [1, round - 1]);
    connection.close();
    await until("the end of the work", () => ended === round, { timeoutMs: 10_000 });
    await until("the end of the call", () => endpoint.running() === 0, { timeoutMs: 10_000 });
  }
  await endpoint.stop();
  await Deno.remove(folder, { recursive: true });
});
