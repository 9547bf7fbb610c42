// Controllers that fight for one Lease: processes of the program over simulated arrays and an API
// server that both stand in this process, and what csi-provisioner does with each of them.
import { parse as parseYaml } from "@std/yaml";
import { createClaim } from "../../scripts/claim.ts";
import { Child } from "../../scripts/child.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { launchOf } from "../../scripts/program.ts";
import { pause, until } from "../../src/async/wait.ts";
import { TestClient, testFleet } from "../../src/simulator/fixture_test.ts";
import type { ServedFleet } from "../../src/simulator/simulate.ts";
import { GiB } from "../../src/size.ts";
import { FakeKubeApi, type ServedKubeApi } from "../support/fake_kube_api.ts";

const LEASE = { namespace: "pso", name: "pure-csi-leader" };
/** As csi-provisioner asks by Probe. */
const PROBE_MS = 10_000;
/** A gRPC client that was closed keeps the timer of its next try to connect for so long. */
const RECONNECT_MS = 4_000;
/** Longer than a process is stopped: what it held must still be wanted when it goes on. */
const CREATE_CALL_MS = 120_000;

/** How a controller is started. */
interface ReplicaOptions {
  /** Objects of the API with its configuration; default: the values file of the arrays. */
  configFrom?: readonly string[];
  /** It serves changed blocks too, at `Replica.metadata`. */
  hasMetadata?: boolean;
}

/** One controller and the sidecar of its pod. */
export class Replica {
  /** Whether the sidecar got through its Probe: it sends its calls from then on. */
  isReady = false;
  readonly name: string;
  readonly child: Child;
  /** The socket of changed blocks. */
  readonly metadata: string;
  readonly #endpoint: string;
  readonly #csi: CsiClient;
  readonly #ended = new AbortController();

  constructor(name: string, { child, endpoint }: { child: Child; endpoint: string }) {
    this.name = name;
    this.child = child;
    this.#endpoint = endpoint;
    this.metadata = endpoint.replace(/\.sock$/, "-metadata.sock");
    this.#csi = connectCsi(endpoint);
    void this.#probe();
    void child.ended.then(() => this.close());
  }

  async #probe(): Promise<void> {
    while (!this.#ended.signal.aborted && !this.isReady) {
      const { ready } = await this.#csi.identity.probe({}, { timeoutMs: PROBE_MS })
        .catch(() => ({ ready: undefined }));
      this.isReady = ready?.valueOf() === true;
      if (!this.isReady) await pause(100, this.#ended.signal).catch(() => {});
    }
  }

