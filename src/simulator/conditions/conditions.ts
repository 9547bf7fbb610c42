import { Fields } from "../body.ts";
import type { Clock } from "../clock.ts";
import { refused } from "../rest_error.ts";

const SEVERITIES = ["info", "warning", "critical"];
const CONTROLLERS = ["CT0", "CT1"];
/** As real arrays number them: an id is never given twice. */
const FIRST_ALERT = 1000;

/** An alert that somebody raised on one array. */
export interface Alert {
  number: number;
  severity: string;
  code: number;
  componentName: string;
  componentType: string;
  summary: string;
  description: string;
  createdMs: number;
  /** `null` while it is open. */
  closedMs: number | null;
  flagged: boolean;
}

/** The id of an alert, made of its number: the same for as long as it is listed. */
export function alertId({ number }: Alert): string {
  return `a1e70000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

/** What is wrong with the arrays of a fleet, as somebody has it: in memory, as faults are. */
export class Conditions {
  readonly #clock: Clock;
  readonly #alerts = new Map<string, Alert[]>();
  readonly #controllers = new Map<string, string>();
  #raised = FIRST_ALERT;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Reads the body of POST /alerts and opens the alert; RestError 400 says what is wrong. */
  raise(array: string, body: unknown): Alert {
    const fields = new Fields(body);
    const severity = fields.text("severity") ?? "critical";
    if (!SEVERITIES.includes(severity)) {
      throw refused(`severity must be one of ${SEVERITIES.join(", ")}; found ${severity}`);
    }
    const summary = fields.text("summary");
    if (summary === undefined || summary === "") throw refused("an alert needs a summary");
    const alert: Alert = {
      number: this.#raised++,
      severity,
      code: fields.integer("code") ?? 1,
      componentName: fields.text("component_name") ?? array,
      componentType: fields.text("component_type") ?? "array",
      summary,
      description: fields.text("description") ?? summary,
      createdMs: this.#clock.now(),
      closedMs: null,
      flagged: true,
    };
    this.#alerts.set(array, [...this.alertsOf(array), alert]);
    return alert;
  }

  alertsOf(array: string): Alert[] {
    return this.#alerts.get(array) ?? [];
  }

  /** What a client of the array may change of an alert. */
  flag(array: string, numbers: readonly number[], flagged: boolean): void {
    this.#alerts.set(
      array,
      this.alertsOf(array).map((alert) =>
        numbers.includes(alert.number) ? { ...alert, flagged } : alert
      ),
    );
  }

  /** Closes all alerts of one array or of all; they stay in the lists as closed ones. */
  closeAlerts(array: string | undefined): void {
    for (const [name, alerts] of this.#alerts) {
      if (array !== undefined && name !== array) continue;
      const closedMs = this.#clock.now();
      const closed = (alert: Alert) => ({ ...alert, closedMs: alert.closedMs ?? closedMs });
      this.#alerts.set(name, alerts.map(closed));
    }
  }

  /** Reads the body of POST /controllers; RestError 400 says what is wrong. */
  setController(array: string, body: unknown): void {
    const fields = new Fields(body);
    const [name, status] = [fields.text("name") ?? "", fields.text("status") ?? ""];
    if (!CONTROLLERS.includes(name)) {
      throw refused(`name must be one of ${CONTROLLERS.join(", ")}; found ${name || "nothing"}`);
    }
    if (status === "") throw refused("a controller needs a status, such as ready or not ready");
    this.#controllers.set(`${array}/${name}`, status);
  }

  /** `ready` unless somebody said something else. */
  controllerStatus(array: string, name: string): string {
    return this.#controllers.get(`${array}/${name}`) ?? "ready";
  }

  /** Whether both controllers are. */
  areReady(array: string): boolean {
    return CONTROLLERS.every((name) => this.controllerStatus(array, name) === "ready");
  }

  /** All controllers are ready again. */
  clearControllers(): void {
    this.#controllers.clear();
  }
}
