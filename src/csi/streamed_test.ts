import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  type ClientReadableStream,
  credentials,
  status,
  type StatusObject,
} from "@grpc/grpc-js";
import { isOnlyReading } from "../async/only_reads.ts";
import { pause, until } from "../async/wait.ts";
import { PsoError } from "../errors.ts";
import { createLogger } from "../log.ts";
import { Metrics } from "../metrics/metrics.ts";
import type { CallLimits } from "./call_limits.ts";
import { type Endpoint, startEndpoint } from "./endpoint.ts";
import {
  BlockMetadataType,
  type GetMetadataAllocatedResponse,
  type GetMetadataAllocatedResponseSchema,
  SnapshotMetadata,
} from "./generated/csi_pb.ts";
import { DRIVER_NAME, identityService } from "./identity_service.ts";
import { streamed } from "./streamed.ts";

const { getMetadataAllocated } = SnapshotMetadata.method;
const PATH = "/csi.v1.SnapshotMetadata/GetMetadataAllocated";
/** Ranges of one message: it has some 10 KiB. */
const RANGES = 500;

type Message = MessageInitShape<typeof GetMetadataAllocatedResponseSchema>;
type Reader = ClientReadableStream<GetMetadataAllocatedResponse>;

/** The message of that number, with as many ranges as the driver's. */
function message(number: number): Message {
  return {
    blockMetadataType: BlockMetadataType.VARIABLE_LENGTH,
    volumeCapacityBytes: 1n << 44n,
    blockMetadata: Array.from({ length: RANGES }, (_, at) => ({
      byteOffset: BigInt((number * RANGES + at) * 131_072),
      sizeBytes: 65_536n,
    })),
  };
}

interface Bed extends AsyncDisposable {
  endpoint: Endpoint;
  lines: Record<string, unknown>[];
  metrics: Metrics;
  read(options?: { timeoutMs?: number; snapshotId?: string }): Reader;
  /** A client with a connection of its own. */
  client(): Client;
}

