/**
 * The chart in a real cluster of two nodes: real Helm, the program in pods under the image name
 * that the chart gives it, service accounts alone, and a simulated fleet on this machine.
 */
import { PROGRAM, ROOT } from "../../scripts/program.ts";
import { runTool } from "../../scripts/shell.ts";
import { until } from "../../src/async/wait.ts";
import { messageOf } from "../../src/errors.ts";
import { Fleet, valuesText } from "./fleet.ts";
import { Kubectl, type KubeObject, startKube, WAIT_MS } from "./kubectl.ts";
import { containersOn, type RunningContainer } from "./containers.ts";

const CHART = `${ROOT}/deploy/helm/pure-csi`;
/** This machine as the cluster sees it (tests/kube/README.md). */
const MACHINE = `${Deno.env.get("PSO_KUBE_NET") ?? "10.200"}.2.1`;
export const NAMESPACE = "pso";
export const RELEASE = "pure-csi";
export const LEASE = "pure-csi-leader";
export const CONTROLLERS = "app=pure-provisioner";
export const NODES = "app=pure-csi";

/** A node without power is found out sooner than after 50 s. */
const KUBE_ENV = { PSO_KUBE_CONTROLLER_MANAGER: "--node-monitor-grace-period=15s" };

const FAST = { kubeApiQps: 200, kubeApiBurst: 400 };

/** Tools of this machine that the image of the program has beside it. */
const IMAGE_TOOLS = ["nsenter", "chroot", "timeout", "prlimit", "sh"];

/** What a test of the chart needs of its cluster beside nodes. */
export interface ChartClusterOptions {
  /** An image archive of the program under the chart's name. */
  archive?: string;
  /** Services have an effect: for a test that reaches one. */
  services?: boolean;
}

export class ChartCluster extends Kubectl {
  /** More keys of the values file, beside those that every installation has. */
  values: Record<string, unknown> = {};
  /** More keys of its `nodeServer`. */
  nodeServer: Record<string, unknown> = {};

  private constructor(kube: Kubectl, readonly fleet: Fleet) {
    super(kube.dir, kube.env);
  }

  /**
   * Cluster, fleet and images; the chart is not installed yet. `archive` has the image of the
   * program under the chart's name; without it one is made of the program and tools from here.
   */
  static async start(
    { archive, services = false }: ChartClusterOptions = {},
  ): Promise<ChartCluster> {
    const dir = await Deno.makeTempDir({ prefix: "k-" });
    const fleet = await Fleet.prepare(`${dir}/fleet`);
    let kube: Kubectl | undefined;
    try {
      const options = ["--hosts", ...services ? ["--services"] : []];
      kube = await startKube(dir, { options, env: KUBE_ENV });
      await fleet.start(`${MACHINE}:0`);
      const cluster = new ChartCluster(kube, fleet);
      await cluster.#images(archive);
      return cluster;
    } catch (error) {
      await kube?.down();
      await fleet.stop();
      await Deno.remove(dir, { recursive: true });
      throw error;
    }
  }

  /** Ends everything: first the nodes and their mounts, then the arrays. */
  async stop(): Promise<void> {
    await this.down();
    await this.fleet.stop();
    await Deno.remove(this.dir, { recursive: true });
  }

  async helm(...args: string[]): Promise<string> {
    const own = `${this.dir}/helm`;
    return await runTool("helm4", args, {
      env: {
        ...this.env,
        HELM_CACHE_HOME: `${own}/cache`,
        HELM_CONFIG_HOME: `${own}/config`,
        HELM_DATA_HOME: `${own}/data`,
      },
    });
  }

  /** Installs the chart, or changes its release, with these arrays and `values`; waits. */
  async install(...leftOut: string[]): Promise<string> {
    const file = await this.#writeValues(leftOut);
    const where = ["--namespace", NAMESPACE, "--create-namespace"];
    return await this.helm(
      ...["upgrade", "--install", RELEASE, CHART, ...where],
      ...["--values", file, "--wait", "--timeout", "180s"],
    );
  }

  async uninstall(): Promise<string> {
    return await this.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait");
  }

