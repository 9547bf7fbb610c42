import { deepEqual, equal, match, ok } from "node:assert/strict";
import {
  create,
  type DescMethodUnary,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { type ErrorCode, PsoError } from "../errors.ts";
import { KeyedLock } from "../async/keyed_lock.ts";
import { createLogger, type Level } from "../log.ts";
import { Metrics } from "../metrics/metrics.ts";
import {
  Controller,
  CreateVolumeRequestSchema,
  type CreateVolumeResponseSchema,
  file_csi,
  Node,
  VolumeCapability_AccessMode_Mode,
} from "./generated/csi_pb.ts";
import { DRIVER_NAME } from "./identity_service.ts";
import { callSamples } from "./call.ts";
import {
  answer,
  method,
  type UnaryAnswer,
  type UnaryEnvironment,
  type UnaryMethod,
} from "./unary.ts";

interface Bench extends UnaryEnvironment {
  metrics: Metrics;
  lines: Record<string, unknown>[];
}

function bench(level: Level = "info"): Bench {
  const metrics = new Metrics();
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ level, write: (line) => lines.push(JSON.parse(line)) });
  let clock = 0;
  return {
    metrics,
    lines,
    log,
    locks: new KeyedLock(),
    samples: callSamples(metrics),
    driverName: DRIVER_NAME,
    now: () => clock += 1000,
  };
}

const CAPABILITY = {
  accessType: { case: "mount" as const, value: {} },
  accessMode: { mode: VolumeCapability_AccessMode_Mode.SINGLE_NODE_WRITER },
};

function createRequest(init: MessageInitShape<typeof CreateVolumeRequestSchema> = {}): Uint8Array {
  return toBinary(
    CreateVolumeRequestSchema,
    create(CreateVolumeRequestSchema, { name: "pvc-1", volumeCapabilities: [CAPABILITY], ...init }),
  );
}

function creates(
  handle: () => Promise<MessageInitShape<typeof CreateVolumeResponseSchema>>,
): UnaryMethod {
  return method(Controller.method.createVolume, { keys: (request) => [request.name], handle });
}

function call(
  row: UnaryMethod,
  bytes: Uint8Array,
  environment: UnaryEnvironment,
): Promise<UnaryAnswer> {
  return answer(row, { bytes, signal: new AbortController().signal }, environment);
}

function statusIn(outcome: UnaryAnswer): { code: number; message: string } {
  ok("status" in outcome, "the call must have failed");
  return outcome.status;
}

const done = () => Promise.resolve({ volume: { volumeId: "1/pvc-1", capacityBytes: 5n } });

Deno.test("a call answers what its handler gives, logs one line and takes one sample", async () => {
  const environment = bench();
  const row = method(Controller.method.createVolume, {
    keys: null,
    handle: (request) => ({ volume: { volumeId: `1/${request.name}` } }),
  });
  const outcome = await call(row, createRequest(), environment);
  deepEqual(outcome, {
    bytes: toBinary(
      Controller.method.createVolume.output,
      create(Controller.method.createVolume.output, { volume: { volumeId: "1/pvc-1" } }),
    ),
  });
  equal(environment.lines.length, 1);
  const { time: _time, request, ...line } = environment.lines[0] ?? {};
  deepEqual(line, {
    level: "info",
    event: "rpc",
    method: "CreateVolume",
    name: "pvc-1",
    code: "OK",
    ms: 1000,
  });
  match(String(request), /^[0-9a-f]{8}$/);
  const labels =
    'driver_name="pure-csi",method_name="/csi.v1.Controller/CreateVolume",grpc_status_code="OK"';
  ok(
    environment.metrics.text().includes(
      `csi_plugin_operations_seconds_bucket{${labels},le="1"} 1\n`,
    ),
  );
  ok(environment.metrics.text().includes(`csi_plugin_operations_seconds_count{${labels}} 1\n`));
});

const CODES: Record<ErrorCode, status> = {
  invalid: status.INVALID_ARGUMENT,
  unsupported: status.INVALID_ARGUMENT,
  unimplemented: status.UNIMPLEMENTED,
  out_of_range: status.OUT_OF_RANGE,
  not_found: status.NOT_FOUND,
  conflict: status.ALREADY_EXISTS,
  in_use: status.FAILED_PRECONDITION,
  ambiguous: status.FAILED_PRECONDITION,
  busy: status.ABORTED,
  stale_token: status.ABORTED,
  exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  denied: status.UNAVAILABLE,
  timeout: status.DEADLINE_EXCEEDED,
};

