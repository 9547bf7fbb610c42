// Claims that name a volume to import, PersistentVolumes, and a controller over simulated arrays.
import type { CreateVolumeRequest, VolumeAnswer } from "../../src/controller/requests.ts";
import type { InventoryReader } from "../../src/controller/context.ts";
import { GiB } from "../../src/size.ts";
import { type BedOptions, ProvisionerBed } from "./provisioner_bed.ts";

export const IMPORT = "pso.purestorage.com/import";
export const AS = "pso.purestorage.com/import-as";
export const RECLAIM = "pso.purestorage.com/import-reclaim";

type Inventory = Awaited<ReturnType<InventoryReader>>;

/** What a test wants otherwise of a claim. */
interface ClaimChange {
  /** Seconds since the cluster began; default: later than each before. */
  created?: number;
}

/** The claims and PersistentVolumes of a cluster. */
export class ImportCluster {
  #claims: Inventory["claims"] = [];
  #seconds = 100;
  /** May be changed by the test: what csi-provisioner and administrators wrote. */
  volumes: Inventory["volumes"][number][] = [];
  /** Volumes that pods describe themselves. */
  inline: Inventory["inline"] = [];
  /** The API server gives no answer. */
  isSilent = false;

  /** A claim `namespace/name`; gives what its volume is called in CSI. */
  claim(
    path: string,
    annotations: Record<string, string>,
    { created = ++this.#seconds }: ClaimChange = {},
  ): string {
    this.remove(path);
    const [namespace = "", name = ""] = path.split("/");
    const uid = crypto.randomUUID();
    const at = new Date(created * 1000).toISOString();
    this.#claims = [...this.#claims, { namespace, name, uid, created: at, annotations }];
    return `pvc-${uid}`;
  }

  remove(path: string): void {
    this.#claims = this.#claims.filter(({ namespace, name }) => `${namespace}/${name}` !== path);
  }

  /** What a controller reads of it. */
  readers(): Pick<BedOptions, "claims" | "inventory"> {
    const heard = () => {
      if (this.isSilent) throw new Error("the API server does not answer");
    };
    return {
      claims: async ({ namespace, name }) => {
        await Promise.resolve(heard());
        const found = this.#claims.find((one) => one.namespace === namespace && one.name === name);
        const { annotations } = found ?? {};
        return annotations && { namespace, annotations, labels: {}, storageClass: "imports" };
      },
      inventory: async () => {
        await Promise.resolve(heard());
        return { volumes: [...this.volumes], claims: this.#claims, inline: this.inline };
      },
    };
  }
}

/** A controller with the cluster that it serves. */
export class ImportBed {
  constructor(readonly bed: ProvisionerBed, readonly cluster: ImportCluster) {}

  static async run(
    options: BedOptions,
    work: (bed: ProvisionerBed, imports: ImportBed) => Promise<void>,
  ): Promise<void> {
    const cluster = new ImportCluster();
    await ProvisionerBed.run({ ...options, ...cluster.readers() }, async (bed) => {
      await work(bed, new ImportBed(bed, cluster));
    });
  }

  /** Another cluster over the same arrays. */
  async beside(clusterId: string, work: (other: ImportBed) => Promise<void>): Promise<void> {
    const cluster = new ImportCluster();
    const options = { settings: { clusterId }, ...cluster.readers() };
    await this.bed.beside(options, (other) => work(new ImportBed(other, cluster)));
  }

  /** CreateVolume for a claim, as csi-provisioner asks for it. */
  async create(
    path: string,
    csiName: string,
    change: Partial<CreateVolumeRequest> = {},
  ): Promise<VolumeAnswer> {
    const [namespace = "", name = ""] = path.split("/");
    const { parameters, ...rest } = change;
    return await this.bed.provisioner.createVolume(
      this.bed.request(csiName, {
        ...rest,
        parameters: {
          allowImport: "true",
          ...parameters,
          "csi.storage.k8s.io/pvc/name": name,
          "csi.storage.k8s.io/pvc/namespace": namespace,
          "csi.storage.k8s.io/pv/name": csiName,
        },
      }),
      this.bed.signal,
    );
  }

  /** A claim with these annotations, and its CreateVolume. */
  async import(
    path: string,
    annotations: Record<string, string>,
    change: Partial<CreateVolumeRequest> = {},
  ): Promise<VolumeAnswer> {
    return await this.create(path, this.cluster.claim(path, annotations), change);
  }

  /** A volume that somebody made on the array. */
  async addVolume(
    name: string,
    { array = 0, sizeBytes = GiB, tags }: {
      array?: number;
      sizeBytes?: number;
      tags?: Record<string, string>;
    } = {},
  ): Promise<void> {
    await this.bed.fleet.members[array]?.array.createVolume({ name, sizeBytes, tags });
  }

  /** Every tag of a volume of the first array. */
  async tagsOf(name: string): Promise<Record<string, string>> {
    return Object.fromEntries(await this.bed.fleet.members[0]?.array.tagsOf(name) ?? []);
  }

  /** A machine outside of the cluster is connected to the volume of the first array. */
  async connectEsx(volume: string): Promise<void> {
    const body = { iqns: ["iqn.1998-01.com.vmware:esx-1"] };
    const query = { names: "esx-1" };
    await this.bed.admin("fa-1", { method: "POST", path: "hosts", query, body });
    await this.bed.admin("fa-1", {
      method: "POST",
      path: "connections",
      query: { host_names: "esx-1", volume_names: volume },
    });
  }
}
