import { PsoError } from "./errors.ts";
import { type NvmePortalProtocol, type Protocol, PROTOCOL_FACTS, PROTOCOLS } from "./protocols.ts";
import { parseIp } from "./net/cidr.ts";
import { packAddresses, unpackV4, unpackV6 } from "./net/packed_addresses.ts";
import { isStorageName, type StorageName, storageNameFault } from "./storage_names.ts";

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
 * base64url. Addresses that are too many for that form follow packed, as `;4=` and `;6=`; a
 * controller that does not know these keys reads the others. Throws `invalid` when it does not fit in 256 bytes.
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
  return withAddresses(parts.join(";"), node.addresses);
}

/** With as many addresses as text as there is room for, and the rest packed. */
function withAddresses(start: string, addresses: readonly string[]): string {
  const written = (asText: number): string | undefined => {
    const packed = packAddresses(addresses.slice(asText));
    return packed && start + [
          ["a", addresses.slice(0, asText).join(",")],
          ["4", packed.v4],
          ["6", packed.v6],
        ].map(([key, value]) => value === "" ? "" : `;${key}=${value}`).join("");
  };
  const fits = (text?: string) => text !== undefined && bytesOf(text) <= NODE_ID_MAX_BYTES;
  const plain = written(addresses.length) ?? start;
  if (fits(plain)) return plain;
  let best = written(0) ?? plain;
  for (let asText = 1; fits(best) && asText < addresses.length; asText++) {
    const next = written(asText);
    if (!fits(next)) break;
    best = next ?? best;
  }
  return best;
}

function uuidOf(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .join("-");
}

/** What a name of an initiator may hold: an array takes such text into host objects. */
const INITIATOR = /^(?:iqn|eui|naa|nqn)\.[^\s\p{Cc};,"'*]{1,219}$/iu;

/** Whether every name is one that a node can have: addresses become export rules. */
function isSane({ name, iqn, nqn, wwpns, addresses }: NodeIdentity): boolean {
  return !/[\p{Cc}\s]/u.test(name) && [iqn, nqn].every((one) => !one || INITIATOR.test(one)) &&
    wwpns.every((one) => isStorageName("port", one)) &&
    addresses.every((one) => parseIp(one) !== undefined);
}

/**
 * The identity inside a node_id; `undefined` for text that no version of this program made, such as
 * one whose address is none. Unknown keys are ignored.
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
      else if (part.startsWith("a=")) node.addresses.push(...value.split(","));
      else if (part.startsWith("4=")) node.addresses.push(...unpackV4(value));
      else if (part.startsWith("6=")) node.addresses.push(...unpackV6(value));
    }
  } catch {
    return undefined; // broken base64, or no addresses: not made by us
  }
  return isSane(node) ? node : undefined;
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
  /** The volume's LUN there, where another array of its pod gives it another one. */
  lun?: number;
}

/** Where the simulator's local plane has a volume. */
export interface LocalPlace {
  array: string;
  host: string;
  lun: number;
}

/** Everything a node needs to find one published volume; travels in publish_context. */
export type Attachment =
  | ({ protocol: "iscsi"; lun: number; targets: IscsiPortal[] } & BlockFacts)
  | ({ protocol: "fc"; lun: number; wwpns: string[]; luns?: number[] } & BlockFacts)
  | ({ protocol: NvmePortalProtocol; nqn: string; portals: string[] } & BlockFacts)
  | ({ protocol: "nvme-fc"; nqn: string; wwpns: string[] } & BlockFacts)
  | ({ protocol: "local"; type: "block"; also?: LocalPlace[] } & LocalPlace & BlockFacts)
  | { protocol: "local"; type: "file"; array: string; fileSystem: string }
  | { protocol: "nfs"; address: string; path: string };

const CONTEXT_VERSION = "1";

/**
 * publish_context of CSI: one JSON value, so that lists and numbers keep their types, beside the
 * keys people look for. `others` are attachments of the same volume by other arrays of its pod: a
 * node of a version that does not know them uses the first alone.
 */
export function encodeAttachment(
  attachment: Attachment,
  others: readonly Attachment[] = [],
): Record<string, string> {
  return {
    version: CONTEXT_VERSION,
    protocol: attachment.protocol,
    attachment: JSON.stringify(attachment),
    ...(others.length > 0 ? { others: JSON.stringify(others) } : {}),
  };
}

