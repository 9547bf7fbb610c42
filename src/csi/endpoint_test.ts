import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import net from "node:net";
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { isPsoError, PsoError } from "../errors.ts";
import { createLogger, silentLogger } from "../log.ts";
import { Metrics } from "../metrics/metrics.ts";
import { until } from "../async/wait.ts";
import { noteWait } from "../async/waits.ts";
import { type Endpoint, startEndpoint } from "./endpoint.ts";
import { Controller, Identity, Node } from "./generated/csi_pb.ts";
import { DRIVER_NAME, identityService } from "./identity_service.ts";
import { method, type UnaryMethod } from "./unary.ts";
import { socketPath } from "./unix_socket.ts";

interface Fixture extends AsyncDisposable {
  path: string;
  folder: string;
  endpoint: Endpoint;
  lines: string[];
  call<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
    timeoutMs?: number,
  ): Promise<MessageShape<O>>;
  client: Client;
}

async function fixture(methods: UnaryMethod[], drainMs?: number): Promise<Fixture> {
  const folder = Deno.makeTempDirSync({ dir: "/tmp", prefix: "endpoint-" });
  const lines: string[] = [];
  const path = `${folder}/csi.sock`;
  const log = createLogger({ write: (line) => lines.push(line) });
  const endpoint = await startEndpoint({
    endpoint: `unix://${path}`,
    driverName: DRIVER_NAME,
    methods,
    log,
    metrics: new Metrics(),
    drainMs,
  });
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  return {
    path,
    folder,
    endpoint,
    lines,
    client,
    call: (desc, init, timeoutMs = 5_000) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          `/${desc.parent.typeName}/${desc.name}`,
          (bytes: Uint8Array) => Buffer.from(bytes),
          (bytes: Buffer) => fromBinary(desc.output, bytes),
          toBinary(desc.input, create(desc.input, init)),
          { deadline: Date.now() + timeoutMs },
          (error, value) => value ? resolve(value) : reject(error),
        );
      }),
    [Symbol.asyncDispose]: async () => {
      client.close();
      await endpoint.stop();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

/** The lines that tell of calls while the endpoint ends: level, event, and how many run. */
function saidAtTheEnd({ lines }: Fixture): string[] {
  return lines.map((line) => JSON.parse(line)).filter(({ running }) => running !== undefined)
    .map(({ level, event, running }) => `${level} ${event} ${running}`);
}

const identity = identityService({ version: "7.1.2", topology: () => false, isReady: () => true });

function codeIs(code: status, text?: RegExp): (error: unknown) => boolean {
  return (error) => {
    const { code: found, details } = error as ServiceError;
    equal(found, code);
    if (text) match(details, text);
    return true;
  };
}

Deno.test("the endpoint serves Identity as controller and node alike must", async () => {
  await using served = await fixture(
    identityService({ version: "7.1.2", topology: () => false, isReady: () => false }),
  );
  const info = await served.call(Identity.method.getPluginInfo, {});
  deepEqual([info.name, info.vendorVersion], ["pure-csi", "7.1.2"]);
  // csi-sanity: begins and ends with a letter.
  match(info.name, /^[a-zA-Z][A-Za-z0-9\-._]{0,61}[a-zA-Z]$/);
  const { capabilities } = await served.call(Identity.method.getPluginCapabilities, {});
  deepEqual(capabilities.map(({ type }) => [type.case, type.value?.type]), [
    ["service", 1],
    ["service", 3],
    ["volumeExpansion", 1],
  ]);
  equal((await served.call(Identity.method.probe, {})).ready, false);
});

Deno.test("Probe is told how long its caller waits, and may hold it that long", async () => {
  const gate = Promise.withResolvers<boolean>();
  const told: (number | undefined)[] = [];
  const isReady = ({ leftMs }: { leftMs?: number }) => {
    told.push(leftMs);
    return gate.promise;
  };
  await using served = await fixture(
    identityService({ version: "7.1.2", topology: () => false, isReady }),
  );
  const probe = served.call(Identity.method.probe, {}, 60_000);
  const endless = served.call(Identity.method.probe, {}, Infinity);
  await until("both Probes", () => told.length === 2, { timeoutMs: 10_000 });
  gate.resolve(true);
  deepEqual([(await probe).ready, (await endless).ready], [true, true]);
  const [some] = told.filter((leftMs) => leftMs !== undefined);
  ok(some !== undefined && some > 50_000 && some <= 60_000, `${told}`);
  deepEqual(told.filter((leftMs) => leftMs === undefined).length, 1);
});

Deno.test("a method without a row is UNIMPLEMENTED, of served and of other services", async () => {
  await using served = await fixture([
    ...identity,
    method(Node.method.nodeGetInfo, { keys: null, handle: () => ({ nodeId: "n" }) }),
  ]);
  await rejects(served.call(Node.method.nodeGetCapabilities, {}), codeIs(status.UNIMPLEMENTED));
  await rejects(
    served.call(Controller.method.controllerGetCapabilities, {}),
    codeIs(status.UNIMPLEMENTED),
  );
});

Deno.test("the caller is told the reason before its own deadline ends the call", async () => {
  const row = method(Node.method.nodeGetInfo, {
    keys: null,
    handle: (_request, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener(
          "abort",
          () => reject(new PsoError("unavailable", "array fa-1 gave no answer")),
        )
      ),
  });
  await using served = await fixture([row]);
  const call = served.call(Node.method.nodeGetInfo, {}, 2_000);
  await rejects(call, (error: ServiceError) => {
    equal(error.code, status.UNAVAILABLE);
    match(error.message, /array fa-1 gave no answer/);
    return true;
  });
});

Deno.test("a caller is told what its call waits for and cannot give up, and the call keeps its locks", async () => {
  const release = Promise.withResolvers<void>();
  const row = method(Node.method.nodeGetInfo, {
    keys: () => ["volume k8s-pvc-1"],
    handle: async (_request, { signal }) => {
      const waited = noteWait(signal, "array fa-1 to answer PATCH volumes");
      await release.promise;
      waited();
      return { nodeId: "n" };
    },
  });
  await using served = await fixture([row]);
  await rejects(served.call(Node.method.nodeGetInfo, {}, 2_000), (error: ServiceError) => {
    equal(error.code, status.UNAVAILABLE);
    match(error.message, /still waiting for array fa-1 to answer PATCH volumes/);
    return true;
  });
  equal(served.endpoint.running(), 1);
  await rejects(served.call(Node.method.nodeGetInfo, {}), codeIs(status.ABORTED));
  release.resolve();
  await until("the end of the call", () => served.endpoint.running() === 0, { timeoutMs: 5_000 });
  equal((await served.call(Node.method.nodeGetInfo, {})).nodeId, "n");
});

Deno.test("the caller's deadline fires the handler's signal", async () => {
  const fired = Promise.withResolvers<unknown>();
  const row = method(Node.method.nodeGetInfo, {
    keys: null,
    handle: (_request, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          fired.resolve(signal.reason);
          reject(signal.reason);
        })
      ),
  });
  await using served = await fixture([row]);
  // As a header alone: a client that knows the deadline ends the call itself, often before us.
  const metadata = new Metadata();
  metadata.set("grpc-timeout", "50m");
  const answered = new Promise((resolve, reject) => {
    const same = (bytes: Buffer) => bytes;
    const path = "/csi.v1.Node/NodeGetInfo";
    const request = Buffer.alloc(0);
    served.client.makeUnaryRequest(path, same, same, request, metadata, (error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });
  await rejects(answered, codeIs(status.DEADLINE_EXCEEDED));
  const reason = await fired.promise;
  ok(isPsoError(reason, "timeout"));
  match(reason.message, /^NodeGetInfo was not done within \d+ ms$/);
  await until("the end of the call", () => served.endpoint.running() === 0, { timeoutMs: 5_000 });
});

Deno.test("a caller that goes away fires the handler's signal", async () => {
  const began = Promise.withResolvers<void>();
  const fired = Promise.withResolvers<unknown>();
  const row = method(Node.method.nodeGetInfo, {
    keys: null,
    handle: (_request, { signal }) => {
      began.resolve();
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          fired.resolve(signal.reason);
          reject(signal.reason);
        })
      );
    },
  });
  await using served = await fixture([row]);
  const bytes = (value: Buffer) => value;
  const call = served.client.makeUnaryRequest(
    "/csi.v1.Node/NodeGetInfo",
    bytes,
    bytes,
    Buffer.alloc(0),
    () => {},
  );
  await began.promise;
  call.cancel();
  const reason = await fired.promise;
  ok(isPsoError(reason, "timeout"));
  equal(reason.message, "the caller of NodeGetInfo went away");
  await until("the end of the call", () => served.endpoint.running() === 0, { timeoutMs: 5_000 });
});

