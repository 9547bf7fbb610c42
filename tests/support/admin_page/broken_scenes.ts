/** The commands of docs/admin.md that meet a fleet in which much is wrong. */
import { pvOf } from "../fake_cluster.ts";
import {
  arraysOf,
  control,
  entryOf,
  NOBODY,
  type PageBed,
  type Scene,
  secretEntryOf,
  send,
  volume,
} from "./page_bed.ts";
import { CLAIM, iqn, kubeconfigOf, NO_ARRAYS, register, valuesOf } from "./right_scenes.ts";

const PVS = "/api/v1/persistentvolumes";
const KUBE = "--kubeconfig prod.kubeconfig";

/** In this order: each meets what those before it left, but for the faults of arrays. */
export function brokenScenes(bed: PageBed): Scene[] {
  return [...entryScenes(bed), ...struckScenes(bed), ...clusterScenes(bed)];
}

/** Entries that lead nowhere, twice to one array, or to one that takes no change. */
function entryScenes(bed: PageBed): Scene[] {
  const { one, two, blade } = arraysOf(bed.fleet);
  const { CACert: _, ...pinned } = entryOf(two, { CertFingerprint: "AB:".repeat(31) + "CD" });
  const stranger = "T-00000000-1111-4222-8333-444455556666";
  return [{
    name: "half broken",
    line: "pso-bin admin check -f values.yaml",
    files: valuesOf({
      FlashArrays: [
        entryOf(one),
        pinned,
        entryOf(one, { MgmtEndPoint: one.address.replace("127.0.0.1", "localhost") }),
        { MgmtEndPoint: NOBODY, APIToken: one.token },
      ],
      FlashBlades: [entryOf(blade, { NFSEndPoint: "10.22.0.3", APIToken: stranger })],
    }),
    before: () =>
      control(bed, "faults", {
        array: "fa-1",
        match: { method: "PATCH" },
        action: "status",
        value: 403,
        times: 9,
      }),
  }];
}

/** Arrays that have trouble of their own: one has alerts, one is full, one hangs, one is off. */
function struckScenes(bed: PageBed): Scene[] {
  const { one, two, blade } = arraysOf(bed.fleet);
  const files = valuesOf({
    FlashArrays: [
      entryOf(one, { Suspended: true }),
      entryOf(two),
      { MgmtEndPoint: NOBODY, APIToken: one.token },
    ],
    FlashBlades: [entryOf(blade, { NFSEndPoint: "10.22.0.3" })],
  });
  const before = () => strike(bed);
  return [
    { name: "struck", line: "pso-bin admin check -f values.yaml", files, before },
    { name: "struck arrays", line: "pso-bin admin arrays -f values.yaml", files, before },
    {
      name: "no place",
      line: "pso-bin admin place --explain -f pvc.yaml --values values.yaml",
      files: { ...files, "pvc.yaml": CLAIM },
      before,
    },
  ];
}

async function strike(bed: PageBed): Promise<void> {
  await control(bed, "alerts", {
    array: "fa-1",
    severity: "critical",
    component_name: "CT1",
    summary: "controller failed",
  });
  await control(bed, "controllers", { array: "fa-1", name: "CT1", status: "not ready" });
  await control(bed, "faults", { array: "fa-2", action: "full" });
  await control(bed, "faults", { array: "fb-1", action: "delay", value: 6_000 });
}

/** A cluster whose parts do not fit together, and an array of which nothing is known. */
function clusterScenes(bed: PageBed): Scene[] {
  const files = kubeconfigOf(bed);
  return [
    {
      name: "broken cluster",
      line: `pso-bin admin check ${KUBE}`,
      files,
      drop: NO_ARRAYS,
      before: () => Promise.resolve(breakCluster(bed)),
    },
    { name: "broken nodes", line: `pso-bin admin nodes ${KUBE}`, files },
    {
      name: "broken volumes",
      line: `pso-bin admin volumes ${KUBE}`,
      files,
      before: () => loseVolumes(bed),
    },
    {
      name: "doctor",
      line: `pso-bin admin doctor ${KUBE}`,
      files,
      laterMs: 3_600_000,
      before: () => spoilVolumes(bed),
    },
    {
      name: "broken bundle",
      line: `pso-bin admin support-bundle ${KUBE} --out case-4712.tar`,
      files,
    },
    {
      name: "undelete refused",
      line: `pso-bin admin undelete ${KUBE} --volume ${volume("8")}`,
      files,
      before: async () => {
        await addOff(bed);
        await destroyForeign(bed);
      },
    },
  ];
}

