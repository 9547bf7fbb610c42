/** PSO 5.2 or 6.2 in a real API server without nodes, over one simulated array with its volumes. */
import { launchOf, ROOT } from "../../scripts/program.ts";
import { runTool, tryTool } from "../../scripts/shell.ts";
import { testFleet } from "../../src/simulator/fixture_test.ts";
import type { ServedFleet } from "../../src/simulator/simulate.ts";
import { openArray } from "../../src/arrays/open.ts";
import { silentLogger } from "../../src/log.ts";
import { Secret } from "../../src/secret.ts";
import { GiB } from "../../src/size.ts";
import { until } from "../../src/async/wait.ts";
import { type AdminResult, runAdmin } from "../support/admin_bed.ts";
import {
  NAMESPACE,
  type PsoInstallation,
  type PsoObject,
  volumeOf,
} from "../support/pso_objects.ts";
import { withApiServer } from "../chart/api_server.ts";

const WAIT_MS = 120_000;
export const PV = "pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";

// deno-lint-ignore no-explicit-any -- objects of the Kubernetes API, as kubectl prints them
type KubeObject = any;

export class TakeoverBed {
  private constructor(
    readonly dir: string,
    readonly fleet: ServedFleet,
    readonly env: Record<string, string>,
  ) {}

  /** The values of every installation here: the simulated array. */
  get values(): KubeObject {
    const FlashArrays = this.fleet.arrays.map(({ address, token }) => ({
      MgmtEndPoint: `http://${address}`,
      APIToken: token,
    }));
    return { arrays: { FlashArrays } };
  }

  /** A control plane and an array, for as long as the test runs. */
  static async run(test: (bed: TakeoverBed) => Promise<void>): Promise<void> {
    const dir = await Deno.makeTempDir({ prefix: "k-" });
    const fleet = await testFleet({ flasharrays: 1 });
    try {
      await withApiServer(async (env) => {
        const bed = new TakeoverBed(dir, fleet, env);
        await bed.addVolume(`k8s-${PV}`);
        await test(bed);
      });
    } finally {
      await fleet.stop();
      await Deno.remove(dir, { recursive: true });
    }
  }

  async addVolume(name: string): Promise<void> {
    const [entry] = this.fleet.arrays;
    const { array, close } = openArray({
      kind: "flasharray",
      scheme: "http",
      managementAddress: entry?.address ?? "",
      token: new Secret(entry?.token ?? ""),
      tls: { verify: false },
    }, { log: silentLogger });
    await array.createVolume({ name, sizeBytes: GiB });
    await close();
  }

  /** Makes everything that the installation has, and its volume. */
  async install({ objects, others, records }: PsoInstallation): Promise<void> {
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } };
    if (!await this.find("namespace", NAMESPACE)) await this.create(namespace, volumeOf(PV));
    await this.create(...objects, ...others, ...records);
    for (const { kind, metadata } of objects) {
      if (kind === "StatefulSet") await this.podOf(metadata.name);
    }
  }

  /** The first pod of a StatefulSet; no node ever runs it. */
  async podOf(set: string): Promise<KubeObject> {
    return await until(`pod ${set}-0`, () => this.find("pod", `${set}-0`), { timeoutMs: WAIT_MS });
  }

  async create(...objects: PsoObject[]): Promise<void> {
    const file = await Deno.makeTempFile({ dir: this.dir, suffix: ".json" });
    const list = { apiVersion: "v1", kind: "List", items: objects };
    await Deno.writeTextFile(file, JSON.stringify(list));
    await this.kubectl("create", "-f", file);
  }

  async kubectl(...args: string[]): Promise<string> {
    return await runTool("kubectl", ["-n", NAMESPACE, ...args], { env: this.env });
  }

  /** The object; undefined when there is none. */
  async find(...args: string[]): Promise<KubeObject | undefined> {
    const text = await this.kubectl("get", "--ignore-not-found", "-o", "json", ...args);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** What tells whether anything of PSO was changed: every object's content, without what counts. */
  async state(): Promise<Map<string, KubeObject>> {
    const kinds = "statefulset,daemonset,service,serviceaccount,secret,csidriver,storageclass," +
      "clusterrole,clusterrolebinding,persistentvolume,volumesnapshotclass";
    const { items } = JSON.parse(await this.kubectl("get", kinds, "-o", "json"));
    const own = items.filter(({ metadata: { name } }: KubeObject) =>
      /^(pure|pso|external-prov|csi-prov|pvc-|sh\.helm)/.test(name)
    );
    return new Map(own.map((object: KubeObject) => {
      const { status: _, ...rest } = object;
      const {
        uid: __,
        resourceVersion: ___,
        creationTimestamp: ____,
        generation: _____,
        ...metadata
      } = object.metadata;
      return [`${object.kind} ${metadata.name}`, { ...rest, metadata }];
    }));
  }

  /** Runs `pso-bin admin takeover` in this process. */
  async takeover(...words: string[]): Promise<AdminResult> {
    const env = { KUBECONFIG: this.env.KUBECONFIG ?? "" };
    return await runAdmin(["takeover", ...words], { real: true, env });
  }

  /** Starts `pso-bin admin takeover` as a process of its own. */
  startTakeover(...words: string[]): Deno.ChildProcess {
    const { command, args } = launchOf({ interpreted: true });
    return new Deno.Command(command, {
      args: [...args, "admin", "takeover", ...words],
      env: this.env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs a tool with the cluster's kubeconfig. */
  async tool(tool: string, ...args: string[]): ReturnType<typeof tryTool> {
    return await tryTool(tool, args, { env: this.env, cwd: ROOT });
  }
}
