import type { ConfigKey, KeyType } from "./keys.ts";

// Keys of what watches the driver and of the network around it. PSO had none of these.

/** Path, type, meaning, and the default if there is one. */
type Row = readonly [string, KeyType, string, (string | boolean)?];

const ROWS: readonly Row[] = [
  ["metrics.serviceMonitor.enabled", "switch", "Make ServiceMonitors for both parts.", false],
  ["metrics.serviceMonitor.labels", "mapping", "Labels by which Prometheus selects them."],
  ["metrics.serviceMonitor.interval", "text", "How often Prometheus asks.", "30s"],
  ["metrics.serviceMonitor.scrapeTimeout", "text", "How long it waits for an answer."],
  ["metrics.serviceMonitor.relabelings", "list", "As in a ServiceMonitor."],
  ["metrics.serviceMonitor.metricRelabelings", "list", "As in a ServiceMonitor."],
  [
    "metrics.prometheusRule.enabled",
    "switch",
    "Make a PrometheusRule with the alerts of [Metrics](metrics.md#alerts).",
    false,
  ],
  ["metrics.prometheusRule.labels", "mapping", "Labels by which Prometheus selects it."],
  ["metrics.prometheusRule.alertLabels", "mapping", "Labels that every alert gets."],
  ["metrics.prometheusRule.disabled", "list", "Names of alerts that are left out."],
  ["metrics.prometheusRule.additionalRules", "list", "Rules of your own."],
  ["metrics.dashboard.enabled", "switch", "Make a ConfigMap with a dashboard for Grafana.", false],
  ["metrics.dashboard.labels", "mapping", 'Its labels. Default: `grafana_dashboard: "1"`.'],
  ["metrics.dashboard.annotations", "mapping", "Its annotations."],
  [
    "networkPolicy.enabled",
    "switch",
    "Let the controller's pods talk only to DNS, the API server and the arrays. Node pods are in " +
    "the network of their hosts, where no policy counts.",
    false,
  ],
  ["networkPolicy.metricsFrom", "list", "Who may read metrics, as in `from`. Default: all."],
  [
    "networkPolicy.snapshotMetadataFrom",
    "list",
    "Who may ask for changed blocks, as in `from`. Default: all.",
  ],
  ["networkPolicy.apiServerPorts", "list", "Ports of the API server. Default: 443 and 6443."],
  ["networkPolicy.apiServerTo", "list", "Where the API server is, as in `to`. Default: anywhere."],
  [
    "networkPolicy.arraysTo",
    "list",
    "Where the arrays are, as in `to`. Default: anywhere, by the ports of their addresses.",
  ],
  ["networkPolicy.extraEgress", "list", "More rules for what the controllers send."],
];

/** Monitoring and network policy. */
export const WATCH_KEYS: readonly ConfigKey[] = ROWS.map(([path, type, meaning, value]) => ({
  path,
  type,
  meaning,
  usedBy: "chart",
  ...value !== undefined && { default: value },
}));
