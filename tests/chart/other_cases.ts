/** What the keys of the simulated fleet, of monitoring and of the network do to what the chart renders. */
import type { KubeObject } from "./helm.ts";
import type { KeyCase, Rendered } from "./rendered.ts";

const SIMULATED = { simulate: { enabled: true } };

function simulated(rendered: Rendered): KubeObject {
  return rendered.get("Deployment", "pure-csi-simulator").spec.template.spec;
}

function simulatorArgs(flag: string, value: unknown): KeyCase {
  return {
    value,
    beside: SIMULATED,
    read: (all) => simulated(all).containers[0].args.filter((one: string) => one.includes(flag)),
    wanted: [flag],
  };
}

/** Keys of a ServiceMonitor, PrometheusRule or dashboard, below `metrics`, with the object on. */
function watchCase(part: string, { value, read, wanted }: KeyCase): KeyCase {
  return { value, beside: { metrics: { [part]: { enabled: true } } }, read, wanted };
}

function monitor(field: string, value: unknown): KeyCase {
  return watchCase("serviceMonitor", {
    value,
    read: (all) => all.get("ServiceMonitor", "pure-csi").spec.endpoints[0][field],
    wanted: value,
  });
}

const POLICY = { networkPolicy: { enabled: true } };

function egress(rendered: Rendered): KubeObject[] {
  return rendered.get("NetworkPolicy").spec.egress;
}

const PEERS = [{ ipBlock: { cidr: "192.0.2.0/24" } }];
const RULE = { alert: "Mine", expr: "1" };

function rules(rendered: Rendered): KubeObject[] {
  return rendered.get("PrometheusRule").spec.groups[0].rules;
}

/** Keys of what stands beside the driver. */
export const OTHER_CASES: Readonly<Record<string, KeyCase>> = {
  "simulate.enabled": {
    value: true,
    read: (all) => [
      all.names("Deployment"),
      all.container("nodeServer").args.includes("--local-plane=/var/lib/pso-simulator/plane"),
    ],
    wanted: [["pure-csi-simulator", "pure-provisioner"], true],
  },
  "simulate.flasharrays": simulatorArgs("--flasharrays=7", 7),
  "simulate.flashblades": simulatorArgs("--flashblades=7", 7),
  "simulate.clusterIP": {
    value: "10.0.0.50",
    beside: SIMULATED,
    read: (all) => all.get("Service", "pure-csi-simulator").spec.clusterIP,
    wanted: "10.0.0.50",
  },
  "simulate.port": simulatorArgs("--listen=[$(POD_IP)]:9999", 9999),
  "simulate.stateDir": simulatorArgs("--state=/srv/arrays", "/srv/arrays"),
  "simulate.nodeSelector": {
    value: { zone: "a" },
    beside: SIMULATED,
    read: (all) => simulated(all).nodeSelector,
    wanted: { zone: "a" },
  },
  "simulate.tolerations": {
    value: [{ key: "k" }],
    beside: SIMULATED,
    read: (all) => simulated(all).tolerations,
    wanted: [{ key: "k" }],
  },
  "simulate.resources": {
    value: { limits: { cpu: "2" } },
    beside: SIMULATED,
    read: (all) => simulated(all).containers[0].resources,
    wanted: { limits: { cpu: "2" } },
  },
  "simulate.additionalArgs": simulatorArgs("--latency=5", ["--latency=5"]),
  "metrics.serviceMonitor.enabled": {
    value: true,
    read: (all) => all.names("ServiceMonitor"),
    wanted: ["pure-csi", "pure-provisioner"],
  },
  "metrics.serviceMonitor.labels": watchCase("serviceMonitor", {
    value: { release: "p" },
    read: (all) => all.get("ServiceMonitor", "pure-csi").metadata.labels.release,
    wanted: "p",
  }),
  "metrics.serviceMonitor.interval": monitor("interval", "7s"),
  "metrics.serviceMonitor.scrapeTimeout": monitor("scrapeTimeout", "7s"),
  "metrics.serviceMonitor.relabelings": monitor("relabelings", [{ action: "drop" }]),
  "metrics.serviceMonitor.metricRelabelings": monitor("metricRelabelings", [{ action: "drop" }]),
  "metrics.prometheusRule.enabled": {
    value: true,
    read: (all) => all.names("PrometheusRule"),
    wanted: ["pure-csi"],
  },
  "metrics.prometheusRule.labels": watchCase("prometheusRule", {
    value: { release: "p" },
    read: (all) => all.get("PrometheusRule").metadata.labels.release,
    wanted: "p",
  }),
  "metrics.prometheusRule.alertLabels": watchCase("prometheusRule", {
    value: { team: "p" },
    read: (all) => rules(all).filter(({ labels }) => labels.team !== "p"),
    wanted: [],
  }),
  "metrics.prometheusRule.disabled": watchCase("prometheusRule", {
    value: ["PsoArrayDown"],
    read: (all) => rules(all).filter(({ alert }) => alert === "PsoArrayDown"),
    wanted: [],
  }),
  "metrics.prometheusRule.additionalRules": watchCase("prometheusRule", {
    value: [RULE],
    read: (all) => rules(all).at(-1),
    wanted: RULE,
  }),
  "metrics.dashboard.enabled": {
    value: true,
    read: (all) => all.names("ConfigMap").includes("pure-csi-dashboard"),
    wanted: true,
  },
  "metrics.dashboard.labels": watchCase("dashboard", {
    value: { shown: "yes" },
    read: (all) => all.get("ConfigMap", "pure-csi-dashboard").metadata.labels.shown,
    wanted: "yes",
  }),
  "metrics.dashboard.annotations": watchCase("dashboard", {
    value: { folder: "storage" },
    read: (all) => all.get("ConfigMap", "pure-csi-dashboard").metadata.annotations,
    wanted: { folder: "storage" },
  }),
  "networkPolicy.enabled": {
    value: true,
    read: (all) => all.names("NetworkPolicy"),
    wanted: ["pure-provisioner"],
  },
  "networkPolicy.metricsFrom": {
    value: PEERS,
    beside: POLICY,
    read: (all) => all.get("NetworkPolicy").spec.ingress[0].from,
    wanted: PEERS,
  },
  "networkPolicy.apiServerPorts": {
    value: [7443],
    beside: POLICY,
    read: (all) => egress(all)[1].ports,
    wanted: [{ port: 7443, protocol: "TCP" }],
  },
  "networkPolicy.apiServerTo": {
    value: PEERS,
    beside: POLICY,
    read: (all) => egress(all)[1].to,
    wanted: PEERS,
  },
  "networkPolicy.arraysTo": {
    value: PEERS,
    beside: POLICY,
    read: (all) => egress(all)[2].to,
    wanted: PEERS,
  },
  "networkPolicy.extraEgress": {
    value: [{ to: PEERS }],
    beside: POLICY,
    read: (all) => egress(all).at(-1),
    wanted: { to: PEERS },
  },
};