  /** CreateVolume, whether the sidecar would send it or not. */
  async create(name: string, parameters?: Record<string, string>): Promise<void> {
    // A connection for each: the runtime's HTTP/2 client dies of a GOAWAY with many open streams.
    const csi = connectCsi(this.#endpoint, { timeoutMs: CREATE_CALL_MS, ownConnection: true });
    try {
      await createClaim(csi, name, { sizeBytes: GiB, parameters });
    } finally {
      csi.close();
    }
  }

  /** A connection of a sidecar of its own, to be closed. */
  connect(): CsiClient {
    return connectCsi(this.#endpoint, { ownConnection: true });
  }

  /** GET on `admin.sock`, where everything is told. */
  async admin(page: string): Promise<string> {
    const path = this.#endpoint.replace(/^unix:\/\//, "").replace(/\.sock$/, "-admin.sock");
    using connection = await Deno.connect({ transport: "unix", path });
    await connection.write(new TextEncoder().encode(`GET ${page} HTTP/1.1\r\nhost: x\r\n\r\n`));
    return await new Response(connection.readable).text();
  }

  close(): void {
    this.isReady = false;
    this.#ended.abort();
    this.#csi.close();
  }
}

interface BedParts {
  fleet: ServedFleet;
  served: ServedKubeApi;
  folder: string;
}

/** The arrays, the API server and the controllers of one test. */
export class LeaderBed {
  readonly replicas: Replica[] = [];
  readonly #fleet: ServedFleet;
  readonly #served: ServedKubeApi;
  readonly #folder: string;

  private constructor(
    readonly api: FakeKubeApi,
    { fleet, served, folder }: BedParts,
  ) {
    this.#fleet = fleet;
    this.#served = served;
    this.#folder = folder;
  }

  /** Runs `work` with two FlashArrays and an empty Lease that was given back once. */
  static async run(work: (bed: LeaderBed) => Promise<void>): Promise<void> {
    const folder = await Deno.makeTempDir({ prefix: "pso-leader-" });
    const fleet = await testFleet({ flasharrays: 2 });
    const api = new FakeKubeApi();
    const bed = new LeaderBed(api, { fleet, served: await api.serve(folder), folder });
    api.put(LEASE, { spec: { holderIdentity: "", leaseDurationSeconds: 1 } });
    try {
      await work(bed);
    } finally {
      for (const { child } of bed.replicas) {
        child.signal("SIGCONT");
        child.signal("SIGKILL");
        await child.ended;
      }
      for (const replica of bed.replicas) replica.close();
      await pause(RECONNECT_MS);
      await bed.#served.stop();
      await fleet.stop();
      await Deno.remove(folder, { recursive: true });
    }
  }

  /** Starts one more controller, as the pod of that name. */
  start(name: string, { configFrom = [], hasMetadata = false }: ReplicaOptions = {}): Replica {
    const endpoint = `unix://${this.#folder}/${name}.sock`;
    const launch = launchOf({ interpreted: Deno.env.has("PSO_INTERPRETED") });
    const args = ["controller", "--endpoint", endpoint, "--admin", "127.0.0.1:0"];
    args.push("--lease", `${LEASE.namespace}/${LEASE.name}`, "--kube-credentials", this.#folder);
    if (configFrom.length === 0) args.push("-f", this.#fleet.values);
    for (const from of configFrom) args.push("--kube-config-from", from);
    if (hasMetadata) {
      const socket = endpoint.replace(/\.sock$/, "-metadata.sock");
      args.push("--snapshot-metadata-endpoint", socket);
    }
    const child = Child.start(name, { ...launch, args: [...launch.args, ...args] }, {
      log: `${this.#folder}/${name}.log`,
      mark: this.#folder,
      env: {
        POD_NAME: name,
        KUBERNETES_SERVICE_HOST: "127.0.0.1",
        KUBERNETES_SERVICE_PORT: String(this.#served.port),
      },
    });
    const replica = new Replica(name, { child, endpoint });
    this.replicas.push(replica);
    return replica;
  }

  /** Path of the values file with the arrays. */
  get values(): string {
    return this.#fleet.values;
  }

  /** The content of `arrays` of the values file. */
  async arrays(): Promise<Record<string, unknown[]>> {
    const values = parseYaml(await Deno.readTextFile(this.#fleet.values)) as {
      arrays: Record<string, unknown[]>;
    };
    return values.arrays;
  }

  /** Waits until the sidecar of one controller is let in, and gives it. */
  async leader(timeoutMs: number): Promise<Replica> {
    return await until("a leader", () => this.replicas.find(({ isReady }) => isReady), {
      timeoutMs,
      intervalMs: 20,
    });
  }

  /** One claim, as csi-provisioner brings it through: whoever leads is asked until it is there. */
  async bind(claim: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const sidecar = this.replicas.find(({ isReady }) => isReady);
      const isBound = await sidecar?.create(claim).then(() => true, () => false);
      if (isBound) return;
      await pause(200, signal).catch(() => {});
    }
  }

  /** Each create, or each after the first ones, takes so much longer on its array. */
  async slowCreates(ms: number, { after = 0 } = {}): Promise<void> {
    const match = { method: "POST", path: "/volumes" };
    await this.#fault({ match, action: "delay", value: ms, after });
  }

  /** Every call of that array is answered as while its controllers restart. */
  async silence(array: string): Promise<void> {
    await this.#fault({ array, action: "status", value: 503, times: 100_000 });
  }

  async #fault(fault: Record<string, unknown>): Promise<void> {
    const body = JSON.stringify(fault);
    const answer = await fetch(`${this.#fleet.control}/faults`, { method: "POST", body });
    if (!answer.ok) throw new Error(await answer.text());
    await answer.body?.cancel();
  }

  async clearFaults(): Promise<void> {
    const answer = await fetch(`${this.#fleet.control}/faults`, { method: "DELETE" });
    await answer.body?.cancel();
  }

  /** The names of all volumes that are not destroyed; one that both arrays have is there twice. */
  async volumes(): Promise<string[]> {
    const names = await Promise.all(this.#fleet.arrays.map(async (entry) => {
      const client = new TestClient(entry);
      await client.login();
      const { items } = await client.ok("GET /volumes?destroyed=false&limit=500");
      client.close();
      return items.map(({ name }: { name: string }) => name);
    }));
    return names.flat();
  }

  /** The file that holds the volume's content on the array that has it. */
  async imageOf(volume: string): Promise<string> {
    for (const entry of this.#fleet.arrays) {
      const client = new TestClient(entry);
      await client.login();
      const { status, body } = await client.heard(`GET /volumes?names=${volume}`);
      client.close();
      if (status === 200) return `${this.#fleet.plane}/${entry.name}/images/${body.items[0].id}`;
    }
    throw new Error(`no array has ${volume}`);
  }

  /** How many changes the arrays were asked for since the last `forget`, without logins. */
  async changes(): Promise<number> {
    const answer = await fetch(`${this.#fleet.control}/requests`);
    const { counts }: { counts: { method: string; path: string; count: number }[] } = await answer
      .json();
    return counts.filter(({ method, path }) => method !== "GET" && !/\/log(in|out)$/.test(path))
      .reduce((sum, { count }) => sum + count, 0);
  }

  async forget(): Promise<void> {
    const answer = await fetch(`${this.#fleet.control}/requests`, { method: "DELETE" });
    await answer.body?.cancel();
  }
}
