import { PsoError } from "./errors.ts";
import { type NvmePortalProtocol, type Protocol, PROTOCOL_FACTS, PROTOCOLS } from "./protocols.ts";

// What controller and nodes tell each other: node_id (node → controller) and publish_context
// (controller → node). A rolling update runs two versions of this program at once, so both forms
// carry a version and readers ignore keys they do not know.

/** Who a node is to the arrays. */
export interface NodeIdentity {
  /** The Kubernetes node name. */
  name: string;
  /** What the node can attach with now. */
  protocols: Protocol[];
  iqn?: string;
  nqn?: string;
  /** FC port names: 16 lower-case hex digits each. */
  wwpns: string[];
  /** IP addresses from which the node reaches data ports; export rules name them. */
  addresses: string[];
}

/** CSI limit of node_id, NodeGetInfoResponse. */
const NODE_ID_MAX_BYTES = 256;
const UUID_NQN =
  /^nqn\.2014-08\.org\.nvmexpress:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

function hexToBase64(hex: string): string {
  return Uint8Array.fromHex(hex).toBase64({ alphabet: "base64url", omitPadding: true });
}

function base64ToHex(text: string): string {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" }).toHex();
}

/** Whether the identity fits into the 256 bytes that CSI allows: encodeNodeId() takes it. */
export function fitsNodeId(node: NodeIdentity): boolean {
  return bytesOf(nodeIdOf(node)) <= NODE_ID_MAX_BYTES;
}

/**
 * node_id of CSI: `1;<name>;<protocol letters>` and then `;i=<IQN>`, `;u=<UUID of the NQN>` or
 * `;n=<NQN>`, `;w=<WWPNs>`, `;a=<addresses>` for what there is. UUID and WWPNs are binary in
 * base64url. Throws `invalid` when it does not fit in 256 bytes.
 */
