import { Hono } from "hono";
import { SingleFlight } from "../async/single_flight.ts";
import type {
  PlacementQuestion,
  PlacementView,
  ViewedArray,
} from "../controller/placement/placement_view.ts";
import { messageOf } from "../errors.ts";
import { METRICS_CONTENT_TYPE } from "../metrics/metrics.ts";
import type { ReadinessCheck } from "../readiness.ts";
import { questionOf } from "./place/leader_view.ts";

/** What the admin endpoint shows, asked anew for each request. */
export interface AdminSources {
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
  /**
   * What this process places by, for /placement; undefined while it does not lead. Absent: it never
   * places anything, and there is no such page.
   */
  placement?(question: PlacementQuestion): PlacementView | undefined;
}

/** The apps of one process; requests that come together share one look at the sources. */
export interface AdminApps {
  /** For everybody who reaches the port: names of the configuration and words of ours only. */
  open: Hono;
  /** For who may open the socket file: the reasons too, which quote arrays and tools. */
  full: Hono;
}

/**
 * The admin endpoint as Hono apps: `/healthz` (this process answers), `/readyz` (503 until all
 * checks are ok), `/metrics` (Prometheus text 0.0.4), and for a controller `/placement` (what the
 * leader places by, 503 while another one leads). It changes nothing and shows no secret.
 */
export function adminApps(sources: AdminSources): AdminApps {
  const looks = new SingleFlight<"ready", ReadinessCheck[]>();
  const scrapes = new SingleFlight<"metrics", string>();
  const shared: SharedSources = {
    ...sources,
    ready: () => looks.run("ready", async () => await sources.ready()),
    metrics: () => scrapes.run("metrics", async () => await sources.metrics()),
  };
  return {
    open: adminApp(shared, {
      check: withoutReason,
      array: withoutProblem,
      error: () => "internal error; see the log",
    }),
    full: adminApp(shared, { check: (check) => check, array: (array) => array, error: messageOf }),
  };
}

interface SharedSources extends AdminSources {
  ready(): Promise<ReadinessCheck[]>;
  metrics(): Promise<string>;
}

/** What an app shows of a check and of an array, and of what went wrong here. */
interface View {
  check(check: ReadinessCheck): Partial<ReadinessCheck>;
  array(array: ViewedArray): ViewedArray;
  error(error: Error): string;
}

function withoutReason({ reason: _reason, ...check }: ReadinessCheck): Partial<ReadinessCheck> {
  return check;
}

function withoutProblem({ problem: _problem, ...array }: ViewedArray): ViewedArray {
  return array;
}

function adminApp(sources: SharedSources, view: View): Hono {
  const app = new Hono();
  const pages = ["/healthz", "/readyz", ...sources.placement ? ["/placement"] : [], "/metrics"];
  app.get(
    "/",
    (context) =>
      context.text(`pso-bin ${sources.version} ${sources.mode}\n\n${pages.join("\n")}\n`),
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
    const found = await sources.ready();
    const ready = found.every((check) => check.ok || check.optional);
    const checks = found.map((check) => view.check(check));
    return context.json({ ready, mode: sources.mode, checks }, ready ? 200 : 503);
  });
  app.get(
    "/metrics",
    async (context) =>
      context.body(await sources.metrics(), 200, { "content-type": METRICS_CONTENT_TYPE }),
  );
  if (sources.placement) servePlacement(app, sources.placement, view);
  app.notFound((context) => {
    const there = `${pages.slice(0, -1).join(", ")} and ${pages.at(-1)}`;
    return context.json({ error: `no page ${context.req.path}; there are ${there}` }, 404);
  });
  app.onError((error, context) => context.json({ error: view.error(error) }, 500));
  return app;
}

function servePlacement(
  app: Hono,
  placement: NonNullable<AdminSources["placement"]>,
  { array }: View,
): void {
  app.get("/placement", (context) => {
    const question = questionOf(new URL(context.req.url).searchParams);
    if (question === undefined) {
      return context.json({
        error: "wanted group and together, and pod or volumeGroup: ask by pso-bin admin place",
      }, 400);
    }
    const seen = placement(question);
    return seen === undefined
      ? context.json({ error: "this controller does not lead; ask the one that does" }, 503)
      : context.json({ ...seen, arrays: seen.arrays.map(array) });
  });
}
