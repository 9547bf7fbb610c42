/** What the specification demands of every request alike, checked before any handler sees it. */
import type { DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { PsoError } from "../errors.ts";
import { FIELD_RULES } from "./generated/field_rules.ts";

/** Messages of which at least one of some fields must be given. */
const AT_LEAST_ONE: Readonly<Record<string, readonly string[]>> = {
  "csi.v1.CapacityRange": ["required_bytes", "limit_bytes"],
  "csi.v1.TopologyRequirement": ["requisite", "preferred"],
};

/**
 * REQUIRED fields that tell more of an object, by message: whether they are there is for the
 * handler, once it knows whether there can be such an object. Else a delete of what is gone would
 * fail.
 */
const JUDGED_LATER: Readonly<Record<string, readonly string[]>> = {
  "csi.v1.DeleteVolumeGroupSnapshotRequest": ["snapshot_ids"],
  "csi.v1.GetVolumeGroupSnapshotRequest": ["snapshot_ids"],
};

/** What CSI bans from names: U+0000-0008, U+000B, U+000C, U+000E-001F and U+007F-009F. */
const BANNED = /[^\P{Cc}\t\n\r]/u;

/** Items of one list of messages, such as capabilities or topologies. */
export const LIST_ITEMS_MAX = 1_000;
/** Faults of one request that are told. */
const FAULTS_TOLD = 20;

const encoder = new TextEncoder();

/**
 * Throws `invalid` with every fault of the request at once, each with the field's path as in the
 * specification: a REQUIRED field or member of a oneof is missing, a string, list or map is longer
 * than the size limits allow (found and allowed bytes are named), a name or id holds a control
 * character, a number is negative, a list has too many items. Of many faults the first are told.
 * Paths are not judged: whether they exist or are absolute is for
 * the handler, after it knows the volume.
 */
export function checkRequest<T extends DescMessage>(schema: T, request: MessageShape<T>): void {
  const faults = faultsOf(schema, request);
  if (faults.length === 0) return;
  const more = faults.length - FAULTS_TOLD;
  const told = more > 0 ? [...faults.slice(0, FAULTS_TOLD), `and ${more} more faults`] : faults;
  throw new PsoError("invalid", told.join("; "));
}

/** The faults of any CSI message by the same rules, in the order of its fields. */
export function faultsOf<T extends DescMessage>(schema: T, message: MessageShape<T>): string[] {
  return messageFaults(reflect(schema, message), "");
}

function messageFaults(message: ReflectMessage, path: string): string[] {
  const at = (name: string) => path === "" ? name : `${path}.${name}`;
  const faults = message.fields.flatMap((field) => fieldFaults(message, field, at(field.name)));
  for (const oneof of message.oneofs) {
    if (message.oneofCase(oneof) === undefined) {
      faults.push(
        `${at(oneof.name)} is missing: one of ${
          oneof.fields.map((field) => field.name).join(", ")
        } must be set`,
      );
    }
  }
  const group = AT_LEAST_ONE[message.desc.typeName];
  if (
    group !== undefined &&
    !message.fields.some((field) => group.includes(field.name) && message.isSet(field))
  ) {
    faults.push(
      `${path === "" ? message.desc.name : path} is empty: ${group.join(" or ")} must be set`,
    );
  }
  return faults;
}

function fieldFaults(message: ReflectMessage, field: DescField, path: string): string[] {
  const { typeName } = message.desc;
  const rule = FIELD_RULES[typeName]?.[field.name] ?? {};
  if (!message.isSet(field)) {
    const isWanted = rule.required && !JUDGED_LATER[typeName]?.includes(field.name);
    return isWanted ? [`${path} is missing`] : [];
  }
  return [
    ...sizeFaults(message, field, { path, maxBytes: rule.maxBytes ?? Infinity }),
    ...(rule.plainText ? textFaults(message, field, path) : []),
    ...valueFaults(message, field, path),
  ];
}

function sizeFaults(
  message: ReflectMessage,
  field: DescField,
  limit: { path: string; maxBytes: number },
): string[] {
  const { path, maxBytes } = limit;
  const fault = (where: string, bytes: number) =>
    bytes > maxBytes ? [`${where} has ${bytes} bytes, at most ${maxBytes} are allowed`] : [];
  if (field.fieldKind === "scalar") {
    const value = message.get(field);
    return typeof value === "string" ? fault(path, byteLength(value)) : [];
  }
  if (field.fieldKind === "map") {
    return fault(path, sum([...message.get(field)].flat().map(byteLength)));
  }
  if (field.fieldKind !== "list" || field.listKind !== "scalar") return [];
  const lengths = [...message.get(field)].map(byteLength);
  // CSI limits the flags of a mount together, every other list string by string.
  if (field.name === "mount_flags") return fault(path, sum(lengths));
  return lengths.flatMap((bytes, i) => fault(`${path}[${i}]`, bytes));
}

/** Faults of a name or an id, or of each in a list of them. */
function textFaults(message: ReflectMessage, field: DescField, path: string): string[] {
  const texts = field.fieldKind === "list" && field.listKind === "scalar"
    ? [...message.get(field)].map((text, i) => ({ where: `${path}[${i}]`, text }))
    : [{ where: path, text: message.get(field) }];
  return texts.flatMap(({ where, text }) => {
    const banned = typeof text === "string" ? BANNED.exec(text)?.[0] : undefined;
    if (banned === undefined) return [];
    const code = banned.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    return [`${where} holds the control character U+${code}, which CSI allows in no name`];
  });
}

/** Faults of the value itself, and of messages inside. */
function valueFaults(message: ReflectMessage, field: DescField, path: string): string[] {
  if (field.fieldKind === "message") {
    const inner = message.get(field);
    return isOurs(field.message) ? messageFaults(inner, path) : [];
  }
  if (field.fieldKind === "list" && field.listKind === "message" && isOurs(field.message)) {
    const { size } = message.get(field);
    if (size > LIST_ITEMS_MAX) {
      return [`${path} has ${size} items, at most ${LIST_ITEMS_MAX} are allowed`];
    }
    return [...message.get(field)].flatMap((inner, i) =>
      isReflected(inner) ? messageFaults(inner, `${path}[${i}]`) : []
    );
  }
  if (field.fieldKind !== "scalar") return [];
  const value = message.get(field);
  const negative = (typeof value === "bigint" || typeof value === "number") && value < 0;
  return negative ? [`${path} is ${value}, it must not be negative`] : [];
}

function isOurs(desc: DescMessage): boolean {
  return desc.typeName.startsWith("csi.v1.");
}

function isReflected(value: unknown): value is ReflectMessage {
  return typeof value === "object" && value !== null && "desc" in value;
}

function byteLength(value: unknown): number {
  return typeof value === "string" ? encoder.encode(value).length : 0;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
