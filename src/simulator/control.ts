import { Hono } from "hono";
import { Fields } from "./body.ts";
import type { Clock } from "./clock.ts";
import type { Conditions } from "./conditions/conditions.ts";
import { type Faults, parseFaultRule } from "./faults.ts";
import { LIMITS } from "./limits.ts";
import type { RequestLog } from "./request_log.ts";
import { refused, RestError } from "./rest_error.ts";

/** An array as GET / of the control endpoint and `arrays.json` show it. */
export interface FleetEntry {
  kind: "flasharray" | "flashblade";
  name: string;
  /** `host:port` of the management endpoint. */
  address: string;
  token: string;
  /** Path of the certificate's PEM file; absent with plain HTTP. */
  ca?: string;
}

/** What the control endpoint shows and changes. */
interface ControlOptions {
  faults: Faults;
  conditions: Conditions;
  requests: RequestLog;
  clock: Clock;
  fleet: FleetEntry[];
  /** Called after the faults changed: an array may be gone, or back. */
  onFaults: () => void;
  /** Called after the clock was moved, so that it can be kept and what is due can be eradicated. */
  onClock: () => Promise<void>;
  /** Ends all sessions of one array or of all. */
  endSessions: (array: string | undefined) => void;
  /** Gives an array of this name another API token in place of its own. */
  changeToken: (array: string, token: string) => void;
}

/**
 * The control endpoint of the simulator, plain HTTP on its own port: `POST /faults {array, match:
 * {method, path}, after, times, action, value, message, context}`, `DELETE /faults?array=`, `GET
 * /requests`, `DELETE /requests`, `POST /clock {advance: seconds}`, `DELETE /sessions?array=`,
 * `POST /token {array, token}`, `POST /alerts {array, severity, summary, …}`, `DELETE
 * /alerts?array=`, `POST /controllers {array, name, status}`, `DELETE /controllers`, and `GET /`,
 * which says what is served and what is not modelled.
 */
export function controlRoutes(options: ControlOptions): Hono {
  const app = new Hono();
  const { faults, requests, clock } = options;
  app.onError((error) => {
    const status = error instanceof RestError ? error.status : 500;
    return Response.json({ message: error.message }, { status });
  });
  app.get(
    "/",
    (context) =>
      context.json({
        arrays: options.fleet.map(({ token: _, ...shown }) => shown),
        limits: LIMITS,
      }),
  );
  app.post("/faults", async (context) => {
    const rule = parseFaultRule(await jsonOf(context.req.raw));
    if (rule.array !== undefined) requireArray(options.fleet, rule.array);
    faults.add(rule);
    options.onFaults();
    return context.json({ ...rule, times: Number.isFinite(rule.times) ? rule.times : null });
  });
  app.delete("/faults", (context) => {
    faults.clear(context.req.query("array"));
    options.onFaults();
    return context.json({});
  });
  app.get("/requests", (context) => context.json(requests.report()));
  app.delete("/requests", (context) => {
    requests.reset();
    return context.json({});
  });
  app.get("/clock", (context) => context.json({ nowMs: clock.now(), offsetMs: clock.offsetMs }));
  app.post("/clock", async (context) => {
    const advance = new Fields(await jsonOf(context.req.raw)).integer("advance");
    if (advance === undefined || advance < 0) {
      throw refused("advance must be a number of seconds, 0 or more: time does not go back");
    }
    clock.advance(advance);
    await options.onClock();
    return context.json({ nowMs: clock.now(), offsetMs: clock.offsetMs });
  });
  app.post("/token", async (context) => {
    const fields = new Fields(await jsonOf(context.req.raw));
    const [array, token] = [
      requireArray(options.fleet, fields.text("array")),
      fields.text("token"),
    ];
    if (!token) throw refused("token must be a text: the API token from now on");
    options.changeToken(array, token);
    return context.json({});
  });
  app.delete("/sessions", (context) => {
    options.endSessions(context.req.query("array"));
    return context.json({});
  });
  addConditionRoutes(app, options);
  return app;
}

/** Alerts and controllers: what is wrong with an array until somebody takes it back. */
function addConditionRoutes(app: Hono, { conditions, fleet }: ControlOptions): void {
  const arrayOf = (body: unknown) => requireArray(fleet, new Fields(body).text("array"));
  app.post("/alerts", async (context) => {
    const body = await jsonOf(context.req.raw);
    return context.json(conditions.raise(arrayOf(body), body));
  });
  app.delete("/alerts", (context) => {
    conditions.closeAlerts(context.req.query("array"));
    return context.json({});
  });
  app.post("/controllers", async (context) => {
    const body = await jsonOf(context.req.raw);
    conditions.setController(arrayOf(body), body);
    return context.json({});
  });
  app.delete("/controllers", (context) => {
    conditions.clearControllers();
    return context.json({});
  });
}

/** The name of an array that is served; RestError 400 says which there are. */
function requireArray(fleet: FleetEntry[], name: string | undefined): string {
  if (name !== undefined && fleet.some((entry) => entry.name === name)) return name;
  const names = fleet.map((entry) => entry.name).join(", ");
  throw refused(
    name === undefined
      ? `array is missing: there are ${names}`
      : `no array is named ${name}: there are ${names}`,
  );
}

async function jsonOf(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    throw refused("the request body is not valid JSON");
  }
}
