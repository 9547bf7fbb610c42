import { Fields } from "../../body.ts";
import type { Answer, ArrayRoutes, Call } from "../../call.ts";
import type { Alert } from "../../conditions/conditions.ts";
import { listedAlerts } from "../../conditions/listed_alerts.ts";
import { items, type Listed, named } from "../../list.ts";
import { requireModelled } from "../../modelled.ts";
import { refused } from "../../rest_error.ts";
import type { FlashArrayState } from "../state.ts";

function alertsOf({ context }: FlashArrayState): Listed<Alert> {
  return listedAlerts(context, ({ componentType, closedMs, summary }) => ({
    actual: null,
    category: componentType === "array" ? "array" : "hardware",
    closed: closedMs,
    expected: null,
    issue: summary,
  }));
}

function patchAlerts(state: FlashArrayState, call: Call): Answer {
  const { name, conditions } = state.context;
  const listed = alertsOf(state);
  const found = named(call, listed);
  if (found === undefined) throw refused("names or ids is required.");
  requireModelled(call, { fields: ["flagged"], query: ["names", "ids"] }, name);
  const flagged = new Fields(call.body).boolean("flagged");
  const numbers = found.map(({ number }) => number);
  if (flagged !== undefined) conditions?.flag(name, numbers, flagged);
  return items(
    [...listed.all()].filter(({ number }) => numbers.includes(number)).map(listed.render),
  );
}

/** Serves /alerts: raised by the control endpoint, flagged and unflagged by clients. */
export function addAlertRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("GET /alerts", (call) => state.list(call, alertsOf(state)), { since: 2 });
  routes.on("PATCH /alerts", (call) => patchAlerts(state, call), { since: 2 });
}
