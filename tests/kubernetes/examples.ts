/** The examples of deploy/examples, applied as they stand, and the namespaces that they use. */
import { ROOT } from "../../scripts/program.ts";
import { type Kubectl, type KubeObject, WAIT_MS } from "./kubectl.ts";

export const EXAMPLES = `${ROOT}/deploy/examples`;
export const RESTRICTED = "pso-examples";
export const BASELINE = "pso-examples-baseline";

/** A namespace of the examples, with the commands of their pages. */
export class Examples {
  constructor(readonly kube: Kubectl, readonly namespace: string) {}

  /** Applies a folder or a file of the examples as it stands. */
  async apply(path: string): Promise<void> {
    await this.kube.kubectl("apply", "-f", `${EXAMPLES}/${path}`);
  }

  async kubectl(...args: string[]): Promise<string> {
    return (await this.kube.kubectl("-n", this.namespace, ...args)).trim();
  }

  async awaited(condition: string, object: string): Promise<void> {
    await this.kubectl("wait", `--for=${condition}`, object, `--timeout=${WAIT_MS / 1000}s`);
  }

  /** What the object is now. */
  async get(kind: string, name: string): Promise<KubeObject> {
    return await this.kube.get(kind, name, "--namespace", this.namespace);
  }

  async shell(pod: string, script: string): Promise<string> {
    return await this.kubectl("exec", pod, "--", "sh", "-c", script);
  }

  /** Deletes something; the stand-in for nginx does not listen to SIGTERM. */
  async end(...objects: string[]): Promise<void> {
    await this.kubectl("delete", ...objects, "--grace-period=1");
  }

  async nodeOf(pod: string): Promise<string> {
    return await this.kubectl("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}");
  }
}
