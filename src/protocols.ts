/** What a protocol can serve: block volumes (FlashArray), file systems (FlashBlade). */
type ProtocolKind = "block" | "file";

/** What carries a protocol between node and array; `tcp` and `rdma` go to portals of IP networks. */
type Transport = "tcp" | "rdma" | "fc";

/** All that the program knows of one protocol outside the code that speaks it. */
interface ProtocolFacts {
  /** Stands for the protocol inside a node_id. Never reuse one: nodes of older versions run. */
  letter: string;
  kinds: readonly ProtocolKind[];
  /** By which name an array knows the node; null: the protocol has none. */
  initiator: "iqn" | "wwpn" | "nqn" | null;
  /**
   * What carries it: `rdma` needs an RDMA device on the node, `fc` Fibre Channel ports; null: the
   * volume comes over no network.
   */
  transport: Transport | null;
  /** What the kernel makes of an attached block volume; null for file systems. */
  device: "scsi" | "nvme" | "loop" | null;
  /** PSO's name of it in the values file, `flasharray.sanType`; null: it cannot be set there. */
  sanType: string | null;
  /** Other spellings that `flasharray.sanType` and the class parameter `protocol` take. */
  spellings: readonly string[];
  /** Place in the order in which `auto` tries, from 1; null: `auto` never takes it. */
  autoRank: number | null;
  /** Where the report on a host lists it. */
  area: string;
  /** Programs on the host without which nothing can be attached. */
  tools: readonly string[];
  /** Kernel modules without which nothing can be attached. */
  modules: readonly string[];
  /** True: taken in place of what is asked for, where array and node have it; nobody asks for it. */
  isSubstitute: boolean;
}

/**
 * The one list of protocols; every other list is made from it. The order of `auto` is by what a
 * path costs: NVMe before SCSI, and a fabric of its own before a shared network.
 */
const TABLE = {
  iscsi: {
    letter: "i",
    kinds: ["block"],
    initiator: "iqn",
    transport: "tcp",
    device: "scsi",
    sanType: "ISCSI",
    spellings: [],
    autoRank: 5,
    area: "iscsi",
    tools: ["iscsiadm"],
    modules: ["iscsi_tcp"],
    isSubstitute: false,
  },
  fc: {
    letter: "f",
    kinds: ["block"],
    initiator: "wwpn",
    transport: "fc",
    device: "scsi",
    sanType: "FC",
    spellings: [],
    autoRank: 4,
    area: "fc",
    tools: [],
    modules: [], // the driver of the adapter, which has a name of its own for every maker
    isSubstitute: false,
  },
  "nvme-roce": {
    letter: "r",
    kinds: ["block"],
    initiator: "nqn",
    transport: "rdma",
    device: "nvme",
    sanType: "NVMEOF-RDMA",
    spellings: ["nvme-rdma"],
    autoRank: 2,
    area: "nvme",
    tools: ["nvme"],
    modules: ["nvme_rdma"],
    isSubstitute: false,
  },
  "nvme-tcp": {
    letter: "t",
    kinds: ["block"],
    initiator: "nqn",
    transport: "tcp",
    device: "nvme",
    sanType: "NVMEOF-TCP",
    spellings: [],
    autoRank: 3,
    area: "nvme",
    tools: ["nvme"],
    modules: ["nvme_tcp"],
    isSubstitute: false,
  },
  "nvme-fc": {
    letter: "c",
    kinds: ["block"],
    initiator: "nqn",
    transport: "fc",
    device: "nvme",
    sanType: "NVMEOF-FC",
    spellings: [],
    autoRank: 1,
    area: "nvme",
    tools: ["nvme"],
    modules: ["nvme_fc"],
    isSubstitute: false,
  },
  nfs: {
    letter: "n",
    kinds: ["file"],
    initiator: null,
    transport: "tcp",
    device: null,
    sanType: null,
    spellings: [],
    autoRank: null,
    area: "nfs",
    tools: ["mount.nfs"],
    modules: ["nfs"],
    isSubstitute: false,
  },
  local: {
    letter: "l",
    kinds: ["block", "file"],
    initiator: null,
    transport: null,
    device: "loop",
    sanType: null,
    spellings: [],
    autoRank: null,
    area: "host",
    tools: ["losetup"],
    modules: [],
    isSubstitute: true,
  },
} as const satisfies Record<string, ProtocolFacts>;

