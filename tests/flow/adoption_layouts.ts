/** Fleets as PSO 5.2, PSO 6.2 and PX-CSI leave them: arrays, and what PersistentVolumes say. */
import type { FlashArraySettings } from "../../src/config/model.ts";
import type { NodeIdentity } from "../../src/handoff.ts";
import { psoHostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { N1, N2, type ProvisionerBed } from "./provisioner_bed.ts";

/** UUIDs of the claims that the volumes were made for. */
const UIDS = [
  "0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
  "1c6f3fa5-405d-4d3f-8078-1e3e2c2e8b22",
  "2d704ab6-516e-4e40-9189-2f4f3d3f9c33",
  "3e815bc7-627f-4f51-a29a-305f4e4fad44",
];
const [BLOCK, OTHER, FILE, MOVED] = UIDS.map((uid) => `pvc-${uid}`) as [
  string,
  string,
  string,
  string,
];
const SNAPSHOT = "snapshot-9a1c7d52-6f0e-4b7a-8a55-77aa66bb55cc";

type San = Exclude<FlashArraySettings["sanType"], "auto">;

/** A volume that a PersistentVolume means. */
export interface LeftVolume {
  array: "fa-1" | "fb-1";
  /** Its name there. */
  name: string;
  /** The PersistentVolume. */
  pv: string;
  /** What the PersistentVolume says, from which this driver finds the volume. */
  handle: string;
  /**
   * The handle that the driver before gave: an id of its database. The administrator has made the
   * PersistentVolume anew, as docs/upgrading-from-pso.md tells.
   */
  databaseId?: string;
  volumeAttributes: Record<string, string>;
  /** Suffixes of its snapshots; the first has a VolumeSnapshotContent. */
  snapshots: string[];
  /** Nodes that its pods are on: the driver before attached it there. */
  usedBy: NodeIdentity[];
}

/** What a driver leaves on the arrays. */
export interface Layout {
  /** The driver, with what its PersistentVolumes have. */
  name: string;
  /** What reaches FlashArrays. */
  san: San;
  /** `clusterID` of this driver: in all layouts but one the prefix that PSO had. */
  clusterId: string;
  nodes: readonly [NodeIdentity, NodeIdentity];
  /** What it called the host object of a node. */
  hostNameOf: (node: string) => string;
  volumes: LeftVolume[];
  /** What nobody may touch: names on the FlashArray, connected to the second node's host. */
  neighbours: string[];
  /** Rules of each file system. */
  rules: string;
}

/** The nodes of N1 and N2 with what such a network knows them by. */
function nodesOn(san: San): [NodeIdentity, NodeIdentity] {
  const node = (of: NodeIdentity, digit: string): NodeIdentity => ({
    ...of,
    protocols: [san, "nfs"],
    wwpns: san === "fc" ? [`100000109b00000${digit}`, `100000109b10000${digit}`] : [],
    ...san.startsWith("nvme") && {
      nqn: `nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-00000000000${digit}`,
    },
  });
  return [node(N1, "1"), node(N2, "2")];
}

/** The initiators that stand in a node's host object; WWNs as administrators write them. */
function initiatorsOf({ iqn, nqn, wwpns }: NodeIdentity, san: San): Record<string, string[]> {
  if (san === "fc") {
    return { wwns: wwpns.map((wwpn) => wwpn.toUpperCase().replaceAll(/..(?=.)/g, "$&:")) };
  }
  return san.startsWith("nvme") ? { nqns: [nqn ?? ""] } : { iqns: [iqn ?? ""] };
}

/** What the names of volumes begin with that PX-CSI makes: 8 digits of its cluster's id. */
export const PX_PREFIX = "px_1a2b3c4d";

const PSO_RULES = "*(rw,no_root_squash)";

function pso52(san: San, clusterId = "k8s"): Layout {
  const nodes = nodesOn(san);
  return {
    name: `PSO 5.2 (${clusterId}, ${san})`,
    ...{ san, clusterId, nodes, hostNameOf: psoHostNameFor, rules: PSO_RULES },
    volumes: [
      {
        array: "fa-1",
        name: `${clusterId}-${BLOCK}`,
        pv: BLOCK,
        handle: `${clusterId}-${BLOCK}`,
        volumeAttributes: { backend: "block", createoptions: "-q" },
        snapshots: [SNAPSHOT],
        usedBy: [nodes[0]],
      },
      {
        // A volume that was made by 5.0, and a snapshot of the FlexVolume driver's command.
        array: "fa-1",
        name: `${clusterId}-${OTHER}`,
        pv: OTHER,
        handle: `${clusterId}/${OTHER}`,
        volumeAttributes: { backend: "block" },
        snapshots: ["snapshot-1", "883661"],
        usedBy: [nodes[0]],
      },
      {
        array: "fb-1",
        name: `${clusterId}-${FILE}`,
        pv: FILE,
        handle: `${clusterId}-${FILE}`,
        volumeAttributes: { backend: "file" },
        snapshots: [],
        usedBy: [],
      },
      {
        // Imported by hand: it keeps its name.
        array: "fa-1",
        name: "oracle-data",
        pv: "oracle",
        handle: "oracle-data",
        volumeAttributes: { backend: "block" },
        snapshots: ["daily"],
        usedBy: [],
      },
    ],
    // Of clusters whose prefix begins or ends as this one's.
    neighbours: [`${clusterId}-prod-${BLOCK}`, `${clusterId}2-${BLOCK}`, `a-${clusterId}-${BLOCK}`],
  };
}

function pso62(san: San, clusterId = "k8s"): Layout {
  const nodes = nodesOn(san);
  const attributes = (backend: string, volumeName: string) => ({
    ...{ backend, namespace: clusterId, volumeName },
  });
  return {
    name: `PSO 6.2 (${clusterId}, ${san})`,
    ...{ san, clusterId, nodes, hostNameOf: psoHostNameFor, rules: PSO_RULES },
    volumes: [
      {
        array: "fa-1",
        name: `${clusterId}-${BLOCK}`,
        pv: BLOCK,
        handle: `${clusterId}-${BLOCK}`,
        volumeAttributes: { ...attributes("block", BLOCK), createoptions: "-q" },
        snapshots: [SNAPSHOT],
        usedBy: [nodes[0]],
      },
      {
        array: "fa-1",
        name: `${clusterId}-${OTHER}`,
        pv: OTHER,
        handle: `${clusterId}-${OTHER}`,
        databaseId: "688232839285702657",
        volumeAttributes: attributes("block", OTHER),
        snapshots: [],
        usedBy: [],
      },
      {
        array: "fb-1",
        name: `${clusterId}-${FILE}`,
        pv: FILE,
        handle: `${clusterId}-${FILE}`,
        volumeAttributes: attributes("file", FILE),
        snapshots: [SNAPSHOT],
        usedBy: [],
      },
    ],
    // Its database, and an inline volume.
    neighbours: [
      `${clusterId}-pso-db_0`,
      `${clusterId}-pso-db_1`,
      `${clusterId}-shop-web-0-a1b2c3`,
    ],
  };
}

/** PX-CSI's PersistentVolumes have another driver, and are written anew for this one. */
function pxCsi(san: San): Layout {
  const nodes = nodesOn(san);
  const prefix = PX_PREFIX;
  return {
    name: `PX-CSI (${san})`,
    ...{ san, clusterId: "k8s", nodes, rules: "10.0.0.0/8(rw,no_root_squash)" },
    hostNameOf: (node) => `px-${psoHostNameFor(node).slice(0, 40)}`,
    volumes: [
      {
        array: "fa-1",
        name: `${prefix}-${BLOCK}`,
        pv: BLOCK,
        handle: `${prefix}-${BLOCK}`,
        volumeAttributes: { backend: "block" },
        snapshots: [SNAPSHOT],
        usedBy: [],
      },
      {
        // Made by PSO, and moved by pso2px, which changed Kubernetes alone.
        array: "fa-1",
        name: `k8s-${OTHER}`,
        pv: OTHER,
        handle: `k8s-${OTHER}`,
        volumeAttributes: { backend: "block" },
        snapshots: [],
        usedBy: [],
      },
      {
        array: "fb-1",
        name: `${prefix}-${FILE}`,
        pv: FILE,
        handle: `${prefix}-${FILE}`,
        volumeAttributes: { backend: "file" },
        snapshots: [],
        usedBy: [],
      },
    ],
    neighbours: [`${prefix}-${MOVED}`],
  };
}

/** Each driver with each network that it knows, and PSO with each form of prefix that it took. */
export const LAYOUTS: readonly Layout[] = [
  pso52("iscsi"),
  pso52("fc", "k8s-prod"),
  // It looks like the id of an array.
  pso52("iscsi", "deadbeef"),
  // This driver was given another prefix than PSO had.
  { ...pso52("iscsi", "old"), name: "PSO 5.2 (old, taken over as k8s)", clusterId: "k8s" },
  pso62("iscsi"),
  pso62("fc"),
  pso62("nvme-roce", "K8s_prod_22_characters"),
  pxCsi("iscsi"),
  pxCsi("fc"),
  pxCsi("nvme-tcp"),
];

/** Makes all of it on the arrays of the bed. */
export async function layOut(bed: ProvisionerBed, layout: Layout): Promise<void> {
  const { hostNameOf, volumes, neighbours, rules, nodes, san } = layout;
  const post = async (path: string, query: Record<string, string>, body = {}) =>
    void await bed.admin("fa-1", { method: "POST", path, query, body });
  for (const node of nodes) {
    await post("hosts", { names: hostNameOf(node.name) }, initiatorsOf(node, san));
  }
  for (const { array, name, snapshots, usedBy } of volumes) {
    if (array === "fb-1") {
      const body = { provisioned: GiB, nfs: { v3_enabled: true, v4_1_enabled: true, rules } };
      await bed.admin("fb-1", {
        method: "POST",
        path: "file-systems",
        query: { names: name },
        body,
      });
    } else {
      await post("volumes", { names: name }, { provisioned: GiB });
      for (const node of usedBy) {
        await post("connections", { host_names: hostNameOf(node.name), volume_names: name });
      }
    }
    const path = array === "fb-1" ? "file-system-snapshots" : "volume-snapshots";
    for (const suffix of snapshots) {
      const query = { source_names: name };
      await bed.admin(array, { method: "POST", path, query, body: { suffix } });
    }
  }
  for (const name of neighbours) {
    await post("volumes", { names: name }, { provisioned: GiB });
    await post("connections", { host_names: hostNameOf(nodes[1].name), volume_names: name });
  }
}