export function encodeNodeId(node: NodeIdentity): string {
  const nodeId = nodeIdOf(node);
  if (fitsNodeId(node)) return nodeId;
  throw new PsoError(
    "invalid",
    `node ${node.name} cannot be registered: its identity takes ${bytesOf(nodeId)} bytes and CSI ` +
      `allows ${NODE_ID_MAX_BYTES} (${node.addresses.length} addresses, ${node.wwpns.length} ` +
      "WWPNs); name fewer data addresses with --data-address or shorten the IQN",
  );
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function nodeIdOf(node: NodeIdentity): string {
  const uuid = UUID_NQN.exec(node.nqn?.toLowerCase() ?? "")?.[1];
  const parts = [
    "1",
    node.name,
    node.protocols.map((protocol) => PROTOCOL_FACTS[protocol].letter).join(""),
  ];
  if (node.iqn) parts.push(`i=${node.iqn}`);
  if (uuid) parts.push(`u=${hexToBase64(uuid.replaceAll("-", ""))}`);
  else if (node.nqn) parts.push(`n=${node.nqn}`);
  if (node.wwpns.length > 0) parts.push(`w=${hexToBase64(node.wwpns.join(""))}`);
  if (node.addresses.length > 0) parts.push(`a=${node.addresses.join(",")}`);
  return parts.join(";");
}

function uuidOf(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .join("-");
}

/**
 * The identity inside a node_id; `undefined` for text that no version of this program made. Unknown
 * keys are ignored.
 */
export function decodeNodeId(nodeId: string): NodeIdentity | undefined {
  const [version, name, letters, ...rest] = nodeId.split(";");
  if (version !== "1" || !name || letters === undefined) return undefined;
  const node: NodeIdentity = {
    name,
    protocols: PROTOCOLS.filter((protocol) => letters.includes(PROTOCOL_FACTS[protocol].letter)),
    wwpns: [],
    addresses: [],
  };
  try {
    for (const part of rest) {
      const value = part.slice(2);
      if (part.startsWith("i=")) node.iqn = value;
      else if (part.startsWith("n=")) node.nqn = value;
      else if (part.startsWith("u=")) {
        node.nqn = `nqn.2014-08.org.nvmexpress:uuid:${uuidOf(base64ToHex(value))}`;
      } else if (part.startsWith("w=")) node.wwpns = base64ToHex(value).match(/.{16}/g) ?? [];
      else if (part.startsWith("a=")) node.addresses = value.split(",");
    }
  } catch {
    return undefined; // broken base64: not made by us
  }
  return node;
}

/** What is true of a block volume by any protocol. */
export interface BlockFacts {
  /**
   * 24 upper-case hex digits; WWID and NGUID follow from it. Empty on the local plane only if the
   * array gives none.
   */
  serial: string;
  sizeBytes: number;
  /**
   * The array has seen a write, or content by clone: the node must never format it. `false` alone
   * allows nothing.
   */
  everWritten: boolean;
}

/** One portal of a target, as an array names it: `192.0.2.1:3260`, `[2001:db8::1]:3260`. */
export interface IscsiPortal {
  iqn: string;
  portal: string;
}

/** Everything a node needs to find one published volume; travels in publish_context. */
export type Attachment =
  | ({ protocol: "iscsi"; lun: number; targets: IscsiPortal[] } & BlockFacts)
  | ({ protocol: "fc"; lun: number; wwpns: string[] } & BlockFacts)
  | ({ protocol: NvmePortalProtocol; nqn: string; portals: string[] } & BlockFacts)
  | ({ protocol: "nvme-fc"; nqn: string; wwpns: string[] } & BlockFacts)
  | ({ protocol: "local"; type: "block"; array: string; host: string; lun: number } & BlockFacts)
  | { protocol: "local"; type: "file"; array: string; fileSystem: string }
  | { protocol: "nfs"; address: string; path: string };

const CONTEXT_VERSION = "1";

/**
 * publish_context of CSI: one JSON value, so that lists and numbers keep their types, beside the
 * keys people look for.
 */
export function encodeAttachment(attachment: Attachment): Record<string, string> {
  return {
    version: CONTEXT_VERSION,
    protocol: attachment.protocol,
    attachment: JSON.stringify(attachment),
  };
}

type FieldType = "string" | "number" | "boolean" | "array";

function hasType(value: unknown, type: FieldType): boolean {
  // deno-lint-ignore valid-typeof -- the other three names are those of typeof
  return type === "array" ? Array.isArray(value) : typeof value === type;
}

type FieldTypes = Record<string, FieldType>;
const BLOCK_FIELDS: FieldTypes = { serial: "string", sizeBytes: "number", everWritten: "boolean" };
const FIELDS: Record<Protocol, (value: Record<string, unknown>) => FieldTypes> = {
  iscsi: () => ({ ...BLOCK_FIELDS, lun: "number", targets: "array" }),
  fc: () => ({ ...BLOCK_FIELDS, lun: "number", wwpns: "array" }),
  "nvme-tcp": () => ({ ...BLOCK_FIELDS, nqn: "string", portals: "array" }),
  "nvme-roce": () => ({ ...BLOCK_FIELDS, nqn: "string", portals: "array" }),
  "nvme-fc": () => ({ ...BLOCK_FIELDS, nqn: "string", wwpns: "array" }),
  nfs: () => ({ address: "string", path: "string" }),
  local: (value): FieldTypes => {
    if (value.type === "file") return { array: "string", fileSystem: "string" };
    return { ...BLOCK_FIELDS, array: "string", host: "string", lun: "number" };
  },
};

/**
 * The attachment inside a publish_context. `invalid` when the context was not made by
 * ControllerPublishVolume of this driver.
 */
export function decodeAttachment(context: Record<string, string>): Attachment {
  const refuse = (why: string, cause?: unknown) =>
    new PsoError(
      "invalid",
      `publish_context ${why}: the volume must be published by this driver's controller first`,
      { cause },
    );
  if (context.attachment === undefined) throw refuse("holds no attachment");
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(context.attachment);
  } catch (error) {
    throw refuse("holds a broken attachment", error);
  }
  const protocol = PROTOCOLS.find((known) => known === value?.protocol);
  if (protocol === undefined) {
    throw refuse(
      `names the protocol ${JSON.stringify(value?.protocol)}, and this node knows ${
        PROTOCOLS.join(", ")
      }`,
    );
  }
  for (const [field, type] of Object.entries(FIELDS[protocol](value))) {
    if (!hasType(value[field], type)) throw refuse(`lacks ${field} (${type})`);
  }
  return value as unknown as Attachment; // wire edge: every field was checked above
}
