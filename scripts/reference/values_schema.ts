import { ARRAY_KEYS, type ArrayKey } from "../../src/config/arrays/keys.ts";
import { CHART_SECTIONS } from "../../src/config/chart_keys.ts";
import { type ConfigKey, DRIVER_SECTIONS } from "../../src/config/keys.ts";

/** A node of a JSON schema, draft 7 (which Helm checks). */
interface Schema {
  properties?: Record<string, Schema>;
  [keyword: string]: unknown;
}

/** `null` in a values file takes a default of the chart away, so every key may have it. */
function orNull(types: readonly string[]): string[] {
  return [...types, "null"];
}

/**
 * As generous as the program: what it accepts must pass Helm as well. Only types stand here: Helm
 * checks the schema before it renders anything, and the schema can say no mend. What a value may be
 * is held by templates/_validate.tpl, which says all problems at once.
 */
function keySchema(key: ConfigKey): Schema {
  const texts = { type: orNull(["string", "array"]), items: { type: "string" } };
  const types: Readonly<Record<ConfigKey["type"], Schema>> = {
    text: { type: orNull(["string"]) },
    switch: { type: orNull(["boolean", "string", "integer"]) },
    integer: { type: orNull(["integer", "string"]) },
    choice: { type: orNull(key.values?.includes("true") ? ["string", "boolean"] : ["string"]) },
    words: texts,
    options: texts,
    cidrs: texts,
    mapping: { type: orNull(["object"]) },
    list: { type: orNull(["array"]) },
  };
  return {
    description: key.meaning,
    ...types[key.type],
    ...(key.default === undefined ? {} : { default: key.default }),
  };
}

function arrayKeySchema(key: ArrayKey): Schema {
  const types: Readonly<Record<ArrayKey["type"], Schema>> = {
    "text": { type: orNull(["string"]) },
    "secret": { type: orNull(["string"]) },
    "switch": { type: orNull(["boolean", "string"]) },
    "labels": {
      type: orNull(["object"]),
      additionalProperties: { type: ["string", "number", "boolean", "null"] },
    },
    "secret reference": {
      type: orNull(["object"]),
      properties: { name: { type: "string" }, key: { type: "string" } },
      required: ["name"],
      additionalProperties: false,
    },
  };
  return {
    description: key.meaning,
    ...types[key.type],
    ...(key.default === undefined ? {} : { default: key.default }),
  };
}

/** A key in any mix of upper and lower case, as PSO's driver took it. */
function anyCase(name: string): string {
  return `^${
    [...name].map((letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`).join("")
  }$`;
}

/**
 * Typos are refused here; what is missing, or is for the other kind of array, is told by the
 * templates.
 */
function entrySchema(): Schema {
  return {
    type: "object",
    properties: Object.fromEntries(ARRAY_KEYS.map((key) => [key.name, arrayKeySchema(key)])),
    // Their types are held by the right spelling alone: a fault is told once.
    patternProperties: Object.fromEntries(ARRAY_KEYS.map(({ name }) => [anyCase(name), {}])),
    additionalProperties: false,
  };
}

/**
 * The branch of `root` at `path`, made where it is missing. Only mappings that this function makes
 * are walked.
 */
function place(root: Schema, { path, schema }: { path: readonly string[]; schema: Schema }): void {
  const [name = "", ...rest] = path;
  const properties = root.properties ??= {};
  if (rest.length === 0) properties[name] = schema;
  else place(properties[name] ??= { type: orNull(["object"]) }, { path: rest, schema });
}

/**
 * The chart's values.schema.json. Unknown keys pass, as they are a warning for the program; inside
 * an array's entry they do not.
 */
export function valuesSchema(): Schema {
  const root: Schema = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    title: "Values of pure-csi",
    type: "object",
  };
  for (const key of [...DRIVER_SECTIONS, ...CHART_SECTIONS].flatMap(({ keys }) => keys)) {
    const schema = keySchema(key);
    place(root, { path: key.path.split("."), schema });
    for (const path of key.old ?? []) {
      place(root, {
        path: path.split("."),
        schema: { ...schema, description: `Old spelling of ${key.path}.` },
      });
    }
  }
  place(root, {
    path: ["arrays"],
    schema: {
      type: orNull(["object"]),
      properties: {
        FlashArrays: { type: orNull(["array"]), items: entrySchema() },
        FlashBlades: { type: orNull(["array"]), items: entrySchema() },
      },
      additionalProperties: false,
    },
  });
  return root;
}