Deno.test("stop() lets a running call finish, takes no other, and removes the socket first", async () => {
  const began = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const row = method(Node.method.nodeGetInfo, {
    keys: null,
    handle: async () => {
      began.resolve();
      await finish.promise;
      return { nodeId: "done" };
    },
  });
  await using served = await fixture([row]);
  const running = served.call(Node.method.nodeGetInfo, {});
  await began.promise;
  const stopped = served.endpoint.stop();
  await until("the end of the socket", () => [...Deno.readDirSync(served.folder)].length === 0, {
    timeoutMs: 2_000,
  });
  await rejects(Deno.connect({ transport: "unix", path: served.path }), Deno.errors.NotFound);
  finish.resolve();
  equal((await running).nodeId, "done");
  await stopped;
  await served.endpoint.stop();
  deepEqual(saidAtTheEnd(served), ["info stopping 1"]);
});

Deno.test("stop() aborts what does not finish, with a code that is not final", async () => {
  const began = Promise.withResolvers<void>();
  const row = method(Node.method.nodeGetInfo, {
    keys: null,
    handle: (_request, { signal }) => {
      began.resolve();
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      );
    },
  });
  await using served = await fixture([row], 10);
  const running = served.call(Node.method.nodeGetInfo, {});
  const refused = rejects(
    running,
    codeIs(status.UNAVAILABLE, /^the driver is stopping; the call must be repeated$/),
  );
  await began.promise;
  await served.endpoint.stop();
  await refused;
  deepEqual(saidAtTheEnd(served), ["info stopping 1", "warn aborting calls 1"]);
  equal(served.endpoint.running(), 0);
});

