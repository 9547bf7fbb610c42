import { SECRET_NAME } from "../../src/config/arrays/credentials.ts";
import { ARRAY_KEYS } from "../../src/config/arrays/keys.ts";
import { LABEL_KEY } from "../../src/config/arrays/labels.ts";
import { CHART_SECTIONS } from "../../src/config/chart_keys.ts";
import { type ConfigKey, DRIVER_SECTIONS } from "../../src/config/keys.ts";
import { CONFIG_LIMITS } from "../../src/config/model.ts";

/** What the chart's templates must know of one key. */
interface TableKey {
  type: ConfigKey["type"];
  usedBy: ConfigKey["usedBy"];
  /** Words that are accepted, in lower case. */
  words?: readonly string[];
  /** What is wanted, for people. */
  wanted?: string;
  least?: number;
  most?: number;
  /** Characters of a text, or of all texts of a list together. */
  chars?: number;
  pattern?: string;
  default?: ConfigKey["default"];
  /** What a key without effect was for. */
  meaning?: string;
}

/** The table of keys in a form that templates can look things up in. */
interface ChartTable {
  keys: Record<string, TableKey>;
  /** Every spelling of a key, old ones too, and the key's own path. */
  spellings: Record<string, string>;
  /** Spellings in lower case, and their last part alone, with what to write: for mistyped keys. */
  near: Record<string, string>;
  /** Paths above keys. */
  branches: Record<string, true>;
  /** Keys of an array's entry, by their name in lower case. */
  arrayKeys: Record<
    string,
    { name: string; type: string; flasharray: boolean; flashblade: boolean; chars?: number }
  >;
  /** How much the program reads. */
  limits: typeof CONFIG_LIMITS;
  /** What names must match, as RE2 writes it. */
  patterns: { label: string; secretName: string };
}

/** Types whose texts the driver measures. */
const MEASURED: readonly ConfigKey["type"][] = ["text", "words", "options"];

function wantedText({ type, values, range, unit }: ConfigKey): string | undefined {
  if (type === "choice") return `one of ${(values ?? []).join(", ")}`;
  if (type !== "integer") return undefined;
  return range ? `${range[0]} to ${range[1]}${unit ? ` ${unit}` : ""}` : "a whole number";
}

function tableKey(key: ConfigKey): TableKey {
  const words = [...key.values ?? [], ...Object.keys(key.synonyms ?? {})].map((word) =>
    word.toLowerCase()
  );
  const wanted = wantedText(key);
  const [least, most] = key.range ?? [];
  return {
    type: key.type,
    usedBy: key.usedBy,
    ...words.length > 0 && { words },
    ...wanted !== undefined && { wanted },
    ...key.range && { least, most },
    ...key.usedBy === "driver" && MEASURED.includes(key.type) && { chars: CONFIG_LIMITS.textChars },
    ...key.pattern !== undefined && { pattern: key.pattern },
    ...key.default !== undefined && { default: key.default },
    ...key.usedBy === "nobody" && { meaning: key.meaning },
  };
}

/**
 * The table by which the chart's templates check values and name unknown keys, made from the one
 * that the program itself uses, so that both accept the same.
 */
export function chartTable(): ChartTable {
  const table: ChartTable = {
    keys: {},
    spellings: {},
    near: {},
    branches: {},
    arrayKeys: {},
    limits: CONFIG_LIMITS,
    patterns: { label: LABEL_KEY.source, secretName: SECRET_NAME.source },
  };
  for (const key of [...DRIVER_SECTIONS, ...CHART_SECTIONS].flatMap(({ keys }) => keys)) {
    table.keys[key.path] = tableKey(key);
    for (const path of [key.path, ...key.old ?? []]) {
      table.spellings[path] = key.path;
      const parts = path.split(".");
      table.near[path.toLowerCase()] ??= key.path;
      const last = parts.at(-1)?.toLowerCase();
      if (last !== undefined) table.near[last] ??= key.path;
      for (let length = 1; length < parts.length; length++) {
        table.branches[parts.slice(0, length).join(".")] = true;
      }
    }
  }
  for (const { name, old = [], type, kinds, chars } of ARRAY_KEYS) {
    const entry = {
      name,
      type,
      flasharray: kinds.includes("flasharray"),
      flashblade: kinds.includes("flashblade"),
      ...chars !== undefined && { chars },
    };
    for (const spelling of [name, ...old]) table.arrayKeys[spelling.toLowerCase()] = entry;
  }
  return table;
}
