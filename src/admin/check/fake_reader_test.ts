import { PsoError } from "../../errors.ts";
import type { KubeObject, KubeReader } from "../../kube/client.ts";

/** A reader of objects by the path of their list, and what it was asked for. */
export class FakeReader implements KubeReader {
  /** Most questions by path that waited for an answer at one time. */
  most = 0;
  /** Deadline of each question. */
  readonly deadlines: (number | undefined)[] = [];
  readonly asked: string[] = [];
  readonly #items: Record<string, KubeObject[]>;
  readonly #answer: (path: string) => string | undefined;
  #waiting = 0;

  /** `answer` gives undefined for who is dead. */
  constructor(
    items: Record<string, KubeObject[]>,
    answer: (path: string) => string | undefined,
  ) {
    this.#items = items;
    this.#answer = answer;
  }

  list({ path }: { path: string }): Promise<KubeObject[]> {
    this.asked.push(path);
    return Promise.resolve(this.#items[path] ?? []);
  }

  async get(path: string, wait: { timeoutMs?: number } = {}): Promise<KubeObject> {
    return JSON.parse(await this.text(path, wait));
  }

  async text(path: string, { timeoutMs }: { timeoutMs?: number } = {}): Promise<string> {
    this.asked.push(path);
    this.deadlines.push(timeoutMs);
    this.most = Math.max(this.most, ++this.#waiting);
    // Everybody who may ask at once has asked by then.
    await new Promise((resolve) => setTimeout(resolve));
    this.#waiting--;
    const answer = this.#answer(path);
    if (answer === undefined) throw new PsoError("timeout", "it is dead");
    return answer;
  }
}

/** A pod of the node plugin. */
export function nodePod(
  name: string,
  { container = "driver", restarts = 0 }: { container?: string; restarts?: number } = {},
): KubeObject {
  const ports = [{ name: "admin", containerPort: 9808 }];
  return {
    metadata: { name, labels: { app: "pure-csi" } },
    spec: { nodeName: name.replace("pod", "node"), containers: [{ name: container, ports }] },
    status: { containerStatuses: [{ name: container, restartCount: restarts }] },
  };
}

/** So many numbers from 1 on. */
export function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}