/** Protocols by which one node can have one volume through two arrays. */
export function canJoin({ protocol }: { protocol: Protocol }): boolean {
  return protocol === "iscsi" || protocol === "fc" || protocol === "local";
}

/** One attachment with the ways of both; undefined for two volumes, and by any other protocol. */
function joined(one: Attachment, other: Attachment): Attachment | undefined {
  if (!("serial" in one) || !("serial" in other) || one.serial !== other.serial) return undefined;
  // What either has seen forbids a format: the word of one may be older than the other's.
  const everWritten = one.everWritten || other.everWritten;
  if (one.protocol === "iscsi" && other.protocol === "iscsi") {
    const targets = other.targets.map((target) => ({ ...target, lun: other.lun }));
    return { ...one, everWritten, targets: [...one.targets, ...targets] };
  }
  if (one.protocol === "fc" && other.protocol === "fc") {
    const lunsOf = ({ luns, lun, wwpns }: typeof one) => luns ?? wwpns.map(() => lun);
    const luns = [...lunsOf(one), ...lunsOf(other)];
    return { ...one, everWritten, wwpns: [...one.wwpns, ...other.wwpns], luns };
  }
  if (one.protocol !== "local" || other.protocol !== "local" || one.serial === "") return undefined;
  const { array, host, lun } = other;
  return { ...one, everWritten, also: [...one.also ?? [], { array, host, lun }] };
}

type FieldType = "string" | "number" | "boolean" | "array";

/** A field of an attachment. */
interface Field {
  type: FieldType;
  /** It may be absent. */
  isOptional?: true;
  /** What is wrong with the value, as the start of a sentence; its type is right. */
  fault?: (value: unknown) => string | undefined;
}

function hasType(value: unknown, type: FieldType): boolean {
  // deno-lint-ignore valid-typeof -- the other three names are those of typeof
  return type === "array" ? Array.isArray(value) : typeof value === type;
}

type Fields = Record<string, Field>;

const TEXT: Field = { type: "string" };

function name(kind: StorageName): Field {
  return { type: "string", fault: (value) => storageNameFault(kind, value) };
}

function names(kind: StorageName): Field {
  return { type: "array", fault: (value) => faultIn(value, (one) => storageNameFault(kind, one)) };
}

/** More paths than any array offers: each of them costs a login. */
const PATHS_MAX = 256;

/** The first fault of a list of paths. */
function faultIn(
  value: unknown,
  faultOf: (one: unknown) => string | undefined,
): string | undefined {
  const list = value as unknown[];
  if (list.length > PATHS_MAX) return `${list.length} paths are more than ${PATHS_MAX}`;
  return list.map(faultOf).find((fault) => fault !== undefined);
}

/** A whole number from 0 to `max`. */
function whole(what: string, max: number): Field {
  const fault = (value: unknown) =>
    Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max
      ? undefined
      : `${what} ${value} is no whole number from 0 to ${max}`;
  return { type: "number", fault };
}

/** The largest LUN that SCSI's flat form of an address has room for (SAM-5 4.7). */
const LUN: Field = whole("LUN", 16_383);
const TARGETS: Field = {
  type: "array",
  fault: (value) =>
    faultIn(value, (one) => {
      const { iqn, portal, lun } = (one ?? {}) as Record<string, unknown>;
      return storageNameFault("target", iqn) ?? storageNameFault("portal", portal) ??
        (lun === undefined ? undefined : LUN.fault?.(lun));
    }),
};
/** LUNs in the order of the ports that they are behind. */
const LUNS: Field = {
  type: "array",
  isOptional: true,
  fault: (value) => faultIn(value, (lun) => LUN.fault?.(lun)),
};
const FACTS: Fields = {
  sizeBytes: whole("size", Number.MAX_SAFE_INTEGER),
  everWritten: { type: "boolean" },
};
const BLOCK: Fields = { serial: name("serial"), ...FACTS };
/** Simulated arrays need not give a serial. */
const LOCAL_SERIAL: Field = {
  type: "string",
  fault: (value) => value === "" ? undefined : storageNameFault("serial", value),
};
/** Places of the local plane: what they name is judged where it becomes a path. */
const ALSO: Field = {
  type: "array",
  isOptional: true,
  fault: (value) =>
    faultIn(value, (one) => {
      const { array, host, lun } = (one ?? {}) as Record<string, unknown>;
      if (typeof array === "string" && typeof host === "string") return LUN.fault?.(lun);
      return "place names no array and host";
    }),
};
const LOCAL: Record<string, Fields> = {
  block: {
    ...{ serial: LOCAL_SERIAL, ...FACTS, type: TEXT, array: TEXT, host: TEXT, lun: LUN },
    also: ALSO,
  },
  file: { type: TEXT, array: TEXT, fileSystem: TEXT },
};
const FIELDS: Record<Exclude<Protocol, "local">, Fields> = {
  iscsi: { ...BLOCK, lun: LUN, targets: TARGETS },
  fc: { ...BLOCK, lun: LUN, wwpns: names("port"), luns: LUNS },
  "nvme-tcp": { ...BLOCK, nqn: name("subsystem"), portals: names("portal") },
  "nvme-roce": { ...BLOCK, nqn: name("subsystem"), portals: names("portal") },
  "nvme-fc": { ...BLOCK, nqn: name("subsystem"), wwpns: names("port") },
  nfs: { address: name("server"), path: name("path") },
};