Deno.test("every error code leaves as its status, with its message and a warning in the log", async () => {
  for (const code of Object.keys(CODES) as ErrorCode[]) {
    const environment = bench();
    const row = creates(() =>
      Promise.reject(new PsoError(code, "what failed", { cause: new Error("why") }))
    );
    const { code: found, message } = statusIn(await call(row, createRequest(), environment));
    deepEqual({ code: found, message }, { code: CODES[code], message: "what failed" });
    equal(environment.lines[0]?.level, "warn");
    equal(environment.lines[0]?.error, "what failed");
    equal(environment.lines[0]?.cause, "why");
  }
});

Deno.test("what is no PsoError leaves as INTERNAL without its text; the log has it, under the request named", async () => {
  const environment = bench();
  const { code, message } = statusIn(
    await call(
      creates(() => Promise.reject(new TypeError("token abc at x.ts:1"))),
      createRequest(),
      environment,
    ),
  );
  equal(code, status.INTERNAL);
  const line = environment.lines[0] ?? {};
  equal(
    message,
    `internal error, not caused by the request; the driver's log has it under request ${line.request}`,
  );
  equal(line.level, "error");
  match(String(line.stack), /TypeError: token abc/);
});

Deno.test("a message longer than a VolumeAttachment takes is cut between characters", async () => {
  const { message } = statusIn(
    await call(
      creates(() => Promise.reject(new PsoError("invalid", "é".repeat(800)))),
      createRequest(),
      bench(),
    ),
  );
  ok(new TextEncoder().encode(message).length <= 950);
  match(message, /^é+…$/);
});

Deno.test("a second call for a locked name is ABORTED and the lock goes with the first", async () => {
  const environment = bench();
  const first = Promise.withResolvers<{ volume: { volumeId: string } }>();
  const running = call(creates(() => first.promise), createRequest(), environment);
  const { code, message } = statusIn(await call(creates(done), createRequest(), environment));
  equal(code, status.ABORTED);
  equal(
    message,
    "CreateVolume of pvc-1 must wait: CreateVolume is running; it will be tried again",
  );
  first.resolve({ volume: { volumeId: "1/pvc-1" } });
  ok("bytes" in await running);
  equal(environment.locks.size, 0);
  ok("bytes" in await call(creates(done), createRequest(), environment));
});

Deno.test("a handler that throws frees its lock", async () => {
  const environment = bench();
  await call(
    creates(() => Promise.reject(new PsoError("unavailable", "no"))),
    createRequest(),
    environment,
  );
  equal(environment.locks.size, 0);
});

Deno.test("argument errors come before locks and handlers, all at once, and the log knows the volume", async () => {
  const environment = bench();
  const row = method(Controller.method.controllerPublishVolume, {
    keys: () => [""],
    handle: () => Promise.reject(new Error("reached")),
  });
  const request = create(Controller.method.controllerPublishVolume.input, { volumeId: "v" });
  const { code, message } = statusIn(
    await call(
      row,
      toBinary(Controller.method.controllerPublishVolume.input, request),
      environment,
    ),
  );
  deepEqual({ code, message }, {
    code: status.INVALID_ARGUMENT,
    message: "node_id is missing; volume_capability is missing",
  });
  equal(environment.lines[0]?.volume, "v");
});

Deno.test("bytes that are no message are INVALID_ARGUMENT, with a log line and a sample", async () => {
  const environment = bench();
  const bad = [Uint8Array.of(10, 200, 1), Uint8Array.of(10, 2, 0xc3, 0x28)];
  for (const bytes of bad) {
    const { code, message } = statusIn(await call(creates(done), bytes, environment));
    equal(code, status.INVALID_ARGUMENT);
    match(message, /^cannot decode the CreateVolumeRequest: /);
  }
  equal(environment.lines.length, bad.length);
  match(environment.metrics.text(), /_count\{[^}]*"INVALID_ARGUMENT"\} 2/);
});

