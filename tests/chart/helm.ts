/** Both Helms on the chart, and a real API server without nodes for what they render. */
import { parse } from "@std/yaml";
import { ROOT } from "../../scripts/program.ts";
import { type Ran, runTool, tryTool } from "../../scripts/shell.ts";
import { buildKube } from "../support/kube.ts";

export const CHART = `${ROOT}/deploy/helm/pure-csi`;
export const RELEASE = "pure-csi";
export const NAMESPACE = "pso";

/** Both are supported: Helm 3 until its end, Helm 4 from its beginning. */
export const HELMS = ["helm3", "helm4"] as const;
export type Helm = (typeof HELMS)[number];

/** Helm 3 and 4 do not agree on what Kubernetes they believe in, so they are always told. */
const KUBERNETES = ["--kube-version", "1.36.3"];

/** What a cluster may have beside its own kinds; the chart makes more where it finds them. */
export const ADDONS = [
  "snapshot.storage.k8s.io/v1/VolumeSnapshotClass",
  "groupsnapshot.storage.k8s.io/v1/VolumeGroupSnapshotClass",
  "monitoring.coreos.com/v1/ServiceMonitor",
  "monitoring.coreos.com/v1/PrometheusRule",
  "cbt.storage.k8s.io/v1beta1/SnapshotMetadataService",
];

function cache(): string {
  const env = (name: string) => Deno.env.get(name);
  return env("PSO_KUBE_CACHE") ?? `${env("XDG_CACHE_HOME") ?? `${env("HOME")}/.cache`}/pso-kube`;
}

/** Folder of the CRDs of other products that the chart can make objects of. */
export function definitions(): string {
  return `${cache()}/definitions`;
}

/** Path of a Helm that build() made. */
export function programOf(which: Helm): string {
  return `${cache()}/bin/${which}`;
}

let built: Promise<void> | undefined;

/** Builds both Helms and Kubernetes if that was not done yet, which takes minutes the first time. */
export function build(): Promise<void> {
  return built ??= buildKube();
}

/** Runs a Helm without any cluster. */
export async function helm(which: Helm, ...args: string[]): Promise<Ran> {
  await build();
  return await tryTool(programOf(which), args, {
    env: { KUBECONFIG: "/dev/null", HELM_NAMESPACE: NAMESPACE, NO_COLOR: "1" },
  });
}

/** Renders the chart with one values file; `addons` are APIs that the cluster is said to have. */
export async function render(
  which: Helm,
  { file, addons = [], args = [] }: { file: string; addons?: string[]; args?: string[] },
): Promise<Ran> {
  const apis = addons.flatMap((api) => ["--api-versions", api]);
  return await helm(which, "template", RELEASE, CHART, ...KUBERNETES, ...apis, "-f", file, ...args);
}

// deno-lint-ignore no-explicit-any -- objects of the Kubernetes API, as the chart renders them
export type KubeObject = any;

/** The objects of a rendered text. */
export function objectsOf(text: string): KubeObject[] {
  return text.split(/^---\s*$/m).map((one) => parse(one)).filter((one) =>
    one !== null && one !== undefined
  );
}

/** A control plane without nodes, in which nothing ever starts. */
export class ApiServer {
  constructor(readonly env: Record<string, string>) {}

  /** A folder for files of a test; it goes with the cluster. */
  get dir(): string {
    return `${this.env.KUBE_DIR}/files`;
  }

  async kubectl(...args: string[]): Promise<string> {
    return await runTool("kubectl", args, { env: this.env });
  }

  async try(tool: string, ...args: string[]): Promise<Ran> {
    return await tryTool(tool, args, { env: { ...this.env, NO_COLOR: "1" } });
  }

  /** A Helm on this cluster, in the chart's namespace. */
  async helm(which: Helm, ...args: string[]): Promise<Ran> {
    return await this.try(which, ...args, "-n", NAMESPACE);
  }

  /** Writes objects to a file that kubectl reads. */
  async fileOf(objects: KubeObject[]): Promise<string> {
    const file = await Deno.makeTempFile({ dir: this.dir, suffix: ".json" });
    await Deno.writeTextFile(
      file,
      JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
    );
    return file;
  }

  async apply(...objects: KubeObject[]): Promise<void> {
    await this.kubectl("apply", "-f", await this.fileOf(objects));
  }

  async get(...args: string[]): Promise<KubeObject> {
    return JSON.parse(await this.kubectl("get", "-o", "json", ...args));
  }

  /** Names of all objects of these kinds, as kind/name. */
  async names(...kinds: string[]): Promise<string[]> {
    const text = await this.kubectl("get", kinds.join(","), "-A", "-o", "name");
    return text.split("\n").filter((line) => line !== "").sort();
  }
}
