import type { ArrayContext } from "../array_context.ts";
import type { Row } from "../filter.ts";
import type { Listed } from "../list.ts";
import { type Alert, alertId } from "./conditions.ts";

/**
 * The alerts that somebody raised by the control endpoint, closed ones too, as both kinds of array
 * list them; `more` has the columns of one kind.
 */
export function listedAlerts(
  { name: array, conditions }: ArrayContext,
  more: (alert: Alert) => Row,
): Listed<Alert> {
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
      code: alert.code,
      component_name: alert.componentName,
      component_type: alert.componentType,
      created: alert.createdMs,
      description: alert.description,
      flagged: alert.flagged,
      knowledge_base_url: null,
      notified: alert.createdMs,
      severity: alert.severity,
      state: alert.closedMs === null ? "open" : "closed",
      summary: alert.summary,
      updated: alert.closedMs ?? alert.createdMs,
      ...more(alert),
    }),
  };
}
