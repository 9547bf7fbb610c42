/**
 * A real cluster of two nodes with the compiled program as controller and as both nodes, on the
 * simulator's local plane.
 */
import { DRIVER_NAME } from "../../src/csi/identity_service.ts";
import { type Stand, startStand } from "../../scripts/stand.ts";
import { servesAll } from "../../scripts/probe.ts";
import { until } from "../../src/async/wait.ts";
import { Kubectl, lastLines, startKube } from "./kubectl.ts";

export class Cluster extends Kubectl {
  private constructor(readonly stand: Stand, kube: Kubectl) {
    super(kube.dir, kube.env);
  }

  static async start(): Promise<Cluster> {
    const dir = await Deno.makeTempDir({ prefix: "k-" });
    const kube = await startKube(dir);
    let stand: Stand | undefined;
    try {
      stand = await startStand({
        dir: `${dir}/stand`,
        flasharrays: 2,
        flashblades: 1,
        nodes: 2,
        interpreted: Deno.env.has("PSO_INTERPRETED"),
      });
      const cluster = new Cluster(stand, kube);
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
      await kube.down();
      throw error;
    }
  }

  /**
   * Ends everything; what the driver left on this machine would stay and be found by whoever
   * compares.
   */
  async stop(): Promise<void> {
    await this.down();
    await this.stand.stop();
    await Deno.remove(this.dir, { recursive: true });
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

  /**
   * What is known when a step fails: the events, as `kubectl get events` tells them, and what
   * kubelets and driver complained of last.
   */
  async troubles(): Promise<string> {
    const driver = ["controller", "node-1", "node-2"].map((name) =>
      lastLines(this.stand.logOf(name), (line) => /"level":"(warn|error)"/.test(line))
    );
    return [await this.events(), await this.kubeletComplaints(), ...await Promise.all(driver)]
      .join("\n");
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
