// The controller's decisions over real clients and simulated arrays, all in one process: what
// provisioner_test.ts stands on.
import { deepEqual } from "node:assert/strict";
import type { StorageArray } from "../../src/arrays/array.ts";
import { Fleet } from "../../src/arrays/fleet.ts";
import { type OpenArray, openArray } from "../../src/arrays/open.ts";
import { FLASHARRAY_DIALECT } from "../../src/arrays/flasharray/status.ts";
import { FLASHBLADE_DIALECT } from "../../src/arrays/flashblade/status.ts";
import { type RestCall, RestClient } from "../../src/arrays/rest/client.ts";
import type { ChangeFence } from "../../src/async/fence.ts";
import type {
  FlashArraySettings,
  FlashBladeSettings,
  PlacementSettings,
} from "../../src/config/model.ts";
import type { Capability } from "../../src/capability.ts";
import type { ClaimReader, InventoryReader } from "../../src/controller/context.ts";
import { Provisioner } from "../../src/controller/provisioner.ts";
import type { ProvisionerOptions } from "../../src/controller/provisioner_options.ts";
import type { CreateVolumeRequest, PublishRequest } from "../../src/controller/requests.ts";
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { type Logger, silentLogger } from "../../src/log.ts";
import { Secret } from "../../src/secret.ts";
import { type Fetch, HttpsClient, TransportError } from "../../src/net/https.ts";
import { testFleet } from "../../src/simulator/fixture_test.ts";
import { type ServedFleet, type SimulateOptions } from "../../src/simulator/simulate.ts";
import { GiB } from "../../src/size.ts";
import { asIs } from "../support/as_is.ts";
import { FLASHARRAY, FLASHBLADE, PLACEMENT } from "../support/test_settings.ts";

/** Settings that a test wants otherwise than the bed has them, key by key. */
interface SettingChanges {
  clusterId?: string;
  deleteImported?: boolean;
  deletePrefixes?: readonly string[];
  eradicateOnDelete?: boolean;
  maxVolumesPerNode?: number;
  topology?: ProvisionerOptions["topology"];
  placement?: Partial<PlacementSettings>;
  flasharray?: Partial<FlashArraySettings>;
  flashblade?: Partial<FlashBladeSettings>;
}

function optionsWith(
  { flasharray, flashblade, placement, ...changes }: SettingChanges,
): ProvisionerOptions {
  return {
    clusterId: "k8s",
    deleteImported: true,
    deletePrefixes: [],
    eradicateOnDelete: false,
    maxVolumesPerNode: 256,
    topology: { enable: true, strict: false, nodeLabels: [] },
    ...changes,
    placement: { ...PLACEMENT, ...placement },
    flasharray: { ...FLASHARRAY, ...flasharray },
    flashblade: { ...FLASHBLADE, snapshotDirectoryEnabled: true, ...flashblade },
  };
}

export const RWO: Capability = {
  access: { type: "mount", fsType: "xfs", mountFlags: [] },
  mode: "single-node-writer",
};
/** What a volume for RWO is tagged with beside the names of its claim. */
export const RWO_TAGS: Readonly<Record<string, string>> = {
  "pvc-volume-mode": "Filesystem",
  "pvc-access-modes": "ReadWriteOnce",
  "pv-fs-type": "xfs",
  "pv-protocol": "default",
};
export const RWX: Capability = { ...RWO, mode: "multi-node-multi-writer" };
export const RAW_RWX: Capability = { access: { type: "block" }, mode: "multi-node-multi-writer" };

/** A node that attaches by the local plane. */
function nodeNamed(name: string, address = "127.0.0.11"): NodeIdentity {
  return {
    name,
    protocols: ["local"],
    iqn: `iqn.2024-01.org.example:${name}`,
    wwpns: [],
    addresses: [address],
  };
}

export const N1 = nodeNamed("node-1.example.org");
export const N2 = nodeNamed("node-2.example.org", "127.0.0.12");

/** True for the codes that csi-provisioner does not take as "nothing was made". */
export function isUnclear(error: { code: string }): boolean {
  return ["unavailable", "timeout"].includes(error.code);
}

export interface BedOptions extends Partial<SimulateOptions> {
  settings?: SettingChanges;
  /** `Name` in the configuration, by the array's own name; absent = its own. */
  names?: Record<string, string>;
  /** Labels by array name. */
  labels?: Record<string, Record<string, string>>;
  /** Arrays that get no new volumes. */
  suspended?: string[];
  /** How many times longer everything is waited for than on a machine of today; default 1. */
  patience?: number;
  /** Start without having asked the arrays anything. */
  cold?: boolean;
  /** Whether this controller leads, and whether it is alone; default: always. */
  fence?: ChangeFence;
  /** Claims as Kubernetes has them; default: nobody can ask. */
  claims?: ClaimReader;
  /** Everything that has a volume, as Kubernetes has it; default: nobody can ask. */
  inventory?: InventoryReader;
  /** The controller's; default: nobody reads it. */
  log?: Logger;
}

