/** Holds the generated descriptors and the table of wire facts together, in both directions. */
import { equal, ok } from "node:assert/strict";
import { deepStrictEqual } from "node:assert";
import {
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescMessage,
  getOption,
  ScalarType,
} from "@bufbuild/protobuf";
import * as pb from "./generated/csi_pb.ts";
import { FIELD_RULES } from "./generated/field_rules.ts";

const facts = JSON.parse(
  Deno.readTextFileSync(new URL("../../proto/csi-wire-facts-1.13.json", import.meta.url)),
);
const PACKAGE = `${facts.package}.`;

/** A name as the table writes it: without our package, nested names dotted. */
function shortName(typeName: string): string {
  return typeName.startsWith(PACKAGE) ? typeName.slice(PACKAGE.length) : typeName;
}

function scalarName(scalar: ScalarType): string {
  return ScalarType[scalar].toLowerCase();
}

function typeOf(field: DescField): string {
  if (field.fieldKind === "map") {
    return `map<${scalarName(field.mapKey)},${field.scalar ? scalarName(field.scalar) : "?"}>`;
  }
  if (field.message) return shortName(field.message.typeName);
  if (field.enum) return shortName(field.enum.typeName);
  return scalarName(field.scalar);
}

function fieldFacts(field: DescField): Record<string, unknown> {
  return {
    name: field.name,
    num: field.number,
    type: typeOf(field),
    ...(field.fieldKind === "list" ? { rep: true } : {}),
    ...(field.enum ? { enum: true } : {}),
    ...(field.oneof ? { oneof: field.oneof.name } : {}),
    ...(getOption(field, pb.csi_secret) ? { secret: true } : {}),
    ...(getOption(field, pb.alpha_field) ? { alpha: true } : {}),
  };
}

/**
 * Reserved numbers as inclusive ranges; the descriptor of a message excludes its end, that of an
 * enum includes it.
 */
function reserved(
  ranges: { start: number; end: number }[],
  endIncluded: boolean,
): Record<string, unknown> {
  return ranges.length === 0
    ? {}
    : { reserved: ranges.map(({ start, end }) => [start, endIncluded ? end : end - 1]) };
}

function allMessages(messages: readonly DescMessage[]): DescMessage[] {
  return messages.flatMap((message) => [message, ...allMessages(message.nestedMessages)])
    .filter((message) => !message.proto.options?.mapEntry);
}

const messages = allMessages(pb.file_csi.messages);

function allEnums(): DescEnum[] {
  return [...pb.file_csi.enums, ...messages.flatMap((message) => message.nestedEnums)];
}

/** `req` is what the specification says in words: not on the wire, so not in a descriptor. */
function withoutWords(field: Record<string, unknown>): Record<string, unknown> {
  const { req: _req, ...rest } = field;
  return rest;
}

Deno.test("csi.proto is of the package, syntax, imports and options of the table", () => {
  const { proto } = pb.file_csi;
  deepStrictEqual(
    {
      syntax: proto.syntax,
      package: proto.package,
      imports: [...proto.dependency].sort(),
      options: { go_package: proto.options?.goPackage },
    },
    {
      syntax: facts.syntax,
      package: facts.package,
      imports: [...facts.imports].sort(),
      options: facts.options,
    },
  );
});

Deno.test("csi.proto has the services and calls of the table, and no other", () => {
  const found = Object.fromEntries(pb.file_csi.services.map((service) => [service.name, {
    rpcs: service.methods.map((method) => ({
      name: method.name,
      req: shortName(method.input.typeName),
      res: shortName(method.output.typeName),
      ...(method.methodKind === "server_streaming" ? { stream: "server" } : {}),
      ...(method.methodKind !== "unary" && method.methodKind !== "server_streaming"
        ? { stream: method.methodKind }
        : {}),
      ...(getOption(method, pb.alpha_method) ? { alpha: true } : {}),
    })),
    ...(getOption(service, pb.alpha_service) ? { alpha: true } : {}),
  }]));
  deepStrictEqual(found, facts.services);
});

Deno.test("csi.proto has the messages and fields of the table, and no other", () => {
  const found = Object.fromEntries(messages.map((message) => [shortName(message.typeName), {
    fields: message.fields.map(fieldFacts),
    ...reserved(message.proto.reservedRange, false),
    ...(getOption(message, pb.alpha_message) ? { alpha: true } : {}),
  }]));
  const wanted = Object.fromEntries(
    Object.entries<{ fields: Record<string, unknown>[] }>(facts.messages).map((
      [name, message],
    ) => [name, { ...message, fields: message.fields.map(withoutWords) }]),
  );
  equal(Object.keys(found).length, Object.keys(wanted).length);
  deepStrictEqual(found, wanted);
});

Deno.test("csi.proto has the enum values of the table, and no other", () => {
  const found = Object.fromEntries(
    allEnums().map((desc) => [shortName(desc.typeName), {
      values: desc.values.map((
        value,
      ) => [value.name, value.number, ...(getOption(value, pb.alpha_enum_value) ? ["alpha"] : [])]),
      ...reserved(desc.proto.reservedRange, true),
      ...(getOption(desc, pb.alpha_enum) ? { alpha: true } : {}),
    }]),
  );
  deepStrictEqual(found, facts.enums);
});

Deno.test("csi.proto has the extensions of the table, and no other", () => {
  const found: Record<string, Record<string, number>> = {};
  for (const extension of pb.file_csi.extensions as DescExtension[]) {
    const extendee = extension.extendee.typeName.replace("google.protobuf.", "");
    (found[extendee] ??= {})[extension.name] = extension.number;
  }
  deepStrictEqual(found, facts.extensions);
});

Deno.test("field_rules.ts demands what the table marks as required, wherever the wire shows it", () => {
  for (const message of messages) {
    const rules = FIELD_RULES[message.typeName] ?? {};
    const marked = facts.messages[shortName(message.typeName)].fields
      .filter((field: { req?: string; type: string; rep?: boolean }) =>
        field.req === "R" && (field.rep || !["bool", "int32", "int64"].includes(field.type))
      ).map((field: { name: string }) => field.name);
    deepStrictEqual(
      Object.keys(rules).filter((name) => rules[name]?.required),
      marked,
      message.typeName,
    );
  }
});

Deno.test("field_rules.ts limits every string and map but paths", () => {
  for (const message of messages) {
    for (const field of message.fields) {
      const limit = FIELD_RULES[message.typeName]?.[field.name]?.maxBytes;
      if (field.name.endsWith("_path")) {
        equal(limit, undefined, `${message.typeName}.${field.name}`);
      } else if (field.fieldKind === "map") equal(limit, 4096, `${message.typeName}.${field.name}`);
      else if (field.scalar === ScalarType.STRING) {
        ok(limit !== undefined && limit >= 128, `${message.typeName}.${field.name}`);
      } else equal(limit, undefined, `${message.typeName}.${field.name}`);
    }
  }
});
