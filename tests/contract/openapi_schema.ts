/** A part of an OpenAPI document, as its YAML gives it. */
export type Node = { [key: string]: unknown };

/** A JSON schema that ajv compiles. */
export type JsonSchema = { [key: string]: unknown };

/**
 * Members that recorded answers of real arrays give as null although the specifications know no
 * null.
 */
const NULL_OBJECTS = new Set(["workload"]);

/**
 * Words of a schema that say what a value may be; everything else (descriptions, examples, x-…) is
 * for people.
 */
const CONSTRAINTS = [
  "enum",
  "pattern",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "uniqueItems",
  "required",
];

/** `value` as an object of the document, or an empty one. */
export function node(value: unknown): Node {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Node : {};
}

/**
 * Follows one `$ref` ("#/components/schemas/X") inside the document; anything else is given back as
 * it is.
 */
export function resolve(document: Node, part: Node): Node {
  let found = part;
  while (typeof found.$ref === "string") {
    let target: unknown = document;
    for (const step of found.$ref.replace(/^#\//, "").split("/")) target = node(target)[step];
    if (target === undefined) throw new Error(`${found.$ref} leads nowhere`);
    found = node(target);
  }
  return found;
}

/**
 * All of a schema's `allOf` parts and its own words, as one schema without `$ref` at its top: later
 * parts win.
 */
function merged(document: Node, part: Node): Node {
  const own = resolve(document, part);
  if (!Array.isArray(own.allOf)) return own;
  const all: Node = {};
  const properties: Node = {};
  const required: unknown[] = [];
  const { allOf, ...rest } = own;
  for (const piece of [...allOf, rest]) {
    const flat = merged(document, node(piece));
    Object.assign(all, flat);
    Object.assign(properties, node(flat.properties));
    if (Array.isArray(flat.required)) required.push(...flat.required);
  }
  if (Object.keys(properties).length > 0) Object.assign(all, { type: "object", properties });
  return required.length > 0 ? { ...all, required } : all;
}

/**
 * The JSON schema of an OpenAPI schema of the vendor, stricter than its words in one way and looser
 * in another: a member that the schema does not name is refused (it belongs to another version),
 * and a scalar may be null, because recorded answers hold nulls in every unset scalar while the
 * specifications never say `nullable`. Lists and objects are never null there, so not here.
 */
export function jsonSchema(document: Node, part: Node, name = ""): JsonSchema {
  const schema = merged(document, part);
  const result: JsonSchema = {};
  for (const word of CONSTRAINTS) if (schema[word] !== undefined) result[word] = schema[word];
  if (Array.isArray(schema.oneOf)) {
    return {
      anyOf: [...schema.oneOf.map((choice) => jsonSchema(document, node(choice), name)), {
        type: "null",
      }],
    };
  }
  if (schema.type === "array") {
    return { ...result, type: "array", items: jsonSchema(document, node(schema.items)) };
  }
  if (schema.type === "object" || schema.properties !== undefined) {
    return objectSchema(document, schema, { name, result });
  }
  // "float" is no type of JSON schema; a file of the vendor has it once.
  const type = schema.type === "float" ? "number" : schema.type;
  if (typeof type === "string") result.type = [type, "null"];
  return result;
}

function objectSchema(
  document: Node,
  schema: Node,
  { name, result }: { name: string; result: JsonSchema },
): JsonSchema {
  const properties: JsonSchema = {};
  for (const [key, value] of Object.entries(node(schema.properties))) {
    properties[key] = jsonSchema(document, node(value), key);
  }
  const known = Object.keys(properties).length > 0;
  const free = schema.additionalProperties;
  return {
    ...result,
    type: NULL_OBJECTS.has(name) ? ["object", "null"] : "object",
    properties,
    additionalProperties: free === undefined
      ? !known
      : typeof free === "boolean"
      ? free
      : jsonSchema(document, node(free)),
  };
}