type Table = typeof TABLE;

/** How a node reaches a volume. `local` exists only between a simulated array and its nodes. */
export type Protocol = keyof Table;

/** How block volumes may be asked for; `auto` is the best protocol that array and node share. */
export type SanType =
  | { [P in Protocol]: Table[P]["sanType"] extends string ? P : never }[Protocol]
  | "auto";

/** The protocols that serve file systems. */
export type FileProtocol = {
  [P in Protocol]: "file" extends Table[P]["kinds"][number] ? P : never;
}[Protocol];

/** The protocols whose volumes are this kind of device on a node. */
export type ProtocolWithDevice<D extends "scsi" | "nvme" | "loop"> = {
  [P in Protocol]: Table[P]["device"] extends D ? P : never;
}[Protocol];

/** A protocol by which NVMe goes to portals of IP networks. */
export type NvmePortalProtocol = {
  [P in ProtocolWithDevice<"nvme">]: Table[P]["transport"] extends "tcp" | "rdma" ? P : never;
}[ProtocolWithDevice<"nvme">];

/** A kind of name by which arrays know nodes. Tables over it are total. */
export type InitiatorName = NonNullable<Table[Protocol]["initiator"]>;
/** A host tool of some protocol. Tables over it are total, so that each has its package. */
export type ProtocolTool = Table[Protocol]["tools"][number];
/** Where the report on a host lists some protocol. */
export type ProtocolArea = Table[Protocol]["area"];

/** A row whose `area`, `tools` and `transport` keep their literal types, for other tables. */
type ProtocolRow<P extends Protocol> =
  & Omit<ProtocolFacts, "area" | "tools" | "transport">
  & { area: ProtocolArea; tools: readonly ProtocolTool[]; transport: Table[P]["transport"] };

/** The row of a protocol. */
export const PROTOCOL_FACTS: { readonly [P in Protocol]: ProtocolRow<P> } = TABLE;

/** Every protocol, in the order of the table. */
// The cast: TypeScript takes the keys of any object for strings.
export const PROTOCOLS = Object.keys(TABLE) as Protocol[];

/** What may be asked for, and what real arrays and hosts have. */
export const REAL_PROTOCOLS: readonly Protocol[] = PROTOCOLS.filter((protocol) =>
  !PROTOCOL_FACTS[protocol].isSubstitute
);

/** What an array that has one serves in place of any other: it is taken first. */
export const SUBSTITUTE_PROTOCOLS: readonly Protocol[] = PROTOCOLS.filter((protocol) =>
  PROTOCOL_FACTS[protocol].isSubstitute
);

/** The protocols that need a folder which array and node share, and no network. */
export const LOCAL_PROTOCOLS: readonly Protocol[] = PROTOCOLS.filter((protocol) =>
  PROTOCOL_FACTS[protocol].transport === null
);

/** The protocols by which file systems of real arrays are mounted. */
export const REAL_FILE_PROTOCOLS: readonly FileProtocol[] = REAL_PROTOCOLS.filter(servesFiles);

/** The protocols for which the node needs Fibre Channel ports. */
export const FC_PROTOCOLS: readonly Protocol[] = PROTOCOLS.filter((protocol) =>
  PROTOCOL_FACTS[protocol].transport === "fc"
);

/** The protocols for which the node needs an RDMA device. */
export const RDMA_PROTOCOLS: readonly Protocol[] = PROTOCOLS.filter((protocol) =>
  PROTOCOL_FACTS[protocol].transport === "rdma"
);

/** The protocols by which NVMe goes to portals of IP networks. */
export const NVME_PORTAL_PROTOCOLS: readonly NvmePortalProtocol[] = PROTOCOLS.filter(
  isNvmePortalProtocol,
);

