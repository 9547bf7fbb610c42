/** What the scenarios of the chart share: one cluster, one table, one way to be a test. */
import { ROOT } from "../../scripts/program.ts";
import { say } from "../../scripts/shell.ts";
import { messageOf } from "../../src/errors.ts";
import { ChartCluster, type ChartClusterOptions } from "./chart_cluster.ts";
import { type FigureName, Figures } from "./figures.ts";
import { cannotRun, Steps } from "./steps.ts";

/** Where the logs of a cluster stay in which a scenario failed. */
const FAILED = `${ROOT}/dist/failed-cluster`;

export class Bed {
  readonly steps: Steps = new Steps(() => this.#cluster?.troubles());
  readonly figures: Figures = new Figures(() => this.cluster.fleet);
  readonly #ignore: boolean;
  #cluster: ChartCluster | undefined;
  #isKept = false;

  private constructor(ignore: boolean, readonly options: ChartClusterOptions) {
    this.#ignore = ignore;
  }

  /** Registers the start of the cluster before all tests of the file, and its end after them. */
  static async make(what: string, options: ChartClusterOptions = {}): Promise<Bed> {
    const bed = new Bed(await cannotRun(what), options);
    Deno.test.beforeAll(async () => {
      if (!bed.#ignore) await bed.#start();
    });
    Deno.test.afterAll(async () => {
      if (!bed.#ignore) await bed.#stop();
    });
    return bed;
  }

  async #start(): Promise<void> {
    this.#cluster = await this.timed(
      "cluster, fleet and images",
      () => ChartCluster.start(this.options),
    );
  }

  async #stop(): Promise<void> {
    await this.timed("everything stops", async () => await this.#cluster?.stop());
    this.steps.print();
    this.figures.print();
  }

  get cluster(): ChartCluster {
    if (!this.#cluster) throw new Error("the cluster has not started");
    return this.#cluster;
  }

  /** A test of the running cluster. What it starts lives on, so leaks are looked for at the end. */
  scenario(name: string, work: () => Promise<void>): void {
    Deno.test({
      name,
      ignore: this.#ignore,
      sanitizeOps: false,
      sanitizeResources: false,
      fn: () => this.#kept(name, work),
    });
  }

  /** Of the first scenario that fails, what the cluster wrote stays when all of it is gone. */
  async #kept(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#isKept) {
        this.#isKept = true;
        say(`the cluster's logs are kept in ${FAILED}, as they were when this failed: ${name}`);
        await Deno.remove(FAILED, { recursive: true }).catch(() => {});
        await this.#cluster?.keepLogs(FAILED).catch((trouble) => say(messageOf(trouble)));
      }
      throw error;
    }
  }

  /** As timed(), with the arrays' part of it in the table of figures. */
  figure<T>(name: FigureName, work: () => Promise<T>): Promise<T> {
    return this.timed(name.what, () => this.figures.one(name, work));
  }

  /** As figure(), for each of these, one after the other; the middle one counts. */
  middle(
    name: FigureName,
    names: readonly string[],
    work: (name: string) => Promise<void>,
  ): Promise<void> {
    return this.timed(name.what, () => this.figures.middle(name, names, work));
  }

  /** As Steps.timed(). */
  timed<T>(step: string, work: () => Promise<T>): Promise<T> {
    return this.steps.timed(step, work);
  }
}