Deno.test("the socket has mode 0600 whatever the umask", async () => {
  const umask = Deno.umask(0);
  try {
    await using served = await fixture(identity);
    equal((Deno.lstatSync(served.path).mode ?? 0) & 0o777, 0o600);
    equal(Deno.umask(), 0);
  } finally {
    Deno.umask(umask);
  }
});

function start(endpoint: string): Promise<Endpoint> {
  return startEndpoint({
    endpoint,
    driverName: DRIVER_NAME,
    methods: identity,
    log: silentLogger,
    metrics: new Metrics(),
  });
}

Deno.test("a second endpoint on a living socket is a conflict that names the first", async () => {
  await using served = await fixture(identity);
  const message =
    `cannot listen on ${served.path}: pure-csi 7.1.2, another running instance, serves it; stop it or choose another path`;
  await rejects(start(served.path), { code: "conflict", message });
  ok(Deno.lstatSync(served.path).isSocket);
});

Deno.test("a missing folder, a file in the way and what is no unix path are clear errors", async () => {
  const folder = Deno.makeTempDirSync({ dir: "/tmp", prefix: "endpoint-" });
  Deno.writeTextFileSync(`${folder}/file`, "kept");
  const cases = [
    [
      `unix://${folder}/no/csi.sock`,
      `cannot listen on ${folder}/no/csi.sock: the folder ${folder}/no is missing; mount or create it, or choose another path`,
    ],
    [
      `${folder}/file/csi.sock`,
      `cannot listen on ${folder}/file/csi.sock: ${folder}/file is not a folder; choose another path`,
    ],
    [
      `${folder}/file`,
      `cannot listen on ${folder}/file: something that is no socket is there; remove it`,
    ],
    [
      "tcp://0.0.0.0:10000",
      'the endpoint "tcp://0.0.0.0:10000" is not of the form unix:///path: give --endpoint or CSI_ENDPOINT',
    ],
    ["", 'the endpoint "" is not of the form unix:///path: give --endpoint or CSI_ENDPOINT'],
  ] as const;
  for (const [endpoint, message] of cases) {
    await rejects(start(endpoint), { code: "invalid", message });
  }
  equal(Deno.readTextFileSync(`${folder}/file`), "kept");
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("socketPath() takes both spellings of a URL and a bare path, and refuses what the system would cut", () => {
  for (const spelling of ["unix:///csi/csi.sock", "unix:/csi/csi.sock", "/csi/csi.sock"]) {
    equal(socketPath(spelling), "/csi/csi.sock");
  }
  let refused: unknown;
  try {
    socketPath(`/${"x".repeat(107)}`);
  } catch (error) {
    refused = error;
  }
  ok(isPsoError(refused, "invalid"));
  match(refused.message, /has 108 bytes, the system allows 107/);
});

Deno.test("bytes that are no HTTP/2 do not harm the endpoint", async () => {
  await using served = await fixture(identity);
  for (
    const garbage of [
      "GET / HTTP/1.1\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
      "\0",
    ]
  ) {
    const socket = net.connect({ path: served.path });
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    await new Promise((resolve) =>
      socket.resume().once("close", resolve).end(Buffer.from(garbage, "latin1"))
    );
  }
  equal((await served.call(Identity.method.probe, {})).ready, true);
});
