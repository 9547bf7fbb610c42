/** What the keys of pods, containers and images do to what the chart renders. */
import type { KubeObject } from "./helm.ts";
import type { KeyCase, Part, Rendered } from "./rendered.ts";

const OTHER = "other.example.com/some/image";
const DIGEST = `sha256:${"5".repeat(64)}`;

/** Keys of an image, of the container that `container` finds. */
export function imageCases(
  path: string,
  container: (rendered: Rendered) => KubeObject,
): Record<string, KeyCase> {
  return {
    [`${path}.name`]: {
      value: OTHER,
      read: (all) => container(all).image.split(":")[0],
      wanted: OTHER,
    },
    [`${path}.tag`]: {
      value: "v99",
      read: (all) => container(all).image.split(":")[1],
      wanted: "v99",
    },
    [`${path}.digest`]: {
      value: DIGEST,
      read: (all) => container(all).image.split("@")[1],
      wanted: DIGEST,
    },
    [`${path}.pullPolicy`]: {
      value: "Always",
      beside: path === "images.plugin" ? { images: { plugin: { name: OTHER } } } : {},
      read: (all) => container(all).imagePullPolicy,
      wanted: "Always",
    },
  };
}

const ROWS = [{ name: "ZONE", value: "a" }];
const HANDLER = { tcpSocket: { port: 1 } };

/** Keys that controller and node have both. */
export function podCases(part: Part): Record<string, KeyCase> {
  const account = part === "controllerServer" ? "pure" : "pure-node";
  const pod = (field: string, value: unknown): KeyCase => ({
    value,
    read: (all) => all.pod(part)[field],
    wanted: value,
  });
  const driver = (field: string, value: unknown): KeyCase => ({
    value,
    read: (all) => all.container(part)[field],
    wanted: value,
  });
  const last = (from: (all: Rendered) => KubeObject[], value: KubeObject): KeyCase => ({
    value: [value],
    read: (all) => from(all).at(-1),
    wanted: value,
  });
  const cases: Record<string, KeyCase> = {
    "serviceAccount.create": {
      value: false,
      read: (all) => all.names("ServiceAccount").includes(account),
      wanted: false,
    },
    "serviceAccount.name": {
      value: "mine",
      read: (
        all,
      ) => [all.pod(part).serviceAccountName, all.names("ServiceAccount").includes("mine")],
      wanted: ["mine", true],
    },
    "serviceAccount.annotations": {
      value: { a: "b" },
      read: (all) => all.get("ServiceAccount", account).metadata.annotations,
      wanted: { a: "b" },
    },
    "resources": driver("resources", { limits: { cpu: "2" } }),
    "updateStrategy": {
      value: { type: "X" },
      read: (all) => {
        const { strategy, updateStrategy } = all.workload(part).spec;
        return strategy ?? updateStrategy;
      },
      wanted: { type: "X" },
    },
    "revisionHistoryLimit": {
      value: 3,
      read: (all) => all.workload(part).spec.revisionHistoryLimit,
      wanted: 3,
    },
    "adminPort": {
      value: 9999,
      read: (all) => [
        all.container(part).ports[0].containerPort,
        all.container(part).args.filter((one: string) => one.endsWith(":9999")).length,
      ],
      wanted: [9999, 1],
    },
    "annotations": {
      value: { a: "b" },
      read: (all) => all.workload(part).metadata.annotations.a,
      wanted: "b",
    },
    "podLabels": {
      value: { a: "b" },
      read: (all) => all.workload(part).spec.template.metadata.labels.a,
      wanted: "b",
    },
    "podAnnotations": {
      value: { a: 7 },
      read: (all) => all.workload(part).spec.template.metadata.annotations.a,
      wanted: "7",
    },
    "podSecurityContext": { ...pod("securityContext", { runAsUser: 7 }) },
    "securityContext": driver("securityContext", { runAsUser: 7 }),
    "livenessProbe": driver("livenessProbe", HANDLER),
    "readinessProbe": driver("readinessProbe", HANDLER),
    "additionalArgs": {
      value: ["--log-level=debug"],
      read: (all) => all.container(part).args.at(-1),
      wanted: "--log-level=debug",
    },
    "env": last((all) => all.container(part).env, ROWS[0]),
    "volumes": last((all) => all.pod(part).volumes, { name: "v", emptyDir: {} }),
    "volumeMounts": last((all) => all.container(part).volumeMounts, { name: "v", mountPath: "/v" }),
    "initContainers": last((all) => all.pod(part).initContainers, { name: "i", image: "x" }),
    "extraContainers": last((all) => all.pod(part).containers, { name: "e", image: "x" }),
    "topologySpreadConstraints": pod("topologySpreadConstraints", [{ maxSkew: 1 }]),
    "dnsConfig": pod("dnsConfig", { nameservers: ["192.0.2.1"] }),
    "hostAliases": pod("hostAliases", [{ ip: "192.0.2.1" }]),
    "runtimeClassName": pod("runtimeClassName", "kata"),
    "priorityClassName": pod("priorityClassName", "high"),
    "nodeSelector": pod("nodeSelector", { zone: "a" }),
    "affinity": pod("affinity", { nodeAffinity: { a: "b" } }),
  };
  return Object.fromEntries(
    Object.entries(cases).map(([name, one]) => [`${part}.${name}`, one]),
  );
}

/** Keys of a sidecar. */
export function sidecarCases(path: string, part: Part, name: string): Record<string, KeyCase> {
  const field = (which: string, value: unknown): KeyCase => ({
    value,
    read: (all) => all.container(part, name)[which],
    wanted: value,
  });
  const flag = (text: string, value: unknown): KeyCase => ({
    value,
    read: (all) => all.container(part, name).args.filter((one: string) => one === text),
    wanted: [text],
  });
  const cases: Record<string, KeyCase> = {
    "resources": field("resources", { limits: { cpu: "2" } }),
    "logLevel": flag("-v=0", 0),
    "additionalArgs": flag("--a=b", ["--a=b"]),
    "env": { ...field("env", ROWS), read: (all) => all.container(part, name).env.slice(-1) },
    "securityContext": field("securityContext", { runAsUser: 7 }),
    "volumeMounts": {
      value: [{ name: "v", mountPath: "/v" }],
      read: (all) => all.container(part, name).volumeMounts.at(-1),
      wanted: { name: "v", mountPath: "/v" },
    },
    "timeout": flag("--timeout=99s", "99s"),
    ...part === "nodeServer"
      ? {
        "port": flag("--http-endpoint=[$(HOST_IP)]:9999", 9999),
        "livenessProbe": field("livenessProbe", HANDLER),
      }
      : {
        "retryIntervalMax": flag("--retry-interval-max=99s", "99s"),
        "kubeApiQps": flag("--kube-api-qps=99", 99),
        "kubeApiBurst": flag("--kube-api-burst=99", 99),
      },
  };
  return Object.fromEntries(Object.entries(cases).map(([key, one]) => [`${path}.${key}`, one]));
}