/** `silent`: no call is answered. `unreachable`: no connection is made. */
type CutLink = "silent" | "unreachable";

/**
 * The client's fetch, while `cut` does not say otherwise. A call that is not answered ends with
 * `closed`, as it does when the client closes its connections.
 */
function cuttable(
  client: HttpsClient,
  { cut, closed }: { cut: () => CutLink | undefined; closed: AbortSignal },
): Fetch {
  return (request) => {
    const state = cut();
    if (state === undefined) return client.fetch(request);
    if (state === "unreachable") {
      return Promise.reject(
        new TransportError("unavailable", "nothing listens there (ECONNREFUSED)", { sent: false }),
      );
    }
    const { signal } = request;
    const end = signal ? AbortSignal.any([signal, closed]) : closed;
    return new Promise((_, reject) => {
      const onEnd = () =>
        reject(new TransportError("timeout", "did not answer in time", { sent: true }));
      if (end.aborted) onEnd();
      else end.addEventListener("abort", onEnd, { once: true });
    });
  };
}

/** One controller and its fleet. */
export class ProvisionerBed {
  fleet: Fleet;
  provisioner: Provisioner;
  readonly signal: AbortSignal;
  #open: OpenArray[];
  /** What the answers of an array are made into before a controller reads them. */
  readonly #rewritten = new Map<string, (text: string, path: string) => string>();
  /** Arrays that cannot be reached now, and how that shows. */
  readonly #cut = new Map<string, CutLink>();

  private constructor(readonly served: ServedFleet, readonly options: BedOptions) {
    this.signal = AbortSignal.timeout(this.#patient(60_000));
    this.#open = this.#connect();
    this.fleet = this.#newFleet();
    this.provisioner = this.#newProvisioner();
  }

  /**
   * Runs `work` over a fleet of its own (two FlashArrays unless `options` say otherwise) and takes
   * all of it away.
   */
  static async run(
    options: BedOptions,
    work: (bed: ProvisionerBed) => Promise<void>,
  ): Promise<void> {
    const served = await testFleet({ flasharrays: 2, ...options });
    const bed = new ProvisionerBed(served, options);
    try {
      if (!options.cold) await bed.fleet.refresh(bed.signal);
      await work(bed);
    } finally {
      await bed.#close();
      await served.stop();
    }
  }

  /** A new controller over the same arrays, as after a restart: it has asked nothing yet. */
  async restart(): Promise<void> {
    await this.#close();
    this.#open = this.#connect();
    this.fleet = this.#newFleet();
    this.provisioner = this.#newProvisioner();
  }

  /**
   * Another controller over the same arrays, as of another cluster; `options` change this one's.
   */
  async beside(
    options: Partial<BedOptions>,
    work: (other: ProvisionerBed) => Promise<void>,
  ): Promise<void> {
    const other = new ProvisionerBed(this.served, { ...this.options, ...options });
    try {
      await other.fleet.refresh(other.signal);
      await work(other);
    } finally {
      await other.#close();
    }
  }

  /** A new controller that knows one of the arrays alone, by the client that is there. */
  restartWith(array: StorageArray): void {
    const cluster = this.options.settings?.clusterId ?? "k8s";
    this.fleet = new Fleet([{ array }], { log: silentLogger, cluster, timeoutMs: 1_000 });
    this.provisioner = this.#newProvisioner();
  }

  request(name: string, change: Partial<CreateVolumeRequest> = {}): CreateVolumeRequest {
    return {
      name,
      capacityRange: { requiredBytes: GiB, limitBytes: 0 },
      capabilities: [RWO],
      parameters: {},
      ...change,
    };
  }

  /** Creates a volume and returns its handle. */
  async create(name: string, change: Partial<CreateVolumeRequest> = {}): Promise<string> {
    return (await this.provisioner.createVolume(this.request(name, change), this.signal)).volumeId;
  }

  publishRequest(
    volumeId: string,
    node: NodeIdentity,
    change: Partial<PublishRequest> = {},
  ): PublishRequest {
    return {
      volumeId,
      nodeId: encodeNodeId(node),
      capability: RWO,
      readOnly: false,
      volumeContext: {},
      ...change,
    };
  }

  async publish(
    volumeId: string,
    node: NodeIdentity,
    change: Partial<PublishRequest> = {},
  ): Promise<Record<string, string>> {
    return await this.provisioner.publishVolume(
      this.publishRequest(volumeId, node, change),
      this.signal,
    );
  }

  /** A REST call to an array as an administrator would make it. Answers the items. */
  async admin<T>(array: string, call: RestCall): Promise<T[]> {
    const entry = this.served.arrays.find(({ name }) => name === array);
    if (!entry) throw new Error(`no array ${array}`);
    const https = new HttpsClient({
      scheme: "http",
      address: entry.address,
      tls: { verify: false },
    });
    const rest = new RestClient({
      fetch: https.fetch,
      dialect: entry.kind === "flasharray" ? FLASHARRAY_DIALECT : FLASHBLADE_DIALECT,
      token: new Secret(entry.token),
      label: () => "admin",
      log: silentLogger,
    });
    try {
      return (await rest.call({ ...call, item: asIs<T> })).items;
    } finally {
      https.close();
    }
  }

  /** Names of all live volumes, by array name. */
  async volumes(): Promise<Record<string, string[]>> {
    const names: Record<string, string[]> = {};
    for (const { array } of this.fleet.members) {
      names[array.label] = (await array.listVolumes({ limit: 1000 }, this.signal)).items.map((
        { name },
      ) => name).sort();
    }
    return names;
  }

  /** Node ids that hold the volume, as the cluster would see them. */
  async publishedTo(volumeId: string): Promise<string[]> {
    return (await this.provisioner.getVolume(volumeId, this.signal)).publishedNodeIds;
  }

  /** Every answer of the array is changed so from now on, for what no simulated array can show. */
  rewrite(array: string, change: (text: string, path: string) => string): void {
    this.#rewritten.set(array, change);
  }

  /** The deadline of a caller that does not wait long for arrays that are silent. */
  soon(): AbortSignal {
    return AbortSignal.timeout(300);
  }

  /** The way to the array is cut from now on, or whole again. */
  link(array: string, state: CutLink | "whole"): void {
    if (state === "whole") this.#cut.delete(array);
    else this.#cut.set(array, state);
  }

  /** All calls of one array, or of all, fail from now on as while its controllers restart. */
  async silence(array?: string): Promise<void> {
    await this.fault({ array, action: "status", value: 503, times: 100_000 });
  }

  async fault(fault: Record<string, unknown>): Promise<void> {
    const answer = await fetch(`${this.served.control}/faults`, {
      method: "POST",
      body: JSON.stringify(fault),
    });
    deepEqual(answer.status, 200, await answer.text());
  }

  async healFaults(): Promise<void> {
    await (await fetch(`${this.served.control}/faults`, { method: "DELETE" })).body?.cancel();
  }

  /** The REST calls that `work` makes, as `POST /volumes`. Logins are not counted. */
  async calls(work: () => Promise<unknown>): Promise<string[]> {
    await (await fetch(`${this.served.control}/requests`, { method: "DELETE" })).body?.cancel();
    await work();
    const report = await (await fetch(`${this.served.control}/requests`)).json();
    return report.last.map(({ method, path }: { method: string; path: string }) =>
      `${method} ${path}`
    ).filter((call: string) => !call.includes("/login") && !call.includes("api_version"));
  }

  /** Milliseconds as long as the machine needs them. */
  #patient(ms: number): number {
    return ms * (this.options.patience ?? 1);
  }

