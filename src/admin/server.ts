import { Hono } from "hono";
import { type ListenAddress, printHostPort } from "../net/address.ts";
import type { Logger } from "../log.ts";
import { METRICS_CONTENT_TYPE } from "../metrics/metrics.ts";
import type { ReadinessCheck } from "../readiness.ts";

/** What the admin endpoint shows, asked anew for each request. */
interface AdminSources {
  /** What this process is: `controller` or `node`, for the JSON answers. */
  mode: string;
  version: string;
  /**
   * Everything readiness depends on; the process is ready when all that are not optional are ok.
   */
  ready(): Promise<ReadinessCheck[]> | ReadinessCheck[];
  /** Prometheus text. */
  metrics(): string | Promise<string>;
  /** Permissions that the process still holds, shown by /healthz. */
  permissions?(): Record<string, boolean>;
}

/**
 * The admin endpoint as one Hono app: `/healthz` (this process answers), `/readyz` (503 until all
 * checks are ok, with reasons), `/metrics` (Prometheus text 0.0.4). It changes nothing and shows no
 * secret.
 */
export function adminApp(sources: AdminSources): Hono {
  const app = new Hono();
  app.get(
    "/",
    (context) =>
      context.text(`pso-bin ${sources.version} ${sources.mode}\n\n/healthz\n/readyz\n/metrics\n`),
  );
  app.get(
    "/healthz",
    (context) =>
      context.json({
        status: "ok",
        mode: sources.mode,
        version: sources.version,
        permissions: sources.permissions?.(),
      }),
  );
  app.get("/readyz", async (context) => {
    const checks = await sources.ready();
    const ready = checks.every((check) => check.ok || check.optional);
    return context.json({ ready, mode: sources.mode, checks }, ready ? 200 : 503);
  });
  app.get(
    "/metrics",
    async (context) =>
      context.body(await sources.metrics(), 200, { "content-type": METRICS_CONTENT_TYPE }),
  );
  app.notFound((context) =>
    context.json(
      { error: `no page ${context.req.path}; there are /healthz, /readyz and /metrics` },
      404,
    )
  );
  app.onError((error, context) => context.json({ error: error.message }, 500));
  return app;
}

/** A running admin endpoint. */
interface AdminServer {
  /** `http://host:port` as it really listens. */
  address: string;
  stop(): Promise<void>;
}

/** Serves the admin endpoint. Throws when the address cannot be bound. Port 0 takes a free one. */
export function startAdmin(
  listen: ListenAddress,
  { log, ...sources }: AdminSources & { log: Logger },
): AdminServer {
  const server = Deno.serve({
    hostname: listen.hostname,
    port: listen.port,
    onListen: ({ hostname, port }) => log.info("admin endpoint listens", { hostname, port }),
  }, adminApp(sources).fetch);
  const { hostname, port } = server.addr;
  return {
    address: `http://${printHostPort({ host: hostname, port })}`,
    stop: () => server.shutdown(),
  };
}
