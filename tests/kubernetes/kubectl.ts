/** A cluster of tests/kube, as its administrator sees it. */
import { runTool } from "../../scripts/shell.ts";
import { until } from "../../src/async/wait.ts";
import { buildKube, KUBE, kubeUp } from "../support/kube.ts";

/** A machine with two cores starts pods in seconds, and repeats what failed after up to 30 s. */
export const WAIT_MS = 180_000;

// deno-lint-ignore no-explicit-any -- objects of the Kubernetes API, as kubectl prints them
export type KubeObject = any;

interface KubeOptions {
  /** Of `kube up`. */
  options?: string[];
  /** Variables that README.md of tests/kube names. */
  env?: Record<string, string>;
}

/** Starts a cluster below `dir`, after the programs that are missing are built. */
export async function startKube(
  dir: string,
  { options = [], env: settings }: KubeOptions = {},
): Promise<Kubectl> {
  await buildKube();
  return new Kubectl(dir, await kubeUp(["--dir", `${dir}/kube`, ...options], settings));
}

/** What tests do with a running cluster. */
export class Kubectl {
  constructor(readonly dir: string, readonly env: Record<string, string>) {}

  /** Ends every process of the cluster and takes all of it away. */
  async down(): Promise<void> {
    await runTool(KUBE, ["down", "--dir", `${this.dir}/kube`]);
  }

  async kube(...args: string[]): Promise<string> {
    const [mode = "", ...rest] = args;
    return await runTool(KUBE, [mode, "--dir", `${this.dir}/kube`, ...rest], { env: this.env });
  }

  async kubectl(...args: string[]): Promise<string> {
    return await runTool("kubectl", args, { env: this.env, timeoutMs: WAIT_MS });
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

  /** The version of the API server. */
  async version(): Promise<string> {
    return JSON.parse(await this.kubectl("get", "--raw", "/version")).gitVersion;
  }

  async delete(kind: string, ...names: string[]): Promise<void> {
    await this.kubectl("delete", kind, ...names, `--timeout=${WAIT_MS / 1000}s`);
  }

  /** Waits until every named claim is Bound. */
  async bound(...claims: string[]): Promise<void> {
    await this.awaited("jsonpath={.status.phase}=Bound", ...claims.map((name) => `pvc/${name}`));
  }

  async running(...pods: string[]): Promise<void> {
    await this.awaited("condition=Ready", ...pods.map((name) => `pod/${name}`));
  }

  /** Waits until all of these objects, each as KIND/NAME, fulfil what `kubectl wait` calls so. */
  async awaited(condition: string, ...objects: string[]): Promise<void> {
    const args = ["wait", "--for", condition, `--timeout=${WAIT_MS / 1000}s`, ...objects];
    await runTool("kubectl", args, { env: this.env, timeoutMs: WAIT_MS + 5000 });
  }

  /** Grows a claim that a running pod uses, until the pod has the room. */
  async grow(claim: string, size: string, user: string): Promise<void> {
    const wanted = JSON.stringify({ spec: { resources: { requests: { storage: size } } } });
    await this.kubectl("patch", "pvc", claim, "-p", wanted);
    await until("the array's part of the growth", async () => {
      const { status } = await this.get("pvc", claim);
      return status.allocatedResourceStatuses?.storage === "NodeResizePending" ||
        status.capacity.storage === size;
    }, { timeoutMs: WAIT_MS, intervalMs: 500 });
    // Kubelet looks at the volumes of a running pod again when the pod changes, and otherwise after
    // 60 to 90 s.
    await this.kubectl("annotate", "pod", user, `look=${crypto.randomUUID()}`);
    await this.awaited(`jsonpath={.status.capacity.storage}=${size}`, `pvc/${claim}`);
  }

  async exec(pod: string, script: string): Promise<string> {
    return (await this.kubectl("exec", pod, "--", "sh", "-c", script)).trim();
  }

  /** The events of the cluster, one on each line, as `kubectl get events` tells them. */
  async events(): Promise<string> {
    return await this.kubectl(
      "get",
      "events",
      "--all-namespaces",
      "--sort-by=.lastTimestamp",
      "-o",
      "custom-columns=KIND:.involvedObject.kind,NAME:.involvedObject.name,REASON:.reason,MESSAGE:.message",
    );
  }

  /** What both kubelets complained of last. */
  async kubeletComplaints(): Promise<string> {
    const logs = [1, 2].map((node) =>
      lastLines(`${this.dir}/kube/log/kubelet-${node}.log`, (line) => line.startsWith("E"))
    );
    return (await Promise.all(logs)).join("\n");
  }
}

/** The last lines of a log that are chosen. */
async function lastLines(path: string, chosen: (line: string) => boolean): Promise<string> {
  const lines = (await Deno.readTextFile(path)).split("\n").filter(chosen);
  return `${path}:\n${lines.slice(-10).join("\n")}`;
}
