import type { DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { getOption, toJson } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { isSecretName } from "../secret.ts";
import { csi_secret } from "./generated/csi_pb.ts";

const REDACTED = "[redacted]";
/** Items of a list that are shown. */
const ITEMS_SHOWN = 100;
/**
 * The message as JSON values that may be logged: each field that the wire contract marks
 * csi_secret, and each map entry whose key speaks of a secret, says [redacted]. Fields of other
 * versions are left out.
 */
export function redacted<T extends DescMessage>(schema: T, message: MessageShape<T>): unknown {
  return redactedMessage(reflect(schema, message));
}

/**
 * The same, made only when it is printed: requests at debug level cost nothing while debug is off.
 */
export function redactedLazily<T extends DescMessage>(
  schema: T,
  message: MessageShape<T>,
): { toJSON(): unknown } {
  return { toJSON: () => redacted(schema, message) };
}

function redactedMessage(message: ReflectMessage): unknown {
  // Timestamps and wrappers have a JSON form of their own.
  if (message.desc.typeName.startsWith("google.protobuf.")) {
    return toJson(message.desc, message.message);
  }
  return Object.fromEntries(
    message.fields.filter((field) => message.isSet(field)).map((
      field,
    ) => [field.name, redactedField(message, field)]),
  );
}

function redactedField(message: ReflectMessage, field: DescField): unknown {
  if (getOption(field, csi_secret)) return REDACTED;
  if (field.fieldKind === "map") {
    return Object.fromEntries(
      [...message.get(field)].map((
        [key, value],
      ) => [key, isSecretName(String(key)) ? REDACTED : plain(value)]),
    );
  }
  if (field.fieldKind === "list") return firstItems(message.get(field));
  if (field.fieldKind === "enum") {
    const value = message.get(field);
    return field.enum.value[value]?.name ?? value;
  }
  return plain(message.get(field));
}

/** The first items of a list, and how many there are if these are not all. */
function firstItems(list: Iterable<unknown> & { readonly size: number }): unknown[] {
  const items: unknown[] = [];
  for (const item of list) {
    if (items.length === ITEMS_SHOWN) return [...items, `… (${list.size} items)`];
    items.push(plain(item));
  }
  return items;
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return isReflected(value) ? redactedMessage(value) : value;
}

function isReflected(value: unknown): value is ReflectMessage {
  return typeof value === "object" && value !== null && "desc" in value && "message" in value;
}
