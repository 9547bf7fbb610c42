/** What the tests in a cluster share: whether one can run here, and what each step took. */
import { messageOf } from "../../src/errors.ts";
import { say, tryTool } from "../../scripts/shell.ts";
import { TestClient } from "../../src/simulator/fixture_test.ts";
import type { ArrayFacts } from "../../scripts/stand.ts";
import { skip } from "../skips.ts";

/** Why no cluster can run here, or undefined. */
async function whyNoCluster(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "kubelets, containers and mounts need root";
  const hasGo = (await tryTool("go", ["version"])).code === 0;
  return hasGo
    ? undefined
    : "Kubernetes is built from source, and Go 1.26.6 or newer is not installed";
}

/** True, and said, where no cluster can run. On CI a reason is a failure, not a skip. */
export async function cannotRun(what: string): Promise<boolean> {
  const reason = Deno.env.get("CI") === "true" ? undefined : await whyNoCluster();
  return reason !== undefined && skip(what, reason);
}

/** Keeps what each step took, and what else was measured, for the table at the end. */
export class Steps {
  readonly #lines: string[] = [];

  /** `troubles` says what is known of a failure; it may fail itself. */
  constructor(readonly troubles: () => Promise<string> | undefined) {}

  /** Runs one step. When it fails, the error says what cluster and driver know of it. */
  async timed<T>(step: string, work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await work();
    } catch (error) {
      const story = await this.troubles()?.catch(messageOf);
      throw new Error(`${step}: ${messageOf(error)}\n${story}`, { cause: error });
    } finally {
      this.note(performance.now() - begun, step);
    }
  }

  /** A figure that was measured in another way. */
  note(ms: number, what: string): void {
    this.#lines.push(`${(ms / 1000).toFixed(1).padStart(7)} s  ${what}`);
  }

  /** A line of the table that is no time. */
  line(text: string): void {
    this.#lines.push(`           ${text}`);
  }

  print(): void {
    say("");
    for (const line of this.#lines) say(line);
  }
}

/** A client of that array that is logged in. */
export async function clientOf(array: ArrayFacts): Promise<TestClient> {
  const isBlock = array.kind === "flasharray";
  const client = new TestClient(array);
  if (!isBlock) client.version = "2.12";
  await client.login(isBlock ? undefined : "/api/login");
  return client;
}

/** Names of the volumes of a FlashArray that are not destroyed. */
export async function volumesOf(array: ArrayFacts): Promise<string[]> {
  const client = await clientOf(array);
  const { items } = await client.ok("GET /volumes?destroyed=false");
  client.close();
  return items.map(({ name }: { name: string }) => name);
}

/** What an array holds that is not destroyed: volumes or file systems, snapshots, connections. */
export async function leftOn(array: ArrayFacts): Promise<string[]> {
  const lists = array.kind === "flasharray"
    ? ["/volumes?destroyed=false", "/volume-snapshots?destroyed=false", "/connections"]
    : ["/file-systems?destroyed=false", "/file-system-snapshots?destroyed=false"];
  const client = await clientOf(array);
  const found = await Promise.all(lists.map(async (list) => {
    const { items } = await client.ok(`GET ${list}`);
    return items.map((item: unknown) => `${array.name} ${list}: ${JSON.stringify(item)}`);
  }));
  client.close();
  return found.flat();
}