  async #writeValues(leftOut: string[]): Promise<string> {
    const file = `${this.dir}/values.yaml`;
    const { csi, ...values } = this.values;
    const text = valuesText({
      clusterID: "charted",
      arrays: await this.fleet.values(...leftOut),
      // As fast as the cluster's own controllers here: else a storm of claims waits for the API.
      csi: { provisioner: FAST, attacher: FAST, ...Object(csi) },
      nodeServer: {
        localPlane: this.fleet.facts.plane,
        // The nodes have one network, and would all tell the same addresses.
        dataAddresses: ["$(HOST_IP)"],
        ...this.nodeServer,
      },
      ...values,
    });
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    return file;
  }

  /** Every image that the chart names, under that very name. */
  async #images(archive?: string): Promise<void> {
    const file = await this.#writeValues([]);
    const rendered = await this.helm(
      ...["template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", file],
      ...["--kube-version", await this.version()],
      ...["--api-versions", "snapshot.storage.k8s.io/v1/VolumeSnapshotClass"],
    );
    const found = rendered.matchAll(/^\s*(?:- )?image: "?([^\s"]+)/gm);
    const names = new Set([...found].map(([, name = ""]) => name));
    const upstream = [...names].filter((name) => name.includes("/sig-storage/"));
    await this.kube("images", ...upstream);
    if (archive !== undefined) {
      await this.kube("load", archive);
      return;
    }
    const tools = await Promise.all(
      IMAGE_TOOLS.map(async (tool) => (await runTool("sh", ["-c", `command -v ${tool}`])).trim()),
    );
    for (const name of names) {
      if (!upstream.includes(name)) await this.kube("image", name, PROGRAM, ...tools);
    }
  }

  /** Pods of the driver by a label. */
  async pods(label: string): Promise<KubeObject[]> {
    return (await this.get("pods", "--namespace", NAMESPACE, "--selector", label)).items;
  }

  /** The pod whose driver holds the Lease. */
  async leader(): Promise<string | undefined> {
    const { spec } = await this.get("lease", LEASE, "--namespace", NAMESPACE);
    return spec.holderIdentity ? spec.holderIdentity.split("_")[0] : undefined;
  }

  /** The containers of all pods of the driver, with their processes on this machine. */
  async containers(): Promise<RunningContainer[]> {
    return containersOn((await this.get("pods", "--namespace", NAMESPACE)).items);
  }

  /** What cluster and driver know of a failure. */
  async troubles(): Promise<string> {
    const logs = [CONTROLLERS, NODES].map(async (label) => {
      const text = await this.#logs(label);
      const lines = text.split("\n").filter((line) => /"level":"(warn|error)"|^E\d/.test(line));
      return `${label}:\n${lines.slice(-20).join("\n")}`;
    });
    const parts = [
      this.kubectl("get", "pods", "--all-namespaces", "--output", "wide"),
      this.events(),
      this.kubeletComplaints(),
      ...logs,
    ];
    return (await Promise.all(parts.map((part) => part.catch(messageOf)))).join("\n");
  }

  /** Copies what all processes of the cluster wrote, and what pods did, into that folder. */
  async keepLogs(folder: string): Promise<void> {
    await Deno.mkdir(folder, { recursive: true });
    await runTool("cp", ["-a", `${this.dir}/kube/log`, `${folder}/cluster`]);
    for (const label of [CONTROLLERS, NODES]) {
      await Deno.writeTextFile(`${folder}/${label}.log`, await this.#logs(label).catch(messageOf));
    }
    await Deno.writeTextFile(`${folder}/troubles.txt`, await this.troubles().catch(messageOf));
  }

  /** What all containers of these pods have written. */
  async #logs(label: string): Promise<string> {
    const which = ["--namespace", NAMESPACE, "--selector", label, "--all-containers"];
    return await this.kubectl("logs", ...which, "--tail=-1", "--prefix", "--max-log-requests=30");
  }

  /** Lines of the driver's and the sidecars' logs that tell of a missing right. */
  async forbidden(): Promise<string[]> {
    const logs = await Promise.all([this.#logs(CONTROLLERS), this.#logs(NODES)]);
    return logs.flatMap((log) => log.split("\n")).filter((line) =>
      /is forbidden|answered 403/.test(line)
    );
  }

  /** Deletes all pods, snapshots and claims of people, and waits for the end of their volumes. */
  async empty(): Promise<void> {
    await this.delete("pod", "--all");
    await this.delete("volumesnapshot", "--all");
    await this.delete("pvc", "--all");
    await until("the last volume is gone", async () => {
      const lists = await Promise.all(["pv", "volumeattachments"].map((kind) => this.get(kind)));
      return lists.every(({ items }) => items.length === 0);
    }, { timeoutMs: WAIT_MS, intervalMs: 500 });
  }

  /** Objects of the release that are still there, of any kind that the cluster has, and its Leases. */
  async leftObjects(): Promise<string[]> {
    const listed = await this.kubectl("api-resources", "--verbs=list", "--output=name");
    const kinds = listed.split("\n").filter((kind) => kind !== "" && !kind.startsWith("events"));
    const names = await this.kubectl(
      ...["get", kinds.join(","), "--all-namespaces", "--ignore-not-found", "--output=name"],
      ...["--selector", `app.kubernetes.io/instance=${RELEASE}`],
    );
    const leases = await this.kubectl("get", "leases", "--all-namespaces", "--output=name");
    const own = leases.split("\n").filter((name) => name.includes(RELEASE));
    return [...names.split("\n").filter((name) => name !== ""), ...own];
  }

  /** Folders of the driver with all in them, and kubelet's files of its volumes, on both nodes. */
  async leftFiles(): Promise<string[]> {
    const folders = [1, 2].map((node) => `${this.dir}/kube/node-${node}/lib`);
    // Kubelet may take away what is just being read.
    return await until("the folders of both nodes are read whole", () =>
      runTool("find", [
        ...folders,
        ...["(", "-name", "*.sock", "-path", `*${RELEASE}*`, ")"],
        ...["-o", "-path", "*/lib/pso", "-o", "-path", "*/lib/pso/*"],
        ...["-o", "-path", `*/plugins/${RELEASE}`],
        ...["-o", "-path", `*/kubernetes.io/csi/${RELEASE}/*`],
        ...["-o", "-path", "*/kubernetes.io~csi/*"],
      ]).then(
        (found) => found.split("\n").filter((path) => path !== ""),
        () => undefined,
      ), { timeoutMs: WAIT_MS, intervalMs: 500 });
  }
}
