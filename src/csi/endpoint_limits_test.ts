import { deepEqual, equal, match } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { until } from "../async/wait.ts";
import { silentLogger } from "../log.ts";
import { Metrics } from "../metrics/metrics.ts";
import { type CallLimits, CONNECTION_CALLS_MAX, MESSAGE_BYTES_MAX } from "./call_limits.ts";
import { type Endpoint, startEndpoint } from "./endpoint.ts";
import { Node } from "./generated/csi_pb.ts";
import { DRIVER_NAME } from "./identity_service.ts";
import { method } from "./unary.ts";

interface Bed extends AsyncDisposable {
  endpoint: Endpoint;
  client(): Client;
  finish(): void;
}

/** An endpoint whose NodeGetInfo is answered after finish(). */
async function bed(limits: Partial<CallLimits> = {}): Promise<Bed> {
  const folder = Deno.makeTempDirSync({ dir: "/tmp", prefix: "endpoint-" });
  const { promise, resolve } = Promise.withResolvers<void>();
  const endpoint = await startEndpoint({
    endpoint: `${folder}/csi.sock`,
    driverName: DRIVER_NAME,
    methods: [
      method(Node.method.nodeGetInfo, {
        keys: null,
        handle: async () => {
          await promise;
          return { nodeId: "n" };
        },
      }),
    ],
    log: silentLogger,
    metrics: new Metrics(),
    limits,
  });
  const clients: Client[] = [];
  return {
    endpoint,
    client: () => {
      const client = new Client(`unix:${folder}/csi.sock`, credentials.createInsecure(), {
        "grpc.use_local_subchannel_pool": 1,
      });
      clients.push(client);
      return client;
    },
    finish: resolve,
    [Symbol.asyncDispose]: async () => {
      resolve();
      for (const client of clients) client.close();
      await endpoint.stop();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

const same = (bytes: Buffer) => bytes;

/** Calls NodeGetInfo; gives back the code, 0 when it was answered. */
function call(client: Client, request: Buffer = Buffer.alloc(0)): Promise<number> {
  const path = "/csi.v1.Node/NodeGetInfo";
  return new Promise((resolve) =>
    client.makeUnaryRequest(
      path,
      same,
      same,
      request,
      { deadline: Date.now() + 10_000 },
      (error: ServiceError | null) => resolve(error?.code ?? 0),
    )
  );
}

function running(served: Bed, wanted: number): Promise<unknown> {
  return until("the calls", () => served.endpoint.running() === wanted, { timeoutMs: 5_000 });
}

Deno.test("a message beyond the limit is refused and never read", async () => {
  await using served = await bed();
  served.finish();
  const client = served.client();
  equal(await call(client, Buffer.alloc(MESSAGE_BYTES_MAX + 1)), status.RESOURCE_EXHAUSTED);
  equal(await call(client), 0);
});

Deno.test("one connection has so many calls at once, the others wait at the client", async () => {
  await using served = await bed();
  const client = served.client();
  const calls = Array.from({ length: CONNECTION_CALLS_MAX + 10 }, () => call(client));
  await running(served, CONNECTION_CALLS_MAX);
  const polite = call(served.client());
  await running(served, CONNECTION_CALLS_MAX + 1);
  served.finish();
  deepEqual([...new Set(await Promise.all([...calls, polite]))], [0]);
});

Deno.test("beyond the limit of all calls a call is UNAVAILABLE at once, and later served again", async () => {
  await using served = await bed({ calls: 3 });
  const calls = [served.client(), served.client(), served.client()].map((client) => call(client));
  await running(served, 3);
  const client = served.client();
  equal(await call(client), status.UNAVAILABLE);
  served.finish();
  deepEqual(await Promise.all(calls), [0, 0, 0]);
  equal(await call(client), 0);
});

Deno.test("a call that does not send its message is ended, and holds no place", async () => {
  await using served = await bed({ calls: 1, messageWaitMs: 20 });
  served.finish();
  const client = served.client();
  const path = "/csi.v1.Node/NodeGetInfo";
  const ended = new Promise<ServiceError | null>((resolve) => {
    const stream = client.makeClientStreamRequest(path, same, same, (error) => resolve(error));
    stream.on("error", () => {});
  });
  const error = await ended;
  equal(error?.code, status.DEADLINE_EXCEEDED);
  match(error?.details ?? "", /its message did not come/);
  equal(await call(client), 0);
});
