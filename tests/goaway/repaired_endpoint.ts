/**
 * Our endpoint in a process of its own, with its admin endpoint beside it. `path [drainMs [port]]`;
 * says "ready", then "called" when NodeGetInfo or NodeGetCapabilities began. NodeGetInfo is
 * answered only once SIGTERM came, NodeGetCapabilities only once its signal fired.
 */
import { startAdmin } from "../../src/admin/server.ts";
import { startEndpoint } from "../../src/csi/endpoint.ts";
import { Node } from "../../src/csi/generated/csi_pb.ts";
import { DRIVER_NAME, identityService } from "../../src/csi/identity_service.ts";
import { method } from "../../src/csi/unary.ts";
import { createLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";

const [path = "", drainMs, port] = Deno.args;
const terminated = Promise.withResolvers<void>();

function say(word: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${word}\n`));
}

const endpoint = await startEndpoint({
  endpoint: path,
  driverName: DRIVER_NAME,
  log: createLogger({ level: "warn" }),
  metrics: new Metrics(),
  drainMs: drainMs === undefined ? undefined : Number(drainMs),
  methods: [
    ...identityService({ version: "0.0.0-test", topology: () => false, isReady: () => true }),
    method(Node.method.nodeGetInfo, {
      keys: null,
      handle: async () => {
        say("called");
        await terminated.promise;
        return { nodeId: "finished" };
      },
    }),
    method(Node.method.nodeGetCapabilities, {
      keys: null,
      handle: (_request, { signal }) => {
        say("called");
        return new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason))
        );
      },
    }),
  ],
});
const admin = await startAdmin({
  listen: { hostname: "127.0.0.1", port: Number(port ?? 0) },
  csiSocket: path,
  log: createLogger({ level: "error" }),
  mode: "node",
  version: "0.0.0-test",
  ready: () => [],
  metrics: () => "",
});
// As the controller does once it serves: the socket must go at the end all the same.
for (const name of ["run", "write"] as const) Deno.permissions.revokeSync({ name });
Deno.addSignalListener("SIGTERM", async () => {
  const stopped = endpoint.stop();
  terminated.resolve();
  await Promise.all([stopped, admin.stop()]);
  Deno.exit(0);
});
say("ready");
