/** The commands of docs/admin.md that meet a fleet which is right, and configurations which are not. */
import { encodeNodeId } from "../../../src/handoff.ts";
import { TiB } from "../../../src/size.ts";
import { installIn, pvOf } from "../fake_cluster.ts";
import {
  arraysOf,
  entryOf,
  type PageBed,
  type Scene,
  secretEntryOf,
  send,
  volume,
} from "./page_bed.ts";

/** A claim with its class. */
export const CLAIM = `
kind: PersistentVolumeClaim
metadata: {name: orders, namespace: shop}
spec: {storageClassName: gold, accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Gi}}}
---
kind: StorageClass
metadata: {name: gold}
parameters: {iops_limit: "5000"}
`;

/** A values file with these arrays. */
export function valuesOf(arrays: unknown): Record<string, string> {
  return { "values.yaml": JSON.stringify({ arrays }) };
}

/** What a command that names the cluster finds on its machine. */
export function kubeconfigOf({ cluster }: PageBed): Record<string, string> {
  return { "prod.kubeconfig": cluster.kubeconfig };
}

/** The address of a node or a machine, as an initiator. */
export const iqn = (name: string) => `iqn.2026-01.example:${name}`;

/** Nodes that are registered. */
export function register(
  { cluster: { items } }: Pick<PageBed, "cluster">,
  ...names: string[]
): void {
  items.set("/api/v1/nodes", names.map((name) => ({ metadata: { name } })));
  items.set(
    "/apis/storage.k8s.io/v1/csinodes",
    names.map((name) => {
      const node = { name, iqn: iqn(name), wwpns: [], addresses: [] };
      const nodeID = encodeNodeId({ ...node, protocols: ["iscsi"] });
      const driver = { name: "pure-csi", nodeID, allocatable: { count: 200 } };
      return { metadata: { name }, spec: { drivers: [driver] } };
    }),
  );
}

/** One volume that a claim has, and one that nobody has, in an installation of one FlashArray. */
export async function makeRight(bed: PageBed): Promise<void> {
  const { fleet, cluster } = bed;
  const { one } = arraysOf(fleet);
  const made = ["1", "2"].map((digit): [string, unknown] => [
    `POST /volumes?names=${volume(digit)}`,
    { provisioned: 1048576 },
  ]);
  const { items: [{ id }] } = await send(one, ...made, ["GET /arrays"]);
  installIn(cluster, {
    arrays: JSON.stringify({ FlashArrays: [await secretEntryOf(one)] }),
    now: Date.now(),
  });
  register(bed, "node-a");
  cluster.items.set("/api/v1/persistentvolumes", [
    pvOf(volume("1").slice(4), { handle: `${id.slice(0, 8)}/${volume("1")}` }),
  ]);
}

/** Without the part of the arrays, which stands above. */
export const NO_ARRAYS = /\n\narrays\.FlashArrays[^]*?(?=\n\n(To do|\d+ objects))/;

/** In this order: each meets what those before it left. */
export function rightScenes(bed: PageBed): Scene[] {
  const { one, blade } = arraysOf(bed.fleet);
  const files = kubeconfigOf(bed);
  const healthy = valuesOf({
    FlashArrays: [entryOf(one)],
    FlashBlades: [entryOf(blade, { NFSEndPoint: "10.22.0.3" })],
  });
  const kube = "--kubeconfig prod.kubeconfig";
  return [
    { name: "healthy", line: "pso-bin admin check -f values.yaml", files: healthy },
    { name: "cluster", line: `pso-bin admin check ${kube}`, files, drop: NO_ARRAYS },
    {
      name: "place",
      line: "pso-bin admin place --explain -f pvc.yaml --values values.yaml",
      files: { ...healthy, "pvc.yaml": CLAIM },
    },
    {
      name: "place leader",
      line: `pso-bin admin place --explain -f pvc.yaml ${kube}`,
      files: { ...files, "pvc.yaml": CLAIM },
      before: () => Promise.resolve(letLeaderAnswer(bed)),
    },
    { name: "arrays", line: "pso-bin admin arrays -f values.yaml", files: healthy },
    { name: "volumes", line: `pso-bin admin volumes ${kube}`, files },
    { name: "nodes", line: `pso-bin admin nodes ${kube} --wide`, files },
    { name: "doctor healthy", line: `pso-bin admin doctor ${kube}`, files },
    {
      name: "bundle",
      line: `pso-bin admin support-bundle ${kube} --out case-4711.tar`,
      files,
    },
    {
      name: "undelete",
      line: `pso-bin admin undelete ${kube}`,
      files,
      before: () => deleteTagged(one, volume("4")),
    },
    {
      name: "undelete asked",
      line: `pso-bin admin undelete ${kube} --volume ${volume("4")}`,
      files,
      drop: /(?<=its manifest:)\n---\n[^]*(?=\n\nNothing was changed)/,
    },
    {
      name: "undelete one",
      line: `pso-bin admin undelete ${kube} --volume ${volume("4")} --yes`,
      files,
    },
    ...wrongScenes(bed),
  ];
}

