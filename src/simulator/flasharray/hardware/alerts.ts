import { Fields } from "../../body.ts";
import type { Answer, ArrayRoutes, Call } from "../../call.ts";
import { type Alert, alertId } from "../../conditions/conditions.ts";
import { items, type Listed, named } from "../../list.ts";
import { requireModelled } from "../../modelled.ts";
import { refused } from "../../rest_error.ts";
import type { FlashArrayState } from "../state.ts";

/** The alerts that somebody raised by the control endpoint, closed ones too. */
function listedAlerts({ context: { name: array, conditions } }: FlashArrayState): Listed<Alert> {
  const all = () => conditions?.alertsOf(array) ?? [];
  return {
    what: "Alert",
    all,
    byName: (name) => all().find(({ number }) => String(number) === name),
    byId: (id) => all().find((alert) => alertId(alert) === id),
    keyOf: ({ number }) => String(number).padStart(9, "0"),
    render: (alert) => ({
      id: alertId(alert),
      name: String(alert.number),
      actual: null,
      category: alert.componentType === "array" ? "array" : "hardware",
      closed: alert.closedMs,
      code: alert.code,
      component_name: alert.componentName,
      component_type: alert.componentType,
      created: alert.createdMs,
      description: alert.description,
      expected: null,
      flagged: alert.flagged,
      issue: alert.summary,
      knowledge_base_url: null,
      notified: alert.createdMs,
      severity: alert.severity,
      state: alert.closedMs === null ? "open" : "closed",
      summary: alert.summary,
      updated: alert.closedMs ?? alert.createdMs,
    }),
  };
}

function patchAlerts(state: FlashArrayState, call: Call): Answer {
  const { name, conditions } = state.context;
  const listed = listedAlerts(state);
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
  routes.on("GET /alerts", (call) => state.list(call, listedAlerts(state)), { since: 2 });
  routes.on("PATCH /alerts", (call) => patchAlerts(state, call), { since: 2 });
}