/** The fields of an attachment; `undefined` for a kind of volume that no version of this driver made. */
function fieldsOf(protocol: Protocol, type: unknown): Fields | undefined {
  if (protocol !== "local") return FIELDS[protocol];
  return typeof type === "string" && Object.hasOwn(LOCAL, type) ? LOCAL[type] : undefined;
}

function refusal(why: string, cause?: unknown): PsoError {
  return new PsoError(
    "invalid",
    `publish_context ${why}: the volume must be published by this driver's controller first`,
    { cause },
  );
}

/**
 * The attachment inside a publish_context. `invalid` when the context was not made by
 * ControllerPublishVolume of this driver, or holds a name that no array has. Fields that the
 * protocol does not have are left out, so that nothing takes the volume for another kind.
 */
export function decodeAttachment(context: Record<string, string>): Attachment {
  if (context.attachment === undefined) throw refusal("holds no attachment");
  const first = judged(parsed(context.attachment));
  const others = context.others === undefined ? [] : parsed(context.others);
  if (!Array.isArray(others)) throw refusal("holds a broken attachment");
  return others.reduce<Attachment>((whole, value) => {
    const both = joined(whole, judged(value));
    if (both === undefined) throw refusal("holds attachments of two volumes");
    return both;
  }, first);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refusal("holds a broken attachment", error);
  }
}

/** The attachment that a value holds; `invalid` when a node must not use it. */
function judged(value: unknown): Attachment {
  const attachment = shapedAttachment(value);
  if (typeof attachment === "string") throw refusal(attachment);
  for (const [field, { fault, isOptional }] of Object.entries(fieldsFor(attachment))) {
    const found = Reflect.get(attachment, field);
    const wrong = isOptional && found === undefined ? undefined : fault?.(found);
    if (wrong !== undefined) throw refusal(`is not to be used, because its ${wrong}`);
  }
  return attachment;
}

function fieldsFor(attachment: Attachment): Fields {
  return fieldsOf(attachment.protocol, "type" in attachment && attachment.type) ?? {};
}

/**
 * The attachment that a value read from JSON holds: every field of its protocol in its type, and no
 * other. Else why it is none, as the end of a sentence. Names and numbers are not judged.
 */
export function shapedAttachment(value: unknown): Attachment | string {
  const given = (value ?? {}) as Record<string, unknown>;
  const protocol = PROTOCOLS.find((known) => known === given.protocol);
  if (protocol === undefined) {
    return `names the protocol ${JSON.stringify(given.protocol)}, and this node knows ${
      PROTOCOLS.join(", ")
    }`;
  }
  const fields = fieldsOf(protocol, given.type);
  if (!fields) return `names the type ${JSON.stringify(given.type)} of a local volume`;
  const shaped: Record<string, unknown> = { protocol };
  for (const [field, { type, isOptional }] of Object.entries(fields)) {
    if (isOptional && given[field] === undefined) continue;
    if (!hasType(given[field], type)) return `lacks ${field} (${type})`;
    shaped[field] = given[field];
  }
  return shaped as unknown as Attachment; // wire edge: every field was checked above
}