/** Configurations of which some is wrong, or all. */
function wrongScenes({ fleet }: PageBed): Scene[] {
  const { blade } = arraysOf(fleet);
  const line = "pso-bin admin check -f values.yaml";
  return [
    {
      name: "wrong",
      line,
      files: {
        "values.yaml": JSON.stringify({
          clusterID: "REPLACE_CLUSTER_ID_WITH_SOMETHING_THAT_IS_TOO_LONG_TO_BE_ONE",
          arrays: {
            FlashArrays: [{ MgmtEndPoint: "https://fa-1.example/api", Lables: {} }],
            FlashBlades: [{ MgmtEndPoint: "fb-1.example", APIToken: blade.token }],
          },
          flasharray: { sanType: "SCSI", iSCSILoginTimeout: "soon" },
          flashblde: {},
        }),
      },
    },
    { name: "completion", line: "pso-bin admin completion" },
    { name: "completion of what", line: "pso-bin admin completion csh" },
    { name: "no file", line: "pso-bin admin check -f value.yaml" },
  ];
}

/** A volume with the tags of a claim, which is deleted. */
export async function deleteTagged(array: Parameters<typeof send>[0], name: string): Promise<void> {
  const tags = {
    cluster: "k8s",
    "pvc-namespace": "shop",
    "pvc-name": "orders",
    pv: "pvc-44444444",
    "pvc-volume-mode": "Filesystem",
    "pvc-access-modes": "ReadWriteOnce",
    "pvc-storage-class": "pure-block",
    "pv-fs-type": "ext4",
    "pv-protocol": "default",
  };
  const items = Object.entries(tags).map(([key, value]) => ({ key, value, copyable: false }));
  await send(
    array,
    [`POST /volumes?names=${name}`, { provisioned: 1073741824 }],
    [`PUT /volumes/tags/batch?resource_names=${name}`, items],
    [`PATCH /volumes?names=${name}`, { destroyed: true }],
  );
}

/** What the leader of the page knows: one array is busy, one refuses creates, one is silent. */
function letLeaderAnswer({ cluster: { answers } }: PageBed): void {
  const array = (label: string, more: Record<string, unknown> = {}) => ({
    key: label,
    label,
    kind: "block",
    labels: {},
    recent: { unwrittenBytes: 0, unseenBytes: 0 },
    slowdown: 1,
    ageMs: 11_200,
    status: {
      id: `${label}-id`,
      restVersion: "2.26",
      capacityBytes: 100 * TiB,
      usedBytes: 40 * TiB,
      provisionedBytes: 120 * TiB,
      features: ["clone", "qos"],
      protocols: ["iscsi"],
    },
    ...more,
  });
  answers.set("/api/v1/namespaces/pso/pods/pure-provisioner-1:9808/proxy/placement", {
    rules: {
      clusterId: "k8s",
      placement: { headroomPercent: 5, volumesPerArray: 0 },
      flasharray: { sanType: "iscsi", defaultFsType: "xfs" },
      topology: { enable: false, nodeLabels: [] },
    },
    arrays: [
      array("fa-1"),
      array("fa-2", {
        slowdown: 5,
        recent: { unwrittenBytes: 4 * TiB, unseenBytes: 0 },
        ageMs: 28_400,
      }),
      array("fa-3", { refuses: true }),
      array("fa-4", { state: "unreachable" }),
    ],
  });
}
