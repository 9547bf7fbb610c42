import { chartTable } from "./chart_table.ts";
import { classParametersPage } from "./class_parameters_page.ts";
import { configurationPage } from "./config_page.ts";
import { formattingPage } from "./formatting_page.ts";
import { metricsPage } from "./metrics_page.ts";
import { securityPage } from "./security_page.ts";
import { valuesSchema } from "./values_schema.ts";

/**
 * What is generated from the tables of the sources: the path from the project's folder, and its
 * text. generate.ts writes each; a test compares each with what is committed.
 */
export const PAGES: Readonly<Record<string, () => string>> = {
  "docs/class-parameters.md": classParametersPage,
  "docs/configuration.md": configurationPage,
  "docs/formatting-options.md": formattingPage,
  "docs/metrics.md": metricsPage,
  "docs/security.md": securityPage,
  "deploy/helm/pure-csi/files/keys.json": () => `${JSON.stringify(chartTable(), null, 2)}\n`,
  "deploy/helm/pure-csi/values.schema.json": () => `${JSON.stringify(valuesSchema(), null, 2)}\n`,
};
