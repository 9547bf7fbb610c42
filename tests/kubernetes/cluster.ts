/**
 * A real cluster of two nodes with the compiled program as controller and as both nodes, on the
 * simulator's local plane.
 */
import { DRIVER_NAME } from "../../src/csi/identity_service.ts";
import { runTool } from "../../scripts/shell.ts";
import { ROOT } from "../../scripts/program.ts";
import { type Stand, startStand } from "../../scripts/stand.ts";
import { servesAll } from "../../scripts/probe.ts";
import { until } from "../../src/async/wait.ts";

const KUBE = `${ROOT}/tests/kube/kube`;
/** A machine with two cores starts pods in seconds, and repeats what failed after up to 30 s. */
export const WAIT_MS = 180_000;

// deno-lint-ignore no-explicit-any -- objects of the Kubernetes API, as kubectl prints them
type KubeObject = any;

export class Cluster {
  readonly #env: Record<string, string>;

  private constructor(readonly stand: Stand, readonly dir: string, env: Record<string, string>) {
    this.#env = env;
  }

  static async start(): Promise<Cluster> {
    const dir = await Deno.makeTempDir({ prefix: "k-" });
    // The first time this builds Kubernetes, and says what it is at.
    const { code } = await new Deno.Command(KUBE, {
      args: ["build"],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).output();
    if (code !== 0) throw new Error(`kube build ended with code ${code}: see what it said above`);
    const exported = await runTool(KUBE, ["up", "--dir", `${dir}/kube`]);
    const env: Record<string, string> = {};
    for (const [, name = "", value = ""] of exported.matchAll(/^export (\w+)=(.*)$/gm)) {
      env[name] = value.replaceAll("\\", "");
    }
    let stand: Stand | undefined;
    try {
      stand = await startStand({
        dir: `${dir}/stand`,
        flasharrays: 2,
        flashblades: 1,
        nodes: 2,
        interpreted: Deno.env.has("PSO_INTERPRETED"),
      });
      const cluster = new Cluster(stand, dir, env);
      await cluster.sidecars();
      for (const [index, { endpoint }] of stand.facts.nodes.entries()) {
        const socket = endpoint.replace("unix://", "");
        await cluster.kube(
          "register",
          "--driver",
          DRIVER_NAME,
          "--socket",
          socket,
          "--node",
          String(index + 1),
        );
      }
      return cluster;
    } catch (error) {
      await stand?.stop();
      await runTool(KUBE, ["down", "--dir", `${dir}/kube`]);
      throw error;
    }
  }

  /**
   * Ends everything; what the driver left on this machine would stay and be found by whoever
   * compares.
   */
  async stop(): Promise<void> {
    await runTool(KUBE, ["down", "--dir", `${this.dir}/kube`]);
    await this.stand.stop();
    await Deno.remove(this.dir, { recursive: true });
  }

  async kube(...args: string[]): Promise<string> {
    const [mode = "", ...rest] = args;
    return await runTool(KUBE, [mode, "--dir", `${this.dir}/kube`, ...rest], { env: this.#env });
  }

  /**
   * Upstream's sidecars end with the controller's connection, so they start again after each
   * restart of it.
   */
  async sidecars(): Promise<void> {
    await this.kube(
      "sidecars",
      "--driver",
      DRIVER_NAME,
      "--controller",
      this.stand.facts.controller,
    );
  }

  async kubectl(...args: string[]): Promise<string> {
    return await runTool("kubectl", args, { env: this.#env, timeoutMs: WAIT_MS });
  }

  /** Makes or changes objects. */
  async apply(...objects: KubeObject[]): Promise<void> {
    const file = await Deno.makeTempFile({ dir: this.dir, suffix: ".json" });
    await Deno.writeTextFile(
      file,
      JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
    );
    await this.kubectl("apply", "-f", file);
    await Deno.remove(file);
  }

  async get(...args: string[]): Promise<KubeObject> {
    return JSON.parse(await this.kubectl("get", "-o", "json", ...args));
  }

  async delete(kind: string, ...names: string[]): Promise<void> {
    await this.kubectl("delete", kind, ...names, `--timeout=${WAIT_MS / 1000}s`);
  }

  /** Waits until every named claim is Bound. */
  async bound(...claims: string[]): Promise<void> {
    await this.#awaited("pvc", claims, "jsonpath={.status.phase}=Bound");
  }

  async running(...pods: string[]): Promise<void> {
    await this.#awaited("pod", pods, "condition=Ready");
  }

  async #awaited(kind: string, names: string[], condition: string): Promise<void> {
    const args = [
      "wait",
      "--for",
      condition,
      `--timeout=${WAIT_MS / 1000}s`,
      ...names.map((name) => `${kind}/${name}`),
    ];
    await runTool("kubectl", args, { env: this.#env, timeoutMs: WAIT_MS + 5000 });
  }

  /**
   * What is known when a step fails: the events, as `kubectl get events` tells them, and what
   * kubelets and driver complained of last.
   */
  async troubles(): Promise<string> {
    const events = await this.kubectl(
      "get",
      "events",
      "--sort-by=.lastTimestamp",
      "-o",
      "custom-columns=KIND:.involvedObject.kind,NAME:.involvedObject.name,REASON:.reason,MESSAGE:.message",
    );
    const kubelets = [1, 2].map((node) =>
      this.#complaints(`${this.dir}/kube/log/kubelet-${node}.log`, /^E/)
    );
    const driver = ["controller", "node-1", "node-2"].map((name) =>
      this.#complaints(this.stand.logOf(name), /"level":"(warn|error)"/)
    );
    return [events, ...await Promise.all([...kubelets, ...driver])].join("\n");
  }

  async #complaints(path: string, pattern: RegExp): Promise<string> {
    const lines = (await Deno.readTextFile(path)).split("\n").filter((line) => pattern.test(line));
    return `${path}:\n${lines.slice(-10).join("\n")}`;
  }

  async exec(pod: string, script: string): Promise<string> {
    return (await this.kubectl("exec", pod, "--", "sh", "-c", script)).trim();
  }

  /** Starts a process of the stand again after it was ended. */
  async restart(name: string): Promise<void> {
    await this.stand.start(name);
    if (name !== "controller") return;
    await until("the controller's readiness", () => servesAll(this.stand.facts.admin), {
      timeoutMs: 60_000,
    });
    await this.sidecars();
  }
}

export function storageClass(name: string, backend: "block" | "file", fsType?: string): KubeObject {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name },
    provisioner: DRIVER_NAME,
    parameters: { backend, ...(fsType ? { "csi.storage.k8s.io/fstype": fsType } : {}) },
    allowVolumeExpansion: true,
  };
}

export interface ClaimOptions {
  storageClass?: string;
  size?: string;
  mode?: "Filesystem" | "Block";
  access?: string;
  source?: { apiGroup?: string; kind: string; name: string };
}

export function claim(name: string, options: ClaimOptions = {}): KubeObject {
  const {
    storageClass = "pure-block",
    size = "1Gi",
    mode = "Filesystem",
    access = "ReadWriteOnce",
    source,
  } = options;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: {
      storageClassName: storageClass,
      accessModes: [access],
      volumeMode: mode,
      resources: { requests: { storage: size } },
      ...(source ? { dataSource: source } : {}),
    },
  };
}

/** A pod on that node with the claim at /data: a folder, or a device. */
export function pod(
  name: string,
  node: 1 | 2,
  { claim: claimName, mode = "Filesystem" }: { claim: string; mode?: "Filesystem" | "Block" },
): KubeObject {
  const use = mode === "Block"
    ? { volumeDevices: [{ name: "data", devicePath: "/data" }] }
    : { volumeMounts: [{ name: "data", mountPath: "/data" }] };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": `node-${node}` },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image: "busybox:1", ...use }],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
    },
  };
}