/** Nobody leads, one node is new, one is silent, and the CRDs of snapshots are gone. */
function breakCluster(bed: PageBed): void {
  const { items, answers } = bed.cluster;
  answers.delete("/apis/snapshot.storage.k8s.io");
  items.set("/apis/coordination.k8s.io/v1/namespaces/pso/leases", [{
    metadata: { name: "pure-csi-leader" },
  }]);
  items.get("/api/v1/nodes")?.push({ metadata: { name: "node-b" } });
  items.get(PVS)?.push(
    pvOf(volume("9").slice(4), { handle: `k8s/${volume("9")}`, phase: "Released" }),
  );
}

/** A volume that is gone from its array, and one of an array that nobody lists. */
async function loseVolumes({ fleet, cluster: { items } }: PageBed): Promise<void> {
  const { one } = arraysOf(fleet);
  const [good] = items.get(PVS) ?? [];
  const { items: [{ id }] } = await send(one, ["GET /arrays"]);
  const pv = (digit: string, handle: string) => pvOf(volume(digit).slice(4), { handle });
  items.set(PVS, [
    ...good ? [good] : [],
    pv("3", `${id.slice(0, 8)}/${volume("3")}`),
    pv("6", `0badcafe/${volume("6")}`),
  ]);
}

/** An array that is off comes into the configuration. */
async function addOff({ fleet, cluster: { items } }: PageBed): Promise<void> {
  const { one } = arraysOf(fleet);
  const off = { MgmtEndPoint: NOBODY, APIToken: one.token };
  const FlashArrays = [await secretEntryOf(one), off];
  items.set("/api/v1/namespaces/pso/secrets", [{
    metadata: { name: "pure-provisioner-secret" },
    data: { "pure.json": btoa(JSON.stringify({ FlashArrays })) },
  }]);
}

/** One finding of most sorts. */
async function spoilVolumes(bed: PageBed): Promise<void> {
  const { fleet, cluster: { items } } = bed;
  const { one } = arraysOf(fleet);
  register(bed, "node-a");
  items.set(
    PVS,
    (items.get(PVS) ?? []).map((pv) => {
      const spec = pv.spec as Record<string, unknown>;
      const sized = { accessModes: ["ReadWriteOnce"], capacity: { storage: "2Mi" } };
      return { ...pv, spec: { ...spec, ...sized } };
    }),
  );
  const source = { persistentVolumeName: volume("1").slice(4) };
  items.set("/apis/storage.k8s.io/v1/volumeattachments", [
    { spec: { attacher: "pure-csi", nodeName: "node-a", source } },
  ]);
  const tag = [{ key: "cluster", value: "dev", copyable: false }];
  await send(
    one,
    ["POST /hosts?names=node-a", { iqns: [iqn("node-a"), iqn("node-z")] }],
    ["POST /hosts?names=esx-7", { iqns: [iqn("esx-7")] }],
    ...["node-a", "esx-7"].map((host): [string, unknown] => [
      `POST /connections?host_names=${host}&volume_names=${volume("1")}`,
      {},
    ]),
    [`POST /volume-snapshots?source_names=${volume("1")}`, {
      suffix: "snapshot-55555555-1b2c-4d3e-8f4a-5b6c7d8e9f00",
    }],
    [`POST /volumes?names=${volume("7")}`, { provisioned: 1048576 }],
    [`PUT /volumes/tags/batch?resource_names=${volume("7")}`, tag],
  );
}

/** A volume of another cluster that was destroyed. */
async function destroyForeign({ fleet }: PageBed): Promise<void> {
  const tag = [{ key: "cluster", value: "dev", copyable: false }];
  await send(
    arraysOf(fleet).one,
    [`POST /volumes?names=${volume("8")}`, { provisioned: 1048576 }],
    [`PUT /volumes/tags/batch?resource_names=${volume("8")}`, tag],
    [`PATCH /volumes?names=${volume("8")}`, { destroyed: true }],
  );
}