  #connect(): OpenArray[] {
    return this.served.arrays.map(({ kind, name, address, token }) => {
      const https = new HttpsClient({ scheme: "http", address, tls: { verify: false } });
      const closed = new AbortController();
      const link = { cut: () => this.#cut.get(name), closed: closed.signal };
      const reach = cuttable(https, link);
      const opened = openArray({
        kind,
        scheme: "http",
        managementAddress: address,
        token: new Secret(token),
        tls: { verify: false },
        name: this.options.names?.[name] ?? name,
        nfsEndpoint: "127.0.0.1",
      }, {
        log: silentLogger,
        fence: this.options.fence,
        callTimeoutMs: this.#patient(2_000),
        fetch: async (request) => {
          const answer = await reach(request);
          return {
            ...answer,
            text: this.#rewritten.get(name)?.(answer.text, request.path) ?? answer.text,
          };
        },
      });
      const closeAll = async () => {
        closed.abort();
        await opened.close();
        https.close();
      };
      return { ...opened, close: closeAll };
    });
  }

  #newFleet(): Fleet {
    const entries = this.#open.map(({ array }) => ({
      array,
      labels: this.options.labels?.[array.label] ?? {},
      suspended: this.options.suspended?.includes(array.label),
    }));
    const cluster = this.options.settings?.clusterId ?? "k8s";
    const { fence } = this.options;
    const timeoutMs = this.#patient(1_000);
    return new Fleet(entries, { log: silentLogger, cluster, timeoutMs, fence });
  }

  #newProvisioner(): Provisioner {
    const options = optionsWith(this.options.settings ?? {});
    const { fence, claims, inventory, log = silentLogger } = this.options;
    return new Provisioner({
      fleet: this.fleet,
      options: () => options,
      log,
      fence,
      claims,
      inventory,
    });
  }

  async #close(): Promise<void> {
    await Promise.all(this.#open.map((one) => one.close()));
    // Calls and checks that nobody waits for have ended by now, and clear their deadlines next.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