/** An endpoint whose GetMetadataAllocated is `handle`, and Identity beside it. */
async function bed(
  handle: (snapshotId: string, signal: AbortSignal) => AsyncIterable<Message>,
  limits: Partial<CallLimits> = {},
): Promise<Bed> {
  const folder = Deno.makeTempDirSync({ dir: "/tmp", prefix: "streams-" });
  const path = `${folder}/csi.sock`;
  const lines: Record<string, unknown>[] = [];
  const metrics = new Metrics();
  const endpoint = await startEndpoint({
    endpoint: path,
    driverName: DRIVER_NAME,
    methods: identityService({ version: "1", topology: () => false, isReady: () => true }),
    streams: [
      streamed(getMetadataAllocated, {
        handle: ({ snapshotId }, { signal }) => handle(snapshotId, signal),
      }),
    ],
    log: createLogger({ write: (line) => lines.push(JSON.parse(line)) }),
    metrics,
    drainMs: 0,
    limits,
  });
  const clients: Client[] = [];
  const client = () => {
    const made = new Client(`unix:${path}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    clients.push(made);
    return made;
  };
  return {
    endpoint,
    lines,
    metrics,
    client,
    read: ({ timeoutMs = 30_000, snapshotId = "a/v.s" } = {}) =>
      client().makeServerStreamRequest(
        PATH,
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => fromBinary(getMetadataAllocated.output, bytes),
        toBinary(getMetadataAllocated.input, create(getMetadataAllocated.input, { snapshotId })),
        { deadline: Date.now() + timeoutMs },
      ),
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      await endpoint.stop();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

/** The number of messages, and the code and text that the stream ended with. */
async function ended(stream: Reader): Promise<{ count: number; code: number; text: string }> {
  let count = 0;
  // By events: an iterator throws away what came before an error.
  stream.on("data", () => count++);
  stream.on("error", () => {});
  const { code, details } = await new Promise<StatusObject>((resolve) =>
    stream.once("status", resolve)
  );
  return { count, code, text: details };
}

/** The line that tells how the last call ended. */
async function lastLine({ lines }: Bed): Promise<Record<string, unknown>> {
  return await until("the log line", () => lines.findLast(({ event }) => event === "rpc"), {
    timeoutMs: 10_000,
  });
}

Deno.test("15.7: a stream gives its messages in order, logs one line and takes one sample", async () => {
  await using served = await bed(async function* () {
    for (let number = 0; number < 3; number++) yield await Promise.resolve(message(number));
  });
  const seen: number[] = [];
  for await (const { blockMetadata } of served.read()) {
    seen.push(Number(blockMetadata[0]?.byteOffset) / (RANGES * 131_072));
  }
  deepEqual(seen, [0, 1, 2]);
  const { code, method, snapshot, messages, level } = await lastLine(served);
  deepEqual([level, code, method, snapshot, messages], [
    "info",
    "OK",
    "GetMetadataAllocated",
    "a/v.s",
    3,
  ]);
  equal(served.lines.filter(({ event }) => event === "rpc").length, 1);
  const labels = `driver_name="pure-csi",method_name="${PATH}",grpc_status_code="OK"`;
  ok(served.metrics.text().includes(`csi_plugin_operations_seconds_count{${labels}} 1\n`));
  equal(served.endpoint.running(), 0);
});

Deno.test("15.7: a stream waits for a reader that is slow, and holds few messages for it", async () => {
  const total = 1_000;
  let [made, taken, lead] = [0, 0, 0];
  await using served = await bed(async function* () {
    while (made < total) {
      yield await Promise.resolve(message(made++));
      lead = Math.max(lead, made - taken);
    }
  });
  for await (const _ of served.read()) {
    taken++;
    await pause(0); // the server may go on meanwhile, if nothing keeps it
  }
  equal(taken, total);
  // 16 messages at the server, as many at the client, and between them what HTTP/2 allows.
  ok(lead < 100, `${lead} of ${total} messages were made before they were read`);
});

Deno.test("15.7: the signal of a stream's work fires when the caller goes away in the middle of it", async () => {
  let reason: unknown;
  await using served = await bed(async function* (_, signal) {
    yield message(0);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    reason = signal.reason;
    throw reason;
  });
  const stream = served.read();
  stream.on("error", () => {});
  await new Promise((resolve) => stream.once("data", resolve));
  stream.cancel();
  await until("the end", () => reason !== undefined, { timeoutMs: 10_000 });
  match(String(reason), /the caller of GetMetadataAllocated went away/);
});

Deno.test("15.7: a stream ends at its caller's deadline, and tells what it waited for", async () => {
  await using served = await bed(async function* (_, signal) {
    yield message(0);
    await pause(60_000, signal);
  });
  const { count, code, text } = await ended(served.read({ timeoutMs: 2_000 }));
  deepEqual([count, code], [1, status.DEADLINE_EXCEEDED]);
  match(text, /^GetMetadataAllocated was not done within \d+ ms$/);
});

Deno.test("15.7: a stream that fails gives what it had, and then its status", async () => {
  let taken = 0;
  await using served = await bed(async function* (snapshotId) {
    yield message(0);
    yield message(1);
    // A client of this kind throws away what it did not read before the status came.
    await until("the messages", () => taken === 2, { timeoutMs: 10_000 });
    throw snapshotId === "odd" ? new Error("odd") : new PsoError("not_found", "it is gone");
  });
  const failing = served.read();
  failing.on("data", () => taken++);
  deepEqual(await ended(failing), { count: 2, code: status.NOT_FOUND, text: "it is gone" });
  equal((await lastLine(served)).messages, 2);
  const { code, text } = await ended(served.read({ snapshotId: "odd" }));
  equal(code, status.INTERNAL);
  match(text, /^internal error, not caused by the request/);
  const refused = await ended(served.read({ snapshotId: "" }));
  deepEqual(refused, {
    count: 0,
    code: status.INVALID_ARGUMENT,
    text: "snapshot_id is missing",
  });
});

Deno.test("15.7: streams end at once when the endpoint stops, and are to be repeated", async () => {
  await using served = await bed(async function* (_, signal) {
    yield message(0);
    await pause(60_000, signal);
  });
  const stream = served.read();
  const first = new Promise((resolve) => stream.once("readable", resolve));
  await first;
  const ending = ended(stream);
  await served.endpoint.stop();
  const { code, text } = await ending;
  deepEqual([code, text], [
    status.UNAVAILABLE,
    "the driver is stopping; the call must be repeated",
  ]);
});

Deno.test("15.7: beyond the limit of calls a stream is UNAVAILABLE at once, and served later", async () => {
  const gate = Promise.withResolvers<void>();
  await using served = await bed(async function* () {
    await gate.promise;
    yield message(0);
  }, { calls: 1 });
  const first = ended(served.read());
  await until("the first", () => served.endpoint.running() === 1, { timeoutMs: 10_000 });
  equal((await ended(served.read())).code, status.UNAVAILABLE);
  gate.resolve();
  equal((await first).code, status.OK);
  await until("its end", () => served.endpoint.running() === 0, { timeoutMs: 10_000 });
  equal((await ended(served.read())).code, status.OK);
});

Deno.test("15.7: the work of a stream only reads, and what runs beside it is not bound by that", async () => {
  const seen: boolean[] = [];
  await using served = await bed(async function* () {
    seen.push(isOnlyReading());
    yield message(0);
    await pause(0);
    seen.push(isOnlyReading());
  });
  await ended(served.read());
  deepEqual(seen, [true, true]);
  equal(isOnlyReading(), false);
});

Deno.test("15.7: no other service answers on such a socket", async () => {
  await using served = await bed(async function* () {
    yield message(0);
  });
  const same = (bytes: Buffer) => bytes;
  const call = (path: string) =>
    new Promise<void>((resolve, reject) =>
      served.client().makeUnaryRequest(
        path,
        same,
        same,
        Buffer.alloc(0),
        { deadline: Date.now() + 10_000 },
        (error) => error ? reject(error) : resolve(),
      )
    );
  await call("/csi.v1.Identity/Probe");
  for (
    const path of [
      "Controller/CreateVolume",
      "Controller/DeleteVolume",
      "GroupController/CreateVolumeGroupSnapshot",
      "Node/NodeStageVolume",
      "SnapshotMetadata/GetMetadataDelta",
    ]
  ) {
    await rejects(call(`/csi.v1.${path}`), { code: status.UNIMPLEMENTED }, path);
  }
});