Deno.test("a quiet call is logged at debug, and as a warning when it fails", async () => {
  const environment = bench();
  const quiet = (handle: () => Promise<{ nodeId: string }>) =>
    method(Node.method.nodeGetInfo, { keys: null, quiet: true, handle });
  await call(quiet(() => Promise.resolve({ nodeId: "n" })), new Uint8Array(), environment);
  equal(environment.lines.length, 0);
  await call(
    quiet(() => Promise.reject(new PsoError("unavailable", "no"))),
    new Uint8Array(),
    environment,
  );
  equal(environment.lines[0]?.level, "warn");
});

Deno.test("facts of a row replace those read from the request", async () => {
  const environment = bench();
  const row = method(Controller.method.createVolume, {
    keys: null,
    facts: () => ({ name: "short" }),
    handle: done,
  });
  await call(row, createRequest(), environment);
  equal(environment.lines[0]?.name, "short");
});

Deno.test("at debug the request and the response are logged without secrets", async () => {
  const environment = bench("debug");
  const row = method(Controller.method.createVolume, {
    keys: null,
    handle: () => ({
      volume: { volumeId: "v", volumeContext: { chapPassword: "hidden", fsType: "xfs" } },
    }),
  });
  const source = { type: { case: "volume" as const, value: { volumeId: "src" } } };
  await call(
    row,
    createRequest({
      secrets: { token: "hidden" },
      parameters: { "a": "b" },
      volumeContentSource: source,
    }),
    environment,
  );
  const [request, response] = environment.lines;
  deepEqual(request?.message, {
    name: "pvc-1",
    volume_capabilities: [{ mount: {}, access_mode: { mode: "SINGLE_NODE_WRITER" } }],
    parameters: { a: "b" },
    secrets: "[redacted]",
    volume_content_source: { volume: { volume_id: "src" } },
  });
  deepEqual(response?.message, {
    volume: { volume_id: "v", volume_context: { chapPassword: "[redacted]", fsType: "xfs" } },
  });
  ok(!JSON.stringify(environment.lines).includes("hidden"));
});

Deno.test("the handler's signal is the call's", async () => {
  const environment = bench();
  const caller = new AbortController();
  const row = method(Controller.method.createVolume, {
    keys: null,
    handle: (_request, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
  });
  const answered = answer(row, { bytes: createRequest(), signal: caller.signal }, environment);
  caller.abort(new PsoError("timeout", "CreateVolume was not done within 5 ms"));
  deepEqual(statusIn(await answered).code, status.DEADLINE_EXCEEDED);
});

Deno.test("facts of a request are cut in the log, and a message at debug level too", async () => {
  const environment = bench("debug");
  const row = creates(done);
  const name = "n".repeat(100_000);
  const parameters = { note: "v".repeat(100_000) };
  await call(row, createRequest({ name, parameters }), environment);
  const [request, ...others] = environment.lines;
  equal(request?.name, `${"n".repeat(256)}… (100000 characters)`);
  ok(JSON.stringify(request).length < 20_000);
  ok(JSON.stringify(others).length < 20_000);
});

Deno.test("a long list of a message is cut at debug level", async () => {
  const environment = bench("debug");
  const volumeCapabilities = Array.from({ length: 5_000 }, () => CAPABILITY);
  await call(creates(done), createRequest({ volumeCapabilities }), environment);
  const { volume_capabilities: shown } = Object(environment.lines[0]?.message);
  equal(shown.length, 101);
  equal(shown.at(-1), "… (5000 items)");
});

Deno.test("the log names every id and name that a call of any CSI service has", () => {
  const lacking: string[] = [];
  const calls = file_csi.services.flatMap(({ methods }) => methods)
    .filter((desc): desc is DescMethodUnary => desc.methodKind === "unary");
  for (const desc of calls) {
    for (const { localName, scalar } of desc.input.fields) {
      if (scalar !== ScalarType.STRING || !/(^name|Id)$/.test(localName)) continue;
      const request = create(desc.input);
      Reflect.set(request, localName, "the-one");
      const row = method(desc, { keys: null, handle: () => ({}) });
      const { facts } = row.decode(toBinary(desc.input, request));
      if (!Object.values(facts).includes("the-one")) lacking.push(`${desc.name} ${localName}`);
    }
  }
  deepEqual(lacking, []);
});