/** The protocols that `auto` may take, best first. */
export const AUTO_PROTOCOLS: readonly Protocol[] = PROTOCOLS
  .flatMap((protocol) => {
    const { autoRank } = PROTOCOL_FACTS[protocol];
    return autoRank === null ? [] : [{ protocol, autoRank }];
  })
  .sort((one, other) => one.autoRank - other.autoRank)
  .map(({ protocol }) => protocol);

const SAN_PROTOCOLS = PROTOCOLS.filter(isSanType);

/** What `flasharray.sanType` may be in the values file, as PSO writes it. */
export const SAN_TYPE_NAMES: readonly string[] = [
  ...SAN_PROTOCOLS.map(nameInValuesFile),
  "AUTO",
];

/** Other spellings for the values file, in lower case, and the name that each stands for. */
export const SAN_TYPE_SYNONYMS: Readonly<Record<string, string>> = Object.fromEntries(
  SAN_PROTOCOLS.flatMap((protocol) => {
    const name = nameInValuesFile(protocol);
    return [protocol, ...PROTOCOL_FACTS[protocol].spellings]
      .filter((spelling) => spelling !== name.toLowerCase())
      .map((spelling) => [spelling, name]);
  }),
);

/** Every spelling that the class parameter `protocol` takes, in lower case. */
export const CLASS_PROTOCOLS: Readonly<Record<string, Protocol | "auto">> = {
  ...Object.fromEntries(REAL_PROTOCOLS.map((protocol) => [protocol, protocol])),
  auto: "auto",
  ...Object.fromEntries(SAN_PROTOCOLS.flatMap((protocol) => [
    [nameInValuesFile(protocol).toLowerCase(), protocol],
    ...PROTOCOL_FACTS[protocol].spellings.map((spelling) => [spelling, protocol]),
  ])),
};

function isNvmePortalProtocol(protocol: Protocol): protocol is NvmePortalProtocol {
  const { device, transport } = PROTOCOL_FACTS[protocol];
  return device === "nvme" && (transport === "tcp" || transport === "rdma");
}

function isSanType(protocol: Protocol): protocol is Exclude<SanType, "auto"> {
  return PROTOCOL_FACTS[protocol].sanType !== null;
}

function nameInValuesFile(protocol: Exclude<SanType, "auto">): string {
  return TABLE[protocol].sanType;
}

/** The setting that a name of SAN_TYPE_NAMES stands for. Any other name is a mistake of ours. */
export function sanTypeOf(name: string): SanType {
  if (name === "AUTO") return "auto";
  const found = SAN_PROTOCOLS.find((protocol) => nameInValuesFile(protocol) === name);
  if (found === undefined) throw new Error(`BUG: ${JSON.stringify(name)} is no flasharray.sanType`);
  return found;
}

/** The protocols that a sanType asks of a host; undefined for `auto`, which takes what there is. */
export function protocolsOfSanType(sanType: SanType): Protocol[] | undefined {
  return sanType === "auto" ? undefined : [sanType];
}

/** The protocols by which an array knows a node by this kind of name. */
export function protocolsOfInitiator(initiator: InitiatorName): Protocol[] {
  return PROTOCOLS.filter((protocol) => PROTOCOL_FACTS[protocol].initiator === initiator);
}

/**
 * The protocols that may carry a file system: the wanted one if it serves files (a `sanType` is
 * about block volumes and does not count), else every real one.
 */
export function fileProtocolsFor(wanted: Protocol | "auto"): readonly FileProtocol[] {
  return wanted !== "auto" && servesFiles(wanted) ? [wanted] : REAL_FILE_PROTOCOLS;
}

/** True for protocols that serve block volumes. */
export function servesBlock(protocol: Protocol): boolean {
  return PROTOCOL_FACTS[protocol].kinds.includes("block");
}

/** True for protocols that serve file systems. */
export function servesFiles(protocol: Protocol): protocol is FileProtocol {
  return PROTOCOL_FACTS[protocol].kinds.includes("file");
}
