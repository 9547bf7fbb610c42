import { shownText } from "./array_facts.ts";
import type { ArrayContext } from "./named_objects.ts";
import { RestError } from "./refusals.ts";
import { type Reader, record } from "./shape.ts";

/** An item of GET alerts, which both kinds of array have. */
interface AlertItem {
  severity?: string;
  state?: string;
  component_name?: string;
  summary?: string;
  issue?: string;
}

const alertItem: Reader<AlertItem> = record<AlertItem>({
  severity: shownText,
  state: shownText,
  component_name: shownText,
  summary: shownText,
  issue: shownText,
});

/** As StorageArray.listAlerts. What an older array does not filter is left out here. */
export async function readAlerts(
  { rest }: ArrayContext,
  signal?: AbortSignal,
): Promise<string[]> {
  const query = { filter: "state='open' and severity='critical'" };
  try {
    const call = { path: "alerts", query, item: alertItem, signal } as const;
    const alerts = await Array.fromAsync(rest.all<AlertItem>(call));
    return alerts.filter(({ state, severity }) => state === "open" && severity === "critical")
      .map(({ component_name: of, summary, issue }) =>
        `${of ? `${of}: ` : ""}${summary || issue || "an alert without words"}`
      );
  } catch (error) {
    if (error instanceof RestError && error.refusal !== "trouble") return [];
    throw error;
  }
}
